// Philox4x32-10 (Salmon et al. 2011), one counter a lane. A 32-bit word lives in the low half of a 64-bit lane, where
// the vector units multiply 32 x 32 -> 64 bits.
#pragma once
#include "kernels.h"

#if defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

namespace pynn::PYNN_LEVEL {

constexpr Size kCounters = 16;  // drawn at once; fixed, so that the order of draws is the same at every level

#if defined(__AVX512F__)
typedef std::uint64_t Words __attribute__((vector_size(64)));
inline Words multiply_words(Words a, Words b) {
    // every lane kept: gcc 12 warns of an undefined operand inside the plain _mm512_mul_epu32
    return reinterpret_cast<Words>(
        _mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}
#elif defined(__AVX2__)
typedef std::uint64_t Words __attribute__((vector_size(32)));
inline Words multiply_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}
#elif defined(__SSE2__)
typedef std::uint64_t Words __attribute__((vector_size(16)));
inline Words multiply_words(Words a, Words b) {
    return reinterpret_cast<Words>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
}
#else
typedef std::uint64_t Words __attribute__((vector_size(16)));
inline Words multiply_words(Words a, Words b) {
    return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
}
#endif

constexpr Size kWordLanes = sizeof(Words) / 8;

// The ten keys of a seed.
struct Keys {
    std::uint64_t first[10], second[10];
    explicit Keys(std::uint64_t seed) {
        std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
        for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
            first[round] = k0;
            second[round] = k1;
        }
    }
};

// The four words, in the low halves of the lanes, of the counters (block, stream, step).
struct Block {
    Words word[4];
};

inline Block philox(Words block, Draw draw, const Keys& keys) {
    const Words m0 = Words{} + 0xD2511F53u, m1 = Words{} + 0xCD9E8D57u;
    Words c0 = block, c1 = block >> 32;
    Words c2 = Words{} + draw.stream, c3 = Words{} + draw.step;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {  // high halves hold garbage, which the multiplication ignores
        const Words p0 = multiply_words(c0, m0), p1 = multiply_words(c2, m1);
        c0 = (p1 >> 32) ^ c1 ^ keys.first[round];
        c1 = p1;
        c2 = (p0 >> 32) ^ c3 ^ keys.second[round];
        c3 = p0;
    }
    return {{c0, c1, c2, c3}};
}

}  // namespace pynn::PYNN_LEVEL
