// Dropout with a mask that is a function of (seed, stream, step) and the element's index.
#include "families.h"
#include "parallel.h"
#include "philox.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kGroup = 8 * kCounters;  // elements: 16 counters x 4 words x 2 halves
constexpr Size kRun = 64 * kGroup;
constexpr Size kAhead = 512;  // elements
constexpr double kCost = 4;   // of one element, in multiply-adds

// Draws of the 128 elements of a group: word by word, low halves before high ones, counter by counter. Even and odd
// counters are drawn apart, so that the words of both make one vector of 32-bit lanes in order.
void draw_group(Size group, Draw draw, const Keys& keys, std::int32_t (&draws)[kGroup]) {
    typedef std::uint32_t Halves __attribute__((vector_size(sizeof(Words)), may_alias));
    for (Size start = 0; start < kCounters; start += 2 * kWordLanes) {
        Words even = {};
        for (Size lane = 0; lane < kWordLanes; ++lane)
            even[lane] = static_cast<std::uint64_t>(group * kCounters + start + 2 * lane);
        const Block a = philox(even, draw, keys), b = philox(even + 1, draw, keys);
        for (int word = 0; word < 4; ++word) {
            const Words both = (a.word[word] & 0xFFFFFFFFu) | (b.word[word] << 32);
            const Halves bits = reinterpret_cast<Halves>(both);
            std::int32_t* place = draws + word * 2 * kCounters + start;
            *reinterpret_cast<Halves*>(place) = bits & 0xFFFFu;
            *reinterpret_cast<Halves*>(place + kCounters) = bits >> 16;
        }
    }
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
    parallel_runs(size, kRun, kCost * static_cast<double>(size), [&](Size begin, Size end) {
        alignas(64) std::int32_t draws[kGroup];
        const Keys keys(draw.seed);
        for (Size i = begin; i < end; i += kGroup) {
            // the arithmetic hides the memory's latency only when lines are asked for early
            for (Size j = 0; j < kGroup; j += 64 / static_cast<Size>(sizeof(T))) {
                __builtin_prefetch(x + i + kAhead + j, 0);
                __builtin_prefetch(out + i + kAhead + j, 1);
            }
            draw_group(i / kGroup, draw, keys, draws);
            if (end - i >= kGroup)
                mask_group(x + i, draws, limit, factor, out + i, kGroup);
            else
                mask_group(x + i, draws, limit, factor, out + i, end - i);
        }
    });
}

}  // namespace

template <class T>
void fill_dropout(Table<T>& table) {
    table.dropout = dropout<T>;
}
template void fill_dropout(Table<float>&);
template void fill_dropout(Table<double>&);

}  // namespace pynn::PYNN_LEVEL
