// The choice of the instruction-set level.
#pragma once
#include <string>

#include "kernels/kernels.h"

namespace pynn {

const Level& level();                        // the one in use
std::string available_levels();              // "v4 v3 v2": those that this CPU can run, best first
void choose_level(const std::string& name);  // "" takes the best; throws std::runtime_error when it cannot be had

template <class T>
const Table<T>& table();
template <>
inline const Table<float>& table<float>() {
    return level().f32;
}
template <>
inline const Table<double>& table<double>() {
    return level().f64;
}

}  // namespace pynn
