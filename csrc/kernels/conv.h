// What the passes of a convolution share: tiles that sum over the taps of a kernel where the image lies in memory.
#pragma once
#include "tiles.h"

namespace pynn::PYNN_LEVEL {

// What one tile computes: c(rows, width) = start(width) or c, plus the sum over `segments` runs of a(rows, run)
// b(run, width). The runs of a begin at a + a_offsets[s]; those of b follow each other b_step apart.
template <class T>
struct RunTask {
    Size segments, run;
    const Size* a_offsets;
    const T* a;
    Size a_stride;  // a(i,p) is a[i * a_stride + p], or a[p * a_stride + i] when Across
    const T* b;
    Size b_stride, b_step;
    T* c;
    Size c_stride;
    const T* start;  // a row of width numbers
    bool add;        // go on from c, instead of from start
    bool rectify;    // c = max(c, 0)
};

template <class T, bool Across, int V, int R>
void run_tile(const RunTask<T>& q) {
    constexpr Size L = kLanes<T>;
    const Size run = q.run, a_stride = q.a_stride, b_stride = q.b_stride;
    Vec<T> sums[R * V];
    const T* from = q.add ? q.c : q.start;
    unroll<R>([&](auto r) PYNN_INLINE {
        unroll<V>([&](auto v) PYNN_INLINE { sums[r * V + v] = load(from + v * L); });
        from += q.add ? q.c_stride : 0;
    });
    for (Size s = 0; s < q.segments; ++s) {
        const T *const a = q.a + q.a_offsets[s], *const b = q.b + s * q.b_step;
        for (Size p = 0; p < run; ++p) {
            Vec<T> columns[V];
            unroll<V>([&](auto v) PYNN_INLINE { columns[v] = load(b + p * b_stride + v * L); });
            unroll<R>([&](auto r) PYNN_INLINE {
                const Vec<T> row = broadcast(Across ? a[p * a_stride + r] : a[r * a_stride + p]);
                unroll<V>([&](auto v) PYNN_INLINE { sums[r * V + v] += row * columns[v]; });
            });
        }
    }
    if (q.rectify) unroll<R * V>([&](auto i) PYNN_INLINE { sums[i] = activate<Function::relu, T>(sums[i], 0); });
    T* to = q.c;
    unroll<R>([&](auto r) PYNN_INLINE {
        unroll<V>([&](auto v) PYNN_INLINE { store(to + v * L, sums[r * V + v]); });
        to += q.c_stride;
    });
}

template <class T>
using RunTile = void (*)(const RunTask<T>&);

template <class T, bool Across, int V, int... R>
RunTile<T> run_tile_of(Size rows, Lanes<R...>) {
    static constexpr RunTile<T> tiles[] = {run_tile<T, Across, V, R + 1>...};
    return tiles[rows - 1];
}

template <class T, bool Across>
RunTile<T> choose_run_tile(Size vectors, Size rows) {
    constexpr std::make_integer_sequence<int, kTileRows> all{};
    return vectors == 2 ? run_tile_of<T, Across, 2>(rows, all) : run_tile_of<T, Across, 1>(rows, all);
}

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
