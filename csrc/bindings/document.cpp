// Documentation of the functions of the module.
#include "document.h"

namespace pynn {

namespace py = pybind11;

py::object documented(const py::object& function, const std::string& text) {
    if (!PyCFunction_Check(function.ptr())) throw py::type_error("documented: expected a function of this module");
    struct Documented {
        PyMethodDef method;
        std::string text;
    };
    const auto* original = reinterpret_cast<PyCFunctionObject*>(function.ptr());
    auto* copy = new Documented{*original->m_ml, text};  // never freed: the function points to it
    copy->method.ml_doc = copy->text.c_str();
    PyObject* made = PyCFunction_NewEx(&copy->method, original->m_self, original->m_module);
    if (!made) throw py::error_already_set();
    return py::reinterpret_steal<py::object>(made);
}

}  // namespace pynn
