// What gradient clipping needs: the norm of a vector, a vector scaled, a vector clipped.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kRun = 4096;  // stays in cache for the second pass of the norm

// most sqrt(sum (x / most)^2): no square overflows, and none of those that count vanishes.
template <class T>
double norm_of_run(const T* vector, Size size) {
    Vec<T> tops = {}, squares = {};
    each_vector<T>(0, size, [&](auto at, Size i) {
        const Vec<T> x = at.load(vector + i);
        tops = largest<T>(tops, x < Vec<T>{} ? -x : x);
    });
    const T top = largest_lane<T>(tops);
    const T most = top > 0 && top - top == 0 ? top : T(1);
    each_vector<T>(0, size, [&](auto at, Size i) {
        const Vec<T> share = at.load(vector + i) / most;
        squares += share * share;
    });
    return static_cast<double>(most) * __builtin_sqrt(sum_lanes<T>(squares));
}

// Norms of runs are added in the order of the runs.
template <class T>
double norm(const T* vector, Size size) {
    const Size runs = ceil_div(size, kRun);
    Scratch<double> norms(runs);
    parallel(runs, 2 * static_cast<double>(size),
             [&](Size run) { norms.get()[run] = norm_of_run(vector + run * kRun, smaller(kRun, size - run * kRun)); });
    double most = 0, sum = 0;
    for (Size run = 0; run < runs; ++run) {
        const double one = norms.get()[run];
        if (one - one != 0) return one;  // NaN or infinite
        most = one > most ? one : most;
    }
    if (most == 0) return 0;
    for (Size run = 0; run < runs; ++run) {
        const double share = norms.get()[run] / most;
        sum += share * share;
    }
    return most * __builtin_sqrt(sum);
}

// Whether T holds a number with all its digits; else it would count as 0 or infinite.
template <class T>
bool holds(double value) {
    constexpr double least = sizeof(T) == 4 ? 0x1p-126 : 0x1p-1022, beyond = sizeof(T) == 4 ? 0x1p128 : 0x1p1023;
    return value == 0 || (__builtin_fabs(value) >= least && __builtin_fabs(value) < beyond) || value - value != 0;
}

// A factor that T cannot hold is split into two: a large gradient may be divided by 1e40.
template <class T>
void scale(T* vector, double factor, Size size) {
    if (!holds<T>(factor)) {
        const T power = factor < 1 && factor > -1 ? T(0x1p-100) : T(0x1p100);
        scale(vector, static_cast<double>(power), size);
        return scale(vector, factor / static_cast<double>(power), size);
    }
    const T by = static_cast<T>(factor);
    parallel_runs(size, kRun, static_cast<double>(size), [&](Size begin, Size end) {
        each_vector<T>(begin, end, [&](auto at, Size i) { at.store(vector + i, at.load(vector + i) * by); });
    });
}

template <class T>
void clip(T* vector, double limit, Size size) {
    const Vec<T> top = broadcast(static_cast<T>(limit));
    parallel_runs(size, kRun, static_cast<double>(size), [&](Size begin, Size end) {
        each_vector<T>(begin, end, [&](auto at, Size i) {
            const Vec<T> x = at.load(vector + i);
            at.store(vector + i, x > top ? top : (x < -top ? -top : x));  // NaN stays
        });
    });
}

}  // namespace

template <class T>
void fill_clip(Table<T>& table) {
    table.norm = norm<T>;
    table.scale = scale<T>;
    table.clip = clip<T>;
}
template void fill_clip(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
