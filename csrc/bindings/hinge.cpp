// Multiclass hinge losses.
#include "loss.h"

namespace pynn {
namespace {

ValueAndHits hinge(const Array& scores, const Array& labels, const OptionalArray& weights, double margin, bool squared,
                   const OptionalArray& dscores) {
    Checker check("hinge");
    const auto label = checked_labels(check, "scores", scores, labels, weights, "dscores", dscores);
    expect_loss_setting(margin > 0 && margin < HUGE_VAL, check, "margin", margin, "0 < margin < inf");
    return value_and_hits(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> gradient(dscores, check.size(N) * check.size(C));
        return table<T>().hinge(data<T>(scores), label.data(), data<T>(weights), margin, squared, gradient.get(),
                                check.size(N), check.size(C));
    });
}

}  // namespace

void bind_hinge(Kernels& module) {
    using namespace py::literals;
    module.def("hinge", hinge, "scores"_a, "labels"_a, "weights"_a = py::none(), "margin"_a = 1.0, "squared"_a = false,
               "dscores"_a = py::none());
}

}  // namespace pynn
