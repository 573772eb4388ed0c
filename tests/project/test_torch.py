"""PyTorch as an oracle: what agrees in float32 and float64, and by which factor what is defined in another way.

Where pynn differs from PyTorch on purpose, and why:

- Losses of numbers and of attributes (`SquaredError`, `AbsoluteError`, `Huber`, `BinaryCrossEntropy`, `BinaryHinge`)
  are sums over the K outputs and means over the N samples; PyTorch's default is the mean over all N·K numbers. So a
  sample's loss does not shrink where it has more outputs, and gradients do not either. Factor K.
- `Hinge` and `SquaredHinge` are sums over the classes, as Weston and Watkins (and CS231n) have them;
  `multi_margin_loss` divides by C. Factor C.
- Weights: `Loss.forward(..., weights)` divides by N, PyTorch's cross_entropy by the sum of the weights. A batch's step
  then does not depend on which classes happen to be in it; `fit` divides all weights by their mean once, and
  `evaluate` divides by their sum, as PyTorch does. Factor Σw/N.
- Label smoothing with class weights: pynn weights the whole loss of a sample by its own class; PyTorch weights each
  part of the smoothed target by the class that the part belongs to. Without one of the two they agree.
- `Huber` is huber_loss; smooth_l1_loss is it divided by beta = delta.
- Affine weights have the shape (in, out), PyTorch's (out, in); features and channels come last, PyTorch's second. That
  makes bias, activation and normalization the same kernel for vectors and images.
- `BatchNorm(momentum)` is the share of the running statistics that is kept, 0.9; PyTorch's is the share that is
  replaced, 0.1. The running variance is the unbiased one in both.
- `LayerNorm` goes over the last axis; PyTorch's takes more axes when told to. `GroupNorm` needs no number of channels.
- `PReLU` has one slope, or one for each place of the last axis (PyTorch: of the second axis); penalties and weight
  decay leave it out, as they do biases, gamma and beta; PyTorch's decay takes them all (`decay_biases=True`).
- `Softplus` is ln(1 + e^x) everywhere; PyTorch's is x above a threshold of 20.
- `GELU` is the exact one by default in both; approximate="tanh" is the other one in both.
- `Momentum` and `Nesterov` keep v = ρv - ηg and add v, as CS231n has it; PyTorch keeps v = ρv + g and takes off ηv.
  The same path while η is constant. When η changes, pynn's velocity is still that of the old η.
- `RMSProp` and `AdaGrad` add epsilon to the root, as PyTorch does, but it is 1e-7 by default (Deep Learning from
  Scratch), not 1e-8 and 1e-10. RMSProp forgets by 0.9, Hinton's number, not 0.99; its learning rate is 0.001, not 0.01.
- `clip_norm` scales to the norm itself; clip_grad_norm_ divides by norm + 1e-6.
- Penalties: `L2` is ½·λ·‖w‖², so that its gradient is λ·w, PyTorch's (coupled) weight_decay=λ.
- Affine weights start as He, Glorot or LeCun numbers, by the activation that follows, and biases at 0; PyTorch's
  Linear draws both evenly from ±1/√fan_in. `Sparse` counts the inputs that are connected, sparse_ the others' share.
- Not in PyTorch, so checked by formulas in their own tests: `Lion`, `Focal`, `Maxout`, `DropConnect`,
  `PSELU`, `PMish`, `Scale`, `HierarchicalSoftmax`, `StructuredHinge`, `RandomWalk`, `Adam(bias_correction=False)`.

More comparisons, each where its subject is tested: affine maps and batch normalization (layers/test_layers), LayerNorm
and GroupNorm (layers/test_groupnorm), softmax (layers/test_softmax), losses (losses/), optimizers, clipping
(optimizers/), schedules (test_schedules), orthogonal weights (test_initializers), class weights in evaluation
(training/test_sample_weights).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.layers import Activation

pytest.importorskip("torch")

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def close(ours: Any, theirs: Any, dtype: str, scale: float = 1.0) -> None:
    """Within float32's or float64's rounding of each other; scale: how large the numbers are that were added up."""
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance * scale)


# Layers -------------------------------------------------------------------------------------------


def mixed(torch: Any, function: Callable[[Any], Any]) -> Any:
    """A module x + mix (f(x) - x), with one mix for each of 8 features."""

    class Mixed(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.mix = torch.nn.Parameter(torch.ones(8, dtype=torch.float64))

        def forward(self, x: Any) -> Any:
            return x + self.mix * (function(x) - x)

    return Mixed()


ACTIVATIONS: dict[str, tuple[Callable[[], pynn.Layer], Callable[[Any], Callable[[Any], Any]]]] = {
    "Activation": (pynn.Activation, lambda torch: torch.nn.Identity()),
    "ELU": (lambda: pynn.ELU(0.7), lambda torch: torch.nn.ELU(0.7)),
    "ELU, defaults": (pynn.ELU, lambda torch: torch.nn.ELU()),
    "GELU": (pynn.GELU, lambda torch: torch.nn.GELU()),
    "GELU, tanh": (lambda: pynn.GELU("tanh"), lambda torch: torch.nn.GELU("tanh")),
    "LeakyReLU": (lambda: pynn.LeakyReLU(0.2), lambda torch: torch.nn.LeakyReLU(0.2)),
    "LeakyReLU, defaults": (pynn.LeakyReLU, lambda torch: torch.nn.LeakyReLU()),
    "Mish": (pynn.Mish, lambda torch: torch.nn.Mish()),
    "PReLU": (lambda: pynn.PReLU(initial=0.3), lambda torch: torch.nn.PReLU(init=0.3, dtype=torch.float64)),
    "PReLU, defaults": (pynn.PReLU, lambda torch: torch.nn.PReLU(dtype=torch.float64)),
    "PReLU, per feature": (
        lambda: pynn.PReLU(per_feature=True),
        lambda torch: torch.nn.PReLU(num_parameters=8, dtype=torch.float64),
    ),
    "PMish": (pynn.PMish, lambda torch: mixed(torch, torch.nn.functional.mish)),
    "PSELU": (pynn.PSELU, lambda torch: mixed(torch, torch.nn.functional.selu)),
    "ReLU": (pynn.ReLU, lambda torch: torch.nn.ReLU()),
    "SELU": (pynn.SELU, lambda torch: torch.nn.SELU()),
    "SiLU": (pynn.SiLU, lambda torch: torch.nn.SiLU()),
    "Sigmoid": (pynn.Sigmoid, lambda torch: torch.nn.Sigmoid()),
    "Softplus": (pynn.Softplus, lambda torch: torch.nn.Softplus(threshold=1000)),
    "Tanh": (pynn.Tanh, lambda torch: torch.nn.Tanh()),
}


def test_every_activation_is_compared() -> None:
    public = {name for name in pynn.__all__ if isinstance(kind := getattr(pynn, name), type)
              and issubclass(kind, Activation)}  # fmt: skip
    assert {name.split(",")[0] for name in ACTIVATIONS} == public


@both_dtypes
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_and_its_gradient_follow_torch(
    name: str, dtype: str, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    make, oracle = ACTIVATIONS[name]
    x = np.concatenate([3 * rng.standard_normal(200), [0, -0.0, 1e-6, -1e-6, 12, -12, 40, -40]]).astype(dtype)
    x, dy = x.reshape(-1, 8), rng.standard_normal((26, 8)).astype(dtype)
    model = pynn.Sequential(make(), dtype=dtype)
    y = model.forward(x, training=True).copy()
    dx = model.backward(dy, input_gradient=True)
    tx, theirs = torch.tensor(x.astype(np.float64), requires_grad=True), oracle(torch)
    ty = theirs(tx)
    ty.backward(torch.tensor(dy.astype(np.float64)))
    close(y, ty, dtype)
    close(dx, tx.grad, dtype, 4)
    declared = model.layers[0].declared
    for ours, parameter in zip(declared, theirs.parameters(), strict=True):
        close(ours.value, parameter, dtype)
        close(ours.gradient, parameter.grad, dtype, 100)


def test_softplus_is_exact_where_torch_takes_the_identity(backend: str, torch: Any) -> None:
    x = np.array([[20.5, 25.0, 30.0]])
    y = pynn.Sequential(pynn.Softplus(), dtype="float64").forward(x)
    np.testing.assert_allclose(y - x, np.log1p(np.exp(-x)), rtol=0, atol=4e-15)
    assert (torch.nn.functional.softplus(torch.tensor(x)).numpy() == x).all()


@both_dtypes
@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
def test_normalizations_of_images_follow_torch_with_channels_last(
    kind: str, dtype: str, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    layer: Any = {"batch": pynn.BatchNorm, "layer": pynn.LayerNorm, "group": lambda: pynn.GroupNorm(3)}[kind]()
    theirs = {
        "batch": lambda: torch.nn.BatchNorm2d(6, dtype=torch.float64),
        "layer": lambda: torch.nn.LayerNorm(6, dtype=torch.float64),
        "group": lambda: torch.nn.GroupNorm(3, 6, dtype=torch.float64),
    }[kind]()
    x, dy = (rng.normal(1, 2, (5, 3, 4, 6)).astype(dtype) for _ in range(2))
    model = pynn.Sequential(layer, dtype=dtype)
    y = model.forward(x, training=True).copy()
    dx = model.backward(dy, input_gradient=True)
    tx = torch.tensor(x.astype(np.float64), requires_grad=True)
    turned = tx if kind == "layer" else tx.permute(0, 3, 1, 2)
    ty = theirs(turned) if kind == "layer" else theirs(turned).permute(0, 2, 3, 1)
    ty.backward(torch.tensor(dy.astype(np.float64)))
    close(y, ty, dtype)
    close(dx, tx.grad, dtype, 4)
    close(layer.dgamma, theirs.weight.grad, dtype, 100)
    close(layer.dbeta, theirs.bias.grad, dtype, 100)
    if kind == "batch":  # momentum 0.9 here is 0.1 there; both variances are unbiased
        close(layer.running_mean, theirs.running_mean, dtype)
        close(layer.running_var, theirs.running_var, dtype)


def test_dropout_scales_what_it_keeps_as_torch_does(backend: str, torch: Any) -> None:
    ours = pynn.Sequential(pynn.Dropout(0.25)).forward(np.ones((50, 40), np.float32), training=True)
    theirs = torch.nn.functional.dropout(torch.ones(50, 40), 0.25).numpy()
    assert np.unique(ours).tolist() == pytest.approx(np.unique(theirs).tolist(), rel=1e-6)


# Losses -------------------------------------------------------------------------------------------


def _label_losses(torch: Any) -> dict[str, tuple[pynn.Loss, Callable[..., Any], float]]:
    """Ours, theirs for each sample, and the factor between them; 6 classes."""
    f = torch.nn.functional
    return {
        "cross-entropy": (pynn.SoftmaxCrossEntropy(), lambda o, y: f.cross_entropy(o, y, reduction="none"), 1),
        "cross-entropy, smoothed": (
            pynn.SoftmaxCrossEntropy(0.15),
            lambda o, y: f.cross_entropy(o, y, label_smoothing=0.15, reduction="none"),
            1,
        ),
        "hinge": (pynn.Hinge(0.8), lambda o, y: f.multi_margin_loss(o, y, margin=0.8, reduction="none"), 6),
        "squared hinge": (
            pynn.SquaredHinge(0.8),
            lambda o, y: f.multi_margin_loss(o, y, p=2, margin=0.8, reduction="none"),
            6,
        ),
        "focal with gamma 0": (pynn.Focal(0), lambda o, y: f.cross_entropy(o, y, reduction="none"), 1),
    }


@both_dtypes
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "class weights"])
@pytest.mark.parametrize("name", ["cross-entropy", "cross-entropy, smoothed", "hinge", "squared hinge",
                                  "focal with gamma 0"])  # fmt: skip
def test_a_loss_of_labels_is_torchs_value_times_its_factor(
    name: str, weighted: bool, dtype: str, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    ours, theirs, factor = _label_losses(torch)[name]
    outputs, y = (2 * rng.standard_normal((20, 6))).astype(dtype), rng.integers(0, 6, 20)
    weights = np.array([0.5, 2, 1, 0, 3, 1], dtype)[y] if weighted else np.ones(20, dtype)
    value = ours.forward(outputs, y, weights)
    t = torch.tensor(outputs.astype(np.float64), requires_grad=True)
    expected = factor * (theirs(t, torch.tensor(y)) * torch.tensor(weights)).mean()
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=4 * TOLERANCE[dtype])
    close(ours.backward(), t.grad, dtype)


def test_torchs_weighted_cross_entropy_divides_by_the_weights_and_ours_by_the_samples(
    backend: str, rng: np.random.Generator, torch: Any
) -> None:
    outputs, y, by_class = rng.standard_normal((20, 6)), rng.integers(0, 6, 20), np.array([0.5, 2, 1, 0, 3, 1])
    ours = pynn.SoftmaxCrossEntropy().forward(outputs, y, by_class[y])
    theirs = torch.nn.functional.cross_entropy(torch.tensor(outputs), torch.tensor(y), torch.tensor(by_class))
    assert ours == pytest.approx(theirs.item() * by_class[y].sum() / 20, rel=1e-12)
    assert ours != pytest.approx(theirs.item(), rel=1e-3)


def test_with_smoothing_torch_weights_the_parts_of_the_target_and_ours_the_sample(
    backend: str, rng: np.random.Generator, torch: Any
) -> None:
    outputs, y, by_class = rng.standard_normal((20, 6)), rng.integers(0, 6, 20), np.array([0.5, 2, 1, 0, 3, 1])
    ours = pynn.SoftmaxCrossEntropy(0.3).forward(outputs, y, by_class[y])
    log_p = torch.log_softmax(torch.tensor(outputs), 1).numpy()
    hard, weights = -log_p[np.arange(20), y], by_class[y]
    assert ours == pytest.approx((weights * (0.7 * hard - 0.3 * log_p.mean(axis=1))).mean(), rel=1e-12)
    theirs = torch.nn.functional.cross_entropy(
        torch.tensor(outputs), torch.tensor(y), torch.tensor(by_class), label_smoothing=0.3
    )
    parts = (0.7 * weights * hard - 0.3 * (log_p * by_class).mean(axis=1)).sum() / weights.sum()
    assert theirs.item() == pytest.approx(parts, rel=1e-12)


def _elementwise_losses(torch: Any) -> dict[str, tuple[pynn.Loss, Callable[..., Any], float]]:
    """Ours, theirs, and the factor; 5 outputs."""
    f = torch.nn.functional
    return {
        "squared error": (pynn.SquaredError(), f.mse_loss, 5),
        "absolute error": (pynn.AbsoluteError(), f.l1_loss, 5),
        "huber": (pynn.Huber(0.4), lambda o, y: f.huber_loss(o, y, delta=0.4), 5),
        "smooth l1": (pynn.Huber(0.4), lambda o, y: f.smooth_l1_loss(o, y, beta=0.4), 5 * 0.4),
        "binary cross-entropy": (pynn.BinaryCrossEntropy(), f.binary_cross_entropy_with_logits, 5),
    }


@both_dtypes
@pytest.mark.parametrize("name", ["squared error", "absolute error", "huber", "smooth l1", "binary cross-entropy"])
def test_a_loss_of_numbers_is_torchs_mean_times_the_number_of_outputs(
    name: str, dtype: str, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    ours, theirs, factor = _elementwise_losses(torch)[name]
    outputs, targets = rng.standard_normal((20, 5)).astype(dtype), rng.random((20, 5)).astype(dtype)
    value = ours.forward(outputs, targets)
    t = torch.tensor(outputs.astype(np.float64), requires_grad=True)
    expected = factor * theirs(t, torch.tensor(targets.astype(np.float64)))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=4 * TOLERANCE[dtype])
    close(ours.backward(), t.grad, dtype)


# Optimizers, penalties, constraints ---------------------------------------------------------------


class Vectors:
    """All that an optimizer needs of a model."""

    def __init__(self, start: np.ndarray) -> None:
        self.parameters, self.gradients = start.copy(), np.zeros_like(start)

    def advance(self) -> None:
        pass


@pytest.mark.parametrize("nesterov", [False, True], ids=["momentum", "nesterov"])
@pytest.mark.parametrize("rescale", [False, True], ids=["as it is", "rescaled"])
def test_momentum_follows_torch_after_a_change_of_the_rate_if_its_velocity_is_rescaled(
    nesterov: bool, rescale: bool, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    start = rng.standard_normal(9)
    model, w = Vectors(start), torch.tensor(start.copy(), requires_grad=True)
    ours = (pynn.Nesterov if nesterov else pynn.Momentum)(0.1, 0.9)
    theirs = torch.optim.SGD([w], lr=0.1, momentum=0.9, nesterov=nesterov)
    for step in range(20):
        if step == 10:
            ours.learning_rate = theirs.param_groups[0]["lr"] = 0.02
            if rescale:
                ours.velocity *= 0.02 / 0.1
        model.gradients[...] = gradient = rng.standard_normal(9)
        w.grad = torch.tensor(gradient)
        ours.step(model)
        theirs.step()
        same = np.allclose(model.parameters, w.detach().numpy(), rtol=1e-12, atol=1e-14)
        assert same is (step < 10 or rescale)


def test_defaults_that_equal_those_of_torch_and_those_that_do_not(torch: Any) -> None:
    def theirs(name: str) -> dict[str, Any]:
        settings: dict[str, Any] = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)]).defaults
        return settings

    for kind in (pynn.Adam, pynn.AdamW, pynn.NAdam):
        optimizer, settings = kind(), theirs(kind.__name__)
        assert (optimizer.beta1, optimizer.beta2) == settings["betas"]
        assert (optimizer.learning_rate, optimizer.epsilon) == (settings["lr"], settings["eps"])
        assert optimizer.weight_decay == settings["weight_decay"]
    assert pynn.NAdam().momentum_decay == theirs("NAdam")["momentum_decay"]
    assert (pynn.AdaGrad().epsilon, theirs("Adagrad")["eps"]) == (1e-7, 1e-10)
    assert (pynn.RMSProp().epsilon, theirs("RMSprop")["eps"]) == (1e-7, 1e-8)
    assert (pynn.RMSProp().decay, theirs("RMSprop")["alpha"]) == (0.9, 0.99)
    assert (pynn.BatchNorm().momentum, 1 - torch.nn.BatchNorm1d(1).momentum) == (0.9, 0.9)
    assert pynn.BatchNorm().epsilon == torch.nn.BatchNorm1d(1).eps
    assert pynn.LayerNorm().epsilon == torch.nn.LayerNorm(1).eps
    assert pynn.GroupNorm(1).epsilon == torch.nn.GroupNorm(1, 1).eps


def test_an_l2_penalty_steps_as_torchs_weight_decay(backend: str, rng: np.random.Generator, torch: Any) -> None:
    model = pynn.Sequential(pynn.Affine(3), dtype="float64")
    x, y = rng.standard_normal((8, 4)), rng.integers(0, 3, 8)
    model.build((4,))
    w, b = (torch.tensor(value.copy(), requires_grad=True) for value in model.tensors().values())
    oracle = torch.optim.SGD([{"params": [w], "weight_decay": 0.1}, {"params": [b]}], lr=0.2)
    ours = pynn.SGD(0.2)
    for _ in range(10):
        oracle.zero_grad()
        torch.nn.functional.cross_entropy(torch.tensor(x) @ w + b, torch.tensor(y)).backward()
        oracle.step()
        model.train_step(x, y, pynn.SoftmaxCrossEntropy(), ours, penalty=pynn.L2(0.1))
    close(model.layers[0].weight, w, "float64")
    close(model.layers[0].bias, b, "float64")


@both_dtypes
def test_max_norm_follows_torchs_renorm_of_the_units(
    dtype: str, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    weight = rng.standard_normal((9, 7)).astype(dtype) * np.linspace(0, 2, 7, dtype=dtype)
    theirs = torch.renorm(torch.tensor(weight.astype(np.float64)), p=2, dim=1, maxnorm=3.0)
    pynn.MaxNorm(3.0).apply(weight)
    np.testing.assert_allclose(weight, theirs.numpy(), rtol=1e-6)  # torch divides by norm + 1e-7


# Initializers -------------------------------------------------------------------------------------

FILLED: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Any]]] = {
    "zeros": (pynn.Zeros, lambda init, w: init.zeros_(w)),
    "constant": (lambda: pynn.Constant(0.3), lambda init, w: init.constant_(w, 0.3)),
    "normal": (lambda: pynn.Normal(0.2), lambda init, w: init.normal_(w, std=0.2)),
    "uniform": (lambda: pynn.Uniform(0.2), lambda init, w: init.uniform_(w, -0.2, 0.2)),
    "lecun": (pynn.LeCun, lambda init, w: init.kaiming_normal_(w, nonlinearity="linear")),
    "lecun_uniform": (
        lambda: pynn.LeCun(uniform=True),
        lambda init, w: init.kaiming_uniform_(w, nonlinearity="linear"),
    ),
    "he": (pynn.He, lambda init, w: init.kaiming_normal_(w, nonlinearity="relu")),
    "he_uniform": (lambda: pynn.He(uniform=True), lambda init, w: init.kaiming_uniform_(w, nonlinearity="relu")),
    "glorot": (pynn.Glorot, lambda init, w: init.xavier_normal_(w)),
    "glorot_uniform": (lambda: pynn.Glorot(uniform=True), lambda init, w: init.xavier_uniform_(w)),
    "orthogonal": (lambda: pynn.Orthogonal(1.5), lambda init, w: init.orthogonal_(w, gain=1.5)),
}


def test_every_initializer_that_torch_has_is_compared() -> None:
    assert FILLED.keys() | {"sparse", "random_walk"} == pynn.initializers.INITIALIZERS.keys()


@pytest.mark.parametrize("name", FILLED)
def test_the_moments_of_first_weights_follow_torch(name: str, rng: np.random.Generator, torch: Any) -> None:
    make, fill = FILLED[name]
    torch.manual_seed(0)
    theirs = fill(torch.nn.init, torch.empty(200, 300)).double().numpy()  # (out, in)
    ours = make().draw((300, 200), rng)
    for power in (1, 2, 4):
        scale = (theirs**2).mean() ** (power / 2)
        assert (ours**power).mean() == pytest.approx((theirs**power).mean(), abs=0.1 * scale)
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.25)


def test_sparse_weights_have_as_many_connections_as_in_torch(rng: np.random.Generator, torch: Any) -> None:
    torch.manual_seed(0)
    theirs = torch.nn.init.sparse_(torch.empty(300, 200), sparsity=0.95, std=0.3).numpy()  # its columns are units
    ours = pynn.Sparse(15, std=0.3).draw((300, 200), rng)
    assert (np.count_nonzero(ours, axis=0) == 15).all()
    assert (np.count_nonzero(theirs, axis=0) == 15).all()
    assert ours[ours != 0].std() == pytest.approx(theirs[theirs != 0].std(), rel=0.05)


def test_first_weights_of_an_affine_layer_differ_from_those_of_torchs_linear(torch: Any) -> None:
    torch.manual_seed(0)
    model = pynn.Sequential(pynn.Affine(200), pynn.ReLU())
    model.build((300,))
    theirs = torch.nn.Linear(300, 200)
    assert model.layers[0].weight.var() == pytest.approx(2 / 300, rel=0.05)
    assert theirs.weight.var().item() == pytest.approx(1 / (3 * 300), rel=0.05)
    assert not model.layers[0].bias.any()
    assert theirs.bias.abs().max() > 0
