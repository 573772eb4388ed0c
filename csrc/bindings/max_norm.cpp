// The max-norm constraint.
#include "check.h"

namespace pynn {
namespace {

void max_norm(const Array& weight, double limit) {
    Checker check("max_norm");
    check.out("weight", weight, D, M);
    check.positive("limit", limit);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().max_norm(data<T>(weight), limit, check.size(D), check.size(M));
    });
}

}  // namespace

void bind_max_norm(Kernels& module) {
    using namespace py::literals;
    module.def("max_norm", max_norm, "weight"_a, "limit"_a);
}

}  // namespace pynn
