// Loops down the columns of an (N, C) array: by runs of rows, and by strips of columns that stay in registers.
#pragma once
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {

// Rows that are summed in one go; the sums of runs are added in the order of the runs.
constexpr Size kRowRun = 256;

// A strip of V vectors of columns; the access is Full unless V is 1.
template <int V>
struct Strip {
    static constexpr int vectors = V;
};

// A second pass goes the other way: what the first one read last is still in cache.
enum class Order { forward, backward };

// One vector of columns, compiled once for all widths of strips.
template <class F, class Access>
PYNN_APART void one_vector(F& f, Access at, Size run, Size begin, Size end, Size column) {
    f(Strip<1>{}, at, run, begin, end, column);
}

template <class T, int V, class F>
void over_strips(Size n, Size c, double cost, Order order, F f) {
    constexpr Size kWide = V * kLanes<T>;
    const Size runs = ceil_div(n, kRowRun), strips = ceil_div(c, kWide);
    parallel(runs * strips, cost * static_cast<double>(n * c), [&](Size number) {
        const Size piece = order == Order::forward ? number : runs * strips - 1 - number;
        const Size run = piece / strips, j = piece % strips * kWide;
        const Size begin = run * kRowRun, end = smaller(n, begin + kRowRun);
        if constexpr (V > 1) {
            if (j + kWide <= c) return f(Strip<V>{}, Full{}, run, begin, end, j);
        }
        each_vector<T>(j, smaller(c, j + kWide),
                       [&](auto at, Size column) { one_vector(f, at, run, begin, end, column); });
    });
}

// f(strip, access, run, first row, last row, column) for every run of rows and every strip of columns. Strips of four
// vectors read whole cache lines in a row; one vector at a time, rows a power of two apart would evict each other.
// Where that makes fewer than four pieces, two vectors share the work better. float64, for checking, does with one; and
// `Widest` = 2 or 1 keeps what is long and bound by arithmetic from being compiled four times over.
template <class T, int Widest = 4, class F>
void over_columns(Size n, Size c, double cost, Order order, F f) {
    if constexpr (std::is_same_v<T, float>) {
        if constexpr (Widest == 4) {
            if (ceil_div(n, kRowRun) * ceil_div(c, 4 * kLanes<T>) >= 4) return over_strips<T, 4>(n, c, cost, order, f);
        }
        over_strips<T, smaller(Widest, 2)>(n, c, cost, order, f);
    } else {
        over_strips<T, 1>(n, c, cost, order, f);
    }
}

// out(c) = the sum of the rows of sums(runs, c), in order.
template <class T>
void add_runs(const T* sums, Size runs, Size c, T* out) {
    each_vector<T>(0, c, [&](auto at, Size j) {
        Vec<T> total = {};
        for (Size run = 0; run < runs; ++run) total += at.load(sums + run * c + j);
        at.store(out + j, total);
    });
}

}  // namespace pynn::PYNN_LEVEL
