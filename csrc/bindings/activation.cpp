// Activations.
#include "check.h"

namespace pynn {
namespace {

void activation_forward(const Array& x, std::string_view activation, std::optional<double> alpha, const Array& out) {
    Checker check("activation_forward");
    check.in_any("x", x);
    check.out_any("out", out);
    check.overlaps();
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().activation_forward(data<T>(x), f, data<T>(out), check.elements());
    });
}

void activation_backward(const Array& dy, const Array& y, std::string_view activation, std::optional<double> alpha,
                         const Array& dx) {
    Checker check("activation_backward");
    check.in_any("dy", dy);
    check.in_any("y", y);
    check.out_any("dx", dx);
    check.overlaps();
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().activation_backward(data<T>(dy), data<T>(y), f, data<T>(dx), check.elements());
    });
}

}  // namespace

void bind_activation(Kernels& module) {
    using namespace py::literals;
    module.def("activation_forward", activation_forward, "x"_a, "activation"_a, "alpha"_a = py::none(),
               "out"_a = py::ellipsis());
    module.def("activation_backward", activation_backward, "dy"_a, "y"_a, "activation"_a, "alpha"_a = py::none(),
               "dx"_a = py::ellipsis());
}

}  // namespace pynn
