// Softmax and softmax cross-entropy by rows.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kCost = 8;  // of one element, in multiply-adds

Size rows_of_run(Size c) {
    const Size rows = 4096 / (c > 0 ? c : 1);
    return rows > 0 ? rows : 1;
}

template <class T>
struct RowSum {
    T top;       // largest logit
    double sum;  // of e^(x - top), which stand in out
};

template <class T>
RowSum<T> exponentials(const T* x, T* out, Size c) {
    Vec<T> tops = broadcast(x[0]);
    each_vector<T>(0, c, [&](auto at, Size j) { tops = largest<T>(tops, at.load(x + j, x[0])); });
    const T top = largest_lane<T>(tops);
    Vec<T> sum = {};
    each_vector<T>(0, c, [&](auto at, Size j) { at.store(out + j, exp(at.load(x + j) - top)); });
    each_vector<T>(0, c, [&](auto at, Size j) { sum += at.load(out + j); });
    return {top, sum_lanes<T>(sum)};
}

template <class T>
void softmax(const T* x, T* out, Size n, Size c) {
    if (c == 0) return;
    parallel_runs(n, rows_of_run(c), kCost * static_cast<double>(n * c), [&](Size begin, Size end) {
        for (Size i = begin; i < end; ++i) {
            T* row = out + i * c;
            const T scale = static_cast<T>(1 / exponentials(x + i * c, row, c).sum);
            each_vector<T>(0, c, [&](auto at, Size j) { at.store(row + j, at.load(row + j) * scale); });
        }
    });
}

// Losses of runs are added in the order of the runs.
template <class T>
double softmax_cross_entropy(const T* logits, const std::int64_t* labels, T* dlogits, Size n, Size c) {
    const Size rows = rows_of_run(c), runs = ceil_div(n, rows);
    Scratch<double> losses(runs);
    const double share = 1.0 / static_cast<double>(n);
    parallel(runs, kCost * static_cast<double>(n * c), [&](Size run) {
        double loss = 0;
        for (Size i = run * rows; i < smaller(n, (run + 1) * rows); ++i) {
            T* row = dlogits + i * c;
            const Size label = static_cast<Size>(labels[i]);
            const RowSum<T> e = exponentials(logits + i * c, row, c);
            loss += __builtin_log(e.sum) - static_cast<double>(logits[i * c + label] - e.top);
            const T scale = static_cast<T>(share / e.sum);
            each_vector<T>(0, c, [&](auto at, Size j) { at.store(row + j, at.load(row + j) * scale); });
            row[label] -= static_cast<T>(share);
        }
        losses.get()[run] = loss;
    });
    double total = 0;
    for (Size run = 0; run < runs; ++run) total += losses.get()[run];
    return total * share;
}

}  // namespace

template <class T>
void fill_loss(Table<T>& table) {
    table.softmax = softmax<T>;
    table.softmax_cross_entropy = softmax_cross_entropy<T>;
}
template void fill_loss(Table<float>&);
template void fill_loss(Table<double>&);

}  // namespace pynn::PYNN_LEVEL
