// Hierarchical softmax: a class is a path of binary decisions down a tree; only the nodes on it are read.
//
// A step is 2 node + code; the node's decision is code 1 with probability sigmoid(x node + bias).
#include <limits>

#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr int kAtOnce = 4;  // nodes whose products share the loads of x, or go on side by side

// e^-|s|, and log(1 + it) without cancellation.
template <class T>
struct Decision {
    Vec<T> small, log1p;
};

template <class T>
Decision<T> decision(Vec<T> s) {
    const Vec<T> zero = {};
    const Vec<T> e = exp(s < zero ? s : -s), u = e + T(1);
    return {e, u == T(1) ? e : log(u) * e / (u - T(1))};
}

// sigmoid(s) from e^-|s|.
template <class T>
Vec<T> sigmoid(Vec<T> s, Vec<T> small) {
    const Vec<T> zero = {};
    return (s < zero ? small : zero + T(1)) / (small + T(1));
}

// scores[k] = x node_k + bias_k, negated where the code is 1: large where the decision is wrong.
template <class T>
void path_scores(const T* x, const std::int64_t* steps, Size count, const T* nodes, const T* bias, T* scores, Size d) {
    for (Size k = 0; k < count; k += kAtOnce) {
        const T* row[kAtOnce];
        Vec<T> sums[kAtOnce] = {};
        for (Size r = 0; r < kAtOnce; ++r)
            row[r] = nodes + static_cast<Size>(steps[smaller(k + r, count - 1)] >> 1) * d;
        each_vector<T>(0, d, [&](auto at, Size j) {
            const Vec<T> v = at.load(x + j);
            unroll<kAtOnce>([&](auto r) { sums[r] += at.load(row[r] + j) * v; });
        });
        for (Size r = 0; r < smaller(kAtOnce, count - k); ++r) {
            const std::int64_t step = steps[k + r];
            const T z = static_cast<T>(sum_lanes<T>(sums[r])) + (bias ? bias[step >> 1] : T(0));
            scores[k + r] = step & 1 ? -z : z;
        }
    }
}

// The loss of one sample; slopes(b) and dx(d), which bear the factor.
template <class T>
double path_loss(const T* x, const std::int64_t* steps, Size count, const T* nodes, const T* bias, T factor, T* slopes,
                 T* dx, Size d, Size b) {
    path_scores(x, steps, count, nodes, bias, slopes, d);
    Vec<T> losses = {};
    each_vector<T>(0, count, [&](auto at, Size k) {
        const Vec<T> zero = {}, s = at.load(slopes + k, -std::numeric_limits<T>::infinity());
        const Decision<T> one = decision<T>(s);
        losses += (s > zero ? s : zero) + one.log1p;
        at.store(slopes + k, sigmoid<T>(s, one.small) * factor);
    });
    for (Size k = 0; k < count; ++k)
        if (steps[k] & 1) slopes[k] = -slopes[k];
    for (Size k = count; k < b; ++k) slopes[k] = 0;
    each_vector<T>(0, d, [&](auto at, Size j) {
        Vec<T> sum = {};
        for (Size k = 0; k < count; ++k) sum += at.load(nodes + static_cast<Size>(steps[k] >> 1) * d + j) * slopes[k];
        at.store(dx + j, sum);
    });
    return sum_lanes<T>(losses);
}

// Losses of runs of rows are added in the order of the runs.
template <class T>
double hierarchical_softmax(const T* x, Paths paths, const T* nodes, const T* bias, const T* weights, T* slopes, T* dx,
                            Size n, Size d, Size b) {
    const Size rows = larger(1, 2048 / larger(1, d)), runs = ceil_div(n, rows);
    Scratch<double> losses(runs);
    const double share = 1.0 / static_cast<double>(n);
    parallel(runs, static_cast<double>(paths.starts[n] * (2 * d + 16)), [&](Size run) {
        double loss = 0;
        for (Size i = run * rows; i < smaller(n, (run + 1) * rows); ++i) {
            const double weight = weights ? static_cast<double>(weights[i]) : 1.0;
            const Size first = paths.starts[i], count = paths.starts[i + 1] - first;
            loss += weight * path_loss(x + i * d, paths.steps + first, count, nodes, bias,
                                       static_cast<T>(weight * share), slopes + i * b, dx + i * d, d, b);
        }
        losses.get()[run] = loss;
    });
    double total = 0;
    for (Size run = 0; run < runs; ++run) total += losses.get()[run];
    return total * share;
}

// Each piece has some columns of all nodes to itself, so that samples are added in their order.
template <class T>
void hierarchical_softmax_backward(const T* x, Paths paths, const T* slopes, T* dnodes, T* dbias, Size n, Size d,
                                   Size m, Size b) {
    constexpr Size kRun = 1 << 16, kStrip = 2 * kLanes<T>;
    parallel_runs(m * d, kRun, static_cast<double>(m * d), [&](Size begin, Size end) {
        each_vector<T>(begin, end, [&](auto at, Size i) { at.store(dnodes + i, Vec<T>{}); });
    });
    parallel_runs(d, kStrip, static_cast<double>(paths.starts[n] * d), [&](Size begin, Size end) {
        for (Size i = 0; i < n; ++i) {
            const std::int64_t* steps = paths.steps + paths.starts[i];
            const Size count = paths.starts[i + 1] - paths.starts[i];
            each_vector<T>(begin, end, [&](auto at, Size j) {
                const Vec<T> v = at.load(x + i * d + j);
                for (Size k = 0; k < count; ++k) {
                    T* place = dnodes + static_cast<Size>(steps[k] >> 1) * d + j;
                    at.store(place, at.load(place) + v * slopes[i * b + k]);
                }
            });
        }
    });
    if (dbias == nullptr) return;
    for (Size i = 0; i < m; ++i) dbias[i] = 0;
    for (Size i = 0; i < n; ++i)
        for (Size k = paths.starts[i]; k < paths.starts[i + 1]; ++k)
            dbias[paths.steps[k] >> 1] += slopes[i * b + k - paths.starts[i]];
}

// A part of the tree that is still to be searched, and the logarithm of the probability of coming there.
struct Open {
    Size place;
    double log_p;
};

// The most probable class, the lowest one of several; -1 where more than `limit` nodes would have to be read. Parts
// that cannot hold a better class than the best so far are left out; the likelier side goes first, so that it comes
// early.
template <class T>
Size best_class(const T* x, const std::int64_t* children, const T* nodes, const T* bias, Size limit, Open* open, Size d,
                Size m) {
    const Size c = m + 1;
    Size label = -1, count = 0, visits = 0;
    double best = -std::numeric_limits<double>::infinity();
    open[count++] = {m > 0 ? c : 0, 0.0};
    while (count > 0) {
        const Open here = open[--count];
        if (here.log_p < best) continue;
        if (here.place < c) {
            if (here.log_p > best || here.place < label) label = here.place;
            best = here.log_p;
            continue;
        }
        if (visits++ == limit) return -1;
        const Size node = here.place - c;
        Vec<T> sum = {};
        each_vector<T>(0, d, [&](auto at, Size j) { sum += at.load(nodes + node * d + j) * at.load(x + j); });
        const double z = sum_lanes<T>(sum) + (bias ? static_cast<double>(bias[node]) : 0.0);
        const double size = z < 0 ? -z : z, likely = -__builtin_log1p(__builtin_exp(-size));
        const Size side = z > 0;
        open[count++] = {static_cast<Size>(children[2 * node + 1 - side]), here.log_p + (likely - size)};
        open[count++] = {static_cast<Size>(children[2 * node + side]), here.log_p + likely};
    }
    return label;
}

template <class T>
void hierarchical_softmax_predict(const T* x, const std::int64_t* children, const T* nodes, const T* bias, Size limit,
                                  std::int64_t* labels, Size n, Size d, Size m) {
    constexpr Size kRows = 16;
    Layout layout;
    const auto open = layout.add<Open>(smaller(limit, m) + 2);
    parallel(ceil_div(n, kRows), static_cast<double>(n * (d + 32) * 16), layout, [&](Size piece, Arena arena) {
        for (Size i = piece * kRows; i < smaller(n, (piece + 1) * kRows); ++i)
            labels[i] = best_class(x + i * d, children, nodes, bias, limit, arena[open], d, m);
    });
}

// x(lanes, d) by columns; lanes without a row hold 0.
template <class T>
void load_rows(const T* x, Size rows, Size d, T* columns) {
    for (Size j = 0; j < d; ++j)
        for (Size i = 0; i < kLanes<T>; ++i) columns[j * kLanes<T> + i] = i < rows ? x[i * d + j] : T(0);
}

// out(rows, c) = columns(sources[class], rows)
template <class T>
void store_classes(const T* columns, const std::int64_t* sources, T* out, Size rows, Size c) {
    constexpr Size L = kLanes<T>;
    each_vector<T>(0, c, [&](auto at, Size j) {
        Vec<T> square[L];
        for (Size i = 0; i < L; ++i) square[i] = load(columns + static_cast<Size>(sources[smaller(j + i, c - 1)]) * L);
        transpose<T>(square);
        for (Size i = 0; i < rows; ++i) at.store(out + i * c + j, square[i]);
    });
}

// The whole tree for a vector's worth of rows, a lane a row. reached(2 m): the probability of each side of each node.
template <class T>
void hierarchical_softmax_probabilities(const T* x, const std::int64_t* parents, const T* nodes, const T* bias, T* out,
                                        Size n, Size d, Size m) {
    constexpr Size L = kLanes<T>;
    const Size c = m + 1;
    Layout layout;
    const auto columns_slot = layout.add<T>(d * L), reached_slot = layout.add<T>(2 * m * L);
    parallel(ceil_div(n, L), static_cast<double>(n * c * (d + 16)), layout, [&](Size piece, Arena arena) {
        const Size rows = smaller(L, n - piece * L);
        T* place = out + piece * L * c;
        if (m == 0) {
            for (Size i = 0; i < rows; ++i) place[i] = 1;
            return;
        }
        T *const columns = arena[columns_slot], *const reached = arena[reached_slot];
        load_rows(x + piece * L * d, rows, d, columns);
        for (Size first = 0; first < m; first += kAtOnce) {
            const T* row[kAtOnce];
            Vec<T> z[kAtOnce] = {};
            for (Size r = 0; r < kAtOnce; ++r) row[r] = nodes + smaller(first + r, m - 1) * d;
            for (Size j = 0; j < d; ++j) {
                const Vec<T> v = load(columns + j * L);
                unroll<kAtOnce>([&](auto r) { z[r] += v * row[r][j]; });
            }
            for (Size i = first; i < smaller(m, first + kAtOnce); ++i) {
                const Vec<T> s = bias ? z[i - first] + bias[i] : z[i - first];
                const Vec<T> e = exp(s < Vec<T>{} ? s : -s);
                const Vec<T> here = i ? load(reached + static_cast<Size>(parents[c + i]) * L) : broadcast(T(1));
                store(reached + 2 * i * L, here * sigmoid<T>(-s, e));
                store(reached + (2 * i + 1) * L, here * sigmoid<T>(s, e));
            }
        }
        store_classes(reached, parents, place, rows, c);
    });
}

}  // namespace

template <class T>
void fill_hierarchical(Table<T>& table) {
    table.hierarchical_softmax = hierarchical_softmax<T>;
    table.hierarchical_softmax_backward = hierarchical_softmax_backward<T>;
    table.hierarchical_softmax_predict = hierarchical_softmax_predict<T>;
    table.hierarchical_softmax_probabilities = hierarchical_softmax_probabilities<T>;
}
template void fill_hierarchical(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
