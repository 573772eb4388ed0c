// Picks, once at import, the best instruction-set level that this CPU can run.
#include <stdexcept>
#include <string>

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

// Best first.
const Candidate* candidates(int& count) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    static const Candidate list[] = {
#ifdef PYNN_HAVE_V4
        {"v4",
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"),
         v4::get_level},
#endif
#ifdef PYNN_HAVE_V3
        {"v3",
         __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
             __builtin_cpu_supports("bmi2"),
         v3::get_level},
#endif
#ifdef PYNN_HAVE_V2
        {"v2", __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("popcnt"),
         v2::get_level},
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
