// Batch normalization.
#include "check.h"

namespace pynn {
namespace {

void batchnorm_forward(const Array& x, const Array& gamma, const Array& beta, double epsilon, double momentum,
                       const Array& running_mean, const Array& running_var, std::string_view activation,
                       std::optional<double> alpha, const Array& mean, const Array& rstd, const Array& out) {
    Checker check("batchnorm_forward");
    check.in("x", x, N, C);
    check.in("gamma", gamma, C);
    check.in("beta", beta, C);
    check.out("running_mean", running_mean, C);
    check.out("running_var", running_var, C);
    check.out("mean", mean, C);
    check.out("rstd", rstd, C);
    check.out("out", out, N, C);
    check.overlaps();
    check.not_negative("epsilon", epsilon);
    const Activation f = check.activation(activation, alpha);
    if (check.size(N) < 2)
        check.value_error("x has " + std::to_string(check.size(N)) +
                          " rows, expected at least 2 (no variance from fewer)");
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().batchnorm_forward(data<T>(x), data<T>(gamma), data<T>(beta), BatchNormState{epsilon, momentum},
                                     data<T>(running_mean), data<T>(running_var), f, data<T>(mean), data<T>(rstd),
                                     data<T>(out), check.size(N), check.size(C));
    });
}

void batchnorm_backward(const Array& dy, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                        const Array& rstd, std::string_view activation, std::optional<double> alpha,
                        const OptionalArray& dx, const Array& dgamma, const Array& dbeta) {
    Checker check("batchnorm_backward");
    check.in("dy", dy, N, C);
    check.in("x", x, N, C);
    check.in("gamma", gamma, C);
    check.in("beta", beta, C);
    check.in("mean", mean, C);
    check.in("rstd", rstd, C);
    check.out_or_none("dx", dx, N, C);
    check.out("dgamma", dgamma, C);
    check.out("dbeta", dbeta, C);
    check.overlaps();
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().batchnorm_backward(data<T>(dy), data<T>(x), data<T>(gamma), data<T>(beta), data<T>(mean),
                                      data<T>(rstd), f, data<T>(dx), data<T>(dgamma), data<T>(dbeta), check.size(N),
                                      check.size(C));
    });
}

void batchnorm_inference(const Array& x, const Array& gamma, const Array& beta, const Array& mean, const Array& var,
                         double epsilon, std::string_view activation, std::optional<double> alpha, const Array& out) {
    Checker check("batchnorm_inference");
    check.in("x", x, N, C);
    check.in("gamma", gamma, C);
    check.in("beta", beta, C);
    check.in("mean", mean, C);
    check.in("var", var, C);
    check.out("out", out, N, C);
    check.overlaps();
    check.not_negative("epsilon", epsilon);
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().batchnorm_inference(data<T>(x), data<T>(gamma), data<T>(beta), data<T>(mean), data<T>(var), epsilon,
                                       f, data<T>(out), check.size(N), check.size(C));
    });
}

void batchnorm_inference_backward(const Array& dy, const Array& x, const Array& gamma, const Array& beta,
                                  const Array& mean, const Array& var, double epsilon, std::string_view activation,
                                  std::optional<double> alpha, const Array& dx) {
    Checker check("batchnorm_inference_backward");
    check.in("dy", dy, N, C);
    check.in("x", x, N, C);
    check.in("gamma", gamma, C);
    check.in("beta", beta, C);
    check.in("mean", mean, C);
    check.in("var", var, C);
    check.out("dx", dx, N, C);
    check.overlaps();
    check.not_negative("epsilon", epsilon);
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().batchnorm_inference_backward(data<T>(dy), data<T>(x), data<T>(gamma), data<T>(beta), data<T>(mean),
                                                data<T>(var), epsilon, f, data<T>(dx), check.size(N), check.size(C));
    });
}

}  // namespace

void bind_batchnorm(Kernels& module) {
    using namespace py::literals;
    module.def("batchnorm_forward", batchnorm_forward, "x"_a, "gamma"_a, "beta"_a, "epsilon"_a = 1e-05,
               "momentum"_a = 0.9, "running_mean"_a = py::ellipsis(), "running_var"_a = py::ellipsis(),
               "activation"_a = "identity", "alpha"_a = py::none(), "mean"_a = py::ellipsis(),
               "rstd"_a = py::ellipsis(), "out"_a = py::ellipsis());
    module.def("batchnorm_backward", batchnorm_backward, "dy"_a, "x"_a, "gamma"_a, "beta"_a, "mean"_a, "rstd"_a,
               "activation"_a = "identity", "alpha"_a = py::none(), "dx"_a = py::none(), "dgamma"_a = py::ellipsis(),
               "dbeta"_a = py::ellipsis());
    module.def("batchnorm_inference", batchnorm_inference, "x"_a, "gamma"_a, "beta"_a, "mean"_a, "var"_a,
               "epsilon"_a = 1e-05, "activation"_a = "identity", "alpha"_a = py::none(), "out"_a = py::ellipsis());
    module.def("batchnorm_inference_backward", batchnorm_inference_backward, "dy"_a, "x"_a, "gamma"_a, "beta"_a,
               "mean"_a, "var"_a, "epsilon"_a = 1e-05, "activation"_a = "identity", "alpha"_a = py::none(),
               "dx"_a = py::ellipsis());
}

}  // namespace pynn
