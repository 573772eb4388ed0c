// A product is cut into column panels of two vectors. A panel runs through k in blocks, and for each block through the
// rows in tiles of up to kTileRows, whose accumulators stay in registers. a is read where it lies; b too, unless it is
// transposed or its rows lie a page apart, where they evict each other: then the panel's block is packed first. (The
// last rows of a panel that ends amid a vector are packed as well.) Every element of out is summed over k in the same
// order, whatever the tiles and threads.
#include "gemm.h"

#include "tiles.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kBlock = 512;  // of k: a panel's block of b stays in the second-level cache

constexpr Size kCache = 512 << 10;  // bytes of a that should stay in the second-level cache

// packed(k, width) = columns j..j+count-1 of b, zero beyond count.
template <class T>
void pack(const Product<T>& q, Size p0, Size k, Size j, Size count, Size width, T* packed) {
    const T* b = q.b.at + p0 * q.b.stride + j;
    if (!q.b.transposed && count == width) {
        for (Size p = 0; p < k; ++p)  // row by row: each is a page of its own
            for (Size i = 0; i < width; i += kLanes<T>) store(packed + p * width + i, load(b + p * q.b.stride + i));
        return;
    }
    if (!q.b.transposed) {
        each_vector<T>(0, count, [&](auto at, Size i) {
            for (Size p = 0; p < k; ++p) store(packed + p * width + i, at.load(b + p * q.b.stride + i));
        });
        return;
    }
    for (Size first = 0; first < width; first += kLanes<T>) {
        each_vector<T>(0, k, [&](auto at, Size p) {
            Vec<T> square[kLanes<T>];
            for (Size i = 0; i < kLanes<T>; ++i) {
                const bool inside = first + i < count;
                square[i] = inside ? at.load(q.b.at + (j + first + i) * q.b.stride + p0 + p) : Vec<T>{};
            }
            transpose<T>(square);
            for (Size i = 0; i < smaller(kLanes<T>, k - p); ++i) store(packed + (p + i) * width + first, square[i]);
        });
    }
}

constexpr Size kPage = 4096;  // bytes

template <class T>
bool rows_collide(const Product<T>& q) {
    return q.b.stride * static_cast<Size>(sizeof(T)) % kPage == 0 && q.m > 16 * kTileRows;
}

// A block of k of one panel of b: its first rows where they lie, the others packed.
template <class T>
struct Block {
    Size k, direct;  // rows, and how many of them lie in place
    const T* b;
    Size b_stride;
    const T* packed;
    Size width;

    void run(Tile<T> tile, TileTask<T> task, Size a_step) const {
        const bool relu = task.relu;
        const T* offset = task.offset;
        if (direct > 0) {
            task.k = direct, task.b = b, task.b_stride = b_stride;
            if (direct < k) task.relu = false, task.offset = nullptr;
            tile(task);
            if (direct == k) return;
            task.a += direct * a_step, task.add = true, task.relu = relu, task.offset = offset;
        }
        task.k = k - direct, task.b = packed, task.b_stride = width;
        tile(task);
    }
};

// Rows of b that are read where they lie. In a panel of fewer columns than its vectors have lanes, what follows in
// memory comes along, and the last rows of b have nothing that follows.
template <class T>
Size rows_in_place(const Product<T>& q, Size p, Size k, Size missing) {
    if (q.b.transposed || rows_collide(q)) return 0;
    return missing == 0 ? k : smaller(k, larger(0, q.k - p - ceil_div(missing, q.b.stride)));
}

// One block of k of one panel (columns j..), row tiles t0..t1-1.
template <class T>
void panel(const Product<T>& q, const Rows& rows, Size p, Size j, Size t0, Size t1) {
    alignas(64) T packed[kBlock * kPanel<T>], bias[kPanel<T>] = {}, copy[kTileRows * kPanel<T>];
    static constexpr T zeros[kPanel<T>] = {};
    const Size count = smaller(kPanel<T>, q.n - j), k = smaller(kBlock, q.k - p);
    const Size vectors = ceil_div(count, kLanes<T>), width = vectors * kLanes<T>;
    const bool pad = count != width, last = p + kBlock >= q.k;
    const Size direct = rows_in_place(q, p, k, width - count);
    if (direct < k) pack(q, p + direct, k - direct, j, count, width, packed);
    const Block<T> block = {k, direct, q.b.at + p * q.b.stride + j, q.b.stride, packed, width};
    const bool scaled = q.scale != 1;  // then the bias comes after the sum, else before it
    if (q.bias && (scaled ? last : p == 0))
        each_vector<T>(0, count, [&](auto at, Size i) { store(bias + i, at.load(q.bias + j + i)); });
    for (Size t = t0; t < t1; ++t) {
        const Size i = rows.begin(t), height = rows.count(t);
        T* out = q.out + i * q.out_stride + j;
        T* c = pad ? copy : out;
        const Size c_stride = pad ? width : q.out_stride;
        if (pad && p > 0)
            each_vector<T>(0, count, [&](auto at, Size v) {
                for (Size r = 0; r < height; ++r) store(c + r * c_stride + v, at.load(out + r * q.out_stride + v));
            });
        TileTask<T> task;
        task.a = q.a.transposed ? q.a.at + p * q.a.stride + i : q.a.at + i * q.a.stride + p;
        task.a_stride = q.a.stride, task.c = c, task.c_stride = c_stride, task.start = scaled ? zeros : bias;
        task.add = p > 0, task.scale = q.scale, task.offset = scaled && last ? bias : nullptr;
        task.relu = last && q.f.function == Function::relu;
        block.run(choose_tile<T>(q.a.transposed, vectors, height), task, q.a.transposed ? q.a.stride : 1);
        if (last) finish(q.f, c, c_stride, height, count);
        if (pad)
            each_vector<T>(0, count, [&](auto at, Size v) {
                for (Size r = 0; r < height; ++r) at.store(out + r * q.out_stride + v, load(c + r * c_stride + v));
            });
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
    const Size wanted = work < 4e6 ? (q.b.transposed ? 8 : 16) : 32;
    const Size groups = panels >= 8 ? 1 : smaller(tiles, ceil_div(wanted, panels));
    // Where a does not fit the cache as a whole, several panels use a block of it in turn.
    const bool large = q.m * q.k * static_cast<Size>(sizeof(T)) > kCache;
    const Size chunk = large && panels >= 16 ? smaller(panels / 8, 8) : 1;
    const Size rows_at_once = kCache / (kBlock * static_cast<Size>(sizeof(T)) * kTileRows);
    // A packed panel is used for all rows at once: packing costs more than loading a from a slower cache.
    const bool packs = q.b.transposed || rows_collide(q);
    return {chunk, ceil_div(panels, chunk), groups, packs ? tiles : rows_at_once};
}

}  // namespace

template <class T>
void multiply(const Product<T>& q) {
    const Rows rows(q.m);
    const Size panels = ceil_div(q.n, kPanel<T>);
    if (panels == 0 || rows.tiles == 0) return;
    const Cut c = cut(q, rows.tiles, panels);
    parallel(c.chunks * c.groups, product_work(q.m, q.k, q.n), [&](Size piece) {
        const Size group = piece / c.chunks, first = piece % c.chunks * c.chunk;
        const Size t0 = group * rows.tiles / c.groups, t1 = (group + 1) * rows.tiles / c.groups;
        for (Size p = 0; p == 0 || p < q.k; p += kBlock)
            for (Size t = t0; t < t1; t += c.rows_at_once)
                for (Size j = first; j < smaller(panels, first + c.chunk); ++j)
                    panel(q, rows, p, j * kPanel<T>, t, smaller(t1, t + c.rows_at_once));
    });
}

template void multiply(const Product<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
