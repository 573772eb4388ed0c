"""What users give for an array, as NumPy's array, without what `numpy.asarray` drops silently. Knows no models."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]


def as_array(name: str, value: ArrayLike) -> Array:
    """`numpy.asarray`, but ValueError, which calls the value by `name`, for a masked array that hides some of it."""
    if type(value) is not np.ndarray:
        expect_unmasked(name, value)
    return np.asarray(value)


def expect_unmasked(name: str, value: object) -> None:
    """ValueError for a masked array, or a list of some, whose mask hides something."""
    module = sys.modules.get("numpy.ma")
    if module is None:  # nobody has made one
        return
    parts = value if isinstance(value, (list, tuple)) else (value,)
    masked = [one for one in parts if isinstance(one, module.MaskedArray)]
    hidden = sum(int(module.count_masked(one)) for one in masked)
    if hidden:
        raise ValueError(
            f"{name} is masked: {hidden} of the values in its masked array are hidden, but pynn knows no missing "
            "values; fill them (array.filled(...)) or leave those samples out first"
        )
