// Convolutions of 3 x 3 at stride 1 by Winograd's F(2 x 2, 3 x 3): 16 multiplications where the direct sum has 36.
#pragma once
#include "correlation.h"

namespace pynn::PYNN_LEVEL {

// Whether a convolution has the form for it, and enough work to pay for the transforms.
template <class T>
bool winograd_pays(const Correlation<T>& q);
template <class T>
bool winograd_pays(const ConvShape& s);

template <class T>
void winograd(const Correlation<T>& q);
template <class T>
void winograd_weight_gradient(const T* x, const T* dz, const ConvShape& s, T* dweight);

}  // namespace pynn::PYNN_LEVEL
