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

    The numbers are a function of (seed, stream, step) and of offset + the element's index, like a dropout mask. Both
    backends use the same random bits, so they agree up to the rounding of a logarithm, a root, a sine and a cosine:
    about 4 units in the last place of the larger of |x| and |std · number|.

    References
    ----------
    .. [1] Box & Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """
    expect_not_negative("gaussian_noise", "std", std)
    out[...] = x + std * normals(seed, stream, step, x.size, offset).reshape(x.shape)
