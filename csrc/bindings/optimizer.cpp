// Optimizer steps over the flat vector, and the penalty.
#include "check.h"

namespace pynn {
namespace {

double penalty(const Array& weight, double l1, double l2, const OptionalArray& dweight) {
    Checker check("penalty");
    check.in_any("weight", weight);
    if (!dweight.is_none()) check.out_any("dweight", dweight);
    check.overlaps();
    check.not_negative("l1", l1);
    check.not_negative("l2", l2);
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        return table<T>().penalty(data<T>(weight), l1, l2, data<T>(dweight), check.elements());
    });
}

// The arrays of every step, and one more that most steps have.
Checker checked_step(const char* kernel, const Array& parameters, const Array& gradients, const char* state_name,
                     const Array* state) {
    Checker check(kernel);
    check.out("parameters", parameters, P);
    check.in("gradients", gradients, P);
    if (state) check.out(state_name, *state, P);
    return check;
}

void sgd_step(const Array& parameters, const Array& gradients, double learning_rate, double weight_decay) {
    Checker check = checked_step("sgd_step", parameters, gradients, "", nullptr);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().sgd_step(data<T>(parameters), data<T>(gradients), learning_rate, weight_decay, check.size(P));
    });
}

void momentum_step(const Array& parameters, const Array& gradients, const Array& velocity, double learning_rate,
                   double momentum, double weight_decay) {
    Checker check = checked_step("momentum_step", parameters, gradients, "velocity", &velocity);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().momentum_step(data<T>(parameters), data<T>(gradients), data<T>(velocity), learning_rate, momentum,
                                 weight_decay, check.size(P));
    });
}

void nesterov_step(const Array& parameters, const Array& gradients, const Array& velocity, double learning_rate,
                   double momentum, double weight_decay) {
    Checker check = checked_step("nesterov_step", parameters, gradients, "velocity", &velocity);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().nesterov_step(data<T>(parameters), data<T>(gradients), data<T>(velocity), learning_rate, momentum,
                                 weight_decay, check.size(P));
    });
}

void adagrad_step(const Array& parameters, const Array& gradients, const Array& squares, double learning_rate,
                  double epsilon, double weight_decay) {
    Checker check = checked_step("adagrad_step", parameters, gradients, "squares", &squares);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().adagrad_step(data<T>(parameters), data<T>(gradients), data<T>(squares), learning_rate, epsilon,
                                weight_decay, check.size(P));
    });
}

void rmsprop_step(const Array& parameters, const Array& gradients, const Array& squares, double learning_rate,
                  double decay, double epsilon, double weight_decay) {
    Checker check = checked_step("rmsprop_step", parameters, gradients, "squares", &squares);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().rmsprop_step(data<T>(parameters), data<T>(gradients), data<T>(squares), learning_rate, decay,
                                epsilon, weight_decay, check.size(P));
    });
}

// Of the optimizers that keep two moments and count their steps.
Checker checked_moments(const char* kernel, const Array& parameters, const Array& gradients, const Array& first,
                        const Array& second, std::int64_t step) {
    Checker check = checked_step(kernel, parameters, gradients, "first", &first);
    check.out("second", second, P);
    check.overlaps();
    if (step < 1) check.value_error("step is " + std::to_string(step) + ", expected at least 1");
    return check;
}

void adam_step(const Array& parameters, const Array& gradients, const Array& first, const Array& second,
               double learning_rate, double beta1, double beta2, double epsilon, std::int64_t step, double weight_decay,
               bool decoupled, bool bias_correction) {
    const Checker check = checked_moments("adam_step", parameters, gradients, first, second, step);
    const AdamSettings settings = {learning_rate, beta1,        beta2,     epsilon,
                                   step,          weight_decay, decoupled, bias_correction};
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().adam_step(data<T>(parameters), data<T>(gradients), data<T>(first), data<T>(second), settings,
                             check.size(P));
    });
}

void nadam_step(const Array& parameters, const Array& gradients, const Array& first, const Array& second,
                double gradient_rate, double momentum_rate, double beta1, double beta2, double epsilon,
                std::int64_t step, double weight_decay) {
    const Checker check = checked_moments("nadam_step", parameters, gradients, first, second, step);
    const NadamSettings settings = {gradient_rate, momentum_rate, beta1, beta2, epsilon, step, weight_decay};
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().nadam_step(data<T>(parameters), data<T>(gradients), data<T>(first), data<T>(second), settings,
                              check.size(P));
    });
}

void lion_step(const Array& parameters, const Array& gradients, const Array& first, double learning_rate, double beta1,
               double beta2, double weight_decay) {
    Checker check = checked_step("lion_step", parameters, gradients, "first", &first);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().lion_step(data<T>(parameters), data<T>(gradients), data<T>(first), learning_rate, beta1, beta2,
                             weight_decay, check.size(P));
    });
}

void polyak_step(const Array& average, const Array& parameters, double decay) {
    Checker check("polyak_step");
    check.out("average", average, P);
    check.in("parameters", parameters, P);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().polyak_step(data<T>(average), data<T>(parameters), decay, check.size(P));
    });
}

}  // namespace

void bind_optimizer(Kernels& module) {
    using namespace py::literals;
    module.def("penalty", penalty, "weight"_a, "l1"_a = 0.0, "l2"_a = 0.0, "dweight"_a = py::none());
    module.def("sgd_step", sgd_step, "parameters"_a, "gradients"_a, "learning_rate"_a, "weight_decay"_a = 0.0);
    module.def("momentum_step", momentum_step, "parameters"_a, "gradients"_a, "velocity"_a, "learning_rate"_a,
               "momentum"_a = 0.9, "weight_decay"_a = 0.0);
    module.def("nesterov_step", nesterov_step, "parameters"_a, "gradients"_a, "velocity"_a, "learning_rate"_a,
               "momentum"_a = 0.9, "weight_decay"_a = 0.0);
    module.def("adagrad_step", adagrad_step, "parameters"_a, "gradients"_a, "squares"_a, "learning_rate"_a,
               "epsilon"_a = 1e-07, "weight_decay"_a = 0.0);
    module.def("rmsprop_step", rmsprop_step, "parameters"_a, "gradients"_a, "squares"_a, "learning_rate"_a,
               "decay"_a = 0.9, "epsilon"_a = 1e-07, "weight_decay"_a = 0.0);
    module.def("adam_step", adam_step, "parameters"_a, "gradients"_a, "first"_a, "second"_a, "learning_rate"_a,
               "beta1"_a = 0.9, "beta2"_a = 0.999, "epsilon"_a = 1e-08, "step"_a = py::ellipsis(),
               "weight_decay"_a = 0.0, "decoupled"_a = false, "bias_correction"_a = true);
    module.def("nadam_step", nadam_step, "parameters"_a, "gradients"_a, "first"_a, "second"_a, "gradient_rate"_a,
               "momentum_rate"_a, "beta1"_a = 0.9, "beta2"_a = 0.999, "epsilon"_a = 1e-08, "step"_a = py::ellipsis(),
               "weight_decay"_a = 0.0);
    module.def("lion_step", lion_step, "parameters"_a, "gradients"_a, "first"_a, "learning_rate"_a, "beta1"_a = 0.9,
               "beta2"_a = 0.99, "weight_decay"_a = 0.0);
    module.def("polyak_step", polyak_step, "average"_a, "parameters"_a, "decay"_a);
}

}  // namespace pynn
