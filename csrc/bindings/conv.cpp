// Convolutions.
#include "check.h"

namespace pynn {
namespace {

void expect_at_least(const Checker& check, const char* name, std::int64_t value, std::int64_t least) {
    constexpr std::int64_t most = 1 << 30;  // so that no product of sizes overflows
    if (value < least || value > most)
        check.value_error(std::string(name) + " is " + std::to_string(value) + ", expected " + std::to_string(least) +
                          ".." + std::to_string(most));
}

// Every output must read at least one place that is inside the image or next to it.
void expect_window(const Checker& check, const char* name, Size outputs, Size size, Size kernel, std::int64_t stride,
                   std::int64_t before, std::int64_t dilation) {
    const Size reach = (kernel - 1) * dilation + 1;
    if (before >= reach || (outputs - 1) * stride - before >= size)
        check.value_error("out has " + std::to_string(outputs) + " " + name +
                          ", of which some read nothing of the image's " + std::to_string(size));
}

ConvShape checked_shape(const Checker& check, std::int64_t stride_y, std::int64_t stride_x, std::int64_t top,
                        std::int64_t left, std::int64_t dilation_y, std::int64_t dilation_x) {
    const ConvShape s = {check.size(N), check.size(H), check.size(W),  check.size(C),  check.size(KH), check.size(KW),
                         check.size(G), check.size(M), check.size(OH), check.size(OW), stride_y,       stride_x,
                         top,           left,          dilation_y,     dilation_x};
    const struct {
        const char* name;
        Size size;
    } sizes[] = {{"H", s.h}, {"W", s.w}, {"C", s.c},   {"KH", s.kh}, {"KW", s.kw},
                 {"G", s.g}, {"M", s.m}, {"OH", s.oh}, {"OW", s.ow}};
    for (const auto& [name, size] : sizes)
        if (size < 1) check.value_error(std::string(name) + " is " + std::to_string(size) + ", expected at least 1");
    expect_at_least(check, "stride_y", stride_y, 1);
    expect_at_least(check, "stride_x", stride_x, 1);
    expect_at_least(check, "top", top, 0);
    expect_at_least(check, "left", left, 0);
    expect_at_least(check, "dilation_y", dilation_y, 1);
    expect_at_least(check, "dilation_x", dilation_x, 1);
    if (s.c % s.g != 0 || s.m % (s.c / s.g) != 0)
        check.value_error("x has " + std::to_string(s.c) + " channels, the weight " + std::to_string(s.g) +
                          " inputs and " + std::to_string(s.m) +
                          " outputs, expected a number of groups that divides both channels and outputs");
    expect_window(check, "rows", s.oh, s.h, s.kh, stride_y, top, dilation_y);
    expect_window(check, "columns", s.ow, s.w, s.kw, stride_x, left, dilation_x);
    return s;
}

void conv2d_forward(const Array& x, const Array& weight, const OptionalArray& bias, std::int64_t stride_y,
                    std::int64_t stride_x, std::int64_t top, std::int64_t left, std::int64_t dilation_y,
                    std::int64_t dilation_x, std::string_view activation, double alpha, const Array& out) {
    Checker check("conv2d_forward");
    check.in("x", x, N, H, W, C);
    check.in("weight", weight, KH, KW, G, M);
    check.in_or_none("bias", bias, M);
    check.out("out", out, N, OH, OW, M);
    check.overlaps();
    const ConvShape s = checked_shape(check, stride_y, stride_x, top, left, dilation_y, dilation_x);
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().conv2d_forward(data<T>(x), data<T>(weight), data<T>(bias), s, f, data<T>(out));
    });
}

void conv2d_backward(const Array& dy, const Array& x, const Array& weight, const Array& y, std::int64_t stride_y,
                     std::int64_t stride_x, std::int64_t top, std::int64_t left, std::int64_t dilation_y,
                     std::int64_t dilation_x, std::string_view activation, double alpha, const OptionalArray& dz,
                     const OptionalArray& dx, const OptionalArray& dweight, const OptionalArray& dbias) {
    Checker check("conv2d_backward");
    check.in("dy", dy, N, OH, OW, M);
    check.in("x", x, N, H, W, C);
    check.in("weight", weight, KH, KW, G, M);
    check.in("y", y, N, OH, OW, M);
    check.out_or_none("dz", dz, N, OH, OW, M);
    check.out_or_none("dx", dx, N, H, W, C);
    check.out_or_none("dweight", dweight, KH, KW, G, M);
    check.out_or_none("dbias", dbias, M);
    check.overlaps();
    const ConvShape s = checked_shape(check, stride_y, stride_x, top, left, dilation_y, dilation_x);
    const Activation f = check.activation(activation, alpha);
    if (dz.is_none() && f.function != Function::identity)
        check.value_error("dz is None, expected an array (N, OH, OW, M) for any activation but identity");
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().conv2d_backward(data<T>(dy), data<T>(x), data<T>(weight), data<T>(y), s, f, data<T>(dz), data<T>(dx),
                                   data<T>(dweight), data<T>(dbias));
    });
}

}  // namespace

void bind_conv(Kernels& module) {
    using namespace py::literals;
    module.def("conv2d_forward", conv2d_forward, "x"_a, "weight"_a, "bias"_a, "stride_y"_a, "stride_x"_a, "top"_a,
               "left"_a, "dilation_y"_a, "dilation_x"_a, "activation"_a, "alpha"_a, "out"_a);
    module.def("conv2d_backward", conv2d_backward, "dy"_a, "x"_a, "weight"_a, "y"_a, "stride_y"_a, "stride_x"_a,
               "top"_a, "left"_a, "dilation_y"_a, "dilation_x"_a, "activation"_a, "alpha"_a, "dz"_a, "dx"_a,
               "dweight"_a, "dbias"_a);
}

}  // namespace pynn
