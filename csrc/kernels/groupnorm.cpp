// Group normalization of (N, P, C): N samples, P places, C channels in groups that lie side by side. Layer
// normalization is the case of one position and one group.
//
// A sample's columns are summed over its places first, run by run, then over the channels of each group. The threads
// share the samples; where these are few and large, they go one after the other and the threads share their places.
#include "column_strips.h"
#include "families.h"
#include "spread.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kCost = 8;       // of one element, in multiply-adds
constexpr Size kPiece = 1 << 14;  // elements of a piece of work
constexpr Size kFew = 16;         // samples that may be fewer than the threads

struct Shape {
    Size n, places, channels, groups;

    Size width() const { return channels / groups; }
    Size sample() const { return places * channels; }
    double share() const { return 1.0 / static_cast<double>(places * width()); }
    // samples of a piece of work
    Size run() const { return smaller(kRowRun, larger(1, kPiece / sample())); }
    double work() const { return kCost * static_cast<double>(n * sample()); }

    Size runs_of_places() const { return ceil_div(places, kRowRun); }
    bool few_large() const { return n < kFew && runs_of_places() > 1 && sample() >= 2 * kPiece; }
    double work_among_samples() const { return few_large() ? 0 : work(); }
    double work_among_places() const { return few_large() ? kCost * static_cast<double>(sample()) : 0; }
};

// f(strip, access, j) for every strip of columns.
template <class T, class F>
inline void each_strip(Size c, F f) {
    Size j = 0;
    for (; j + 4 * kLanes<T> <= c; j += 4 * kLanes<T>) f(Strip<4>{}, Full{}, j);
    each_vector<T>(j, c, [&](auto at, Size column) { f(Strip<1>{}, at, column); });
}

// The part of sum_places of the places begin..end-1.
template <class T, class F>
inline void sum_run(Size begin, Size end, Size c, T* sums, T* products, F f) {
    each_strip<T>(c, [&](auto strip, auto at, Size j) {
        constexpr int V = decltype(strip)::vectors;
        Vec<T> sum[V] = {}, product[V] = {};
        for (Size i = begin; i < end; ++i)
            unroll<V>([&](auto v) PYNN_INLINE {
                const Size k = j + v * kLanes<T>;
                f(at, i * c + k, k, sum[v], product[v]);
            });
        unroll<V>([&](auto v) PYNN_INLINE {
            const Size k = j + v * kLanes<T>;
            at.store(sums + k, sum[v]);
            if (products) at.store(products + k, product[v]);
        });
    });
}

// Sums over the places of what f(access, place, column, sum, product) adds; products may be null. Both have room for
// a row of C numbers for each run of places; the first row gets the sum of all, added in their order.
template <class T, class F>
inline void sum_places(const Shape& s, T* sums, T* products, F f) {
    const Size c = s.channels, runs = s.runs_of_places();
    parallel(runs, s.work_among_places(), [=, places = s.places](Size run) {
        const Size begin = run * kRowRun, end = smaller(places, begin + kRowRun);
        sum_run(begin, end, c, sums + run * c, products ? products + run * c : nullptr, f);
    });
    for (T* total : {sums, products})
        for (Size run = 1; total && run < runs; ++run)
            each_vector<T>(
                0, c, [&](auto at, Size j) { at.store(total + j, at.load(total + j) + at.load(total + run * c + j)); });
}

// f(access, place, column) for every vector of a sample.
template <class T, class F>
inline void each_place(const Shape& s, F f) {
    parallel_runs(s.places, kRowRun, s.work_among_places(), [f, c = s.channels](Size begin, Size end) {
        for (Size i = begin; i < end; ++i) each_vector<T>(0, c, [&](auto at, Size j) { f(at, i * c + j, j); });
    });
}

template <class T>
inline double sum_of(const T* values, Size count) {
    Vec<T> sum = {};
    each_vector<T>(0, count, [&](auto at, Size j) { sum += at.load(values + j); });
    return sum_lanes<T>(sum);
}

template <class T>
inline void fill(T* values, Size count, T value) {
    each_vector<T>(0, count, [&](auto at, Size j) { at.store(values + j, broadcast(value)); });
}

// The statistics of a group whose squares overflow or vanish.
template <class T>
PYNN_COLD void repair(const Shape& s, const T* x, double epsilon, T* mean, T* rstd, T* centre) {
    const Spread spread = spread_of(x, s.places, s.channels, s.width());
    *mean = static_cast<T>(spread.mean);
    *rstd = reciprocal_root<T>(spread, epsilon);
    fill(centre, s.width(), *mean);
}

// Mean and rstd of each group of one sample, and out. The first pass sums around the group's first number, the second
// around the mean: exact for a constant group. scratch holds 2 + runs_of_places() times C numbers.
template <class T>
void normalize_sample(const Shape& s, const T* x, const T* gamma, const T* beta, double epsilon, T* mean, T* rstd,
                      T* out, T* scratch) {
    const Size width = s.width();
    T *centre = scratch, *scale = scratch + s.channels, *sums = scratch + 2 * s.channels;
    for (Size g = 0; g < s.groups; ++g) fill(centre + g * width, width, x[g * width]);
    sum_places(s, sums, static_cast<T*>(nullptr), [=](auto at, Size place, Size j, Vec<T>& sum, Vec<T>&) PYNN_INLINE {
        sum += at.load(x + place) - at.load(centre + j);
    });
    for (Size g = 0; g < s.groups; ++g) {
        const double shift = sum_of(sums + g * width, width) * s.share();
        mean[g] = static_cast<T>(static_cast<double>(x[g * width]) + shift);
        fill(centre + g * width, width, mean[g]);
    }
    sum_places(s, sums, static_cast<T*>(nullptr), [=](auto at, Size place, Size j, Vec<T>& sum, Vec<T>&) PYNN_INLINE {
        const Vec<T> d = at.load(x + place) - at.load(centre + j);
        sum += d * d;
    });
    const double least = epsilon < 1e-30 ? static_cast<double>(not_vanished<T>(epsilon)) : epsilon;
    for (Size g = 0; g < s.groups; ++g) {
        const double root = 1 / __builtin_sqrt(sum_of(sums + g * width, width) * s.share() + least);
        rstd[g] = static_cast<T>(root);
        if (__builtin_expect(!(root > 0 && root < static_cast<double>(kLargeRoot<T>)), 0))
            repair(s, x + g * width, least, mean + g, rstd + g, centre + g * width);
        fill(scale + g * width, width, rstd[g]);
    }
    each_place<T>(s, [=](auto at, Size place, Size j) PYNN_INLINE {
        const Vec<T> normalized = (at.load(x + place) - at.load(centre + j)) * at.load(scale + j);
        at.store(out + place, normalized * at.load(gamma + j) + at.load(beta + j));
    });
}

template <class T>
void groupnorm_forward(const T* x, const T* gamma, const T* beta, double epsilon, T* mean, T* rstd, T* out, Size n,
                       Size places, Size channels, Size groups) {
    const Shape s = {n, places, channels, groups};
    Layout layout;
    const auto scratch = layout.add<T>((2 + s.runs_of_places()) * channels);
    parallel(ceil_div(n, s.run()), s.work_among_samples(), layout, [&](Size piece, Arena arena) {
        for (Size i = piece * s.run(); i < smaller(n, (piece + 1) * s.run()); ++i)
            normalize_sample(s, x + i * s.sample(), gamma, beta, epsilon, mean + i * groups, rstd + i * groups,
                             out + i * s.sample(), arena[scratch]);
    });
}

// dx (unless null) of one sample; adds to the gradients of gamma and beta. scratch holds 4 + 2 runs_of_places() times C
// numbers.
template <class T>
void backward_sample(const Shape& s, const T* dy, const T* x, const T* gamma, const T* mean, const T* rstd, T* dx,
                     T* dgamma, T* dbeta, T* scratch) {
    const Size width = s.width(), c = s.channels;
    T *centre = scratch, *scale = scratch + c, *mean_dxhat = scratch + 2 * c, *mean_dxhat_xhat = scratch + 3 * c;
    T *sums = scratch + 4 * c, *products = sums + s.runs_of_places() * c;
    for (Size g = 0; g < s.groups; ++g) {
        fill(centre + g * width, width, mean[g]);
        fill(scale + g * width, width, rstd[g]);
    }
    sum_places(s, sums, products, [=](auto at, Size place, Size j, Vec<T>& sum, Vec<T>& product) PYNN_INLINE {
        const Vec<T> d = at.load(dy + place);
        sum += d;
        product += d * ((at.load(x + place) - at.load(centre + j)) * at.load(scale + j));
    });
    each_vector<T>(0, c, [&](auto at, Size j) {
        const Vec<T> sum = at.load(sums + j), product = at.load(products + j), weight = at.load(gamma + j);
        at.store(dbeta + j, at.load(dbeta + j) + sum);
        at.store(dgamma + j, at.load(dgamma + j) + product);
        at.store(sums + j, sum * weight);
        at.store(products + j, product * weight);
    });
    if (dx == nullptr) return;
    for (Size g = 0; g < s.groups; ++g) {
        const Size j = g * width;
        fill(mean_dxhat + j, width, static_cast<T>(sum_of(sums + j, width) * s.share()));
        fill(mean_dxhat_xhat + j, width, static_cast<T>(sum_of(products + j, width) * s.share()));
    }
    each_place<T>(s, [=](auto at, Size place, Size j) PYNN_INLINE {
        const Vec<T> r = at.load(scale + j), normalized = (at.load(x + place) - at.load(centre + j)) * r;
        // rounded like the sum of a group of one number, so that their difference is exactly 0
        const Vec<T> d = in_register<Vec<T>>(at.load(dy + place) * at.load(gamma + j));
        at.store(dx + place, r * (d - at.load(mean_dxhat + j) - normalized * at.load(mean_dxhat_xhat + j)));
    });
}

// The gradients of gamma and beta are summed by pieces of samples, and added in the order of the pieces.
template <class T>
void groupnorm_backward(const T* dy, const T* x, const T* gamma, const T* mean, const T* rstd, T* dx, T* dgamma,
                        T* dbeta, Size n, Size places, Size channels, Size groups) {
    const Shape s = {n, places, channels, groups};
    const Size pieces = ceil_div(n, s.run());
    const Scratch<T> totals(2 * pieces * channels);
    Layout layout;
    const auto scratch = layout.add<T>((4 + 2 * s.runs_of_places()) * channels);
    parallel(pieces, s.work_among_samples(), layout, [&](Size piece, Arena arena) {
        T* total = totals.get() + 2 * piece * channels;
        fill(total, 2 * channels, T(0));
        for (Size i = piece * s.run(); i < smaller(n, (piece + 1) * s.run()); ++i)
            backward_sample(s, dy + i * s.sample(), x + i * s.sample(), gamma, mean + i * groups, rstd + i * groups,
                            dx ? dx + i * s.sample() : nullptr, total, total + channels, arena[scratch]);
    });
    each_vector<T>(0, channels, [&](auto at, Size j) {
        Vec<T> product = {}, sum = {};
        for (Size piece = 0; piece < pieces; ++piece) {
            product += at.load(totals.get() + 2 * piece * channels + j);
            sum += at.load(totals.get() + (2 * piece + 1) * channels + j);
        }
        at.store(dgamma + j, product);
        at.store(dbeta + j, sum);
    });
}

}  // namespace

template <class T>
void fill_groupnorm(Table<T>& table) {
    table.groupnorm_forward = groupnorm_forward<T>;
    table.groupnorm_backward = groupnorm_backward<T>;
}
template void fill_groupnorm(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
