// What products and convolutions share: tiles whose sums stay in registers, how rows are cut into them, and the
// activation at the end.
#pragma once
#include "activation.h"
#include "parallel.h"

namespace pynn::PYNN_LEVEL {

// Columns of a panel: two vectors.
template <class T>
constexpr Size kPanel = 2 * kLanes<T>;

constexpr Size kNoOffset = 0;

// What one tile computes: c(rows, width) = start(width) or c, plus the sum over `segments` of a(rows, k) b(k, width):
// one for a product of matrices. The segments of a begin at a + a_offsets[s], those of b are b_step apart.
template <class T>
struct TileTask {
    Size segments = 1, k = 0;
    const Size* a_offsets = &kNoOffset;
    const T* a;
    Size a_stride;  // a(i,p) is a[i * a_stride + p], or a[p * a_stride + i] when Across
    const T* b;
    Size b_stride, b_step = 0;
    T* c;
    Size c_stride;
    const T* start;             // a row of width numbers
    bool add = false;           // go on from c, instead of from start
    const T* offset = nullptr;  // a row of width numbers: at the end, c = scale c + offset
    T scale = 1;
    bool relu = false;  // c = max(c, 0), after that
};

template <class T, bool Across, int V, int R>
void tile(const TileTask<T>& q) {
    constexpr Size L = kLanes<T>;
    const Size k = q.k, a_stride = q.a_stride, b_stride = q.b_stride;
    Vec<T> sums[R * V];
    const T* from = q.add ? q.c : q.start;
    unroll<R>([&](auto r) PYNN_INLINE {
        unroll<V>([&](auto v) PYNN_INLINE { sums[r * V + v] = load(from + v * L); });
        from += q.add ? q.c_stride : 0;
    });
    for (Size s = 0; s < q.segments; ++s) {
        const T *const a = q.a + q.a_offsets[s], *const b = q.b + s * q.b_step;
        for (Size p = 0; p < k; ++p) {
            Vec<T> columns[V];
            unroll<V>([&](auto v) PYNN_INLINE { columns[v] = load(b + p * b_stride + v * L); });
            unroll<R>([&](auto r) PYNN_INLINE {
                const Vec<T> row = broadcast(Across ? a[p * a_stride + r] : a[r * a_stride + p]);
                unroll<V>([&](auto v) PYNN_INLINE { sums[r * V + v] += row * columns[v]; });
            });
        }
    }
    if (q.offset) {
        const Vec<T> scale = broadcast(q.scale);
        unroll<V>([&](auto v) PYNN_INLINE {
            const Vec<T> offset = load(q.offset + v * L);
            unroll<R>([&](auto r) PYNN_INLINE { sums[r * V + v] = sums[r * V + v] * scale + offset; });
        });
    }
    if (q.relu) unroll<R * V>([&](auto i) PYNN_INLINE { sums[i] = activate<Function::relu, T>(sums[i], 0); });
    T* to = q.c;
    unroll<R>([&](auto r) PYNN_INLINE {
        unroll<V>([&](auto v) PYNN_INLINE { store(to + v * L, sums[r * V + v]); });
        to += q.c_stride;
    });
}

template <class T>
using Tile = void (*)(const TileTask<T>&);

template <class T, bool Across, int V, int... R>
Tile<T> tile_of(Size rows, Lanes<R...>) {
    static constexpr Tile<T> tiles[] = {tile<T, Across, V, R + 1>...};
    return tiles[rows - 1];
}

template <class T>
Tile<T> choose_tile(bool across, Size vectors, Size rows) {
    constexpr std::make_integer_sequence<int, kTileRows> all{};
    if (across) return vectors == 2 ? tile_of<T, true, 2>(rows, all) : tile_of<T, true, 1>(rows, all);
    return vectors == 2 ? tile_of<T, false, 2>(rows, all) : tile_of<T, false, 1>(rows, all);
}

// The activations that take more than one instruction: on the finished tile, while it is in the first-level cache.
template <class T>
void finish(Activation f, T* out, Size stride, Size rows, Size count) {
    if (f.function == Function::identity || f.function == Function::relu) return;
    const T alpha = static_cast<T>(f.alpha);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        each_vector<T>(0, count, [&](auto at, Size i) {
            for (Size r = 0; r < rows; ++r) {
                T* place = out + r * stride + i;
                at.store(place, activate<F, T>(at.load(place), alpha));
            }
        });
    });
}

// Row tiles as even as they come: 100 rows are one of 12 and 8 of 11 rather than 8 of 12 and one of 4.
struct Rows {
    Size tiles, base, longer;
    explicit Rows(Size m) : tiles(ceil_div(m, kTileRows)), base(tiles ? m / tiles : 0), longer(tiles ? m % tiles : 0) {}
    Size begin(Size t) const { return t * base + smaller(t, longer); }
    Size count(Size t) const { return base + (t < longer ? 1 : 0); }
};

}  // namespace pynn::PYNN_LEVEL
