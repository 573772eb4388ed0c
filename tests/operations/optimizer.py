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


def rows() -> list[Operation]:
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
