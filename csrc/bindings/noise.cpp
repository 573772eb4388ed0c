// Additive noise.
#include "check.h"

namespace pynn {
namespace {

void gaussian_noise(const Array& x, double deviation, std::uint64_t seed, std::uint32_t stream, std::uint32_t step,
                    std::uint64_t offset, const Array& out) {
    Checker check("gaussian_noise");
    check.in_any("x", x);
    check.out_any("out", out);
    check.overlaps();
    check.not_negative("std", deviation);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().gaussian_noise(data<T>(x), deviation, Draw{seed, stream, step, offset}, data<T>(out),
                                  check.elements());
    });
}

}  // namespace

void bind_noise(Kernels& module) {
    using namespace py::literals;
    module.def("gaussian_noise", gaussian_noise, "x"_a, "std"_a, "seed"_a, "stream"_a, "step"_a, "offset"_a = 0,
               "out"_a = py::ellipsis());
}

}  // namespace pynn
