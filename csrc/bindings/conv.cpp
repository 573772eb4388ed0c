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

// Along an axis, the numbers of outputs and of pixels, and what lies between them.
struct Axis {
    const char *places, *before_name, *after_name;
    Size outputs, size, reach;
    std::int64_t stride, before;
    std::optional<std::int64_t> after;

    Size outputs_with(std::int64_t zeros) const {
        const Size room = size + before + zeros - reach;
        return room < 0 ? 0 : room / stride + 1;
    }
};

// The outputs are those that the zeros around the image make room for; where those behind it are not given, as many as
// before it, or one more where that makes the image over stride: what "same" needs.
void expect_outputs(const Checker& check, const Axis& axis) {
    const auto number = [](auto value) { return std::to_string(value); };
    if (axis.before >= axis.reach || axis.after.value_or(0) >= axis.reach)
        check.value_error(std::string(axis.before >= axis.reach ? axis.before_name : axis.after_name) + " is " +
                          number(axis.before >= axis.reach ? axis.before : *axis.after) +
                          ", expected less than the kernel's reach of " + number(axis.reach));
    const Size expected = axis.outputs_with(axis.after.value_or(axis.before));
    if (axis.outputs == expected) return;
    const Size same = (axis.size + axis.stride - 1) / axis.stride;
    if (!axis.after && axis.outputs == same && same == axis.outputs_with(axis.before + 1)) return;
    const std::string after = axis.after ? number(*axis.after) + " behind them"
                                         : "as many behind them; " + std::string(axis.after_name) + " says otherwise";
    check.value_error("out has " + number(axis.outputs) + " " + axis.places + ", expected " + number(expected) +
                      ": a kernel that reaches over " + number(axis.reach) + ", by steps of " + number(axis.stride) +
                      ", on " + number(axis.size) + " with " + number(axis.before) + " zeros before and " + after);
}

ConvShape checked_shape(const Checker& check, std::int64_t stride_y, std::int64_t stride_x, std::int64_t top,
                        std::int64_t left, std::int64_t dilation_y, std::int64_t dilation_x,
                        std::optional<std::int64_t> bottom, std::optional<std::int64_t> right) {
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
    expect_at_least(check, "bottom", bottom.value_or(0), 0);
    expect_at_least(check, "right", right.value_or(0), 0);
    if (s.c % s.g != 0 || s.m % (s.c / s.g) != 0)
        check.value_error("x has " + std::to_string(s.c) + " channels, the weight " + std::to_string(s.g) +
                          " inputs and " + std::to_string(s.m) +
                          " outputs, expected a number of groups that divides both channels and outputs");
    const Size reach_y = (s.kh - 1) * dilation_y + 1, reach_x = (s.kw - 1) * dilation_x + 1;
    expect_outputs(check, {"rows", "top", "bottom", s.oh, s.h, reach_y, stride_y, top, bottom});
    expect_outputs(check, {"columns", "left", "right", s.ow, s.w, reach_x, stride_x, left, right});
    return s;
}

void conv2d_forward(const Array& x, const Array& weight, const OptionalArray& bias, std::int64_t stride_y,
                    std::int64_t stride_x, std::int64_t top, std::int64_t left, std::int64_t dilation_y,
                    std::int64_t dilation_x, std::string_view activation, std::optional<double> alpha, const Array& out,
                    std::optional<std::int64_t> bottom, std::optional<std::int64_t> right) {
    Checker check("conv2d_forward");
    check.in("x", x, N, H, W, C);
    check.in("weight", weight, KH, KW, G, M);
    check.in_or_none("bias", bias, M);
    check.out("out", out, N, OH, OW, M);
    check.overlaps();
    const ConvShape s = checked_shape(check, stride_y, stride_x, top, left, dilation_y, dilation_x, bottom, right);
    const Activation f = check.activation(activation, alpha);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().conv2d_forward(data<T>(x), data<T>(weight), data<T>(bias), s, f, data<T>(out));
    });
}

void conv2d_backward(const Array& dy, const Array& x, const Array& weight, const Array& y, std::int64_t stride_y,
                     std::int64_t stride_x, std::int64_t top, std::int64_t left, std::int64_t dilation_y,
                     std::int64_t dilation_x, std::string_view activation, std::optional<double> alpha,
                     const OptionalArray& dz, const OptionalArray& dx, const OptionalArray& dweight,
                     const OptionalArray& dbias, std::optional<std::int64_t> bottom,
                     std::optional<std::int64_t> right) {
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
    const ConvShape s = checked_shape(check, stride_y, stride_x, top, left, dilation_y, dilation_x, bottom, right);
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
    module.def("conv2d_forward", conv2d_forward, "x"_a, "weight"_a, "bias"_a = py::none(), "stride_y"_a = 1,
               "stride_x"_a = 1, "top"_a = 0, "left"_a = 0, "dilation_y"_a = 1, "dilation_x"_a = 1,
               "activation"_a = "identity", "alpha"_a = py::none(), "out"_a = py::ellipsis(), "bottom"_a = py::none(),
               "right"_a = py::none());
    module.def("conv2d_backward", conv2d_backward, "dy"_a, "x"_a, "weight"_a, "y"_a, "stride_y"_a = 1, "stride_x"_a = 1,
               "top"_a = 0, "left"_a = 0, "dilation_y"_a = 1, "dilation_x"_a = 1, "activation"_a = "identity",
               "alpha"_a = py::none(), "dz"_a = py::none(), "dx"_a = py::none(), "dweight"_a = py::none(),
               "dbias"_a = py::none(), "bottom"_a = py::none(), "right"_a = py::none());
}

}  // namespace pynn
