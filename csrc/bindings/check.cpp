#include "check.h"

#include <cmath>
#include <stdexcept>

namespace pynn {

namespace {

using py::detail::array_proxy;

bool is_array(PyObject* value) {
    return py::detail::npy_api::get().PyArray_Check_(value);
}

// The order of the machine's bytes has two names: newbyteorder() writes '<' or '>' where NumPy's own dtypes have '='.
bool is_swapped(char order) {
    return order == (PY_LITTLE_ENDIAN ? '>' : '<');
}

std::string dtype_name(PyObject* value) {
    const py::dtype dtype = py::reinterpret_borrow<py::array>(value).dtype();
    return is_swapped(dtype.byteorder()) ? py::str(dtype).cast<std::string>() : dtype.attr("name").cast<std::string>();
}

// Subclasses are plain arrays here; but a mask would be lost.
bool is_masked(PyObject* value) {
    const bool plain = Py_TYPE(value) == py::detail::npy_api::get().PyArray_Type_;
    return !plain && py::isinstance(value, py::module_::import("numpy").attr("ma").attr("MaskedArray"));
}

std::string shape_text(PyObject* value) {
    return py::str(py::reinterpret_borrow<py::object>(value).attr("shape")).cast<std::string>();
}

constexpr const char* kDimNames[kDims] = {"N", "D", "M", "C", "P", "B", "G", "H", "W", "Q", "KH", "KW", "OH", "OW"};

}  // namespace

void Checker::value_error(const std::string& sentence) const {
    throw py::value_error(std::string(kernel_) + ": " + sentence);
}

void Checker::positive(const char* name, double value) const {
    if (!(value > 0))
        value_error(std::string(name) + " is " + py::str(py::float_(value)).cast<std::string>() +
                    ", expected a positive number");
}

void Checker::check_dtype(const char* name, PyObject* value, Kind kind) {
    using Api = py::detail::npy_api;
    const auto* descriptor = py::detail::array_descriptor_proxy(array_proxy(value)->descr);
    const int number = descriptor->type_num;
    const auto eight_bytes = [&] { return py::reinterpret_borrow<py::array>(value).itemsize() == 8; };
    const bool is_float = number == Api::NPY_FLOAT_;
    const bool is_double = number == Api::NPY_DOUBLE_ || (number == Api::NPY_LONGDOUBLE_ && eight_bytes());
    bool fits = is_float || is_double;
    std::string expected;
    if (kind == Kind::int64) {
        fits = descriptor->kind == 'i' && eight_bytes();  // long or long long
        if (!fits) expected = "int64";
    } else if (kind == Kind::pixels) {
        fits = fits || number == Api::NPY_UBYTE_;
        if (!fits) expected = "uint8, float32 or float64";
    } else if (float_name_ == nullptr) {
        if (!fits) expected = "float32 or float64";
        float_name_ = name;
        double_ = is_double;
    } else {
        fits = double_ ? is_double : is_float;
        if (!fits) expected = std::string(double_ ? "float64" : "float32") + " like " + float_name_;
    }
    if (fits && !is_swapped(descriptor->byteorder)) return;
    const std::string start = std::string(kernel_) + ": " + name;
    if (!fits) throw py::type_error(start + " has dtype " + dtype_name(value) + ", expected " + expected);
    throw py::type_error(start + " is byte-swapped (" + dtype_name(value) + "); " + name + ".astype(" + name +
                         ".dtype.newbyteorder('=')) is not");
}

void Checker::check_shape(const char* name, PyObject* value, DimList dims, std::size_t rank) {
    const auto* proxy = array_proxy(value);
    if (rank == kAnyShape) {
        if (any_shape_ == nullptr) {
            any_shape_ = value;
            elements_ = 1;
            for (int i = 0; i < proxy->nd; ++i) elements_ *= proxy->dimensions[i];
            return;
        }
        const auto* first = array_proxy(any_shape_);
        bool same = first->nd == proxy->nd;
        for (int i = 0; same && i < proxy->nd; ++i) same = first->dimensions[i] == proxy->dimensions[i];
        if (!same)
            value_error(std::string(name) + " has shape " + shape_text(value) + ", expected " + shape_text(any_shape_));
        return;
    }
    bool fits = static_cast<std::size_t>(proxy->nd) == rank;
    for (std::size_t i = 0; fits && i < rank; ++i) {
        const Size bound = sizes_[dims.dims[i]];
        fits = bound < 0 || bound == proxy->dimensions[i];
    }
    if (!fits) {
        std::string wanted;
        for (std::size_t i = 0; i < rank; ++i) {
            const Size bound = sizes_[dims.dims[i]];
            wanted += (i ? ", " : "") + std::string(kDimNames[dims.dims[i]]);
            if (bound >= 0) wanted += "=" + std::to_string(bound);
        }
        value_error(std::string(name) + " has shape " + shape_text(value) + ", expected (" + wanted +
                    (rank == 1 ? ",)" : ")") + reshaped(name, value, dims, rank));
    }
    for (std::size_t i = 0; i < rank; ++i) sizes_[dims.dims[i]] = proxy->dimensions[i];
}

// What makes an array of more dimensions fit, as the end of a sentence; not what would be a copy.
std::string Checker::reshaped(const char* name, PyObject* value, DimList dims, std::size_t rank) const {
    const auto* proxy = array_proxy(value);
    const bool by_channels = rank == 2 && dims.dims[1] == C;
    const bool flat =
        static_cast<std::size_t>(proxy->nd) > rank && (proxy->flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_);
    if (!flat || !(rank == 1 || by_channels)) return "";
    const Size columns = by_channels ? proxy->dimensions[proxy->nd - 1] : 1;
    Size rows = 1;
    for (int i = 0; i < proxy->nd - (by_channels ? 1 : 0); ++i) rows *= proxy->dimensions[i];
    const auto fits = [&](Size bound, Size size) { return bound < 0 || bound == size; };
    if (!fits(sizes_[dims.dims[0]], rows) || (by_channels && !fits(sizes_[C], columns))) return "";
    return std::string("; ") + name + ".reshape(-1" + (by_channels ? ", " + std::to_string(columns) : "") + ") is";
}

void Checker::array(const char* name, const py::object& value, Kind kind, bool written, DimList dims,
                    std::size_t rank) {
    PyObject* object = value.ptr();
    if (!is_array(object))
        throw py::type_error(std::string(kernel_) + ": " + name + " is " + type_name(value) +
                             ", expected a numpy.ndarray");
    if (is_masked(object))
        throw py::type_error(std::string(kernel_) + ": " + name + " is a masked array, whose mask would be lost; " +
                             name + ".filled(value) is a plain one");
    check_dtype(name, object, kind);
    check_shape(name, object, dims, rank);
    const auto* proxy = array_proxy(object);
    const int flags = proxy->flags;
    const std::string text = name;
    if (!(flags & py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_))
        value_error(text + " is not C-contiguous; numpy.ascontiguousarray(" + text + ") is");
    if (!(flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_))
        value_error(text + " is not aligned in memory; " + text + ".copy() is");
    if (written && !(flags & py::detail::npy_api::NPY_ARRAY_WRITEABLE_))
        value_error(text + " is read-only, expected an array to write into");
    Size bytes = kind == Kind::floats ? (double_ ? 8 : 4) : py::reinterpret_borrow<py::array>(object).itemsize();
    for (int i = 0; i < proxy->nd; ++i) bytes *= proxy->dimensions[i];
    if (bytes == 0) return;
    writes_ = writes_ || written;
    if (count_ == kMaxArrays) throw std::length_error(std::string(kernel_) + ": more arrays than Checker::kMaxArrays");
    seen_[count_++] = {name, proxy->data, proxy->data + bytes, written};
}

void Checker::overlaps() const {
    for (int i = 0; i < count_; ++i) {
        if (!seen_[i].written) continue;
        for (int j = 0; j < count_; ++j)
            if (j != i && seen_[i].begin < seen_[j].end && seen_[j].begin < seen_[i].end)
                value_error(std::string(seen_[i].name) + " overlaps " + seen_[j].name + " in memory");
    }
}

void Checker::not_zero(const char* name, double value) const {
    if (value == 0)
        value_error(std::string(name) + " is " + py::str(py::float_(value)).cast<std::string>() +
                    ", expected another number than 0");
}

void Checker::not_negative(const char* name, double value) const {
    if (!(value >= 0 && value < HUGE_VAL))
        value_error(std::string(name) + " is " + py::str(py::float_(value)).cast<std::string>() +
                    ", expected at least 0 and finite");
}

std::size_t Checker::number_of(const char* argument, std::string_view value, const std::string_view* names,
                               std::size_t count) const {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) {
        if (value == names[i]) return i;
        all += (i > 0 ? ", " : "") + std::string(names[i]);
    }
    value_error(std::string(argument) + " is '" + std::string(value) + "', expected one of " + all);
}

Activation Checker::activation(std::string_view name, std::optional<double> alpha) const {
    const auto function = choice<Function>("activation", name, kFunctionNames);
    const double usual = function == Function::leaky_relu ? 0.01 : function == Function::elu ? 1.0 : 0.0;
    const double found = alpha.value_or(usual);
    if (usual > 0 && !(found >= 0))  // backward takes the slope from the sign of y, that of x only for alpha >= 0
        value_error("alpha is " + py::str(py::float_(found)).cast<std::string>() + ", expected at least 0");
    return {function, found};
}

std::vector<std::int64_t> checked_integers(const Checker& check, const char* name, const Array& array, Size count,
                                           Size limit, const char* what) {
    const auto* values = data<std::int64_t>(array);
    std::vector<std::int64_t> copy(values, values + count);
    for (Size i = 0; i < count; ++i)
        if (copy[static_cast<std::size_t>(i)] < 0 || copy[static_cast<std::size_t>(i)] >= limit)
            check.value_error(std::string(name) + "[" + std::to_string(i) + "] is " +
                              std::to_string(copy[static_cast<std::size_t>(i)]) + ", expected 0.." +
                              std::to_string(limit - 1) + " (" + std::to_string(limit) + " " + what + ")");
    return copy;
}

}  // namespace pynn
