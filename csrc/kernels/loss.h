// What losses share: sums over runs of rows, and whether a row's largest number stands at its label.
#pragma once
#include <limits>

#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {

// The sum of f(run) over all runs, added in their order.
template <class F>
Loss sum_of_runs(Size runs, double work, F f) {
    Scratch<Loss> parts(runs);
    parallel(runs, work, [&](Size run) { parts.get()[run] = f(run); });
    Loss total = {0, 0};
    for (Size run = 0; run < runs; ++run) {
        total.value += parts.get()[run].value;
        total.hits += parts.get()[run].hits;
    }
    return total;
}

// Integers in the order of the numbers with these bits: subnormals are told apart, -0 equals 0, every NaN is the
// largest.
template <class I>
inline I order_of(I bits) {
    using Lane = std::decay_t<decltype(bits[0])>;
    constexpr Lane infinity = sizeof(Lane) == 4 ? Lane(0x7f800000) : Lane(0x7ff0000000000000);
    const I size = bits & std::numeric_limits<Lane>::max();
    const I signed_order = bits < 0 ? -size : size;
    const I nan = (signed_order > infinity) | (signed_order < -infinity);
    return (signed_order & ~nan) | (nan & std::numeric_limits<Lane>::max());
}

// Whether row[label] is the first of the largest numbers of a row of c: what NumPy's argmax says.
template <class T>
inline bool is_hit(const T* row, Size label, Size c) {
    using Int = typename Simd<T>::Int;
    constexpr T fill = -std::numeric_limits<T>::infinity();
    const auto order_at = [&](auto at, Size j) { return order_of(reinterpret_cast<Int>(at.load(row + j, fill))); };
    // Each lane a copy of the bits: arithmetic would turn a subnormal into 0.
    T copies[kLanes<T>];
    for (T& copy : copies) __builtin_memcpy(&copy, row + label, sizeof(T));
    const Int own = order_of(reinterpret_cast<Int>(load(copies)));
    Int beaten = {};
    each_vector<T>(0, label, [&](auto at, Size j) { beaten |= order_at(at, j) >= own; });
    each_vector<T>(label + 1, c, [&](auto at, Size j) { beaten |= order_at(at, j) > own; });
    return largest_lane<T>(beaten ? broadcast(T(1)) : Vec<T>{}) == 0;
}

}  // namespace pynn::PYNN_LEVEL
