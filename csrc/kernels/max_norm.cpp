// The max-norm constraint: each column of a weight scaled down to a largest norm.
#include "column_strips.h"
#include "families.h"

namespace pynn::PYNN_LEVEL {
namespace {

// Scales a column down whose squares overflow or vanish, by way of its largest number; not one with NaN or infinity.
template <class T>
void shrink_extreme(T* column, double limit, Size d, Size m) {
    double most = 0, sum = 0;
    for (Size i = 0; i < d; ++i) {
        const double size = __builtin_fabs(static_cast<double>(column[i * m]));
        most = size > most || size != size ? size : most;
    }
    if (most == 0 || most - most != 0) return;
    for (Size i = 0; i < d; ++i) {
        const double share = static_cast<double>(column[i * m]) / most;
        sum += share * share;
    }
    const double largest = limit / __builtin_sqrt(sum);
    if (most <= largest) return;
    for (Size i = 0; i < d; ++i) column[i * m] = static_cast<T>(static_cast<double>(column[i * m]) / most * largest);
}

template <class T>
void max_norm(T* weight, double limit, Size d, Size m) {
    const Size runs = ceil_div(d, kRowRun);
    Scratch<T> sums(runs * m), divisors(m);
    over_columns<T>(d, m, 1, Order::forward, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
        constexpr int V = decltype(strip)::vectors;
        Vec<T> sum[V] = {};
        for (Size i = begin; i < end; ++i)
            unroll<V>([&](auto v) PYNN_INLINE {
                const Vec<T> w = at.load(weight + i * m + j + v * kLanes<T>);
                sum[v] += w * w;
            });
        unroll<V>([&](auto v) PYNN_INLINE { at.store(sums.get() + run * m + j + v * kLanes<T>, sum[v]); });
    });
    const T top = static_cast<T>(limit);
    each_vector<T>(0, m, [&](auto at, Size j) {
        Vec<T> sum = {};
        for (Size run = 0; run < runs; ++run) sum += at.load(sums.get() + run * m + j);
        const Vec<T> norm = sqrt(sum), one = broadcast(T(1));
        at.store(divisors.get() + j, norm > top ? norm / top : one);
    });
    bool any = false;
    const bool vanishing = limit < (sizeof(T) == 4 ? 1e-15 : 1e-150);  // squares of numbers near it count as 0
    for (Size j = 0; j < m; ++j) {
        T& divisor = divisors.get()[j];
        if (divisor - divisor != 0 || vanishing) {
            shrink_extreme(weight + j, limit, d, m);
            divisor = 1;
        }
        any = any || divisor != 1;
    }
    if (!any) return;
    over_columns<T>(d, m, 1, Order::backward, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
        constexpr int V = decltype(strip)::vectors;
        Vec<T> divisor[V];
        unroll<V>([&](auto v) PYNN_INLINE { divisor[v] = at.load(divisors.get() + j + v * kLanes<T>, T(1)); });
        for (Size i = begin; i < end; ++i)
            unroll<V>([&](auto v) PYNN_INLINE {
                T* place = weight + i * m + j + v * kLanes<T>;
                at.store(place, at.load(place) / divisor[v]);
            });
    });
}

}  // namespace

template <class T>
void fill_max_norm(Table<T>& table) {
    table.max_norm = max_norm<T>;
}
template void fill_max_norm(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
