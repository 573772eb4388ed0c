// Picks, once at import, the best instruction-set level that this CPU can run.
#include <initializer_list>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "dispatch.h"

namespace pynn {

#ifdef PYNN_HAVE_V4
namespace v4 {
const Level& get_level();
}
#endif
#ifdef PYNN_HAVE_V3
namespace v3 {
const Level& get_level();
}
#endif
#ifdef PYNN_HAVE_V2
namespace v2 {
const Level& get_level();
}
#endif
#ifdef PYNN_HAVE_GENERIC
namespace generic {
const Level& get_level();
}
#endif

namespace {

struct Candidate {
    const char* name;
    bool runs;
    const Level& (*get)();
};

#if defined(__x86_64__)
// Asked of the CPU itself: __builtin_cpu_supports needs a runtime library that clang-cl does not link.
struct Cpu {
    bool v2 = false, v3 = false, v4 = false;

    Cpu() {
        unsigned a = 0, b = 0, c = 0, d = 0, leaf7 = 0;
        if (!__get_cpuid(1, &a, &b, &c, &d)) return;
        const auto has = [](unsigned bits, std::initializer_list<int> places) {
            for (int place : places)
                if (!(bits >> place & 1)) return false;
            return true;
        };
        v2 = has(c, {0, 9, 19, 20, 23});                       // SSE3, SSSE3, SSE4.1, SSE4.2, POPCNT
        const bool fused = has(c, {12, 22, 27, 28, 29});       // FMA, MOVBE, OSXSAVE, AVX, F16C
        const unsigned saved = fused ? saved_registers() : 0;  // those that the system keeps for each process
        if (!fused || !__get_cpuid_count(7, 0, &a, &leaf7, &c, &d)) return;
        unsigned extended = 0;
        __get_cpuid(0x80000001, &a, &b, &extended, &d);
        v3 = v2 && has(saved, {1, 2}) && has(leaf7, {3, 5, 8}) && has(extended, {5});  // BMI, AVX2, BMI2; LZCNT
        v4 = v3 && has(saved, {5, 6, 7}) && has(leaf7, {16, 17, 28, 30, 31});          // AVX512 F, DQ, CD, BW, VL
    }

    static unsigned saved_registers() {
        unsigned low = 0, high = 0;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return low;
    }
};
#endif

// Best first.
const Candidate* candidates(int& count) {
#if defined(__x86_64__)
    static const Cpu cpu;
#endif
    static const Candidate list[] = {
#ifdef PYNN_HAVE_V4
        {"v4", cpu.v4, v4::get_level},
#endif
#ifdef PYNN_HAVE_V3
        {"v3", cpu.v3, v3::get_level},
#endif
#ifdef PYNN_HAVE_V2
        {"v2", cpu.v2, v2::get_level},
#endif
#ifdef PYNN_HAVE_GENERIC
        {"generic", true, generic::get_level},
#endif
    };
    count = static_cast<int>(sizeof(list) / sizeof(list[0]));
    return list;
}

const Level* chosen = nullptr;

}  // namespace

const Level& level() {
    return *chosen;
}

std::string available_levels() {
    int count = 0;
    const Candidate* list = candidates(count);
    std::string names;
    for (int i = 0; i < count; ++i)
        if (list[i].runs) names += (names.empty() ? "" : " ") + std::string(list[i].name);
    return names;
}

void choose_level(const std::string& name) {
    int count = 0;
    const Candidate* list = candidates(count);
    for (int i = 0; i < count; ++i) {
        if (list[i].runs && (name.empty() || name == list[i].name)) {
            chosen = &list[i].get();
            return;
        }
    }
    if (name.empty())
        throw std::runtime_error("this CPU runs none of the instruction-set levels that pynn was built for");
    throw std::runtime_error("PYNN_ISA is '" + name + "', expected one of: " + available_levels() + ", or unset");
}

}  // namespace pynn
