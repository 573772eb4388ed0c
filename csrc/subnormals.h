// Subnormal numbers (below 1e-38 in float) count as 0 in kernels: some processors take a hundred times as long over
// them.
#pragma once
#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace pynn {

// While it lives, on its thread alone; then the thread's floating-point state is what it was before.
class FlushSubnormals {
public:
    FlushSubnormals() : before_(read()) { write(before_ | kFlush); }
    ~FlushSubnormals() { write(before_); }
    FlushSubnormals(const FlushSubnormals&) = delete;
    FlushSubnormals& operator=(const FlushSubnormals&) = delete;

private:
#if defined(__x86_64__) || defined(_M_X64)
    using State = unsigned;
    static constexpr State kFlush = 0x8040;  // of results, of operands
    static State read() { return _mm_getcsr(); }
    static void write(State state) { _mm_setcsr(state); }
#elif defined(__aarch64__)
    using State = std::uint64_t;
    static constexpr State kFlush = State(1) << 24;
    static State read() {
        State state;
        asm volatile("mrs %0, fpcr" : "=r"(state));
        return state;
    }
    static void write(State state) { asm volatile("msr fpcr, %0" : : "r"(state) : "memory"); }
#else
    using State = unsigned;
    static constexpr State kFlush = 0;
    static State read() { return 0; }
    static void write(State) {}
#endif

    State before_;
};

}  // namespace pynn
