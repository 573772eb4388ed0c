// The gates of the activations x gate(x) and their derivatives, on one vector.
#pragma once
#include "simd.h"

namespace pynn::PYNN_LEVEL {

constexpr double kDensity = 0.3989422804014327;  // 1/sqrt(2 pi)

template <class T>
struct Parts {
    Vec<T> gate, slope;
};

// The distribution function of the standard normal distribution, and its density. The float one is precise to a few
// units in the last place far into the left tail, where 1 - (almost 1) would leave nothing.
inline Parts<float> normal(Vec<float> x) {
    using Int = Simd<float>::Int;
    constexpr float kOrigin = 4.0f;
    const Vec<float> limit = broadcast(14.5f);  // beyond, the tail is 0
    const Vec<float> magnitude = x < 0.0f ? -x : x;
    const Vec<float> a = magnitude > limit ? limit : magnitude;
    // a a = square + rest exactly: what rounding takes from the exponent would come out many times as large
    const Vec<float> square = a * a;
    const Vec<float> high = reinterpret_cast<Vec<float>>(reinterpret_cast<Int>(a) & ~0xfff), low = a - high;
    const Vec<float> rest = ((high * high - square) + high * low * 2.0f) + low * low;
    const Vec<float> e = exp(square * -0.5f) * (1.0f - rest * 0.5f);
    // tail e^(a a / 2) (a + origin), a smooth function of t, by a polynomial
    const Vec<float> quotient = 1.0f / (a + kOrigin);
    const Vec<float> t = (a - kOrigin) * quotient;
    Vec<float> p = broadcast(-1.229831575e-04f);
    p = p * t + 1.948018504e-04f;
    p = p * t + 1.569313645e-03f;
    p = p * t - 3.523574056e-03f;
    p = p * t - 7.527212912e-03f;
    p = p * t + 6.040646975e-02f;
    p = p * t - 1.865230059e-01f;
    p = p * t + 3.871366798e-01f;
    p = p * t - 6.078966061e-01f;
    p = p * t + 7.552851385e-01f;
    const Vec<float> tail = p * quotient * e;
    return {x < 0.0f ? tail : 1.0f - tail, e * static_cast<float>(kDensity)};
}

inline Parts<double> normal(Vec<double> x) {
    Parts<double> parts = {x, exp(x * x * -0.5) * kDensity};
    for (Size i = 0; i < kLanes<double>; ++i) parts.gate[i] = 0.5 * __builtin_erfc(x[i] * -0.7071067811865476);
    return parts;
}

// 1/(1 + e^-x) and its derivative.
template <class T>
inline Parts<T> logistic(Vec<T> x) {
    const Vec<T> zero = {};
    const Vec<T> e = exp(x < zero ? x : -x);  // at most 1: never overflows
    const Vec<T> share = T(1) / (e + T(1));
    return {(x < zero ? e : zero + T(1)) * share, e * share * share};
}

// gate(x) = part share and 1 - gate(x) = rest share; gate'(x).
template <class T>
struct MishParts {
    Vec<T> part, rest, share, slope;
};

// tanh(ln(1 + e^x)) = w / (w + 2) with w = e^2x + 2 e^x, and its derivative; for x >= 0 both are multiplied by e^-2x.
template <class T>
inline MishParts<T> tanh_of_softplus(Vec<T> x) {
    const Vec<T> zero = {}, one = zero + T(1);
    const Vec<T> e = exp(x < zero ? x : -x), square = e * e;  // at most 1: never overflows
    const Vec<T> part = (x < zero ? square : one) + (e + e);
    const Vec<T> rest = x < zero ? one + one : square + square;
    const Vec<T> share = T(1) / (part + rest);
    return {part, rest, share, (e + T(1)) * T(4) * (x < zero ? e : square) * share * share};
}

// gate(x) and gate'(x).
template <Gate G, class T>
inline Parts<T> gate_parts(Vec<T> x) {
    if constexpr (G == Gate::gelu) {
        return normal(x);
    } else if constexpr (G == Gate::gelu_tanh) {
        // 1/2 (1 + tanh(u)) is the logistic function of 2 u, and u = sqrt(2/pi) (x + 0.044715 x^3)
        const Vec<T> limit = broadcast(T(30));  // beyond, the gate is 0 or 1, and powers of x could overflow
        Vec<T> c = x > limit ? limit : x;
        c = c < -limit ? -limit : c;
        const T linear = T(1.5957691216057308), cubic = T(0.07135481627260025);
        const Parts<T> parts = logistic<T>(c * (linear + cubic * (c * c)));
        return {parts.gate, parts.slope * (linear + T(3) * cubic * (c * c))};
    } else if constexpr (G == Gate::mish) {
        const MishParts<T> parts = tanh_of_softplus<T>(x);
        return {parts.part * parts.share, parts.slope};
    } else {
        return logistic<T>(x);
    }
}

}  // namespace pynn::PYNN_LEVEL
