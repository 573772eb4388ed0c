"""Maxout: the largest of a few pieces, which follow each other in a row."""

from __future__ import annotations

import numpy as np

from ..checks import Floats, checked


def _expect_pieces(where: str, name: str, z: Floats, pieces: int, units: int) -> None:
    columns = z.shape[1]
    if pieces < 1 or columns != pieces * units:
        raise ValueError(f"{where}: {name} has {columns} columns, expected {pieces} pieces of {units}")


@checked(z="N C", winner="out N M", out="out N M")
def maxout_forward(z: Floats, pieces: int, winner: Floats, out: Floats) -> None:
    """out (N, M) = max over k of z (N, pieces·M)[:, k·M + m]; winner (N, M) = that k, the first of a tie.

    winner is kept for `maxout_backward`; it has z's dtype.
    """
    _expect_pieces("maxout_forward", "z", z, pieces, out.shape[1])
    if out.size == 0:  # empty pieces have no shape
        return
    cut = z.reshape(out.shape[0], pieces, out.shape[1])
    winner[...] = cut.argmax(axis=1)
    out[...] = cut.max(axis=1)


@checked(dy="N M", winner="N M", dz="out N C")
def maxout_backward(dy: Floats, winner: Floats, pieces: int, dz: Floats) -> None:
    """dz (N, pieces·M) = dy (N, M) if the piece was the winner, else 0."""
    _expect_pieces("maxout_backward", "dz", dz, pieces, dy.shape[1])
    for k in range(pieces if dy.size else 0):
        dz[:, k * dy.shape[1] : (k + 1) * dy.shape[1]] = np.where(winner == k, dy, 0)
