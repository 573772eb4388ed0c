"""The table of operations: for every kernel its arguments, an independent float64 answer, a tolerance and its gradient.

Tests and benchmarks both walk this table. A kernel without a row fails `test_every_kernel_has_a_row`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arguments = dict[str, Any]
Sizes = tuple[int, ...]

# Around the edges of vectors (4, 8, 16 lanes), panels (2 vectors), row tiles (6, 12), runs of rows (256), blocks of k.
FLAT: tuple[Sizes, ...] = ((0,), (1,), (7,), (16,), (17,), (127,), (128,), (129,), (4097,), (3, 5), (2, 3, 4, 5))
LONG: tuple[Sizes, ...] = ((0,), (1,), (15,), (33,), (16383,), (16385,), (300_001,))
ROWS: tuple[Sizes, ...] = ((2, 1), (3, 17), (5, 16), (64, 33), (255, 8), (257, 10), (513, 15), (1025, 64))
PRODUCTS: tuple[Sizes, ...] = (
    (0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (2, 3, 4), (5, 7, 3), (11, 13, 15), (12, 16, 16), (13, 17, 17),
    (6, 512, 31), (25, 513, 33), (7, 31, 64), (100, 784, 100), (128, 64, 10), (257, 20, 65), (33, 1025, 9),
    (130, 70, 300),
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One row: a kernel with one set of options."""

    kernel: str
    options: str
    sizes: tuple[Sizes, ...]
    make: Callable[[Sizes, np.random.Generator], Arguments]  # float64 arguments, in order; outputs hold NaN
    answer: Callable[[Arguments], dict[str, Any]]  # the outputs, and "return" for a returned number
    tolerance: float = 8  # in units of the dtype's epsilon, relative to the largest number of the answer or `floor`
    floor: float = 1.0
    elementwise: bool = False  # relative to each number of the answer
    # gradient check: loss(arguments, kernels) -> number, and which output is the gradient of which input
    loss: Callable[[Arguments, Any], float] | None = None
    gradients: dict[str, str] = field(default_factory=dict)
    bench: Sizes | None = None

    @property
    def name(self) -> str:
        return f"{self.kernel}[{self.options}]" if self.options else self.kernel


def to_dtype(arguments: Arguments, dtype: Any) -> Arguments:
    """The arguments with their floating-point arrays in another dtype."""
    return {
        name: value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
        for name, value in arguments.items()
    }


def arguments(op: Operation, sizes: Sizes, dtype: Any = np.float64) -> Arguments:
    return to_dtype(op.make(sizes, np.random.default_rng(sum(sizes) + len(op.name))), dtype)


def call(table: Any, op: Operation, args: Arguments) -> Any:
    return getattr(table, op.kernel)(**{name: value for name, value in args.items() if not name.startswith("#")})


def assert_close(
    found: Any, expected: Any, tolerance: float, what: str, floor: float = 1.0, elementwise: bool = False
) -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if expected.size:
        epsilon = np.finfo(found.dtype if found.dtype.kind == "f" and found.ndim else np.float64).eps
        size = np.abs(expected) + 1e-38 if elementwise else max(floor, float(np.abs(expected).max()))
        error = float((np.abs(found.astype(np.float64) - expected) / size).max())
        assert error <= tolerance * epsilon, f"{what}: error {error:.3g}, allowed {tolerance * epsilon:.3g}"


def nan(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan)


def away_from_zero(rng: np.random.Generator, shape: Sizes) -> np.ndarray:
    """Normal numbers at least 0.05 from 0, where ReLU has its kink."""
    x = rng.standard_normal(shape)
    return x + np.where(x < 0, -0.05, 0.05)


# Activations ----------------------------------------------------------------------------------------

ALPHA = {"leaky_relu": 0.1, "elu": 0.7}


def activate(z: np.ndarray, name: str, alpha: float) -> np.ndarray:
    z = np.asarray(z, np.float64)
    if name == "sigmoid":
        return 0.5 * (1 + np.tanh(z / 2)) if np.all(z > -15) else np.exp(-np.logaddexp(0, -z))
    if name == "tanh":
        return np.tanh(z)
    if name == "relu":
        return z * (z > 0)
    if name == "leaky_relu":
        return np.maximum(alpha * z, z)
    if name == "elu":
        return np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0))
    return z


def slope(y: np.ndarray, name: str, alpha: float) -> np.ndarray:
    """f' as a function of the output y."""
    if name == "sigmoid":
        return y - y * y
    if name == "tanh":
        return (1 - y) * (1 + y)
    if name == "relu":
        return np.sign(np.maximum(y, 0))
    if name == "leaky_relu":
        return np.where(y > 0, 1, alpha)
    if name == "elu":
        return np.where(y > 0, 1, y + alpha)
    return np.ones_like(y)


def activation_rows() -> list[Operation]:
    rows = []
    for name in ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu"):
        alpha = ALPHA.get(name, 0.0)

        def forward(sizes: Sizes, rng: np.random.Generator, name: str = name, alpha: float = alpha) -> Arguments:
            x = rng.standard_normal(sizes) * 4
            x.reshape(-1)[: min(x.size, 7)] = np.array([0, -0.0, 1e-7, -1e-7, 30, -30, 90])[: x.size]
            return {"x": x, "activation": name, "alpha": alpha, "out": nan(*sizes)}

        def backward(sizes: Sizes, rng: np.random.Generator, name: str = name, alpha: float = alpha) -> Arguments:
            x = away_from_zero(rng, sizes)
            y = activate(x, name, alpha)
            return {
                "dy": rng.standard_normal(sizes),
                "y": y,
                "activation": name,
                "alpha": alpha,
                "dx": nan(*sizes),
                "#x": x,
            }

        def loss(a: Arguments, kernels: Any) -> float:
            out = np.empty_like(a["#x"])
            kernels.activation_forward(a["#x"], a["activation"], a["alpha"], out)
            return float((out * a["dy"]).sum())

        rows += [
            Operation("activation_forward", name, FLAT, forward,
                      lambda a: {"out": activate(a["x"], a["activation"], a["alpha"])}, elementwise=True,
                      bench=(256, 4096)),
            Operation("activation_backward", name, FLAT, backward,
                      lambda a: {"dx": a["dy"] * slope(a["y"], a["activation"], a["alpha"])},
                      loss=loss, gradients={"#x": "dx"}, bench=(256, 4096)),
        ]  # fmt: skip
    return rows


# Affine ---------------------------------------------------------------------------------------------


def affine_make(sizes: Sizes, rng: np.random.Generator, activation: str, with_bias: bool) -> Arguments:
    n, d, m = sizes
    return {
        "x": rng.standard_normal((n, d)),
        "weight": rng.standard_normal((d, m)) / max(d, 1) ** 0.5,
        "bias": rng.standard_normal(m) if with_bias else None,
        "activation": activation,
        "alpha": ALPHA.get(activation, 0.0),
        "out": nan(n, m),
    }


def affine_answer(a: Arguments) -> dict[str, Any]:
    z = np.einsum("nd,dm->nm", a["x"], a["weight"]) + (0 if a["bias"] is None else a["bias"])
    return {"out": activate(z, a["activation"], a["alpha"])}


def affine_backward_make(
    sizes: Sizes, rng: np.random.Generator, activation: str, with_bias: bool, with_dx: bool
) -> Arguments:
    forward = affine_make(sizes, rng, activation, with_bias)
    n, d, m = sizes
    y = affine_answer(forward)["out"]
    dz = None if activation == "identity" and with_bias else nan(n, m)
    return {
        "dy": rng.standard_normal((n, m)), "x": forward["x"], "weight": forward["weight"], "y": y,
        "activation": activation, "alpha": forward["alpha"], "dz": dz, "dx": nan(n, d) if with_dx else None,
        "dweight": nan(d, m), "dbias": nan(m) if with_bias else None, "#bias": forward["bias"],
    }  # fmt: skip


def affine_backward_answer(a: Arguments) -> dict[str, Any]:
    dz = a["dy"] * slope(a["y"], a["activation"], a["alpha"])
    answer = {"dweight": np.einsum("nd,nm->dm", a["x"], dz)}
    if a["dz"] is not None:
        answer["dz"] = dz
    if a["dbias"] is not None:
        answer["dbias"] = np.einsum("nm->m", dz)
    if a["dx"] is not None:
        answer["dx"] = np.einsum("nm,dm->nd", dz, a["weight"])
    return answer


def affine_loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["y"])
    kernels.affine_forward(a["x"], a["weight"], a["#bias"], a["activation"], a["alpha"], out)
    return float((out * a["dy"]).sum())


def affine_rows() -> list[Operation]:
    rows = []
    for activation, with_bias, with_dx in (
        ("identity", True, True), ("identity", False, False), ("relu", True, True), ("sigmoid", True, False),
        ("tanh", False, True), ("leaky_relu", True, True), ("elu", True, True),
    ):  # fmt: skip
        options = f"{activation}-{'bias' if with_bias else 'nobias'}"
        gradients = {"x": "dx"} if with_dx else {}
        gradients |= {"weight": "dweight"} | ({"#bias": "dbias"} if with_bias else {})
        rows += [
            Operation("affine_forward", options, PRODUCTS,
                      lambda s, r, f=activation, b=with_bias: affine_make(s, r, f, b), affine_answer, tolerance=32,
                      bench=(128, 784, 512)),
            Operation("affine_backward", options + ("" if with_dx else "-nodx"), PRODUCTS,
                      lambda s, r, f=activation, b=with_bias, x=with_dx: affine_backward_make(s, r, f, b, x),
                      affine_backward_answer, tolerance=32, loss=affine_loss, gradients=gradients,
                      bench=(128, 784, 512)),
        ]  # fmt: skip
    return rows


# Batch normalization --------------------------------------------------------------------------------


def batchnorm_make(sizes: Sizes, rng: np.random.Generator, activation: str) -> Arguments:
    n, c = sizes
    return {
        "x": rng.standard_normal((n, c)) * 2 + 3, "gamma": rng.standard_normal(c), "beta": rng.standard_normal(c),
        "epsilon": 1e-5, "momentum": 0.9, "running_mean": rng.standard_normal(c), "running_var": rng.random(c),
        "activation": activation, "alpha": ALPHA.get(activation, 0.0),
        "mean": nan(c), "rstd": nan(c), "out": nan(n, c),
    }  # fmt: skip


def batchnorm_answer(a: Arguments) -> dict[str, Any]:
    x, n = a["x"], len(a["x"])
    mean, var = x.mean(axis=0), x.var(axis=0)
    rstd = (var + a["epsilon"]) ** -0.5
    z = a["gamma"] * ((x - mean) * rstd) + a["beta"]
    return {
        "out": activate(z, a["activation"], a["alpha"]), "mean": mean, "rstd": rstd,
        "running_mean": 0.9 * a["running_mean"] + 0.1 * mean,
        "running_var": 0.9 * a["running_var"] + 0.1 * var * (n / (n - 1)),
    }  # fmt: skip


def batchnorm_backward_make(sizes: Sizes, rng: np.random.Generator, activation: str, with_dx: bool) -> Arguments:
    forward = batchnorm_make(sizes, rng, activation)
    done = batchnorm_answer(forward)
    n, c = sizes
    dy = rng.standard_normal((n, c))
    dy[np.abs(done["out"]) < 1e-4] = 0  # at ReLU's corner rounding decides
    return {
        "dy": dy, "x": forward["x"], "gamma": forward["gamma"], "beta": forward["beta"], "mean": done["mean"],
        "rstd": done["rstd"], "activation": activation, "alpha": forward["alpha"],
        "dx": nan(n, c) if with_dx else None, "dgamma": nan(c), "dbeta": nan(c),
    }  # fmt: skip


def batchnorm_backward_answer(a: Arguments) -> dict[str, Any]:
    """By the full Jacobian of the normalization of one column, so that nothing is shared with the kernel's formula."""
    centred = a["x"] - a["mean"]
    normalized = centred * a["rstd"]
    y = activate(a["gamma"] * normalized + a["beta"], a["activation"], a["alpha"])
    dz = a["dy"] * slope(y, a["activation"], a["alpha"])
    n = len(dz)
    answer = {"dgamma": (dz * normalized).sum(axis=0), "dbeta": dz.sum(axis=0)}
    if a["dx"] is not None:
        dvar = (dz * a["gamma"] * centred).sum(axis=0) * -0.5 * a["rstd"] ** 3
        dmean = -(dz * a["gamma"] * a["rstd"]).sum(axis=0) - 2 * dvar * centred.mean(axis=0)
        answer["dx"] = dz * a["gamma"] * a["rstd"] + dvar * 2 * centred / n + dmean / n
    return answer


def batchnorm_loss(a: Arguments, kernels: Any) -> float:
    c = a["x"].shape[1]
    out = np.empty_like(a["x"])
    kernels.batchnorm_forward(
        a["x"], a["gamma"], a["beta"], 1e-5, 0.9, np.zeros(c), np.ones(c), a["activation"], a["alpha"],
        np.empty(c), np.empty(c), out,
    )  # fmt: skip
    return float((out * a["dy"]).sum())


def inference_make(sizes: Sizes, rng: np.random.Generator, activation: str) -> Arguments:
    n, c = sizes
    return {
        "x": rng.standard_normal((n, c)), "gamma": rng.standard_normal(c), "beta": rng.standard_normal(c),
        "mean": rng.standard_normal(c), "var": rng.random(c), "epsilon": 1e-5,
        "activation": activation, "alpha": ALPHA.get(activation, 0.0), "out": nan(n, c),
    }  # fmt: skip


def inference_answer(a: Arguments) -> dict[str, Any]:
    scale = a["gamma"] / np.sqrt(a["var"] + a["epsilon"])
    return {"out": activate(a["x"] * scale + (a["beta"] - a["mean"] * scale), a["activation"], a["alpha"])}


def batchnorm_rows() -> list[Operation]:
    rows = []
    for activation in ("identity", "relu", "tanh"):
        gradients = {"x": "dx", "gamma": "dgamma", "beta": "dbeta"}
        rows += [
            Operation("batchnorm_forward", activation, ROWS, lambda s, r, f=activation: batchnorm_make(s, r, f),
                      batchnorm_answer, tolerance=64, bench=(256, 4096)),
            Operation("batchnorm_backward", activation, ROWS,
                      lambda s, r, f=activation: batchnorm_backward_make(s, r, f, True), batchnorm_backward_answer,
                      tolerance=64, loss=batchnorm_loss, gradients=gradients, bench=(256, 4096)),
            Operation("batchnorm_inference", activation, ((0, 3), (1, 5), *ROWS),
                      lambda s, r, f=activation: inference_make(s, r, f), inference_answer, tolerance=64,
                      bench=(256, 4096)),
        ]  # fmt: skip
    rows.append(
        Operation("batchnorm_backward", "relu-nodx", ROWS,
                  lambda s, r: batchnorm_backward_make(s, r, "relu", False), batchnorm_backward_answer, tolerance=64)
    )  # fmt: skip
    return rows


# Dropout, losses, data ------------------------------------------------------------------------------


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 on plain integers, as in the paper (Salmon et al. 2011, section 3.3)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def dropout_mask(size: int, rate: float, seed: int, stream: int, step: int) -> np.ndarray:
    """Element i of a group of 128: word i // 32, its low half for i % 32 < 16, of the counter i % 16."""
    threshold = int(rate * 65536 + 0.5)
    keep = np.zeros(size, bool)
    key = (seed % 2**32, seed // 2**32)
    for i in range(size):
        group, place = divmod(i, 128)
        block = group * 16 + place % 16
        word = philox((block % 2**32, block // 2**32, stream, step), key)[place // 32]
        keep[i] = (word >> (16 * (place // 16 % 2))) % 65536 >= threshold
    return keep


def dropout_make(sizes: Sizes, rng: np.random.Generator, rate: float, seed: int) -> Arguments:
    x = away_from_zero(rng, sizes)
    return {"x": x, "rate": rate, "seed": seed, "stream": 3, "step": 70_000, "out": nan(*sizes)}


def dropout_answer(a: Arguments) -> dict[str, Any]:
    keep = dropout_mask(a["x"].size, a["rate"], a["seed"], a["stream"], a["step"]).reshape(a["x"].shape)
    return {"out": a["x"] * keep * (65536 / (65536 - int(a["rate"] * 65536 + 0.5)))}


def labels(rng: np.random.Generator, n: int, c: int) -> np.ndarray:
    return rng.integers(0, c, n)


def cross_entropy_make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    n, c = sizes
    return {"logits": rng.standard_normal((n, c)) * 3, "labels": labels(rng, n, c), "dlogits": nan(n, c)}


def log_softmax(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.longdouble)  # a chain of logaddexp over 1,000 classes costs three digits
    return (wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)).astype(np.float64)


def cross_entropy_answer(a: Arguments) -> dict[str, Any]:
    n, c = a["logits"].shape
    logp = log_softmax(a["logits"])
    onehot = np.eye(c)[a["labels"]]
    return {"return": -(logp * onehot).sum() / n, "dlogits": (np.exp(logp) - onehot) / n}


def cross_entropy_loss(a: Arguments, kernels: Any) -> float:
    return float(kernels.softmax_cross_entropy(a["logits"], a["labels"], np.empty_like(a["logits"])))


CLASSES: tuple[Sizes, ...] = ((1, 1), (1, 10), (3, 2), (7, 15), (32, 10), (64, 17), (5, 1000), (513, 33))


def gather_make(sizes: Sizes, rng: np.random.Generator, dtype: str) -> Arguments:
    n, d, b = sizes
    x = rng.integers(0, 256, (n, d)).astype(np.uint8) if dtype == "uint8" else rng.standard_normal((n, d))
    divisor = 255 if dtype == "uint8" else 1
    return {
        "x": x,
        "indices": rng.integers(0, n, b) if n else np.zeros(0, np.int64),
        "divisor": divisor,
        "out": nan(b, d),
    }


def loss_rows() -> list[Operation]:
    rows = [
        Operation("dropout", f"rate {rate}", FLAT, lambda s, r, rate=rate, seed=seed: dropout_make(s, r, rate, seed),
                  dropout_answer, tolerance=1, bench=(256, 4096))
        for rate, seed in ((0.0, 0), (0.5, 1), (0.1, 2**63 + 5), (0.99, 2**32))
    ]  # fmt: skip
    rows += [
        Operation("softmax", "", ((0, 3), (3, 0), *CLASSES),
                  lambda s, r: {"x": r.standard_normal(s) * 5, "out": nan(*s)},
                  lambda a: {"out": np.exp(log_softmax(a["x"])) if a["x"].size else a["x"]}, tolerance=32,
                  bench=(4096, 1000)),
        Operation("softmax_cross_entropy", "", CLASSES, cross_entropy_make, cross_entropy_answer, floor=1e-3,
                  loss=cross_entropy_loss, gradients={"logits": "dlogits"}, bench=(4096, 1000)),
    ]  # fmt: skip
    gathers = ((1, 1, 1), (10, 7, 25), (100, 784, 32), (4, 3, 0), (5, 0, 3))
    rows += [
        Operation("gather", dtype, gathers, lambda s, r, t=dtype: gather_make(s, r, t),
                  lambda a: {"out": np.take(a["x"], a["indices"], axis=0) / a["divisor"]}, tolerance=1,
                  bench=(10_000, 784, 128))
        for dtype in ("uint8", "float")
    ]  # fmt: skip
    return rows


# Optimizers -----------------------------------------------------------------------------------------


def step_make(names: tuple[str, ...], settings: dict[str, Any]) -> Callable[[Sizes, np.random.Generator], Arguments]:
    def make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
        state = {name: np.abs(rng.standard_normal(sizes)) for name in names}
        return {"parameters": rng.standard_normal(sizes), "gradients": rng.standard_normal(sizes), **state, **settings}

    return make


def momentum_answer(a: Arguments) -> dict[str, Any]:
    v = 0.9 * a["velocity"] - 0.1 * a["gradients"]
    return {"velocity": v, "parameters": a["parameters"] + v}


def nesterov_answer(a: Arguments) -> dict[str, Any]:
    v = 0.9 * a["velocity"] - 0.1 * a["gradients"]
    return {"velocity": v, "parameters": a["parameters"] - 0.9 * a["velocity"] + 1.9 * v}


def adagrad_answer(a: Arguments) -> dict[str, Any]:
    h = a["squares"] + a["gradients"] ** 2
    return {"squares": h, "parameters": a["parameters"] - 0.1 * a["gradients"] / (h**0.5 + 1e-7)}


def rmsprop_answer(a: Arguments) -> dict[str, Any]:
    h = 0.9 * a["squares"] + 0.1 * a["gradients"] ** 2
    return {"squares": h, "parameters": a["parameters"] - 0.1 * a["gradients"] / (h**0.5 + 1e-7)}


def adam_answer(a: Arguments) -> dict[str, Any]:
    m = 0.9 * a["first"] + 0.1 * a["gradients"]
    v = 0.999 * a["second"] + 0.001 * a["gradients"] ** 2
    corrected = (m / (1 - 0.9**3)) / ((v / (1 - 0.999**3)) ** 0.5 + 1e-8)
    return {"first": m, "second": v, "parameters": a["parameters"] - 0.1 * corrected}


def penalty_make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    return {"weight": away_from_zero(rng, sizes), "l1": 0.3, "l2": 0.2, "dweight": rng.standard_normal(sizes)}


def penalty_answer(a: Arguments) -> dict[str, Any]:
    w = a["weight"]
    value = 0.3 * np.linalg.norm(w.ravel(), 1) + 0.1 * np.dot(w.ravel(), w.ravel())
    return {"return": value, "dweight": a["dweight"] + 0.3 * np.sign(w) + 0.2 * w}


def optimizer_rows() -> list[Operation]:
    rate = {"learning_rate": 0.1}
    adam = {**rate, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "step": 3}
    big = (1_000_000,)
    return [
        Operation("sgd_step", "", LONG, step_make((), rate),
                  lambda a: {"parameters": a["parameters"] - 0.1 * a["gradients"]}, bench=big),
        Operation("momentum_step", "", LONG, step_make(("velocity",), {**rate, "momentum": 0.9}), momentum_answer,
                  bench=big),
        Operation("nesterov_step", "", LONG, step_make(("velocity",), {**rate, "momentum": 0.9}), nesterov_answer,
                  bench=big),
        Operation("adagrad_step", "", LONG, step_make(("squares",), {**rate, "epsilon": 1e-7}), adagrad_answer,
                  bench=big),
        Operation("rmsprop_step", "", LONG, step_make(("squares",), {**rate, "decay": 0.9, "epsilon": 1e-7}),
                  rmsprop_answer, bench=big),
        Operation("adam_step", "", LONG, step_make(("first", "second"), adam), adam_answer, bench=big),
        Operation("polyak_step", "", LONG,
                  lambda s, r: {"average": r.standard_normal(s), "parameters": r.standard_normal(s), "decay": 0.99},
                  lambda a: {"average": 0.99 * a["average"] + 0.01 * a["parameters"]}, bench=big),
        Operation("penalty", "", (*LONG, (3, 5)), penalty_make, penalty_answer, bench=big),
    ]  # fmt: skip


OPERATIONS: list[Operation] = [
    *activation_rows(),
    *affine_rows(),
    *batchnorm_rows(),
    *loss_rows(),
    *optimizer_rows(),
]
