// Softmax by rows, and the losses of its logarithm.
//
// Rows of few columns are taken a vector's worth at a time and transposed, so that each lane works on a row of its own;
// a longer row has the vectors for itself.
#include "loss.h"

#include "families.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kCost = 8;    // of one element, in multiply-adds
constexpr Size kNarrow = 256;  // columns up to which rows are transposed
constexpr Size kAhead = 512;   // elements
constexpr Size kMostLanes = 16;

template <class T>
constexpr T kLowest = -std::numeric_limits<T>::infinity();

// Rows of a piece of work: whole groups of lanes where they are transposed.
Size rows_of_run(Size c) {
    const Size rows = larger(1, 4096 / larger(1, c));
    return c <= kNarrow ? ceil_div(rows, kMostLanes) * kMostLanes : rows;
}

// columns(c, lanes) = up to lanes rows of x(rows, c); lanes without a row repeat the last one.
template <class T>
void load_columns(const T* x, Size rows, Size c, T* columns) {
    constexpr Size L = kLanes<T>;
    each_vector<T>(0, c, [&](auto at, Size j) {
        Vec<T> square[L];
        for (Size i = 0; i < L; ++i) square[i] = at.load(x + smaller(i, rows - 1) * c + j);
        transpose<T>(square);
        for (Size i = 0; i < smaller(L, c - j); ++i) store(columns + (j + i) * L, square[i]);
    });
}

template <class T>
void store_columns(const T* columns, T* x, Size rows, Size c) {
    constexpr Size L = kLanes<T>;
    each_vector<T>(0, c, [&](auto at, Size j) {
        Vec<T> square[L];
        for (Size i = 0; i < L; ++i) square[i] = load(columns + smaller(j + i, c - 1) * L);
        transpose<T>(square);
        for (Size i = 0; i < smaller(L, rows); ++i) at.store(x + i * c + j, square[i]);
    });
}

// Of up to kMostLanes rows: the largest logit, and the logarithm of the sum of e^(x - top). Apart, since their sum
// would round away what a loss near 0 consists of.
template <class T>
struct RowSums {
    T top[kMostLanes], log_sum[kMostLanes];
};

// out = scale softmax(x) over up to lanes rows of few columns.
template <class T>
void narrow_softmax(const T* x, T scale, T* out, RowSums<T>& sums, Size rows, Size c) {
    constexpr Size L = kLanes<T>;
    alignas(64) T columns[kNarrow * L];
    load_columns(x, rows, c, columns);
    Vec<T> top = broadcast(kLowest<T>), sum = {};
    for (Size j = 0; j < c; ++j) top = largest<T>(top, load(columns + j * L));
    for (Size j = 0; j < c; ++j) {
        const Vec<T> e = exp(load(columns + j * L) - top);
        sum += e;
        store(columns + j * L, e);
    }
    const Vec<T> factor = broadcast(scale) / sum;
    for (Size j = 0; j < c; ++j) store(columns + j * L, load(columns + j * L) * factor);
    store_columns(columns, out, rows, c);
    store(sums.top, top);
    store(sums.log_sum, log(sum));
}

// The same for one row of many columns.
template <class T>
void wide_softmax(const T* x, T scale, T* out, RowSums<T>& row, Size c) {
    Vec<T> tops = broadcast(kLowest<T>), sums = {};
    each_vector<T>(0, c, [&](auto at, Size j) { tops = largest<T>(tops, at.load(x + j, kLowest<T>)); });
    const T top = largest_lane<T>(tops);
    each_vector<T>(0, c, [&](auto at, Size j) {
        __builtin_prefetch(out + j + kAhead, 1);
        const Vec<T> e = exp(at.load(x + j, kLowest<T>) - top);
        sums += e;
        at.store(out + j, e);
    });
    const double sum = sum_lanes<T>(sums);
    const T factor = static_cast<T>(static_cast<double>(scale) / sum);
    each_vector<T>(0, c, [&](auto at, Size j) { at.store(out + j, at.load(out + j) * factor); });
    row.top[0] = top;
    row.log_sum[0] = static_cast<T>(__builtin_log(sum));
}

// out = scale softmax(x) for `rows` rows; after every few of them then(first row, number, their sums).
template <class T, class F>
void softmax_rows(const T* x, T scale, T* out, Size rows, Size c, F then) {
    const Size step = c <= kNarrow ? kLanes<T> : 1;
    for (Size i = 0; i < rows; i += step) {
        RowSums<T> sums;
        const Size count = smaller(step, rows - i);
        if (c <= kNarrow)
            narrow_softmax(x + i * c, scale, out + i * c, sums, count, c);
        else
            wide_softmax(x + i * c, scale, out + i * c, sums, c);
        then(i, count, sums);
    }
}

template <class T>
void softmax(const T* x, T* out, Size n, Size c) {
    if (c == 0) return;
    parallel_runs(n, rows_of_run(c), kCost * static_cast<double>(n * c), [&](Size begin, Size end) {
        softmax_rows(x + begin * c, T(1), out + begin * c, end - begin, c, [](Size, Size, const RowSums<T>&) {});
    });
}

template <class T>
void softmax_backward(const T* dy, const T* y, T* dx, Size n, Size c) {
    const Size rows = larger(1, 4096 / larger(1, c));
    parallel_runs(n, rows, 2 * static_cast<double>(n * c), [&](Size begin, Size end) {
        for (Size i = begin; i < end; ++i) {
            const T *d = dy + i * c, *p = y + i * c;
            T* to = dx + i * c;
            Vec<T> products = {};
            each_vector<T>(0, c, [&](auto at, Size j) { products += at.load(d + j) * at.load(p + j); });
            const T mean = static_cast<T>(sum_lanes<T>(products));
            each_vector<T>(0, c, [&](auto at, Size j) { at.store(to + j, at.load(p + j) * (at.load(d + j) - mean)); });
        }
    });
}

// Means over rows of row_loss(row, logarithm of the sum, top), which finds softmax / n of the row in dlogits and turns
// it into the gradient; the hits are summed.
template <class T, class F>
Loss mean_loss(const T* logits, T* dlogits, Size n, Size c, F row_loss) {
    const Size rows = rows_of_run(c);
    const double share = 1.0 / static_cast<double>(n);
    Loss mean = sum_of_runs(ceil_div(n, rows), kCost * static_cast<double>(n * c), [&](Size run) {
        Loss total = {0, 0};
        const Size begin = run * rows, end = smaller(n, begin + rows);
        const auto add_losses = [&](Size first, Size count, const RowSums<T>& sums) {
            for (Size i = 0; i < count; ++i) {
                const Loss row = row_loss(begin + first + i, sums.log_sum[i], sums.top[i]);
                total.value += row.value;
                total.hits += row.hits;
            }
        };
        softmax_rows(logits + begin * c, static_cast<T>(share), dlogits + begin * c, end - begin, c, add_losses);
        return total;
    });
    mean.value *= share;
    return mean;
}

// The hits of a row whose label's logit is `below` the top: a full argmax only if the label ties the maximum.
template <class T>
double hits(const T* row, Size label, Size c, T below, double weight) {
    return !(below > 0) && is_hit(row, label, c) ? weight : 0.0;
}

// d = factor (d - shift)
template <class T>
void shift_and_scale(T* d, T shift, T factor, Size c) {
    each_vector<T>(0, c, [&](auto at, Size j) { at.store(d + j, (at.load(d + j) - shift) * factor); });
}

template <class T>
double mean_below(const T* x, T top, Size c) {
    Vec<T> sums = {};
    each_vector<T>(0, c, [&](auto at, Size j) { sums += top - at.load(x + j, top); });
    return sum_lanes<T>(sums) / static_cast<double>(c);
}

template <class T>
Loss softmax_cross_entropy(const T* logits, const std::int64_t* labels, const T* weights, double smoothing, T* dlogits,
                           Size n, Size c) {
    const double share = 1.0 / static_cast<double>(n);
    const auto plain = [&](Size row, T log_sum, T top) {
        const Size label = static_cast<Size>(labels[row]);
        const T below = top - logits[row * c + label];
        dlogits[row * c + label] -= static_cast<T>(share);
        return Loss{static_cast<double>(log_sum) + static_cast<double>(below),
                    hits(logits + row * c, label, c, below, 1)};
    };
    if (!weights && smoothing == 0) return mean_loss(logits, dlogits, n, c, plain);
    const T others = static_cast<T>(smoothing / static_cast<double>(c) * share);
    return mean_loss(logits, dlogits, n, c, [&](Size row, T log_sum, T top) {
        const T* x = logits + row * c;
        const Size label = static_cast<Size>(labels[row]);
        const T weight = weights ? weights[row] : T(1), below = top - x[label];
        shift_and_scale(dlogits + row * c, others, weight, c);
        dlogits[row * c + label] -= static_cast<T>((1 - smoothing) * share) * weight;
        double mixed = (1 - smoothing) * static_cast<double>(below);
        if (smoothing > 0) mixed += smoothing * mean_below(x, top, c);
        const double w = static_cast<double>(weight);
        return Loss{w * (static_cast<double>(log_sum) + mixed), hits(x, label, c, below, w)};
    });
}

// The gradient of (1 - p)^gamma -log p is that of -log p times (1 - p)^gamma + gamma p (1 - p)^(gamma - 1) -log p.
template <class T>
Loss focal(const T* logits, const std::int64_t* labels, const T* weights, double gamma, T* dlogits, Size n, Size c) {
    const T share = static_cast<T>(1.0 / static_cast<double>(n));
    return mean_loss(logits, dlogits, n, c, [&](Size row, T log_sum, T top) {
        const Size label = static_cast<Size>(labels[row]);
        const T below = top - logits[row * c + label];
        const double weight = weights ? static_cast<double>(weights[row]) : 1.0;
        const double loss = static_cast<double>(log_sum) + static_cast<double>(below);
        const double rest = -__builtin_expm1(-loss);  // 1 - p, also where p is nearly 1
        const double power = weight * __builtin_pow(rest, gamma), ratio = rest == 0 ? 1.0 : loss / rest;
        const T factor = static_cast<T>(power * (1 + gamma * (1 - rest) * ratio));
        shift_and_scale(dlogits + row * c, T(0), factor, c);
        dlogits[row * c + label] -= share * factor;
        return Loss{power * loss, hits(logits + row * c, label, c, below, weight)};
    });
}

}  // namespace

template <class T>
void fill_softmax(Table<T>& table) {
    table.softmax = softmax<T>;
    table.softmax_backward = softmax_backward<T>;
    table.softmax_cross_entropy = softmax_cross_entropy<T>;
    table.focal = focal<T>;
}
template void fill_softmax(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
