// Augmentation.
#include "check.h"

namespace pynn {
namespace {

void warp(const Array& x, const Array& indices, double divisor, const Array& transforms, bool reflect,
          const Array& out) {
    Checker check("warp");
    check.pixels("x", x, N, H, W, C);
    check.integers("indices", indices, B);
    check.in("transforms", transforms, B, D);
    check.out("out", out, B, H, W, C);
    check.overlaps();
    if (check.size(D) != 6)
        check.value_error("transforms has " + std::to_string(check.size(D)) + " columns, expected 6");
    const ImageShape shape = {check.size(B), check.size(H), check.size(W), check.size(C)};
    const auto checked = checked_integers(check, "indices", indices, shape.n, check.size(N), "images");
    const std::int64_t* index = checked.data();
    check.not_zero("divisor", divisor);
    const int from = py::reinterpret_borrow<py::array>(x).dtype().num();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        const T* maps = data<T>(transforms);
        if (from == py::detail::npy_api::NPY_UBYTE_)
            table<T>().warp_u8(data<std::uint8_t>(x), index, divisor, maps, reflect, data<T>(out), shape);
        else if (from == py::detail::npy_api::NPY_FLOAT_)
            table<T>().warp_f32(data<float>(x), index, divisor, maps, reflect, data<T>(out), shape);
        else
            table<T>().warp_f64(data<double>(x), index, divisor, maps, reflect, data<T>(out), shape);
    });
}

void recolour(const Array& images, const Array& contrast, const Array& matrix, const Array& offset) {
    Checker check("recolour");
    check.out("images", images, B, P, C);
    check.in("contrast", contrast, B);
    check.in("matrix", matrix, B, C, C);
    check.in("offset", offset, B, C);
    check.overlaps();
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().recolour(data<T>(images), data<T>(contrast), data<T>(matrix), data<T>(offset), check.size(B),
                            check.size(P), check.size(C));
    });
}

}  // namespace

void bind_augment(Kernels& module) {
    using namespace py::literals;
    module.def("warp", warp, "x"_a, "indices"_a, "divisor"_a = 1.0, "transforms"_a = py::ellipsis(),
               "reflect"_a = false, "out"_a = py::ellipsis());
    module.def("recolour", recolour, "images"_a, "contrast"_a, "matrix"_a, "offset"_a);
}

}  // namespace pynn
