// The sum at the end of a residual block.
#include "check.h"

namespace pynn {
namespace {

void add(const Array& x, double factor, const Array& y, std::string_view activation, std::optional<double> alpha,
         const Array& out) {
    Checker check("add");
    check.in_any("x", x);
    check.in_any("y", y);
    check.out_any("out", out);
    check.overlaps();
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().add(data<T>(x), factor, data<T>(y), f, data<T>(out), check.elements());
    });
}

}  // namespace

void bind_add(Kernels& module) {
    using namespace py::literals;
    module.def("add", add, "x"_a, "factor"_a, "y"_a, "activation"_a = "identity", "alpha"_a = py::none(),
               "out"_a = py::ellipsis());
}

}  // namespace pynn
