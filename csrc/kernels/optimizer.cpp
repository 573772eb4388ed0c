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

// The weight decay of a weight or gradient; a decay of 0 is skipped, because 0 times an infinite w would be NaN.
template <class T>
PYNN_INLINE inline Vec<T> decayed(Vec<T> change, Vec<T> w, T decay) {
    return decay == 0 ? change : change + w * decay;
}

template <class T>
void sgd_step(T* w, const T* g, double learning_rate, double weight_decay, Size size) {
    const T rate = static_cast<T>(learning_rate), decay = static_cast<T>(weight_decay);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(w + i);
        at.store(w + i, old - decayed<T>(at.load(g + i), old, decay) * rate);
    });
}

template <class T>
void momentum_step(T* w, const T* g, T* velocity, double learning_rate, double momentum, double weight_decay,
                   Size size) {
    const T rate = static_cast<T>(learning_rate), rho = static_cast<T>(momentum);
    const T decay = static_cast<T>(weight_decay);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(w + i);
        const Vec<T> v = at.load(velocity + i) * rho - decayed<T>(at.load(g + i), old, decay) * rate;
        at.store(velocity + i, v);
        at.store(w + i, old + v);
    });
}

template <class T>
void nesterov_step(T* w, const T* g, T* velocity, double learning_rate, double momentum, double weight_decay,
                   Size size) {
    const T rate = static_cast<T>(learning_rate), rho = static_cast<T>(momentum);
    const T decay = static_cast<T>(weight_decay);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(w + i), last = at.load(velocity + i);
        const Vec<T> v = last * rho - decayed<T>(at.load(g + i), old, decay) * rate;
        at.store(velocity + i, v);
        at.store(w + i, old - last * rho + v * (T(1) + rho));
    });
}

template <class T>
void adagrad_step(T* w, const T* g, T* squares, double learning_rate, double epsilon, double weight_decay, Size size) {
    const T rate = static_cast<T>(learning_rate), eps = not_vanished<T>(epsilon);
    const T decay = static_cast<T>(weight_decay);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(w + i);
        const Vec<T> gradient = decayed<T>(at.load(g + i), old, decay);
        const Vec<T> h = at.load(squares + i) + gradient * gradient;
        at.store(squares + i, h);
        at.store(w + i, old - gradient * rate / (sqrt(h) + eps));
    });
}

template <class T>
void rmsprop_step(T* w, const T* g, T* squares, double learning_rate, double decay, double epsilon, double weight_decay,
                  Size size) {
    const T rate = static_cast<T>(learning_rate), eps = not_vanished<T>(epsilon);
    const T keep = static_cast<T>(decay), take = static_cast<T>(1 - decay), shrink = static_cast<T>(weight_decay);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(w + i);
        const Vec<T> gradient = decayed<T>(at.load(g + i), old, shrink);
        const Vec<T> h = at.load(squares + i) * keep + gradient * gradient * take;
        at.store(squares + i, h);
        at.store(w + i, old - gradient * rate / (sqrt(h) + eps));
    });
}

// Both moments of one vector of gradients, updated; the root of the corrected second one.
template <class T>
struct Moments {
    T* first;
    T* second;
    T b1, c1, b2, c2, correction, eps;

    Moments(T* first, T* second, double beta1, double beta2, double epsilon, double correction)
        : first(first), second(second), b1(static_cast<T>(beta1)), c1(static_cast<T>(1 - beta1)),
          b2(static_cast<T>(beta2)), c2(static_cast<T>(1 - beta2)), correction(static_cast<T>(correction)),
          eps(not_vanished<T>(epsilon)) {}

    struct Taken {
        Vec<T> m, root;
    };

    template <class Access>
    PYNN_INLINE Taken take(Access at, Size i, Vec<T> gradient) const {
        const Vec<T> m = at.load(first + i) * b1 + gradient * c1;
        const Vec<T> v = at.load(second + i) * b2 + gradient * gradient * c2;
        at.store(first + i, m);
        at.store(second + i, v);
        return {m, sqrt(v * correction) + eps};
    }
};

// Decoupled decay subtracts η decay w from the weight: a factor 1 - η decay would lose digits in float32.
template <class T>
void adam_step(T* w, const T* g, T* first, T* second, AdamSettings s, Size size) {
    const double t = static_cast<double>(s.step);
    const double bias1 = s.bias_correction ? 1 - __builtin_pow(s.beta1, t) : 1;
    const double bias2 = s.bias_correction ? 1 - __builtin_pow(s.beta2, t) : 1;
    const T rate = static_cast<T>(s.learning_rate / bias1);
    const T decay = s.decoupled ? T(0) : static_cast<T>(s.weight_decay);
    const T shrink = s.decoupled ? static_cast<T>(s.learning_rate * s.weight_decay) : T(0);
    const Moments<T> moments(first, second, s.beta1, s.beta2, s.epsilon, 1 / bias2);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(w + i);
        const auto taken = moments.take(at, i, decayed<T>(at.load(g + i), old, decay));
        at.store(w + i, old - decayed<T>(taken.m * rate / taken.root, old, shrink));
    });
}

template <class T>
void nadam_step(T* w, const T* g, T* first, T* second, NadamSettings s, Size size) {
    const double bias2 = 1 - __builtin_pow(s.beta2, static_cast<double>(s.step));
    const T gradient_rate = static_cast<T>(s.gradient_rate), momentum_rate = static_cast<T>(s.momentum_rate);
    const T decay = static_cast<T>(s.weight_decay);
    const Moments<T> moments(first, second, s.beta1, s.beta2, s.epsilon, 1 / bias2);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> old = at.load(w + i);
        const Vec<T> gradient = decayed<T>(at.load(g + i), old, decay);
        const auto taken = moments.take(at, i, gradient);
        at.store(w + i, old - (gradient * gradient_rate + taken.m * momentum_rate) / taken.root);
    });
}

template <class T>
void lion_step(T* w, const T* g, T* first, double learning_rate, double beta1, double beta2, double weight_decay,
               Size size) {
    const T rate = static_cast<T>(learning_rate), shrink = static_cast<T>(learning_rate * weight_decay);
    const T b1 = static_cast<T>(beta1), c1 = static_cast<T>(1 - beta1);
    const T b2 = static_cast<T>(beta2), c2 = static_cast<T>(1 - beta2);
    over_parameters<T>(size, [=](auto at, Size i) {
        const Vec<T> zero = {}, up = broadcast(rate);
        const Vec<T> old = at.load(w + i), m = at.load(first + i), gradient = at.load(g + i);
        const Vec<T> c = m * b1 + gradient * c1;
        const Vec<T> move = c > zero ? up : (c < zero ? -up : c);  // c itself: 0, or NaN, which must propagate
        at.store(first + i, m * b2 + gradient * c2);
        at.store(w + i, old - decayed<T>(move, old, shrink));
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
            if (dweight) at.store(dweight + i, at.load(dweight + i) + w * stretch + sign * slope);
        });
        double all = sum_lanes<T>(absolute), power = sum_lanes<T>(squares);
        if (power - power != 0) {  // more than T holds
            all = power = 0;
            for (Size i = run * kRun; i < smaller(size, (run + 1) * kRun); ++i) {
                const double w = static_cast<double>(weight[i]);
                all += __builtin_fabs(w);
                power += w * w;
            }
        }
        sums.get()[run] = l1 * all + 0.5 * l2 * power;
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
    table.nadam_step = nadam_step<T>;
    table.lion_step = lion_step<T>;
    table.polyak_step = polyak_step<T>;
}
template void fill_optimizer(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
