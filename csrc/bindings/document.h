// Documentation of the functions of the module.
#pragma once
#include <pybind11/pybind11.h>

#include <string>

namespace pynn {

// The same function, called the same way, with `text` for its documentation: that of a function of a module cannot be
// set from Python. A first line "name(arguments)\n--\n\n" is its signature. wrong_call(number of positional arguments,
// names of the others) gives the sentence about a call that does not fit the signature, or None: pybind11's own prints
// every argument, arrays too.
pybind11::object documented(const pybind11::object& function, const std::string& text,
                            const pybind11::object& wrong_call);

}  // namespace pynn
