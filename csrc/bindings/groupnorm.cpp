// Group normalization; layer normalization is that of one place and one group.
#include "check.h"

namespace pynn {
namespace {

void expect_groups(const Checker& check) {
    const Size places = check.size(P), c = check.size(C), groups = check.size(G);
    if (places < 1 || c < 1)
        check.value_error("x has " + std::to_string(places) + " places and " + std::to_string(c) +
                          " channels, expected at least 1 of each");
    if (groups < 1 || c % groups != 0)
        check.value_error("x has " + std::to_string(c) + " channels, expected a multiple of the " +
                          std::to_string(groups) + " groups");
}

void groupnorm_forward(const Array& x, const Array& gamma, const Array& beta, double epsilon, const Array& mean,
                       const Array& rstd, const Array& out) {
    Checker check("groupnorm_forward");
    check.in("x", x, N, P, C);
    check.in("gamma", gamma, C);
    check.in("beta", beta, C);
    check.out("mean", mean, N, G);
    check.out("rstd", rstd, N, G);
    check.out("out", out, N, P, C);
    check.overlaps();
    expect_groups(check);
    check.not_negative("epsilon", epsilon);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().groupnorm_forward(data<T>(x), data<T>(gamma), data<T>(beta), epsilon, data<T>(mean), data<T>(rstd),
                                     data<T>(out), check.size(N), check.size(P), check.size(C), check.size(G));
    });
}

void groupnorm_backward(const Array& dy, const Array& x, const Array& gamma, const Array& mean, const Array& rstd,
                        const OptionalArray& dx, const Array& dgamma, const Array& dbeta) {
    Checker check("groupnorm_backward");
    check.in("dy", dy, N, P, C);
    check.in("x", x, N, P, C);
    check.in("gamma", gamma, C);
    check.in("mean", mean, N, G);
    check.in("rstd", rstd, N, G);
    check.out_or_none("dx", dx, N, P, C);
    check.out("dgamma", dgamma, C);
    check.out("dbeta", dbeta, C);
    check.overlaps();
    expect_groups(check);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().groupnorm_backward(data<T>(dy), data<T>(x), data<T>(gamma), data<T>(mean), data<T>(rstd),
                                      data<T>(dx), data<T>(dgamma), data<T>(dbeta), check.size(N), check.size(P),
                                      check.size(C), check.size(G));
    });
}

}  // namespace

void bind_groupnorm(Kernels& module) {
    using namespace py::literals;
    module.def("groupnorm_forward", groupnorm_forward, "x"_a, "gamma"_a, "beta"_a, "epsilon"_a = 1e-05,
               "mean"_a = py::ellipsis(), "rstd"_a = py::ellipsis(), "out"_a = py::ellipsis());
    module.def("groupnorm_backward", groupnorm_backward, "dy"_a, "x"_a, "gamma"_a, "mean"_a, "rstd"_a,
               "dx"_a = py::none(), "dgamma"_a = py::ellipsis(), "dbeta"_a = py::ellipsis());
}

}  // namespace pynn
