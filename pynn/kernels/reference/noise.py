"""Additive noise."""

from __future__ import annotations

from ..checks import REQUIRED, Floats, checked, expect_not_negative
from ..philox import normals
from ..scalars import Word32, Word64


@checked(x="...", out="out ...")
def gaussian_noise(
    x: Floats, std: float, seed: Word64, stream: Word32, step: Word32, offset: Word64 = 0, out: Floats = REQUIRED
) -> None:
    """out = x + std · normal numbers, std >= 0.

    They are a function of (seed, stream, step) and of offset + the element's index, as a dropout mask is: of the same
    random bits on both backends, so equal up to the rounding of a logarithm, a root, a sine and a cosine, some 4 units
    in the last place of the larger of |x| and |std · number|. Source: Box & Muller 1958.
    """
    expect_not_negative("gaussian_noise", "std", std)
    out[...] = x + std * normals(seed, stream, step, x.size, offset).reshape(x.shape)
