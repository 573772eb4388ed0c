// Activations of which each column learns its share: (1 - mix) x + mix f(x), where f is SELU or Mish.
#include "activation.h"
#include "column_strips.h"
#include "families.h"
#include "gates.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr int kWidest = 2;    // vectors of a strip: bound by arithmetic
constexpr double kCost = 16;  // of one element, in multiply-adds

// f(x), f(x) - x and f'(x).
template <class T>
struct Bend {
    Vec<T> value, excess, slope;
};

template <Mixed F, class T>
PYNN_INLINE inline Bend<T> bend(Vec<T> x) {
    if constexpr (F == Mixed::selu) {
        const Vec<T> zero = {};
        const Vec<T> left = expm1(x > zero ? zero : x) * T(kSeluScale * kSeluAlpha);
        return {x > zero ? x * T(kSeluScale) : left, x > zero ? x * T(kSeluScale - 1) : left - x,
                x > zero ? zero + T(kSeluScale) : left + T(kSeluScale * kSeluAlpha)};
    } else {
        const Parts<T> parts = gate_parts<Gate::mish, T>(x);
        const Vec<T> value = x * parts.gate;
        return {value, value - x, parts.gate + x * parts.slope};
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
        over_columns<T, kWidest>(
            n, c, kCost, Order::forward, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
                constexpr int V = decltype(strip)::vectors;
                const Shares<T, V> share(at, mix + j);
                for (Size i = begin; i < end; ++i)
                    unroll<V>([&](auto v) PYNN_INLINE {
                        const Size place = i * c + j + v * kLanes<T>;
                        const Vec<T> value = at.load(x + place);
                        at.store(out + place, value * share.straight[v] +
                                                  bend<decltype(chosen)::mixed, T>(value).value * share.bent[v]);
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
                Vec<T> sum[V] = {};
                for (Size i = begin; i < end; ++i)
                    unroll<V>([&](auto v) PYNN_INLINE {
                        const Size place = i * c + j + v * kLanes<T>;
                        const Vec<T> d = at.load(dy + place);
                        const Bend<T> bent = bend<decltype(chosen)::mixed, T>(at.load(x + place));
                        if (dx) at.store(dx + place, d * (bent.slope * share.bent[v] + share.straight[v]));
                        sum[v] += d * bent.excess;
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
