// What products that are computed in register tiles share: how rows are cut into tiles, and the activation at the end.
#pragma once
#include "activation.h"
#include "parallel.h"

namespace pynn::PYNN_LEVEL {

// Columns of a panel: two vectors.
template <class T>
constexpr Size kPanel = 2 * kLanes<T>;

// The activations that take more than one instruction: on the finished tile, while it is in the first-level cache.
template <class T>
void finish(Activation f, T* out, Size stride, Size rows, Size count) {
    if (f.function == Function::identity || f.function == Function::relu) return;
    const T alpha = static_cast<T>(f.alpha);
    with_function(f.function, [&](auto chosen) {
        constexpr Function F = decltype(chosen)::function;
        each_vector<T>(0, count, [&](auto at, Size i) {
            for (Size r = 0; r < rows; ++r) {
                T* place = out + r * stride + i;
                at.store(place, activate<F, T>(at.load(place), alpha));
            }
        });
    });
}

// Row tiles as even as they come: 100 rows are one of 12 and 8 of 11 rather than 8 of 12 and one of 4.
struct Rows {
    Size tiles, base, longer;
    explicit Rows(Size m) : tiles(ceil_div(m, kTileRows)), base(tiles ? m / tiles : 0), longer(tiles ? m % tiles : 0) {}
    Size begin(Size t) const { return t * base + smaller(t, longer); }
    Size count(Size t) const { return base + (t < longer ? 1 : 0); }
};

}  // namespace pynn::PYNN_LEVEL
