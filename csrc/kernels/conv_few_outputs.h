// Convolutions with few outputs, at most half a vector: several pixels share one.
#pragma once
#include "correlation.h"

namespace pynn::PYNN_LEVEL {

// Whether a convolution has the form for it.
template <class T>
bool has_few_outputs(const Correlation<T>& q);
template <class T>
bool has_few_outputs(const ConvShape& s);

template <class T>
void correlate_few_outputs(const Correlation<T>& q);
template <class T>
void few_outputs_weight_gradient(const T* x, const T* dz, const ConvShape& s, T* dweight);

}  // namespace pynn::PYNN_LEVEL
