// Dropout with a mask that is a function of (seed, stream, step) and the element's index.
#include "families.h"
#include "parallel.h"
#include "philox.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kGroup = 8 * kCounters;  // elements: 16 counters x 4 words x 2 halves
constexpr Size kRun = 64 * kGroup;
constexpr double kCost = 4;  // of one element, in multiply-adds

// Draws of the 128 elements of a group: word by word, low halves before high ones, lane by lane.
void draw_group(Size group, Draw draw, std::int32_t (&draws)[kGroup]) {
    for (Size lane = 0; lane < kCounters; lane += kWordLanes) {
        const Block block = philox(static_cast<std::uint64_t>(group * kCounters + lane), draw);
        for (int word = 0; word < 4; ++word)
            for (Size i = 0; i < kWordLanes; ++i) {
                const std::uint32_t bits = static_cast<std::uint32_t>(block.word[word][i]);
                draws[word * 2 * kCounters + lane + i] = static_cast<std::int32_t>(bits & 0xFFFFu);
                draws[(word * 2 + 1) * kCounters + lane + i] = static_cast<std::int32_t>(bits >> 16);
            }
    }
}

template <class T>
void dropout(const T* x, unsigned threshold, double scale, Draw draw, T* out, Size size) {
    const std::int32_t limit = static_cast<std::int32_t>(threshold);
    const T factor = static_cast<T>(scale);
    parallel_runs(size, kRun, kCost * static_cast<double>(size), [&](Size begin, Size end) {
        alignas(64) std::int32_t draws[kGroup];
        for (Size i = begin; i < end; i += kGroup) {
            draw_group(i / kGroup, draw, draws);
            const Size count = smaller(kGroup, end - i);
            for (Size j = 0; j < count; ++j) out[i + j] = draws[j] >= limit ? x[i + j] * factor : T(0);
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
