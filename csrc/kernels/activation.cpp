// Activations on their own; inside affine and batch normalization they are fused.
#include "activation.h"
#include "families.h"
#include "parallel.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kRun = 4096;
constexpr double kCost = 8;  // of one element, in multiply-adds

template <class T>
void activation_forward(const T* x, Activation f, T* out, Size size) {
    const T alpha = static_cast<T>(f.alpha);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        parallel_runs(size, kRun, kCost * static_cast<double>(size), [&](Size begin, Size end) {
            each_vector<T>(begin, end,
                           [&](auto at, Size i) { at.store(out + i, activate<F, T>(at.load(x + i), alpha)); });
        });
    });
}

template <class T>
void activation_backward(const T* dy, const T* y, Activation f, T* dx, Size size) {
    const T alpha = static_cast<T>(f.alpha);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        parallel_runs(size, kRun, static_cast<double>(size), [&](Size begin, Size end) {
            each_vector<T>(begin, end, [&](auto at, Size i) {
                at.store(dx + i, activation_gradient<F, T>(at.load(dy + i), at.load(y + i), alpha));
            });
        });
    });
}

}  // namespace

template <class T>
void fill_activation(Table<T>& table) {
    table.activation_forward = activation_forward<T>;
    table.activation_backward = activation_backward<T>;
}
template void fill_activation(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
