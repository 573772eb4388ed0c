"""Optimizers: against numbers worked by hand, against PyTorch, and misuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.optimizers import OPTIMIZERS

Points = tuple[np.ndarray, np.ndarray]


class Vectors:
    """All that an optimizer needs of a model: parameters of 1, and gradients."""

    def __init__(self, size: int = 1) -> None:
        self.parameters = np.ones(size)
        self.gradients = np.zeros(size)
        self.advances = 0

    def advance(self) -> None:
        self.advances += 1


# w after each of three steps from w = 1 with the gradients 0.5, -1, 0.25 and learning_rate 0.1, to 15 digits.
BY_HAND = {
    "sgd": (pynn.SGD, {}, [0.95, 1.05, 1.025]),
    "momentum": (pynn.Momentum, {"momentum": 0.9}, [0.95, 1.005, 1.0295]),
    "nesterov": (pynn.Nesterov, {"momentum": 0.9}, [0.905, 1.0545, 1.05155]),
    "adagrad": (pynn.AdaGrad, {"epsilon": 1e-7}, [0.900000019999996, 0.989442731099988, 0.967620943981151]),
    "rmsprop": (
        pynn.RMSProp,
        {"decay": 0.9, "epsilon": 1e-7},
        [0.683772433983036, 0.969486638064692, 0.896241817610282],
    ),
    "adam": (
        pynn.Adam,
        {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        [0.900000002000000, 0.936610354240566, 0.950279420338976],
    ),
    "adamw": (pynn.AdamW, {}, [0.899000002000000, 0.934711354238566, 0.947445708982738]),
    "nadam": (
        pynn.NAdam,
        {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "momentum_decay": 0.004},
        [0.894354824277365, 0.985010572398808, 0.963883048867702],
    ),
    "lion": (pynn.Lion, {"weight_decay": 0.5}, [0.85, 0.9075, 0.762125]),
}  # fmt: skip


def test_every_optimizer_has_numbers_worked_by_hand() -> None:
    assert BY_HAND.keys() == OPTIMIZERS.keys()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_three_steps_give_the_numbers_worked_by_hand(name: str) -> None:
    kind, settings, expected = BY_HAND[name]
    model, optimizer = Vectors(), kind(0.1, **settings)
    for gradient, value in zip((0.5, -1, 0.25), expected, strict=True):
        model.gradients[:] = gradient
        optimizer.step(model)
        assert model.parameters[0] == pytest.approx(value, rel=1e-14)
        assert model.gradients[0] == gradient, "gradients are not changed"
    assert optimizer.steps == model.advances == 3


# The published formulas, with settings that are nobody's defaults: (settings, rule(g, state, t) -> step of w).
def _momentum(g: float, s: dict[str, float], t: int) -> float:
    s["v"] = 0.5 * s.get("v", 0) - 0.1 * g
    return s["v"]


def _nesterov(g: float, s: dict[str, float], t: int) -> float:
    before, s["v"] = s.get("v", 0), 0.5 * s.get("v", 0) - 0.1 * g
    return -0.5 * before + 1.5 * s["v"]


def _adagrad(g: float, s: dict[str, float], t: int) -> float:
    s["h"] = s.get("h", 0) + g * g
    return -0.1 * g / (np.sqrt(s["h"]) + 0.25)


def _rmsprop(g: float, s: dict[str, float], t: int) -> float:
    s["h"] = 0.5 * s.get("h", 0) + 0.5 * g * g
    return -0.1 * g / (np.sqrt(s["h"]) + 0.25)


def _adam(g: float, s: dict[str, float], t: int) -> float:
    s["m"], s["v"] = 0.5 * s.get("m", 0) + 0.5 * g, 0.75 * s.get("v", 0) + 0.25 * g * g
    return -0.1 * s["m"] / (1 - 0.5**t) / (np.sqrt(s["v"] / (1 - 0.75**t)) + 0.25)


def _decoupled(g: float, s: dict[str, float], t: int) -> float:
    return _adam(g, s, t) - 0.1 * 0.25 * s["w"]


def _coupled(g: float, s: dict[str, float], t: int) -> float:
    return _adam(g + 0.25 * s["w"], s, t)


def _uncorrected(g: float, s: dict[str, float], t: int) -> float:
    s["m"], s["v"] = 0.5 * s.get("m", 0) + 0.5 * g, 0.75 * s.get("v", 0) + 0.25 * g * g
    return -0.1 * s["m"] / (np.sqrt(s["v"]) + 0.25)


def _nadam(g: float, s: dict[str, float], t: int) -> float:
    mu = [0.5 * (1 - 0.5 * 0.96 ** (i * 0.25)) for i in range(1, t + 2)]
    g = g + 0.125 * s["w"]
    s["m"], s["v"] = 0.5 * s.get("m", 0) + 0.5 * g, 0.75 * s.get("v", 0) + 0.25 * g * g
    ahead = mu[t] * s["m"] / (1 - np.prod(mu)) + (1 - mu[t - 1]) * g / (1 - np.prod(mu[:t]))
    return -0.1 * ahead / (np.sqrt(s["v"] / (1 - 0.75**t)) + 0.25)


def _lion(g: float, s: dict[str, float], t: int) -> float:
    m = s.get("m", 0)
    s["m"] = 0.75 * m + 0.25 * g
    return -0.1 * (np.sign(0.5 * m + 0.5 * g) + 0.25 * s["w"])


BETAS = {"beta1": 0.5, "beta2": 0.75}

RULES = {
    "sgd": ({}, lambda g, s, t: -0.1 * g),
    "momentum": ({"momentum": 0.5}, _momentum),
    "nesterov": ({"momentum": 0.5}, _nesterov),
    "adagrad": ({"epsilon": 0.25}, _adagrad),
    "rmsprop": ({"decay": 0.5, "epsilon": 0.25}, _rmsprop),
    "adam": ({**BETAS, "epsilon": 0.25}, _adam),
    "adam coupled": ({**BETAS, "epsilon": 0.25, "weight_decay": 0.25}, _coupled),
    "adam uncorrected": ({**BETAS, "epsilon": 0.25, "bias_correction": False}, _uncorrected),
    "adamw": ({**BETAS, "epsilon": 0.25, "weight_decay": 0.25}, _decoupled),
    "nadam": ({**BETAS, "epsilon": 0.25, "momentum_decay": 0.25, "weight_decay": 0.125}, _nadam),
    "lion": ({**BETAS, "weight_decay": 0.25}, _lion),
}


@pytest.mark.parametrize("case", RULES)
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_every_setting_counts(case: str, backend: str, rng: np.random.Generator, both_backends: Any) -> None:
    pynn.use_backend(backend)
    settings, rule = RULES[case]
    model, optimizer = Vectors(), OPTIMIZERS[case.split()[0]](0.1, **settings)
    state = {"w": 1.0}
    for t, gradient in enumerate(rng.normal(size=20), 1):
        model.gradients[:] = gradient
        optimizer.step(model)
        state["w"] += rule(gradient, state, t)
        assert model.parameters[0] == pytest.approx(state["w"], rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_number_is_moved_on_its_own(name: str, rng: np.random.Generator) -> None:
    together, optimizer = Vectors(67), OPTIMIZERS[name](0.1)
    steps = rng.normal(size=(5, 67))
    for gradient in steps:
        together.gradients[:] = gradient
        optimizer.step(together)
    for position in (0, 1, 31, 66):
        alone, single = Vectors(), OPTIMIZERS[name](0.1)
        for gradient in steps:
            alone.gradients[:] = gradient[position]
            single.step(alone)
        assert together.parameters[position] == pytest.approx(alone.parameters[0], rel=1e-14)


# PyTorch's SGD keeps v = ρ·v + g and moves by η·v: for a constant η that is the same path.
TORCH: dict[str, tuple[Callable[[], pynn.Optimizer], Callable[[Any, Any], Any]]] = {
    "sgd": (lambda: pynn.SGD(0.3), lambda torch, w: torch.optim.SGD(w, lr=0.3)),
    "momentum": (lambda: pynn.Momentum(0.05, 0.8), lambda torch, w: torch.optim.SGD(w, lr=0.05, momentum=0.8)),
    "nesterov": (
        lambda: pynn.Nesterov(0.05, 0.8),
        lambda torch, w: torch.optim.SGD(w, lr=0.05, momentum=0.8, nesterov=True),
    ),
    "adagrad": (
        lambda: pynn.AdaGrad(0.05, epsilon=1e-6),
        lambda torch, w: torch.optim.Adagrad(w, lr=0.05, eps=1e-6),
    ),
    "rmsprop": (
        lambda: pynn.RMSProp(0.01, decay=0.95, epsilon=1e-6),
        lambda torch, w: torch.optim.RMSprop(w, lr=0.01, alpha=0.95, eps=1e-6),
    ),
    "adam": (
        lambda: pynn.Adam(0.02, 0.85, 0.99, 1e-6),
        lambda torch, w: torch.optim.Adam(w, lr=0.02, betas=(0.85, 0.99), eps=1e-6),
    ),
    "adamw": (
        lambda: pynn.AdamW(0.02, 0.85, 0.99, 1e-6, weight_decay=0.1),
        lambda torch, w: torch.optim.AdamW(weights_decay(w, 0.1), lr=0.02, betas=(0.85, 0.99), eps=1e-6),
    ),
    "nadam": (
        lambda: pynn.NAdam(0.02, 0.85, 0.99, 1e-6, 0.01),
        lambda torch, w: torch.optim.NAdam(w, lr=0.02, betas=(0.85, 0.99), eps=1e-6, momentum_decay=0.01),
    ),
    "sgd, decay": (
        lambda: pynn.SGD(0.3, weight_decay=0.1),
        lambda torch, w: torch.optim.SGD(weights_decay(w, 0.1), lr=0.3),
    ),
    "momentum, decay of all": (
        lambda: pynn.Momentum(0.05, 0.8, weight_decay=0.1, decay_biases=True),
        lambda torch, w: torch.optim.SGD(w, lr=0.05, momentum=0.8, weight_decay=0.1),
    ),
    "nesterov, decay": (
        lambda: pynn.Nesterov(0.05, 0.8, weight_decay=0.1),
        lambda torch, w: torch.optim.SGD(weights_decay(w, 0.1), lr=0.05, momentum=0.8, nesterov=True),
    ),
    "adagrad, decay": (
        lambda: pynn.AdaGrad(0.05, epsilon=1e-6, weight_decay=0.1),
        lambda torch, w: torch.optim.Adagrad(weights_decay(w, 0.1), lr=0.05, eps=1e-6),
    ),
    "rmsprop, decay": (
        lambda: pynn.RMSProp(0.01, decay=0.95, epsilon=0.01, weight_decay=0.01),
        lambda torch, w: torch.optim.RMSprop(weights_decay(w, 0.01), lr=0.01, alpha=0.95, eps=0.01),
    ),
    "adam, decay": (
        lambda: pynn.Adam(0.02, 0.85, 0.99, 1e-6, weight_decay=0.1),
        lambda torch, w: torch.optim.Adam(weights_decay(w, 0.1), lr=0.02, betas=(0.85, 0.99), eps=1e-6),
    ),
    "adamw, decay of all": (
        lambda: pynn.AdamW(0.02, 0.85, 0.99, 1e-6, decay_biases=True),
        lambda torch, w: torch.optim.AdamW(w, lr=0.02, betas=(0.85, 0.99), eps=1e-6),
    ),
    "nadam, decay": (
        lambda: pynn.NAdam(0.02, 0.85, 0.99, 1e-6, weight_decay=0.01),
        lambda torch, w: torch.optim.NAdam(weights_decay(w, 0.01), lr=0.02, betas=(0.85, 0.99), eps=1e-6),
    ),
}


def weights_decay(tensors: list[Any], decay: float) -> list[dict[str, Any]]:
    """Groups of which the weights decay and the biases do not."""
    return [{"params": tensors[::2], "weight_decay": decay}, {"params": tensors[1::2], "weight_decay": 0.0}]


def test_every_optimizer_that_torch_has_is_compared() -> None:
    assert {name.split(",")[0] for name in TORCH} == OPTIMIZERS.keys() - {"lion"}


@pytest.fixture
def _wide_scalars(torch: Any) -> Iterator[None]:
    """PyTorch keeps NAdam's product of momenta in its default dtype."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(usual)


@pytest.mark.usefixtures("_wide_scalars")
@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 2e-4)])
def test_a_network_follows_torch_for_100_steps(
    name: str, dtype: str, tolerance: float, points: Points, torch: Any
) -> None:
    x, y = points
    optimizer, make_oracle = TORCH[name][0](), TORCH[name][1]
    model = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3), dtype=dtype)
    model.build((4,))
    w1, b1, w2, b2 = (torch.tensor(value.copy(), requires_grad=True) for value in model.tensors().values())
    oracle = make_oracle(torch, [w1, b1, w2, b2])
    tx, ty = torch.tensor(x.astype(dtype)), torch.tensor(y)
    loss = pynn.SoftmaxCrossEntropy()
    first = last = 0.0
    for step in range(100):
        oracle.zero_grad()
        value = torch.nn.functional.cross_entropy(torch.tanh(tx @ w1 + b1) @ w2 + b2, ty)
        value.backward()
        oracle.step()
        last = model.train_step(x, y, loss, optimizer)
        first = first if step else last
        assert last == pytest.approx(value.item(), rel=tolerance)
    assert last < 0.5 * first
    # In float32 rounding, which differs between processors, moves a weight near 0 by 1.4e-5 in 100 steps of RMSProp.
    atol = tolerance / (100 if dtype == "float64" else 10)
    for ours, theirs in zip(model.tensors().values(), (w1, b1, w2, b2), strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=atol)


def test_lion_goes_the_way_of_its_recurrence_on_a_network_for_100_steps(points: Points) -> None:
    model, twin = (pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3), dtype="float64") for _ in range(2))
    for one in (model, twin):
        one.build((4,))
    optimizer, loss = pynn.Lion(0.01, weight_decay=0.1), pynn.SoftmaxCrossEntropy()
    averages = {name: np.zeros_like(value) for name, value in twin.tensors().items()}
    for _ in range(100):
        found = model.train_step(*points, loss, optimizer)
        assert found == loss.forward(twin.forward(points[0], training=True), points[1])
        twin.backward(loss.backward())
        for layer in (twin.layers[0], twin.layers[2]):
            for name in ("weight", "bias"):
                w, g, m = getattr(layer, name), getattr(layer, f"d{name}"), averages[f"{layer.name}.{name}"]
                decay = 0.1 * w if name == "weight" else 0
                w -= 0.01 * (np.sign(0.9 * m + 0.1 * g) + decay)
                m[...] = 0.99 * m + 0.01 * g
        np.testing.assert_allclose(model.parameters, twin.parameters, rtol=1e-12, atol=1e-15)
        twin.parameters = model.parameters


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_gamma_and_beta_do_not_decay_unless_asked(name: str) -> None:
    def stepped(**options: Any) -> dict[str, np.ndarray]:
        model = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.Affine(3), dtype="float64")
        model.build((4,))
        model.parameters = 1.0
        model.gradients.fill(0.25)
        OPTIMIZERS[name](0.1, **options).step(model)
        return {key: value for key, value in model.tensors().items() if "running" not in key}

    none, usual, everything = (
        stepped(weight_decay=0),
        stepped(weight_decay=0.5),
        stepped(weight_decay=0.5, decay_biases=True),
    )
    for key in none:
        kept = key.split(".")[1] != "weight"
        np.testing.assert_array_equal(usual[key], none[key] if kept else everything[key])
        if name not in ("adagrad", "rmsprop", "adam", "nadam"):  # whose first step does not depend on |g|
            assert not np.allclose(everything[key], none[key])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_learns(name: str, points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.Affine(3))
    rate = {"sgd": 0.3, "momentum": 0.1, "nesterov": 0.1, "adagrad": 0.1}.get(name, 0.02)
    history = model.fit(*points, optimizer=OPTIMIZERS[name](rate), epochs=40, batch_size=10, progress=False)
    assert history["loss"][-1] < 0.3 * history["loss"][0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_learning_rate_of_0_moves_nothing(name: str, points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    before = model.parameters.copy()
    model.fit(*points, optimizer=OPTIMIZERS[name](0), epochs=2, batch_size=10, progress=False)
    np.testing.assert_array_equal(model.parameters, before)


def test_the_learning_rate_may_be_changed_at_any_time(points: Points) -> None:
    model, optimizer = pynn.Sequential(pynn.Affine(3)), pynn.SGD(0.1)
    assert model.fit(*points, optimizer=optimizer, epochs=1, batch_size=10, progress=False)["learning_rate"] == [0.1]
    optimizer.learning_rate = 0.0
    before = model.parameters.copy()
    assert model.fit(*points, epochs=2, batch_size=10, progress=False)["learning_rate"] == [0.0, 0.0]
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zero_gradients_from_the_start_move_nothing(name: str) -> None:
    model, optimizer = Vectors(5), OPTIMIZERS[name](weight_decay=0)
    for _ in range(3):
        optimizer.step(model)
    np.testing.assert_array_equal(model.parameters, np.ones(5))


def test_an_own_optimizer_trains(points: Points) -> None:
    class SignDescent(pynn.Optimizer):
        slots = ("last",)

        def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
            self.last[:] = np.sign(gradients)
            parameters -= self.learning_rate * self.last

    model, optimizer = pynn.Sequential(pynn.Affine(3)), SignDescent(0.01)
    history = model.fit(*points, optimizer=optimizer, epochs=20, batch_size=10, progress=False)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert optimizer.last.shape == model.parameters.shape
    assert optimizer.last.dtype == model.parameters.dtype
    assert repr(optimizer) == "SignDescent(learning_rate=0.01)"


# Misuse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_of_one_model_refuses_another(name: str, points: Points) -> None:
    kind = OPTIMIZERS[name]
    optimizer = kind()
    first, second = pynn.Sequential(pynn.Affine(3)), pynn.Sequential(pynn.Affine(3))
    first.fit(*points, optimizer=optimizer, epochs=1, batch_size=10, progress=False)
    second.build((4,))
    before = second.parameters.copy()
    with pytest.raises(
        ValueError, match=rf"this {kind.__name__} already trains another model, .*; give each model its own"
    ):
        second.fit(*points, optimizer=optimizer, epochs=1, batch_size=10, progress=False)
    np.testing.assert_array_equal(second.parameters, before)
    assert second.optimizer is None, "a later fit does not go on with an optimizer that was refused"
    first.fit(*points, optimizer=optimizer, epochs=1, batch_size=10, progress=False)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), -float("inf")])
def test_learning_rates_out_of_range_are_refused(name: str, value: float) -> None:
    kind = OPTIMIZERS[name]
    with pytest.raises(ValueError, match=rf"{kind.__name__}: learning_rate is {value}, expected a finite number"):
        kind(value)


@pytest.mark.parametrize("value", ["0.1", None, [0.1], np.array([0.1, 0.2])], ids=repr)
def test_learning_rates_that_are_no_numbers_are_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"SGD: learning_rate is .*, expected a finite number"):
        pynn.SGD(value)


@pytest.mark.parametrize(
    ("kind", "setting", "value", "message"),
    [
        (kind, setting, value, rf"{kind.__name__}: {setting} is {value}, expected 0 <= {setting} < 1")
        for kind, setting in [
            (pynn.Momentum, "momentum"), (pynn.Nesterov, "momentum"), (pynn.RMSProp, "decay"),
            *((kind, beta) for kind in (pynn.Adam, pynn.AdamW, pynn.NAdam, pynn.Lion) for beta in ("beta1", "beta2")),
        ]
        for value in (1, -0.1, float("nan"))
    ] + [
        (kind, "epsilon", value, rf"{kind.__name__}: epsilon is {value}, expected a finite positive number")
        for kind in (pynn.AdaGrad, pynn.RMSProp, pynn.Adam, pynn.AdamW, pynn.NAdam)
        for value in (0, -1e-8, float("nan"))
    ] + [
        (pynn.NAdam, "momentum_decay", value, rf"NAdam: momentum_decay is {value}, expected a finite number")
        for value in (-0.1, float("nan"))
    ] + [
        (kind, "weight_decay", value, rf"{kind.__name__}: weight_decay is {value}, expected a finite number of at")
        for kind in OPTIMIZERS.values()
        for value in (-0.1, float("nan"), float("inf"))
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(
    kind: type[pynn.Optimizer], setting: str, value: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**{setting: value})


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        (
            "adamax",
            ValueError,
            r"optimizer is 'adamax', .*expected one of sgd, momentum, nesterov, adagrad, rms",
        ),
        ("Adams", ValueError, r"optimizer is 'Adams', expected one of sgd, .*, adam, adamw, nadam, lion"),
        (pynn.Adam, TypeError, r"optimizer is <class .*expected .*; write Adam\(\)"),
        (0.01, TypeError, r"optimizer is 0\.01, expected"),
        (pynn.SoftmaxCrossEntropy(), TypeError, r"optimizer is .*, expected"),
    ],
)
def test_invalid_optimizers_are_refused(choice: Any, error: type[Exception], message: str, points: Points) -> None:
    with pytest.raises(error, match=message):
        pynn.Sequential(pynn.Affine(3)).fit(*points, optimizer=choice, batch_size=10, progress=False)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_by_its_name_too(name: str, points: Points) -> None:
    models = [pynn.Sequential(pynn.Affine(3)) for _ in range(2)]
    for model, choice in zip(models, (name, OPTIMIZERS[name]()), strict=True):
        model.fit(*points, optimizer=choice, epochs=1, batch_size=10, progress=False)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


def test_switches_that_are_no_booleans_are_refused() -> None:
    with pytest.raises(TypeError, match="SGD: decay_biases is 1, expected True or False"):
        pynn.SGD(decay_biases=1)  # type: ignore[typeddict-item]
    with pytest.raises(TypeError, match="Adam: bias_correction is None, expected True or False"):
        pynn.Adam(bias_correction=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Adam has no 'weigth_decay'; did you mean weight_decay"):
        pynn.Adam(weigth_decay=0.1)  # type: ignore[call-arg]


def test_a_step_of_a_model_that_is_not_built_is_refused() -> None:
    optimizer = pynn.Adam()
    with pytest.raises(RuntimeError, match="not built yet"):
        optimizer.step(pynn.Sequential(pynn.Affine(3)))
    assert optimizer.steps == 0


def test_a_missing_update_is_named(points: Points) -> None:
    with pytest.raises(NotImplementedError, match=r"Optimizer has no update\(parameters, gradients\)"):
        pynn.Sequential(pynn.Affine(3)).fit(*points, optimizer=pynn.Optimizer(0.1), batch_size=10, progress=False)


@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        (pynn.SGD(0.5), "SGD(learning_rate=0.5)"),
        (pynn.Adam(), "Adam()"),
        (pynn.Adam(0.002, beta2=0.99), "Adam(learning_rate=0.002, beta2=0.99)"),
        (pynn.Nesterov(momentum=0.5), "Nesterov(momentum=0.5)"),
        (pynn.SGD(weight_decay=0.1, decay_biases=True), "SGD(weight_decay=0.1, decay_biases=True)"),
        (pynn.Adam(bias_correction=False), "Adam(bias_correction=False)"),
        (pynn.AdamW(), "AdamW(weight_decay=0.01)"),
    ],
)
def test_repr_is_the_source(optimizer: pynn.Optimizer, text: str) -> None:
    assert repr(optimizer) == text


def test_pickles_from_before_schedules_of_decay_keep_their_decay() -> None:
    optimizer = pynn.Adam(1e-3, weight_decay=0.1)
    state = optimizer.__getstate__()
    state["weight_decay"] = state.pop("_weight_decay")
    restored = pynn.Adam.__new__(pynn.Adam)
    restored.__setstate__(state)
    assert restored.weight_decay == 0.1


def test_a_state_from_before_schedules_of_decay_leaves_the_schedule() -> None:
    model = pynn.Sequential(pynn.Affine(2))
    model.build((3,))
    optimizer = pynn.AdamW(1e-3, weight_decay=pynn.FlatCosine(0.1, 10))
    optimizer.set_epoch(0)
    model.train_step(np.ones((2, 3), np.float32), np.array([0, 1]), pynn.SoftmaxCrossEntropy(), optimizer)
    state = {name: value for name, value in optimizer.state().items() if name != "weight_decay_schedule"}
    optimizer.restore(state)
    optimizer.set_epoch(10)
    assert optimizer.weight_decay == 0
