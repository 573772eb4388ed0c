"""Shapes of inputs (without the batch axis) and of the windows that move over them. Knows no layers."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ..typing import Shape

Sizes = int | tuple[int, int]  # of rows and columns alike, or of each


def expect_axes(input_shape: Shape, axes: Container[int], expected: str, hint: str = "") -> None:
    """ValueError unless the inputs have one of these numbers of axes."""
    if len(input_shape) not in axes:
        raise ValueError(f"expected {expected}, got inputs of shape {input_shape}{hint and f'; {hint}'}")


def expect_features(input_shape: Shape, what: str = "features") -> None:
    """ValueError for inputs without an axis."""
    if not input_shape:
        raise ValueError(f"expected inputs with {what}, got a batch of single numbers; reshape them to (N, 1)")


def expect_image(input_shape: Shape) -> tuple[int, int, int]:
    """The shape (H, W, C); ValueError for anything else."""
    expect_axes(input_shape, (3,), "images (H, W, C)")
    return input_shape[0], input_shape[1], input_shape[2]


def expect_sequence(input_shape: Shape) -> tuple[int, int]:
    """The shape (T, C); ValueError for anything else."""
    hints = {1: "a single channel is x[..., None]", 3: "images (N, H, W, C) are for the layers whose names end in 2d"}
    expect_axes(input_shape, (2,), "sequences (T, C)", hints.get(len(input_shape), ""))
    return input_shape[0], input_shape[1]


def pair(value: Any) -> tuple[Any, Any]:
    """The value for rows and that for columns."""
    return (value[0], value[1]) if isinstance(value, (tuple, list)) else (value, value)


def per_axis(value: Any, axes: int) -> list[int]:
    """The number for each axis, of a single number or of one for each."""
    return [int(one) for one in (value if isinstance(value, (tuple, list)) else [value] * axes)]


def single(values: Any) -> Any:
    """A list of equal numbers as a single number, as it is shown and saved; anything else as it is."""
    return values[0] if isinstance(values, list) and values[0] == values[-1] else values


def place_windows(
    length: int, reach: int, stride: int, padding: int | str, what: str, whole: str, advice: str
) -> tuple[int, int]:
    """How many windows stand along an axis, and how far the first begins before it.

    ValueError if none fits; what: the window and its reach, whole: what it moves over, advice: what to do then.
    """
    if padding == "same":
        count = -(-length // stride)
        return count, max((count - 1) * stride + reach - length, 0) // 2
    before = 0 if padding == "valid" else int(padding)
    if length + 2 * before < reach:
        padded = f"{whole} with padding {before}" if before else whole
        raise ValueError(f"{what}, the {padded} has only {length + 2 * before}; {advice}")
    return (length + 2 * before - reach) // stride + 1, before
