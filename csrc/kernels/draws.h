// Runs of elements that each take one draw of a Philox sequence, from any offset on, in groups of 16 counters.
#pragma once
#include "parallel.h"
#include "philox.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {

typedef std::uint32_t Halves __attribute__((vector_size(sizeof(Words)), may_alias));

// f(word, start, bits) with word 0..3 of the counters start, start + 1, ... of a group. Even and odd counters are drawn
// apart, so that the words of both make one vector of 32-bit lanes in order.
template <class F>
PYNN_INLINE inline void each_word(std::uint64_t group, Draw draw, const Keys& keys, F f) {
    for (Size start = 0; start < kCounters; start += 2 * kWordLanes) {
        Words even = {};
        for (Size lane = 0; lane < kWordLanes; ++lane)
            even[lane] = group * kCounters + static_cast<std::uint64_t>(start + 2 * lane);
        const Block a = philox(even, draw, keys), b = philox(even + 1, draw, keys);
        for (int word = 0; word < 4; ++word) {
            const Words both = (a.word[word] & 0xFFFFFFFFu) | (b.word[word] << 32);
            f(word, start, reinterpret_cast<Halves>(both));
        }
    }
}

// f(group, begin, count, skip): the elements begin..begin+count-1 take the draws skip.. of that group, for all groups
// that `size` elements touch. Groups hold G draws; a piece of work is `run` groups; `work` as in parallel().
template <Size G, class F>
void over_groups(Size size, std::uint64_t offset, Size run, double work, F f) {
    const std::uint64_t first = offset / G;
    const Size before = static_cast<Size>(offset % G);  // unused draws of the first group
    parallel_runs(ceil_div(before + size, G), run, work, [&](Size from, Size to) {
        for (Size group = from; group < to; ++group) {
            const Size begin = larger(group * G - before, 0), end = smaller((group + 1) * G - before, size);
            f(first + static_cast<std::uint64_t>(group), begin, end - begin, begin + before - group * G);
        }
    });
}

}  // namespace pynn::PYNN_LEVEL
