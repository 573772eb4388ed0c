"""Activations y = x · gate(x), whose gradient needs x: GELU, SiLU and Mish. Elementwise, any shape."""

from __future__ import annotations

import math

import numpy as np

from ..checks import Floats, checked

GATES = ("gelu", "gelu_tanh", "silu", "mish")

ROOT = math.sqrt(2 / math.pi)
ORIGIN = 4.0
# Chebyshev coefficients of the normal tail P(X > a) · e^(a²/2) · (a + ORIGIN) in t = (a - ORIGIN)/(a + ORIGIN)
TAIL = (
    0.97045120456607654, -0.75170881683957053, 0.22219355567525103, -0.048517753260446086,
    0.0069259204962424804, -0.00032059847439814995, -0.00010054739163210678, 1.8903369019706964e-5,
    1.0103568854746311e-6, -6.1453347493978239e-7, -3.3810201200691756e-9, 2.0686508061742834e-8,
    -1.1282603632469506e-10, -7.7740152283886943e-10, -9.9414241914047075e-12, 3.1744829498583028e-11,
    1.842480684470494e-12, -1.3128616466710965e-12, -1.7415362652654814e-13, 4.9072740317044241e-14,
    1.2931384326165576e-14, -1.2180663521726341e-15, -8.052147372620933e-16, -2.8604941442616211e-17,
)  # fmt: skip


def _normal(x: Floats) -> tuple[Floats, Floats]:
    """Distribution function Φ and density of the standard normal distribution, in float64.

    NumPy has no erf: one Chebyshev series covers the whole tail, to a relative error of about 1e-15.
    """
    x = x.astype(np.float64)
    a = np.minimum(np.abs(x), 39)  # beyond, the tail is 0
    high = a.astype(np.float32).astype(np.float64)  # high² is exact: the exponent must not be rounded
    e = np.exp(-0.5 * high * high) * np.exp(-0.5 * (a - high) * (a + high))
    tail = e * np.polynomial.chebyshev.chebval((a - ORIGIN) / (a + ORIGIN), TAIL) / (a + ORIGIN)
    return np.where(x < 0, tail, 1 - tail), e / math.sqrt(2 * math.pi)


def _logistic(x: Floats) -> tuple[Floats, Floats]:
    """1/(1 + e^-x) and its derivative."""
    e = np.exp(-np.abs(x))  # at most 1: never overflows
    share = 1 / (1 + e)
    return np.where(x < 0, e, 1) * share, e * share * share


def tanh_of_softplus(x: Floats) -> tuple[Floats, Floats, Floats]:
    """tanh(ln(1 + e^x)) = w/(w + 2) with w = e^x (e^x + 2), what it lacks to 1, and its derivative."""
    left, e = x < 0, np.exp(-np.abs(x))  # at most 1: never overflows
    w = np.where(left, e * (e + 2), 1 + 2 * e)  # for x >= 0 times e^-2x, like the denominator
    two = 2 * np.where(left, 1, e * e)
    share = 1 / (w + two)
    return w * share, two * share, 4 * (1 + e) * np.where(left, e, e * e) * share * share


def _gate(x: Floats, where: str, activation: str) -> tuple[Floats, Floats]:
    """gate(x) and gate'(x)."""
    if activation not in GATES:
        raise ValueError(f"{where}: activation is '{activation}', expected one of {', '.join(GATES)}")
    if activation == "gelu":
        return _normal(x)
    if activation == "silu":
        return _logistic(x)
    if activation == "mish":
        gate, _, slope = tanh_of_softplus(x)
        return gate, slope
    c = np.clip(x, -30, 30)  # beyond, the gate is 0 or 1, and powers of x could overflow
    gate, slope = _logistic(2 * ROOT * (c + 0.044715 * c * c * c))  # ½(1 + tanh u) is logistic(2u)
    return gate, slope * 2 * ROOT * (1 + 3 * 0.044715 * c * c)


@checked(x="...", out="out ...")
def gate_forward(x: Floats, activation: str, out: Floats) -> None:
    """out = x · gate(x), elementwise, any shape.

    activation: "gelu" (gate Φ(x) = ½(1 + erf(x/√2))), "gelu_tanh" (½(1 + tanh(√(2/π)(x + 0.044715x³))), an
    approximation of it), "silu" (1/(1+e^-x)) or "mish" (tanh(ln(1+e^x))).
    """
    out[...] = x * _gate(x, "gate_forward", activation)[0]


@checked(dy="...", x="...", dx="out ...")
def gate_backward(dy: Floats, x: Floats, activation: str, dx: Floats) -> None:
    """dx = dy · (gate(x) + x · gate'(x)), elementwise, from the input x and the activation of `gate_forward`."""
    gate, slope = _gate(x, "gate_backward", activation)
    dx[...] = dy * (gate + x * slope)
