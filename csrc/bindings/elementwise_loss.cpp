// Losses that are a sum over the outputs.
#include "loss.h"

namespace pynn {
namespace {

double elementwise_loss(const Array& outputs, const Array& targets, const OptionalArray& weights, std::string_view loss,
                        double delta, const OptionalArray& doutputs) {
    Checker check("elementwise_loss");
    check.in("outputs", outputs, N, M);
    check.in("targets", targets, N, M);
    check.in_or_none("weights", weights, N);
    check.out_or_none("doutputs", doutputs, N, M);
    check.overlaps();
    const Size n = check.size(N), m = check.size(M);
    if (n < 1 || m < 1)
        check.value_error("outputs has shape (" + std::to_string(n) + ", " + std::to_string(m) +
                          "), expected at least one row and column");
    const auto which = check.choice<ElementLoss>("loss", loss, kElementLossNames);
    expect_loss_setting(which != ElementLoss::huber || (delta > 0 && delta < HUGE_VAL), check, "delta", delta,
                        "0 < delta < inf");
    expect_loss_setting(which != ElementLoss::tweedie || (delta > 1 && delta < 2), check, "delta", delta,
                        "1 < delta < 2");
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> gradient(doutputs, check.size(N) * check.size(M));
        return table<T>().elementwise_loss(data<T>(outputs), data<T>(targets), data<T>(weights), which, delta,
                                           gradient.get(), n, m);
    });
}

}  // namespace

void bind_elementwise_loss(Kernels& module) {
    using namespace py::literals;
    module.def("elementwise_loss", elementwise_loss, "outputs"_a, "targets"_a, "weights"_a = py::none(),
               "loss"_a = "l2", "delta"_a = 1.0, "doutputs"_a = py::none());
}

}  // namespace pynn
