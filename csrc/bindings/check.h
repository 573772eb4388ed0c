// Checks of kernel arguments: the same rules and the same sentences as pynn/kernels/checks.py.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "dispatch.h"
#include "nogil.h"
#include "scalars.h"
#include "subnormals.h"

namespace pynn {

namespace py = pybind11;

// Any object; the checks below say what is wrong with it, by name. Never converted: results must not land in a copy.
class Array : public py::object {
public:
    PYBIND11_OBJECT_DEFAULT(Array, py::object, is_any)
    static bool is_any(PyObject*) { return true; }
};

// The same, or None.
class OptionalArray : public Array {
public:
    PYBIND11_OBJECT_DEFAULT(OptionalArray, Array, is_any)
};

enum class Kind { floats, int64, pixels };

// Names of dimensions, as they stand in messages.
enum Dim { N, D, M, C, P, B, G, H, W, Q, KH, KW, OH, OW, kDims };

class Checker {
public:
    explicit Checker(const char* kernel) : kernel_(kernel) {
        for (Size& size : sizes_) size = -1;
    }

    // An array to read or to write, of the given dimensions; a dimension's first appearance binds its size.
    template <class... Dims>
    void in(const char* name, const py::object& value, Dims... dims) {
        array(name, value, Kind::floats, false, {dims...}, sizeof...(dims));
    }
    template <class... Dims>
    void out(const char* name, const py::object& value, Dims... dims) {
        array(name, value, Kind::floats, true, {dims...}, sizeof...(dims));
    }
    template <class... Dims>
    void out_or_none(const char* name, const py::object& value, Dims... dims) {
        if (!value.is_none()) out(name, value, dims...);
    }
    template <class... Dims>
    void in_or_none(const char* name, const py::object& value, Dims... dims) {
        if (!value.is_none()) in(name, value, dims...);
    }
    template <class... Dims>
    void integers(const char* name, const py::object& value, Dims... dims) {
        array(name, value, Kind::int64, false, {dims...}, sizeof...(dims));
    }
    template <class... Dims>
    void integers_out(const char* name, const py::object& value, Dims... dims) {
        array(name, value, Kind::int64, true, {dims...}, sizeof...(dims));
    }
    template <class... Dims>
    void pixels(const char* name, const py::object& value, Dims... dims) {
        array(name, value, Kind::pixels, false, {dims...}, sizeof...(dims));
    }
    // Arrays of any shape, all of the shape of the first.
    void in_any(const char* name, const py::object& value) { array(name, value, Kind::floats, false, {}, kAnyShape); }
    void out_any(const char* name, const py::object& value) { array(name, value, Kind::floats, true, {}, kAnyShape); }

    // Call after the last array: ValueError if a written array shares memory with another.
    void overlaps() const;

    Size size(Dim dim) const { return sizes_[dim]; }
    Size elements() const { return elements_; }
    bool is_double() const { return double_; }
    bool writes() const { return writes_; }  // into an array that holds a number

    void positive(const char* name, double value) const;
    void not_zero(const char* name, double value) const;
    [[noreturn]] void value_error(const std::string& sentence) const;
    void not_negative(const char* name, double value) const;
    // The member of an enumeration by its name.
    template <class Enum, std::size_t Count>
    Enum choice(const char* argument, std::string_view value, const std::string_view (&names)[Count]) const {
        return static_cast<Enum>(number_of(argument, value, names, Count));
    }
    // alpha: of leaky_relu and elu; without a value the default of the layers.
    Activation activation(std::string_view name, std::optional<double> alpha) const;

private:
    static constexpr std::size_t kAnyShape = 99;
    static constexpr int kMaxArrays = 12;

    struct Seen {
        const char* name;
        const char* begin;
        const char* end;
        bool written;
    };
    struct DimList {
        Dim dims[4];
    };

    std::size_t number_of(const char* argument, std::string_view value, const std::string_view* names,
                          std::size_t count) const;
    void array(const char* name, const py::object& value, Kind kind, bool written, DimList dims, std::size_t rank);
    void check_dtype(const char* name, PyObject* value, Kind kind);
    void check_shape(const char* name, PyObject* value, DimList dims, std::size_t rank);
    std::string reshaped(const char* name, PyObject* value, DimList dims, std::size_t rank) const;

    const char* kernel_;
    const char* float_name_ = nullptr;  // the argument that fixed the dtype
    bool double_ = false, writes_ = false;
    Size sizes_[kDims];
    PyObject* any_shape_ = nullptr;  // the argument that fixed the shape
    Size elements_ = 0;
    Seen seen_[kMaxArrays] = {};
    int count_ = 0;
};

template <class T>
T* data(const py::object& array) {
    return array.is_none() ? nullptr : static_cast<T*>(static_cast<void*>(py::detail::array_proxy(array.ptr())->data));
}

// The numbers of an array to write into or, without one, a buffer: the kernel must write somewhere.
template <class T>
class Target {
public:
    Target(const OptionalArray& array, Size count)
        : unwanted_(array.is_none() ? new T[static_cast<std::size_t>(count)] : nullptr),
          data_(unwanted_ ? unwanted_.get() : data<T>(array)) {}
    T* get() const { return data_; }

private:
    std::unique_ptr<T[]> unwanted_;
    T* data_;
};

// Calls run(T()) with T the dtype of the checked arrays, without the GIL. Not where there is nothing to write: a
// dimension of 0 may come with one of 2^40, which no loop may run over.
template <class F>
auto compute(const Checker& check, F run) {
    if constexpr (std::is_void_v<decltype(run(double()))>)
        if (!check.writes()) return;
    const NoGil nogil;
    const FlushSubnormals flush;
    return check.is_double() ? run(double()) : run(float());
}

// A copy of `count` integers; ValueError names the first outside 0..limit-1. A copy, since another Python thread may
// write into the array once the GIL is released.
std::vector<std::int64_t> checked_integers(const Checker& check, const char* name, const Array& array, Size count,
                                           Size limit, const char* what);

#define PYNN_DECLARE_BIND(family) void bind_##family(Kernels& module);
PYNN_FAMILIES(PYNN_DECLARE_BIND)
#undef PYNN_DECLARE_BIND

}  // namespace pynn

namespace pybind11::detail {
template <>
struct handle_type_name<pynn::Array> {
    static constexpr auto name = const_name("numpy.ndarray");
};
template <>
struct handle_type_name<pynn::OptionalArray> {
    static constexpr auto name = const_name("numpy.ndarray | None");
};
}  // namespace pybind11::detail
