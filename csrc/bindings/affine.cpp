// Affine maps.
#include "check.h"

namespace pynn {
namespace {

void affine_forward(const Array& x, const Array& weight, const OptionalArray& bias, std::string_view activation,
                    std::optional<double> alpha, const Array& out, double scale) {
    Checker check("affine_forward");
    check.in("x", x, N, D);
    check.in("weight", weight, D, M);
    check.in_or_none("bias", bias, M);
    check.out("out", out, N, M);
    check.overlaps();
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().affine_forward(data<T>(x), data<T>(weight), data<T>(bias), f, data<T>(out), scale, check.size(N),
                                  check.size(D), check.size(M));
    });
}

void affine_backward(const Array& dy, const Array& x, const Array& weight, const Array& y, std::string_view activation,
                     std::optional<double> alpha, const OptionalArray& dz, const OptionalArray& dx,
                     const OptionalArray& dweight, const OptionalArray& dbias, double scale) {
    Checker check("affine_backward");
    check.in("dy", dy, N, M);
    check.in("x", x, N, D);
    check.in("weight", weight, D, M);
    check.in("y", y, N, M);
    check.out_or_none("dz", dz, N, M);
    check.out_or_none("dx", dx, N, D);
    check.out_or_none("dweight", dweight, D, M);
    check.out_or_none("dbias", dbias, M);
    check.overlaps();
    const Activation f = check.activation(activation, alpha);
    if (dz.is_none() && f.function != Function::identity)
        check.value_error("dz is None, expected an array (N, M) for any activation but identity");
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().affine_backward(data<T>(dy), data<T>(x), data<T>(weight), data<T>(y), f, data<T>(dz), data<T>(dx),
                                   data<T>(dweight), data<T>(dbias), scale, check.size(N), check.size(D),
                                   check.size(M));
    });
}

}  // namespace

void bind_affine(Kernels& module) {
    using namespace py::literals;
    module.def("affine_forward", affine_forward, "x"_a, "weight"_a, "bias"_a = py::none(), "activation"_a = "identity",
               "alpha"_a = py::none(), "out"_a = py::ellipsis(), "scale"_a = 1.0);
    module.def("affine_backward", affine_backward, "dy"_a, "x"_a, "weight"_a, "y"_a, "activation"_a = "identity",
               "alpha"_a = py::none(), "dz"_a = py::none(), "dx"_a = py::none(), "dweight"_a = py::none(),
               "dbias"_a = py::none(), "scale"_a = 1.0);
}

}  // namespace pynn
