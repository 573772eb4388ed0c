// Threads and memory for the kernels: baseline code that every instruction-set level calls.
#pragma once
#include <cstddef>

namespace pynn {

using Task = void (*)(void* context, std::ptrdiff_t piece, int thread);

// task(context, piece, thread) for every piece in 0..pieces-1, on up to `threads` threads, numbered from 0; returns
// when all are done, with std::bad_alloc if one of them threw it.
void run_pieces(std::ptrdiff_t pieces, int threads, Task task, void* context);

int max_threads();                // that a kernel called now may use
void set_max_threads(int count);  // 1 or more

void* allocate(std::size_t bytes);  // 64-byte aligned; throws std::bad_alloc
void release(void* memory);

}  // namespace pynn
