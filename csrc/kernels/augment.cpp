// Augmentation: images of a data set on their way into a batch, moved and coloured, each in a way of its own.
#include "families.h"
#include "parallel.h"
#include "pixels.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kFar = 1 << 30;  // pixels: what lies farther out counts as outside, and fits an integer
constexpr double kCost = 8;       // of one number read between pixels, in multiply-adds

// From a pixel's row and column to the place in the source that it shows. In double, so that float32 batches of large
// images keep their precision.
struct Map {
    double row[3], column[3];  // place = [0] * i + [1] * j + [2]

    bool shifts() const {  // whole pixels, perhaps mirrored: nothing lies between pixels
        const bool apart = row[1] == 0 && column[0] == 0;
        return apart && unit(row[0]) && unit(column[1]) && whole(row[2]) && whole(column[2]);
    }
    static bool unit(double x) { return x == 1 || x == -1; }
    static bool whole(double x) { return x > -kFar && x < kFar && x == __builtin_floor(x); }
};

template <class From>
struct Source {
    const From* pixels;
    Size h, w, c;
    bool reflect;

    // The pixel that stands for one outside, on an axis of n; -1: none, it is black.
    Size folded(Size place, Size n) const {
        if (place >= 0 && place < n) return place;
        if (!reflect) return -1;
        const Size period = larger(1, 2 * (n - 1));
        const Size rest = (place % period + period) % period;
        return rest < n ? rest : period - rest;
    }
    const From* at(Size i, Size j) const {
        const Size row = folded(i, h), column = folded(j, w);
        return row < 0 || column < 0 ? nullptr : pixels + (row * w + column) * c;
    }
};

template <class From, class T>
void copy_pixel(const From* from, T by, T* to, Size c) {
    if (from)
        divide(from, by, to, c);
    else
        for (Size k = 0; k < c; ++k) to[k] = 0;
}

// Rows and columns shifted by whole pixels: numbers are copied, a run of a row at once where it is not mirrored.
template <int kC, class From, class T>
void shift(const Source<From>& source, const Map& map, T by, T* out) {
    const Size w = source.w, c = kC ? kC : source.c;
    const Size down = static_cast<Size>(map.row[0]), first_row = static_cast<Size>(map.row[2]);
    const Size right = static_cast<Size>(map.column[1]), first = static_cast<Size>(map.column[2]);
    const Size begin = smaller(w, larger(0, right > 0 ? -first : first - w + 1));
    const Size end = larger(begin, smaller(w, right > 0 ? w - first : first + 1));
    for (Size i = 0; i < source.h; ++i, out += w * c) {
        const Size row = source.folded(down * i + first_row, source.h);
        if (row < 0) {
            __builtin_memset(out, 0, static_cast<std::size_t>(w * c) * sizeof(T));
            continue;
        }
        const From* from = source.pixels + row * w * c;
        for (Size j = begin > 0 ? 0 : end; j < w; j = j + 1 == begin ? end : j + 1) {  // both borders
            const Size column = source.folded(right * j + first, w);
            copy_pixel(column < 0 ? nullptr : from + column * c, by, out + j * c, c);
        }
        if (right > 0 && end > begin) divide(from + (begin + first) * c, by, out + begin * c, (end - begin) * c);
        if (right < 0)
            for (Size j = begin; j < end; ++j) copy_pixel(from + (first - j) * c, by, out + j * c, c);
    }
}

template <class T>
T between(T from, T to, T share) {
    return from + share * (to - from);
}

// The pixel at down, right between (i, j) and (i + 1, j + 1), some of which may lie outside.
template <int kC, class From, class T>
inline void mix_at_border(const Source<From>& source, Size i, Size j, T down, T right, T* out) {
    const From *a = source.at(i, j), *a1 = source.at(i, j + 1), *b = source.at(i + 1, j), *b1 = source.at(i + 1, j + 1);
    const auto value = [](const From* pixel, Size k) { return pixel ? static_cast<T>(pixel[k]) : T(0); };
    const Size c = kC ? kC : source.c;
    for (Size k = 0; k < c; ++k)
        out[k] = between(between(value(a, k), value(a1, k), right), between(value(b, k), value(b1, k), right), down);
}

template <class From, class T>
PYNN_COLD void mix_channels_at_border(const Source<From>& source, Size i, Size j, T down, T right, T* out) {
    mix_at_border<0>(source, i, j, down, right, out);
}

// One pixel from the four around a place.
template <int kC, class From, class T>
void mix(const Source<From>& source, double y, double x, T* out) {
    const Size c = kC ? kC : source.c, stride = source.w * c;
    if (!(y > -kFar && y < kFar && x > -kFar && x < kFar)) {  // NaN too
        for (Size k = 0; k < c; ++k) out[k] = 0;
        return;
    }
    const double top = __builtin_floor(y), left = __builtin_floor(x);
    const T down = static_cast<T>(y - top), right = static_cast<T>(x - left);
    const Size i = static_cast<Size>(top), j = static_cast<Size>(left);
    if (i >= 0 && i < source.h - 1 && j >= 0 && j < source.w - 1) {
        const From *a = source.pixels + i * stride + j * c, *b = a + stride;
        for (Size k = 0; k < c; ++k)
            out[k] = between(between(static_cast<T>(a[k]), static_cast<T>(a[k + c]), right),
                             between(static_cast<T>(b[k]), static_cast<T>(b[k + c]), right), down);
        return;
    }
    (kC ? mix_at_border<kC, From, T> : mix_channels_at_border<From, T>)(source, i, j, down, right, out);
}

template <int kC, class From, class T>
void warp_image(const Source<From>& source, const Map& map, T by, T* out) {
    if (map.shifts()) return shift<kC>(source, map, by, out);
    const Size w = source.w, c = kC ? kC : source.c;
    for (Size i = 0; i < source.h; ++i, out += w * c) {
        const double row = static_cast<double>(i);
        const double y = map.row[0] * row + map.row[2], x = map.column[0] * row + map.column[2];
        for (Size j = 0; j < w; ++j) {
            const double column = static_cast<double>(j);
            mix<kC>(source, y + map.row[1] * column, x + map.column[1] * column, out + j * c);
        }
        if (by != 1)
            for (Size j = 0; j < w * c; ++j) out[j] /= by;
    }
}

template <class From, class T>
void warp(const From* x, const std::int64_t* indices, double divisor, const T* transforms, bool reflect, T* out,
          ImageShape shape) {
    const Size size = shape.h * shape.w * shape.c;
    const T by = static_cast<T>(divisor);
    parallel(shape.n, kCost * static_cast<double>(shape.n * size), [&](Size image) {
        const Source<From> source = {x + static_cast<Size>(indices[image]) * size, shape.h, shape.w, shape.c, reflect};
        const T* t = transforms + image * 6;
        const Map map = {{t[0], t[1], t[2]}, {t[3], t[4], t[5]}};
        if (shape.c == 3)
            warp_image<3>(source, map, by, out + image * size);
        else if (shape.c == 1)
            warp_image<1>(source, map, by, out + image * size);
        else
            warp_image<0>(source, map, by, out + image * size);
    });
}

// The linear map of one image: contrast and matrix become one matrix, the image's mean goes into the offset.
template <class T>
void settle(const T* image, T contrast, const T* matrix, const T* offset, T* scaled, T* shift, Size p, Size c) {
    for (Size k = 0; k < c; ++k) shift[k] = offset[k];
    for (Size k = 0; k < c * c; ++k) scaled[k] = contrast * matrix[k];
    if (contrast == 1) return;
    for (Size l = 0; l < c; ++l) {
        double sum = 0;
        for (Size i = 0; i < p; ++i) sum += static_cast<double>(image[i * c + l]);
        const T rest = (1 - contrast) * static_cast<T>(sum / static_cast<double>(p));
        for (Size k = 0; k < c; ++k) shift[k] += matrix[k * c + l] * rest;
    }
}

// kC channels, or c of them where it is 0; `pixel` has room for one.
template <int kC, class T>
void recolour_image(T* image, const T* scaled, const T* shift, T* pixel, Size p, Size channels) {
    const Size c = kC ? kC : channels;
    for (Size i = 0; i < p; ++i, image += c) {
        for (Size k = 0; k < c; ++k) {
            T sum = shift[k];
            for (Size l = 0; l < c; ++l) sum += scaled[k * c + l] * image[l];
            pixel[k] = sum;
        }
        for (Size k = 0; k < c; ++k) image[k] = pixel[k];
    }
}

template <class T>
void recolour(T* images, const T* contrast, const T* matrix, const T* offset, Size b, Size p, Size c) {
    const Size room = c * c + 2 * c;
    const Scratch<T> scratch(b * room);
    parallel(b, static_cast<double>(b * p * c * c), [&](Size i) {
        T *image = images + i * p * c, *scaled = scratch.get() + i * room, *shift = scaled + c * c;
        settle(image, contrast[i], matrix + i * c * c, offset + i * c, scaled, shift, p, c);
        if (c == 3) {
            T pixel[3];
            recolour_image<3>(image, scaled, shift, pixel, p, c);
        } else {
            recolour_image<0>(image, scaled, shift, shift + c, p, c);
        }
    });
}

}  // namespace

template <class T>
void fill_augment(Table<T>& table) {
    table.warp_u8 = warp<std::uint8_t, T>;
    table.warp_f32 = warp<float, T>;
    table.warp_f64 = warp<double, T>;
    table.recolour = recolour<T>;
}
template void fill_augment(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
