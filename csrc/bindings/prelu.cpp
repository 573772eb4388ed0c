// PReLU.
#include "check.h"

namespace pynn {
namespace {

void expect_slopes(const Checker& check) {
    const Size slopes = check.size(P), c = check.size(C);
    if (slopes != 1 && slopes != c)
        check.value_error("slope has shape (" + std::to_string(slopes) + ",), expected (1,) or (" + std::to_string(c) +
                          ",)");
}

void prelu_forward(const Array& x, const Array& slope, const Array& out) {
    Checker check("prelu_forward");
    check.in("x", x, N, C);
    check.in("slope", slope, P);
    check.out("out", out, N, C);
    check.overlaps();
    expect_slopes(check);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().prelu_forward(data<T>(x), data<T>(slope), data<T>(out), check.size(N), check.size(C), check.size(P));
    });
}

void prelu_backward(const Array& dy, const Array& x, const Array& slope, const OptionalArray& dx, const Array& dslope) {
    Checker check("prelu_backward");
    check.in("dy", dy, N, C);
    check.in("x", x, N, C);
    check.in("slope", slope, P);
    check.out_or_none("dx", dx, N, C);
    check.out("dslope", dslope, P);
    check.overlaps();
    expect_slopes(check);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().prelu_backward(data<T>(dy), data<T>(x), data<T>(slope), data<T>(dx), data<T>(dslope), check.size(N),
                                  check.size(C), check.size(P));
    });
}

}  // namespace

void bind_prelu(Kernels& module) {
    using namespace py::literals;
    module.def("prelu_forward", prelu_forward, "x"_a, "slope"_a, "out"_a);
    module.def("prelu_backward", prelu_backward, "dy"_a, "x"_a, "slope"_a, "dx"_a = py::none(),
               "dslope"_a = py::ellipsis());
}

}  // namespace pynn
