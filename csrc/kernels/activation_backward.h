// The way back through an activation, with the sums of the rows: what a bias gradient is.
#pragma once
#include "activation.h"
#include "column_strips.h"

namespace pynn::PYNN_LEVEL {

// dz = dy f' (unless null) and its sum over the rows, for one strip of one run of rows.
template <Function F, class T, int V, class Access>
PYNN_INLINE inline void backward_strip(Access at, const T* dy, const T* y, T alpha, T* dz, T* sums, Size m, Size rows) {
    Vec<T> sum[V] = {};
    for (Size i = 0; i < rows; ++i)
        unroll<V>([&](auto v) PYNN_INLINE {
            const Size place = i * m + v * kLanes<T>;
            const Vec<T> dv = activation_gradient<F, T>(at.load(dy + place), at.load(y + place), alpha);
            if (dz) at.store(dz + place, dv);
            sum[v] += dv;
        });
    unroll<V>([&](auto v) PYNN_INLINE { at.store(sums + v * kLanes<T>, sum[v]); });
}

// dz = dy f' (unless null: then f is the identity and dz is dy), and dbias = sum of dz over rows (unless null).
template <class T>
void activation_backward_and_sum(const T* dy, const T* y, Activation f, T* dz, T* dbias, Size n, Size m) {
    if (dz == nullptr && dbias == nullptr) return;
    const T alpha = static_cast<T>(f.alpha);
    const Size runs = ceil_div(n, kRowRun);
    Scratch<T> sums(runs * m);
    with_function(f.function, [&](auto chosen) {
        over_columns<T, kStripVectors<decltype(chosen)::function>>(
            n, m, 1, Order::forward, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
                const Size place = begin * m + j;
                backward_strip<decltype(chosen)::function, T, decltype(strip)::vectors>(
                    at, dy + place, y + place, alpha, dz ? dz + place : nullptr, sums.get() + run * m + j, m,
                    end - begin);
            });
    });
    if (dbias) add_runs(sums.get(), runs, m, dbias);
}

}  // namespace pynn::PYNN_LEVEL
