// Activations of which each column learns its share: x + mix (f(x) - x), where f is SELU or Mish.
#include "activation.h"
#include "column_strips.h"
#include "families.h"
#include "gates.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr int kWidest = 2;    // vectors of a strip: bound by arithmetic
constexpr double kCost = 16;  // of one element, in multiply-adds

// Where x > 0: f(x) - x and f'(x) - 1, which may be far below x and 1; elsewhere f(x) and f'(x), which may be too.
template <class T>
struct Bend {
    Vec<T> value, slope;
};

template <Mixed F, class T>
PYNN_INLINE inline Bend<T> bend(Vec<T> x) {
    const Vec<T> zero = {};
    if constexpr (F == Mixed::selu) {
        const Vec<T> left = expm1(x > zero ? zero : x) * T(kSeluScale * kSeluAlpha);
        return {x > zero ? x * T(kSeluScale - 1) : left,
                x > zero ? zero + T(kSeluScale - 1) : left + T(kSeluScale * kSeluAlpha)};
    } else {
        const MishParts<T> parts = tanh_of_softplus<T>(x);
        const Vec<T> gate = (x > zero ? -parts.rest : parts.part) * parts.share;
        return {x * gate, x * parts.slope + gate};
    }
}

template <Mixed F>
struct ChosenMixed {
    static constexpr Mixed mixed = F;
};

template <class F>
void with_mixed(Mixed mixed, F f) {
    switch (mixed) {
#define PYNN_CASE(name)                                                                                                \
    case Mixed::name: return f(ChosenMixed<Mixed::name>{});
        PYNN_MIXED(PYNN_CASE)
#undef PYNN_CASE
    }
}

// The mixes of a strip's columns, and what is left of x: in registers.
template <class T, int V>
struct Shares {
    Vec<T> bent[V], straight[V];

    template <class Access>
    PYNN_INLINE Shares(Access at, const T* mix) {
        unroll<V>([&](auto v) PYNN_INLINE { bent[v] = at.load(mix + v * kLanes<T>), straight[v] = T(1) - bent[v]; });
    }
};

template <class T>
void mixed_forward(const T* x, const T* mix, Mixed activation, T* out, Size n, Size c) {
    with_mixed(activation, [&](auto chosen) {
        over_columns<T, kWidest>(n, c, kCost, Order::forward,
                                 [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
                                     constexpr int V = decltype(strip)::vectors;
                                     const Shares<T, V> share(at, mix + j);
                                     const Vec<T> zero = {};
                                     for (Size i = begin; i < end; ++i)
                                         unroll<V>([&](auto v) PYNN_INLINE {
                                             const Size place = i * c + j + v * kLanes<T>;
                                             const Vec<T> value = at.load(x + place);
                                             const Vec<T> straight = value > zero ? value : value * share.straight[v];
                                             const Bend<T> bent = bend<decltype(chosen)::mixed, T>(value);
                                             at.store(out + place, bent.value * share.bent[v] + straight);
                                         });
                                 });
    });
}

template <class T>
void mixed_backward(const T* dy, const T* x, const T* mix, Mixed activation, T* dx, T* dmix, Size n, Size c) {
    const Size runs = ceil_div(n, kRowRun);
    Scratch<T> sums(runs * c);
    with_mixed(activation, [&](auto chosen) {
        over_columns<T, kWidest>(
            n, c, kCost, Order::forward, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
                constexpr int V = decltype(strip)::vectors;
                const Shares<T, V> share(at, mix + j);
                const Vec<T> zero = {}, one = zero + T(1);
                Vec<T> sum[V] = {};
                for (Size i = begin; i < end; ++i)
                    unroll<V>([&](auto v) PYNN_INLINE {
                        const Size place = i * c + j + v * kLanes<T>;
                        const Vec<T> d = at.load(dy + place), value = at.load(x + place);
                        const Vec<T> straight = value > zero ? one : share.straight[v];
                        const Bend<T> bent = bend<decltype(chosen)::mixed, T>(value);
                        if (dx) at.store(dx + place, d * (bent.slope * share.bent[v] + straight));
                        sum[v] += d * (value > zero ? bent.value : bent.value - value);
                    });
                unroll<V>([&](auto v) PYNN_INLINE { at.store(sums.get() + run * c + j + v * kLanes<T>, sum[v]); });
            });
    });
    add_runs(sums.get(), runs, c, dmix);
}

}  // namespace

template <class T>
void fill_mixed_activation(Table<T>& table) {
    table.mixed_forward = mixed_forward<T>;
    table.mixed_backward = mixed_backward<T>;
}
template void fill_mixed_activation(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
