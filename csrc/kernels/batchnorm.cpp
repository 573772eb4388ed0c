// Batch normalization of (N, C) with a fused activation; images come as (N H W, C).
// Statistics are taken by runs of rows that stay in cache and merged in the order of the runs.
#include "activation.h"
#include "column_strips.h"
#include "families.h"
#include "spread.h"

namespace pynn::PYNN_LEVEL {
namespace {

// Mean and sum of squared deviations of all rows, from those of each run: one vector of columns.
template <class T>
struct Moments {
    Vec<T> mean, squares;

    template <class Access>
    Moments(Access at, const T* means, const T* deviations, Size n, Size c, Size j) {
        const Size runs = ceil_div(n, kRowRun);
        const auto rows = [=](Size run) { return static_cast<T>(smaller(n, (run + 1) * kRowRun) - run * kRowRun); };
        const Vec<T> origin = at.load(means + j);
        Vec<T> sum = {};
        squares = Vec<T>{};
        for (Size run = 0; run < runs; ++run) sum += (at.load(means + run * c + j) - origin) * rows(run);
        mean = origin + sum / static_cast<T>(n);
        for (Size run = 0; run < runs; ++run) {
            const Vec<T> d = at.load(means + run * c + j) - mean;
            squares += at.load(deviations + run * c + j) + d * d * rows(run);
        }
    }
};

template <class T, class Access>
void move_towards(Access at, T* running, Vec<T> value, Vec<T> other, T keep) {
    const Vec<T> old = at.load(running);
    const Vec<T> moved = old * keep + value * (T(1) - keep);
    // x - x is 0 only for finite x: a batch with NaN must not spoil the running statistics for ever
    at.store(running, (moved - moved) + (other - other) == Vec<T>{} ? moved : old);
}

// Mean and squared deviations of one run of rows in one pass, as sums around the mean of the first few rows. Those rows
// are part of the run, so the origin is never far from the mean in terms of the spread: what cancels costs a factor of
// n / 8 at the worst. Exact for a constant column.
template <class T, int V, class Access>
PYNN_INLINE inline void run_moments(Access at, const T* x, Size c, Size rows, Vec<T> (&mean)[V], Vec<T> (&squares)[V]) {
    const Size few = smaller(rows, 8);
    Vec<T> origin[V], sum[V] = {};
    unroll<V>([&](auto v) PYNN_INLINE {
        const Vec<T> first = at.load(x + v * kLanes<T>);
        Vec<T> rest = {};
        for (Size i = 1; i < few; ++i) rest += at.load(x + i * c + v * kLanes<T>) - first;
        origin[v] = first + rest / static_cast<T>(few);
        squares[v] = Vec<T>{};
    });
    for (Size i = 0; i < rows; ++i)
        unroll<V>([&](auto v) PYNN_INLINE {
            const Vec<T> d = at.load(x + i * c + v * kLanes<T>) - origin[v];
            sum[v] += d;
            squares[v] += d * d;
        });
    unroll<V>([&](auto v) PYNN_INLINE {
        const Vec<T> shift = sum[v] / static_cast<T>(rows);
        mean[v] = origin[v] + shift;
        const Vec<T> around = squares[v] - sum[v] * shift;
        // An infinity stays one: without a fused product it would be infinity minus infinity. NaN stays NaN.
        squares[v] = squares[v] > broadcast(kMost<T>) ? squares[v] : largest<T>(Vec<T>{}, around);
    });
}

// The statistics of a strip's columns, in registers; the first column is `j`.
template <class T, int V>
struct Normalizer {
    Vec<T> mean[V], rstd[V], scale[V], beta[V];

    template <class Access>
    PYNN_INLINE Normalizer(Access at, const T* means, const T* rstds, const T* gammas, const T* betas, Size j) {
        unroll<V>([&](auto v) PYNN_INLINE {
            const Size k = j + v * kLanes<T>;
            mean[v] = at.load(means + k);
            rstd[v] = at.load(rstds + k);
            scale[v] = at.load(gammas + k) * rstd[v];
            beta[v] = at.load(betas + k);
        });
    }

    // The value before the activation; forward and backward compute the same bits.
    PYNN_INLINE Vec<T> affine(int v, Vec<T> x) const { return (x - mean[v]) * scale[v] + beta[v]; }

    // dy through the activation; where its slope follows from a sign, the output need not be known.
    template <Function F>
    PYNN_INLINE Vec<T> dz(int v, Vec<T> x, Vec<T> dy, T alpha) const {
        constexpr bool by_sign = F == Function::relu || F == Function::leaky_relu;
        const Vec<T> z = affine(v, x);
        return activation_gradient<F, T>(dy, by_sign ? z : activate<F, T>(z, alpha), alpha);
    }
};

// out = f(gamma (x - mean) rstd + beta) for one strip of one run of rows.
template <Function F, class T, int V, class Access>
PYNN_INLINE inline void normalize(Access at, const Normalizer<T, V>& columns, const T* x, T alpha, T* out, Size c,
                                  Size rows) {
    for (Size i = 0; i < rows; ++i)
        unroll<V>([&](auto v) PYNN_INLINE {
            const Size place = i * c + v * kLanes<T>;
            at.store(out + place, activate<F, T>(columns.affine(v, at.load(x + place)), alpha));
        });
}

// The statistics of the columns begin..end-1 of a batch whose squares overflow or vanish, and the running ones: they
// move where T holds the variance.
template <class T>
PYNN_COLD void repair(const T* x, double epsilon, T keep, T* running_mean, T* running_var, T* mean, T* rstd, Size n,
                      Size c, Size begin, Size end) {
    for (Size j = begin; j < end; ++j) {
        const bool overflow = !(rstd[j] > 0);
        if (!overflow && rstd[j] < kLargeRoot<T>) continue;
        const Spread s = spread_of(x + j, n, c, 1);
        if (s.mean != s.mean) continue;
        mean[j] = static_cast<T>(s.mean);
        rstd[j] = reciprocal_root<T>(s, epsilon);
        const double rows = static_cast<double>(n), share = static_cast<double>(keep);
        const double unbiased = s.deviation * s.deviation * (rows / (rows - 1));
        const T moved = static_cast<T>(share * static_cast<double>(running_var[j]) + (1 - share) * unbiased);
        if (!overflow || moved - moved != 0) continue;
        running_mean[j] = running_mean[j] * keep + mean[j] * (T(1) - keep);
        running_var[j] = moved;
    }
}

template <class T>
void batchnorm_forward(const T* x, const T* gamma, const T* beta, BatchNormState s, T* running_mean, T* running_var,
                       Activation f, T* mean, T* rstd, T* out, Size n, Size c) {
    const Size runs = ceil_div(n, kRowRun);
    const bool one_run = runs == 1;
    Scratch<T> means(runs * c), squares(runs * c);
    const T rows = static_cast<T>(n), epsilon = not_vanished<T>(s.epsilon), keep = static_cast<T>(s.momentum);
    const T alpha = static_cast<T>(f.alpha);
    const auto merge = [&](auto at, Size j) PYNN_APART {
        const Moments<T> all(at, means.get(), squares.get(), n, c, j);
        const Vec<T> unbiased = all.squares / (rows - 1);
        at.store(mean + j, all.mean);
        const Vec<T> root = T(1) / sqrt(all.squares / rows + epsilon), one = broadcast(T(1));
        at.store(rstd + j, root);
        move_towards(at, running_mean + j, all.mean, unbiased, keep);
        move_towards(at, running_var + j, unbiased, all.mean, keep);
        if (largest_lane<T>((root > Vec<T>{}) & (root < kLargeRoot<T>) ? Vec<T>{} : one) > 0)
            repair(x, static_cast<double>(epsilon), keep, running_mean, running_var, mean, rstd, n, c, j,
                   smaller(c, j + kLanes<T>));
    };
    with_function(f.function, [&](auto chosen) {
        const auto apply = [&](auto strip, auto at, Size begin, Size end, Size j) PYNN_APART {
            const Normalizer<T, decltype(strip)::vectors> columns(at, mean, rstd, gamma, beta, j);
            const Size place = begin * c + j;
            normalize<decltype(chosen)::function>(at, columns, x + place, alpha, out + place, c, end - begin);
        };
        over_columns<T, kStripVectors<decltype(chosen)::function>>(
            n, c, 4, Order::forward, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
                constexpr int V = decltype(strip)::vectors;
                Vec<T> middle[V], deviations[V];
                run_moments<T, V>(at, x + begin * c + j, c, end - begin, middle, deviations);
                unroll<V>([&](auto v) PYNN_INLINE {
                    const Size k = j + v * kLanes<T>;
                    at.store(means.get() + run * c + k, middle[v]);
                    at.store(squares.get() + run * c + k, deviations[v]);
                    if (one_run) merge(at, k);
                });
                if (one_run) apply(strip, at, begin, end, j);  // while the strip is in cache
            });
        if (one_run) return;
        each_vector<T>(0, c, merge);
        over_columns<T, kStripVectors<decltype(chosen)::function>>(
            n, c, 4, Order::backward,
            [&](auto strip, auto at, Size, Size begin, Size end, Size j) { apply(strip, at, begin, end, j); });
    });
}

// Gradients of a strip's columns: sums over the rows of dz, the gradient before the activation, and of dz times the
// normalized x.
template <class T>
struct ColumnSums {
    Size c;
    Scratch<T> sums, products;

    ColumnSums(Size runs, Size c) : c(c), sums(runs * c), products(runs * c) {}

    template <Function F, int V, class Access>
    PYNN_INLINE void take(Access at, const Normalizer<T, V>& columns, const T* dy, const T* x, T alpha, Size run,
                          Size rows, Size j) const {
        Vec<T> sum[V] = {}, product[V] = {};
        for (Size i = 0; i < rows; ++i)
            unroll<V>([&](auto v) PYNN_INLINE {
                const Size place = i * c + v * kLanes<T>;
                const Vec<T> value = at.load(x + place);
                const Vec<T> dz = columns.template dz<F>(v, value, at.load(dy + place), alpha);
                sum[v] += dz;
                product[v] += dz * (value - columns.mean[v]);
            });
        unroll<V>([&](auto v) PYNN_INLINE {
            at.store(sums.get() + run * c + j + v * kLanes<T>, sum[v]);
            at.store(products.get() + run * c + j + v * kLanes<T>, product[v] * columns.rstd[v]);
        });
    }

    template <class Access>
    void merge(Access at, Size runs, Size j, T* dgamma, T* dbeta) const {
        Vec<T> sum = {}, product = {};
        for (Size run = 0; run < runs; ++run) {
            sum += at.load(sums.get() + run * c + j);
            product += at.load(products.get() + run * c + j);
        }
        at.store(dbeta + j, sum);
        at.store(dgamma + j, product);
    }
};

// dx = gamma rstd (dz - dbeta / n - xhat dgamma / n) for one strip of one run of rows.
template <Function F, class T, int V, class Access>
PYNN_INLINE inline void input_gradient(Access at, const Normalizer<T, V>& columns, const T* dy, const T* x,
                                       const T* dgamma, const T* dbeta, T share, T alpha, T* dx, Size c, Size rows) {
    Vec<T> mean_dz[V], mean_dz_xhat[V];  // the second times rstd
    unroll<V>([&](auto v) PYNN_INLINE {
        mean_dz[v] = at.load(dbeta + v * kLanes<T>) * share;
        mean_dz_xhat[v] = at.load(dgamma + v * kLanes<T>) * share * columns.rstd[v];
    });
    for (Size i = 0; i < rows; ++i)
        unroll<V>([&](auto v) PYNN_INLINE {
            const Size place = i * c + v * kLanes<T>;
            const Vec<T> value = at.load(x + place);
            const Vec<T> dz = columns.template dz<F>(v, value, at.load(dy + place), alpha);
            at.store(dx + place, columns.scale[v] * (dz - mean_dz[v] - (value - columns.mean[v]) * mean_dz_xhat[v]));
        });
}

template <class T>
void backward(const T* dy, const T* x, const T* gamma, const T* beta, const T* mean, const T* rstd, Activation f, T* dx,
              T* dgamma, T* dbeta, Size n, Size c) {
    const T alpha = static_cast<T>(f.alpha), share = T(1) / static_cast<T>(n);
    const Size runs = ceil_div(n, kRowRun);
    const bool one_run = runs == 1;
    const ColumnSums<T> totals(runs, c);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        const auto apply = [&](auto strip, auto at, Size begin, Size end, Size j) PYNN_APART {
            const Normalizer<T, decltype(strip)::vectors> columns(at, mean, rstd, gamma, beta, j);
            const Size place = begin * c + j;
            input_gradient<F>(at, columns, dy + place, x + place, dgamma + j, dbeta + j, share, alpha, dx + place, c,
                              end - begin);
        };
        over_columns<T, kStripVectors<decltype(chosen)::function>>(
            n, c, 4, Order::forward, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
                constexpr int V = decltype(strip)::vectors;
                const Normalizer<T, V> columns(at, mean, rstd, gamma, beta, j);
                const Size place = begin * c + j;
                totals.template take<F>(at, columns, dy + place, x + place, alpha, run, end - begin, j);
                if (!one_run) return;
                unroll<V>([&](auto v) PYNN_INLINE { totals.merge(at, runs, j + v * kLanes<T>, dgamma, dbeta); });
                if (dx) apply(strip, at, begin, end, j);  // while the strip is in cache
            });
        if (one_run) return;
        each_vector<T>(0, c, [&](auto at, Size j) { totals.merge(at, runs, j, dgamma, dbeta); });
        if (dx == nullptr) return;
        over_columns<T, kStripVectors<decltype(chosen)::function>>(
            n, c, 4, Order::backward,
            [&](auto strip, auto at, Size, Size begin, Size end, Size j) { apply(strip, at, begin, end, j); });
    });
}

// Between these, products of a column's numbers and gradients stay far from the ends of T.
template <class T>
constexpr T kFarRoot = sizeof(T) == 4 ? T(0x1p64) : T(0x1p512);

// The gradients by way of a copy of x, each column in a unit of about its size: a power of two.
template <class T>
PYNN_COLD void backward_in_units(const T* dy, const T* x, const T* gamma, const T* beta, const T* mean, const T* rstd,
                                 Activation f, T* dx, T* dgamma, T* dbeta, Size n, Size c) {
    constexpr T by = sizeof(T) == 4 ? T(0x1p96) : T(0x1p768);
    const Scratch<T> copy(n * c), means(c), roots(c), units(c);
    const auto scale = [&](const T* from, T* to) {
        for (Size i = 0; i < n; ++i)
            for (Size j = 0; j < c; ++j) to[i * c + j] = from[i * c + j] * units.get()[j];
    };
    for (Size j = 0; j < c; ++j) {
        const T root = rstd[j] < 0 ? -rstd[j] : rstd[j];
        const T unit = root > kFarRoot<T> ? by : root < 1 / kFarRoot<T> ? 1 / by : T(1);
        units.get()[j] = unit;
        means.get()[j] = mean[j] * unit;
        roots.get()[j] = rstd[j] / unit;
    }
    scale(x, copy.get());
    backward<T>(dy, copy.get(), gamma, beta, means.get(), roots.get(), f, dx, dgamma, dbeta, n, c);
    if (dx) scale(dx, dx);
}

template <class T>
void batchnorm_backward(const T* dy, const T* x, const T* gamma, const T* beta, const T* mean, const T* rstd,
                        Activation f, T* dx, T* dgamma, T* dbeta, Size n, Size c) {
    Vec<T> far = {};
    each_vector<T>(0, c, [&, one = broadcast(T(1))](auto at, Size j) {
        const Vec<T> given = at.load(rstd + j, T(1)), root = given < Vec<T>{} ? -given : given;
        far = (root < kFarRoot<T>)&(root > 1 / kFarRoot<T>) ? far : one;
    });
    (largest_lane<T>(far) > 0 ? backward_in_units<T> : backward<T>)(dy, x, gamma, beta, mean, rstd, f, dx, dgamma,
                                                                    dbeta, n, c);
}

template <class T>
void reciprocal_roots(const T* var, double epsilon, T* rstd, Size c) {
    const T eps = not_vanished<T>(epsilon);
    each_vector<T>(0, c, [&](auto at, Size j) { at.store(rstd + j, T(1) / sqrt(at.load(var + j) + eps)); });
}

template <class T>
void batchnorm_inference(const T* x, const T* gamma, const T* beta, const T* mean, const T* var, double epsilon,
                         Activation f, T* out, Size n, Size c) {
    const T alpha = static_cast<T>(f.alpha);
    Scratch<T> rstd(c);
    reciprocal_roots(var, epsilon, rstd.get(), c);
    with_function(f.function, [&](auto chosen) {
        over_columns<T, kStripVectors<decltype(chosen)::function>>(
            n, c, 4, Order::forward, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
                const Normalizer<T, decltype(strip)::vectors> columns(at, mean, rstd.get(), gamma, beta, j);
                const Size place = begin * c + j;
                normalize<decltype(chosen)::function>(at, columns, x + place, alpha, out + place, c, end - begin);
            });
    });
}

// dx = dz gamma rstd: given statistics do not depend on x.
template <class T>
void batchnorm_inference_backward(const T* dy, const T* x, const T* gamma, const T* beta, const T* mean, const T* var,
                                  double epsilon, Activation f, T* dx, Size n, Size c) {
    const T alpha = static_cast<T>(f.alpha);
    Scratch<T> rstd(c);
    reciprocal_roots(var, epsilon, rstd.get(), c);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        over_columns<T, kStripVectors<decltype(chosen)::function>>(
            n, c, 4, Order::forward, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
                constexpr int V = decltype(strip)::vectors;
                const Normalizer<T, V> columns(at, mean, rstd.get(), gamma, beta, j);
                for (Size i = begin; i < end; ++i)
                    unroll<V>([&](auto v) PYNN_INLINE {
                        const Size place = i * c + j + v * kLanes<T>;
                        const Vec<T> dz = columns.template dz<F>(v, at.load(x + place), at.load(dy + place), alpha);
                        at.store(dx + place, dz * columns.scale[v]);
                    });
            });
    });
}

}  // namespace

template <class T>
void fill_batchnorm(Table<T>& table) {
    table.batchnorm_forward = batchnorm_forward<T>;
    table.batchnorm_backward = batchnorm_backward<T>;
    table.batchnorm_inference = batchnorm_inference<T>;
    table.batchnorm_inference_backward = batchnorm_inference_backward<T>;
}
template void fill_batchnorm(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
