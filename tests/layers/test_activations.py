"""The activations beyond the classic ones: values, gradients against PyTorch, precision far out, settings, fusion."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection

import pynn

KINDS: dict[str, Callable[[], pynn.Layer]] = {
    "selu": pynn.SELU,
    "softplus": pynn.Softplus,
    "gelu": pynn.GELU,
    "gelu_tanh": lambda: pynn.GELU("tanh"),
    "silu": pynn.SiLU,
    "mish": pynn.Mish,
}
GATED = ("gelu", "gelu_tanh", "silu", "mish")

kinds = pytest.mark.parametrize("kind", KINDS)


def _oracle(torch: Any, kind: str) -> Callable[[Any], Any]:
    functional = torch.nn.functional
    if kind == "gelu_tanh":
        return lambda x: functional.gelu(x, approximate="tanh")
    return getattr(functional, kind)


@kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_and_their_gradients_follow_torch(
    kind: str, dtype: str, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    x = np.concatenate([rng.standard_normal(200) * 3, [0, -0.0, 1e-6, -1e-6, 12, -12, 40, -40]]).astype(dtype)[None]
    dy = rng.standard_normal(x.shape).astype(dtype)
    model = pynn.Sequential(KINDS[kind](), dtype=dtype)
    y = model.forward(x, training=True)
    dx = model.backward(dy, input_gradient=True)
    wide = torch.tensor(x.astype(np.float64), requires_grad=True)
    expected = _oracle(torch, kind)(wide)
    expected.backward(torch.tensor(dy.astype(np.float64)))
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx, wide.grad.numpy(), rtol=tolerance, atol=2 * tolerance)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("selu", [-1.5201664685957, -0.691758187802871, 0, 0.52535049367774, 2.10140197471096]),
        ("softplus", [0.126928011042972, 0.474076984180107, 0.693147180559945, 0.974076984180107, 2.12692801104297]),
        ("gelu", [-0.0455002638963584, -0.154268769362993, 0, 0.345731230637007, 1.95449973610364]),
        ("gelu_tanh", [-0.045402305912225, -0.154285990174856, 0, 0.345714009825144, 1.95459769408778]),
        ("silu", [-0.238405844044235, -0.188770334399073, 0, 0.311229665600927, 1.76159415595576]),
        ("mish", [-0.252501482695709, -0.220743774651730, 0, 0.375245211304895, 1.94395895953399]),
    ],
)
def test_known_values(kind: str, expected: list[float], backend: str) -> None:
    """Worked out to 30 digits with mpmath."""
    model = pynn.Sequential(KINDS[kind](), dtype="float64")
    np.testing.assert_allclose(model.forward(np.array([[-2, -0.5, 0, 0.5, 2]])), [expected], rtol=1e-14, atol=1e-15)


def _tail(kind: str, x: float) -> float:
    if kind == "gelu":
        return 0.5 * x * math.erfc(-x / math.sqrt(2))
    return x * (math.exp(x) / (1 + math.exp(x)) if kind == "silu" else math.tanh(math.log1p(math.exp(x))))


@pytest.mark.parametrize("kind", ["gelu", "silu", "mish"])
def test_the_left_tail_keeps_its_digits_in_float32(kind: str, backend: str) -> None:
    """Not only the error's size: -6 Φ(-6) is -6e-9, and 1 - (almost 1) would make 0 of it."""
    x = -np.linspace(0, 12.5, 5003, dtype=np.float32)[None, 1:]
    y = pynn.Sequential(KINDS[kind]()).forward(x)
    expected = np.array([[_tail(kind, float(value)) for value in x[0]]])
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_softplus_keeps_its_digits_in_float32(backend: str) -> None:
    x = np.linspace(-80, 80, 10_007, dtype=np.float32)[None]
    y = pynn.Sequential(pynn.Softplus()).forward(x)
    np.testing.assert_allclose(y, np.logaddexp(0, x.astype(np.float64)), rtol=1e-6)


@kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_far_out_are_those_of_the_asymptotes(kind: str, dtype: str, backend: str) -> None:
    far = np.array([100, 800, 1e4, 1e15, 1e30], dtype)
    model = pynn.Sequential(KINDS[kind](), dtype=dtype)
    scale = 1.0507009873554805 if kind == "selu" else 1
    floor = -1.0507009873554805 * 1.6732632423543772 if kind == "selu" else 0
    y = model.forward(np.array([far, -far]), training=True)
    np.testing.assert_allclose(y, [far * scale, np.full(5, floor)], rtol=1e-6, atol=1e-30)
    dx = model.backward(np.ones((2, 5), dtype), input_gradient=True)
    np.testing.assert_allclose(dx, [np.full(5, scale), np.zeros(5)], rtol=1e-6, atol=1e-6)


@kinds
def test_gradients_match_central_differences(kind: str, backend: str) -> None:
    for before in ([], [pynn.Affine(4)], [pynn.BatchNorm()]):
        model, x = gradients.smooth([*before, KINDS[kind](), pynn.Affine(3)], (5,))
        gradients.check(model, Projection(), x)


@kinds
def test_nan_goes_through(kind: str, backend: str) -> None:
    for dtype in ("float32", "float64"):
        model = pynn.Sequential(KINDS[kind](), dtype=dtype)
        assert np.isnan(model.forward(np.full((3, 7), np.nan, dtype), training=True)).all()
        assert np.isnan(model.backward(np.ones((3, 7), dtype), input_gradient=True)).all()


@kinds
def test_a_batch_of_no_samples(kind: str, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(4), KINDS[kind]())
    assert model.forward(np.empty((0, 3), np.float32)).shape == (0, 4)


@kinds
def test_only_what_goes_back_from_its_output_is_fused(kind: str) -> None:
    for before in (pynn.Affine(4), pynn.BatchNorm()):
        model = pynn.Sequential(before, KINDS[kind]())
        model.build((4,))
        assert ("fused into" in model.summary()) == (kind not in GATED)


def test_selu_keeps_mean_0_and_variance_1_through_many_layers(rng: np.random.Generator) -> None:
    layers = [layer for _ in range(20) for layer in (pynn.Affine(200), pynn.SELU())]
    y = pynn.Sequential(*layers).forward(rng.standard_normal((500, 200)).astype(np.float32))
    assert abs(y.mean()) < 0.1
    assert 0.8 < y.var() < 1.2


@kinds
def test_a_model_trains_and_survives_its_file(kind: str, points: tuple[np.ndarray, np.ndarray], tmp_path: Any) -> None:
    model = pynn.Sequential(pynn.Affine(16), KINDS[kind](), pynn.Affine(3))
    model.fit(*points, optimizer=pynn.Adam(0.02), epochs=60, batch_size=10, progress=False)
    assert model.evaluate(*points)["accuracy"] >= 0.9
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(points[0]), model.predict_proba(points[0]))
    assert repr(loaded) == repr(model)


def test_gelu_takes_its_approximation_by_name() -> None:
    assert repr(pynn.GELU()) == "GELU()"
    assert repr(pynn.GELU("tanh")) == "GELU(approximate='tanh')"
    for wrong in ("erf", None, True, 1, ["tanh"]):
        with pytest.raises(ValueError, match=r"GELU: approximate is .*, expected one of none, tanh"):
            pynn.GELU(wrong)


@pytest.mark.parametrize("name", ["swish", "relu", ""])
def test_the_kernels_name_what_they_know(name: str, backend: str) -> None:
    x = np.zeros(3)
    for call in (
        lambda: pynn.kernels.gate_forward(x, name, np.empty(3)),
        lambda: pynn.kernels.gate_backward(x, x, name, np.empty(3)),
    ):
        with pytest.raises(ValueError, match=f"activation is '{name}', expected one of gelu, gelu_tanh, silu, mish"):
            call()
