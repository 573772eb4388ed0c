// Lanes are pixels here: a vector holds one channel of adjacent pixels, and every weight is a broadcast number. The
// channels of the source are first taken apart into planes, with zeros around the image; those of the output, or of its
// gradient, are stored pixel by pixel and are interleaved or deinterleaved in registers.
#include "conv_few_outputs.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kPlaneBytes = 40 << 10;  // they stay in the first-level cache

// Lane i is lane lanes[i] of a, or lane lanes[i] - kLanes of b.
template <class V, class I>
V pick(V a, V b, I lanes) {
#ifdef __clang__
    constexpr int L = sizeof(a) / sizeof(a[0]);
    V out = a;
    for (int i = 0; i < L; ++i) out[i] = lanes[i] < L ? a[lanes[i]] : b[lanes[i] - L];
    return out;
#else
    return __builtin_shuffle(a, b, lanes);
#endif
}

// M vectors of one channel each against M vectors of whole pixels (of M channels), one after the other.
template <class T, int M>
class Interleaver {
public:
    Interleaver() {
        for (int j = 0; j < M; ++j)
            for (int i = 0; i < L; ++i) {
                const int place = j * L + i, number = i * M + j;  // in the pixels: of lane i, of channel j
                interleave_[j][i] = place % M % 2 * L + place / M, interleave_pair_[j][i] = place % M / 2;
                deinterleave_[j][i] = number % (2 * L), deinterleave_pair_[j][i] = number / (2 * L);
            }
    }
    void interleave(const Vec<T> (&channels)[M], Vec<T> (&pixels)[M]) const {
        run(channels, interleave_, interleave_pair_, pixels);
    }
    void deinterleave(const Vec<T> (&pixels)[M], Vec<T> (&channels)[M]) const {
        run(pixels, deinterleave_, deinterleave_pair_, channels);
    }

private:
    using Int = typename Simd<T>::Int;
    static constexpr int L = kLanes<T>;

    PYNN_INLINE static void run(const Vec<T> (&in)[M], const Int (&lanes)[M], const Int (&pairs)[M], Vec<T> (&out)[M]) {
        unroll<M>([&](auto j) PYNN_INLINE {
            out[j] = pick(in[0], in[M > 1], lanes[j]);
            for (int first = 2; first < M; first += 2) {
                const Vec<T> found = pick(in[first], in[smaller(first + 1, M - 1)], lanes[j]);
                out[j] = pairs[j] == first / 2 ? found : out[j];
            }
        });
    }

    Int interleave_[M], interleave_pair_[M], deinterleave_[M], deinterleave_pair_[M];
};

// One channel of the window (height, width) at (y0, x0) of an image (h, w, c), rows `row` elements apart.
template <class T>
void fill_plane(const T* image, Size h, Size w, Size c, Size channel, Size y0, Size x0, Size height, Size width,
                T* plane, Size row) {
    const Size left = smaller(width, larger(0, -x0)), right = larger(left, smaller(width, w - x0));
    for (Size y = 0; y < height; ++y, plane += row) {
        const bool inside = y0 + y >= 0 && y0 + y < h;
        const Size first = inside ? left : width, last = inside ? right : width;
        const T* from = image + ((y0 + y) * w + x0) * c + channel;
        for (Size x = 0; x < first; ++x) plane[x] = 0;
        for (Size x = first; x < last; ++x) plane[x] = from[x * c];
        for (Size x = last; x < row; ++x) plane[x] = 0;
    }
}

// sums(m, r) = start(m) + sum over taps of weights(tap, m) * the vector at from[r] + offsets[tap]
template <class T, int M, int R>
void add_taps(Size taps, const Size* offsets, const T* const* from, const T* weights, const T* start,
              Vec<T> (&sums)[R][M]) {
    Vec<T> total[R][M];
    unroll<M>([&](auto m) PYNN_INLINE { unroll<R>([&](auto r) PYNN_INLINE { total[r][m] = broadcast(start[m]); }); });
    for (Size t = 0; t < taps; ++t) {
        Vec<T> x[R];
        unroll<R>([&](auto r) PYNN_INLINE { x[r] = load(from[r] + offsets[t]); });
        unroll<M>([&](auto m) PYNN_INLINE {
            const Vec<T> weight = broadcast(weights[t * M + m]);
            unroll<R>([&](auto r) PYNN_INLINE { total[r][m] += weight * x[r]; });
        });
    }
    unroll<M>([&](auto m) PYNN_INLINE { unroll<R>([&](auto r) PYNN_INLINE { sums[r][m] = total[r][m]; }); });
}

// sums(r, m) += sum over rows and vectors of the gradient of channel m * the vector of tap r
template <class T, int M, int R>
void add_pixels(Size rows, Size vectors, const T* const* from, Size row, const T* gradients, T* sums) {
    Vec<T> total[R][M];
    unroll<R>([&](auto r) PYNN_INLINE {
        unroll<M>([&](auto m) PYNN_INLINE { total[r][m] = load(sums + (r * M + m) * kLanes<T>); });
    });
    for (Size y = 0; y < rows; ++y)
        for (Size v = 0; v < vectors; ++v, gradients += M * kLanes<T>) {
            const Size place = y * row + v * kLanes<T>;
            Vec<T> gradient[M];
            unroll<M>([&](auto m) PYNN_INLINE { gradient[m] = load(gradients + m * kLanes<T>); });
            unroll<R>([&](auto r) PYNN_INLINE {
                const Vec<T> x = load(from[r] + place);
                unroll<M>([&](auto m) PYNN_INLINE { total[r][m] += gradient[m] * x; });
            });
        }
    unroll<R>([&](auto r) PYNN_INLINE {
        unroll<M>([&](auto m) PYNN_INLINE { store(sums + (r * M + m) * kLanes<T>, total[r][m]); });
    });
}

// Accumulators of a tile, by the number of registers.
constexpr int kTotals = kTileRows == 6 ? 8 : 24;

template <class T, int M>
class Forward {
public:
    explicit Forward(const Correlation<T>& q)
        : q_(q), taps_(q.depth()), vectors_(ceil_div(q.columns, kLanes<T>)),
          width_(vectors_ * kLanes<T> + q.xs->reach()), weights_(taps_ * M) {
        Size at = 0;
        for (Size c = 0; c < q.from(); ++c)
            for (Size y = 0; y < q.ys->count(); ++y)
                for (Size x = 0; x < q.xs->count(); ++x)
                    for (Size m = 0; m < M; ++m) {
                        const Size tap = q.ys->kernel(y) * q.kernel_width + q.xs->kernel(x);
                        weights_.get()[at++] =
                            q.weight[(tap * q.inputs + (q.transposed ? m : c)) * q.outputs + (q.transposed ? c : m)];
                    }
    }

    void run() {
        const Size row_bytes = width_ * q_.from() * static_cast<Size>(sizeof(T));
        const Size fitting = larger(1, (kPlaneBytes / row_bytes - q_.ys->reach() - 1) / q_.step_y + 1);
        const Size blocks = smaller(q_.rows, larger(ceil_div(q_.rows, fitting), ceil_div(16, q_.n)));
        const double work = static_cast<double>(q_.n * q_.rows * q_.columns) * static_cast<double>(taps_ * M);
        Layout layout;
        const auto planes = layout.add<T>(q_.from() * height(ceil_div(q_.rows, blocks)) * width_);
        const auto offsets = layout.add<Size>(taps_);
        parallel(q_.n * blocks, work / 8, layout, [&](Size piece, Arena arena) {
            const Size part = piece % blocks;
            block(piece / blocks, part * q_.rows / blocks, (part + 1) * q_.rows / blocks, arena[planes],
                  arena[offsets]);
        });
    }

private:
    static constexpr int R = kTotals / 2 / M > 0 ? kTotals / 2 / M : 1;  // vectors of a tile

    Size height(Size rows) const { return (rows - 1) * q_.step_y + q_.ys->reach() + 1; }

    void block(Size image, Size begin, Size end, T* planes, Size* offsets) {
        const Size size = height(end - begin) * width_;
        Size at = 0;
        for (Size c = 0; c < q_.from(); ++c) {
            fill_plane(q_.source + image * q_.h * q_.w * q_.channels, q_.h, q_.w, q_.channels, c,
                       begin * q_.step_y + q_.ys->first(), q_.xs->first(), height(end - begin),
                       q_.columns + q_.xs->reach(), planes + c * size, width_);
            for (Size y = 0; y < q_.ys->count(); ++y)
                for (Size x = 0; x < q_.xs->count(); ++x)
                    offsets[at++] = c * size + (q_.ys->at(y) - q_.ys->first()) * width_ + q_.xs->at(x) - q_.xs->first();
        }
        T start[M] = {};
        for (Size m = 0; q_.bias && m < M; ++m) start[m] = q_.bias[m];
        const Size count = (end - begin) * vectors_;
        for (Size first = 0; first < count; first += R) {
            const T* from[R];
            for (Size r = 0; r < R; ++r) {  // padding repeats the last vector; its result is not used
                const Size number = smaller(first + r, count - 1);
                from[r] = planes + number / vectors_ * q_.step_y * width_ + number % vectors_ * kLanes<T>;
            }
            Vec<T> sums[R][M];
            add_taps<T, M, R>(taps_, offsets, from, weights_.get(), start, sums);
            for (Size r = 0; r < smaller(R, count - first); ++r) {
                const Size y = begin + (first + r) / vectors_, x = (first + r) % vectors_ * kLanes<T>;
                put(sums[r], smaller(kLanes<T>, q_.columns - x) * M,
                    q_.out + image * q_.out_image + y * q_.out_row + x * M);
            }
        }
    }

    void put(const Vec<T> (&channels)[M], Size count, T* out) {
        Vec<T> pixels[M];
        interleaver_.interleave(channels, pixels);
        const bool relu = q_.f.function == Function::relu;
        each_vector<T>(0, count, [&](auto at, Size i) {
            const Vec<T> y = pixels[i / kLanes<T>];
            at.store(out + i, relu ? activate<Function::relu, T>(y, 0) : y);
        });
        finish(q_.f, out, 0, 1, count);
    }

    const Correlation<T>& q_;
    const Interleaver<T, M> interleaver_;
    const Size taps_, vectors_, width_;
    Scratch<T> weights_;
};

template <class T, int M>
class Backward {
public:
    Backward(const T* x, const T* dz, const ConvShape& s)
        : x_(x), dz_(dz), s_(s), taps_(s.kh * s.kw), tiles_(ceil_div(taps_, R)), vectors_(ceil_div(s.ow, kLanes<T>)),
          width_(vectors_ * kLanes<T> + (s.kw - 1) * s.dilation_x), runs_(smaller(s.n, larger(1, 16 / s.c))),
          sums_(runs_ * s.c * tiles_ * kTile) {}

    void run(T* dweight) {
        const double work = static_cast<double>(s_.n * s_.oh * s_.ow) * static_cast<double>(taps_ * s_.c * M);
        Layout layout;
        const auto plane = layout.add<T>(height() * width_);
        const auto gradients = layout.add<T>(s_.oh * vectors_ * M * kLanes<T>);
        parallel(runs_ * s_.c, work / 8, layout, [&](Size piece, Arena arena) {
            sum_images(piece / s_.c, piece % s_.c, arena[plane], arena[gradients]);
        });
        for (Size t = 0; t < taps_; ++t)
            for (Size c = 0; c < s_.c; ++c)
                for (Size m = 0; m < M; ++m) {
                    Vec<T> total = {};
                    for (Size run = 0; run < runs_; ++run) total += load(sums(run, c) + (t * M + m) * kLanes<T>);
                    dweight[(t * s_.c + c) * M + m] = static_cast<T>(sum_lanes<T>(total));
                }
    }

private:
    static constexpr int R = kTotals / M < 12 ? kTotals / M : 12;  // taps of a tile
    static constexpr Size kTile = R * M * kLanes<T>;

    T* sums(Size run, Size c) { return sums_.get() + (run * s_.c + c) * tiles_ * kTile; }

    Size height() const { return (s_.oh - 1) * s_.stride_y + (s_.kh - 1) * s_.dilation_y + 1; }

    void sum_images(Size run, Size c, T* plane, T* gradients) {
        T* const to = sums(run, c);
        for (Size i = 0; i < tiles_ * kTile; ++i) to[i] = 0;
        for (Size image = run * s_.n / runs_; image < (run + 1) * s_.n / runs_; ++image) {
            fill_plane(x_ + image * s_.h * s_.w * s_.c, s_.h, s_.w, s_.c, c, -s_.top, -s_.left, height(),
                       s_.ow + (s_.kw - 1) * s_.dilation_x, plane, width_);
            deinterleave_image(image, gradients);
            for (Size tile = 0; tile < tiles_; ++tile) {
                const T* from[R];
                for (Size r = 0; r < R; ++r) {  // padding taps repeat the last one; their result is not used
                    const Size tap = smaller(tile * R + r, taps_ - 1);
                    from[r] = plane + tap / s_.kw * s_.dilation_y * width_ + tap % s_.kw * s_.dilation_x;
                }
                add_pixels<T, M, R>(s_.oh, vectors_, from, s_.stride_y * width_, gradients, to + tile * kTile);
            }
        }
    }

    // The gradients of an image as vectors of one channel each, zeros beyond the last pixel of a row.
    void deinterleave_image(Size image, T* to) {
        for (Size y = 0; y < s_.oh; ++y)
            for (Size v = 0; v < vectors_; ++v, to += M * kLanes<T>) {
                const T* from = dz_ + ((image * s_.oh + y) * s_.ow + v * kLanes<T>)*M;
                Vec<T> pixels[M] = {}, channels[M];
                each_vector<T>(0, smaller(kLanes<T>, s_.ow - v * kLanes<T>) * M,
                               [&](auto at, Size i) { pixels[i / kLanes<T>] = at.load(from + i); });
                interleaver_.deinterleave(pixels, channels);
                unroll<M>([&](auto m) PYNN_INLINE { store(to + m * kLanes<T>, channels[m]); });
            }
    }

    const T *x_, *dz_;
    const ConvShape& s_;
    const Interleaver<T, M> interleaver_;
    const Size taps_, tiles_, vectors_, width_, runs_;
    Scratch<T> sums_;
};

// f(count as a constant) for count in 1..kLanes / 2.
template <class T, class F, int... I>
void with_count(Size count, F f, Lanes<I...>) {
    (void)((count == I + 1 && (f(std::integral_constant<int, I + 1>{}), true)) || ...);
}

template <class T>
using UpToHalf = std::make_integer_sequence<int, kLanes<T> / 2>;

}  // namespace

template <class T>
bool has_few_outputs(const Correlation<T>& q) {
    return 2 * q.to() <= kLanes<T> && q.step_x == 1 && q.groups == 1 && q.out_pixel == q.to() &&
           q.out_row == q.columns * q.to();
}

template <class T>
bool has_few_outputs(const ConvShape& s) {
    return 2 * s.m <= kLanes<T> && s.stride_x == 1 && s.g == s.c;
}

template <class T>
void correlate_few_outputs(const Correlation<T>& q) {
    with_count<T>(q.to(), [&](auto m) { Forward<T, decltype(m)::value>(q).run(); }, UpToHalf<T>{});
}

template <class T>
void few_outputs_weight_gradient(const T* x, const T* dz, const ConvShape& s, T* dweight) {
    with_count<T>(s.m, [&](auto m) { Backward<T, decltype(m)::value>(x, dz, s).run(dweight); }, UpToHalf<T>{});
}

template bool has_few_outputs(const Correlation<PYNN_REAL>&);
template bool has_few_outputs<PYNN_REAL>(const ConvShape&);
template void correlate_few_outputs(const Correlation<PYNN_REAL>&);
template void few_outputs_weight_gradient(const PYNN_REAL*, const PYNN_REAL*, const ConvShape&, PYNN_REAL*);

}  // namespace pynn::PYNN_LEVEL
