// Softmax and softmax cross-entropy.
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

double softmax_cross_entropy(const Array& logits, const Array& labels, const Array& dlogits) {
    Checker check("softmax_cross_entropy");
    check.in("logits", logits, N, C);
    check.integers("labels", labels, N);
    check.out("dlogits", dlogits, N, C);
    check.overlaps();
    const Size n = check.size(N), c = check.size(C);
    if (n < 1 || c < 1)
        check.value_error("logits has shape (" + std::to_string(n) + ", " + std::to_string(c) +
                          "), expected at least one row and column");
    const auto label = checked_integers(check, "labels", labels, n, c, "classes");
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        return table<T>().softmax_cross_entropy(data<T>(logits), label.data(), data<T>(dlogits), n, c);
    });
}

}  // namespace

void bind_loss(Kernels& module) {
    using namespace py::literals;
    module.def("softmax", softmax, "x"_a, "out"_a);
    module.def("softmax_cross_entropy", softmax_cross_entropy, "logits"_a, "labels"_a, "dlogits"_a);
}

}  // namespace pynn
