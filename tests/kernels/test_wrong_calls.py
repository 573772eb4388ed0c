"""Calls of native functions that fit no signature: a short sentence, and no argument is printed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn import kernels

native: Any = kernels.native_module()
pytestmark = pytest.mark.skipif(native is None, reason="the native kernels are not built")


class Loud(list[float]):
    """A list that may not be printed: a long one takes seconds and megabytes."""

    def __repr__(self) -> str:
        raise AssertionError("an argument was printed")

    __str__ = __repr__


class LoudArray(np.ndarray):
    __repr__ = __str__ = Loud.__repr__


def arguments() -> list[Any]:
    return [Loud([1.0]), np.zeros((2, 3), np.float32).view(LoudArray)]


@pytest.mark.parametrize("name", kernels.NAMES)
@pytest.mark.parametrize("public", [True, False])
def test_no_kernel_prints_its_arguments(name: str, public: bool, backend: str) -> None:
    kernel = getattr(kernels if public or backend == "numpy" else native, name)
    for x in arguments():
        for args, names in (
            ((x,) * 30, {}), ((), {}), ((x,), {"wrong": x}), ((x,), {"wrong": x, "\ud800": x}), ((x,) * 2, {"x": x}),
            ((), {"zzz": x}),
        ):  # fmt: skip
            with pytest.raises(TypeError, match=name) as caught:
                kernel(*args, **names)
            assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "name", ["set_num_threads", "get_num_threads", "cpu_quota", "documented", "isa", "available_isas"]
)
def test_no_other_function_does(name: str) -> None:
    function = getattr(native, name)
    for x in arguments():
        for args, names in (((x,) * 9, {}), ((x,), {}), ((x, x), {}), ((), {"wrong": x}), ((x, x, x), {})):
            if name == "documented" and len(args) == 3:
                continue
            with pytest.raises(TypeError, match=f"^{name}: ") as caught:
                function(*args, **names)
            assert len(str(caught.value)) < 200


@pytest.mark.parametrize("count", ["x", None, 1.5, Loud(), np.zeros(3)])
def test_the_number_of_threads_is_an_integer(count: Any) -> None:
    with pytest.raises(TypeError, match=r"set_num_threads: count is \w+, expected an integer"):
        native.set_num_threads(count)


@pytest.mark.parametrize(
    ("count", "least", "most"), [(-(2**40), 1, 1), (0, 1, 1), (2**40, 1, 256), (2**63, None, None)]
)
def test_a_number_of_threads_out_of_range_is_no_accident(count: int, least: int | None, most: int) -> None:
    if least is None:
        with pytest.raises(ValueError, match="count is 9223372036854775808, expected an integer"):
            native.set_num_threads(count)
        return
    native.set_num_threads(count)
    assert least <= pynn.get_num_threads() <= most


def test_half_a_character_is_no_crash(backend: str) -> None:
    """pybind11 ended the process when it put the name into its message."""
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"softmax: there is no argument '\\ud800'"):
        kernels.softmax(x, x.copy(), **{"\ud800": 1})
    start = "'identityidentityidentityidentityidentit"
    for word, shown in (("\ud800", r"'\\ud800'"), ("relu\0", r"'relu\\x00'"), ("identity" * 1000, start + r"\.\.\.")):
        with pytest.raises(ValueError, match=f"activation_forward: activation is {shown}, expected a word$"):
            kernels.activation_forward(x, word, out=x.copy())


class OwnFloat(float):
    def __float__(self) -> float:
        raise RuntimeError("asked")


def test_a_float_of_an_own_class_is_its_number(backend: str) -> None:
    x = np.ones(3)
    kernels.scale(x, OwnFloat(0.5))
    np.testing.assert_array_equal(x, 0.5)


@pytest.mark.parametrize("value", [np.bool_(True), np.float32(1), 1j, memoryview(b"a")])
def test_a_type_is_called_by_its_own_name(value: Any, backend: str) -> None:
    with pytest.raises(TypeError, match=rf"softmax: x is {type(value).__name__}, expected a numpy.ndarray"):
        kernels.softmax(value, np.ones((2, 3)))


def test_a_divisor_of_0_is_refused(backend: str) -> None:
    x, indices, out = np.ones((2, 3)), np.zeros(1, np.int64), np.empty((1, 3))
    with pytest.raises(ValueError, match=r"gather: divisor is 0\.0, expected another number than 0"):
        kernels.gather(x, indices, 0.0, out)
    with pytest.raises(ValueError, match=r"warp: divisor is -0\.0, expected another number than 0"):
        kernels.warp(np.ones((2, 1, 1, 1)), indices, -0.0, np.zeros((1, 6)), False, np.empty((1, 1, 1, 1)))
