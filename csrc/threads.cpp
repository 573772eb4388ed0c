// Threads and memory for the kernels, compiled once for the baseline CPU.
#include <cstdlib>
#include <new>

#include "kernels/kernels.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#ifndef _WIN32
#include <pthread.h>
#endif

namespace pynn {

namespace {
bool forked = false;  // a child has no OpenMP team: waiting for it would hang

#ifndef _WIN32
const int watch_fork = pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif
}  // namespace

int max_threads() {
#ifdef _OPENMP
    return forked ? 1 : omp_get_max_threads();
#else
    return 1;
#endif
}

void set_max_threads(int count) {
#ifdef _OPENMP
    omp_set_num_threads(count);
#else
    (void)count;
#endif
}

void* allocate(std::size_t bytes) {
    return ::operator new(bytes ? bytes : 1, std::align_val_t(64));
}

void release(void* memory) {
    ::operator delete(memory, std::align_val_t(64));
}

}  // namespace pynn
