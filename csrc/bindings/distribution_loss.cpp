// Losses of outputs that describe the distribution of a target.
#include "loss.h"

namespace pynn {
namespace {

void expect_outputs(const Checker& check, Size factor, const char* what) {
    const Size n = check.size(N), m = check.size(M), targets = check.size(D);
    if (n < 1 || m < 1)
        check.value_error("outputs has shape (" + std::to_string(n) + ", " + std::to_string(m) +
                          "), expected at least one row and column");
    if (targets < 1 || m % targets || m / targets != factor)
        check.value_error("outputs has " + std::to_string(m) + " columns, expected " + what + " for each of the " +
                          std::to_string(targets) + " columns of targets");
}

double pinball(const Array& outputs, const Array& targets, const Array& levels, const OptionalArray& weights,
               const OptionalArray& doutputs) {
    Checker check("pinball");
    check.in("outputs", outputs, N, M);
    check.in("targets", targets, N, D);
    check.in("levels", levels, Q);
    check.in_or_none("weights", weights, N);
    check.out_or_none("doutputs", doutputs, N, M);
    check.overlaps();
    const Size n = check.size(N), m = check.size(M), q = check.size(Q);
    expect_outputs(check, q, "one for each level");
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> gradient(doutputs, n * m);
        return table<T>().pinball(data<T>(outputs), data<T>(targets), data<T>(levels), data<T>(weights), gradient.get(),
                                  n, m, q);
    });
}

double gaussian_nll(const Array& outputs, const Array& targets, const OptionalArray& weights,
                    const OptionalArray& doutputs) {
    Checker check("gaussian_nll");
    check.in("outputs", outputs, N, M);
    check.in("targets", targets, N, D);
    check.in_or_none("weights", weights, N);
    check.out_or_none("doutputs", doutputs, N, M);
    check.overlaps();
    const Size n = check.size(N), m = check.size(M);
    expect_outputs(check, 2, "two");
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> gradient(doutputs, n * m);
        return table<T>().gaussian_nll(data<T>(outputs), data<T>(targets), data<T>(weights), gradient.get(), n, m);
    });
}

}  // namespace

void bind_distribution_loss(Kernels& module) {
    using namespace py::literals;
    module.def("pinball", pinball, "outputs"_a, "targets"_a, "levels"_a, "weights"_a = py::none(),
               "doutputs"_a = py::none());
    module.def("gaussian_nll", gaussian_nll, "outputs"_a, "targets"_a, "weights"_a = py::none(),
               "doutputs"_a = py::none());
}

}  // namespace pynn
