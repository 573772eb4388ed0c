// Periodic features.
#include "check.h"

namespace pynn {
namespace {

// An output of each linear map, and x itself.
void expect_units(const Checker& check, const char* name) {
    const Size units = check.size(Q), outputs = check.size(C);
    if (units != outputs + 1)
        check.value_error(std::string(name) + " has " + std::to_string(units) + " units, expected " +
                          std::to_string(outputs + 1) + ", one more than the weight's " + std::to_string(outputs) +
                          " outputs");
}

void periodic_forward(const Array& x, const Array& frequency, const Array& phase, const Array& weight,
                      const Array& bias, const Array& out) {
    Checker check("periodic_forward");
    check.in("x", x, N, D);
    check.in("frequency", frequency, D, M);
    check.in("phase", phase, D, M);
    check.in("weight", weight, D, M, C);
    check.in("bias", bias, D, C);
    check.out("out", out, N, D, Q);
    check.overlaps();
    expect_units(check, "out");
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().periodic_forward(data<T>(x), data<T>(frequency), data<T>(phase), data<T>(weight), data<T>(bias),
                                    data<T>(out), check.size(N), check.size(D), check.size(M), check.size(C));
    });
}

void periodic_backward(const Array& dy, const Array& x, const Array& frequency, const Array& phase, const Array& weight,
                       const OptionalArray& dx, const OptionalArray& dfrequency, const OptionalArray& dphase,
                       const OptionalArray& dweight, const OptionalArray& dbias) {
    Checker check("periodic_backward");
    check.in("dy", dy, N, D, Q);
    check.in("x", x, N, D);
    check.in("frequency", frequency, D, M);
    check.in("phase", phase, D, M);
    check.in("weight", weight, D, M, C);
    check.out_or_none("dx", dx, N, D);
    check.out_or_none("dfrequency", dfrequency, D, M);
    check.out_or_none("dphase", dphase, D, M);
    check.out_or_none("dweight", dweight, D, M, C);
    check.out_or_none("dbias", dbias, D, C);
    check.overlaps();
    expect_units(check, "dy");
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().periodic_backward(data<T>(dy), data<T>(x), data<T>(frequency), data<T>(phase), data<T>(weight),
                                     data<T>(dx), data<T>(dfrequency), data<T>(dphase), data<T>(dweight),
                                     data<T>(dbias), check.size(N), check.size(D), check.size(M), check.size(C));
    });
}

}  // namespace

void bind_periodic(Kernels& module) {
    using namespace py::literals;
    module.def("periodic_forward", periodic_forward, "x"_a, "frequency"_a, "phase"_a, "weight"_a, "bias"_a, "out"_a);
    module.def("periodic_backward", periodic_backward, "dy"_a, "x"_a, "frequency"_a, "phase"_a, "weight"_a,
               "dx"_a = py::none(), "dfrequency"_a = py::none(), "dphase"_a = py::none(), "dweight"_a = py::none(),
               "dbias"_a = py::none());
}

}  // namespace pynn
