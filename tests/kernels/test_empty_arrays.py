"""Arrays of no number, whatever stands beside their dimension of 0: done at once, in no memory."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation
from operations.table import arguments

from pynn import kernels

HUGE = 2**40


def empty(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


# Each ran over its huge dimension for minutes, or asked for memory by it, on one backend or both.
CALLS: dict[str, Any] = {
    "softmax_backward": [empty(HUGE, 0)] * 2 + [empty(HUGE, 0)],
    "maxout_forward": [empty(HUGE, 0), 2, empty(HUGE, 0), empty(HUGE, 0)],
    "maxout_backward": [empty(HUGE, 0), empty(HUGE, 0), 5, empty(HUGE, 0)],
    "warp": [empty(2, HUGE, 2, 0), np.zeros(2, np.int64), 1.0, empty(2, 6), False, empty(2, HUGE, 2, 0)],
    "recolour": [empty(3, HUGE, 0), empty(3), empty(3, 0, 0), empty(3, 0)],
    "max_pool_backward": [
        empty(3, 0, 0, 4), empty(3, 0, 0, 4), *[empty(0, dtype=np.int64)] * 4, empty(3, HUGE, 0, 4),
    ],
    "spatial_dropout": [empty(HUGE, 0, 33), 0.5, 5, 3, 7, 0, empty(HUGE, 0, 33)],
    "max_norm": [empty(0, HUGE), 3.0],
    "softmax": [empty(HUGE, 0), empty(HUGE, 0)],
    "prelu_forward": [empty(0, HUGE), empty(1), empty(0, HUGE)],
    "scale_forward": [empty(HUGE, 0), empty(0), empty(HUGE, 0)],
    "mixed_forward": [empty(HUGE, 0), empty(0), "mish", empty(HUGE, 0)],
    "activation_forward": [empty(HUGE, 0), "tanh", None, empty(HUGE, 0)],
    "affine_forward": [empty(HUGE, 0), empty(0, 0), None, "relu", None, empty(HUGE, 0)],
    "scale": [empty(0), 2.0],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_empty_arrays_take_no_time_and_no_memory(name: str, backend: str) -> None:
    getattr(kernels, name)(*CALLS[name])


@pytest.mark.parametrize("shape", [(0, HUGE), (HUGE, 0)])
def test_a_sum_over_nothing_is_written_all_the_same(shape: tuple[int, int], backend: str) -> None:
    dslope = np.full(1, np.nan, np.float32)
    kernels.prelu_backward(empty(*shape), empty(*shape), empty(1), empty(*shape), dslope)
    assert dslope[0] == 0
    dslope = np.full(3, np.nan, np.float32)
    kernels.prelu_backward(empty(0, 3), empty(0, 3), np.ones(3, np.float32), None, dslope)
    np.testing.assert_array_equal(dslope, 0)
    for kernel, words in ((kernels.scale_backward, ()), (kernels.mixed_backward, ("selu",))):
        sums = np.full(3, np.nan, np.float32)
        kernel(empty(0, 3), empty(0, 3), np.ones(3, np.float32), *words, empty(0, 3), sums)
        np.testing.assert_array_equal(sums, 0)


def test_wrong_arguments_are_refused_beside_empty_arrays(backend: str) -> None:
    with pytest.raises(ValueError, match="activation is 'swish'"):
        kernels.activation_forward(empty(0), "swish", out=empty(0))
    with pytest.raises(ValueError, match="rate is 1"):
        kernels.spatial_dropout(empty(0, 2, 3), 1.0, 0, 0, 0, out=empty(0, 2, 3))
    with pytest.raises(ValueError, match="limit is -1"):
        kernels.max_norm(empty(0, 3), -1.0)


def emptied(op: Operation, axis: int) -> dict[str, Any]:
    """A row's arguments with each array's axis of the size of the first array's cut to 0."""
    args = {name: value for name, value in arguments(op, op.usual_sizes, np.float32).items() if name[0] != "#"}
    size = next(value.shape[axis] for value in args.values() if isinstance(value, np.ndarray) and value.ndim)
    return {
        name: np.zeros([0 if one == size else one for one in value.shape], value.dtype)
        if isinstance(value, np.ndarray) else value
        for name, value in args.items()
    }  # fmt: skip


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_both_backends_do_the_same_with_nothing(op: Operation, axis: int, both_backends: tuple[str, ...]) -> None:
    """The skip of what holds no number may leave no output unwritten: NaN would stay."""
    answers = []
    for table in (kernels.native_module(), kernels.reference):
        args = emptied(op, axis)
        for value in args.values():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                value[...] = 0.5
        try:
            returned = getattr(table, op.kernel)(**args)
            answers.append(
                [str(returned)] + [value.tobytes() for value in args.values() if isinstance(value, np.ndarray)]
            )
        except (ValueError, TypeError) as error:
            answers.append([str(error)])
    assert answers[0] == answers[1]


def test_maxout_of_very_many_pieces_of_nothing_takes_no_time(backend: str) -> None:
    dy, dz, begun = np.empty((2**40, 0)), np.empty((2**40, 0)), time.monotonic()
    kernels.maxout_backward(dy, dy.copy(), 2**31, dz)
    kernels.maxout_forward(dz, 2**31, dy.copy(), dy)
    assert time.monotonic() - begun < 5
