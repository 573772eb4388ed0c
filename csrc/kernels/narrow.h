// Convolutions with few outputs, at most half a vector: several pixels share one.
#pragma once
#include "correlation.h"

namespace pynn::PYNN_LEVEL {

// Whether a convolution has the form for it.
template <class T>
bool is_narrow(const Correlation<T>& q);
template <class T>
bool is_narrow(const ConvShape& s);

template <class T>
void narrow(const Correlation<T>& q);
template <class T>
void narrow_weight_gradient(const T* x, const T* dz, const ConvShape& s, T* dweight);

}  // namespace pynn::PYNN_LEVEL
