// Pooling of images (N,H,W,C) over regions: the row p and column q of the output see the rows top[p]..bottom[p]-1 and
// the columns left[q]..right[q]-1 of the image.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kRun = 8192;  // elements of x

// f(row of the image, row and column of the region, place in out) for every region, with the channels left to f.
template <class T, class F>
void over_regions(const T* x, Regions r, ImageShape s, F f) {
    const Size line = s.w * s.c, run = larger(1, kRun / larger(1, line));
    parallel_runs(s.n * r.rows, run, static_cast<double>(s.n * s.h * line), [&](Size begin, Size end) {
        for (Size number = begin; number < end; ++number) {
            const Size p = number % r.rows;
            const T* rows = x + (number / r.rows * s.h + r.top[p]) * line;
            for (Size q = 0; q < r.columns; ++q)
                f(rows + r.left[q] * s.c, r.bottom[p] - r.top[p], r.right[q] - r.left[q],
                  (number * r.columns + q) * s.c);
        }
    });
}

// The winner's number is kept in T: it is compared lane by lane.
template <class T>
void max_pool_forward(const T* x, Regions r, T* winner, T* out, ImageShape s) {
    over_regions(x, r, s, [&](const T* corner, Size height, Size width, Size place) {
        each_vector<T>(0, s.c, [&](auto at, Size j) {
            Vec<T> best = at.load(corner + j), number = {};
            T count = 0;
            for (Size row = 0; row < height; ++row)
                for (Size column = 0; column < width; ++column, count += 1) {
                    const Vec<T> value = at.load(corner + (row * s.w + column) * s.c + j);
                    const auto wins = (value > best) | ((value != value) & (best == best));  // NaN goes through
                    best = wins ? value : best;
                    number = wins ? broadcast(count) : number;
                }
            at.store(out + place + j, best);
            at.store(winner + place + j, number);
        });
    });
}

template <class T>
void avg_pool_forward(const T* x, Regions r, T* out, ImageShape s) {
    over_regions(x, r, s, [&](const T* corner, Size height, Size width, Size place) {
        const T share = static_cast<T>(1.0 / static_cast<double>(height * width));
        each_vector<T>(0, s.c, [&](auto at, Size j) {
            Vec<T> sum = {};
            for (Size row = 0; row < height; ++row) {
                Vec<T> part = {};  // row by row: a sum of sums rounds less
                for (Size column = 0; column < width; ++column)
                    part += at.load(corner + (row * s.w + column) * s.c + j);
                sum += part;
            }
            at.store(out + place + j, sum * share);
        });
    });
}

template <class T>
void clear(T* to, Size count) {
    for (Size i = 0; i < count; ++i) to[i] = 0;
}

// One row of dx from one row of regions: writes where `fresh`, else adds. share(access, place in dy, number of the
// place in its region, size of the region) is what one place gets.
template <class T, class F>
void back_row(Regions r, Size p, Size row, Size dy_row, bool fresh, T* to, ImageShape s, F share) {
    Size next = 0;  // columns before it are written
    for (Size q = 0; q < r.columns; ++q) {
        const Size width = r.right[q] - r.left[q], size = (r.bottom[p] - r.top[p]) * width;
        if (fresh && next < r.left[q]) clear(to + next * s.c, (r.left[q] - next) * s.c);
        for (Size column = r.left[q]; column < r.right[q]; ++column) {
            const Size number = (row - r.top[p]) * width + column - r.left[q];
            const bool add = !fresh || column < next;
            each_vector<T>(0, s.c, [&](auto at, Size j) {
                const Vec<T> value = share(at, (dy_row + q) * s.c + j, number, size);
                T* there = to + column * s.c + j;
                at.store(there, add ? at.load(there) + value : value);
            });
        }
        next = larger(next, r.right[q]);
    }
    if (fresh) clear(to + next * s.c, (s.w - next) * s.c);
}

// dx row by row of the image: every row gathers from the regions that it lies in, so that no two threads write to one.
template <class T, class F>
void back(Regions r, T* dx, ImageShape s, F share) {
    const Size line = s.w * s.c, run = larger(1, kRun / larger(1, line));
    parallel_runs(s.n * s.h, run, static_cast<double>(s.n * s.h * line), [&](Size begin, Size end) {
        Size first = 0;  // region that may see the row
        for (Size number = begin; number < end; ++number) {
            const Size image = number / s.h, row = number % s.h;
            if (row == 0) first = 0;
            while (first < r.rows && r.bottom[first] <= row) ++first;
            bool fresh = true;
            for (Size p = first; p < r.rows && r.top[p] <= row; ++p, fresh = false)
                back_row(r, p, row, (image * r.rows + p) * r.columns, fresh, dx + number * line, s, share);
            if (fresh) clear(dx + number * line, line);
        }
    });
}

template <class T>
void max_pool_backward(const T* dy, const T* winner, Regions r, T* dx, ImageShape s) {
    back(r, dx, s, [&](auto at, Size place, Size number, Size) {
        return at.load(winner + place) == static_cast<T>(number) ? at.load(dy + place) : Vec<T>{};
    });
}

template <class T>
void avg_pool_backward(const T* dy, Regions r, T* dx, ImageShape s) {
    back(r, dx, s, [&](auto at, Size place, Size, Size size) {
        return at.load(dy + place) * static_cast<T>(1.0 / static_cast<double>(size));
    });
}

}  // namespace

template <class T>
void fill_pool(Table<T>& table) {
    table.max_pool_forward = max_pool_forward<T>;
    table.max_pool_backward = max_pool_backward<T>;
    table.avg_pool_forward = avg_pool_forward<T>;
    table.avg_pool_backward = avg_pool_backward<T>;
}
template void fill_pool(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
