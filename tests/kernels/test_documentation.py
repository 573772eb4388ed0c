"""What `help(pynn.kernels)` says: a guide that runs, and the same documentation of every kernel on both backends."""

from __future__ import annotations

import doctest
import inspect
import pickle
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, arguments, call

from pynn import kernels
from pynn.kernels import documentation, reference

every_kernel = pytest.mark.parametrize("name", kernels.NAMES)
DIMENSION = r"[A-Z]\w*"


def described(name: str) -> tuple[str, dict[str, str]]:
    """A kernel's documentation: the text before its parameters, and the line of each parameter by its name."""
    text, found, rest = inspect.getdoc(getattr(kernels, name)).partition("\n\nParameters\n----------\n")
    assert found, f"{name}: no parameters"
    return text, {line.partition(" : ")[0]: line for line in rest.partition("\n\n")[0].splitlines()}


@pytest.fixture(params=kernels.BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "native" and kernels.native_module() is None:
        pytest.skip("the native kernels were not built")
    kernels.use_backend(request.param)
    return str(request.param)


def test_the_guide_runs(backend: str) -> None:
    outcome = doctest.testmod(kernels)
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_the_guide_names_every_kernel_in_its_family(backend: str) -> None:
    text = pydoc.render_doc(kernels, renderer=pydoc.plaintext)
    for name in kernels.NAMES:
        module = getattr(reference, name).__module__
        about = sys.modules[module].__doc__.splitlines()[0]
        assert re.search(rf"{module.rpartition('.')[2]}: {re.escape(about)}\n(\s+\w+\n)*\s+{name}\n", text), name
        assert re.search(rf"^    {name}\(", text, re.MULTILINE), name


def test_the_table_lists_its_kernels(backend: str) -> None:
    assert set(kernels.NAMES) < set(kernels.__all__)
    assert dir(kernels) == sorted(kernels.__all__)
    assert all(hasattr(kernels, name) for name in kernels.__all__)
    assert sorted(reference.__all__) == sorted(kernels.NAMES)


@every_kernel
def test_documentation_and_signature_are_the_same_on_both_backends(name: str, backend: str) -> None:
    kernel, twin = getattr(kernels, name), getattr(reference, name)
    assert (kernel is twin) == (backend == "numpy")
    assert kernel.__doc__ == twin.__doc__
    assert kernel.__name__ == kernel.__qualname__ == name
    assert backend == "numpy" or kernel.__module__ == "pynn.kernels"
    assert list(inspect.signature(kernel).parameters) == list(inspect.signature(twin).parameters)
    shown = pydoc.render_doc(kernel, renderer=pydoc.plaintext)
    assert "instance" not in shown.partition(")\n")[0], "the extension's internals"
    assert f"\n{name}({next(iter(inspect.signature(twin).parameters))}" in shown
    assert all(line.strip() in shown for line in twin.__doc__.splitlines())


@every_kernel
def test_every_kernel_says_what_it_computes_and_names_every_argument(name: str, backend: str) -> None:
    text, lines = described(name)
    assert len(text) > 20
    assert text.rstrip().endswith(".")
    assert re.search(r"[=←]|Mean|Return", text), "no formula"
    parameters = inspect.signature(getattr(reference, name)).parameters
    assert list(lines) == list(parameters)
    for parameter in parameters:
        scalar = not lines[parameter].startswith(f"{parameter} : array ")
        assert not scalar or re.search(rf"\b{parameter}\b", text), f"{parameter} is not explained"


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_the_lines_of_arguments_are_true(op: Any) -> None:
    sizes = op.usual_sizes
    args = arguments(op, sizes)
    lines = described(op.kernel)[1]
    before = {name: value.copy() for name, value in args.items() if isinstance(value, np.ndarray)}
    call(reference, op, args)
    bound: dict[str, int] = {}
    for name, value in args.items():
        if name.startswith("#"):
            continue
        line = lines[name]
        if value is None:
            assert "or None" in line
        elif isinstance(value, np.ndarray):
            assert value.dtype.name in line
            shape = re.match(rf"{name} : array \(({DIMENSION}(?:, {DIMENSION})*),?\), ", line)
            assert shape is not None or line.startswith(f"{name} : array of any shape, "), line
            dimensions = re.findall(DIMENSION, shape[1]) if shape else []
            if shape:
                assert len(dimensions) == value.ndim, line
            for dimension, size in zip(dimensions, value.shape, strict=False):
                assert bound.setdefault(dimension, size) == size, line
            if not np.array_equal(value, before[name], equal_nan=True):
                assert "written into" in line
        else:
            kinds = ("int", "float") if type(value) is int else (type(value).__name__,)
            assert line.startswith(tuple(f"{name} : {kind}" for kind in kinds)), line


@pytest.mark.slow
def test_without_docstrings_everything_runs(tmp_path: Path) -> None:
    code = "from pynn import kernels; print(kernels.__doc__, kernels.softmax.__doc__ or None)"
    command = [sys.executable, "-OO", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "None None"), done.stderr


def test_words_of_rules_become_a_line() -> None:
    @documented_with(x="N D", index="optional int64 N", pixels="pixels N D", out="out ...")
    def kernel(x: Any, index: Any, pixels: Any, rate: float, out: Any) -> None:
        """out = x.

        More of it.

        References
        ----------
        .. [1] A book.
        """

    assert kernel == (
        "out = x.\n\nMore of it.\n\nParameters\n----------\n"
        "x : array (N, D), float32 or float64\n"
        "index : array (N,), int64, or None\n"
        "pixels : array (N, D), uint8, float32 or float64\n"
        "rate : float\n"
        "out : array of any shape, all alike, float32 or float64; written into\n\n"
        "References\n----------\n.. [1] A book."
    )


def documented_with(**rules: str) -> Any:
    return lambda function: documentation.with_arguments(function, rules)


def test_only_functions_of_the_extension_take_a_documentation(native: None) -> None:
    module: Any = kernels.native_module()
    with pytest.raises(TypeError, match="expected a function of this module"):
        module.documented(lambda: None, "text", None)
    original = module.softmax.__doc__
    again = module.documented(module.softmax, "other", lambda count, names: None)
    assert again.__doc__ == "other"
    assert module.softmax.__doc__ == original
    out = np.empty((1, 2))
    again(np.zeros((1, 2)), out)
    np.testing.assert_array_equal(out, 0.5)


def test_native_kernels_can_be_pickled_by_name(native: None) -> None:
    kernels.use_backend("native")
    assert pickle.loads(pickle.dumps(kernels.softmax)) is kernels.softmax


def test_documentation_outlives_many_switches_of_the_backend(native: None) -> None:
    found = []
    for _ in range(3):
        for backend in kernels.BACKENDS:
            kernels.use_backend(backend)
            found.append(kernels.softmax)
    assert found[0] is found[2] is found[4]  # made once
    assert found[1] is found[3] is reference.softmax
