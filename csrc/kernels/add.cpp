// The sum at the end of a residual block, with the activation after it.
#include "activation.h"
#include "families.h"
#include "parallel.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kRun = 4096;

template <class T>
void add(const T* x, double factor, const T* y, Activation f, T* out, Size size) {
    const T alpha = static_cast<T>(f.alpha), scale = static_cast<T>(factor);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        parallel_runs(size, kRun, static_cast<double>(size), [&](Size begin, Size end) {
            each_vector<T>(begin, end, [&](auto at, Size i) {
                at.store(out + i, activate<F, T>(at.load(x + i) * scale + at.load(y + i), alpha));
            });
        });
    });
}

}  // namespace

template <class T>
void fill_add(Table<T>& table) {
    table.add = add<T>;
}
template void fill_add(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
