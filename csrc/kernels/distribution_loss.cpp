// Losses of outputs that describe the distribution of a target: its quantiles, or its mean and variance.
#include "families.h"
#include "loss.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kCost = 8;  // of one output, in multiply-adds
constexpr Size kRun = 4096;  // outputs of a piece of work

// The mean over rows of row(i, scale), times their weights; scale: what the gradient of a row is multiplied by.
template <class T, class F>
double mean_of_rows(const T* weights, Size n, Size m, F row) {
    const Size rows = larger(1, kRun / m);
    const double share = 1.0 / static_cast<double>(n);
    const Loss total = sum_of_runs(ceil_div(n, rows), kCost * static_cast<double>(n * m), [&](Size run) {
        double loss = 0;
        for (Size i = run * rows; i < smaller(n, (run + 1) * rows); ++i) {
            const double weight = weights ? static_cast<double>(weights[i]) : 1.0;
            loss += weight * row(i, weight * share);
        }
        return Loss{loss, 0};
    });
    return total.value * share;
}

// Error d = target - output costs level * d above 0, (level - 1) * d below.
template <class T>
double pinball(const T* outputs, const T* targets, const T* levels, const T* weights, T* doutputs, Size n, Size m,
               Size q) {
    return mean_of_rows(weights, n, m, [&](Size i, double scale) {
        const T share = static_cast<T>(scale);
        double loss = 0;
        for (Size target = 0; target < m / q; ++target) {
            const T y = targets[i * (m / q) + target];
            const T* f = outputs + i * m + target * q;
            T* slope = doutputs + i * m + target * q;
            for (Size j = 0; j < q; ++j) {
                const T d = y - f[j];
                // Without branches, which random signs would mislead.
                const T pull = static_cast<T>(d != 0) * (static_cast<T>(d < 0) - levels[j]);
                loss -= static_cast<double>(pull * d);
                slope[j] = (pull + (d - d)) * share;  // keeps NaN
            }
        }
        return loss;
    });
}

// Half of s + (y - mean)^2 / e^s; s is held within the limits, and its gradient there never points outwards.
constexpr double kLeast = -30, kGreatest = 60;

template <class T>
double gaussian_nll(const T* outputs, const T* targets, const T* weights, T* doutputs, Size n, Size m) {
    const Size half = m / 2;
    return mean_of_rows(weights, n, m, [&](Size i, double scale) {
        const T *mean = outputs + i * m, *log_variance = mean + half, *y = targets + i * half;
        T *dmean = doutputs + i * m, *dlog_variance = dmean + half;
        double loss = 0;
        for (Size j = 0; j < half; ++j) {
            const double s = static_cast<double>(log_variance[j]), d = static_cast<double>(y[j] - mean[j]);
            const double held = s < kLeast ? kLeast : (s > kGreatest ? kGreatest : s);  // keeps NaN
            const double precision = __builtin_exp(-held), ratio = d * d * precision;
            const double slope = 0.5 * (1 - ratio);
            const bool outwards = (s < kLeast && slope > 0) || (s > kGreatest && slope < 0);
            loss += static_cast<double>(static_cast<T>(0.5 * (held + ratio)));  // what T cannot hold is infinite
            dmean[j] = static_cast<T>(-d * precision * scale);
            dlog_variance[j] = outwards ? T(0) : static_cast<T>(slope * scale);
        }
        return loss;
    });
}

}  // namespace

template <class T>
void fill_distribution_loss(Table<T>& table) {
    table.pinball = pinball<T>;
    table.gaussian_nll = gaussian_nll<T>;
}
template void fill_distribution_loss(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
