// The activations on one vector, forward and backward, and the choice of one at run time.
#pragma once
#include "simd.h"

namespace pynn::PYNN_LEVEL {

template <Function F>
struct Chosen {
    static constexpr Function function = F;
};

// Vectors of a strip (column_strips.h): those with an exponential are long, and bound by arithmetic. The level for old
// processors is compiled to be small.
#if defined(__x86_64__) && !defined(__AVX__)
constexpr int kLongStrip = 1;
#else
constexpr int kLongStrip = 2;
#endif
template <Function F>
constexpr int kStripVectors =
    F == Function::identity || F == Function::relu || F == Function::leaky_relu ? 4 : kLongStrip;

// Calls f(Chosen<function>{}) so that the loop inside is compiled once for each activation.
template <class F>
inline void with_function(Function function, F f) {
    switch (function) {
#define PYNN_CASE(name)                                                                                                \
    case Function::name: return f(Chosen<Function::name>{});
        PYNN_FUNCTIONS(PYNN_CASE)
#undef PYNN_CASE
    }
}

// SELU is ELU of this alpha times this scale: with them mean 0 and variance 1 are a fixed point.
constexpr double kSeluAlpha = 1.6732632423543772, kSeluScale = 1.0507009873554805;

template <Function F, class T>
inline Vec<T> activate(Vec<T> x, T alpha) {
    const Vec<T> zero = {};
    if constexpr (F == Function::sigmoid) {
        const Vec<T> e = exp(x < zero ? x : -x);  // at most 1: never overflows
        return (x < zero ? e : zero + T(1)) / (e + T(1));
    } else if constexpr (F == Function::tanh) {
        return tanh(x);
    } else if constexpr (F == Function::relu) {
        return x <= zero ? zero : x;  // keeps NaN
    } else if constexpr (F == Function::leaky_relu) {
        return x > zero ? x : x * alpha;
    } else if constexpr (F == Function::elu) {
        return x > zero ? x : expm1(x > zero ? zero : x) * alpha;
    } else if constexpr (F == Function::selu) {
        return x > zero ? x * T(kSeluScale) : expm1(x > zero ? zero : x) * T(kSeluScale * kSeluAlpha);
    } else if constexpr (F == Function::softplus) {
        return (x < zero ? zero : x) + log1p(exp(x < zero ? x : -x));
    } else {
        return x;
    }
}

// Gradient before the activation, from the gradient dy after it and its output y.
template <Function F, class T>
inline Vec<T> activation_gradient(Vec<T> dy, Vec<T> y, T alpha) {
    const Vec<T> zero = {};
    if constexpr (F == Function::sigmoid) {
        return dy * y * (T(1) - y);
    } else if constexpr (F == Function::tanh) {
        return dy * (T(1) - y * y);
    } else if constexpr (F == Function::relu) {
        return y > zero ? dy : zero;
    } else if constexpr (F == Function::leaky_relu) {
        return y > zero ? dy : dy * alpha;
    } else if constexpr (F == Function::elu) {
        return y > zero ? dy : dy * (y + alpha);
    } else if constexpr (F == Function::selu) {
        return dy * (y > zero ? zero + T(kSeluScale) : y + T(kSeluScale * kSeluAlpha));
    } else if constexpr (F == Function::softplus) {
        return dy * -expm1(-y);  // 1 - e^-y, also where y is small
    } else {
        return dy;
    }
}

}  // namespace pynn::PYNN_LEVEL
