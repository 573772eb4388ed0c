// Affine maps with a fused activation, forward and backward.
#include "activation_backward.h"
#include "families.h"
#include "gemm.h"

namespace pynn::PYNN_LEVEL {
namespace {

template <class T>
void affine_forward(const T* x, const T* weight, const T* bias, Activation f, T* out, double scale, Size n, Size d,
                    Size m) {
    Product<T> product;
    product.m = n, product.n = m, product.k = d;
    product.a = plain(x, d), product.b = plain(weight, m);
    product.out = out, product.out_stride = m;
    product.bias = bias, product.scale = static_cast<T>(scale), product.f = f;
    multiply(product);
}

template <class T>
void affine_backward(const T* dy, const T* x, const T* weight, const T* y, Activation f, T* dz, T* dx, T* dweight,
                     T* dbias, double scale, Size n, Size d, Size m) {
    activation_backward_and_sum(dy, y, f, dz, dbias, n, m);
    const T* gradient = dz ? dz : dy;
    Product<T> product;
    product.scale = static_cast<T>(scale);
    if (dweight) {
        product.m = d, product.n = m, product.k = n;
        product.a = transposed(x, d), product.b = plain(gradient, m);
        product.out = dweight, product.out_stride = m;
        multiply(product);
    }
    if (dx) {
        product.m = n, product.n = d, product.k = m;
        product.a = plain(gradient, m), product.b = transposed(weight, m);
        product.out = dx, product.out_stride = d;
        multiply(product);
    }
}

}  // namespace

template <class T>
void fill_affine(Table<T>& table) {
    table.affine_forward = affine_forward<T>;
    table.affine_backward = affine_backward<T>;
}
template void fill_affine(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
