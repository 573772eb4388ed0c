// Hierarchical softmax: walks up the tree, and checks on the way, while the GIL is held.
#include "check.h"

namespace pynn {
namespace {

// The steps of each sample's path from its class up to the root, copied: another Python thread may write into the tree.
struct Walked {
    std::vector<std::int64_t> steps, starts;
    Paths paths() const { return {steps.data(), starts.data()}; }
    Size longest() const {
        Size found = 0;
        for (std::size_t i = 1; i < starts.size(); ++i)
            if (starts[i] - starts[i - 1] > found) found = static_cast<Size>(starts[i] - starts[i - 1]);
        return found;
    }
};

std::int64_t checked_parent(const Checker& check, const std::int64_t* parents, std::int64_t place, std::int64_t inner) {
    const std::int64_t parent = parents[place];
    if (parent < 0 || parent >= 2 * inner)
        check.value_error("parents[" + std::to_string(place) + "] is " + std::to_string(parent) + ", expected 0.." +
                          std::to_string(2 * inner - 1) + " (2 node + code, of a node before it)");
    return parent;
}

void check_tree(const Checker& check) {
    const Size m = check.size(M), p = check.size(P);
    if (p != 2 * m + 1)
        check.value_error("parents has shape (" + std::to_string(p) + ",), expected (" + std::to_string(2 * m + 1) +
                          ",): " + std::to_string(m + 1) + " classes and " + std::to_string(m) + " nodes");
}

Walked walk(const Checker& check, const Array& labels, const Array& parents) {
    const Size n = check.size(N), m = check.size(M);
    check_tree(check);
    Walked walked;
    walked.starts.push_back(0);
    const auto* tree = data<std::int64_t>(parents);
    const auto classes = checked_integers(check, "labels", labels, n, m + 1, "classes");
    for (Size i = 0; i < n; ++i) {
        std::int64_t place = classes[static_cast<std::size_t>(i)];
        for (std::int64_t inner = m; inner > 0; place = m + 1 + inner) {  // nodes that may be above this one
            walked.steps.push_back(checked_parent(check, tree, place, inner));
            inner = walked.steps.back() >> 1;
        }
        const auto end = static_cast<std::int64_t>(walked.steps.size());
        if (check.size(B) >= 0 && end - walked.starts.back() > check.size(B))
            check.value_error("slopes has " + std::to_string(check.size(B)) +
                              " columns, too few for the path of labels[" + std::to_string(i) + "]");
        walked.starts.push_back(end);
    }
    return walked;
}

double hierarchical_softmax(const Array& x, const Array& labels, const Array& parents, const Array& nodes,
                            const OptionalArray& bias, const OptionalArray& weights, const OptionalArray& slopes,
                            const OptionalArray& dx) {
    Checker check("hierarchical_softmax");
    check.in("x", x, N, D);
    check.integers("labels", labels, N);
    check.integers("parents", parents, P);
    check.in("nodes", nodes, M, D);
    check.in_or_none("bias", bias, M);
    check.in_or_none("weights", weights, N);
    check.out_or_none("slopes", slopes, N, B);
    check.out_or_none("dx", dx, N, D);
    check.overlaps();
    const Size n = check.size(N), d = check.size(D);
    if (n < 1)
        check.value_error("x has shape (" + std::to_string(n) + ", " + std::to_string(d) +
                          "), expected at least one row");
    const Walked walked = walk(check, labels, parents);
    const Size columns = slopes.is_none() ? walked.longest() : check.size(B);
    return compute(check, [&](auto zero) {
        using T = decltype(zero);
        const Target<T> steps(slopes, n * columns), gradient(dx, n * d);
        return table<T>().hierarchical_softmax(data<T>(x), walked.paths(), data<T>(nodes), data<T>(bias),
                                               data<T>(weights), steps.get(), gradient.get(), n, d, columns);
    });
}

void hierarchical_softmax_backward(const Array& x, const Array& labels, const Array& parents, const Array& slopes,
                                   const Array& dnodes, const OptionalArray& dbias) {
    Checker check("hierarchical_softmax_backward");
    check.in("x", x, N, D);
    check.integers("labels", labels, N);
    check.integers("parents", parents, P);
    check.in("slopes", slopes, N, B);
    check.out("dnodes", dnodes, M, D);
    check.out_or_none("dbias", dbias, M);
    check.overlaps();
    const Walked walked = walk(check, labels, parents);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().hierarchical_softmax_backward(data<T>(x), walked.paths(), data<T>(slopes), data<T>(dnodes),
                                                 data<T>(dbias), check.size(N), check.size(D), check.size(M),
                                                 check.size(B));
    });
}

// The index below each side of each node of a valid tree: a copy, as above.
std::vector<std::int64_t> children_of(const Checker& check, const Array& parents) {
    check_tree(check);
    const Size m = check.size(M);
    const auto* tree = data<std::int64_t>(parents);
    std::vector<std::int64_t> children(static_cast<std::size_t>(2 * m), -1);
    for (Size i = 0; m > 0 && i < 2 * m + 1; ++i) {
        if (i == m + 1) continue;  // the root
        const std::int64_t parent = checked_parent(check, tree, i, i < m + 1 ? m : i - m - 1);
        std::int64_t& child = children[static_cast<std::size_t>(parent)];
        if (child >= 0)
            check.value_error("parents[" + std::to_string(i) + "] is " + std::to_string(parent) + " like parents[" +
                              std::to_string(child) + "], expected one child on each side of a node");
        child = i;
    }
    return children;
}

void hierarchical_softmax_predict(const Array& x, const Array& parents, const Array& nodes, const OptionalArray& bias,
                                  std::int64_t limit, const Array& labels) {
    Checker check("hierarchical_softmax_predict");
    check.in("x", x, N, D);
    check.integers("parents", parents, P);
    check.in("nodes", nodes, M, D);
    check.in_or_none("bias", bias, M);
    check.integers_out("labels", labels, N);
    check.overlaps();
    if (limit < 1) check.value_error("limit is " + std::to_string(limit) + ", expected at least 1");
    const auto children = children_of(check, parents);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().hierarchical_softmax_predict(data<T>(x), children.data(), data<T>(nodes), data<T>(bias),
                                                static_cast<Size>(limit), data<std::int64_t>(labels), check.size(N),
                                                check.size(D), check.size(M));
    });
}

void hierarchical_softmax_probabilities(const Array& x, const Array& parents, const Array& nodes,
                                        const OptionalArray& bias, const Array& out) {
    Checker check("hierarchical_softmax_probabilities");
    check.in("x", x, N, D);
    check.integers("parents", parents, P);
    check.in("nodes", nodes, M, D);
    check.in_or_none("bias", bias, M);
    check.out("out", out, N, C);
    check.overlaps();
    check_tree(check);
    const Size n = check.size(N), m = check.size(M);
    if (check.size(C) != m + 1)
        check.value_error("out has " + std::to_string(check.size(C)) + " columns, expected " + std::to_string(m + 1) +
                          ", one for each class");
    const auto* tree = data<std::int64_t>(parents);
    const std::vector<std::int64_t> copy(tree, tree + check.size(P));
    for (Size i = 0; m > 0 && i < 2 * m + 1; ++i)
        if (i != m + 1) checked_parent(check, copy.data(), i, i < m + 1 ? m : i - m - 1);
    compute(check, [&](auto zero) {
        using T = decltype(zero);
        table<T>().hierarchical_softmax_probabilities(data<T>(x), copy.data(), data<T>(nodes), data<T>(bias),
                                                      data<T>(out), n, check.size(D), m);
    });
}

}  // namespace

void bind_hierarchical(Kernels& module) {
    using namespace py::literals;
    module.def("hierarchical_softmax", hierarchical_softmax, "x"_a, "labels"_a, "parents"_a, "nodes"_a,
               "bias"_a = py::none(), "weights"_a = py::none(), "slopes"_a = py::none(), "dx"_a = py::none());
    module.def("hierarchical_softmax_backward", hierarchical_softmax_backward, "x"_a, "labels"_a, "parents"_a,
               "slopes"_a, "dnodes"_a, "dbias"_a = py::none());
    module.def("hierarchical_softmax_predict", hierarchical_softmax_predict, "x"_a, "parents"_a, "nodes"_a,
               "bias"_a = py::none(), "limit"_a = py::ellipsis(), "labels"_a = py::ellipsis());
    module.def("hierarchical_softmax_probabilities", hierarchical_softmax_probabilities, "x"_a, "parents"_a, "nodes"_a,
               "bias"_a = py::none(), "out"_a = py::ellipsis());
}

}  // namespace pynn
