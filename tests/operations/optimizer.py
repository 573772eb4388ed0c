"""Penalties and optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .table import LONG, Arguments, Operation, Sizes, away_from_zero


def step_make(names: tuple[str, ...], settings: dict[str, Any]) -> Callable[[Sizes, np.random.Generator], Arguments]:
    def make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
        state = {name: np.abs(rng.standard_normal(sizes)) for name in names}
        return {"parameters": rng.standard_normal(sizes), "gradients": rng.standard_normal(sizes), **state, **settings}

    return make


def gradient(a: Arguments) -> np.ndarray:
    """With the gradient of the coupled decay."""
    return a["gradients"] + a["weight_decay"] * a["parameters"]


def momentum_answer(a: Arguments) -> dict[str, Any]:
    v = 0.9 * a["velocity"] - 0.1 * gradient(a)
    return {"velocity": v, "parameters": a["parameters"] + v}


def nesterov_answer(a: Arguments) -> dict[str, Any]:
    v = 0.9 * a["velocity"] - 0.1 * gradient(a)
    return {"velocity": v, "parameters": a["parameters"] - 0.9 * a["velocity"] + 1.9 * v}


def adagrad_answer(a: Arguments) -> dict[str, Any]:
    h = a["squares"] + gradient(a) ** 2
    return {"squares": h, "parameters": a["parameters"] - 0.1 * gradient(a) / (h**0.5 + 1e-7)}


def rmsprop_answer(a: Arguments) -> dict[str, Any]:
    h = 0.9 * a["squares"] + 0.1 * gradient(a) ** 2
    return {"squares": h, "parameters": a["parameters"] - 0.1 * gradient(a) / (h**0.5 + 1e-7)}


def adam_answer(a: Arguments) -> dict[str, Any]:
    decoupled, corrected = a["decoupled"], a["bias_correction"]
    g = a["gradients"] if decoupled else gradient(a)
    m = 0.9 * a["first"] + 0.1 * g
    v = 0.999 * a["second"] + 0.001 * g**2
    first, second = (m / (1 - 0.9**3), v / (1 - 0.999**3)) if corrected else (m, v)
    kept = a["parameters"] * (1 - 0.1 * a["weight_decay"]) if decoupled else a["parameters"]
    return {"first": m, "second": v, "parameters": kept - 0.1 * first / (second**0.5 + 1e-8)}


def nadam_answer(a: Arguments) -> dict[str, Any]:
    g = gradient(a)
    m = 0.9 * a["first"] + 0.1 * g
    v = 0.999 * a["second"] + 0.001 * g**2
    root = (v / (1 - 0.999**3)) ** 0.5 + 1e-8
    return {"first": m, "second": v, "parameters": a["parameters"] - 0.05 * g / root - 0.08 * m / root}


def lion_answer(a: Arguments) -> dict[str, Any]:
    up = 0.9 * a["first"] + 0.1 * a["gradients"] > 0
    kept = a["parameters"] * (1 - 0.1 * a["weight_decay"])
    return {"first": 0.99 * a["first"] + 0.01 * a["gradients"], "parameters": kept - np.where(up, 0.1, -0.1)}


def penalty_make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    return {"weight": away_from_zero(rng, sizes), "l1": 0.3, "l2": 0.2, "dweight": rng.standard_normal(sizes)}


def penalty_answer(a: Arguments) -> dict[str, Any]:
    w = a["weight"]
    value = 0.3 * np.linalg.norm(w.ravel(), 1) + 0.1 * np.dot(w.ravel(), w.ravel())
    return {"return": value, "dweight": a["dweight"] + 0.3 * np.sign(w) + 0.2 * w}


def rows() -> list[Operation]:
    rate, moments = {"learning_rate": 0.1}, {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "step": 3}
    big = (1_000_000,)
    rows = []
    for decay in (0.0, 0.3):
        options, bench, last = (
            (f"decay {decay}", None, {"weight_decay": decay}) if decay else ("", big, {"weight_decay": 0.0})
        )
        momentum = step_make(("velocity",), {**rate, "momentum": 0.9, **last})
        rows += [
            Operation("sgd_step", options, LONG, step_make((), {**rate, **last}),
                      lambda a: {"parameters": a["parameters"] - 0.1 * gradient(a)}, bench=bench),
            Operation("momentum_step", options, LONG, momentum, momentum_answer, bench=bench),
            Operation("nesterov_step", options, LONG, momentum, nesterov_answer, bench=bench),
            Operation("adagrad_step", options, LONG, step_make(("squares",), {**rate, "epsilon": 1e-7, **last}),
                      adagrad_answer, bench=bench),
            Operation("rmsprop_step", options, LONG,
                      step_make(("squares",), {**rate, "decay": 0.9, "epsilon": 1e-7, **last}), rmsprop_answer,
                      bench=bench),
            Operation("nadam_step", options, LONG,
                      step_make(("first", "second"), {"gradient_rate": 0.05, "momentum_rate": 0.08, **moments, **last}),
                      nadam_answer, bench=bench),
            Operation("lion_step", options, LONG,
                      step_make(("first",), {**rate, "beta1": 0.9, "beta2": 0.99, **last}), lion_answer, bench=bench),
        ]  # fmt: skip
    for options, decay, decoupled, corrected in (
        ("", 0.0, False, True), ("decay", 0.3, False, True), ("decoupled", 0.3, True, True),
        ("uncorrected", 0.0, False, False),
    ):  # fmt: skip
        settings = {"weight_decay": decay, "decoupled": decoupled, "bias_correction": corrected}
        rows.append(
            Operation("adam_step", options, LONG, step_make(("first", "second"), {**rate, **moments, **settings}),
                      adam_answer, bench=None if options else big)
        )  # fmt: skip
    rows += [
        Operation("polyak_step", "", LONG,
                  lambda s, r: {"average": r.standard_normal(s), "parameters": r.standard_normal(s), "decay": 0.99},
                  lambda a: {"average": 0.99 * a["average"] + 0.01 * a["parameters"]}, bench=big),
        Operation("penalty", "", (*LONG, (3, 5)), penalty_make, penalty_answer, bench=big),
    ]  # fmt: skip
    return rows
