// Affine maps with a fused activation, forward and backward.
#include "activation_backward.h"
#include "families.h"
#include "gemm.h"

namespace pynn::PYNN_LEVEL {
namespace {

template <class T>
void affine_forward(const T* x, const T* weight, const T* bias, Activation f, T* out, Size n, Size d, Size m) {
    multiply(Product<T>{n, m, d, x, d, false, weight, m, false, out, m, bias, f});
}

template <class T>
void affine_backward(const T* dy, const T* x, const T* weight, const T* y, Activation f, T* dz, T* dx, T* dweight,
                     T* dbias, Size n, Size d, Size m) {
    const Activation identity = {Function::identity, 0};
    activation_backward_and_sum(dy, y, f, dz, dbias, n, m);
    const T* gradient = dz ? dz : dy;
    if (dweight) multiply(Product<T>{d, m, n, x, d, true, gradient, m, false, dweight, m, nullptr, identity});
    if (dx) multiply(Product<T>{n, d, m, gradient, m, false, weight, m, true, dx, d, nullptr, identity});
}

}  // namespace

template <class T>
void fill_affine(Table<T>& table) {
    table.affine_forward = affine_forward<T>;
    table.affine_backward = affine_backward<T>;
}
template void fill_affine(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
