// The rows of one batch out of a data set, converted on the way.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

template <class From, class T>
void gather(const From* x, const std::int64_t* indices, double divisor, T* out, Size b, Size d) {
    const T by = static_cast<T>(divisor);
    parallel(b, static_cast<double>(b * d), [&](Size i) {
        const From* from = x + static_cast<Size>(indices[i]) * d;
        T* to = out + i * d;
        for (Size j = 0; j < d; ++j) to[j] = static_cast<T>(from[j]) / by;
    });
}

}  // namespace

template <class T>
void fill_gather(Table<T>& table) {
    table.gather_u8 = gather<std::uint8_t, T>;
    table.gather_f32 = gather<float, T>;
    table.gather_f64 = gather<double, T>;
}
template void fill_gather(Table<float>&);
template void fill_gather(Table<double>&);

}  // namespace pynn::PYNN_LEVEL
