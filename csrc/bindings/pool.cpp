// Pooling.
#include "check.h"

namespace pynn {
namespace {

// Rows or columns of regions, copied: another Python thread may write into the arrays.
struct Bounds {
    std::vector<std::int64_t> first, stop;
};

Bounds checked_bounds(const Checker& check, const std::string& first_name, const Array& first,
                      const std::string& stop_name, const Array& stop, Size count, Size size) {
    const auto *a = data<std::int64_t>(first), *b = data<std::int64_t>(stop);
    Bounds bounds = {{a, a + count}, {b, b + count}};
    std::int64_t least_first = 0, least_stop = 0;
    for (std::size_t i = 0; i < bounds.first.size(); ++i) {
        const std::int64_t begin = bounds.first[i], end = bounds.stop[i];
        if (begin < least_first || end < least_stop || begin >= end || end > size) {
            const std::string place = "[" + std::to_string(i) + "]";
            check.value_error(first_name + place + " and " + stop_name + place + " are " + std::to_string(begin) +
                              " and " + std::to_string(end) + ", expected 0 <= " + first_name + " < " + stop_name +
                              " <= " + std::to_string(size) + ", none of them less than the one before");
        }
        least_first = begin;
        least_stop = end;
    }
    return bounds;
}

struct CheckedRegions {
    Bounds rows, columns;
    CheckedRegions(const Checker& check, const Array& row_start, const Array& row_stop, const Array& column_start,
                   const Array& column_stop)
        : rows(checked_bounds(check, "row_start", row_start, "row_stop", row_stop, check.size(P), check.size(H))),
          columns(checked_bounds(check, "column_start", column_start, "column_stop", column_stop, check.size(Q),
                                 check.size(W))) {}
    Regions regions() const {
        return {rows.first.data(),
                rows.stop.data(),
                columns.first.data(),
                columns.stop.data(),
                static_cast<Size>(rows.first.size()),
                static_cast<Size>(columns.first.size())};
    }
};

std::int64_t longest(const Bounds& bounds) {
    std::int64_t found = 0;
    for (std::size_t i = 0; i < bounds.first.size(); ++i)
        if (bounds.stop[i] - bounds.first[i] > found) found = bounds.stop[i] - bounds.first[i];
    return found;
}

// The winner's number must be exact in float32.
void expect_numbers(const Checker& check, const CheckedRegions& checked) {
    const std::int64_t height = longest(checked.rows), width = longest(checked.columns), most = 1 << 24;
    if (height > 0 && width > most / height)
        check.value_error("the largest region has " + std::to_string(height) + " x " + std::to_string(width) +
                          " places, expected at most 2^24");
}

ImageShape image(const Checker& check) {
    return {check.size(N), check.size(H), check.size(W), check.size(C)};
}

void bounds_in(Checker& check, const Array& row_start, const Array& row_stop, const Array& column_start,
               const Array& column_stop) {
    check.integers("row_start", row_start, P);
    check.integers("row_stop", row_stop, P);
    check.integers("column_start", column_start, Q);
    check.integers("column_stop", column_stop, Q);
}

void max_pool_forward(const Array& x, const Array& row_start, const Array& row_stop, const Array& column_start,
                      const Array& column_stop, const Array& winner, const Array& out) {
    Checker check("max_pool_forward");
    check.in("x", x, N, H, W, C);
    bounds_in(check, row_start, row_stop, column_start, column_stop);
    check.out("winner", winner, N, P, Q, C);
    check.out("out", out, N, P, Q, C);
    check.overlaps();
    const CheckedRegions checked(check, row_start, row_stop, column_start, column_stop);
    expect_numbers(check, checked);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().max_pool_forward(data<T>(x), checked.regions(), data<T>(winner), data<T>(out), image(check));
    });
}

void max_pool_backward(const Array& dy, const Array& winner, const Array& row_start, const Array& row_stop,
                       const Array& column_start, const Array& column_stop, const Array& dx) {
    Checker check("max_pool_backward");
    check.in("dy", dy, N, P, Q, C);
    check.in("winner", winner, N, P, Q, C);
    bounds_in(check, row_start, row_stop, column_start, column_stop);
    check.out("dx", dx, N, H, W, C);
    check.overlaps();
    const CheckedRegions checked(check, row_start, row_stop, column_start, column_stop);
    expect_numbers(check, checked);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().max_pool_backward(data<T>(dy), data<T>(winner), checked.regions(), data<T>(dx), image(check));
    });
}

void avg_pool_forward(const Array& x, const Array& row_start, const Array& row_stop, const Array& column_start,
                      const Array& column_stop, const Array& out) {
    Checker check("avg_pool_forward");
    check.in("x", x, N, H, W, C);
    bounds_in(check, row_start, row_stop, column_start, column_stop);
    check.out("out", out, N, P, Q, C);
    check.overlaps();
    const CheckedRegions checked(check, row_start, row_stop, column_start, column_stop);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().avg_pool_forward(data<T>(x), checked.regions(), data<T>(out), image(check));
    });
}

void avg_pool_backward(const Array& dy, const Array& row_start, const Array& row_stop, const Array& column_start,
                       const Array& column_stop, const Array& dx) {
    Checker check("avg_pool_backward");
    check.in("dy", dy, N, P, Q, C);
    bounds_in(check, row_start, row_stop, column_start, column_stop);
    check.out("dx", dx, N, H, W, C);
    check.overlaps();
    const CheckedRegions checked(check, row_start, row_stop, column_start, column_stop);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().avg_pool_backward(data<T>(dy), checked.regions(), data<T>(dx), image(check));
    });
}

}  // namespace

void bind_pool(Kernels& module) {
    using namespace py::literals;
    module.def("max_pool_forward", max_pool_forward, "x"_a, "row_start"_a, "row_stop"_a, "column_start"_a,
               "column_stop"_a, "winner"_a, "out"_a);
    module.def("max_pool_backward", max_pool_backward, "dy"_a, "winner"_a, "row_start"_a, "row_stop"_a,
               "column_start"_a, "column_stop"_a, "dx"_a);
    module.def("avg_pool_forward", avg_pool_forward, "x"_a, "row_start"_a, "row_stop"_a, "column_start"_a,
               "column_stop"_a, "out"_a);
    module.def("avg_pool_backward", avg_pool_backward, "dy"_a, "row_start"_a, "row_stop"_a, "column_start"_a,
               "column_stop"_a, "dx"_a);
}

}  // namespace pynn
