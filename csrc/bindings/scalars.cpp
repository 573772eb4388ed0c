#include "scalars.h"

#include <limits>
#include <string>

namespace pynn {

namespace {

[[noreturn]] void wrong_type(const char* kernel, const char* name, const py::object& value,
                             const std::string& expected) {
    throw py::type_error(std::string(kernel) + ": " + name + " is " + type_name(value) + ", expected " + expected);
}

// Python refuses to print very long integers.
[[noreturn]] void out_of_range(const char* kernel, const char* name, const py::object& integer,
                               const std::string& expected) {
    const auto bits = integer.attr("bit_length")().cast<Py_ssize_t>();
    const std::string shown =
        bits <= 128 ? py::str(integer).cast<std::string>() : "an integer of " + std::to_string(bits) + " bits";
    throw py::value_error(std::string(kernel) + ": " + name + " is " + shown + ", expected " + expected);
}

bool is_numpy(const py::object& value, const char* kind) {
    return py::isinstance(value, py::module_::import("numpy").attr(kind));
}

}  // namespace

void refuse_other_calls(py::module_& module, const char* function) {
    module.def(function, [=](const py::args&, const py::kwargs&) {
        throw py::type_error(std::string(function) + ": these arguments do not fit the function's signature");
    });
}

std::string type_name(const py::object& value) {
    return py::type::of(value).attr("__name__").cast<std::string>();
}

double checked_number(const char* kernel, const char* name, const py::object& value) {
    if (PyFloat_Check(value.ptr())) return PyFloat_AS_DOUBLE(value.ptr());
    if (!PyLong_Check(value.ptr()) && !is_numpy(value, "integer") && !is_numpy(value, "floating"))
        wrong_type(kernel, name, value, "a number");
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Float(value.ptr()));
    if (number) return PyFloat_AS_DOUBLE(number.ptr());
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) throw py::error_already_set();
    PyErr_Clear();
    out_of_range(kernel, name, value, "a number that float64 can hold");
}

bool checked_flag(const char* kernel, const char* name, const py::object& value) {
    if (!PyBool_Check(value.ptr()) && !is_numpy(value, "bool_")) wrong_type(kernel, name, value, "True or False");
    return PyObject_IsTrue(value.ptr()) == 1;
}

std::string_view checked_text(const char* kernel, const char* name, const py::object& value) {
    if (!PyUnicode_Check(value.ptr())) wrong_type(kernel, name, value, "text");
    Py_ssize_t size = 0;
    const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
    if (text && size <= 100 &&
        std::string_view(text, static_cast<std::size_t>(size)).find('\0') == std::string_view::npos)
        return {text, static_cast<std::size_t>(size)};
    PyErr_Clear();  // of half a surrogate pair
    const auto shown = py::reinterpret_steal<py::str>(PyObject_ASCII(value.ptr())).cast<std::string>();
    throw py::value_error(std::string(kernel) + ": " + name + " is " + shown.substr(0, 40) +
                          (shown.size() > 40 ? "..." : "") + ", expected a word");
}

template <class T>
static std::string range() {
    const std::string power = "2^" + std::to_string(std::numeric_limits<T>::digits);
    return "an integer of " + (std::is_signed_v<T> ? "-" + power : std::string("0")) + ".." + power + "-1";
}

template <class T>
T checked_integer(const char* kernel, const char* name, const py::object& value) {
    py::object integer = value;
    if (PyBool_Check(value.ptr()) || !PyLong_Check(value.ptr())) {
        if (!is_numpy(value, "integer")) wrong_type(kernel, name, value, range<T>());
        integer = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
        if (!integer) throw py::error_already_set();
    }
    std::conditional_t<std::is_signed_v<T>, long long, unsigned long long> wide = 0;
    if constexpr (std::is_signed_v<T>)
        wide = PyLong_AsLongLong(integer.ptr());
    else
        wide = PyLong_AsUnsignedLongLong(integer.ptr());
    const bool failed = PyErr_Occurred() != nullptr;
    PyErr_Clear();
    if (failed || wide > std::numeric_limits<T>::max()) out_of_range(kernel, name, integer, range<T>());
    return static_cast<T>(wide);
}
template std::int64_t checked_integer(const char*, const char*, const py::object&);
template std::uint64_t checked_integer(const char*, const char*, const py::object&);
template std::uint32_t checked_integer(const char*, const char*, const py::object&);

}  // namespace pynn
