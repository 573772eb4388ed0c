// A factor for each feature.
#include "check.h"

namespace pynn {
namespace {

void scale_forward(const Array& x, const Array& scale, const Array& out) {
    Checker check("scale_forward");
    check.in("x", x, N, C);
    check.in("scale", scale, C);
    check.out("out", out, N, C);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().scale_forward(data<T>(x), data<T>(scale), data<T>(out), check.size(N), check.size(C));
    });
}

void scale_backward(const Array& dy, const Array& x, const Array& scale, const OptionalArray& dx, const Array& dscale) {
    Checker check("scale_backward");
    check.in("dy", dy, N, C);
    check.in("x", x, N, C);
    check.in("scale", scale, C);
    check.out_or_none("dx", dx, N, C);
    check.out("dscale", dscale, C);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().scale_backward(data<T>(dy), data<T>(x), data<T>(scale), data<T>(dx), data<T>(dscale), check.size(N),
                                  check.size(C));
    });
}

}  // namespace

void bind_feature_scale(Kernels& module) {
    using namespace py::literals;
    module.def("scale_forward", scale_forward, "x"_a, "scale"_a, "out"_a);
    module.def("scale_backward", scale_backward, "dy"_a, "x"_a, "scale"_a, "dx"_a = py::none(),
               "dscale"_a = py::ellipsis());
}

}  // namespace pynn
