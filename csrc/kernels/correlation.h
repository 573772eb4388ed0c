// What a convolution is to its kernels: a correlation of images with the taps of a weight, forward or backward.
#pragma once
#include "conv.h"

namespace pynn::PYNN_LEVEL {

// One direction of taps: where output 0 reads, in ascending order, and which kernel row or column it meets.
class Taps {
public:
    explicit Taps(Size most) : at_(most), kernel_(most) {}
    void add(Size at, Size kernel) { at_.get()[count_] = at, kernel_.get()[count_] = kernel, ++count_; }
    Size count() const { return count_; }
    Size at(Size number) const { return at_.get()[number]; }
    Size kernel(Size number) const { return kernel_.get()[number]; }
    Size first() const { return at(0); }
    Size reach() const { return at(count_ - 1) - at(0); }

private:
    Scratch<Size> at_, kernel_;
    Size count_ = 0;
};

// out = f(the correlation of a source (n, h, w, channels) with the taps of a weight): output (i, j) reads the pixels
// (i step_y + ys.., j step_x + xs..), zeros outside the source.
template <class T>
struct Correlation {
    const T* source;
    Size n, h, w, channels;
    const Taps *ys, *xs;
    Size step_y, step_x;
    Size groups;
    const T* weight;                     // (KH,KW,G,M)
    Size kernel_width, inputs, outputs;  // KW, G, M
    bool transposed;                     // the source has the weight's outputs as channels
    T* out;
    Size rows, columns, out_channels;    // of the output
    Size out_image, out_row, out_pixel;  // elements from one to the next
    const T* bias;                       // (out_channels), may be null
    Activation f;

    Size from() const { return channels / groups; }    // channels that a group reads
    Size to() const { return out_channels / groups; }  // and writes
    Size depth() const { return ys->count() * xs->count() * from(); }
    Size panels() const { return ceil_div(to(), kPanel<T>); }
};

// The weights of one group and panel as (taps, from, width), zero beyond the last column.
template <class T>
void pack_panel(const Correlation<T>& q, Size group, Size panel, T* packed) {
    const Size j = panel * kPanel<T>, count = smaller(kPanel<T>, q.to() - j);
    const Size width = ceil_div(count, kLanes<T>) * kLanes<T>, from = q.from();
    for (Size y = 0; y < q.ys->count(); ++y)
        for (Size x = 0; x < q.xs->count(); ++x) {
            const T* tap = q.weight + (q.ys->kernel(y) * q.kernel_width + q.xs->kernel(x)) * q.inputs * q.outputs;
            if (!q.transposed) {
                const T* rows = tap + group * q.to() + j;
                each_vector<T>(0, count, [&](auto at, Size i) {
                    for (Size p = 0; p < from; ++p) store(packed + p * width + i, at.load(rows + p * q.outputs + i));
                });
            } else {
                const T* rows = tap + j * q.outputs + group * from;
                for (Size i = 0; i < width; i += kLanes<T>)
                    each_vector<T>(0, from, [&](auto at, Size p) {
                        Vec<T> square[kLanes<T>];
                        for (Size lane = 0; lane < kLanes<T>; ++lane)
                            square[lane] = i + lane < count ? at.load(rows + (i + lane) * q.outputs + p) : Vec<T>{};
                        transpose<T>(square);
                        for (Size lane = 0; lane < smaller(kLanes<T>, from - p); ++lane)
                            store(packed + (p + lane) * width + i, square[lane]);
                    });
            }
            packed += from * width;
        }
}

}  // namespace pynn::PYNN_LEVEL
