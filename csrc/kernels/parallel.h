// Work in pieces. Pieces follow from the shape alone, never from the number of threads, so results are the same bits
// with any number of them.
#pragma once
#include <type_traits>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "kernels.h"
#include "threads.h"

namespace pynn::PYNN_LEVEL {

// The address sanitizer sees what lies beyond an array in an arena.
#ifdef __SANITIZE_ADDRESS__
constexpr Size kGap = 64;
inline void allow_access(void* memory, Size bytes) {
    __asan_unpoison_memory_region(memory, static_cast<std::size_t>(bytes));
}
inline void forbid_access(void* memory, Size bytes) {
    __asan_poison_memory_region(memory, static_cast<std::size_t>(bytes));
}
#else
constexpr Size kGap = 0;
inline void allow_access(void*, Size) {}
inline void forbid_access(void*, Size) {}
#endif

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
PYNN_COMPILED_ONCE void run_piece(void* f, Size piece, [[maybe_unused]] int thread) {
    if constexpr (std::is_invocable_v<F&, Size, int>)
        (*static_cast<F*>(f))(piece, thread);
    else
        (*static_cast<F*>(f))(piece);
}

inline Size threads_for(Size pieces, double work) {
    return work < kParallelWork ? 1 : smaller(pieces, max_threads());
}

template <class F>
void run_on(Size threads, Size pieces, F& f) {
    if (threads > 1)
        run_pieces(pieces, static_cast<int>(threads), run_piece<F>, &f);
    else
        for (Size piece = 0; piece < pieces; ++piece) run_piece<F>(&f, piece, 0);
}

// f(piece) for every piece in 0..pieces-1; `work` is the total of all pieces.
template <class F>
void parallel(Size pieces, double work, F f) {
    run_on(threads_for(pieces, work), pieces, f);
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

// The place of an array in an arena.
template <class T>
struct Slot {
    Size offset, count;
};

// The arrays that a piece of work needs, each as long as in the piece that needs most.
class Layout {
public:
    template <class T>
    Slot<T> add(Size count) {
        const Slot<T> slot = {bytes_, count};
        bytes_ += ceil_div(count * static_cast<Size>(sizeof(T)), 64) * 64 + kGap;
        return slot;
    }
    Size bytes() const { return bytes_; }

private:
    Size bytes_ = 0;
};

// The scratch memory of one thread: each piece that it works on finds what the last one left.
class Arena {
public:
    explicit Arena(char* memory) : memory_(memory) {}
    template <class T>
    T* operator[](Slot<T> slot) const {
        allow_access(memory_ + slot.offset, slot.count * static_cast<Size>(sizeof(T)));
        return reinterpret_cast<T*>(memory_ + slot.offset);
    }

private:
    char* memory_;
};

// f(piece, arena) for every piece. The arenas are allocated before the first piece: no piece waits for the heap, and
// a lack of memory shows in the calling thread.
template <class F>
void parallel(Size pieces, double work, const Layout& layout, F f) {
    const Size threads = threads_for(pieces, work), bytes = threads * layout.bytes();
    const Scratch<char> memory(bytes);
    forbid_access(memory.get(), bytes);
    auto run = [&](Size piece, int thread) { f(piece, Arena(memory.get() + thread * layout.bytes())); };
    run_on(threads, pieces, run);
    allow_access(memory.get(), bytes);
}

}  // namespace pynn::PYNN_LEVEL
