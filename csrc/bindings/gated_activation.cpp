// The activations x gate(x).
#include "check.h"

namespace pynn {
namespace {

void gate_forward(const Array& x, std::string_view activation, const Array& out) {
    Checker check("gate_forward");
    check.in_any("x", x);
    check.out_any("out", out);
    check.overlaps();
    const Gate gate = check.choice<Gate>("activation", activation, kGateNames);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().gate_forward(data<T>(x), gate, data<T>(out), check.elements());
    });
}

void gate_backward(const Array& dy, const Array& x, std::string_view activation, const Array& dx) {
    Checker check("gate_backward");
    check.in_any("dy", dy);
    check.in_any("x", x);
    check.out_any("dx", dx);
    check.overlaps();
    const Gate gate = check.choice<Gate>("activation", activation, kGateNames);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().gate_backward(data<T>(dy), data<T>(x), gate, data<T>(dx), check.elements());
    });
}

}  // namespace

void bind_gated_activation(Kernels& module) {
    using namespace py::literals;
    module.def("gate_forward", gate_forward, "x"_a, "activation"_a, "out"_a);
    module.def("gate_backward", gate_backward, "dy"_a, "x"_a, "activation"_a, "dx"_a);
}

}  // namespace pynn
