// Multiclass hinge losses (Weston-Watkins), plain and squared.
#include "families.h"
#include "loss.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kCost = 4;  // of one element, in multiply-adds

// The value with 0 in the lanes that fill up a vector, by way of memory that is free.
template <class T>
inline Vec<T> without_fill(Full, Vec<T> value, T*) {
    return value;
}
template <class T>
inline Vec<T> without_fill(Masked at, Vec<T> value, T* place) {
    at.store(place, value);
    return at.load(place);
}

// d = scale times the gradient of the sum over j != label of max(0, f_j - f_label + margin), or of its squares; returns
// the sum. A NaN stays one.
template <bool Squared, class T>
double row_hinge(const T* f, Size label, T margin, T scale, T* d, Size c) {
    const T own = f[label];
    const bool finite = own - own == 0;
    Vec<T> losses = {}, pulls = {};
    const auto side = [&](Size begin, Size end) {
        each_vector<T>(begin, end, [&](auto at, Size j) {
            const Vec<T> m = (at.load(f + j, -std::numeric_limits<T>::infinity()) - own) + margin;
            Vec<T> over = m <= 0 ? Vec<T>{} : m;
            if (!finite) over = without_fill<T>(at, over, d + j);  // padding lanes of -inf would give NaN
            const Vec<T> pull = Squared ? over + over : (over > 0 ? broadcast(T(1)) : over);
            losses += Squared ? over * over : over;
            pulls += pull;
            at.store(d + j, pull * scale);
        });
    };
    side(0, label);
    side(label + 1, c);
    d[label] = -static_cast<T>(sum_lanes<T>(pulls)) * scale;
    return sum_lanes<T>(losses);
}

template <bool Squared, class T>
Loss mean_hinge(const T* scores, const std::int64_t* labels, const T* weights, T margin, T* dscores, Size n, Size c) {
    const Size rows = larger(1, 4096 / c);
    const double share = 1.0 / static_cast<double>(n);
    Loss mean = sum_of_runs(ceil_div(n, rows), kCost * static_cast<double>(n * c), [&](Size run) {
        Loss total = {0, 0};
        for (Size i = run * rows; i < smaller(n, (run + 1) * rows); ++i) {
            const Size label = static_cast<Size>(labels[i]);
            const double weight = weights ? static_cast<double>(weights[i]) : 1.0;
            const T scale = static_cast<T>(weight * share);
            total.value += weight * row_hinge<Squared>(scores + i * c, label, margin, scale, dscores + i * c, c);
            if (is_hit(scores + i * c, label, c)) total.hits += weight;
        }
        return total;
    });
    mean.value *= share;
    return mean;
}

template <class T>
Loss hinge(const T* scores, const std::int64_t* labels, const T* weights, double margin, bool squared, T* dscores,
           Size n, Size c) {
    const auto run = squared ? mean_hinge<true, T> : mean_hinge<false, T>;
    return run(scores, labels, weights, static_cast<T>(margin), dscores, n, c);
}

}  // namespace

template <class T>
void fill_hinge(Table<T>& table) {
    table.hinge = hinge<T>;
}
template void fill_hinge(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
