// Periodic features of numbers: cosines of learned frequencies and phases, and a small linear map of them.
//
// The forward pass has samples in the lanes of its vectors, as its sums run over the frequencies; the backward pass has
// frequencies in them, as most of its sums run over the samples.
#include "families.h"
#include "parallel.h"
#include "simd.h"
#include "turns.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kTwoPi = 6.283185307179586;

// Outputs of the linear map whose sums stay in registers together.
template <int U>
struct Together {
    static constexpr int count = U;
};

// f(together, first) for the outputs 0..c-1 in groups of up to four.
template <class F>
void over_outputs(Size c, F f) {
    Size u = 0;
    for (; u + 4 <= c; u += 4) f(Together<4>{}, u);
    if (c - u == 3) f(Together<3>{}, u);
    if (c - u == 2) f(Together<2>{}, u);
    if (c - u == 1) f(Together<1>{}, u);
}

// to[j kLanes + i] = from[i stride + j] for up to kLanes rows i and columns j, 0 for rows and columns beyond.
template <class T>
PYNN_APART void transposed(const T* from, Size stride, Size rows, Size columns, T* to, Size to_stride) {
    Vec<T> square[kLanes<T>] = {};
    for (Size i = 0; i < rows; ++i) square[i] = Masked{columns}.load(from + i * stride);
    transpose<T>(square);
    for (Size j = 0; j < kLanes<T>; ++j) store(to + j * to_stride, square[j]);
}

// The way back: rows of `to` from columns of kLanes numbers.
template <class T>
PYNN_APART void transposed_back(const T* from, Size from_stride, T* to, Size stride, Size rows, Size columns) {
    Vec<T> square[kLanes<T>];
    for (Size j = 0; j < kLanes<T>; ++j) square[j] = load(from + j * from_stride);
    transpose<T>(square);
    for (Size i = 0; i < rows; ++i) Masked{columns}.store(to + i * stride, square[i]);
}

// A feature's parameters; the phases are in turns.
template <class T>
struct Feature {
    const T *frequency, *turns, *weight, *bias;
    Size frequencies, outputs;
};

// The outputs of two vectors of samples: sums[u] from the cosines of every frequency.
template <class T>
void linear_map(Feature<T> a, const T* cosines, T* sums) {
    constexpr Size L = kLanes<T>;
    over_outputs(a.outputs, [&](auto together, Size first) {
        constexpr int U = decltype(together)::count;
        Vec<T> left[U], right[U];
        unroll<U>([&](auto u) PYNN_INLINE { left[u] = right[u] = broadcast(a.bias[first + u]); });
        for (Size f = 0; f < a.frequencies; ++f) {
            const Vec<T> c = load(cosines + 2 * L * f), d = load(cosines + 2 * L * f + L);
            const T* weight = a.weight + f * a.outputs + first;
            unroll<U>([&](auto u) PYNN_INLINE {
                left[u] += c * weight[u];
                right[u] += d * weight[u];
            });
        }
        unroll<U>([&](auto u) PYNN_INLINE {
            store(sums + 2 * L * (first + u), left[u]);
            store(sums + 2 * L * (first + u) + L, right[u]);
        });
    });
}

template <class T>
void all_cosines(Feature<T> a, const T* x, T* cosines) {
    constexpr Size L = kLanes<T>;
    const Vec<T> left = load(x), right = load(x + L);
    for (Size f = 0; f < a.frequencies; ++f) {
        const Vec<T> w = broadcast(a.frequency[f]), b = broadcast(a.turns[f]);
        store(cosines + 2 * L * f, cosine_of_turn<T>(fraction_of_turn<T>(w, left, b)));
        store(cosines + 2 * L * f + L, cosine_of_turn<T>(fraction_of_turn<T>(w, right, b)));
    }
}

template <class T>
void phases_in_turns(const T* phase, T* turns, Size size) {
    each_vector<T>(0, size, [&](auto at, Size i) { at.store(turns + i, at.load(phase + i) * T(1 / kTwoPi)); });
}

// Pieces of rows; in each, kLanes features at a time.
template <class T>
void periodic_forward(const T* x, const T* frequency, const T* phase, const T* weight, const T* bias, T* out, Size n,
                      Size d, Size m, Size c) {
    constexpr Size L = kLanes<T>, kRows = 2 * L;
    const Size q = c + 1;
    const Scratch<T> turns(d * m);
    phases_in_turns(phase, turns.get(), d * m);
    Layout layout;
    const auto numbers = layout.add<T>(L * kRows), cosines = layout.add<T>(m * kRows);
    const auto outputs = layout.add<T>(ceil_div(L * q, L) * L * kRows);
    const double work = 4 * static_cast<double>(n * d) * static_cast<double>(m + 1);
    parallel(ceil_div(n, kRows), work, layout, [&](Size piece, Arena arena) {
        T *xs = arena[numbers], *cos = arena[cosines], *ys = arena[outputs];
        const Size row = piece * kRows, rows = smaller(kRows, n - row);
        for (Size first = 0; first < d; first += L) {
            const Size features = smaller(L, d - first);
            for (Size half = 0; half < 2; ++half)
                transposed(x + (row + half * L) * d + first, d, larger(0, smaller(L, rows - half * L)), features,
                           xs + half * L, kRows);
            for (Size k = 0; k < features; ++k) {
                const Size place = (first + k) * m;
                const Feature<T> a = {
                    frequency + place, turns.get() + place, weight + place * c, bias + (first + k) * c, m, c};
                T *own = xs + k * kRows, *y = ys + k * q * kRows;
                all_cosines(a, own, cos);
                linear_map(a, cos, y);
                store(y + c * kRows, load(own));
                store(y + c * kRows + L, load(own + L));
            }
            for (Size half = 0; half < 2 && half * L < rows; ++half)
                for (Size j = 0; j < features * q; j += L)
                    transposed_back(ys + j * kRows + half * L, kRows, out + ((row + half * L) * d + first) * q + j,
                                    d * q, smaller(L, rows - half * L), smaller(L, features * q - j));
        }
    });
}

constexpr Size kRun = 256;   // rows whose gradients are summed in one go; runs are added in their order
constexpr Size kChunk = 64;  // rows whose cosines are kept at a time
template <class T>
constexpr Size kApart = (kChunk + 5) * kLanes<T>;  // between such arrays: not a page, on which loads wait for stores

// What a piece of the backward pass works with: vectors of frequencies, each array padded to whole vectors.
template <class T>
struct Work {
    T *frequency, *turns, *weight;  // of the feature; weight by outputs, then frequencies
    T *cosine, *sine, *slope, *dx;  // of a chunk, a vector each row
    T* sums;                        // of the gradients, in the order frequency, phase, weight
};

// Cosines and sines of a chunk's rows for one vector of frequencies.
template <class T>
void waves(Work<T> a, const T* x, Size d, Size rows, Size f) {
    const Vec<T> w = load(a.frequency + f), b = load(a.turns + f);
    for (Size i = 0; i < rows; ++i) {
        const Vec<T> r = fraction_of_turn<T>(w, broadcast(x[i * d]), b);
        store(a.cosine + i * kLanes<T>, cosine_of_turn<T>(r));
        store(a.sine + i * kLanes<T>, sine_of_turn<T>(r));
    }
}

// Adds cosine dy to the sums of the weights' gradients, and writes the gradients of the cosines as `slope`.
template <class T>
void through_map(Work<T> a, const T* dy, Size stride, Size rows, Size f, Size padded, Size c) {
    constexpr Size L = kLanes<T>;
    if (c == 0)
        for (Size i = 0; i < rows; ++i) store(a.slope + i * L, Vec<T>{});
    over_outputs(c, [&](auto together, Size first) {
        constexpr int U = decltype(together)::count;
        Vec<T> weight[U], sum[U];
        T* sums = a.sums + (2 + first) * padded + f;
        unroll<U>([&](auto u) PYNN_INLINE {
            weight[u] = load(a.weight + (first + u) * padded + f);
            sum[u] = load(sums + u * padded);
        });
        for (Size i = 0; i < rows; ++i) {
            const Vec<T> cosine = load(a.cosine + i * L);
            Vec<T> slope = first ? load(a.slope + i * L) : Vec<T>{};
            unroll<U>([&](auto u) PYNN_INLINE {
                const Vec<T> v = broadcast(dy[i * stride + first + u]);
                sum[u] += cosine * v;
                slope += weight[u] * v;
            });
            store(a.slope + i * L, slope);
        }
        unroll<U>([&](auto u) PYNN_INLINE { store(sums + u * padded, sum[u]); });
    });
}

// From the gradients of the cosines to those of phases, frequencies and x; -1 and 2 pi are left out.
template <class T>
void through_waves(Work<T> a, const T* x, Size d, Size rows, Size f, Size padded, bool with_dx) {
    constexpr Size L = kLanes<T>;
    const Vec<T> w = load(a.frequency + f);
    Vec<T> frequency = load(a.sums + f), phase = load(a.sums + padded + f);
    for (Size i = 0; i < rows; ++i) {
        const Vec<T> h = load(a.slope + i * L) * load(a.sine + i * L);
        phase += h;
        frequency += h * x[i * d];
        if (with_dx) store(a.dx + i * L, f ? load(a.dx + i * L) + h * w : h * w);
    }
    store(a.sums + f, frequency);
    store(a.sums + padded + f, phase);
}

// dx[i] = -2 pi times the sum of row i's vector.
template <class T>
void sum_rows(const T* vectors, T* dx, Size rows) {
    constexpr Size L = kLanes<T>;
    for (Size i = 0; i < rows; i += L) {
        Vec<T> square[L];
        for (Size r = 0; r < L; ++r) square[r] = load(vectors + (i + r) * L);
        transpose<T>(square);
        Vec<T> sum = square[0];
        for (Size r = 1; r < L; ++r) sum += square[r];
        Masked{smaller(L, rows - i)}.store(dx + i, sum * T(-kTwoPi));
    }
}

template <class T>
struct Gradients {
    T *x, *frequency, *phase, *weight, *bias;  // any may be null
};

// The gradients of feature k from the sums of its runs, each `padded (c + 2)` numbers and then c of the bias.
template <class T>
void add_runs(Gradients<T> g, T* sums, Size apart, Size runs, Size size, Size k, Size padded, Size m, Size c) {
    each_vector<T>(0, size, [&](auto at, Size i) {
        Vec<T> total = {};
        for (Size run = 0; run < runs; ++run) total += at.load(sums + run * apart + i);
        at.store(sums + i, total);
    });
    for (Size f = 0; f < m; ++f) {
        if (g.frequency) g.frequency[k * m + f] = 0 - sums[f] * T(kTwoPi);  // not -0
        if (g.phase) g.phase[k * m + f] = 0 - sums[padded + f];
        if (g.weight)
            for (Size u = 0; u < c; ++u) g.weight[(k * m + f) * c + u] = sums[(2 + u) * padded + f];
    }
    if (g.bias)
        for (Size u = 0; u < c; ++u) g.bias[k * c + u] = sums[(2 + c) * padded + u];
}

// A piece is a run of rows of one feature. dx of a feature stands in one row of `columns` at first: two threads would
// write into the same cache lines of dx.
template <class T>
void periodic_backward(const T* dy, const T* x, const T* frequency, const T* phase, const T* weight, T* dx,
                       T* dfrequency, T* dphase, T* dweight, T* dbias, Size n, Size d, Size m, Size c) {
    constexpr Size L = kLanes<T>;
    const Size q = c + 1, padded = ceil_div(m, L) * L, runs = larger(1, ceil_div(n, kRun));
    const Size size = (2 + c) * padded + ceil_div(c, L) * L;
    const Scratch<T> sums(runs * d * size), columns(dx ? d * n : 0);
    Layout layout;
    const auto parameters = layout.add<T>((2 + c) * padded), chunk = layout.add<T>(4 * kApart<T>);
    const double work = 12 * static_cast<double>(n * d) * static_cast<double>(m + 1);
    parallel(runs * d, work, layout, [&](Size piece, Arena arena) {
        const Size run = piece / d, k = piece % d;
        T *own = arena[parameters], *rows_of = arena[chunk];
        const Work<T> a = {own,
                           own + padded,
                           own + 2 * padded,
                           rows_of,
                           rows_of + kApart<T>,
                           rows_of + 2 * kApart<T>,
                           rows_of + 3 * kApart<T>,
                           sums.get() + piece * size};
        for (Size i = 0; i < (2 + c) * padded; ++i) own[i] = 0;
        for (Size i = 0; i < size; ++i) a.sums[i] = 0;
        for (Size f = 0; f < m; ++f) {
            a.frequency[f] = frequency[k * m + f];
            a.turns[f] = phase[k * m + f];
            for (Size u = 0; u < c; ++u) a.weight[u * padded + f] = weight[(k * m + f) * c + u];
        }
        phases_in_turns(a.turns, a.turns, padded);
        const Size end = smaller(n, (run + 1) * kRun);
        for (Size row = run * kRun; row < end; row += kChunk) {
            const Size rows = smaller(kChunk, end - row);
            const T *dy_rows = dy + (row * d + k) * q, *x_rows = x + row * d + k;
            for (Size f = 0; f < padded; f += L) {
                waves(a, x_rows, d, rows, f);
                through_map(a, dy_rows, d * q, rows, f, padded, c);
                through_waves(a, x_rows, d, rows, f, padded, dx != nullptr);
            }
            each_vector<T>(0, c, [&](auto at, Size u) {
                T* bias = a.sums + (2 + c) * padded + u;
                Vec<T> sum = load(bias);
                for (Size i = 0; i < rows; ++i) sum += at.load(dy_rows + i * d * q + u);
                store(bias, sum);
            });
            if (dx && padded) sum_rows(a.dx, columns.get() + k * n + row, rows);
        }
    });
    for (Size k = 0; k < d; ++k)
        add_runs(Gradients<T>{dx, dfrequency, dphase, dweight, dbias}, sums.get() + k * size, d * size, runs, size, k,
                 padded, m, c);
    if (dx == nullptr) return;
    parallel_runs(n, larger(1, 4096 / larger(1, d)), static_cast<double>(n * d), [&](Size begin, Size end) {
        for (Size i = begin; i < end; ++i)
            for (Size k = 0; k < d; ++k)
                dx[i * d + k] = dy[(i * d + k) * q + c] + (padded ? columns.get()[k * n + i] : T(0));
    });
}

}  // namespace

template <class T>
void fill_periodic(Table<T>& table) {
    table.periodic_forward = periodic_forward<T>;
    table.periodic_backward = periodic_backward<T>;
}
template void fill_periodic(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
