"""The classic layers: gradients, what each computes, settings, and PyTorch as an oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection, Stretch

import pynn

ACTIVATIONS = {
    "sigmoid": pynn.Sigmoid,
    "tanh": pynn.Tanh,
    "relu": pynn.ReLU,
    "leaky_relu": pynn.LeakyReLU,
    "leaky_relu_0.3": lambda: pynn.LeakyReLU(0.3),
    "elu": pynn.ELU,
    "elu_0.7": lambda: pynn.ELU(0.7),
    "selu": pynn.SELU,
    "softplus": pynn.Softplus,
    "gelu": pynn.GELU,
    "gelu_tanh": lambda: pynn.GELU("tanh"),
    "silu": pynn.SiLU,
    "mish": pynn.Mish,
    "pselu": pynn.PSELU,
    "pmish": pynn.PMish,
}

Layers = Callable[[], list[pynn.Layer]]


def _cases() -> dict[str, tuple[Layers, tuple[int, ...]]]:
    cases: dict[str, tuple[Layers, tuple[int, ...]]] = {
        "affine": (lambda: [pynn.Affine(4)], (5,)),
        "affine of one input": (lambda: [pynn.Affine(3)], (1,)),
        "affine of one unit": (lambda: [pynn.Affine(1)], (5,)),
        "affine without bias": (lambda: [pynn.Affine(4, use_bias=False)], (5,)),
        "affine after affine": (lambda: [pynn.Affine(4), pynn.Affine(3)], (5,)),
        "batchnorm": (lambda: [pynn.BatchNorm()], (5,)),
        "batchnorm on images": (lambda: [pynn.BatchNorm(epsilon=0.1)], (3, 2, 3)),
        "batchnorm on sequences": (lambda: [pynn.BatchNorm()], (3, 2)),
        "batchnorm between": (lambda: [pynn.Affine(4), pynn.BatchNorm(), pynn.Tanh(), pynn.Affine(2)], (5,)),
        "dropout first": (lambda: [pynn.Dropout(0.5), pynn.Affine(3)], (5,)),
        "dropout between": (lambda: [pynn.Affine(6), pynn.Tanh(), pynn.Dropout(0.4), pynn.Affine(3)], (5,)),
        "dropout on images": (lambda: [pynn.Dropout(0.3), pynn.BatchNorm(), pynn.Dropout(0.3)], (3, 2, 3)),
        "dropout of nothing": (lambda: [pynn.Affine(3), pynn.Dropout(0)], (5,)),
        "flatten": (lambda: [pynn.BatchNorm(), pynn.Flatten(), pynn.Affine(3)], (2, 2, 3)),
        "flatten alone": (lambda: [pynn.Flatten()], (2, 3)),
        "own layer": (lambda: [Stretch()], (5,)),
        "own layers between": (lambda: [Stretch(), pynn.Affine(4), Stretch(), pynn.Tanh(), Stretch()], (3,)),
        "own layer on images": (lambda: [Stretch(), pynn.BatchNorm(), Stretch()], (2, 2, 3)),
        "sequential inside": (
            lambda: [pynn.Affine(4), pynn.Sequential(pynn.Tanh(), pynn.Affine(4), pynn.Sigmoid()), pynn.Affine(2)],
            (5,),
        ),
        "sequential first": (lambda: [pynn.Sequential(pynn.Affine(4), pynn.Tanh()), pynn.Affine(2)], (5,)),
    }
    for name, kind in ACTIVATIONS.items():
        cases |= {
            f"{name} alone": (lambda kind=kind: [kind()], (5,)),
            f"{name} on images": (lambda kind=kind: [kind()], (2, 2, 3)),
            f"affine, {name}": (lambda kind=kind: [pynn.Affine(4), kind()], (5,)),
            f"affine without bias, {name}": (
                lambda kind=kind: [Stretch(), PassThrough(), kind(), pynn.Affine(4, use_bias=False)],
                (5,),
            ),
            f"affine, own layer, {name}": (lambda kind=kind: [pynn.Affine(4), PassThrough(), kind()], (5,)),
            f"batchnorm, {name}": (lambda kind=kind: [pynn.BatchNorm(), kind()], (5,)),
            f"batchnorm, {name} on images": (lambda kind=kind: [pynn.BatchNorm(), kind()], (2, 2, 3)),
            f"batchnorm, own layer, {name}": (lambda kind=kind: [pynn.BatchNorm(), PassThrough(), kind()], (5,)),
            f"affine, {name}, {name}": (lambda kind=kind: [pynn.Affine(4), kind(), kind()], (5,)),
            f"{name}, affine": (lambda kind=kind: [kind(), pynn.Affine(4)], (5,)),
        }
    return cases


CASES = _cases()


# Gradients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_gradients_match_central_differences(case: str) -> None:
    layers, input_shape = CASES[case]
    model, x = gradients.smooth(layers(), input_shape)
    gradients.check(model, Projection(), x)


@pytest.mark.parametrize("samples", [1, 2, 17])
def test_gradients_match_for_any_number_of_samples(samples: int) -> None:
    model, x = gradients.smooth([pynn.Affine(4), pynn.LeakyReLU(), pynn.Affine(3)], (5,), samples)
    gradients.check(model, Projection(), x)


def test_inputs_of_the_gradient_checks_keep_away_from_kinks() -> None:
    for layers in ([pynn.Affine(4)], [pynn.BatchNorm()]):
        model, x = gradients.smooth(layers, (5,))
        z = model.forward(x, training=True)
        assert np.abs(z).min() > 10 * gradients.STEP
        assert z.min() < 0 < z.max()


class _Broken(Stretch):
    """Stretch with one fault in its backward pass."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = super().backward(dy).copy()
        if self.fault == "parameter's gradient 0.001 % too large":
            self.dfactor *= 1.00001
        elif self.fault == "one element of the parameter's gradient":
            self.dfactor[2] += 1e-5
        elif self.fault == "sign of the parameter's gradient":
            self.dfactor *= -1
        elif self.fault == "mean instead of sum":
            self.dfactor /= len(dy)
        elif self.fault == "gradient not written":
            self.dfactor[...] = np.nan
        elif self.fault == "gradient of its own, beside the model's":
            self.dfactor[...] = 0
            self.dfactor = (dy * self.x).sum(axis=0)
        elif self.fault == "input's gradient 0.001 % too large":
            dx *= 1.00001
        elif self.fault == "one element of the input's gradient":
            dx[1, 3] += 1e-5
        elif self.fault == "input's gradient passed on as it came":
            dx = dy
        return dx


@pytest.mark.parametrize(
    ("fault", "block"),
    [
        ("parameter's gradient 0.001 % too large", "scale.factor"),
        ("one element of the parameter's gradient", "scale.factor"),
        ("sign of the parameter's gradient", "scale.factor"),
        ("mean instead of sum", "scale.factor"),
        ("gradient not written", "scale.factor"),
        ("input's gradient 0.001 % too large", "input"),
        ("one element of the input's gradient", "input"),
        ("input's gradient passed on as it came", "input"),
    ],
)
def test_gradient_check_rejects_and_names_a_wrong_gradient(fault: str, block: str) -> None:
    def built(fault: str) -> tuple[pynn.Sequential, Any]:
        model, x = gradients.smooth([_Broken(fault).named("scale")], (5,))
        model.layers[0].factor[...] = 1 + np.arange(5) / 4
        return model, x

    gradients.check(*built("none")[:1], Projection(), built("none")[1])
    model, x = built(fault)
    with pytest.raises(AssertionError, match=rf"wrong gradients: \{{'{block}': [^,]*\}}"):
        gradients.check(model, Projection(), x)


def test_first_layer_with_parameters_computes_no_input_gradient(points: tuple[np.ndarray, np.ndarray]) -> None:
    wanted: list[bool] = []

    class Watched(Stretch):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            wanted.append(self.needs_dx)
            return super().backward(dy)

    model = pynn.Sequential(pynn.Dropout(0.5), Watched(), Watched(), pynn.Affine(3))
    model.fit(*points, epochs=1, batch_size=30, progress=False)
    assert wanted == [True, False]
    assert model.backward(np.ones((30, 3), np.float32)) is None
    assert model.backward(np.ones((30, 3), np.float32), input_gradient=True).shape == (30, 4)
    assert wanted == [True, False, True, False, True, True]


# What they compute --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (pynn.ReLU(), [0, 0, 0, 0.5, 2]),
        (pynn.LeakyReLU(), [-0.02, -0.005, 0, 0.5, 2]),
        (pynn.LeakyReLU(0.25), [-0.5, -0.125, 0, 0.5, 2]),
        (pynn.ELU(), [-0.864664716763387, -0.393469340287367, 0, 0.5, 2]),
        (pynn.ELU(2), [-1.729329433526775, -0.786938680574733, 0, 0.5, 2]),
        (pynn.Tanh(), [-0.964027580075817, -0.462117157260010, 0, 0.462117157260010, 0.964027580075817]),
        (pynn.Sigmoid(), [0.119202922022118, 0.377540668798145, 0.5, 0.622459331201855, 0.880797077977882]),
    ],
    ids=repr,
)
def test_activations_give_known_values(layer: pynn.Layer, expected: list[float]) -> None:
    model = pynn.Sequential(layer, dtype="float64")
    np.testing.assert_allclose(model.forward(np.array([[-2, -0.5, 0, 0.5, 2]])), [expected], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("kind", ACTIVATIONS.values(), ids=ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_and_their_gradients_are_finite_far_out(kind: Callable[[], pynn.Layer], dtype: str) -> None:
    model = pynn.Sequential(kind(), dtype=dtype)
    y = model.forward(np.array([[-1e4, -800, -100, 100, 800, 1e4]], dtype), training=True)
    assert np.isfinite(y).all()
    assert np.isfinite(model.backward(np.ones((1, 6), dtype), input_gradient=True)).all()


def test_flatten_puts_the_last_axis_fastest_and_gives_the_shape_back() -> None:
    model = pynn.Sequential(pynn.Flatten())
    x = np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2)
    np.testing.assert_array_equal(model.forward(x, training=True), x.reshape(2, 12))
    assert model.output_shape == (12,)
    assert model.backward(np.ones((2, 12), np.float32), input_gradient=True).shape == x.shape


def test_batchnorm_normalizes_each_channel_over_samples_and_places(rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.BatchNorm(epsilon=1e-12), dtype="float64")
    y = model.forward(rng.normal(5, 3, (7, 4, 3, 2)), training=True)
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-13)
    np.testing.assert_allclose(y.var(axis=(0, 1, 2)), 1, rtol=1e-10)


def test_batchnorm_evaluates_with_running_statistics_whatever_the_batch(rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.BatchNorm(), dtype="float64")
    for _ in range(5):
        model.forward(rng.normal(5, 3, (50, 4)), training=True)
    x = rng.normal(size=(9, 4))
    before = {name: value.copy() for name, value in model.tensors().items()}
    together = model.forward(x).copy()
    alone = np.concatenate([model.forward(row[None]).copy() for row in x])
    np.testing.assert_array_equal(together, alone)
    for name, value in model.tensors().items():
        np.testing.assert_array_equal(value, before[name])


def test_batchnorm_uses_its_momentum_and_epsilon() -> None:
    """Worked by hand: the batch 1, 3, 8 has mean 4, variance 26/3 and unbiased variance 13."""
    model = pynn.Sequential(pynn.BatchNorm(momentum=0.75, epsilon=0.5), dtype="float64")
    x = np.array([[1.0], [3.0], [8.0]])
    np.testing.assert_allclose(model.forward(x, training=True), (x - 4) / np.sqrt(26 / 3 + 0.5), rtol=1e-14)
    layer = model.layers[0]
    np.testing.assert_allclose(layer.running_mean, [0.25 * 4], rtol=1e-14)
    np.testing.assert_allclose(layer.running_var, [0.75 + 0.25 * 13], rtol=1e-14)
    np.testing.assert_allclose(model.forward(x), (x - 1) / np.sqrt(4 + 0.5), rtol=1e-14)
    layer.gamma[...], layer.beta[...] = 2, -1
    np.testing.assert_allclose(model.forward(x), 2 * (x - 1) / np.sqrt(4 + 0.5) - 1, rtol=1e-14)


@pytest.mark.parametrize("input_shape", [(4,), (1, 1, 4)])
def test_batchnorm_cannot_train_on_one_sample(input_shape: tuple[int, ...]) -> None:
    model = pynn.Sequential(pynn.BatchNorm())
    with pytest.raises(ValueError, match=r"batchnorm1: a training batch of 1 sample has no variance"):
        model.forward(np.zeros((1, *input_shape), np.float32), training=True)


def test_batchnorm_trains_on_one_image_of_several_places() -> None:
    model = pynn.Sequential(pynn.BatchNorm(), dtype="float64")
    y = model.forward(np.arange(4.0).reshape(1, 2, 2, 1), training=True)
    np.testing.assert_allclose(y.ravel(), (np.arange(4) - 1.5) / np.sqrt(1.25 + 1e-5))


def test_batchnorm_does_not_pass_the_statistics_of_an_evaluation_off_as_those_of_its_batch(
    rng: np.random.Generator,
) -> None:
    """A backward pass after an evaluation has nothing to go back through: right for evaluation, or an error."""
    model = pynn.Sequential(pynn.BatchNorm(), dtype="float64")
    model.forward(rng.normal(5, 3, (6, 4)), training=True)
    x, dy = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    model.forward(x)
    layer = model.layers[0]
    try:
        dx = model.backward(dy, input_gradient=True)
    except RuntimeError as error:
        assert "training" in str(error)  # noqa: PT017 (either is right)
    else:
        np.testing.assert_allclose(dx, dy * layer.gamma / np.sqrt(layer.running_var + layer.epsilon))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: pynn.Affine(0), r"Affine: units is 0, expected an integer of at least 1"),
        (lambda: pynn.Affine(-3), r"Affine: units is -3, expected an integer of at least 1"),
        (lambda: pynn.Affine(2.0), r"Affine: units is 2\.0, expected an integer"),
        (lambda: pynn.Affine(True), r"Affine: units is True, expected an integer"),
        (lambda: pynn.Dropout(1), r"Dropout: rate is 1, expected 0 <= rate < 1"),
        (lambda: pynn.Dropout(-0.1), r"Dropout: rate is -0\.1, expected 0 <= rate < 1"),
        (lambda: pynn.Dropout(float("nan")), r"Dropout: rate is nan, expected 0 <= rate < 1"),
        (lambda: pynn.BatchNorm(momentum=1), r"BatchNorm: momentum is 1, expected 0 <= momentum < 1"),
        (lambda: pynn.BatchNorm(momentum=float("nan")), r"BatchNorm: momentum is nan"),
        (lambda: pynn.BatchNorm(epsilon=0), r"BatchNorm: epsilon is 0, expected a finite positive"),
        (lambda: pynn.BatchNorm(epsilon=float("inf")), r"BatchNorm: epsilon is inf, expected a finite positive"),
        (lambda: pynn.LeakyReLU(-0.1), r"LeakyReLU: slope is -0\.1, expected 0 <= slope <= 1"),
        (lambda: pynn.LeakyReLU(float("nan")), r"LeakyReLU: slope is nan"),
        (lambda: pynn.ELU(-1), r"ELU: alpha is -1, expected a finite number"),
        (lambda: pynn.ELU(float("nan")), r"ELU: alpha is nan"),
        (lambda: pynn.ELU(float("inf")), r"ELU: alpha is inf"),
    ],
)
def test_settings_out_of_range_are_refused(layer: Callable[[], pynn.Layer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer()


def test_affine_takes_the_number_of_units_as_a_numpy_integer() -> None:
    """`pynn.Affine(y.max() + 1)` is what users write."""
    model = pynn.Sequential(pynn.Affine(np.arange(3).max() + 1))
    assert model.build((2,)) == (3,)


# Against PyTorch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("use_bias", [True, False])
def test_affine_follows_torchs_linear(use_bias: bool, rng: np.random.Generator, torch: Any) -> None:
    model = pynn.Sequential(pynn.Affine(7, use_bias=use_bias), dtype="float64")
    x, dy = rng.normal(size=(9, 5)), rng.normal(size=(9, 7))
    y = model.forward(x, training=True)
    dx = model.backward(dy, input_gradient=True)
    layer = model.layers[0]
    if use_bias:
        layer.bias[...] = rng.normal(size=7)
        y = model.forward(x, training=True)
    tx = torch.tensor(x, requires_grad=True)
    tw = torch.tensor(layer.weight.T.copy(), requires_grad=True)
    tb = torch.tensor(layer.bias, requires_grad=True) if use_bias else None
    ty = torch.nn.functional.linear(tx, tw, tb)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.dweight, tw.grad.numpy().T, rtol=1e-12, atol=1e-14)
    if use_bias:
        np.testing.assert_allclose(layer.dbias, tb.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("input_shape", [(5,), (3, 2, 5)], ids=["vectors", "images"])
def test_batchnorm_follows_torch_with_its_running_statistics(
    input_shape: tuple[int, ...], rng: np.random.Generator, torch: Any
) -> None:
    model = pynn.Sequential(pynn.BatchNorm(momentum=0.8, epsilon=1e-3), dtype="float64")
    model.build(input_shape)
    layer = model.layers[0]
    layer.gamma[...], layer.beta[...] = rng.normal(size=5), rng.normal(size=5)
    oracle = torch.nn.BatchNorm1d(5, eps=1e-3, momentum=1 - 0.8, dtype=torch.float64)
    with torch.no_grad():
        oracle.weight.copy_(torch.tensor(layer.gamma))
        oracle.bias.copy_(torch.tensor(layer.beta))
    for _ in range(3):
        x, dy = rng.normal(3, 2, (8, *input_shape)), rng.normal(size=(8, *input_shape))
        y = model.forward(x, training=True)
        dx = model.backward(dy, input_gradient=True)
        oracle.zero_grad()
        tx = torch.tensor(x.reshape(-1, 5), requires_grad=True)
        ty = oracle(tx)
        ty.backward(torch.tensor(dy.reshape(-1, 5)))
        np.testing.assert_allclose(y.reshape(-1, 5), ty.detach().numpy(), rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(dx.reshape(-1, 5), tx.grad.numpy(), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.dgamma, oracle.weight.grad.numpy(), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(layer.dbeta, oracle.bias.grad.numpy(), rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(layer.running_mean, oracle.running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(layer.running_var, oracle.running_var.numpy(), rtol=1e-12)
    oracle.eval()
    expected = oracle(torch.tensor(x.reshape(-1, 5))).detach().numpy()
    np.testing.assert_allclose(model.forward(x).reshape(-1, 5), expected, rtol=1e-11, atol=1e-13)


def test_a_changed_setting_of_a_fused_activation_counts_at_once(rng: np.random.Generator) -> None:
    x = rng.normal(size=(5, 4)).astype(np.float32)
    model = pynn.Sequential(pynn.Affine(3), pynn.LeakyReLU(0.1))
    before = model.forward(x).copy()
    model.layers[1].slope = 0.5
    after = model.forward(x)
    np.testing.assert_allclose(after, np.where(before < 0, 5 * before, before), rtol=1e-5)
