// Each kernel file puts its functions into the table of its level.
#pragma once
#include "kernels.h"

namespace pynn::PYNN_LEVEL {

#define PYNN_DECLARE_FILL(family)                                                                                      \
    template <class T>                                                                                                 \
    void fill_##family(Table<T>& table);
PYNN_FAMILIES(PYNN_DECLARE_FILL)
#undef PYNN_DECLARE_FILL

}  // namespace pynn::PYNN_LEVEL
