"""Public docstrings: each public thing has one, which names every parameter and tells where the method comes from."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pynn
from pynn.kernels import reference
from pynn.layers import Layer
from pynn.preprocessing import Transformer
from pynn.regularizers import Penalty

if sys.flags.optimize > 1:
    pytest.skip("python -OO has no docstrings", allow_module_level=True)

INSIDE = (
    "layers",
    "lab",
    "layers.hierarchical",
    "plot",
    "search",
    "sklearn",
)  # public modules that pynn.__all__ does not list
MODULES = [
    pynn,
    *(thing for name in pynn.__all__ if isinstance(thing := getattr(pynn, name), types.ModuleType)),
    *(importlib.import_module(f"pynn.{name}") for name in INSIDE),
]
METHODS_OF_A_FIELD = (  # what the field knows: these classes say by which formula, or by whose, they work
    Layer,
    pynn.Loss,
    pynn.Optimizer,
    pynn.initializers.Initializer,
    Penalty,
    Transformer,
    pynn.Schedule,
    pynn.constraints.Constraint,
)
# numpydoc's rules that do not hold here: sections that not everything needs, capitals before a formula, verbs.
NOT_ASKED = {"ES01", "EX01", "SA01", "PR08", "RT04", "SS05"}
SOURCE = re.compile(r"\b(Source|Sources|Reference|References|CS231n)\b")
FORMULA = re.compile(r"[Σ∏√←·⌊½∂]| = ")


def public_names(module: types.ModuleType) -> list[str]:
    """Those of `__all__`; where there is none, those that the module itself defines."""
    listed: list[str] | None = getattr(module, "__all__", None)
    own = (name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__)
    return list(listed) if listed is not None else [name for name in own if not name.startswith("_")]


def public_things() -> dict[str, Any]:
    """Public classes and functions by one of their names; kernels are test_kernel_documentation's."""
    kernels = {getattr(pynn.kernels, name) for name in pynn.kernels.reference.__all__}
    found: dict[Any, str] = {}
    for module in MODULES:
        for name in public_names(module):
            thing = getattr(module, name)
            if (inspect.isclass(thing) or inspect.isroutine(thing)) and thing not in kernels:
                found.setdefault(thing, f"{module.__name__}.{name}")
    return {name: thing for thing, name in found.items()}


THINGS = public_things()
CLASSES = {name: thing for name, thing in THINGS.items() if inspect.isclass(thing)}
FRAMES = {*METHODS_OF_A_FIELD, pynn.Sequential, pynn.layers.Chain, pynn.Pipeline}  # they compute nothing themselves
SOURCED = {
    name: thing for name, thing in CLASSES.items() if issubclass(thing, METHODS_OF_A_FIELD) and thing not in FRAMES
}


def own_text(thing: Any) -> str:
    """The docstring that stands at the thing itself."""
    return str(vars(thing).get("__doc__") or "") if inspect.isclass(thing) else str(thing.__doc__ or "")


def texts(thing: Any) -> str:
    """Its own docstring, and for a class those of the bases that it inherits its constructor or options from."""
    if not inspect.isclass(thing):
        return own_text(thing)
    return "\n".join(own_text(one) for one in thing.__mro__ if one.__module__.startswith("pynn"))


def parameters(function: Callable[..., Any]) -> Iterator[str]:
    """The names of what a caller passes; *args and **kwargs of Python itself say nothing."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return
    plain = {"self", "cls", "args", "kwargs"}
    yield from (name for name in signature.parameters if name not in plain and not name.startswith("_"))


def missing(names: Iterator[str], text: str) -> list[str]:
    """The names that do not stand in the text as words of their own."""
    return [name for name in names if not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)]


def public_methods(cls: type) -> Iterator[tuple[str, Any]]:
    for name, member in vars(cls).items():
        function = getattr(member, "__func__", member)
        if not name.startswith("_") and (inspect.isfunction(function) or isinstance(member, property)):
            yield name, function


def test_the_walk_finds_what_is_public() -> None:
    for name in ("pynn.Affine", "pynn.Sequential", "pynn.datasets.mnist", "pynn.load", "pynn.layers.Chain"):
        assert name in THINGS
    assert len(CLASSES) > 70
    assert len(SOURCED) > 60


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_module_has_a_docstring(module: types.ModuleType) -> None:
    assert (module.__doc__ or "").strip()


@pytest.mark.parametrize("name", THINGS)
def test_every_public_class_and_function_has_a_docstring_of_its_own(name: str) -> None:
    text = own_text(THINGS[name]).strip()
    assert text, f"{name} has no docstring"
    assert text[-1] in ".:)" or ">>>" in text, f"{name}: its docstring ends in the middle of a sentence"
    assert not text.startswith(f"{name.rpartition('.')[2]}("), f"{name}: that is a dataclass's own signature"


@pytest.mark.parametrize("name", THINGS)
def test_every_parameter_is_named(name: str) -> None:
    assert not (left := missing(parameters(THINGS[name]), texts(THINGS[name]))), f"{name} does not tell of {left}"


def shown(value: float | str) -> set[str]:
    """How a default may stand in a text: 0.001, 1e-3 or 0.0010."""
    if isinstance(value, str):
        return {value}
    power = f"{value:.0e}".replace("e-0", "e-")
    forms = {repr(value), f"{value:g}", power, f"{value:.10f}".rstrip("0")}
    return {form for form in forms if form and float(form) == value}


@pytest.mark.parametrize("name", THINGS)
def test_every_default_that_is_a_number_or_a_word_is_told(name: str) -> None:
    try:
        signature = inspect.signature(THINGS[name])
    except ValueError:
        return
    for parameter in signature.parameters.values():
        default = parameter.default
        if isinstance(default, (int, float, str)) and not isinstance(default, bool) and default != "":
            words = "|".join(map(re.escape, shown(default)))
            assert re.search(rf"(?<![\w.])({words})(?!\w)", texts(THINGS[name])), f"{name}: {parameter} is not told"


@pytest.mark.parametrize("name", CLASSES)
def test_a_docstring_sends_the_reader_to_the_base_that_names_the_rest(name: str) -> None:
    """Parameters that only a base names: the docstring then names that base, or gives **options as its own."""
    cls = CLASSES[name]
    left = missing(parameters(cls), own_text(cls))
    if "__init__" in vars(cls) and left:
        bases = [base.__name__ for base in cls.__mro__[1:] if not missing(iter(left), own_text(base))]
        assert any(f"`{base}`" in own_text(cls) for base in bases), f"{name} does not say where {left} is told of"


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_method_has_a_docstring_that_names_its_parameters(name: str) -> None:
    cls = CLASSES[name]
    for method, function in public_methods(cls):
        text = inspect.getdoc(getattr(cls, method)) or ""
        assert text, f"{name}.{method} has no docstring"
        if inspect.isfunction(function):
            left = missing(parameters(function), text + texts(cls))
            assert not left, f"{name}.{method} does not tell of {left}"


@pytest.mark.parametrize("name", SOURCED)
def test_every_method_of_the_field_gives_a_source_or_a_formula(name: str) -> None:
    cls = SOURCED[name]
    module = sys.modules[cls.__module__].__doc__ or ""
    assert SOURCE.search(own_text(cls) + module) or FORMULA.search(own_text(cls)), f"{name}: no source, no formula"


@pytest.mark.parametrize("name", THINGS)
def test_references_in_docstrings_exist(name: str) -> None:
    """`Name` of a class in a docstring is a public class of pynn."""
    known = {one.rpartition(".")[2] for one in THINGS}
    named = set(re.findall(r"(?<!`)`([A-Z][A-Za-z0-9]+)`(?!`)", own_text(THINGS[name])))
    assert named <= known | {"Pipeline"}, f"{name} names {sorted(named - known)}"


TWINS = [getattr(reference, name) for name in reference.__all__]


def described() -> dict[str, dict[str, Any]]:
    """What numpydoc's rules hold for, by the module that defines it: public things, and the methods they have."""
    found: dict[str, dict[str, Any]] = {}
    for twin in TWINS:
        found.setdefault(twin.__module__, {})[twin.__name__] = twin
    for name, thing in THINGS.items():
        found.setdefault(thing.__module__, {})[name] = thing
        for base in thing.__mro__ if inspect.isclass(thing) else ():
            methods = public_methods(base) if base.__module__.startswith("pynn.") else ()
            own = {f"{base.__qualname__}.{method}": function for method, function in methods if function.__doc__}
            found.setdefault(base.__module__, {}).update(own)
    return dict(sorted((module, things) for module, things in found.items() if things))


def faults(thing: Any) -> list[str]:
    """What numpydoc finds wrong with a docstring: "PR01: Parameters {'x'} not documented"."""
    docscrape, rules = pytest.importorskip("numpydoc.docscrape"), pytest.importorskip("numpydoc.validate")
    line = {"source_file_def_line": 1}  # not looked up: a class that was not made by a class statement has none
    validator = type("Validator", (rules.Validator,), line)(docscrape.get_doc_object(thing))
    checked = rules.validate(thing, lambda obj_name: validator)
    asked_not = set(NOT_ASKED)
    if getattr(thing, "_is_protocol", False):  # never constructed
        asked_not.add("PR01")
    if thing in TWINS:  # generated; they begin with a formula and explain their arguments below it
        asked_not |= {"GL02", "SS02", "PR07"}
    return [f"{code}: {text}" for code, text in checked["errors"] if code not in asked_not]


DESCRIBED = described()


@pytest.mark.parametrize("module", DESCRIBED)
def test_docstrings_keep_numpydocs_rules(module: str) -> None:
    wrong = [f"{name}: {fault}" for name, thing in DESCRIBED[module].items() for fault in faults(thing)]
    assert not wrong, "\n".join(wrong)


def test_numpydocs_rules_reject_a_wrong_docstring() -> None:
    def wrong(x: int, y: int) -> int:
        """Add two numbers

        Parameters
        ----------
        x: int
            The first.
        """
        return x + y

    codes = {fault.partition(":")[0] for fault in faults(wrong)}
    assert codes >= {"SS03", "PR01", "PR02", "PR10", "RT01"}


def _entries(thing: Any) -> dict[str, str]:
    """Parameters and attributes by the line that names them, with their text."""
    sections = re.split(r"\n(\w[\w ]*)\n-+\n", inspect.getdoc(thing) or "")
    texts_of = dict(zip(sections[1::2], sections[2::2], strict=True))
    listed = "\n".join((texts_of["Parameters"], texts_of["Attributes"]))
    parts = re.split(r"^(\S.* : .*)\n", listed, flags=re.MULTILINE)
    return {head: " ".join(text.split()) for head, text in zip(parts[1::2], parts[2::2], strict=True)}


def test_two_perceptrons_describe_alike_what_they_share() -> None:
    """Each says it all, so that help() and editors show it; the texts must not drift apart."""
    sklearn = importlib.import_module("pynn.sklearn")
    classes, numbers = _entries(sklearn.MLPClassifier), _entries(sklearn.MLPRegressor)
    shared = classes.keys() & numbers.keys()
    assert {head.split(" : ")[0] for head in classes.keys() ^ numbers.keys()} == {"loss", "class_weight", "classes_"}
    assert len(shared) > 30
    for head in shared:
        assert classes[head] == numbers[head], head
