// Sine and cosine of 2 pi (w x + b), whose period is a whole number: the fraction of w x + b is found without the
// rounding of that sum. The error is a few units in the last place of 1 up to |w x + b| = 2^13 for float, 2^42 for
// double (51,000 and 2.7e13 in radians); beyond, the fraction loses digits, and the results stay within about -1..1.
#pragma once
#include "simd.h"

namespace pynn::PYNN_LEVEL {

template <class T>
using Bits = typename Simd<T>::Int;

// Its bits without that of the sign.
template <class T>
inline Vec<T> magnitude(Vec<T> v) {
    constexpr auto mask = sizeof(T) == 4 ? std::int64_t(0x7fffffff) : std::int64_t(0x7fffffffffffffff);
    return reinterpret_cast<Vec<T>>(reinterpret_cast<Bits<T>>(v) &
                                    static_cast<std::remove_reference_t<decltype(Bits<T>{}[0])>>(mask));
}

// w x - k, where w x is near the whole number k and must not be rounded.
template <class T>
inline Vec<T> product_minus(Vec<T> w, Vec<T> x, Vec<T> k) {
#if defined(__x86_64__) && !defined(__FMA__)
    const T split = sizeof(T) == 4 ? T(4097) : T(134217729);  // cuts a number into halves whose products are exact
    const Vec<T> zero = {}, product = w * x, ws = w * split, xs = x * split;
    const Vec<T> wh = ws - (ws - w), wl = w - wh, xh = xs - (xs - x), xl = x - xh;
    const Vec<T> rest = ((wh * xh - product) + wh * xl + wl * xh) + wl * xl;
    return (product - k) + (rest == rest ? rest : zero);  // the halves of huge numbers overflow
#else
    return w * x - k;  // one instruction, which rounds once
#endif
}

// The fraction of w x + b, -0.5..0.5, or a little more where the sum is large.
template <class T>
inline Vec<T> fraction_of_turn(Vec<T> w, Vec<T> x, Vec<T> b) {
    const T rounding = sizeof(T) == 4 ? T(12582912) : T(6755399441055744);  // 1.5 2^23: adding it rounds to an integer
    const Vec<T> whole = ((w * x + b) + rounding) - rounding;
    return product_minus<T>(w, x, whole) + b;
}

// sin(2 pi u) for u in -0.25..0.25, by the polynomial whose largest error is least (3e-9; double: 2e-19).
template <class T>
inline Vec<T> sine_of_quarter(Vec<T> u) {
    const Vec<T> s = u * u;
    if constexpr (sizeof(T) == 4) {
        Vec<T> p = s * 39.5268946908f - 76.5485540409f;
        p = p * s + 81.6009536277f;
        p = p * s - 41.3416542799f;
        p = p * s + 6.28318515715f;
        return p * u;
    } else {
        Vec<T> p = s * 0.100701109789769485374 - 0.7176819761608563620929;
        p = p * s + 3.819922449347409604617;
        p = p * s - 15.09464134981936527013;
        p = p * s + 42.0586939146867294707;
        p = p * s - 76.70585975262431549115;
        p = p * s + 81.60524927607162855073;
        p = p * s - 41.34170224039974802853;
        p = p * s + 6.283185307179586464168;
        return p * u;
    }
}

// |r|, at most 0.75: a fraction is larger only where it has no digit left. NaN stays.
template <class T>
inline Vec<T> bounded(Vec<T> r) {
    const Vec<T> most = broadcast(T(0.75)), size = magnitude<T>(r);
    return most < size ? most : size;
}

// cos(2 pi r) for the fraction r of a turn.
template <class T>
inline Vec<T> cosine_of_turn(Vec<T> r) {
    return sine_of_quarter<T>(T(0.25) - bounded<T>(r));
}

template <class T>
inline Vec<T> sine_of_turn(Vec<T> r) {
    const Vec<T> u = T(0.25) - magnitude<T>(bounded<T>(r) - T(0.25)), y = sine_of_quarter<T>(u);
    constexpr auto sign = sizeof(T) == 4 ? std::int64_t(-0x7fffffff - 1) : std::int64_t(-0x7fffffffffffffff - 1);
    return reinterpret_cast<Vec<T>>(
        reinterpret_cast<Bits<T>>(y) ^
        (reinterpret_cast<Bits<T>>(r) & static_cast<std::remove_reference_t<decltype(Bits<T>{}[0])>>(sign)));
}

}  // namespace pynn::PYNN_LEVEL
