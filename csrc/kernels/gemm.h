// Matrix products of training: register-blocked tiles, with bias and activation applied while a tile is in
// registers or in cache.
#pragma once
#include "simd.h"

namespace pynn::PYNN_LEVEL {

// out(m,n) = f(a(m,k) b(k,n) + bias(n)); all matrices row by row, `*_stride` elements from row to row.
template <class T>
struct Product {
    Size m, n, k;
    const T* a;
    Size a_stride;
    bool a_transposed;  // a is stored as (k,m)
    const T* b;
    Size b_stride;
    bool b_transposed;  // b is stored as (n,k)
    T* out;
    Size out_stride;
    const T* bias;  // may be null
    Activation f;
};

template <class T>
void multiply(const Product<T>& product);

}  // namespace pynn::PYNN_LEVEL
