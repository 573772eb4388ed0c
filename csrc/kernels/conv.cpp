// Convolutions as matrix products that read the image where it lies: the taps of one kernel row stand side by side in
// memory, so a tile of output pixels runs through them without a copy of the patches. Only an image whose window
// reaches beyond its edge is copied once, with zeros around it.
#include "activation_backward.h"
#include "conv_few_outputs.h"
#include "families.h"
#include "winograd.h"

namespace pynn::PYNN_LEVEL {
namespace {

// Bytes of image windows that one piece works on: they stay in the second-level cache beside a panel of weights.
constexpr Size kWindowBytes = 384 << 10;

void forward_taps(Size kernel, Size dilation, Size before, Taps& taps) {
    for (Size k = 0; k < kernel; ++k) taps.add(k * dilation - before, k);
}

// Of the inputs phase, phase + stride, ...: input i came from the outputs (i + before - k dilation) / stride.
void backward_taps(Size kernel, Size dilation, Size before, Size stride, Size phase, Taps& taps) {
    for (Size k = kernel - 1; k >= 0; --k) {
        const Size at = phase + before - k * dilation;
        if (at % stride == 0) taps.add(at / stride, k);
    }
}

// How the output is cut into blocks of rows of one image, and the blocks into pieces of work.
struct Cut {
    Size per_image, total, at_once;  // blocks of an image, of all images, of a piece
    Size copy_size;                  // elements of the largest window of a block
};

// As many rows as fit, but at least 16 blocks and pieces in all where there are so many rows.
template <class T>
Cut cut(const Correlation<T>& q) {
    const Size budget = kWindowBytes / static_cast<Size>(sizeof(T));
    const Size row = ((q.columns - 1) * q.step_x + q.xs->reach() + 1) * q.channels;
    const Size fitting = larger(1, (budget / row - q.ys->reach() - 1) / q.step_y + 1);
    const Size per_image = smaller(q.rows, larger(ceil_div(q.rows, fitting), ceil_div(16, q.n)));
    const Size copy_size = ((ceil_div(q.rows, per_image) - 1) * q.step_y + q.ys->reach() + 1) * row;
    const Size total = q.n * per_image;
    return {per_image, total, larger(1, smaller(budget / copy_size, total / 16)), copy_size};
}

// Rows begin..end-1 of one image of the output, and the window of the source that they read.
template <class T>
struct Block {
    Size image, begin, end;
    Window<T> source;
};

template <class T>
Block<T> block_of(const Correlation<T>& q, const Cut& c, Size number, T* copy) {
    const Size image = number / c.per_image, part = number % c.per_image;
    const Size begin = part * q.rows / c.per_image, end = (part + 1) * q.rows / c.per_image;
    const Size y0 = begin * q.step_y + q.ys->first(), x0 = q.xs->first();
    const Size height = (end - begin - 1) * q.step_y + q.ys->reach() + 1;
    const Size width = (q.columns - 1) * q.step_x + q.xs->reach() + 1;
    const T* source = q.source + image * q.h * q.w * q.channels;
    return {image, begin, end, window(source, q.h, q.w, q.channels, y0, x0, height, width, copy)};
}

// Taps of a kernel row that lie side by side in the source make one run.
template <class T>
Size merged_taps(const Correlation<T>& q) {
    return q.groups == 1 && q.xs->count() > 1 && q.xs->at(1) - q.xs->at(0) == 1 ? q.xs->count() : 1;
}

// One panel of columns of a block; `offsets` has room for one number a tap.
template <class T>
void block_panel(const Correlation<T>& q, const Block<T>& block, Size group, Size panel, const T* packed,
                 Size* offsets) {
    const Size j = panel * kPanel<T>, count = smaller(kPanel<T>, q.to() - j), column = group * q.to() + j;
    const Size vectors = ceil_div(count, kLanes<T>), width = vectors * kLanes<T>, merged = merged_taps(q);
    const Window<T>& source = block.source;
    alignas(64) T start[kPanel<T>] = {}, copy[kTileRows * kPanel<T>];
    if (q.bias) each_vector<T>(0, count, [&](auto at, Size i) { store(start + i, at.load(q.bias + column + i)); });
    TileTask<T> task;
    task.segments = 0;
    for (Size y = 0; y < q.ys->count(); ++y)
        for (Size x = 0; x < q.xs->count(); x += merged)
            offsets[task.segments++] =
                (q.ys->at(y) - q.ys->first()) * source.row + (q.xs->at(x) - q.xs->first()) * q.channels;
    task.k = q.from() * merged, task.a_offsets = offsets, task.a_stride = q.step_x * q.channels;
    task.b = packed, task.b_stride = width, task.b_step = task.k * width;
    task.start = start, task.relu = q.f.function == Function::relu;
    const bool pad = count != width;
    const Rows tiles(q.columns);
    for (Size y = block.begin; y < block.end; ++y)
        for (Size t = 0; t < tiles.tiles; ++t) {
            const Size x = tiles.begin(t), height = tiles.count(t);
            T* out = q.out + block.image * q.out_image + y * q.out_row + x * q.out_pixel + column;
            task.a = source.at + (y - block.begin) * q.step_y * source.row + x * task.a_stride + group * q.from();
            task.c = pad ? copy : out, task.c_stride = pad ? width : q.out_pixel;
            choose_tile<T>(false, vectors, height)(task);
            finish(q.f, task.c, task.c_stride, height, count);
            if (pad)
                each_vector<T>(0, count, [&](auto at, Size i) {
                    for (Size r = 0; r < height; ++r) at.store(out + r * q.out_pixel + i, load(copy + r * width + i));
                });
        }
}

// Panels of weights are the outer loop of a piece: one stays in the cache while all windows of the piece pass.
template <class T>
void correlate(const Correlation<T>& q) {
    if (q.n * q.rows * q.columns * q.out_channels == 0) return;
    if (has_few_outputs(q)) return correlate_few_outputs(q);
    if (winograd_pays(q)) return winograd(q);
    const Size size = q.depth() * kPanel<T>, panels = q.groups * q.panels();
    Scratch<T> packed(panels * size);
    parallel(panels, static_cast<double>(panels * size),
             [&](Size piece) { pack_panel(q, piece / q.panels(), piece % q.panels(), packed.get() + piece * size); });
    const Cut c = cut(q);
    const double work = static_cast<double>(q.n * q.rows * q.columns) * static_cast<double>(q.depth() * q.to()) / 8;
    Layout layout;
    const auto copies = layout.add<T>(c.at_once * c.copy_size);
    const auto windows = layout.add<Block<T>>(c.at_once);
    const auto offsets = layout.add<Size>(q.ys->count() * q.xs->count());
    parallel(ceil_div(c.total, c.at_once), work * static_cast<double>(q.groups), layout, [&](Size piece, Arena arena) {
        const Size first = piece * c.at_once, count = smaller(c.at_once, c.total - first);
        Block<T>* blocks = arena[windows];
        for (Size b = 0; b < count; ++b) blocks[b] = block_of(q, c, first + b, arena[copies] + b * c.copy_size);
        for (Size p = 0; p < panels; ++p)
            for (Size b = 0; b < count; ++b)
                block_panel(q, blocks[b], p / q.panels(), p % q.panels(), packed.get() + p * size, arena[offsets]);
    });
}

template <class T>
void conv2d_forward(const T* x, const T* weight, const T* bias, ConvShape s, Activation f, T* out) {
    Correlation<T> q = {};
    q.source = x, q.n = s.n, q.h = s.h, q.w = s.w, q.channels = s.c;
    Taps ys(s.kh), xs(s.kw);
    forward_taps(s.kh, s.dilation_y, s.top, ys);
    forward_taps(s.kw, s.dilation_x, s.left, xs);
    q.ys = &ys, q.xs = &xs;
    q.step_y = s.stride_y, q.step_x = s.stride_x, q.groups = s.g ? s.c / s.g : 1;
    q.weight = weight, q.kernel_width = s.kw, q.inputs = s.g, q.outputs = s.m;
    q.out = out, q.rows = s.oh, q.columns = s.ow, q.out_channels = s.m;
    q.out_image = s.oh * s.ow * s.m, q.out_row = s.ow * s.m, q.out_pixel = s.m, q.bias = bias, q.f = f;
    correlate(q);
}

// Inputs that no output reads: their gradient is 0.
template <class T>
void clear(const Correlation<T>& q) {
    for (Size image = 0; image < q.n; ++image)
        for (Size y = 0; y < q.rows; ++y)
            for (Size x = 0; x < q.columns; ++x)
                for (Size j = 0; j < q.out_channels; ++j)
                    q.out[image * q.out_image + y * q.out_row + x * q.out_pixel + j] = 0;
}

// dx, for each phase of the stride on its own: the inputs of one phase meet the same taps.
template <class T>
void input_gradient(const T* dz, const T* weight, const ConvShape& s, T* dx) {
    Correlation<T> q = {};
    q.source = dz, q.n = s.n, q.h = s.oh, q.w = s.ow, q.channels = s.m;
    q.step_y = q.step_x = 1, q.groups = s.g ? s.c / s.g : 1;
    q.weight = weight, q.kernel_width = s.kw, q.inputs = s.g, q.outputs = s.m, q.transposed = true;
    q.out_channels = s.c, q.out_image = s.h * s.w * s.c;
    q.out_row = s.stride_y * s.w * s.c, q.out_pixel = s.stride_x * s.c;
    for (Size y = 0; y < smaller(s.stride_y, s.h); ++y)
        for (Size x = 0; x < smaller(s.stride_x, s.w); ++x) {
            Taps ys(s.kh), xs(s.kw);
            backward_taps(s.kh, s.dilation_y, s.top, s.stride_y, y, ys);
            backward_taps(s.kw, s.dilation_x, s.left, s.stride_x, x, xs);
            q.ys = &ys, q.xs = &xs;
            q.rows = ceil_div(s.h - y, s.stride_y), q.columns = ceil_div(s.w - x, s.stride_x);
            q.out = dx + (y * s.w + x) * s.c;
            if (q.depth() > 0)
                correlate(q);
            else
                clear(q);
        }
}

// Images whose gradients are summed in one go; the sums are added in their order.
constexpr Size kImageRuns = 8;

// dweight += the part of the images begin..end-1, for the kernel rows ky0..ky1-1. Rows of a tile are channels of the
// image (of several adjacent taps), its columns are outputs; it sums over all pixels of an image.
template <class T>
class WeightGradient {
public:
    WeightGradient(const T* x, const T* dz, const ConvShape& s)
        : x_(x), dz_(dz), s_(s), groups_(s.c / s.g), to_(s.m / groups_), merged_(merges(s) ? s.kw : 1) {}

    // What a piece of up to `rows` kernel rows needs.
    Layout layout(Size rows) {
        Layout layout;
        copy_ = layout.add<T>(height(rows) * width() * s_.c);
        columns_ = layout.add<T>(s_.oh * s_.ow * kPanel<T>);
        offsets_ = layout.add<Size>(s_.oh);
        return layout;
    }

    void add(Size begin, Size end, Size ky0, Size ky1, Arena arena, T* dweight) const {
        Size* const offsets = arena[offsets_];
        for (Size image = begin; image < end; ++image) {
            const Window<T> source =
                window(x_ + image * s_.h * s_.w * s_.c, s_.h, s_.w, s_.c, ky0 * s_.dilation_y - s_.top, -s_.left,
                       height(ky1 - ky0), width(), arena[copy_]);
            for (Size y = 0; y < s_.oh; ++y) offsets[y] = y * s_.stride_y * source.row;
            for (Size group = 0; group < groups_; ++group)
                for (Size j = 0; j < to_; j += kPanel<T>)
                    panel(image, source, group, j, ky0, ky1, offsets, arena[columns_], image > begin, dweight);
        }
    }

private:
    static bool merges(const ConvShape& s) { return s.g == s.c && s.dilation_x == 1; }
    Size height(Size rows) const { return (s_.oh - 1) * s_.stride_y + (rows - 1) * s_.dilation_y + 1; }
    Size width() const { return (s_.ow - 1) * s_.stride_x + (s_.kw - 1) * s_.dilation_x + 1; }

    void panel(Size image, const Window<T>& source, Size group, Size j, Size ky0, Size ky1, const Size* offsets,
               T* packed, bool add, T* dweight) const {
        const Size count = smaller(kPanel<T>, to_ - j), vectors = ceil_div(count, kLanes<T>);
        const Size width = vectors * kLanes<T>, pixels = s_.oh * s_.ow, column = group * to_ + j;
        const T* dz = dz_ + image * pixels * s_.m + column;
        const bool pad = count != width;
        if (pad)
            each_vector<T>(0, count, [&](auto at, Size i) {
                for (Size p = 0; p < pixels; ++p) store(packed + p * width + i, at.load(dz + p * s_.m + i));
            });
        alignas(64) T start[kPanel<T>] = {}, copy[kTileRows * kPanel<T>];
        TileTask<T> task;
        task.segments = s_.oh, task.k = s_.ow, task.a_offsets = offsets, task.a_stride = s_.stride_x * s_.c;
        task.b = pad ? packed : dz, task.b_stride = pad ? width : s_.m, task.b_step = s_.ow * task.b_stride;
        task.start = start, task.add = add;
        const Rows tiles(s_.g * merged_);
        for (Size ky = ky0; ky < ky1; ++ky)
            for (Size kx = 0; kx < s_.kw; kx += merged_)
                for (Size t = 0; t < tiles.tiles; ++t) {
                    const Size row = tiles.begin(t), height = tiles.count(t);
                    T* out = dweight + ((ky * s_.kw + kx) * s_.g + row) * s_.m + column;
                    task.a = source.at + (ky - ky0) * s_.dilation_y * source.row + kx * s_.dilation_x * s_.c +
                             group * s_.g + row;
                    task.c = pad ? copy : out, task.c_stride = pad ? width : s_.m;
                    if (pad && add)
                        each_vector<T>(0, count, [&](auto at, Size i) {
                            for (Size r = 0; r < height; ++r) store(copy + r * width + i, at.load(out + r * s_.m + i));
                        });
                    choose_tile<T>(true, vectors, height)(task);
                    if (pad)
                        each_vector<T>(0, count, [&](auto at, Size i) {
                            for (Size r = 0; r < height; ++r) at.store(out + r * s_.m + i, load(copy + r * width + i));
                        });
                }
    }

    const T *x_, *dz_;
    const ConvShape& s_;
    Size groups_, to_, merged_;
    Slot<T> copy_, columns_;
    Slot<Size> offsets_;
};

template <class T>
void weight_gradient(const T* x, const T* dz, const ConvShape& s, T* dweight) {
    const Size size = s.kh * s.kw * s.g * s.m;
    if (s.n * s.oh * s.ow == 0 || size == 0) {
        for (Size i = 0; i < size; ++i) dweight[i] = 0;
        return;
    }
    if (has_few_outputs<T>(s)) return few_outputs_weight_gradient(x, dz, s, dweight);
    if (winograd_pays<T>(s)) return winograd_weight_gradient(x, dz, s, dweight);
    const Size runs = smaller(s.n, kImageRuns), parts = smaller(s.kh, ceil_div(16, runs));
    Scratch<T> sums(runs > 1 ? runs * size : 0);
    const double work = static_cast<double>(s.n * s.oh * s.ow) * static_cast<double>(size) / 8;
    WeightGradient<T> gradient(x, dz, s);
    const Layout layout = gradient.layout(ceil_div(s.kh, parts));
    parallel(runs * parts, work, layout, [&](Size piece, Arena arena) {
        const Size run = piece / parts, part = piece % parts;
        gradient.add(run * s.n / runs, (run + 1) * s.n / runs, part * s.kh / parts, (part + 1) * s.kh / parts, arena,
                     runs > 1 ? sums.get() + run * size : dweight);
    });
    if (runs == 1) return;
    parallel_runs(size, 4096, static_cast<double>(runs * size), [&](Size begin, Size end) {
        each_vector<T>(begin, end, [&](auto at, Size i) {
            Vec<T> total = {};
            for (Size run = 0; run < runs; ++run) total += at.load(sums.get() + run * size + i);
            at.store(dweight + i, total);
        });
    });
}

template <class T>
void conv2d_backward(const T* dy, const T* x, const T* weight, const T* y, ConvShape s, Activation f, T* dz, T* dx,
                     T* dweight, T* dbias) {
    activation_backward_and_sum(dy, y, f, dz, dbias, s.n * s.oh * s.ow, s.m);
    const T* gradient = dz ? dz : dy;
    if (dweight) weight_gradient(x, gradient, s, dweight);
    if (dx) input_gradient(gradient, weight, s, dx);
}

}  // namespace

template <class T>
void fill_conv(Table<T>& table) {
    table.conv2d_forward = conv2d_forward<T>;
    table.conv2d_backward = conv2d_backward<T>;
}
template void fill_conv(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
