// Embedding: a vector for each code. Column k of the codes has its own rows of the table, sizes[k] of them; code -1
// stands for unknown, whose vector is zeros.
#include "families.h"
#include "parallel.h"
#include "simd.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kUnknown = -1, kWrong = -2;
constexpr Size kCodeRun = 512;  // samples whose gradients are added up before they join the sum of the others

// The rows of the table that the codes stand for. Every code is read once and checked before its row is used, since
// another thread may write into the array meanwhile.
template <class T>
class Rows {
public:
    Rows(const T* codes, const std::int64_t* sizes, Size n, Size c) : rows_(n * c), starts_(c + 1) {
        starts_.get()[0] = 0;
        for (Size k = 0; k < c; ++k) starts_.get()[k + 1] = starts_.get()[k] + static_cast<Size>(sizes[k]);
        if (n * c == 0) return;
        const Size period = ceil_div(kLeast, c) * c, run = ceil_div(kRun, period) * period,
                   pieces = ceil_div(n * c, run);
        const Scratch<T> limits(period);
        const Scratch<Size> first(period), wrong(pieces);
        for (Size i = 0; i < period; ++i) {
            limits.get()[i] = static_cast<T>(sizes[i % c]);
            first.get()[i] = starts_.get()[i % c];
        }
        parallel(pieces, static_cast<double>(n * c), [&](Size piece) {
            const Size end = smaller(n * c, (piece + 1) * run);
            Size found = 0;
            for (Size i = piece * run; i < end; i += period)
                found |= read(codes + i, limits.get(), first.get(), rows_.get() + i, smaller(period, end - i));
            wrong.get()[piece] = found;
        });
        Size found = 0;
        for (Size piece = 0; piece < pieces; ++piece) found |= wrong.get()[piece];
        if (found)
            while (rows_.get()[++wrong_] != kWrong) {
            }
        else
            wrong_ = -1;
    }

    const Size* get() const { return rows_.get(); }
    const Size* starts() const { return starts_.get(); }  // the first row of each column
    Size wrong() const { return wrong_; }                 // the place of the first wrong code, -1 if there is none

private:
    static constexpr Size kLeast = 64, kRun = 8192;  // codes read in one go, and in one piece
    using Whole = typename std::conditional<sizeof(T) == 4, std::int32_t, std::int64_t>::type;

    static Size read(const T* codes, const T* limits, const Size* first, Size* rows, Size count) {
        Size found = 0;
        for (Size i = 0; i < count; ++i) {
            const T code = codes[i];
            const T safe = code >= T(-1) && code < limits[i] ? code : T(-1);  // not NaN, nor more than Whole holds
            const Whole whole = static_cast<Whole>(safe);
            const Size row = whole < 0 ? kUnknown : first[i] + static_cast<Size>(whole);
            const Size wrong = static_cast<T>(whole) != code;
            rows[i] = wrong ? kWrong : row;
            found |= wrong;
        }
        return found;
    }

    Scratch<Size> rows_, starts_;
    Size wrong_ = -1;
};

// loop(each), where each(body) is each_vector<T>(begin, end, body): one masked vector if there are no more numbers.
template <class T, class F>
void with_vectors(Size begin, Size end, F loop) {
    if (end - begin < kLanes<T>)
        loop([=](auto body) PYNN_INLINE { body(Masked{end - begin}, begin); });
    else
        loop([=](auto body) PYNN_INLINE { each_vector<T>(begin, end, body); });
}

template <class T>
Size embedding_forward(const T* codes, const std::int64_t* sizes, const T* weight, T* out, Size n, Size c, Size m) {
    const Rows<T> rows(codes, sizes, n, c);
    if (rows.wrong() >= 0) return rows.wrong();
    if (m == 0) return -1;
    const Scratch<T> zeros(m);
    for (Size j = 0; j < m; ++j) zeros.get()[j] = 0;
    parallel_runs(n * c, ceil_div(4096, m), static_cast<double>(n * c * m), [&](Size begin, Size end) {
        with_vectors<T>(0, m, [&](auto each) {
            for (Size i = begin; i < end; ++i) {
                const Size row = rows.get()[i];
                const T* from = row == kUnknown ? zeros.get() : weight + row * m;
                T* place = out + i * m;
                each([&](auto at, Size j) PYNN_INLINE { at.store(place + j, at.load(from + j)); });
            }
        });
    });
    return -1;
}

// The columns first..last-1 of the codes, and the numbers begin..end-1 of their vectors.
struct Part {
    Size first, last, begin, end;
};

// Adds the gradients of samples to the rows of their codes, in the order of the samples.
template <class T, class Each>
void add_samples(Each each, const T* dy, const Size* rows, T* sums, Part part, Size samples, Size c, Size m) {
    for (Size i = 0; i < samples; ++i)
        for (Size k = part.first; k < part.last; ++k) {
            const Size row = rows[i * c + k];
            if (row == kUnknown) continue;
            const T* from = dy + (i * c + k) * m;
            T* place = sums + row * m;
            each([&](auto at, Size j) PYNN_INLINE { at.store(place + j, at.load(place + j) + at.load(from + j)); });
        }
}

// Adds the sums of these samples' rows to `dweight`: each at its first meeting, after which it is 0.
template <class T, class Each>
void add_sums(Each each, T* sums, const Size* rows, T* dweight, Part part, Size samples, Size c, Size m) {
    for (Size i = 0; i < samples; ++i)
        for (Size k = part.first; k < part.last; ++k) {
            const Size row = rows[i * c + k];
            if (row == kUnknown) continue;
            T *from = sums + row * m, *place = dweight + row * m;
            each([&](auto at, Size j) PYNN_INLINE {
                at.store(place + j, at.load(place + j) + at.load(from + j));
                at.store(from + j, Vec<T>{});
            });
        }
}

// A piece has some columns, or some numbers of the vectors, to itself.
template <class T>
Size embedding_backward(const T* dy, const T* codes, const std::int64_t* sizes, T* dweight, Size n, Size c, Size m) {
    const Rows<T> rows(codes, sizes, n, c);
    if (rows.wrong() >= 0) return rows.wrong();
    const Size numbers = rows.starts()[c] * m;
    const bool in_runs = n > kCodeRun;
    const Scratch<T> sums(in_runs ? numbers : 0);
    parallel_runs(numbers, 1 << 16, static_cast<double>(numbers), [&](Size begin, Size end) {
        each_vector<T>(begin, end, [&](auto at, Size i) {
            at.store(dweight + i, Vec<T>{});
            if (in_runs) at.store(sums.get() + i, Vec<T>{});
        });
    });
    if (m == 0) return -1;
    constexpr Size kStrip = 4 * kLanes<T>;
    const Size strips = ceil_div(m, kStrip), columns = larger(1, kStrip / m), groups = ceil_div(c, columns);
    parallel(strips * groups, static_cast<double>(n * c * m), [&](Size piece) {
        const Size first = piece / strips * columns, begin = piece % strips * kStrip;
        const Part part = {first, smaller(c, first + columns), begin, smaller(m, begin + kStrip)};
        with_vectors<T>(part.begin, part.end, [&](auto each) {
            if (!in_runs) return add_samples(each, dy, rows.get(), dweight, part, n, c, m);
            for (Size i = 0; i < n; i += kCodeRun) {
                const Size samples = smaller(kCodeRun, n - i);
                add_samples(each, dy + i * c * m, rows.get() + i * c, sums.get(), part, samples, c, m);
                add_sums(each, sums.get(), rows.get() + i * c, dweight, part, samples, c, m);
            }
        });
    });
    return -1;
}

}  // namespace

template <class T>
void fill_embedding(Table<T>& table) {
    table.embedding_forward = embedding_forward<T>;
    table.embedding_backward = embedding_backward<T>;
}
template void fill_embedding(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
