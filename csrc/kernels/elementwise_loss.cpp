// Losses that are a sum over the outputs: regression, counts and attributes.
#include "families.h"
#include "loss.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr double kCost = 4;   // of one element, in multiply-adds
constexpr Size kRun = 4096;   // elements of a piece of work
constexpr Size kBlock = 512;  // elements that are summed in T before they go into a double

// Each loss: operator() of a vector of outputs and targets; padding lanes have a loss of 0.
template <class T>
struct Term {
    Vec<T> loss, slope;
};

template <class T>
struct L2 {
    static constexpr T output = 0, target = 0;
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> d = f - y;
        return {d * d, d + d};
    }
};

template <class T>
struct L1 {
    static constexpr T output = 0, target = 0;
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> d = f - y, one = broadcast(T(1));
        return {d < 0 ? -d : d, d > 0 ? one : (d < 0 ? -one : d)};
    }
};

template <class T>
struct Huber {
    static constexpr T output = 0, target = 0;
    Vec<T> delta;
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> d = f - y, size = d < 0 ? -d : d;
        return {size <= delta ? d * d * T(0.5) : delta * (size - delta * T(0.5)),
                d > delta ? delta : (d < -delta ? -delta : d)};
    }
};

template <class T>
struct BinaryCrossEntropy {
    static constexpr T output = -1e4, target = 0;
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> e = exp(f < 0 ? f : -f), one = broadcast(T(1));
        const Vec<T> above = e + one, grown = above - one;
        const Vec<T> log1p = grown == 0 ? e : log(above) * (e / grown);  // grown: e as far as above holds it
        return {((f < 0 ? Vec<T>{} : f) - f * y) + log1p, (f < 0 ? e : one) / above - y};
    }
};

template <class T>
struct BinaryHinge {
    static constexpr T output = 2, target = 1;
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> m = T(1) - y * f;
        return {m <= 0 ? Vec<T>{} : m, m <= 0 ? Vec<T>{} : -y};
    }
};

template <class T>
struct Poisson {
    static constexpr T output = -1e4, target = 0;
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> mean = exp(f);
        return {mean - y * f, mean - y};
    }
};

template <class T>
struct Gamma {
    static constexpr T output = 0, target = 0;
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> ratio = y * exp(-f);
        return {f + ratio, T(1) - ratio};
    }
};

template <class T>
struct Tweedie {
    static constexpr T output = 0, target = 0;
    T to_one, to_two;  // 1 - power, 2 - power
    Term<T> operator()(Vec<T> f, Vec<T> y) const {
        const Vec<T> low = f * to_one, high = f * to_two, none = {};
        const Vec<T> elow = exp(low), ehigh = exp(high);
        const Vec<T> pull = y == none ? none : y * elow;  // 0 times infinity is 0
        const Vec<T> gain = y == none ? none : y * (less_one(low, elow) / to_one);
        return {less_one(high, ehigh) / to_two - gain, ehigh - pull};
    }

private:
    // e^x - 1 for e = e^x.
    static Vec<T> less_one(Vec<T> x, Vec<T> e) {
        const auto near = (x < T(1)) & (x > T(-1));
        return near ? expm1(near ? x : Vec<T>{}) : e - T(1);
    }
};

// The sum of terms that T cannot hold.
template <class T, class F>
PYNN_COLD double sum_in_double(const T* outputs, const T* targets, F term, Size begin, Size end) {
    double total = 0;
    each_vector<T>(begin, end, [&](auto at, Size j) {
        const Vec<T> loss = term(at.load(outputs + j, F::output), at.load(targets + j, F::target)).loss;
        for (Size lane = 0; lane < kLanes<T>; ++lane) total += static_cast<double>(loss[lane]);
    });
    return total;
}

// d = scale times the gradient of the sum of the terms; returns the sum.
template <class T, class F>
double sum_terms(const T* outputs, const T* targets, F term, T scale, T* d, Size size) {
    double total = 0;
    for (Size begin = 0; begin < size; begin += kBlock) {
        const Size end = smaller(size, begin + kBlock);
        Vec<T> sums = {};
        each_vector<T>(begin, end, [&](auto at, Size j) {
            const Term<T> t = term(at.load(outputs + j, F::output), at.load(targets + j, F::target));
            sums += t.loss;
            at.store(d + j, t.slope * scale);
        });
        double sum = sum_lanes<T>(sums);
        if constexpr (sizeof(T) < sizeof(double)) {
            constexpr double most = static_cast<double>(kMost<T>);
            if (sum > most || sum < -most) sum = sum_in_double(outputs, targets, term, begin, end);
        }
        total += sum;
    }
    return total;
}

template <class T, class F>
double mean_terms(const T* outputs, const T* targets, const T* weights, F term, T* doutputs, Size n, Size m) {
    const Size rows = larger(1, kRun / m);
    const double share = 1.0 / static_cast<double>(n);
    const Loss total = sum_of_runs(ceil_div(n, rows), kCost * static_cast<double>(n * m), [&](Size run) {
        const Size begin = run * rows, end = smaller(n, begin + rows);
        const Size step = weights ? 1 : end - begin;  // rows of the same weight
        double loss = 0;
        for (Size i = begin; i < end; i += step) {
            const double weight = weights ? static_cast<double>(weights[i]) : 1.0;
            loss += weight * sum_terms(outputs + i * m, targets + i * m, term, static_cast<T>(weight * share),
                                       doutputs + i * m, step * m);
        }
        return Loss{loss, 0};
    });
    return total.value * share;
}

template <class T>
double elementwise_loss(const T* outputs, const T* targets, const T* weights, ElementLoss loss, double delta,
                        T* doutputs, Size n, Size m) {
    const auto mean = [&](auto term) { return mean_terms(outputs, targets, weights, term, doutputs, n, m); };
    switch (loss) {
        case ElementLoss::l1: return mean(L1<T>{});
        case ElementLoss::huber: return mean(Huber<T>{broadcast(static_cast<T>(delta))});
        case ElementLoss::binary_cross_entropy: return mean(BinaryCrossEntropy<T>{});
        case ElementLoss::binary_hinge: return mean(BinaryHinge<T>{});
        case ElementLoss::poisson: return mean(Poisson<T>{});
        case ElementLoss::gamma: return mean(Gamma<T>{});
        case ElementLoss::tweedie: return mean(Tweedie<T>{static_cast<T>(1 - delta), static_cast<T>(2 - delta)});
        default: return mean(L2<T>{});
    }
}

}  // namespace

template <class T>
void fill_elementwise_loss(Table<T>& table) {
    table.elementwise_loss = elementwise_loss<T>;
}
template void fill_elementwise_loss(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
