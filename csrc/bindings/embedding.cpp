// Embedding.
#include "check.h"

namespace pynn {
namespace {

constexpr std::int64_t kExactFloat = 1 << 24;  // float32 holds every whole number up to here

// A copy of the sizes, which must add up to the rows of the table.
std::vector<std::int64_t> table_sizes(const Checker& check, const Array& sizes) {
    const Size columns = check.size(C), rows = check.size(D);
    const auto* values = data<std::int64_t>(sizes);
    std::vector<std::int64_t> copy(values, values + columns);
    std::int64_t total = 0;
    for (std::size_t k = 0; k < copy.size(); ++k) {
        const std::string name = "sizes[" + std::to_string(k) + "] is " + std::to_string(copy[k]) + ", expected ";
        if (copy[k] < 1 || copy[k] > rows - total)
            check.value_error(name + "1.." + std::to_string(rows - total) + ", as the sizes add up to the table's " +
                              std::to_string(rows) + " rows");
        if (!check.is_double() && copy[k] > kExactFloat)
            check.value_error(name + "at most " + std::to_string(kExactFloat) +
                              ": float32 does not hold all whole numbers beyond, float64 does");
        total += copy[k];
    }
    if (total != rows)
        check.value_error("sizes add up to " + std::to_string(total) + ", expected the table's " +
                          std::to_string(rows) + " rows");
    return copy;
}

void expect_codes(const Checker& check, const Array& codes, const std::vector<std::int64_t>& sizes, Size wrong) {
    if (wrong < 0) return;
    const Size n = wrong / check.size(C), k = wrong % check.size(C);
    const double code = check.is_double() ? data<double>(codes)[wrong] : static_cast<double>(data<float>(codes)[wrong]);
    check.value_error("codes[" + std::to_string(n) + ", " + std::to_string(k) + "] is " +
                      py::str(py::float_(code)).cast<std::string>() + ", expected a whole number of -1.." +
                      std::to_string(sizes[static_cast<std::size_t>(k)] - 1));
}

void embedding_forward(const Array& codes, const Array& sizes, const Array& weight, const Array& out) {
    Checker check("embedding_forward");
    check.in("codes", codes, N, C);
    check.integers("sizes", sizes, C);
    check.in("weight", weight, D, M);
    check.out("out", out, N, C, M);
    check.overlaps();
    const auto copy = table_sizes(check, sizes);
    const Size wrong = compute(check, [&](auto zero) {
        using T = decltype(zero);
        return table<T>().embedding_forward(data<T>(codes), copy.data(), data<T>(weight), data<T>(out), check.size(N),
                                            check.size(C), check.size(M));
    });
    expect_codes(check, codes, copy, wrong);
}

void embedding_backward(const Array& dy, const Array& codes, const Array& sizes, const Array& dweight) {
    Checker check("embedding_backward");
    check.in("dy", dy, N, C, M);
    check.in("codes", codes, N, C);
    check.integers("sizes", sizes, C);
    check.out("dweight", dweight, D, M);
    check.overlaps();
    const auto copy = table_sizes(check, sizes);
    const Size wrong = compute(check, [&](auto zero) {
        using T = decltype(zero);
        return table<T>().embedding_backward(data<T>(dy), data<T>(codes), copy.data(), data<T>(dweight), check.size(N),
                                             check.size(C), check.size(M));
    });
    expect_codes(check, codes, copy, wrong);
}

}  // namespace

void bind_embedding(Kernels& module) {
    using namespace py::literals;
    module.def("embedding_forward", embedding_forward, "codes"_a, "sizes"_a, "weight"_a, "out"_a);
    module.def("embedding_backward", embedding_backward, "dy"_a, "codes"_a, "sizes"_a, "dweight"_a);
}

}  // namespace pynn
