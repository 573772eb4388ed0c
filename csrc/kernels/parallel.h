// Work in pieces. Pieces follow from the shape alone, never from the number of threads, so results are the same bits
// with any number of them.
#pragma once
#include <type_traits>

#include "kernels.h"
#include "threads.h"

namespace pynn::PYNN_LEVEL {

// Below this many elements (or as much arithmetic) a second thread costs more than it brings.
constexpr double kParallelWork = 1 << 15;

constexpr Size ceil_div(Size a, Size b) {
    return (a + b - 1) / b;
}

constexpr Size smaller(Size a, Size b) {
    return a < b ? a : b;
}

constexpr Size larger(Size a, Size b) {
    return a > b ? a : b;
}

// Of sizes alone: floating-point numbers would lose their fractions, or overflow, without a word.
template <class T, std::enable_if_t<std::is_floating_point_v<T>, int> = 0>
constexpr Size smaller(T, T) = delete;
template <class T, std::enable_if_t<std::is_floating_point_v<T>, int> = 0>
constexpr Size larger(T, T) = delete;

#ifdef __clang__
#define PYNN_COMPILED_ONCE __attribute__((noinline))
#else
#define PYNN_COMPILED_ONCE __attribute__((noinline, noclone))
#endif

// Of two copies of the same code one may fuse a product and a sum where the other does not: then one thread and two
// would give other bits.
template <class F>
PYNN_COMPILED_ONCE void run_piece(void* f, Size piece) {
    (*static_cast<F*>(f))(piece);
}

// f(piece) for every piece in 0..pieces-1; `work` is the total of all pieces.
template <class F>
void parallel(Size pieces, double work, F f) {
    const Size threads = work < kParallelWork ? 1 : smaller(pieces, max_threads());
    if (threads > 1)
        run_pieces(pieces, static_cast<int>(threads), run_piece<F>, &f);
    else
        for (Size piece = 0; piece < pieces; ++piece) run_piece<F>(&f, piece);
}

// f(begin, end) over 0..size-1 in runs of `run` elements.
template <class F>
void parallel_runs(Size size, Size run, double work, F f) {
    parallel(ceil_div(size, run), work, [&](Size piece) { f(piece * run, smaller(size, (piece + 1) * run)); });
}

// Memory for the time of one kernel call.
template <class T>
class Scratch {
public:
    explicit Scratch(Size count) : data_(static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T)))) {}
    ~Scratch() { release(data_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    T* get() const { return data_; }

private:
    T* data_;
};

}  // namespace pynn::PYNN_LEVEL
