// A factor for each column.
#include "column_strips.h"
#include "families.h"

namespace pynn::PYNN_LEVEL {
namespace {

template <class T>
void scale_forward(const T* x, const T* scale, T* out, Size n, Size c) {
    over_columns<T>(n, c, 1, Order::forward, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
        constexpr int V = decltype(strip)::vectors;
        Vec<T> factor[V];
        unroll<V>([&](auto v) PYNN_INLINE { factor[v] = at.load(scale + j + v * kLanes<T>); });
        for (Size i = begin; i < end; ++i)
            unroll<V>([&](auto v) PYNN_INLINE {
                const Size place = i * c + j + v * kLanes<T>;
                at.store(out + place, at.load(x + place) * factor[v]);
            });
    });
}

template <class T>
void scale_backward(const T* dy, const T* x, const T* scale, T* dx, T* dscale, Size n, Size c) {
    const Size runs = ceil_div(n, kRowRun);
    Scratch<T> sums(runs * c);
    over_columns<T>(n, c, 1, Order::forward, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
        constexpr int V = decltype(strip)::vectors;
        Vec<T> factor[V], sum[V] = {};
        unroll<V>([&](auto v) PYNN_INLINE { factor[v] = at.load(scale + j + v * kLanes<T>); });
        for (Size i = begin; i < end; ++i)
            unroll<V>([&](auto v) PYNN_INLINE {
                const Size place = i * c + j + v * kLanes<T>;
                const Vec<T> d = at.load(dy + place);
                if (dx) at.store(dx + place, d * factor[v]);
                sum[v] += d * at.load(x + place);
            });
        unroll<V>([&](auto v) PYNN_INLINE { at.store(sums.get() + run * c + j + v * kLanes<T>, sum[v]); });
    });
    add_runs(sums.get(), runs, c, dscale);
}

}  // namespace

template <class T>
void fill_feature_scale(Table<T>& table) {
    table.scale_forward = scale_forward<T>;
    table.scale_backward = scale_backward<T>;
}
template void fill_feature_scale(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
