"""Experiments run in their short form, give a figure for each claim, and can be drawn.

CI runs some of every chapter; without the environment variable CI all of them run.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest

import pynn
from pynn.lab import contents, drawing
from pynn.lab.experiment import Experiment, read
from pynn.lab.outcome import Outcome
from pynn.lab.runner import outcomes

# One experiment of a chapter, the shortest that needs data.
IN_CI = (
    "dead-relu",
    "training-mean",
    "init-mnist",
    "batchnorm-regularizes",
    "bins-vs-l2",
    "weight-decay",
    "dropout",
    "optimizers-mnist",
    "lbfgs-mini-batches",
    "first-loss",
    "random-vs-grid",
    "polyak",
    "colour-offset",
    "transfer",
)
MUST_HOLD = ("gates", "zero-init", "adam-bias-correction", "saddle-and-minimum", "batchnorm-identity")


def is_chosen(name: str) -> bool:
    return "CI" not in os.environ or name in IN_CI or name in MUST_HOLD


def with_data(name: str) -> Experiment:
    experiment = read(name)
    if experiment.data is not None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a part of CIFAR-10 will do
                pynn.datasets.load(experiment.data)
        except (FileNotFoundError, ImportError):
            pytest.skip(f"needs {experiment.data}")
    return experiment


def only(experiment: Experiment, folder: Path, seeds: int) -> Outcome:
    (outcome,) = outcomes([experiment], folder, seeds=seeds, quick=True)
    return outcome


@pytest.mark.slow
@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("name", [name for name in contents.names() if is_chosen(name) and name not in MUST_HOLD])
def test_a_seed_gives_figures_and_a_picture(name: str, tmp_path: Path) -> None:
    outcome = only(with_data(name), tmp_path, seeds=1)
    figures = {verdict.claim.key: verdict.figures[0] for verdict in outcome.verdicts}
    assert all(figure == figure for figure in figures.values()), figures
    assert drawing.png(outcome)[:4] == b"\x89PNG"
    kept = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert len(json.dumps(kept)) < 200_000


@pytest.mark.slow
@pytest.mark.parametrize("name", MUST_HOLD)
def test_what_is_a_matter_of_arithmetic_holds(name: str, tmp_path: Path) -> None:
    if name == "zero-init" and pynn.kernels.backend() != "native":
        pytest.skip("NumPy's products round equal columns differently, and the differences grow")
    outcome = only(with_data(name), tmp_path, seeds=3)
    for verdict in outcome.verdicts:
        assert verdict.holds, (verdict.claim.key, verdict.figures)
