// The gradient of softmax on its own; its values come from loss.cpp.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

template <class T>
void softmax_backward(const T* dy, const T* y, T* dx, Size n, Size c) {
    const Size rows = larger(1, 4096 / larger(1, c));
    parallel_runs(n, rows, 2 * static_cast<double>(n * c), [&](Size begin, Size end) {
        for (Size i = begin; i < end; ++i) {
            const T *d = dy + i * c, *p = y + i * c;
            T* to = dx + i * c;
            Vec<T> products = {};
            each_vector<T>(0, c, [&](auto at, Size j) { products += at.load(d + j) * at.load(p + j); });
            const T mean = static_cast<T>(sum_lanes<T>(products));
            each_vector<T>(0, c, [&](auto at, Size j) { at.store(to + j, at.load(p + j) * (at.load(d + j) - mean)); });
        }
    });
}

}  // namespace

template <class T>
void fill_softmax(Table<T>& table) {
    table.softmax_backward = softmax_backward<T>;
}
template void fill_softmax(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
