// What gradient clipping needs.
#include "check.h"

namespace pynn {
namespace {

double norm(const Array& vector) {
    Checker check("norm");
    check.in("vector", vector, P);
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        return table<T>().norm(data<T>(vector), check.size(P));
    });
}

void scale(const Array& vector, double factor) {
    Checker check("scale");
    check.out("vector", vector, P);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().scale(data<T>(vector), factor, check.size(P));
    });
}

void clip(const Array& vector, double limit) {
    Checker check("clip");
    check.out("vector", vector, P);
    check.positive("limit", limit);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().clip(data<T>(vector), limit, check.size(P));
    });
}

}  // namespace

void bind_clip(Kernels& module) {
    using namespace py::literals;
    module.def("norm", norm, "vector"_a);
    module.def("scale", scale, "vector"_a, "factor"_a);
    module.def("clip", clip, "vector"_a, "limit"_a);
}

}  // namespace pynn
