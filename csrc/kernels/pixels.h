// Numbers of a data set on their way into a batch.
#pragma once
#include <type_traits>

#include "kernels.h"

namespace pynn::PYNN_LEVEL {

// to = from / by. Pixels by way of the reciprocal and one correction: the bits of the quotient at a fraction of its
// time.
template <class From, class T>
inline void divide(const From* from, T by, T* to, Size d) {
#if defined(__FMA__) || defined(__aarch64__)
    if constexpr (std::is_same_v<From, std::uint8_t>) {
        const T reciprocal = 1 / by;
        for (Size j = 0; j < d; ++j) {
            const T x = static_cast<T>(from[j]), q = x * reciprocal;
            to[j] = q + (x - q * by) * reciprocal;
        }
        return;
    }
#endif
    if (by == 1)
        for (Size j = 0; j < d; ++j) to[j] = static_cast<T>(from[j]);
    else
        for (Size j = 0; j < d; ++j) to[j] = static_cast<T>(from[j]) / by;
}

}  // namespace pynn::PYNN_LEVEL
