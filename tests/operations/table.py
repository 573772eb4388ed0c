"""What a row of the table is, the sizes that rows share, and how a row is called and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arguments = dict[str, Any]
Sizes = tuple[int, ...]

# Around the edges of vectors (4, 8, 16 lanes), panels (2 vectors), row tiles (6, 12), runs of rows (256), blocks of k.
FLAT: tuple[Sizes, ...] = ((0,), (1,), (7,), (16,), (17,), (127,), (128,), (129,), (4097,), (3, 5), (2, 3, 4, 5))
LONG: tuple[Sizes, ...] = ((0,), (1,), (15,), (33,), (16383,), (16385,), (300_001,))
ROWS: tuple[Sizes, ...] = ((2, 1), (3, 17), (5, 16), (64, 33), (255, 8), (257, 10), (513, 15), (1025, 64))
PRODUCTS: tuple[Sizes, ...] = (
    (0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (2, 3, 4), (5, 7, 3), (11, 13, 15), (12, 16, 16), (13, 17, 17),
    (6, 512, 31), (25, 513, 33), (7, 31, 64), (100, 784, 100), (128, 64, 10), (257, 20, 65), (33, 1025, 9),
    (130, 70, 300),
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One row: a kernel with one set of options."""

    kernel: str
    options: str
    sizes: tuple[Sizes, ...]
    make: Callable[[Sizes, np.random.Generator], Arguments]  # float64 arguments, in order; outputs hold NaN
    answer: Callable[[Arguments], dict[str, Any]]  # the outputs, and "return" for a returned number
    tolerance: float = 8  # in units of the dtype's epsilon, relative to the largest number of the answer or `floor`
    floor: float = 1.0
    elementwise: bool = False  # relative to each number of the answer
    # gradient check: loss(arguments, kernels) -> number, and which output is the gradient of which input
    loss: Callable[[Arguments, Any], float] | None = None
    gradients: dict[str, str] = field(default_factory=dict)
    bench: Sizes | None = None
    usual: Sizes | None = None  # where a size of 1 or 2 is nothing special

    @property
    def usual_sizes(self) -> Sizes:
        """For tests that need one example: no size is 0, 1 or 2, where that would be special."""
        return self.usual or next(sizes for sizes in self.sizes if min(sizes) > 2)

    @property
    def name(self) -> str:
        return f"{self.kernel}[{self.options}]" if self.options else self.kernel


def to_dtype(arguments: Arguments, dtype: Any) -> Arguments:
    """The arguments with their floating-point arrays in another dtype."""
    return {
        name: value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
        for name, value in arguments.items()
    }


def arguments(op: Operation, sizes: Sizes, dtype: Any = np.float64) -> Arguments:
    return to_dtype(op.make(sizes, np.random.default_rng(sum(sizes) + len(op.name))), dtype)


def call(table: Any, op: Operation, args: Arguments) -> Any:
    return getattr(table, op.kernel)(**{name: value for name, value in args.items() if not name.startswith("#")})


def assert_close(
    found: Any, expected: Any, tolerance: float, what: str, floor: float = 1.0, elementwise: bool = False
) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if expected.size:
        epsilon = np.finfo(found.dtype if found.dtype.kind == "f" and found.ndim else np.float64).eps
        size = np.abs(expected) + 1e-38 if elementwise else max(floor, float(np.abs(expected).max()))
        error = float((np.abs(found.astype(np.float64) - expected) / size).max())
        assert error <= tolerance * epsilon, f"{what}: error {error:.3g}, allowed {tolerance * epsilon:.3g}"


def nan(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan)


def away_from_zero(rng: np.random.Generator, shape: Sizes) -> np.ndarray:
    """Normal numbers at least 0.05 from 0, where ReLU has its kink."""
    x = rng.standard_normal(shape)
    return x + np.where(x < 0, -0.05, 0.05)


# What the rows of losses share.
CLASSES: tuple[Sizes, ...] = ((1, 1), (1, 10), (3, 2), (7, 15), (32, 10), (64, 17), (5, 1000), (513, 33))


def some_weights(rng: np.random.Generator, n: int, weighted: bool) -> np.ndarray | None:
    """Weights of 0..2, every third of them 0."""
    return rng.uniform(0, 2, n) * (np.arange(n) % 3 > 0) if weighted else None


def shares(a: Arguments) -> np.ndarray:
    n = len(a["labels"])
    return np.asarray((np.ones(n) if a["weights"] is None else a["weights"]) / n)


def number_of_hits(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> float:
    """What those rows weigh whose label is the first of the largest scores."""
    total = 0.0
    for i, row in enumerate(scores.tolist()):
        total += (row.index(max(row)) == labels[i]) * (1.0 if weights is None else float(weights[i]))
    return total
