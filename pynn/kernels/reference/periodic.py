"""Periodic features of numbers: cosines of learned frequencies and phases, and a small linear map of them."""

from __future__ import annotations

import numpy as np

from ..checks import Floats, checked

ROWS = 4096  # in one go: the cosines of a batch are many numbers


def _expect_units(where: str, name: str, vectors: Floats, outputs: int) -> None:
    if vectors.shape[2] != outputs + 1:
        raise ValueError(
            f"{where}: {name} has {vectors.shape[2]} units, expected {outputs + 1}, one more than the weight's "
            f"{outputs} outputs"
        )


def _angles(x: Floats, frequency: Floats, phase: Floats) -> Floats:
    """2π·frequency·x + phase (N, D, M) in float64, as the product of large numbers has few digits behind the point."""
    wide = frequency.astype(np.float64)
    turns = x[..., None] * wide
    return np.asarray(2 * np.pi * (turns - np.rint(turns)) + phase)


@checked(x="N D", frequency="D M", phase="D M", weight="D M C", bias="D C", out="out N D Q")
def periodic_forward(x: Floats, frequency: Floats, phase: Floats, weight: Floats, bias: Floats, out: Floats) -> None:
    """out[n, d] = (cos(2π·frequency[d]·x[n, d] + phase[d]) · weight[d] + bias[d], x[n, d]).

    Each number of x (N, D) has M frequencies, whose cosines are mapped to C outputs by its own weight (M, C); out has
    Q = C + 1 units, the last of which is x itself. Accurate to a few units in the last place of 1 while
    |2π·frequency·x + phase| is below 5e4 (float64: 2e13).
    """
    _expect_units("periodic_forward", "out", out, weight.shape[2])
    for start in range(0, len(x), ROWS):
        part = slice(start, start + ROWS)
        cosines = np.cos(_angles(x[part], frequency, phase))
        out[part, :, :-1] = np.einsum("ndm,dmc->ndc", cosines, weight) + bias
        out[part, :, -1] = x[part]


@checked(
    dy="N D Q", x="N D", frequency="D M", phase="D M", weight="D M C", dx="optional out N D",
    dfrequency="optional out D M", dphase="optional out D M", dweight="optional out D M C", dbias="optional out D C",
)  # fmt: skip
def periodic_backward(
    dy: Floats, x: Floats, frequency: Floats, phase: Floats, weight: Floats, dx: Floats | None = None,
    dfrequency: Floats | None = None, dphase: Floats | None = None, dweight: Floats | None = None,
    dbias: Floats | None = None,
) -> None:  # fmt: skip
    """dweight = Σ cos·dy, dbias = Σ dy, dphase = Σ h with h = -sin·(weight · dy), dfrequency = 2π·Σ h·x, and dx.

    dx = 2π·Σ h·frequency + dy[..., -1]. Each of the five may be None.
    """
    _expect_units("periodic_backward", "dy", dy, weight.shape[2])
    features, waves, outputs = weight.shape
    frequencies, phases = np.zeros((2, features, waves))
    weights, biases = np.zeros(weight.shape), np.zeros((features, outputs))
    for start in range(0, len(x), ROWS):
        part = slice(start, start + ROWS)
        angles, above = _angles(x[part], frequency, phase), dy[part, :, :-1].astype(np.float64)
        slopes = -np.sin(angles) * np.einsum("ndc,dmc->ndm", above, weight)
        frequencies += 2 * np.pi * np.einsum("ndm,nd->dm", slopes, x[part])
        phases += slopes.sum(axis=0)
        weights += np.einsum("ndm,ndc->dmc", np.cos(angles), above)
        biases += above.sum(axis=0)
        if dx is not None:
            dx[part] = dy[part, :, -1] + 2 * np.pi * np.einsum("ndm,dm->nd", slopes, frequency)
    for target, found in ((dfrequency, frequencies), (dphase, phases), (dweight, weights), (dbias, biases)):
        if target is not None:
            target[...] = found
