// Matrix products of training: register-blocked tiles, with bias and activation applied while a tile is in
// registers or in cache.
#pragma once
#include "simd.h"

namespace pynn::PYNN_LEVEL {

// Numbers row by row, `stride` from row to row. A transposed factor (i,j) is stored as (j,i).
template <class T>
struct Factor {
    const T* at;
    Size stride;
    bool transposed;
};

template <class T>
Factor<T> plain(const T* at, Size stride) {
    return {at, stride, false};
}

template <class T>
Factor<T> transposed(const T* at, Size stride) {
    return {at, stride, true};
}

// out(m,n) = f(scale a(m,k) b(k,n) + bias(n))
template <class T>
struct Product {
    Size m, n, k;
    Factor<T> a, b;
    T* out;
    Size out_stride;
    const T* bias = nullptr;
    T scale = 1;
    Activation f = {Function::identity, 0};
};

// The work of a product of (m,k) by (k,n), for `parallel`: an element of a may come from another core's cache, which
// costs as much as many multiply-adds in registers.
inline double product_work(Size m, Size k, Size n) {
    return static_cast<double>(m) * static_cast<double>(k) * (2 + static_cast<double>(n) / 8);
}

template <class T>
void multiply(const Product<T>& product);

}  // namespace pynn::PYNN_LEVEL
