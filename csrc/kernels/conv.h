// What the passes of a convolution share: a part of an image, with zeros where it reaches beyond.
#pragma once
#include "tiles.h"

namespace pynn::PYNN_LEVEL {

// A part of an image: rows y0.., columns x0.. of it, where they lie in memory or in a copy with zeros around the image.
template <class T>
struct Window {
    const T* at;  // its first pixel
    Size row;     // elements from row to row
};

// The window of `height` rows and `width` columns at (y0, x0) of an image (h, w, c); `copy` has room for it.
template <class T>
Window<T> window(const T* image, Size h, Size w, Size c, Size y0, Size x0, Size height, Size width, T* copy) {
    if (y0 >= 0 && x0 >= 0 && y0 + height <= h && x0 + width <= w) return {image + (y0 * w + x0) * c, w * c};
    const Size left = smaller(width, larger(0, -x0)), right = larger(left, smaller(width, w - x0));
    const auto bytes = [](Size count) { return static_cast<std::size_t>(count) * sizeof(T); };
    for (Size y = 0; y < height; ++y) {
        T* to = copy + y * width * c;
        if (y0 + y < 0 || y0 + y >= h) {
            __builtin_memset(to, 0, bytes(width * c));
            continue;
        }
        __builtin_memset(to, 0, bytes(left * c));
        if (right > left)
            __builtin_memcpy(to + left * c, image + ((y0 + y) * w + x0 + left) * c, bytes((right - left) * c));
        __builtin_memset(to + right * c, 0, bytes((width - right) * c));
    }
    return {copy, width * c};
}

}  // namespace pynn::PYNN_LEVEL
