// Softmax, and the losses of its logarithm.
#include "loss.h"

namespace pynn {
namespace {

void softmax(const Array& x, const Array& out) {
    Checker check("softmax");
    check.in("x", x, N, C);
    check.out("out", out, N, C);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().softmax(data<T>(x), data<T>(out), check.size(N), check.size(C));
    });
}

void softmax_backward(const Array& dy, const Array& y, const Array& dx) {
    Checker check("softmax_backward");
    check.in("dy", dy, N, C);
    check.in("y", y, N, C);
    check.out("dx", dx, N, C);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().softmax_backward(data<T>(dy), data<T>(y), data<T>(dx), check.size(N), check.size(C));
    });
}

ValueAndHits softmax_cross_entropy(const Array& logits, const Array& labels, const OptionalArray& weights,
                                   double smoothing, const OptionalArray& dlogits) {
    Checker check("softmax_cross_entropy");
    const auto label = checked_labels(check, "logits", logits, labels, weights, "dlogits", dlogits);
    expect_loss_setting(smoothing >= 0 && smoothing < 1, check, "smoothing", smoothing, "0 <= smoothing < 1");
    return value_and_hits(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> gradient(dlogits, check.size(N) * check.size(C));
        return table<T>().softmax_cross_entropy(data<T>(logits), label.data(), data<T>(weights), smoothing,
                                                gradient.get(), check.size(N), check.size(C));
    });
}

ValueAndHits focal(const Array& logits, const Array& labels, const OptionalArray& weights, double gamma,
                   const OptionalArray& dlogits) {
    Checker check("focal");
    const auto label = checked_labels(check, "logits", logits, labels, weights, "dlogits", dlogits);
    expect_loss_setting(gamma >= 0 && gamma < HUGE_VAL, check, "gamma", gamma, "0 <= gamma < inf");
    return value_and_hits(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> gradient(dlogits, check.size(N) * check.size(C));
        return table<T>().focal(data<T>(logits), label.data(), data<T>(weights), gamma, gradient.get(), check.size(N),
                                check.size(C));
    });
}

}  // namespace

void bind_softmax(Kernels& module) {
    using namespace py::literals;
    module.def("softmax", softmax, "x"_a, "out"_a);
    module.def("softmax_backward", softmax_backward, "dy"_a, "y"_a, "dx"_a);
    module.def("softmax_cross_entropy", softmax_cross_entropy, "logits"_a, "labels"_a, "weights"_a = py::none(),
               "smoothing"_a = 0.0, "dlogits"_a = py::none());
    module.def("focal", focal, "logits"_a, "labels"_a, "weights"_a = py::none(), "gamma"_a = 2.0,
               "dlogits"_a = py::none());
}

}  // namespace pynn
