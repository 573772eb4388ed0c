// PReLU: x where x > 0, else slope x, with one learned slope for all columns or one for each.
#include "column_strips.h"
#include "families.h"

namespace pynn::PYNN_LEVEL {
namespace {

// The slopes of a strip's columns, in registers.
template <class T, int V>
struct Slopes {
    Vec<T> of[V];

    template <class Access>
    PYNN_INLINE Slopes(Access at, const T* slope, Size slopes, Size j) {
        unroll<V>([&](auto v)
                      PYNN_INLINE { of[v] = slopes == 1 ? broadcast(slope[0]) : at.load(slope + j + v * kLanes<T>); });
    }
};

template <class T>
void prelu_forward(const T* x, const T* slope, T* out, Size n, Size c, Size slopes) {
    over_columns<T>(n, c, 1, Order::forward, [&](auto strip, auto at, Size, Size begin, Size end, Size j) {
        constexpr int V = decltype(strip)::vectors;
        const Slopes<T, V> a(at, slope, slopes, j);
        for (Size i = begin; i < end; ++i)
            unroll<V>([&](auto v) PYNN_INLINE {
                const Size place = i * c + j + v * kLanes<T>;
                const Vec<T> value = at.load(x + place);
                at.store(out + place, value > Vec<T>{} ? value : value * a.of[v]);
            });
    });
}

// dx (unless null) and the sum over the rows of dy x where x <= 0, for one strip of one run of rows.
template <class T, int V, class Access>
PYNN_INLINE inline void backward_strip(Access at, const Slopes<T, V>& a, const T* dy, const T* x, T* dx, T* sums,
                                       Size c, Size rows) {
    const Vec<T> zero = {};
    Vec<T> sum[V] = {};
    for (Size i = 0; i < rows; ++i)
        unroll<V>([&](auto v) PYNN_INLINE {
            const Size place = i * c + v * kLanes<T>;
            const Vec<T> value = at.load(x + place), d = at.load(dy + place);
            if (dx) at.store(dx + place, value > zero ? d : d * a.of[v]);
            sum[v] += value > zero ? zero : d * value;
        });
    unroll<V>([&](auto v) PYNN_INLINE { at.store(sums + v * kLanes<T>, sum[v]); });
}

template <class T>
void prelu_backward(const T* dy, const T* x, const T* slope, T* dx, T* dslope, Size n, Size c, Size slopes) {
    if (n == 0) c = slopes;  // no column but those of dslope is of use, though there may be 2^40
    const Size runs = ceil_div(n, kRowRun);
    Scratch<T> sums(runs * c);
    over_columns<T>(n, c, 1, Order::forward, [&](auto strip, auto at, Size run, Size begin, Size end, Size j) {
        constexpr int V = decltype(strip)::vectors;
        const Slopes<T, V> a(at, slope, slopes, j);
        const Size place = begin * c + j;
        backward_strip(at, a, dy + place, x + place, dx ? dx + place : nullptr, sums.get() + run * c + j, c,
                       end - begin);
    });
    double all = 0;
    each_vector<T>(0, c, [&](auto at, Size j) {
        Vec<T> total = {};
        for (Size run = 0; run < runs; ++run) total += at.load(sums.get() + run * c + j);
        if (slopes == 1)
            all += sum_lanes<T>(total);
        else
            at.store(dslope + j, total);
    });
    if (slopes == 1) dslope[0] = static_cast<T>(all);
}

}  // namespace

template <class T>
void fill_prelu(Table<T>& table) {
    table.prelu_forward = prelu_forward<T>;
    table.prelu_backward = prelu_backward<T>;
}
template void fill_prelu(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
