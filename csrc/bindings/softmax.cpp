// The gradient of softmax.
#include "check.h"

namespace pynn {
namespace {

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

}  // namespace

void bind_softmax(Kernels& module) {
    using namespace py::literals;
    module.def("softmax_backward", softmax_backward, "dy"_a, "y"_a, "dx"_a);
}

}  // namespace pynn
