// Maxout: the largest of a few pieces, which stand one after the other in a row.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kRun = 8192;  // elements of z

// The winner's number is kept in T: it is compared lane by lane.
template <class T>
void maxout_forward(const T* z, Size pieces, T* winner, T* out, Size n, Size m) {
    const Size c = pieces * m;
    parallel_runs(n, larger(1, kRun / larger(1, c)), static_cast<double>(n * c), [&](Size begin, Size end) {
        for (Size i = begin; i < end; ++i)
            each_vector<T>(0, m, [&](auto at, Size j) {
                Vec<T> best = at.load(z + i * c + j), number = {};
                for (Size k = 1; k < pieces; ++k) {
                    const Vec<T> value = at.load(z + i * c + k * m + j);
                    const auto wins = (value > best) | ((value != value) & (best == best));  // NaN goes through
                    best = wins ? value : best;
                    number = wins ? broadcast(static_cast<T>(k)) : number;
                }
                at.store(out + i * m + j, best);
                at.store(winner + i * m + j, number);
            });
    });
}

template <class T>
void maxout_backward(const T* dy, const T* winner, Size pieces, T* dz, Size n, Size m) {
    const Size c = pieces * m;
    parallel_runs(n, larger(1, kRun / larger(1, c)), static_cast<double>(n * c), [&](Size begin, Size end) {
        for (Size i = begin; i < end; ++i)
            each_vector<T>(0, m, [&](auto at, Size j) {
                const Vec<T> d = at.load(dy + i * m + j), number = at.load(winner + i * m + j);
                for (Size k = 0; k < pieces; ++k)
                    at.store(dz + i * c + k * m + j, number == static_cast<T>(k) ? d : Vec<T>{});
            });
    });
}

}  // namespace

template <class T>
void fill_maxout(Table<T>& table) {
    table.maxout_forward = maxout_forward<T>;
    table.maxout_backward = maxout_backward<T>;
}
template void fill_maxout(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
