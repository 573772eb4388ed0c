// Maxout.
#include "check.h"

namespace pynn {
namespace {

void expect_pieces(const Checker& check, const char* name, std::int64_t pieces) {
    const Size c = check.size(C), m = check.size(M);
    if (pieces < 1 || c % pieces != 0 || c / pieces != m)
        check.value_error(std::string(name) + " has " + std::to_string(c) + " columns, expected " +
                          std::to_string(pieces) + " pieces of " + std::to_string(m));
}

void maxout_forward(const Array& z, std::int64_t pieces, const Array& winner, const Array& out) {
    Checker check("maxout_forward");
    check.in("z", z, N, C);
    check.out("winner", winner, N, M);
    check.out("out", out, N, M);
    check.overlaps();
    expect_pieces(check, "z", pieces);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().maxout_forward(data<T>(z), pieces, data<T>(winner), data<T>(out), check.size(N), check.size(M));
    });
}

void maxout_backward(const Array& dy, const Array& winner, std::int64_t pieces, const Array& dz) {
    Checker check("maxout_backward");
    check.in("dy", dy, N, M);
    check.in("winner", winner, N, M);
    check.out("dz", dz, N, C);
    check.overlaps();
    expect_pieces(check, "dz", pieces);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().maxout_backward(data<T>(dy), data<T>(winner), pieces, data<T>(dz), check.size(N), check.size(M));
    });
}

}  // namespace

void bind_maxout(Kernels& module) {
    using namespace py::literals;
    module.def("maxout_forward", maxout_forward, "z"_a, "pieces"_a, "winner"_a, "out"_a);
    module.def("maxout_backward", maxout_backward, "dy"_a, "winner"_a, "pieces"_a, "dz"_a);
}

}  // namespace pynn
