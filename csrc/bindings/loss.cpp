// Softmax and losses.
#include <cmath>
#include <utility>

#include "check.h"

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

// The arrays that losses of labels have; returns the labels.
std::vector<std::int64_t> checked_labels(Checker& check, const char* name, const Array& scores, const Array& labels,
                                         const OptionalArray& weights, const char* gradient_name,
                                         const OptionalArray& gradient) {
    check.in(name, scores, N, C);
    check.integers("labels", labels, N);
    check.in_or_none("weights", weights, N);
    check.out_or_none(gradient_name, gradient, N, C);
    check.overlaps();
    const Size n = check.size(N), c = check.size(C);
    if (n < 1 || c < 1)
        check.value_error(std::string(name) + " has shape (" + std::to_string(n) + ", " + std::to_string(c) +
                          "), expected at least one row and column");
    return checked_integers(check, "labels", labels, n, c, "classes");
}

void expect_loss_setting(bool holds, const Checker& check, const char* name, double value, const char* expected) {
    if (!holds)
        check.value_error(std::string(name) + " is " + py::str(py::float_(value)).cast<std::string>() + ", expected " +
                          expected);
}

using ValueAndHits = std::pair<double, double>;

template <class F>
ValueAndHits value_and_hits(const Checker& check, F run) {
    const Loss loss = compute(check, run);
    return {loss.value, loss.hits};
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

ElementLoss element_loss(const Checker& check, std::string_view name) {
    static constexpr std::string_view names[] = {"l2", "l1", "huber", "binary_cross_entropy", "binary_hinge"};
    std::string all;
    for (int i = 0; i < 5; ++i) {
        if (name == names[i]) return static_cast<ElementLoss>(i);
        all += (i ? ", " : "") + std::string(names[i]);
    }
    check.value_error("loss is '" + std::string(name) + "', expected one of " + all);
}

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
    const ElementLoss which = element_loss(check, loss);
    expect_loss_setting(which != ElementLoss::huber || (delta > 0 && delta < HUGE_VAL), check, "delta", delta,
                        "0 < delta < inf");
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> gradient(doutputs, check.size(N) * check.size(M));
        return table<T>().elementwise_loss(data<T>(outputs), data<T>(targets), data<T>(weights), which, delta,
                                           gradient.get(), n, m);
    });
}

}  // namespace

void bind_loss(Kernels& module) {
    using namespace py::literals;
    module.def("softmax", softmax, "x"_a, "out"_a);
    module.def("softmax_cross_entropy", softmax_cross_entropy, "logits"_a, "labels"_a, "weights"_a = py::none(),
               "smoothing"_a = 0.0, "dlogits"_a = py::none());
    module.def("focal", focal, "logits"_a, "labels"_a, "weights"_a = py::none(), "gamma"_a = 2.0,
               "dlogits"_a = py::none());
    module.def("hinge", hinge, "scores"_a, "labels"_a, "weights"_a = py::none(), "margin"_a = 1.0, "squared"_a = false,
               "dscores"_a = py::none());
    module.def("elementwise_loss", elementwise_loss, "outputs"_a, "targets"_a, "weights"_a = py::none(),
               "loss"_a = "l2", "delta"_a = 1.0, "doutputs"_a = py::none());
}

}  // namespace pynn
