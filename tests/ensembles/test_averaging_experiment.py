"""What averaging is worth where images are few: each method against the plain run, over several seeds.

The quick form runs on the digits that come with pynn. PYNN_FULL=1 takes 2,000 images of MNIST and five seeds:
PYNN_FULL=1 python -m pytest -s tests/ensembles/test_averaging_experiment.py
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import pytest

import pynn

FULL = os.environ.get("PYNN_FULL") == "1"


class Setting(NamedTuple):
    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    seeds: int
    epochs: int
    units: int


@pytest.fixture(scope="module")
def setting() -> Setting:
    if not FULL:
        (x, y), test = (digits := pynn.datasets.digits(test_share=0.6)).train, digits.test
        return Setting((x[:300], y[:300]), (x[300:500], y[300:500]), test, seeds=2, epochs=10, units=64)
    try:
        (x, y), test = (mnist := pynn.datasets.mnist()).train, mnist.test
    except FileNotFoundError as cause:
        pytest.skip(str(cause))
    return Setting((x[:2000], y[:2000]), (x[2000:3000], y[2000:3000]), test, seeds=5, epochs=30, units=256)


def network(seed: int, units: int) -> pynn.Sequential:
    hidden = [layer for _ in range(2) for layer in (pynn.Affine(units), pynn.BatchNorm(), pynn.ReLU())]
    return pynn.Sequential(pynn.Flatten(), *hidden, pynn.Affine(10), seed=seed)


def train(setting: Setting, seed: int, *callbacks: pynn.Callback, rate: Any = 0.1, **settings: Any) -> pynn.Sequential:
    model = network(seed, setting.units)
    model.fit(
        *setting.train, epochs=setting.epochs, batch_size=32, optimizer=pynn.Momentum(rate), callbacks=callbacks,
        progress=False, **settings,
    )  # fmt: skip
    return model


def methods(setting: Setting, seed: int) -> dict[str, float]:
    """Test accuracy by method, of runs that begin with this seed."""
    stopping, cycle = pynn.EarlyStopping(patience=5), setting.epochs // 5
    average, snapshots = pynn.PolyakAverage(decay=None, start=setting.epochs // 2), pynn.SnapshotEnsemble(cycle)
    plain = train(setting, seed)
    others = [train(setting, 1000 + 10 * seed + number) for number in range(4)]
    members = [plain, *others]
    train(setting, seed, snapshots, rate=pynn.CosineRestarts(0.1, cycle))
    moments = snapshots.ensemble()
    found: dict[str, list[Any]] = {
        "plain run": [plain],
        "early stopping": [train(setting, seed, stopping, validation=setting.validation)],
        "Polyak average": [train(setting, seed, average)],
        "5 snapshots of a run": [moments],
        "the mean of each snapshot alone": list(moments),
        "ensemble of 5 models": [pynn.Ensemble(members)],
        "the mean of each model alone": members,
    }
    return {
        name: float(np.mean([one.evaluate(*setting.test)["accuracy"] for one in models]))
        for name, models in found.items()
    }


def test_averages_beat_the_plain_run(setting: Setting) -> None:
    runs = [methods(setting, seed) for seed in range(setting.seeds)]
    table = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    print(f"\n| method | test accuracy, {len(runs)} seeds | better than the plain run |\n|---|---|---|")
    for name, values in table.items():
        gain = values - table["plain run"]
        print(f"| {name} | {values.mean():.2%} ± {values.std():.2%} | {gain.mean():+.2%} ± {gain.std():.2%} |")
    assert (table["ensemble of 5 models"] > table["the mean of each model alone"]).all()
    assert table["5 snapshots of a run"].mean() > table["the mean of each snapshot alone"].mean()
    assert table["Polyak average"].mean() > table["plain run"].mean()
