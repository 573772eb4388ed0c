// The worker threads of the kernels, and their memory; compiled once, for the baseline CPU.
//
// One team for the process. The pieces of a job are dealt out in contiguous shares, one a thread; a thread that is done
// takes pieces of the others' shares. The caller works too, and never waits for a worker that has not begun: on a busy
// machine it does the share of a thread that gets no processor. (An OpenMP region waits for each of its threads, and
// one that the system does not run costs milliseconds.) Workers spin for a moment between jobs, then sleep. OpenMP is
// only asked how many threads it would use, so that OMP_NUM_THREADS and threadpoolctl mean what they say.
#include "threads.h"

#include "quota.h"
#include "subnormals.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

namespace pynn {

namespace {

constexpr int kMaxThreads = 256;
constexpr int kSpins = 3000;  // pauses before a worker sleeps: some 50 microseconds

thread_local bool in_piece = false;  // what a piece of a job calls runs on its thread alone

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Pieces begin..end-1 of one thread; its own cache line.
struct alignas(64) Share {
    std::atomic<std::ptrdiff_t> next{0};
    std::ptrdiff_t end = 0;
};

class Team {
public:
    void run(std::ptrdiff_t pieces, int threads, Task task, void* context) {
        hire(threads - 1);
        keep_off_callers_cpu();
        task_ = task;
        context_ = context;
        threads_ = threads;
        for (int t = 0; t < threads; ++t) {
            shares_[t].next.store(pieces * t / threads, std::memory_order_relaxed);
            shares_[t].end = pieces * (t + 1) / threads;
        }
        // The next job number, open to workers, none inside yet.
        const std::uint64_t job = state_.load(std::memory_order_relaxed) / kJob + 1;
        state_.store(job * kJob + kOpen, std::memory_order_seq_cst);
        if (sleeping_.load(std::memory_order_seq_cst) > 0) wake_all();
        work(0);
        // Close the job; wait for workers that are still on their last piece.
        std::uint64_t state = state_.fetch_and(~kOpen, std::memory_order_acq_rel);
        for (int spins = 0; state & kInside; state = state_.load(std::memory_order_acquire))
            if (++spins < 1 << 14)
                pause();
            else
                std::this_thread::yield();
        if (out_of_memory_.exchange(false, std::memory_order_relaxed)) throw std::bad_alloc();
    }

    std::mutex busy;  // held by the thread whose job runs

private:
    static constexpr std::uint64_t kInside = 0xFFFF, kOpen = 0x10000, kJob = 0x100000000;  // count, flag, job number

    void hire(int wanted) try {
        for (; workers_ < wanted; ++workers_) {
            std::thread worker(&Team::serve, this, workers_ + 1);
            handles_[workers_] = worker.native_handle();
            worker.detach();
            callers_cpu_ = -1;
        }
    } catch (const std::system_error&) {
        // The system allows no more threads: the existing ones take over the shares of the others.
    }

    // The system likes to run a woken thread on the processor of its waker, where it would wait until the job is done.
    // Asked for every job, since the caller may have moved: 2 ns, and a system call when it has.
    void keep_off_callers_cpu() {
#ifdef __linux__
        const int cpu = sched_getcpu();
        cpu_set_t allowed;
        if (cpu == callers_cpu_ || sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
        callers_cpu_ = cpu;
        CPU_CLR(cpu, &allowed);
        if (CPU_COUNT(&allowed) == 0) return;
        for (int i = 0; i < workers_; ++i) pthread_setaffinity_np(handles_[i], sizeof(allowed), &allowed);
#endif
    }

    // An exception must not leave a worker, which would end the process, nor the caller before all pieces are done.
    void work(int self) {
        in_piece = true;
        for (int i = 0; i < threads_; ++i) {
            Share& share = shares_[(self + i) % threads_];
            for (;;) {
                const std::ptrdiff_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
                if (piece >= share.end) break;
                try {
                    task_(context_, piece, self);
                } catch (const std::bad_alloc&) {
                    out_of_memory_.store(true, std::memory_order_relaxed);
                }
            }
        }
        in_piece = false;
    }

    void serve(int self) {
        const FlushSubnormals flush;
        std::uint64_t seen = 0;
        for (;;) {
            std::uint64_t state = await(seen);
            seen = state / kJob;
            while (state & kOpen) {
                if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) {
                    if (self < threads_) work(self);
                    state_.fetch_sub(1, std::memory_order_acq_rel);
                    break;
                }
                if (state / kJob != seen) break;  // the next one already
            }
        }
    }

    // The state once its job number differs from `seen`.
    std::uint64_t await(std::uint64_t seen) {
        for (int spins = 0; spins < kSpins; ++spins) {
            const std::uint64_t state = state_.load(std::memory_order_acquire);
            if (state / kJob != seen) return state;
            pause();
        }
        std::unique_lock<std::mutex> lock(sleep_);
        sleeping_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock, [&] { return state_.load(std::memory_order_seq_cst) / kJob != seen; });
        sleeping_.fetch_sub(1, std::memory_order_seq_cst);
        return state_.load(std::memory_order_acquire);
    }

    void wake_all() {
        {
            std::lock_guard<std::mutex> lock(sleep_);
        }  // one that is about to wait has checked, or will see the job
        wake_.notify_all();
    }

    alignas(64) std::atomic<std::uint64_t> state_{0};
    Task task_ = nullptr;
    void* context_ = nullptr;
    int threads_ = 0;
    std::atomic<bool> out_of_memory_{false};  // in a piece of this job
    Share shares_[kMaxThreads];
    std::mutex sleep_;
    std::condition_variable wake_;
    std::atomic<int> sleeping_{0};
    int workers_ = 0;
    std::thread::native_handle_type handles_[kMaxThreads];
    int callers_cpu_ = -1;  // that the workers keep off
};

Team& team() {
    static Team* const one = new Team;  // never destroyed: sleeping workers outlive main()
    return *one;
}

std::atomic<bool> forked{false};  // a child has no workers: waiting for them would hang

#ifndef _WIN32
const int watch_fork = pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif

}  // namespace

void run_pieces(std::ptrdiff_t pieces, int threads, Task task, void* context) {
    if (threads > 1 && !in_piece) {
        std::unique_lock<std::mutex> lock(team().busy, std::try_to_lock);
        if (lock.owns_lock()) return team().run(pieces, threads, task, context);
    }
    // Another thread's job has the team, or this is a piece of it: one thread each is the best use of the processors.
    for (std::ptrdiff_t piece = 0; piece < pieces; ++piece) task(context, piece, 0);
}

namespace {

// What the environment asks for; 0 for nothing or nonsense.
int asked_threads() {
    const char* asked = std::getenv("OMP_NUM_THREADS");
    return asked ? std::max(0, std::atoi(asked)) : 0;
}

// OpenMP's number for the calling thread, which threadpoolctl changes.
int openmp_threads() {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return asked_threads() > 0 ? asked_threads() : static_cast<int>(std::thread::hardware_concurrency());
#endif
}

const int at_first = openmp_threads();

// More threads than the container's quota are stopped for the rest of each period once they have used it up.
int default_limit() {
    const double quota = asked_threads() > 0 ? 0 : cpu_quota("");
    return quota > 0 ? std::max(1, static_cast<int>(std::min(std::ceil(quota), 1.0 * kMaxThreads))) : kMaxThreads;
}

std::atomic<int> limit{default_limit()};
std::atomic<int> at_choice{0};  // OpenMP's number when set_max_threads was called: another one since then may lower it

}  // namespace

int max_threads() {
    if (forked.load(std::memory_order_relaxed)) return 1;
#ifdef _OPENMP
    if (omp_in_parallel()) return 1;
    const int here = openmp_threads();
#else
    const int here = at_first;
#endif
    const int most = limit.load(std::memory_order_relaxed);
    const int then = at_choice.load(std::memory_order_relaxed);
    if (then > 0 && (here == then || here == at_first)) return most;
    return std::max(1, std::min(here, most));
}

void set_max_threads(int count) {
    limit = std::min(count, kMaxThreads);
    at_choice = openmp_threads();
}

void* allocate(std::size_t bytes) {
    return ::operator new(bytes ? bytes : 1, std::align_val_t(64));
}

void release(void* memory) {
    ::operator delete(memory, std::align_val_t(64));
}

}  // namespace pynn
