// Batch normalization of (N, C) with a fused activation; images come as (N H W, C).
// Statistics are taken by runs of rows that stay in cache and merged in double, in the order of the runs.
#include "activation.h"
#include "columns.h"
#include "families.h"

namespace pynn::PYNN_LEVEL {
namespace {

// Chan's formula: mean and sum of squared deviations of two parts, from those of each.
struct Moments {
    double count = 0, mean = 0, squares = 0;
    void add(double n, double m, double s) {
        const double delta = m - mean, total = count + n;
        mean += delta * n / total;
        squares += s + delta * delta * count * n / total;
        count = total;
    }
};

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
    const double rows = static_cast<double>(n);
    for (Size j = 0; j < c; ++j) {
        Moments all;
        for (Size run = 0; run < runs; ++run) {
            const Size count = smaller(n, (run + 1) * kRowRun) - run * kRowRun;
            all.add(static_cast<double>(count), static_cast<double>(means.get()[run * c + j]),
                    static_cast<double>(squares.get()[run * c + j]));
        }
        const double take = 1 - s.momentum;
        mean[j] = static_cast<T>(all.mean);
        rstd[j] = static_cast<T>(1 / __builtin_sqrt(all.squares / rows + s.epsilon));
        const T m = static_cast<T>(s.momentum * static_cast<double>(running_mean[j]) + take * all.mean);
        const T v = static_cast<T>(s.momentum * static_cast<double>(running_var[j]) + take * all.squares / (rows - 1));
        if (__builtin_isfinite(m) && __builtin_isfinite(v)) {  // one bad batch shall not spoil them for good
            running_mean[j] = m;
            running_var[j] = v;
        }
    }
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
        for (Size j = 0; j < c; ++j) {
            double sum = 0, product = 0;
            for (Size run = 0; run < runs; ++run) {
                sum += static_cast<double>(sums.get()[run * c + j]);
                product += static_cast<double>(products.get()[run * c + j]);
            }
            dbeta[j] = static_cast<T>(sum);
            dgamma[j] = static_cast<T>(product);
            mean_dz.get()[j] = static_cast<T>(sum / static_cast<double>(n));
            mean_product.get()[j] = static_cast<T>(product / static_cast<double>(n));
        }
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
