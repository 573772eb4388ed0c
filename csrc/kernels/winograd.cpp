// The output is cut into tiles of 2 x 2 pixels; each reads 4 x 4 of the source. In the transformed space (16 planes)
// the correlation is one product a plane: tiles x channels times channels x outputs.
//   y = A^T [(G g G^T) * (B^T d B)] A,  dg = G^T [(B^T d B) * (A dy A^T)] G, each * summed over channels or tiles.
// Lavin & Gray, "Fast algorithms for convolutional neural networks", 2015.
#include "winograd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kPlanes = 16;
constexpr Size kCacheLine = 64;
constexpr Size kAhead = 24;  // tiles from the one that is prefetched to the one that is worked on
constexpr Size kPad = 16;    // elements between planes, so that their addresses do not fall into one set of the cache

// The tiles of n images of rows x columns outputs, numbered through.
struct Tiles {
    Size rows, columns, per_image, total;
    Tiles(Size n, Size rows_, Size columns_)
        : rows(rows_), columns(columns_), per_image(ceil_div(rows, 2) * ceil_div(columns, 2)), total(n * per_image) {}

    // f(number within the run, image, y, x of the first output) for the tiles begin..begin + count - 1.
    template <class F>
    void each(Size begin, Size count, F f) const {
        const Size per_row = ceil_div(columns, 2), within = begin % per_image;
        Size image = begin / per_image, y = within / per_row * 2, x = within % per_row * 2;
        for (Size t = 0; t < count; ++t) {
            f(t, image, y, x);
            x += 2;
            if (x >= columns) x = 0, y += 2;
            if (y >= rows) y = 0, ++image;
        }
    }
};

// The pixels that a tile of Edge x Edge reads of an image (h, w, c) from (y, x) on; `zeros` where there are none.
template <int Edge, class T>
void find_pixels(const T* image, Size h, Size w, Size c, Size y, Size x, const T* zeros, const T** pixels) {
    bool column[Edge];
    for (int j = 0; j < Edge; ++j) column[j] = static_cast<std::size_t>(x + j) < static_cast<std::size_t>(w);
    for (int i = 0; i < Edge; ++i) {
        const bool row = static_cast<std::size_t>(y + i) < static_cast<std::size_t>(h);
        const T* first = row ? image + ((y + i) * w + x) * c : zeros;
        for (int j = 0; j < Edge; ++j) pixels[i * Edge + j] = row && column[j] ? first + j * c : zeros;
    }
}

// The memory's own prefetching follows no tiles.
template <class T>
void prefetch(const T* numbers, Size count) {
    for (Size i = 0; i < count; i += kCacheLine / static_cast<Size>(sizeof(T))) __builtin_prefetch(numbers + i);
}

// Row i of B^T d B for a tile's 4 x 4 pixels d: four planes from `to` on.
template <class T>
void image_row(const T* const* d, Size i, Size channels, T* to, Size plane) {
    constexpr int first[] = {0, 1, 2, 1}, second[] = {2, 2, 1, 3};
    const T *const *a = d + 4 * first[i], *const *b = d + 4 * second[i];
    each_vector<T>(0, channels, [&](auto at, Size c) {
        Vec<T> e[4];
        unroll<4>([&](auto x) PYNN_INLINE {
            const Vec<T> upper = at.load(a[x] + c), lower = at.load(b[x] + c);
            e[x] = i == 1 ? upper + lower : upper - lower;
        });
        at.store(to + c, e[0] - e[2]);
        at.store(to + plane + c, e[1] + e[2]);
        at.store(to + 2 * plane + c, e[2] - e[1]);
        at.store(to + 3 * plane + c, e[1] - e[3]);
    });
}

// All of B^T d B: sixteen planes from `to` on.
template <class T>
void image_tile(const T* const* pixels, Size channels, T* to, Size plane) {
    const T* d[16];
    for (int i = 0; i < 16; ++i) d[i] = pixels[i];
    each_vector<T>(0, channels, [&](auto at, Size c) {
        Vec<T> e[4][4];
        unroll<4>([&](auto x) PYNN_INLINE {
            const Vec<T> q0 = at.load(d[x] + c), q1 = at.load(d[4 + x] + c), q2 = at.load(d[8 + x] + c);
            e[0][x] = q0 - q2, e[1][x] = q1 + q2, e[2][x] = q2 - q1, e[3][x] = q1 - at.load(d[12 + x] + c);
        });
        unroll<4>([&](auto y) PYNN_INLINE {
            T* row = to + 4 * y * plane + c;
            at.store(row, e[y][0] - e[y][2]);
            at.store(row + plane, e[y][1] + e[y][2]);
            at.store(row + 2 * plane, e[y][2] - e[y][1]);
            at.store(row + 3 * plane, e[y][1] - e[y][3]);
        });
    });
}

// Row i of A g A^T for a tile's 2 x 2 gradients g: four planes from `to` on.
template <class T>
void gradient_row(const T* const* g, Size i, Size j, Size count, T* to, Size plane) {
    each_vector<T>(0, count, [&](auto at, Size m) {
        Vec<T> r[2];
        unroll<2>([&](auto x) PYNN_INLINE {
            const Vec<T> upper = at.load(g[x] + j + m), lower = at.load(g[2 + x] + j + m);
            r[x] = i == 0 ? upper : i == 1 ? upper + lower : i == 2 ? upper - lower : -lower;
        });
        at.store(to + m, r[0]);
        at.store(to + plane + m, r[0] + r[1]);
        at.store(to + 2 * plane + m, r[0] - r[1]);
        at.store(to + 3 * plane + m, -r[1]);
    });
}

// G g G^T of the packed weights of a panel: nine arrays of `size` elements become sixteen, `plane` apart.
template <class T>
void weight_planes(const T* g, Size size, T* to, Size plane) {
    const auto line = [](Vec<T> a, Vec<T> b, Vec<T> c, Vec<T>(&out)[4]) PYNN_INLINE {
        const Vec<T> ends = (a + c) * T(0.5), middle = b * T(0.5);
        out[0] = a, out[1] = ends + middle, out[2] = ends - middle, out[3] = c;
    };
    for (Size i = 0; i < size; i += kLanes<T>) {
        Vec<T> rows[3][4];
        unroll<3>([&](auto x) PYNN_INLINE {
            line(load(g + x * size + i), load(g + (3 + x) * size + i), load(g + (6 + x) * size + i), rows[x]);
        });
        unroll<4>([&](auto y) PYNN_INLINE {
            Vec<T> out[4];
            line(rows[0][y], rows[1][y], rows[2][y], out);
            unroll<4>([&](auto x) PYNN_INLINE { store(to + (y * 4 + x) * plane + i, out[x]); });
        });
    }
}

// A^T m A, plus the bias: the 2 x 2 outputs of one tile for `count` columns, those that there are.
template <class T>
void outputs_of_tile(const T* m, Size plane, const T* bias, Size count, bool relu, Size row, Size pixel, bool below,
                     bool beside, T* out) {
    each_vector<T>(0, count, [&](auto at, Size j) {
        Vec<T> upper[4], lower[4];
        unroll<4>([&](auto x) PYNN_INLINE {
            const T* from = m + x * plane + j;
            const Vec<T> second = load(from + 4 * plane), third = load(from + 8 * plane);
            upper[x] = load(from) + second + third;
            lower[x] = second - third - load(from + 12 * plane);
        });
        const Vec<T> start = load(bias + j);
        const auto put = [&](T* to, Vec<T> y)
                             PYNN_INLINE { at.store(to + j, relu ? activate<Function::relu, T>(y, 0) : y); };
        put(out, start + upper[0] + upper[1] + upper[2]);
        if (beside) put(out + pixel, start + upper[1] - upper[2] - upper[3]);
        if (below) put(out + row, start + lower[0] + lower[1] + lower[2]);
        if (below && beside) put(out + row + pixel, start + lower[1] - lower[2] - lower[3]);
    });
}

// Tiles that one piece works on: their planes stay in the second-level cache, and there are enough pieces.
template <class T>
Size tiles_at_once(Size total, Size numbers, Size pieces) {
    constexpr Size budget = 384 << 10;
    const Size fitting = budget / (numbers * static_cast<Size>(sizeof(T))) / kTileRows * kTileRows;
    return larger(kTileRows, smaller(smaller(fitting, 8 * kTileRows), ceil_div(total, pieces)));
}

template <class T>
class Forward {
public:
    explicit Forward(const Correlation<T>& q)
        : q_(q), tiles_(q.n, q.rows, q.columns), at_once_(tiles_at_once<T>(tiles_.total, kPlanes * q.from(), 16)),
          panel_plane_(q.from() * kPanel<T> + kPad), weights_(q.panels() * kPlanes * panel_plane_), zeros_(q.from()) {
        for (Size c = 0; c < q.from(); ++c) zeros_.get()[c] = 0;
    }

    void run() {
        const double outputs = static_cast<double>(q_.out_channels), inputs = static_cast<double>(q_.from());
        Layout one_panel;
        const auto packed = one_panel.add<T>(9 * q_.from() * kPanel<T>);
        parallel(q_.panels(), 32 * outputs * inputs, one_panel,
                 [&](Size panel, Arena arena) { transform_weights(panel, arena[packed]); });
        Layout one_block;
        const auto planes = one_block.add<T>(kPlanes * (source_plane(at_once_) + sums_plane(at_once_)));
        const auto pixels = one_block.add<const T*>(16 * at_once_);
        parallel(ceil_div(tiles_.total, at_once_), 2 * static_cast<double>(tiles_.total) * inputs * outputs, one_block,
                 [&](Size piece, Arena arena) {
                     const Size begin = piece * at_once_;
                     block(begin, smaller(at_once_, tiles_.total - begin), arena[planes], arena[pixels]);
                 });
    }

private:
    Size width(Size panel) const {
        return ceil_div(smaller(kPanel<T>, q_.to() - panel * kPanel<T>), kLanes<T>) * kLanes<T>;
    }

    Size source_plane(Size tiles) const { return tiles * q_.from() + kPad; }
    Size sums_plane(Size tiles) const { return tiles * kPanel<T> + kPad; }

    void transform_weights(Size panel, T* packed) {
        const Size size = q_.from() * width(panel);
        pack_panel(q_, 0, panel, packed);
        weight_planes(packed, size, weights_.get() + panel * kPlanes * panel_plane_, panel_plane_);
    }

    void block(Size begin, Size count, T* source, const T** pixels) {
        const Size channels = q_.from(), plane = source_plane(count);
        T* const sums = source + kPlanes * plane;
        tiles_.each(begin, count, [&](Size t, Size image, Size y, Size x) {
            find_pixels<4>(q_.source + image * q_.h * q_.w * channels, q_.h, q_.w, channels, y + q_.ys->first(),
                           x + q_.xs->first(), zeros_.get(), pixels + 16 * t);
        });
        for (Size t = -kAhead; t < count; ++t) {
            if (t + kAhead < count)
                for (const Size core : {5, 6, 9, 10}) prefetch(pixels[16 * (t + kAhead) + core], channels);
            if (t >= 0) image_tile(pixels + 16 * t, channels, source + t * channels, plane);
        }
        for (Size panel = 0; panel < q_.panels(); ++panel) {
            multiply(panel, count, source, plane, sums, sums_plane(count));
            finish_panel(begin, count, panel, sums, sums_plane(count));
        }
    }

    void multiply(Size panel, Size count, const T* source, Size plane, T* sums, Size sums_plane) {
        alignas(64) static constexpr T zero[kPanel<T>] = {};
        TileTask<T> task;
        task.k = task.a_stride = q_.from(), task.start = zero;
        task.b_stride = task.c_stride = width(panel);
        const Rows rows(count);
        for (Size k = 0; k < kPlanes; ++k) {
            task.b = weights_.get() + (panel * kPlanes + k) * panel_plane_;
            for (Size t = 0; t < rows.tiles; ++t) {
                task.a = source + k * plane + rows.begin(t) * task.a_stride;
                task.c = sums + k * sums_plane + rows.begin(t) * task.c_stride;
                choose_tile<T>(false, task.c_stride / kLanes<T>, rows.count(t))(task);
            }
        }
    }

    void finish_panel(Size begin, Size count, Size panel, const T* sums, Size plane) {
        const Size j = panel * kPanel<T>, columns = smaller(kPanel<T>, q_.to() - j), step = width(panel);
        alignas(64) T bias[kPanel<T>] = {};
        if (q_.bias) each_vector<T>(0, columns, [&](auto at, Size i) { store(bias + i, at.load(q_.bias + j + i)); });
        const bool simple = q_.f.function == Function::relu || q_.f.function == Function::identity;
        tiles_.each(begin, count, [&](Size t, Size image, Size y, Size x) {
            const bool below = y + 1 < q_.rows, beside = x + 1 < q_.columns;
            T* out = q_.out + image * q_.out_image + y * q_.out_row + x * q_.out_pixel + j;
            outputs_of_tile(sums + t * step, plane, bias, columns, q_.f.function == Function::relu, q_.out_row,
                            q_.out_pixel, below, beside, out);
            if (simple) return;
            finish(q_.f, out, q_.out_pixel, beside ? 2 : 1, columns);
            if (below) finish(q_.f, out + q_.out_row, q_.out_pixel, beside ? 2 : 1, columns);
        });
    }

    const Correlation<T>& q_;
    const Tiles tiles_;
    const Size at_once_, panel_plane_;
    Scratch<T> weights_, zeros_;
};

// How the weight gradient is cut: a piece has some rows of planes, a part of the outputs and a run of the tiles. More
// rows at once read the images less often, as long as their sums stay in the second-level cache.
struct Pieces {
    Size parts, width, rows, groups, runs;  // width: outputs of a part; groups: of rows
    Pieces(Size inputs, Size outputs, Size tiles, Size bytes) {
        const Size wanted = ceil_div(outputs, 128);
        width = ceil_div(ceil_div(outputs, wanted), kPanel<float>) * kPanel<float>;
        parts = ceil_div(outputs, width);
        const Size fitting = (320 << 10) / (4 * inputs * width * bytes);
        rows = fitting >= 4 ? 4 : fitting >= 2 ? 2 : 1;
        groups = 4 / rows;
        runs = smaller(ceil_div(tiles, 64), ceil_div(16, groups * parts));
    }
};

template <class T>
class Backward {
public:
    Backward(const T* x, const T* dz, const ConvShape& s)
        : x_(x), dz_(dz), s_(s), tiles_(s.n, s.oh, s.ow), pieces_(s.c, s.m, tiles_.total, sizeof(T)),
          zeros_(larger(s.c, s.m)), stride_(pieces_.parts * pieces_.width),
          sums_(pieces_.runs * kPlanes * s.c * stride_) {
        for (Size i = 0; i < larger(s.c, s.m); ++i) zeros_.get()[i] = 0;
    }

    void run(T* dweight) {
        const double work = 2 * static_cast<double>(tiles_.total * s_.c) * static_cast<double>(s_.m);
        const Size at_once = at_once_of(ceil_div(tiles_.total, pieces_.runs));
        Layout layout;
        planes_ = layout.add<T>(4 * pieces_.rows * (image_plane(at_once) + gradient_plane(at_once)));
        pixels_ = layout.add<const T*>(16 * at_once);
        gradients_ = layout.add<const T*>(4 * at_once);
        parallel(pieces_.runs * pieces_.parts * pieces_.groups, work, layout, [&](Size piece, Arena arena) {
            const Size group = piece % pieces_.groups, rest = piece / pieces_.groups;
            sum_planes(rest / pieces_.parts, rest % pieces_.parts * pieces_.width, group * pieces_.rows, arena);
        });
        parallel(s_.c, 32 * static_cast<double>(s_.c * s_.m), [&](Size c) { gather_taps(c, dweight); });
    }

private:
    T* sums(Size run, Size plane, Size c) { return sums_.get() + ((run * kPlanes + plane) * s_.c + c) * stride_; }

    Size at_once_of(Size tiles) const { return tiles_at_once<T>(tiles, 4 * pieces_.rows * (s_.c + pieces_.width), 1); }
    Size image_plane(Size tiles) const { return tiles * s_.c + kPad; }
    Size gradient_plane(Size tiles) const { return tiles * pieces_.width + kPad; }

    // Some rows of planes from `row` on, of one run of the tiles, for the outputs j..j + width - 1.
    void sum_planes(Size run, Size j, Size row, Arena arena) {
        const Size begin = run * tiles_.total / pieces_.runs, end = (run + 1) * tiles_.total / pieces_.runs;
        const Size width = pieces_.width, count = smaller(width, s_.m - j), planes = 4 * pieces_.rows;
        const Size at_once = at_once_of(end - begin), plane = image_plane(at_once), step = gradient_plane(at_once);
        T *const image = arena[planes_], *const gradient = image + planes * plane;
        const T **const pixels = arena[pixels_], **const gradients = arena[gradients_];
        if (count < width)
            for (Size k = 0; k < planes * step; ++k) gradient[k] = 0;
        for (Size first = begin; first < end; first += at_once) {
            const Size tiles = smaller(at_once, end - first);
            tiles_.each(first, tiles, [&](Size t, Size number, Size y, Size x) {
                find_pixels<4>(x_ + number * s_.h * s_.w * s_.c, s_.h, s_.w, s_.c, y - s_.top, x - s_.left,
                               zeros_.get(), pixels + 16 * t);
                find_pixels<2>(dz_ + number * s_.oh * s_.ow * s_.m, s_.oh, s_.ow, s_.m, y, x, zeros_.get(),
                               gradients + 4 * t);
            });
            for (Size t = -kAhead; t < tiles; ++t) {
                if (t + kAhead < tiles) {
                    for (const Size core : {5, 6, 9, 10}) prefetch(pixels[16 * (t + kAhead) + core], s_.c);
                    for (Size k = 0; k < 4; ++k) prefetch(gradients[4 * (t + kAhead) + k] + j, count);
                }
                if (t < 0) continue;
                for (Size i = 0; i < pieces_.rows; ++i) {
                    image_row(pixels + 16 * t, row + i, s_.c, image + 4 * i * plane + t * s_.c, plane);
                    gradient_row(gradients + 4 * t, row + i, j, count, gradient + 4 * i * step + t * width, step);
                }
            }
            for (Size k = 0; k < planes; ++k)
                add_product(image + k * plane, gradient + k * step, tiles, ceil_div(count, kLanes<T>), first > begin,
                            sums(run, 4 * row + k, 0) + j);
        }
    }

    // out(c, vectors) = or += a(tiles, c)^T b(tiles, width)
    void add_product(const T* a, const T* b, Size tiles, Size vectors, bool add, T* out) {
        alignas(64) static constexpr T zero[kPanel<T>] = {};
        TileTask<T> task;
        task.k = tiles, task.a_stride = s_.c;
        task.b_stride = pieces_.width, task.c_stride = stride_, task.start = zero, task.add = add;
        const Rows rows(s_.c);
        for (Size v = 0; v < vectors; v += 2)
            for (Size t = 0; t < rows.tiles; ++t) {
                task.a = a + rows.begin(t), task.b = b + v * kLanes<T>;
                task.c = out + rows.begin(t) * stride_ + v * kLanes<T>;
                choose_tile<T>(true, smaller(2, vectors - v), rows.count(t))(task);
            }
    }

    // dweight(:, :, c, :) = G^T (the sum of all runs) G
    void gather_taps(Size c, T* dweight) {
        const auto line = [](const Vec<T>(&u)[4], Vec<T>(&out)[3]) PYNN_INLINE {
            const Vec<T> sum = (u[1] + u[2]) * T(0.5);
            out[0] = u[0] + sum, out[1] = (u[1] - u[2]) * T(0.5), out[2] = sum + u[3];
        };
        each_vector<T>(0, s_.m, [&](auto at, Size m) {
            Vec<T> rows[4][3], columns[4];
            unroll<4>([&](auto x) PYNN_INLINE {
                Vec<T> u[4];
                unroll<4>([&](auto y) PYNN_INLINE {
                    u[y] = load(sums(0, 4 * y + x, c) + m);
                    for (Size run = 1; run < pieces_.runs; ++run) u[y] += load(sums(run, 4 * y + x, c) + m);
                });
                line(u, rows[x]);
            });
            unroll<3>([&](auto y) PYNN_INLINE {
                Vec<T> taps[3];
                unroll<4>([&](auto x) PYNN_INLINE { columns[x] = rows[x][y]; });
                line(columns, taps);
                unroll<3>([&](auto x)
                              PYNN_INLINE { at.store(dweight + ((3 * y + x) * s_.c + c) * s_.m + m, taps[x]); });
            });
        });
    }

    const T *x_, *dz_;
    const ConvShape& s_;
    const Tiles tiles_;
    const Pieces pieces_;
    Scratch<T> zeros_;
    const Size stride_;
    Scratch<T> sums_;
    Slot<T> planes_;
    Slot<const T*> pixels_, gradients_;
};

bool pays(Size tiles, Size inputs, Size outputs) {
    return tiles >= 16 && inputs >= 16 && outputs >= 16;
}

}  // namespace

template <class T>
bool winograd_pays(const Correlation<T>& q) {
    const auto adjacent = [](const Taps& taps) { return taps.count() == 3 && taps.reach() == 2; };
    return q.step_y == 1 && q.step_x == 1 && q.groups == 1 && adjacent(*q.ys) && adjacent(*q.xs) &&
           pays(q.n * ceil_div(q.rows, 2) * ceil_div(q.columns, 2), q.from(), q.to());
}

template <class T>
bool winograd_pays(const ConvShape& s) {
    return s.kh == 3 && s.kw == 3 && s.stride_y == 1 && s.stride_x == 1 && s.dilation_y == 1 && s.dilation_x == 1 &&
           s.g == s.c && pays(s.n * ceil_div(s.oh, 2) * ceil_div(s.ow, 2), s.c, s.m);
}

template <class T>
void winograd(const Correlation<T>& q) {
    Forward<T>(q).run();
}

template <class T>
void winograd_weight_gradient(const T* x, const T* dz, const ConvShape& s, T* dweight) {
    Backward<T>(x, dz, s).run(dweight);
}

template bool winograd_pays(const Correlation<PYNN_REAL>&);
template bool winograd_pays<PYNN_REAL>(const ConvShape&);
template void winograd(const Correlation<PYNN_REAL>&);
template void winograd_weight_gradient(const PYNN_REAL*, const PYNN_REAL*, const ConvShape&, PYNN_REAL*);

}  // namespace pynn::PYNN_LEVEL
