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
            // The interpreter has shut down. Up to Python 3.13 it would unwind this thread out of a destructor and
            // release objects that no longer exist; so wait for the end of the process, as Python 3.14 does.
            for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        }
    }
    NoGil(const NoGil&) = delete;
    NoGil& operator=(const NoGil&) = delete;

private:
    PyThreadState* state_;
};

}  // namespace pynn
