// Without the interpreter's lock.
#pragma once
#include <Python.h>

#include <chrono>
#include <thread>

namespace pynn {

// While it lives, other Python threads run.
class NoGil {
public:
    NoGil() : state_(PyEval_SaveThread()) {}
    ~NoGil() {
        try {
            PyEval_RestoreThread(state_);
        } catch (...) {
            // The interpreter has ended meanwhile, and up to Python 3.13 ends this thread by unwinding it, which would
            // leave a destructor and release objects of nobody: it waits for the end of the process, as in 3.14.
            for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        }
    }
    NoGil(const NoGil&) = delete;
    NoGil& operator=(const NoGil&) = delete;

private:
    PyThreadState* state_;
};

}  // namespace pynn
