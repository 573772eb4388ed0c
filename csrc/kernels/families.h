// Each kernel file puts its functions into the table of its level.
#pragma once
#include "kernels.h"

namespace pynn::PYNN_LEVEL {

template <class T>
void fill_activation(Table<T>& table);
template <class T>
void fill_add(Table<T>& table);
template <class T>
void fill_affine(Table<T>& table);
template <class T>
void fill_augment(Table<T>& table);
template <class T>
void fill_batchnorm(Table<T>& table);
template <class T>
void fill_clip(Table<T>& table);
template <class T>
void fill_conv(Table<T>& table);
template <class T>
void fill_dropout(Table<T>& table);
template <class T>
void fill_elementwise_loss(Table<T>& table);
template <class T>
void fill_gate(Table<T>& table);
template <class T>
void fill_gather(Table<T>& table);
template <class T>
void fill_gaussian(Table<T>& table);
template <class T>
void fill_groupnorm(Table<T>& table);
template <class T>
void fill_hierarchical(Table<T>& table);
template <class T>
void fill_hinge(Table<T>& table);
template <class T>
void fill_loss(Table<T>& table);
template <class T>
void fill_max_norm(Table<T>& table);
template <class T>
void fill_maxout(Table<T>& table);
template <class T>
void fill_optimizer(Table<T>& table);
template <class T>
void fill_pool(Table<T>& table);
template <class T>
void fill_prelu(Table<T>& table);
template <class T>
void fill_softmax(Table<T>& table);

}  // namespace pynn::PYNN_LEVEL
