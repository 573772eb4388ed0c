// pynn.kernels._native: registers the kernels and tells what they were built with.
#include <algorithm>
#include <cstdlib>

#include "bindings/check.h"
#include "bindings/document.h"
#include "quota.h"
#include "threads.h"

static void set_num_threads(std::int64_t count) {
    pynn::set_max_threads(static_cast<int>(std::min<std::int64_t>(std::max<std::int64_t>(count, 1), 256)));
}

PYBIND11_MODULE(_native, module, pybind11::mod_gil_not_used()) {
    using namespace pynn;
    using namespace py::literals;
    module.doc() = "pynn's kernels in C++; pynn/kernels/reference documents and defines each one";

    const char* isa = std::getenv("PYNN_ISA");
    try {
        choose_level(isa ? isa : "");
    } catch (const std::runtime_error& error) {
        throw py::import_error(error.what());
    }

    Kernels kernels(module);
#define PYNN_BIND(family) bind_##family(kernels);
    PYNN_FAMILIES(PYNN_BIND)
#undef PYNN_BIND

    module.def("get_num_threads", max_threads);
    kernels.def("set_num_threads", set_num_threads, "count"_a);
    module.def("cpu_quota", cpu_quota, "root"_a,
               "Processors that the control groups under root/sys allow this process; 0: no limit.");
    module.def("documented", documented, "function"_a, "text"_a, "wrong_call"_a,
               "The same function with another documentation, and other words about a call that does not fit.");
    module.def("isa", [] { return level().name; }, "The instruction-set level in use.");
    module.def("available_isas", available_levels, "The levels that this CPU can run, best first.");
    for (const char* function : {"get_num_threads", "cpu_quota", "documented", "isa", "available_isas"})
        refuse_other_calls(module, function);
    module.attr("compiler") = PYNN_COMPILER;
    module.attr("openmp") = PYNN_OPENMP;
    module.attr("version") = PYNN_VERSION;
}
