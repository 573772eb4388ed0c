// Batch normalization of (N, C) with a fused activation; images come as (N H W, C).
// Statistics are taken by runs of rows that stay in cache and merged in the order of the runs.
#include "activation.h"
#include "columns.h"
#include "families.h"

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
    // x - x is 0 for finite x alone: one bad batch shall not spoil the statistics for good
    at.store(running, (moved - moved) + (other - other) == Vec<T>{} ? moved : old);
}

template <class T>
void batchnorm_forward(const T* x, const T* gamma, const T* beta, BatchNormState s, T* running_mean, T* running_var,
                       Activation f, T* mean, T* rstd, T* out, Size n, Size c) {
    const Size runs = ceil_div(n, kRowRun);
    Scratch<T> means(runs * c), squares(runs * c);
    over_columns<T>(n, c, 2, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
        constexpr int V = decltype(strip)::vectors;
        Vec<T> origin[V], middle[V], sum[V] = {}, deviations[V] = {};
        // exact for a constant column, small sums for a large mean
        for (int v = 0; v < V; ++v) origin[v] = at.load(x + begin * c + j + v * kLanes<T>);
        for (Size i = begin; i < end; ++i)
            for (int v = 0; v < V; ++v) sum[v] += at.load(x + i * c + j + v * kLanes<T>) - origin[v];
        for (int v = 0; v < V; ++v) middle[v] = origin[v] + sum[v] / static_cast<T>(end - begin);
        for (Size i = begin; i < end; ++i)
            for (int v = 0; v < V; ++v) {
                const Vec<T> d = at.load(x + i * c + j + v * kLanes<T>) - middle[v];
                deviations[v] += d * d;
            }
        for (int v = 0; v < V; ++v) {
            at.store(means.get() + run * c + j + v * kLanes<T>, middle[v]);
            at.store(squares.get() + run * c + j + v * kLanes<T>, deviations[v]);
        }
    });
    const T rows = static_cast<T>(n), epsilon = static_cast<T>(s.epsilon), keep = static_cast<T>(s.momentum);
    each_vector<T>(0, c, [&](auto at, Size j) {
        const Moments<T> all(at, means.get(), squares.get(), n, c, j);
        const Vec<T> unbiased = all.squares / (rows - 1);
        at.store(mean + j, all.mean);
        at.store(rstd + j, T(1) / sqrt(all.squares / rows + epsilon));
        move_towards(at, running_mean + j, all.mean, unbiased, keep);
        move_towards(at, running_var + j, unbiased, all.mean, keep);
    });
    const T alpha = static_cast<T>(f.alpha);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        over_columns<T>(n, c, 4, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
            constexpr int V = decltype(strip)::vectors;
            Vec<T> scale[V], m[V], b[V];
            for (int v = 0; v < V; ++v) {
                const Size k = j + v * kLanes<T>;
                scale[v] = at.load(gamma + k) * at.load(rstd + k);
                m[v] = at.load(mean + k);
                b[v] = at.load(beta + k);
            }
            for (Size i = begin; i < end; ++i)
                for (int v = 0; v < V; ++v) {
                    const Size place = i * c + j + v * kLanes<T>;
                    at.store(out + place, activate<F, T>((at.load(x + place) - m[v]) * scale[v] + b[v], alpha));
                }
        });
    });
}

template <class T>
void batchnorm_backward(const T* dy, const T* x, const T* gamma, const T* mean, const T* rstd, const T* y, Activation f,
                        T* dx, T* dgamma, T* dbeta, Size n, Size c) {
    const T alpha = static_cast<T>(f.alpha);
    const Size runs = ceil_div(n, kRowRun);
    Scratch<T> sums(runs * c), products(runs * c);
    Scratch<T> mean_dz(c), mean_product(c);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        over_columns<T>(n, c, 2, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
            constexpr int V = decltype(strip)::vectors;
            Vec<T> m[V], r[V], sum[V] = {}, product[V] = {};
            for (int v = 0; v < V; ++v) {
                m[v] = at.load(mean + j + v * kLanes<T>);
                r[v] = at.load(rstd + j + v * kLanes<T>);
            }
            for (Size i = begin; i < end; ++i)
                for (int v = 0; v < V; ++v) {
                    const Size place = i * c + j + v * kLanes<T>;
                    const Vec<T> dz = through_activation<F, T>(at.load(dy + place), at.load(y + place), alpha);
                    sum[v] += dz;
                    product[v] += dz * ((at.load(x + place) - m[v]) * r[v]);
                }
            for (int v = 0; v < V; ++v) {
                at.store(sums.get() + run * c + j + v * kLanes<T>, sum[v]);
                at.store(products.get() + run * c + j + v * kLanes<T>, product[v]);
            }
        });
        each_vector<T>(0, c, [&](auto at, Size j) {
            Vec<T> sum = {}, product = {};
            for (Size run = 0; run < runs; ++run) {
                sum += at.load(sums.get() + run * c + j);
                product += at.load(products.get() + run * c + j);
            }
            at.store(dbeta + j, sum);
            at.store(dgamma + j, product);
            at.store(mean_dz.get() + j, sum / static_cast<T>(n));
            at.store(mean_product.get() + j, product / static_cast<T>(n));
        });
        if (dx == nullptr) return;
        over_columns<T>(n, c, 4, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
            constexpr int V = decltype(strip)::vectors;
            Vec<T> m[V], r[V], scale[V], a[V], b[V];
            for (int v = 0; v < V; ++v) {
                const Size k = j + v * kLanes<T>;
                m[v] = at.load(mean + k);
                r[v] = at.load(rstd + k);
                scale[v] = at.load(gamma + k) * r[v];
                a[v] = at.load(mean_dz.get() + k);
                b[v] = at.load(mean_product.get() + k);
            }
            for (Size i = begin; i < end; ++i)
                for (int v = 0; v < V; ++v) {
                    const Size place = i * c + j + v * kLanes<T>;
                    const Vec<T> dz = through_activation<F, T>(at.load(dy + place), at.load(y + place), alpha);
                    at.store(dx + place, scale[v] * (dz - a[v] - (at.load(x + place) - m[v]) * r[v] * b[v]));
                }
        });
    });
}

template <class T>
void batchnorm_inference(const T* x, const T* gamma, const T* beta, const T* mean, const T* var, double epsilon,
                         Activation f, T* out, Size n, Size c) {
    const T alpha = static_cast<T>(f.alpha), eps = static_cast<T>(epsilon);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        over_columns<T>(n, c, 4, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
            constexpr int V = decltype(strip)::vectors;
            Vec<T> scale[V], m[V], b[V];
            for (int v = 0; v < V; ++v) {
                const Size k = j + v * kLanes<T>;
                scale[v] = at.load(gamma + k) / sqrt(at.load(var + k) + eps);
                m[v] = at.load(mean + k);
                b[v] = at.load(beta + k);
            }
            for (Size i = begin; i < end; ++i)
                for (int v = 0; v < V; ++v) {
                    const Size place = i * c + j + v * kLanes<T>;
                    at.store(out + place, activate<F, T>((at.load(x + place) - m[v]) * scale[v] + b[v], alpha));
                }
        });
    });
}

}  // namespace

template <class T>
void fill_batchnorm(Table<T>& table) {
    table.batchnorm_forward = batchnorm_forward<T>;
    table.batchnorm_backward = batchnorm_backward<T>;
    table.batchnorm_inference = batchnorm_inference<T>;
}
template void fill_batchnorm(Table<float>&);
template void fill_batchnorm(Table<double>&);

}  // namespace pynn::PYNN_LEVEL
