"""What the campaign of kernels takes for rounding, or for a number that has no answer, and what it does not."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fuzz.kernel_calls import Call
from fuzz.kernel_judge import apart, judge
from operations import OPERATIONS

from pynn.kernels import reference

ROW = {op.kernel: op for op in OPERATIONS}


def findings(kernel: str, passed: Callable[[], dict[str, Any]], broken: Callable[..., Any]) -> str:
    """What is said of a backend that computes `broken(twin, **arguments)` for these arguments."""

    def make(guarded: bool) -> Call:
        return Call(ROW[kernel], (), "float64", passed())

    def native(**arguments: Any) -> Any:
        return broken(getattr(reference, kernel), **arguments)

    found, said = judge(make, types.SimpleNamespace(**{kernel: native}), reference, lambda count: None)
    assert said == "accepted"
    return "\n".join(found)


@pytest.mark.parametrize(("error", "sentence"), [(300, ""), (3000, "the returned number[0] is ")])
def test_a_sum_of_many_numbers_may_have_the_rounding_of_many(error: int, sentence: str) -> None:
    def off(twin: Any, **arguments: Any) -> Any:
        return twin(**arguments) * (1 + error * np.finfo(np.float64).eps)

    found = findings("penalty", lambda: {"weight": np.full(16383, 1e20), "l1": 0.3}, off)
    assert (sentence in found) if sentence else not found, found


def test_the_gradient_of_the_penalty_is_no_sum() -> None:
    def off(twin: Any, *, dweight: np.ndarray, **arguments: Any) -> Any:
        value = twin(dweight=dweight, **arguments)
        dweight[7] *= 1 + 300 * np.finfo(np.float64).eps
        return value

    found = findings("penalty", lambda: {"weight": np.ones(16383), "l1": 0.3, "dweight": np.zeros(16383)}, off)
    assert "dweight[7] is " in found, found


@pytest.mark.parametrize(
    ("weight", "dx", "sentence"),
    [(np.inf, np.nan, ""), (np.inf, 7.0, "dx[0, 1, 0, 0] is np.float64(7.0)"), (1.0, np.nan, "dx[0, 1, 0, 0] is ")],
)
def test_an_infinite_weight_may_meet_the_zeros_around_an_image(weight: float, dx: float, sentence: str) -> None:
    def passed() -> dict[str, Any]:
        image, taps = np.ones((1, 3, 3, 1)), np.ones((3, 3, 1, 1))
        taps[0, 2] = weight
        arrays = {"dy": image, "x": image.copy(), "weight": taps, "y": image.copy(), "dx": np.zeros((1, 3, 3, 1))}
        return arrays | {"top": 1, "left": 1}

    def off(twin: Any, **arguments: Any) -> Any:
        twin(**arguments)
        arguments["dx"][0, 1, 0, 0] = dx

    found = findings("conv2d_backward", passed, off)
    assert (sentence in found) if sentence else not found, found


@pytest.mark.parametrize(("margin", "judged"), [(1e-300, True), (1e-320, False)])
def test_subnormal_numbers_have_no_answer(margin: float, judged: bool) -> None:
    def off(twin: Any, **arguments: Any) -> Any:
        loss, hits = twin(**arguments)
        return loss + 1, hits

    def passed() -> dict[str, Any]:
        return {"scores": np.eye(3), "labels": np.arange(3), "margin": margin}

    assert bool(findings("hinge", passed, off)) is judged


@pytest.mark.parametrize(
    ("weight", "answer", "judged"),
    [(1e107, np.inf, False), (1e105, np.inf, True), (1e107, np.nan, True), (1e107, 0.0, True), (1e107, 2e307, True)],
)
def test_numbers_near_the_largest_one_may_overflow(weight: float, answer: float, judged: bool) -> None:
    def passed() -> dict[str, Any]:
        x = np.array([[1e200, 1.0]])
        return {"x": x, "weight": np.array([[weight], [1.0]]), "bias": np.zeros(1), "out": np.zeros((1, 1))}

    def off(twin: Any, **arguments: Any) -> None:
        twin(**arguments)
        arguments["out"][0, 0] = answer

    assert bool(findings("affine_forward", passed, off)) is judged


def test_results_without_numbers_agree_however_large_their_other_sizes_are() -> None:
    huge = np.empty((1 << 40, 0, 1 << 20), np.float32)  # NumPy makes no float64 of this shape
    assert not apart(huge, huge.copy(), 1.0, ROW["add"]).size
