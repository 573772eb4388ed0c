// Batches.
#include "check.h"

namespace pynn {
namespace {

void gather(const Array& x, const Array& indices, double divisor, const Array& out) {
    Checker check("gather");
    check.pixels("x", x, N, D);
    check.integers("indices", indices, B);
    check.out("out", out, B, D);
    check.overlaps();
    const Size b = check.size(B), d = check.size(D);
    const auto checked = checked_integers(check, "indices", indices, b, check.size(N), "rows");
    const std::int64_t* index = checked.data();
    check.not_zero("divisor", divisor);
    const int from = py::reinterpret_borrow<py::array>(x).dtype().num();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        if (from == py::detail::npy_api::NPY_UBYTE_)
            table<T>().gather_u8(data<std::uint8_t>(x), index, divisor, data<T>(out), b, d);
        else if (from == py::detail::npy_api::NPY_FLOAT_)
            table<T>().gather_f32(data<float>(x), index, divisor, data<T>(out), b, d);
        else
            table<T>().gather_f64(data<double>(x), index, divisor, data<T>(out), b, d);
    });
}

}  // namespace

void bind_gather(Kernels& module) {
    using namespace py::literals;
    module.def("gather", gather, "x"_a, "indices"_a, "divisor"_a = 1.0, "out"_a = py::ellipsis());
}

}  // namespace pynn
