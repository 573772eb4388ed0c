// What the bindings of losses share.
#pragma once
#include <cmath>
#include <utility>

#include "check.h"

namespace pynn {

// The arrays that losses of labels have; returns the labels.
inline std::vector<std::int64_t> checked_labels(Checker& check, const char* name, const Array& scores,
                                                const Array& labels, const OptionalArray& weights,
                                                const char* gradient_name, const OptionalArray& gradient) {
    check.in(name, scores, N, C);
    check.integers("labels", labels, N);
    check.in_or_none("weights", weights, N);
    check.out_or_none(gradient_name, gradient, N, C);
    check.overlaps();
    const Size n = check.size(N), c = check.size(C);
    if (n < 1 || c < 1)
        check.value_error(std::string(name) + " has shape (" + std::to_string(n) + ", " + std::to_string(c) +
                          "), expected at least one row and column");
    return checked_integers(check, "labels", labels, n, c, "classes");
}

inline void expect_loss_setting(bool holds, const Checker& check, const char* name, double value,
                                const char* expected) {
    if (!holds)
        check.value_error(std::string(name) + " is " + py::str(py::float_(value)).cast<std::string>() + ", expected " +
                          expected);
}

using ValueAndHits = std::pair<double, double>;

template <class F>
ValueAndHits value_and_hits(const Checker& check, F run) {
    const Loss loss = compute(check, run);
    return {loss.value, loss.hits};
}

}  // namespace pynn
