// A product is cut into column panels of two vectors. A panel runs through k in blocks, and for each block through the
// rows in tiles of up to kTileRows, whose accumulators stay in registers. a is read where it lies; b too, unless it is
// transposed or the panel is not a whole number of vectors: then the panel's block is packed first.
// Every element of out is summed over k in the same order, whatever the tiles and threads.
#include "gemm.h"

#include "activation.h"
#include "parallel.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kBlock = 512;  // of k: a panel's block of b stays in the second-level cache

constexpr Size kCache = 512 << 10;  // bytes of a that shall stay in the second-level cache

template <class T>
constexpr Size kPanel = 2 * kLanes<T>;

// c(R, V vectors) = or += a(R,k) b(k, V vectors). a(i,p) is a[i * stride + p], or a[p * stride + i] when Across.
template <class T, bool Across, int R, int V>
void tile(Size k, const T* a, Size a_stride, const T* b, Size b_stride, T* c, Size c_stride, bool add) {
    Vec<T> sums[R][V];
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) sums[r][v] = add ? load(c + r * c_stride + v * kLanes<T>) : Vec<T>{};
    for (Size p = 0; p < k; ++p) {
        Vec<T> columns[V];
        for (int v = 0; v < V; ++v) columns[v] = load(b + p * b_stride + v * kLanes<T>);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const Vec<T> row = broadcast(Across ? a[p * a_stride + r] : a[r * a_stride + p]);
            for (int v = 0; v < V; ++v) sums[r][v] += row * columns[v];
        }
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) store(c + r * c_stride + v * kLanes<T>, sums[r][v]);
}

template <class T>
using Tile = void (*)(Size, const T*, Size, const T*, Size, T*, Size, bool);

template <class T, bool Across, int V, int R = kTileRows>
Tile<T> tile_of(Size rows) {
    if constexpr (R > 1) {
        if (rows < R) return tile_of<T, Across, V, R - 1>(rows);
    }
    (void)rows;
    return tile<T, Across, R, V>;
}

template <class T>
Tile<T> choose_tile(bool across, Size vectors, Size rows) {
    if (across) return vectors == 2 ? tile_of<T, true, 2>(rows) : tile_of<T, true, 1>(rows);
    return vectors == 2 ? tile_of<T, false, 2>(rows) : tile_of<T, false, 1>(rows);
}

// Swaps the odd blocks of `Step` lanes of a with the even ones of b.
template <class T, int Step, int... I>
void swap_blocks(Vec<T>& a, Vec<T>& b, Lanes<I...>) {
    constexpr int L = kLanes<T>;
    const Vec<T> x = a, y = b;
#ifdef __clang__
    a = __builtin_shufflevector(x, y, (I & Step ? L + I - Step : I)...);
    b = __builtin_shufflevector(x, y, (I & Step ? L + I : I + Step)...);
#else
    using Int = typename Simd<T>::Int;
    a = __builtin_shuffle(x, y, Int{(I & Step ? L + I - Step : I)...});
    b = __builtin_shuffle(x, y, Int{(I & Step ? L + I : I + Step)...});
#endif
}

// Transposes a square of vectors in registers: log2(lanes) rounds.
template <class T, int Step = 1>
void transpose(Vec<T> (&rows)[kLanes<T>]) {
    if constexpr (Step < kLanes<T>) {
        for (int i = 0; i < kLanes<T>; ++i)
            if (!(i & Step))
                swap_blocks<T, Step>(rows[i], rows[i + Step], std::make_integer_sequence<int, kLanes<T>>{});
        transpose<T, 2 * Step>(rows);
    }
}

// packed(k, vectors) = columns j..j+count-1 of b, zero beyond count.
template <class T>
void pack(const Product<T>& q, Size p0, Size k, Size j, Size count, Size width, T* packed) {
    if (!q.b_transposed) {
        each_vector<T>(0, count, [&](auto at, Size i) {
            for (Size p = 0; p < k; ++p) store(packed + p * width + i, at.load(q.b + (p0 + p) * q.b_stride + j + i));
        });
        return;
    }
    for (Size first = 0; first < width; first += kLanes<T>) {
        each_vector<T>(0, k, [&](auto at, Size p) {
            Vec<T> square[kLanes<T>];
            for (Size i = 0; i < kLanes<T>; ++i) {
                const bool inside = first + i < count;
                square[i] = inside ? at.load(q.b + (j + first + i) * q.b_stride + p0 + p) : Vec<T>{};
            }
            transpose<T>(square);
            for (Size i = 0; i < smaller(kLanes<T>, k - p); ++i) store(packed + (p + i) * width + first, square[i]);
        });
    }
}

template <class T>
void finish(const Product<T>& q, T* out, Size j, Size rows, Size count) {
    if (q.bias == nullptr && q.f.function == Function::identity) return;
    const T alpha = static_cast<T>(q.f.alpha);
    with_function(q.f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        each_vector<T>(0, count, [&](auto at, Size i) {
            const Vec<T> bias = q.bias ? at.load(q.bias + j + i) : Vec<T>{};
            for (Size r = 0; r < rows; ++r) {
                T* place = out + r * q.out_stride + i;
                at.store(place, activate<F, T>(at.load(place) + bias, alpha));
            }
        });
    });
}

// One tile of a panel that is not a whole number of vectors: by way of a padded copy.
template <class T>
void padded_tile(Tile<T> run, Size k, const T* a, Size a_stride, const T* b, Size width, T* out, Size out_stride,
                 Size rows, Size count, bool add) {
    alignas(64) T copy[kTileRows * kPanel<T>];
    if (add)
        each_vector<T>(0, count, [&](auto at, Size i) {
            for (Size r = 0; r < rows; ++r) store(copy + r * width + i, at.load(out + r * out_stride + i));
        });
    run(k, a, a_stride, b, width, copy, width, add);
    each_vector<T>(0, count, [&](auto at, Size i) {
        for (Size r = 0; r < rows; ++r) at.store(out + r * out_stride + i, load(copy + r * width + i));
    });
}

// Row tiles as even as they come: 100 rows are one of 12 and 8 of 11 rather than 8 of 12 and one of 4.
struct Rows {
    Size tiles, base, longer;
    explicit Rows(Size m) : tiles(ceil_div(m, kTileRows)), base(tiles ? m / tiles : 0), longer(tiles ? m % tiles : 0) {}
    Size begin(Size t) const { return t * base + smaller(t, longer); }
    Size count(Size t) const { return base + (t < longer ? 1 : 0); }
};

// One block of k of one panel (columns j..), row tiles t0..t1-1.
template <class T>
void panel(const Product<T>& q, const Rows& rows, Size p, Size j, Size t0, Size t1) {
    alignas(64) T packed[kBlock * kPanel<T>];
    const Size count = smaller(kPanel<T>, q.n - j), k = smaller(kBlock, q.k - p);
    const Size vectors = ceil_div(count, kLanes<T>), width = vectors * kLanes<T>;
    const bool pad = count != width, copy = pad || q.b_transposed, last = p + kBlock >= q.k;
    if (copy) pack(q, p, k, j, count, width, packed);
    const T* b = copy ? packed : q.b + p * q.b_stride + j;
    const Size b_stride = copy ? width : q.b_stride;
    for (Size t = t0; t < t1; ++t) {
        const Size i = rows.begin(t), height = rows.count(t);
        const T* a = q.a_transposed ? q.a + p * q.a_stride + i : q.a + i * q.a_stride + p;
        T* out = q.out + i * q.out_stride + j;
        const Tile<T> run = choose_tile<T>(q.a_transposed, vectors, height);
        if (pad)
            padded_tile(run, k, a, q.a_stride, b, width, out, q.out_stride, height, count, p > 0);
        else
            run(k, a, q.a_stride, b, b_stride, out, q.out_stride, p > 0);
        if (last) finish(q, out, j, height, count);
    }
}

// How a product is cut into pieces; follows from its shape alone.
struct Cut {
    Size chunk, chunks;  // panels of a piece, and how many such chunks
    Size groups;         // of row tiles, each with pieces of its own
    Size rows_at_once;   // row tiles whose block of a stays in the second-level cache while the chunk's panels pass
};

template <class T>
Cut cut(const Product<T>& q, Size tiles, Size panels) {
    const double work = static_cast<double>(q.m) * static_cast<double>(q.n) * static_cast<double>(q.k);
    // Few panels: share out the rows as well, but no finer than pays, since each piece packs its panel for itself.
    const Size wanted = work < 4e6 ? (q.b_transposed ? 8 : 16) : 32;
    const Size groups = panels >= 8 ? 1 : smaller(tiles, ceil_div(wanted, panels));
    // Where a does not fit the cache as a whole, several panels use a block of it in turn.
    const bool large = q.m * q.k * static_cast<Size>(sizeof(T)) > kCache;
    const Size chunk = large && panels >= 16 ? smaller(panels / 8, 8) : 1;
    const Size rows_at_once = kCache / (kBlock * static_cast<Size>(sizeof(T)) * kTileRows);
    // A packed panel is used for all rows at once: packing costs more than a that comes from further away.
    return {chunk, ceil_div(panels, chunk), groups, q.b_transposed ? tiles : rows_at_once};
}

}  // namespace

template <class T>
void multiply(const Product<T>& q) {
    const Rows rows(q.m);
    const Size panels = ceil_div(q.n, kPanel<T>);
    if (panels == 0 || rows.tiles == 0) return;
    const Cut c = cut(q, rows.tiles, panels);
    // a multiply-add in registers is a fraction of an element that comes from memory
    const double work = static_cast<double>(q.m) * static_cast<double>(q.n) * static_cast<double>(q.k) / 8;
    parallel(c.chunks * c.groups, work, [&](Size piece) {
        const Size group = piece / c.chunks, first = piece % c.chunks * c.chunk;
        const Size t0 = group * rows.tiles / c.groups, t1 = (group + 1) * rows.tiles / c.groups;
        for (Size p = 0; p == 0 || p < q.k; p += kBlock)
            for (Size t = t0; t < t1; t += c.rows_at_once)
                for (Size j = first; j < smaller(panels, first + c.chunk); ++j)
                    panel(q, rows, p, j * kPanel<T>, t, smaller(t1, t + c.rows_at_once));
    });
}

template void multiply(const Product<float>&);
template void multiply(const Product<double>&);

}  // namespace pynn::PYNN_LEVEL
