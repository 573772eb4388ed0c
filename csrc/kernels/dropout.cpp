// Dropout with a mask that is a function of (seed, stream, step) and the element's place.
#include "draws.h"
#include "families.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kGroup = 8 * kCounters;  // elements: 16 counters x 4 words x 2 halves
constexpr Size kRun = 64;               // groups
constexpr Size kAhead = 512;            // elements
constexpr Size kFew = 16;               // groups
constexpr Size kPlaces = 256;           // of an image, that are worth draws of their own
constexpr double kCost = 4;             // of one element, in multiply-adds

// Draws of the 128 elements of a group: word by word, low halves before high ones, counter by counter.
void draw_group(std::uint64_t group, Draw draw, const Keys& keys, std::int32_t (&draws)[kGroup]) {
    each_word(group, draw, keys, [&](int word, Size start, Halves bits) PYNN_INLINE {
        std::int32_t* place = draws + word * 2 * kCounters + start;
        *reinterpret_cast<Halves*>(place) = bits & 0xFFFFu;
        *reinterpret_cast<Halves*>(place + kCounters) = bits >> 16;
    });
}

template <class T>
inline void mask_group(const T* __restrict x, const std::int32_t* __restrict draws, std::int32_t limit, T factor,
                       T* __restrict out, Size count) {
    for (Size j = 0; j < count; ++j) out[j] = draws[j] >= limit ? x[j] * factor : T(0);
}

template <class T>
void dropout(const T* x, unsigned threshold, double scale, Draw draw, T* out, Size size) {
    const std::int32_t limit = static_cast<std::int32_t>(threshold);
    const T factor = static_cast<T>(scale);
    const Keys keys(draw.seed);
    const double work = kCost * static_cast<double>(size);
    over_groups<kGroup>(size, draw.offset, kRun, work, [&](std::uint64_t group, Size i, Size count, Size skip) {
        alignas(64) std::int32_t draws[kGroup];
        // the arithmetic hides the memory's latency only when lines are asked for early
        for (Size j = 0; j < kGroup; j += 64 / static_cast<Size>(sizeof(T))) {
            __builtin_prefetch(x + i + kAhead + j, 0);
            __builtin_prefetch(out + i + kAhead + j, 1);
        }
        draw_group(group, draw, keys, draws);
        if (count == kGroup)
            mask_group(x + i, draws, limit, factor, out + i, kGroup);
        else
            mask_group(x + i, draws + skip, limit, factor, out + i, count);
    });
}

// Full channels of x(n,p,c): the draws are those of dropout on an (n,c) array.
template <class T>
void spatial_dropout(const T* x, unsigned threshold, double scale, Draw draw, T* out, Size n, Size p, Size c) {
    if (n * p * c == 0) return;
    const std::int32_t limit = static_cast<std::int32_t>(threshold);
    const T factor = static_cast<T>(scale);
    const Keys keys(draw.seed);
    const Size run = larger(kRun / p, 1);
    const double work = static_cast<double>(n * c) * (kCost + static_cast<double>(p));
    const auto mask_places = [&](Size first, Size last, double shared_work) {
        const auto mask = [&](std::uint64_t group, Size begin, Size count, Size skip) {
            alignas(64) std::int32_t draws[kGroup];
            draw_group(group, draw, keys, draws);
            Size width = 0;  // channels of one sample
            for (Size i = 0; i < count; i += width) {
                const Size sample = (begin + i) / c, channel = (begin + i) % c;
                width = smaller(c - channel, count - i);
                for (Size place = first; place < last; ++place) {
                    const Size start = (sample * p + place) * c + channel;
                    mask_group(x + start, draws + skip + i, limit, factor, out + start, width);
                }
            }
        };
        over_groups<kGroup>(n * c, draw.offset, run, shared_work, mask);
    };
    if (n * c >= kFew * kGroup)
        mask_places(0, p, work);
    else  // too few groups for all threads: each run of places draws them again
        parallel_runs(p, kPlaces, work, [&](Size first, Size last) { mask_places(first, last, 0); });
}

}  // namespace

template <class T>
void fill_dropout(Table<T>& table) {
    table.dropout = dropout<T>;
    table.spatial_dropout = spatial_dropout<T>;
}
template void fill_dropout(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
