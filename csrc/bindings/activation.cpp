// Activations and dropout: elementwise kernels.
#include "check.h"

namespace pynn {
namespace {

void activation_forward(const Array& x, std::string_view activation, double alpha, const Array& out) {
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

void activation_backward(const Array& dy, const Array& y, std::string_view activation, double alpha, const Array& dx) {
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

void dropout(const Array& x, double rate, std::uint64_t seed, std::uint32_t stream, std::uint32_t step,
             const Array& out) {
    Checker check("dropout");
    check.in_any("x", x);
    check.out_any("out", out);
    check.overlaps();
    if (!(rate >= 0 && rate < 1))
        check.value_error("rate is " + py::str(py::float_(rate)).cast<std::string>() + ", expected 0 <= rate < 1");
    // 16-bit draws: the rate is rounded to a multiple of 2^-16 and the scale follows the rounded one
    const unsigned rounded = static_cast<unsigned>(rate * 65536 + 0.5);
    const unsigned threshold = rounded < 65535 ? rounded : 65535;
    const double scale = 65536.0 / (65536 - threshold);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().dropout(data<T>(x), threshold, scale, Draw{seed, stream, step}, data<T>(out), check.elements());
    });
}

}  // namespace

void bind_activation(Kernels& module) {
    using namespace py::literals;
    module.def("activation_forward", activation_forward, "x"_a, "activation"_a, "alpha"_a, "out"_a);
    module.def("activation_backward", activation_backward, "dy"_a, "y"_a, "activation"_a, "alpha"_a, "dx"_a);
    module.def("dropout", dropout, "x"_a, "rate"_a, "seed"_a, "stream"_a, "step"_a, "out"_a);
}

}  // namespace pynn
