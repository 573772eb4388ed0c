"""The runs that the campaign of kills starts: short, and all that remembers something is in one of them.

Each gets a folder for its files and begins, or goes on where a killed one has left them; it returns what must be the
same bits whatever happened meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import pynn

Results = dict[str, str]


def digits(count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    x, y = pynn.datasets.digits().train
    return x[:count], y[:count]


def dense(folder: Path) -> Results:
    """Dropout, batch normalization, a schedule that listens, early stopping, a table and the best model beside it."""
    x, y = digits()
    model = pynn.Sequential(
        pynn.Flatten(), pynn.Affine(16), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(10), seed=5
    )
    table, best = folder / "log.csv", folder / "best.safetensors"
    writers = [pynn.CSVLogger(table), pynn.ModelCheckpoint(best, save_best_only=True)]
    model.fit(
        x, y, validation=0.2, batch_size=16, epochs=12, penalty=pynn.L2(1e-4), sample_weight=np.linspace(0.5, 2, 150),
        optimizer=pynn.Adam(pynn.Warmup(pynn.ReduceOnPlateau(0.01, patience=1), 0.5)), metrics=["accuracy", "top3"],
        callbacks=[pynn.EarlyStopping(patience=4), *writers],
        checkpoint=pynn.Checkpoint(folder / "a", every_steps=2, keep=3), resume=True, progress=False,
    )  # fmt: skip
    lines = [line.rpartition(",")[0] for line in table.read_text().splitlines()]  # without the samples a second
    return {**of(model), "table": digest("\n".join(lines).encode()), "best": digest(best.read_bytes())}


def averaged(folder: Path) -> Results:
    """Averages of parameters and snapshots."""
    x, y = digits()
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(16), pynn.BatchNorm(), pynn.Tanh(), pynn.Affine(10), seed=6)
    average, snapshots = pynn.PolyakAverage(0.9), pynn.SnapshotEnsemble(2)
    model.fit(
        x, y, batch_size=16, epochs=8, optimizer=pynn.Momentum(pynn.CosineRestarts(0.05, 2), weight_decay=1e-4),
        callbacks=[average, snapshots], checkpoint=pynn.Checkpoint(folder / "a", every_steps=3), resume=True,
        class_weight="balanced", progress=False,
    )  # fmt: skip
    found = of(model)
    average.swap(model, x)
    found["average"] = of(model)["parameters"]
    found["snapshots"] = digest(snapshots.ensemble().predict_proba(x).tobytes())
    return found


def pictures(folder: Path) -> Results:
    """Augmented pictures that another thread prepares, in two runs of one model."""
    x, y = digits()
    model = pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU(), pynn.SpatialDropout(0.1), pynn.MaxPool2d(2),
        pynn.Residual(pynn.Conv2d(4), pynn.BatchNorm(), survival=0.7), pynn.Flatten(), pynn.PReLU(),
        pynn.Affine(10), seed=7,
    )  # fmt: skip
    found = {}
    for part, optimizer in (("a", pynn.Nesterov(pynn.OneCycle(0.05, 3))), ("b", pynn.NAdam(0.003, clip_norm=1.0))):
        model.fit(
            x, y, batch_size=32, epochs=3, optimizer=optimizer, validation=(x[:20], y[:20]), prefetch=2,
            augmentation=[pynn.PadCrop(1), pynn.Rotation(10), pynn.Brightness(0.1)], progress=False,
            checkpoint=pynn.Checkpoint(folder / part, every_seconds=0.003), resume=True,
        )  # fmt: skip
        found |= {f"{part}.{name}": value for name, value in of(model).items()}
    return found


def batches(folder: Path) -> Results:
    """Batches that go by no length, the mean of parameters at the end, and a checkpoint after every step."""

    class Stream:
        def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            x, y = digits()
            return iter([(x[start : start + 21], y[start : start + 21]) for start in range(0, 150, 21)])

    model = pynn.Sequential(pynn.Flatten(), pynn.DropConnect(12, 0.3), pynn.ELU(), pynn.Affine(10), seed=8)
    model.fit(
        Stream(), optimizer=pynn.SGD(pynn.LinearDecay(0.1, 4)), epochs=4, penalty=pynn.L1(1e-4), prefetch=1,
        callbacks=pynn.PolyakAverage(None, start=1),
        checkpoint=pynn.Checkpoint(folder / "a", every_seconds=0, keep=1), resume=True, progress=False,
    )  # fmt: skip
    return of(model)


def sequences(folder: Path) -> Results:
    """Convolutions over time, steps of several batches, preprocessing, numbers as targets."""
    random = np.random.default_rng(0)
    x = random.normal(size=(90, 12, 3)).astype(np.float32)
    y = x.sum(axis=(1, 2), keepdims=False)[:, None]
    model = pynn.Sequential(
        pynn.Conv1d(4, 3),
        pynn.LayerNorm(),
        pynn.GELU(),
        pynn.Flatten(),
        pynn.GaussianNoise(0.1),
        pynn.Affine(1),
        seed=9,
    )
    model.fit(
        x, y, loss="l2", optimizer=pynn.AdamW(0.01), epochs=6, batch_size=8, accumulate=3, metrics=["mae"],
        preprocessing=pynn.Standardization(), target_preprocessing=pynn.Standardization(), progress=False,
        callbacks=pynn.CSVLogger(folder / "log.csv"),
        checkpoint=pynn.Checkpoint(folder / "a", every_steps=1), resume=True,
    )  # fmt: skip
    return of(model)


def saves(folder: Path) -> Results:
    """Two models that are saved in turns under one name, and an ensemble of them: always one of the two is there."""
    models = [pynn.Sequential(pynn.Affine(60), pynn.ReLU(), pynn.Affine(60), seed=seed) for seed in (1, 2)]
    for model in models:
        model.build((60,))
    both = pynn.Ensemble(models)
    for number in range(60):
        models[number % 2].save(folder / "model.safetensors")
        both.save(folder / f"both{number % 2}.safetensors")
    return {path.name: digest(path.read_bytes()) for path in folder.glob("*.safetensors")}


RUNS: dict[str, Callable[[Path], Results]] = {
    run.__name__: run for run in (dense, averaged, pictures, batches, sequences, saves)
}


def check(name: str, folder: Path) -> list[str]:
    """What is wrong with the files that a killed process has left."""
    if name != "saves":
        return []
    wrong = []
    for path in folder.glob("*.safetensors"):
        try:
            pynn.Ensemble.load(path) if path.name.startswith("both") else pynn.load(path)
        except ValueError as error:
            wrong.append(str(error))
    return wrong


def of(model: pynn.Sequential) -> Results:
    """Digests of all that a run leaves in a model."""
    found: dict[str, Any] = {"parameters": model.parameters.tobytes()}
    found |= {name: array.tobytes() for name, array in model.tensors().items()}
    assert model.optimizer is not None
    assert model.history is not None
    state = model.optimizer.state()
    found |= {f"slot {name}": array.tobytes() for name, array in state.pop("slots").items()}
    found["optimizer"] = repr(state).encode()
    history = {name: values for name, values in model.history.items() if name != "samples_per_second"}
    found["history"] = repr((history, model.history.stopped)).encode()
    found["counts"] = repr((model.epoch, model.context.step)).encode()
    return {name: digest(content) for name, content in found.items()}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
