// The activations x + mix (f(x) - x).
#include "check.h"

namespace pynn {
namespace {

void mixed_forward(const Array& x, const Array& mix, std::string_view activation, const Array& out) {
    Checker check("mixed_forward");
    check.in("x", x, N, C);
    check.in("mix", mix, C);
    check.out("out", out, N, C);
    check.overlaps();
    const Mixed f = check.choice<Mixed>("activation", activation, kMixedNames);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().mixed_forward(data<T>(x), data<T>(mix), f, data<T>(out), check.size(N), check.size(C));
    });
}

void mixed_backward(const Array& dy, const Array& x, const Array& mix, std::string_view activation,
                    const OptionalArray& dx, const Array& dmix) {
    Checker check("mixed_backward");
    check.in("dy", dy, N, C);
    check.in("x", x, N, C);
    check.in("mix", mix, C);
    check.out_or_none("dx", dx, N, C);
    check.out("dmix", dmix, C);
    check.overlaps();
    const Mixed f = check.choice<Mixed>("activation", activation, kMixedNames);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().mixed_backward(data<T>(dy), data<T>(x), data<T>(mix), f, data<T>(dx), data<T>(dmix), check.size(N),
                                  check.size(C));
    });
}

}  // namespace

void bind_mixed_activation(Kernels& module) {
    using namespace py::literals;
    module.def("mixed_forward", mixed_forward, "x"_a, "mix"_a, "activation"_a, "out"_a);
    module.def("mixed_backward", mixed_backward, "dy"_a, "x"_a, "mix"_a, "activation"_a, "dx"_a = py::none(),
               "dmix"_a = py::ellipsis());
}

}  // namespace pynn
