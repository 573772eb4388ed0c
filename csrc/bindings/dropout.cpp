// Dropout.
#include "check.h"

namespace pynn {
namespace {

// 16-bit draws: the rate is rounded to a multiple of 2^-16.
unsigned checked_threshold(const Checker& check, double rate) {
    if (!(rate >= 0 && rate < 1))
        check.value_error("rate is " + py::str(py::float_(rate)).cast<std::string>() + ", expected 0 <= rate < 1");
    const unsigned rounded = static_cast<unsigned>(rate * 65536 + 0.5);
    return rounded < 65535 ? rounded : 65535;
}

// The scale of the elements kept, from the rounded rate.
double kept_scale(unsigned threshold) {
    return 65536.0 / (65536 - threshold);
}

void dropout(const Array& x, double rate, bool inverted, std::uint64_t seed, std::uint32_t stream, std::uint32_t step,
             std::uint64_t offset, const Array& out) {
    Checker check("dropout");
    check.in_any("x", x);
    check.out_any("out", out);
    check.overlaps();
    const unsigned threshold = checked_threshold(check, rate);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().dropout(data<T>(x), threshold, inverted ? kept_scale(threshold) : 1,
                           Draw{seed, stream, step, offset}, data<T>(out), check.elements());
    });
}

void spatial_dropout(const Array& x, double rate, std::uint64_t seed, std::uint32_t stream, std::uint32_t step,
                     std::uint64_t offset, const Array& out) {
    Checker check("spatial_dropout");
    check.in("x", x, N, P, C);
    check.out("out", out, N, P, C);
    check.overlaps();
    const unsigned threshold = checked_threshold(check, rate);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().spatial_dropout(data<T>(x), threshold, kept_scale(threshold), Draw{seed, stream, step, offset},
                                   data<T>(out), check.size(N), check.size(P), check.size(C));
    });
}

}  // namespace

void bind_dropout(Kernels& module) {
    using namespace py::literals;
    module.def("dropout", dropout, "x"_a, "rate"_a, "inverted"_a = true, "seed"_a = py::ellipsis(),
               "stream"_a = py::ellipsis(), "step"_a = py::ellipsis(), "offset"_a = 0, "out"_a = py::ellipsis());
    module.def("spatial_dropout", spatial_dropout, "x"_a, "rate"_a, "seed"_a, "stream"_a, "step"_a, "offset"_a = 0,
               "out"_a = py::ellipsis());
}

}  // namespace pynn
