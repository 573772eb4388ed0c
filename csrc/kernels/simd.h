// Vectors of the width of this level, written with compiler vector types; the tail of an array runs the same arithmetic
// as its body, under a mask or on a padded copy.
#pragma once
#include <type_traits>
#include <utility>

#include "kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace pynn::PYNN_LEVEL {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 12;  // 12 x 2 accumulators, 2 of b: 26 of 32 registers
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 6;
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 12;
#else
constexpr int kVectorBytes = 16;
constexpr int kTileRows = 6;
#endif

#define PYNN_INLINE __attribute__((always_inline))
#define PYNN_APART __attribute__((noinline))       // where a copy at every place would make the library large
#define PYNN_COLD __attribute__((noinline, cold))  // hardly ever runs: compiled to be small

template <int... I>
using Lanes = std::integer_sequence<int, I...>;

template <class F, int... I>
PYNN_INLINE inline void unroll_over(F f, Lanes<I...>) {
    (f(std::integral_constant<int, I>{}), ...);
}

// f(0), ..., f(N - 1) with constants: an array of vectors that is indexed by nothing else stays in registers.
template <int N, class F>
PYNN_INLINE inline void unroll(F f) {
    unroll_over(f, std::make_integer_sequence<int, N>{});
}

template <class T>
struct Simd;

template <>
struct Simd<float> {
    typedef float Vector __attribute__((vector_size(kVectorBytes)));
    typedef float Unaligned __attribute__((vector_size(kVectorBytes), aligned(4), may_alias));
    typedef std::int32_t Int __attribute__((vector_size(kVectorBytes)));
    static constexpr Size lanes = kVectorBytes / 4;
};

template <>
struct Simd<double> {
    typedef double Vector __attribute__((vector_size(kVectorBytes)));
    typedef double Unaligned __attribute__((vector_size(kVectorBytes), aligned(8), may_alias));
    typedef std::int64_t Int __attribute__((vector_size(kVectorBytes)));
    static constexpr Size lanes = kVectorBytes / 8;
};

template <class T>
using Vec = typename Simd<T>::Vector;
template <class T>
constexpr Size kLanes = Simd<T>::lanes;

template <class T>
constexpr T kMost = sizeof(T) == 4 ? T(0x1.fffffep127) : T(0x1.fffffffffffffp1023);  // the largest number

// A number as T; a positive one too small for T is the least that is not 0.
template <class T>
inline T not_vanished(double value) {
    constexpr T least = sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022);
    std::int64_t bits;  // a subnormal double is more than 0 here, though it counts as 0 in a comparison
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits > 0 && value < static_cast<double>(least) ? least : static_cast<T>(value);
}

template <class T>
inline Vec<T> broadcast(T value) {
    return value - Vec<T>{};  // x - 0 is x, also for -0
}

// The value as it stands in a register: a load that the compiler merges into a masked operation runs at half the speed.
template <class V>
inline V in_register(V v) {
#if defined(__AVX512F__)
    asm("" : "+v"(v));
#elif defined(__x86_64__)
    asm("" : "+x"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
    return v;
}

template <class T>
inline Vec<T> load(const T* p) {
    return in_register<Vec<T>>(*reinterpret_cast<const typename Simd<T>::Unaligned*>(p));
}

template <class T>
inline void store(T* p, Vec<T> v) {
    *reinterpret_cast<typename Simd<T>::Unaligned*>(p) = v;
}

// Access to a whole vector, or to the first `count` lanes of one.
struct Full {
    template <class T>
    Vec<T> load(const T* p, T /*fill*/ = 0) const {
        return PYNN_LEVEL::load(p);
    }
    template <class T>
    void store(T* p, Vec<T> v) const {
        PYNN_LEVEL::store(p, v);
    }
};

#if defined(__AVX2__) && !defined(__AVX512F__)
// -1 in the first `count` lanes, 0 in the others.
inline Simd<float>::Int float_mask(Size count) {
    return Simd<float>::Int{0, 1, 2, 3, 4, 5, 6, 7} < static_cast<std::int32_t>(count);
}
inline Simd<double>::Int double_mask(Size count) {
    return Simd<double>::Int{0, 1, 2, 3} < static_cast<std::int64_t>(count);
}
#endif

struct Masked {
    Size count;
#if defined(__AVX512F__)
    Vec<float> load(const float* p, float fill = 0) const {
        const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
        return reinterpret_cast<Vec<float>>(_mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask, p));
    }
    void store(float* p, Vec<float> v) const {
        _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), reinterpret_cast<__m512>(v));
    }
    Vec<double> load(const double* p, double fill = 0) const {
        const __mmask8 mask = static_cast<__mmask8>((1u << count) - 1);
        return reinterpret_cast<Vec<double>>(_mm512_mask_loadu_pd(_mm512_set1_pd(fill), mask, p));
    }
    void store(double* p, Vec<double> v) const {
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << count) - 1), reinterpret_cast<__m512d>(v));
    }
#elif defined(__AVX2__)
    Vec<float> load(const float* p, float fill = 0) const {
        const Simd<float>::Int mask = float_mask(count);
        const auto read = reinterpret_cast<Vec<float>>(_mm256_maskload_ps(p, reinterpret_cast<__m256i>(mask)));
        return mask ? read : broadcast(fill);
    }
    void store(float* p, Vec<float> v) const {
        _mm256_maskstore_ps(p, reinterpret_cast<__m256i>(float_mask(count)), reinterpret_cast<__m256>(v));
    }
    Vec<double> load(const double* p, double fill = 0) const {
        const Simd<double>::Int mask = double_mask(count);
        const auto read = reinterpret_cast<Vec<double>>(_mm256_maskload_pd(p, reinterpret_cast<__m256i>(mask)));
        return mask ? read : broadcast(fill);
    }
    void store(double* p, Vec<double> v) const {
        _mm256_maskstore_pd(p, reinterpret_cast<__m256i>(double_mask(count)), reinterpret_cast<__m256d>(v));
    }
#else
    template <class T>
    Vec<T> load(const T* p, T fill = 0) const {
        T padded[kLanes<T>];
        for (T& lane : padded) lane = fill;
        __builtin_memcpy(padded, p, static_cast<std::size_t>(count) * sizeof(T));
        return PYNN_LEVEL::load(padded);
    }
    template <class T>
    void store(T* p, Vec<T> v) const {
        T padded[kLanes<T>];
        PYNN_LEVEL::store(padded, v);
        __builtin_memcpy(p, padded, static_cast<std::size_t>(count) * sizeof(T));
    }
#endif
};

// body(access, i) for every vector of begin..end-1; the last one may be a Masked.
template <class T, class F>
inline void each_vector(Size begin, Size end, F body) {
    Size i = begin;
    for (; i + kLanes<T> <= end; i += kLanes<T>) body(Full{}, i);
    if (i < end) body(Masked{end - i}, i);
}

template <class T>
inline Vec<T> largest(Vec<T> a, Vec<T> b) {
    return a > b ? a : b;
}

// Lane i of the result is lane i ^ Step of v.
template <int Step, class V, int... I>
inline V swap_lanes(V v, Lanes<I...>) {
#ifdef __clang__
    return __builtin_shufflevector(v, v, (I ^ Step)...);
#else
    using Int = std::conditional_t<sizeof(v[0]) == 4, typename Simd<float>::Int, typename Simd<double>::Int>;
    return __builtin_shuffle(v, Int{(I ^ Step)...});
#endif
}

// Swaps the odd blocks of `Step` lanes of a with the even ones of b.
template <class T, int Step, int... I>
inline void swap_blocks(Vec<T>& a, Vec<T>& b, Lanes<I...>) {
    constexpr int L = kLanes<T>;
    const Vec<T> x = a, y = b;
#ifdef __clang__
    a = __builtin_shufflevector(x, y, (I & Step ? L + I - Step : I)...);
    b = __builtin_shufflevector(x, y, (I & Step ? L + I : I + Step)...);
#else
    using Int = typename Simd<T>::Int;
    a = __builtin_shuffle(x, y, Int{(I & Step ? L + I - Step : I)...});
    b = __builtin_shuffle(x, y, Int{(I & Step ? L + I : I + Step)...});
#endif
}

// Transposes a square of vectors in registers: log2(lanes) rounds.
template <class T, int Step = 1>
inline void transpose(Vec<T> (&rows)[kLanes<T>]) {
    if constexpr (Step < kLanes<T>) {
        for (int i = 0; i < kLanes<T>; ++i)
            if (!(i & Step))
                swap_blocks<T, Step>(rows[i], rows[i + Step], std::make_integer_sequence<int, kLanes<T>>{});
        transpose<T, 2 * Step>(rows);
    }
}

// All lanes combined, in log2(lanes) rounds.
template <class T, int Step = kLanes<T> / 2, class F>
inline T combine_lanes(Vec<T> v, F f) {
    v = f(v, swap_lanes<Step>(v, std::make_integer_sequence<int, kLanes<T>>{}));
    if constexpr (Step > 1) return combine_lanes<T, Step / 2>(v, f);
    return v[0];
}

template <class T>
inline double sum_lanes(Vec<T> v) {
    return static_cast<double>(combine_lanes<T>(v, [](Vec<T> a, Vec<T> b) { return a + b; }));
}

template <class T>
inline T largest_lane(Vec<T> v) {
    return combine_lanes<T>(v, [](Vec<T> a, Vec<T> b) { return largest<T>(a, b); });
}

inline Vec<float> sqrt(Vec<float> x) {
    Vec<float> y = x;
    for (Size i = 0; i < kLanes<float>; ++i) y[i] = __builtin_sqrtf(x[i]);
    return y;
}

inline Vec<double> sqrt(Vec<double> x) {
    Vec<double> y = x;
    for (Size i = 0; i < kLanes<double>; ++i) y[i] = __builtin_sqrt(x[i]);
    return y;
}

// v 2^k for whole k in -150..150, also where 2^k alone would overflow or vanish.
inline Vec<float> scale_by_power(Vec<float> v, Vec<float> k) {
#if defined(__AVX512F__)  // masked by nothing, since GCC 12 warns of the plain one
    return reinterpret_cast<Vec<float>>(
        _mm512_maskz_scalef_ps(0xFFFF, reinterpret_cast<__m512>(v), reinterpret_cast<__m512>(k)));
#else
    using Int = Simd<float>::Int;
    const Int whole = __builtin_convertvector(k, Int);
    const Int first = whole >> 1;
    const Int second = whole - first;
    return v * reinterpret_cast<Vec<float>>((first + 127) << 23) * reinterpret_cast<Vec<float>>((second + 127) << 23);
#endif
}

// e^x = (1 + rest) 2^k; rest by Cephes' polynomial on |r| <= ln(2)/2. x must lie in -104..104.
struct ExpParts {
    Vec<float> rest, k;
};

inline ExpParts exp_parts(Vec<float> x) {
    const Vec<float> rounding = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const Vec<float> k = (x * 1.44269504088896341f + rounding) - rounding;
    const Vec<float> r = (x - k * 0.693359375f) - k * -2.12194440e-4f;
    Vec<float> p = broadcast(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return {p * r * r + r, k};
}

inline Vec<float> exp(Vec<float> x) {
    const Vec<float> limit = broadcast(104.0f);  // beyond, the result is 0 or infinite in any case
    x = x > limit ? limit : x;
    x = x < -limit ? -limit : x;
    const ExpParts e = exp_parts(x);
    return scale_by_power(e.rest + 1.0f, e.k);
}

// e^x - 1 for x in -104..88, without cancellation near 0.
inline Vec<float> expm1(Vec<float> x) {
    const Vec<float> limit = broadcast(-104.0f);
    const ExpParts e = exp_parts(x < limit ? limit : x);
    const Vec<float> power = scale_by_power(broadcast(1.0f), e.k);
    return power * e.rest + (power - 1.0f);
}

// ln((1 + r) 2^k) by Cephes' polynomial, for 1 + r in sqrt(1/2)..sqrt(2).
inline Vec<float> log_of_parts(Vec<float> r, Vec<float> k) {
    Vec<float> p = broadcast(7.0376836292e-2f);
    p = p * r - 1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r - 1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r - 1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r - 2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    const Vec<float> square = r * r;
    const Vec<float> small = p * r * square + k * -2.12194440e-4f - square * 0.5f;
    return small + r + k * 0.693359375f;
}

// Natural logarithm of x > 0.
inline Vec<float> log(Vec<float> x) {
    using Int = Simd<float>::Int;
    const Int bits = reinterpret_cast<Int>(x);
    const Int exponent = (bits - 0x3f3504f3) >> 23;  // of sqrt(1/2): the mantissa becomes 0.707..1.414
    const Vec<float> k = __builtin_convertvector(exponent, Vec<float>);
    const Vec<float> r = reinterpret_cast<Vec<float>>(bits - (exponent << 23)) - 1.0f;
    return log_of_parts(r, k) + (x - x);  // x - x keeps NaN and infinity
}

// ln(1 + x) for x in 0..1, without the rounding of 1 + x.
inline Vec<float> log1p(Vec<float> x) {
    const Vec<float> zero = {};
    const auto small = x < 0.41421356f;
    return log_of_parts(small ? x : (x - 1.0f) * 0.5f, small ? zero : zero + 1.0f);
}

inline Vec<float> tanh(Vec<float> x) {
    const Vec<float> limit = broadcast(10.0f);  // 1 - tanh(10) is below half a unit in the last place
    Vec<float> a = x < 0.0f ? -x : x;
    a = a > limit ? limit : a;
    const Vec<float> t = expm1(a + a);
    const Vec<float> y = t / (t + 2.0f);
    return x < 0.0f ? -y : y;
}

// float64 is for checking, not for speed: the C library's functions, lane by lane.
PYNN_APART inline Vec<double> exp(Vec<double> x) {
    Vec<double> y = x;
    for (Size i = 0; i < kLanes<double>; ++i) y[i] = __builtin_exp(x[i]);
    return y;
}

PYNN_APART inline Vec<double> log(Vec<double> x) {
    Vec<double> y = x;
    for (Size i = 0; i < kLanes<double>; ++i) y[i] = __builtin_log(x[i]);
    return y;
}

PYNN_APART inline Vec<double> log1p(Vec<double> x) {
    Vec<double> y = x;
    for (Size i = 0; i < kLanes<double>; ++i) y[i] = __builtin_log1p(x[i]);
    return y;
}

PYNN_APART inline Vec<double> expm1(Vec<double> x) {
    Vec<double> y = x;
    for (Size i = 0; i < kLanes<double>; ++i) y[i] = __builtin_expm1(x[i]);
    return y;
}

PYNN_APART inline Vec<double> tanh(Vec<double> x) {
    Vec<double> y = x;
    for (Size i = 0; i < kLanes<double>; ++i) y[i] = __builtin_tanh(x[i]);
    return y;
}

}  // namespace pynn::PYNN_LEVEL
