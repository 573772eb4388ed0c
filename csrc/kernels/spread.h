// Mean and deviation of numbers whose squares overflow or vanish.
#pragma once
#include "simd.h"

namespace pynn::PYNN_LEVEL {

struct Spread {
    double mean, deviation;  // NaN if a number is not finite
};

// Of rows of `width` numbers, `stride` apart, in a unit of the size of the largest: a power of two, so no digit is
// lost.
template <class T>
PYNN_COLD Spread spread_of(const T* x, Size rows, Size stride, Size width) {
    const auto sum = [=](auto term) {
        double total = 0;
        for (Size i = 0; i < rows; ++i)
            for (Size j = 0; j < width; ++j) total += term(static_cast<double>(x[i * stride + j]));
        return total / static_cast<double>(rows * width);
    };
    double top = 0;
    for (Size i = 0; i < rows; ++i)
        for (Size j = 0; j < width; ++j) {
            const double size = __builtin_fabs(static_cast<double>(x[i * stride + j]));
            if (size - size != 0) return {size - size, size - size};  // at once: a diverged run has nothing else
            top = size > top ? size : top;
        }
    int exponent = 0;
    __builtin_frexp(top, &exponent);
    const double unit = __builtin_ldexp(1, exponent > 1000 ? -1000 : exponent < -1000 ? 1000 : -exponent);
    const double first = static_cast<double>(x[0]) * unit;
    const double mean = first + sum([=](double value) { return value * unit - first; });
    const double variance = sum([=](double value) { return (value * unit - mean) * (value * unit - mean); });
    return {mean / unit, __builtin_sqrt(variance) / unit};
}

// 1/sqrt(deviation^2 + epsilon) where no square may be taken; NaN where T would hold 0.
template <class T>
inline T reciprocal_root(Spread s, double epsilon) {
    const double root = 1 / __builtin_hypot(s.deviation, __builtin_sqrt(epsilon));
    return root < static_cast<double>(not_vanished<T>(0x1p-1022)) ? static_cast<T>(__builtin_nan(""))
                                                                  : static_cast<T>(root);
}

// A reciprocal root from here on comes of squares that may have vanished; one of 0 or NaN, of squares that overflow.
template <class T>
constexpr T kLargeRoot = sizeof(T) == 4 ? T(0x1p50) : T(0x1p475);

}  // namespace pynn::PYNN_LEVEL
