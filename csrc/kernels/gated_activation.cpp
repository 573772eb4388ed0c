// Activations y = x gate(x), whose gradient gate(x) + x gate'(x) needs x: GELU, SiLU and Mish.
#include "families.h"
#include "gates.h"
#include "parallel.h"

namespace pynn::PYNN_LEVEL {
namespace {

constexpr Size kRun = 4096;
constexpr double kCost = 16;  // of one element, in multiply-adds

template <Gate G>
struct ChosenGate {
    static constexpr Gate gate = G;
};

template <class F>
void with_gate(Gate gate, F f) {
    switch (gate) {
#define PYNN_CASE(name)                                                                                                \
    case Gate::name: return f(ChosenGate<Gate::name>{});
        PYNN_GATES(PYNN_CASE)
#undef PYNN_CASE
    }
}

template <class T>
void gate_forward(const T* x, Gate gate, T* out, Size size) {
    with_gate(gate, [&](auto chosen) {
        parallel_runs(size, kRun, kCost * static_cast<double>(size), [&](Size begin, Size end) {
            each_vector<T>(begin, end, [&](auto at, Size i) {
                const Vec<T> value = at.load(x + i);
                at.store(out + i, value * gate_parts<decltype(chosen)::gate, T>(value).gate);
            });
        });
    });
}

template <class T>
void gate_backward(const T* dy, const T* x, Gate gate, T* dx, Size size) {
    with_gate(gate, [&](auto chosen) {
        parallel_runs(size, kRun, kCost * static_cast<double>(size), [&](Size begin, Size end) {
            each_vector<T>(begin, end, [&](auto at, Size i) {
                const Vec<T> value = at.load(x + i);
                const Parts<T> parts = gate_parts<decltype(chosen)::gate, T>(value);
                at.store(dx + i, at.load(dy + i) * (parts.gate + value * parts.slope));
            });
        });
    });
}

}  // namespace

template <class T>
void fill_gated_activation(Table<T>& table) {
    table.gate_forward = gate_forward<T>;
    table.gate_backward = gate_backward<T>;
}
template void fill_gated_activation(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
