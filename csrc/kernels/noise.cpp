// Additive Gaussian noise: a function of (seed, stream, step) and the element's place, like a dropout mask.
#include "draws.h"
#include "families.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kGroup = 4 * kCounters;  // elements: 16 counters x 4 words
constexpr Size kRun = 64;               // groups
constexpr double kCost = 16;            // of one element, in multiply-adds
constexpr double kUnit = 1.0 / (1 << 24);

// sin and cos of 2 pi v for v in 0..1.
template <class T>
struct Wave {
    Vec<T> sine, cosine;
};

// Cephes' polynomials on -pi/4..pi/4, after whole quarter turns are taken off; that is exact.
inline Wave<float> wave(Vec<float> v) {
    const Vec<float> quarters = v * 4.0f;
    const Vec<float> rounding = broadcast(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const Vec<float> q = (quarters + rounding) - rounding;
    const Vec<float> t = (quarters - q) * 1.57079632679489662f;
    const Vec<float> z = t * t;
    const Vec<float> s = ((z * -1.9515295891e-4f + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * t + t;
    const Vec<float> c =
        ((z * 2.443315711809948e-5f - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - z * 0.5f + 1.0f;
    const auto odd = (q == 1.0f) | (q == 3.0f);
    const Vec<float> sine = odd ? c : s, cosine = odd ? s : c;
    return {((q == 2.0f) | (q == 3.0f)) ? -sine : sine, ((q == 1.0f) | (q == 2.0f)) ? -cosine : cosine};
}

// float64 is for checking, not for speed.
inline Wave<double> wave(Vec<double> v) {
    Wave<double> w = {};
    for (Size i = 0; i < kLanes<double>; ++i) {
        w.sine[i] = __builtin_sin(6.283185307179586477 * v[i]);
        w.cosine[i] = __builtin_cos(6.283185307179586477 * v[i]);
    }
    return w;
}

// Normal numbers of the 64 elements of a group, by Box and Muller: words 0 and 1 make those of a counter's elements 0
// and 1, words 2 and 3 the other two. 24 bits of a word count, so that float32 and float64 get the same numbers.
template <class T>
void draw_group(std::uint64_t group, Draw draw, const Keys& keys, T (&normal)[kGroup]) {
    alignas(64) std::int32_t bits[kGroup];
    each_word(group, draw, keys, [&](int word, Size start, Halves both) PYNN_INLINE {
        *reinterpret_cast<Halves*>(bits + word * kCounters + start) = both >> 8;
    });
    for (Size i = 0; i < kGroup; ++i) normal[i] = static_cast<T>(bits[i]) * static_cast<T>(kUnit);  // 0 <= u < 1
    for (Size pair = 0; pair < kGroup; pair += 2 * kCounters)
        for (Size i = pair; i < pair + kCounters; i += kLanes<T>) {
            const Vec<T> radius = sqrt(log(load(normal + i) + static_cast<T>(kUnit)) * T(-2));
            const Wave<T> w = wave(load(normal + i + kCounters));
            store(normal + i, radius * w.cosine);
            store(normal + i + kCounters, radius * w.sine);
        }
}

template <class T>
void gaussian_noise(const T* x, double deviation, Draw draw, T* out, Size size) {
    const T factor = static_cast<T>(deviation);
    const Keys keys(draw.seed);
    const double work = kCost * static_cast<double>(size);
    over_groups<kGroup>(size, draw.offset, kRun, work, [&](std::uint64_t group, Size i, Size count, Size skip) {
        alignas(64) T normal[kGroup];
        draw_group(group, draw, keys, normal);
        for (Size j = 0; j < count; ++j) out[i + j] = x[i + j] + factor * normal[skip + j];
    });
}

}  // namespace

template <class T>
void fill_noise(Table<T>& table) {
    table.gaussian_noise = gaussian_noise<T>;
}
template void fill_noise(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
