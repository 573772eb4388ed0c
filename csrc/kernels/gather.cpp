// The rows of one batch out of a data set, converted on the way.
#include "families.h"
#include "parallel.h"
#include "pixels.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kAhead = 8192;  // bytes of rows that are asked for before they are read: their places are random
constexpr Size kPiece = 4096;  // bytes of the rows of a piece: taking a piece costs as much as copying a short row

template <class From, class T>
void gather(const From* x, const std::int64_t* indices, double divisor, T* out, Size b, Size d) {
    const Size row = d * static_cast<Size>(sizeof(From)), ahead = larger(1, kAhead / larger(1, row));
    const Size rows = larger(1, kPiece / larger(1, row));
    // Work is what it costs to read rows from wherever they lie, and to pass them to the core that will multiply them.
    parallel_runs(b, rows, 4 * static_cast<double>(b * d), [&](Size begin, Size end) {
        for (Size i = begin; i < end; ++i) {
            const Size soon = static_cast<Size>(indices[smaller(b - 1, i + ahead)]);
            const char* next = reinterpret_cast<const char*>(x + soon * d);
            for (Size line = 0; line < smaller(row, kAhead); line += 64) __builtin_prefetch(next + line);
            divide(x + static_cast<Size>(indices[i]) * d, static_cast<T>(divisor), out + i * d, d);
        }
    });
}

}  // namespace

template <class T>
void fill_gather(Table<T>& table) {
    table.gather_u8 = gather<std::uint8_t, T>;
    table.gather_f32 = gather<float, T>;
    table.gather_f64 = gather<double, T>;
}
template void fill_gather(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
