// Checks of scalar arguments by the types of the C++ functions: the same rules and sentences as
// pynn/kernels/scalars.py.
#pragma once
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace pynn {

namespace py = pybind11;

// A scalar as it came from Python: any object; what is wrong with it is said by name.
template <class T>
class Scalar : public py::object {
public:
    PYBIND11_OBJECT_DEFAULT(Scalar, py::object, is_any)
    static bool is_any(PyObject*) { return true; }
};

std::string type_name(const py::object& value);
double checked_number(const char* kernel, const char* name, const py::object& value);
bool checked_flag(const char* kernel, const char* name, const py::object& value);
std::string_view checked_text(const char* kernel, const char* name, const py::object& value);  // lives as long as value
template <class T>
T checked_integer(const char* kernel, const char* name, const py::object& value);  // int64, uint64, uint32

template <class T>
constexpr bool kOptional = false;
template <class T>
constexpr bool kOptional<std::optional<T>> = true;

// How an argument of a C++ function arrives from Python.
template <class T>
using Arrived = std::conditional_t<std::is_arithmetic_v<T> || std::is_same_v<T, std::string_view> || kOptional<T>,
                                   const Scalar<T>&, T>;

template <class T, class Value>
T passed(const char* kernel, const char* name, const Value& value) {
    if constexpr (kOptional<T>)
        return value.is_none() ? T() : T(passed<typename T::value_type>(kernel, name, value));
    else if constexpr (std::is_same_v<T, bool>)
        return checked_flag(kernel, name, value);
    else if constexpr (std::is_same_v<T, double>)
        return checked_number(kernel, name, value);
    else if constexpr (std::is_integral_v<T>)
        return checked_integer<T>(kernel, name, value);
    else if constexpr (std::is_same_v<T, std::string_view>)
        return checked_text(kernel, name, value);
    else
        return value;
}

// An overload for every call that does not fit the others: pybind11's own error prints all arguments, arrays too.
void refuse_other_calls(py::module_& module, const char* function);

// The module, with a `def` whose functions get checked scalars.
class Kernels : public py::module_ {
public:
    explicit Kernels(const py::module_& module) : py::module_(module) {}

    template <class R, class... Args, class... Names>
    void def(const char* kernel, R (*function)(Args...), const Names&... names) {
        static_assert(sizeof...(Args) == sizeof...(Names), "every argument has a name");
        py::module_::def(
            kernel,
            [=](Arrived<Args>... values) -> R {
                std::tuple<Args...> checked{passed<Args>(kernel, names.name, values)...};  // braces: in order
                return std::apply(function, checked);
            },
            names...);
        refuse_other_calls(*this, kernel);
    }
};

}  // namespace pynn

namespace pybind11::detail {
template <class T>
struct handle_type_name<pynn::Scalar<T>> {
    static constexpr auto name = const_name<std::is_same_v<T, double>>("float", "int");
};
template <>
struct handle_type_name<pynn::Scalar<bool>> {
    static constexpr auto name = const_name("bool");
};
template <>
struct handle_type_name<pynn::Scalar<std::string_view>> {
    static constexpr auto name = const_name("str");
};
template <class T>
struct handle_type_name<pynn::Scalar<std::optional<T>>> {
    static constexpr auto name = handle_type_name<pynn::Scalar<T>>::name + const_name(" | None");
};
}  // namespace pybind11::detail
