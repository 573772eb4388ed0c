// Optimizer steps over the flat vector, one pass each, and the penalty of the weights.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kRun = 16384;

template <class T, class F>
void over_parameters(Size size, F body) {
    parallel_runs(size, kRun, static_cast<double>(size),
                  [&](Size begin, Size end) { each_vector<T>(begin, end, body); });
}

template <class T>
void sgd_step(T* w, const T* g, double learning_rate, Size size) {
    const T rate = static_cast<T>(learning_rate);
    over_parameters<T>(size, [=](auto at, Size i) { at.store(w + i, at.load(w + i) - at.load(g + i) * rate); });
}

template <class T>
void momentum_step(T* w, const T* g, T* velocity, double learning_rate, double momentum, Size size) {
    const T rate = static_cast<T>(learning_rate), rho = static_cast<T>(momentum);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> v = at.load(velocity + i) * rho - at.load(g + i) * rate;
        at.store(velocity + i, v);
        at.store(w + i, at.load(w + i) + v);
    });
}

template <class T>
void nesterov_step(T* w, const T* g, T* velocity, double learning_rate, double momentum, Size size) {
    const T rate = static_cast<T>(learning_rate), rho = static_cast<T>(momentum);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(velocity + i);
        const Vec<T> v = old * rho - at.load(g + i) * rate;
        at.store(velocity + i, v);
        at.store(w + i, at.load(w + i) - old * rho + v * (T(1) + rho));
    });
}

template <class T>
void adagrad_step(T* w, const T* g, T* squares, double learning_rate, double epsilon, Size size) {
    const T rate = static_cast<T>(learning_rate), eps = static_cast<T>(epsilon);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> gradient = at.load(g + i);
        const Vec<T> h = at.load(squares + i) + gradient * gradient;
        at.store(squares + i, h);
        at.store(w + i, at.load(w + i) - gradient * rate / (sqrt(h) + eps));
    });
}

template <class T>
void rmsprop_step(T* w, const T* g, T* squares, double learning_rate, double decay, double epsilon, Size size) {
    const T rate = static_cast<T>(learning_rate), eps = static_cast<T>(epsilon);
    const T keep = static_cast<T>(decay), take = static_cast<T>(1 - decay);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> gradient = at.load(g + i);
        const Vec<T> h = at.load(squares + i) * keep + gradient * gradient * take;
        at.store(squares + i, h);
        at.store(w + i, at.load(w + i) - gradient * rate / (sqrt(h) + eps));
    });
}

template <class T>
void adam_step(T* w, const T* g, T* first, T* second, double learning_rate, double beta1, double beta2, double epsilon,
               std::int64_t step, Size size) {
    const double t = static_cast<double>(step);
    const T rate = static_cast<T>(learning_rate / (1 - __builtin_pow(beta1, t)));
    const T correction = static_cast<T>(1 / (1 - __builtin_pow(beta2, t)));
    const T eps = static_cast<T>(epsilon);
    const T b1 = static_cast<T>(beta1), c1 = static_cast<T>(1 - beta1);
    const T b2 = static_cast<T>(beta2), c2 = static_cast<T>(1 - beta2);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> gradient = at.load(g + i);
        const Vec<T> m = at.load(first + i) * b1 + gradient * c1;
        const Vec<T> v = at.load(second + i) * b2 + gradient * gradient * c2;
        at.store(first + i, m);
        at.store(second + i, v);
        at.store(w + i, at.load(w + i) - m * rate / (sqrt(v * correction) + eps));
    });
}

template <class T>
void polyak_step(T* average, const T* w, double decay, Size size) {
    const T take = static_cast<T>(1 - decay);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(average + i);
        at.store(average + i, old + (at.load(w + i) - old) * take);
    });
}

// Sums of runs are added in the order of the runs, in double: the same bits with any number of threads.
template <class T>
double penalty(const T* weight, double l1, double l2, T* dweight, Size size) {
    const T slope = static_cast<T>(l1), stretch = static_cast<T>(l2);
    const Size runs = ceil_div(size, kRun);
    Scratch<double> sums(runs);
    parallel(runs, static_cast<double>(size), [&](Size run) {
        const Vec<T> zero = {}, one = broadcast(T(1));
        Vec<T> absolute = {}, squares = {};
        each_vector<T>(run * kRun, smaller(size, (run + 1) * kRun), [&](auto at, Size i) {
            const Vec<T> w = at.load(weight + i);
            absolute += w < zero ? -w : w;
            squares += w * w;
            const Vec<T> sign = w > zero ? one : (w < zero ? -one : zero);
            at.store(dweight + i, at.load(dweight + i) + w * stretch + sign * slope);
        });
        sums.get()[run] = l1 * sum_lanes<T>(absolute) + 0.5 * l2 * sum_lanes<T>(squares);
    });
    double total = 0;
    for (Size run = 0; run < runs; ++run) total += sums.get()[run];
    return total;
}

}  // namespace

template <class T>
void fill_optimizer(Table<T>& table) {
    table.penalty = penalty<T>;
    table.sgd_step = sgd_step<T>;
    table.momentum_step = momentum_step<T>;
    table.nesterov_step = nesterov_step<T>;
    table.adagrad_step = adagrad_step<T>;
    table.rmsprop_step = rmsprop_step<T>;
    table.adam_step = adam_step<T>;
    table.polyak_step = polyak_step<T>;
}
template void fill_optimizer(Table<float>&);
template void fill_optimizer(Table<double>&);

}  // namespace pynn::PYNN_LEVEL
