// Documentation of the functions of the module.
#include "document.h"

namespace pynn {

namespace py = pybind11;

namespace {

struct Documented {
    PyMethodDef method;
    std::string text;
    py::object function, wrong_call;
};

using Called = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);

// Replaces the error of a call that does not fit the signature.
void explain(const Documented& documented, Py_ssize_t count, PyObject* names) {
    py::error_already_set cause;
    try {
        const py::object sentence =
            documented.wrong_call(count, names ? py::reinterpret_borrow<py::object>(names) : py::tuple());
        if (sentence.is_none())
            cause.restore();
        else
            PyErr_SetObject(PyExc_TypeError, sentence.ptr());
    } catch (py::error_already_set& error) {
        error.restore();
    }
}

// Each function belongs to a small module whose state points to its Documented: help() shows functions of a module
// plainly, but those of another object as "method of PyCapsule instance".
PyModuleDef owner = {
    PyModuleDef_HEAD_INIT, "pynn.kernels", nullptr, sizeof(Documented*), nullptr, nullptr, nullptr, nullptr, nullptr};

PyObject* call(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    const auto& documented = **static_cast<Documented**>(PyModule_GetState(self));
    const auto* function = reinterpret_cast<PyCFunctionObject*>(documented.function.ptr());
    const auto called = reinterpret_cast<Called>(reinterpret_cast<void (*)()>(function->m_ml->ml_meth));
    PyObject* result = called(function->m_self, arguments, count, names);
    if (!result) explain(documented, count, names);
    return result;
}

}  // namespace

py::object documented(const py::object& function, const std::string& text, const py::object& wrong_call) {
    const auto* original = reinterpret_cast<PyCFunctionObject*>(function.ptr());
    if (!PyCFunction_Check(function.ptr()) || original->m_ml->ml_flags != (METH_FASTCALL | METH_KEYWORDS))
        throw py::type_error("documented: expected a function of this module");
    auto* copy = new Documented{*original->m_ml, text, function, wrong_call};  // never freed: the function points to it
    copy->method.ml_doc = copy->text.c_str();
    copy->method.ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call));
    const auto self = py::reinterpret_steal<py::object>(PyModule_Create(&owner));
    if (!self) throw py::error_already_set();
    *static_cast<Documented**>(PyModule_GetState(self.ptr())) = copy;
    PyObject* made = PyCFunction_NewEx(&copy->method, self.ptr(), py::str(owner.m_name).ptr());
    if (!made) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(made);
}

}  // namespace pynn
