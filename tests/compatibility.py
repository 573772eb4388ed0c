"""Files that an older pynn wrote, in saving/written_by_COMMIT.zip, and beside it what its code made of them.

    python tests/compatibility.py written_by_COMMIT

writes both with the pynn that Python imports; a second call adds the bits of other kernels (PYNN_ISA, PYNN_BACKEND).
The tests read all with the code of today. So this module uses public names alone, as the oldest of the commits has
them.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import pynn

RUNS = ("exact", "rounded")
LAST = {"exact": 5, "rounded": 7}  # the step after which the run ended; both are in the middle of an epoch


class Killed(Exception):
    """The run ends as if the process had been killed."""


class KilledAfter(pynn.Callback):
    """Ends the run; None: not at all. Counts its steps."""

    def __init__(self, step: int | None) -> None:
        self.last, self.steps = step, 0

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        self.steps += 1
        if trainer.step == self.last:
            raise Killed


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 4, 4, 1) of bytes in three classes, by integer arithmetic alone."""
    place = np.arange(count * 16, dtype=np.int64).reshape(count, 4, 4, 1)
    labels = np.arange(count) % 3
    return ((place * 73 + 41) % 97 + 50 * labels.reshape(-1, 1, 1, 1)).astype(np.uint8), labels


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples (N, 3) of small integers, and two numbers to learn from each."""
    x = (np.arange(count * 3, dtype=np.int64) * 5 % 7 % 3 - 1).reshape(count, 3).astype(np.float64)
    return x, x[:, :2] * 0.5 + 0.25


def train_exact(folder: Path, resume: bool, *callbacks: pynn.Callback) -> pynn.Sequential:
    """Every product and sum here is a float64 without rounding, so that all processors give the same bits."""
    x, y = rows(24)
    model = pynn.Sequential(
        pynn.Dropout(0.5), pynn.Affine(2, initializer=pynn.Constant(0.5)), dtype="float64", seed=5
    )  # fmt: skip
    model.fit(
        x[:16], y[:16], validation=(x[16:], y[16:]), loss=pynn.SquaredError(), batch_size=4, epochs=2,
        optimizer=pynn.Momentum(pynn.StepDecay(0.125, 0.5, 1), 0.5), callbacks=callbacks,
        checkpoint=pynn.Checkpoint(folder, every_steps=1, keep=1), resume=resume, progress=False,
    )  # fmt: skip
    return model


def train_rounded(folder: Path, resume: bool, *callbacks: pynn.Callback) -> pynn.Sequential:
    """Much of what a checkpoint holds: running statistics, Adam's moments, what a schedule and a callback remember."""
    x, y = images(30)
    model = pynn.Sequential(  # no bias before the normalization: its gradient would be rounding alone
        pynn.Conv2d(2, use_bias=False), pynn.BatchNorm(), pynn.ReLU(), pynn.Flatten(), pynn.Dropout(0.3),
        pynn.Affine(3), seed=3,
    )  # fmt: skip
    model.fit(
        x[:22], y[:22], validation=(x[22:], y[22:]), batch_size=6, epochs=3, penalty=pynn.L2(1e-3),
        optimizer=pynn.Adam(pynn.Warmup(pynn.ReduceOnPlateau(0.02, factor=0.5, patience=1), 0.7)),
        augmentation=[pynn.Flip(), pynn.PadCrop(1), pynn.Brightness(0.2)], sample_weight=1 + y[:22],
        callbacks=[pynn.EarlyStopping(patience=12), *callbacks],
        checkpoint=pynn.Checkpoint(folder, every_steps=1, keep=1), resume=resume, progress=False,
    )  # fmt: skip
    return model


TRAIN = {"exact": train_exact, "rounded": train_rounded}


def result(model: pynn.Sequential) -> dict[str, np.ndarray]:
    """Everything that a run left: the model's tensors, its optimizer's, and the history without the times."""
    assert model.optimizer is not None
    found = {name: np.array(array) for name, array in model.tensors().items()}
    found |= {f"optimizer {name}": np.array(array) for name, array in model.optimizer.state()["slots"].items()}
    history = {name: values for name, values in model.history.items() if name != "samples_per_second"}
    return found | {f"history {name}": np.array(values, np.float64) for name, values in history.items()}


def digest(arrays: dict[str, np.ndarray]) -> str:
    """Of the bits of all arrays."""
    content = hashlib.sha256()
    for name in sorted(arrays):
        content.update(name.encode() + str(arrays[name].dtype).encode() + arrays[name].tobytes())
    return content.hexdigest()[:32]


def kernels_in_use(run: str) -> str:
    """What the bits of the run depend on."""
    info = pynn.info()
    return "any" if run == "exact" else f"{info.backend} {info.isa} {info.compiler}"


def model() -> pynn.Sequential:
    """A trained classifier with names for its classes, preprocessing, penalties and notes."""
    x, y = images(30)
    classifier = pynn.Sequential(
        pynn.Conv2d(2).named("first"), pynn.BatchNorm(), pynn.LeakyReLU(0.1), pynn.MaxPool2d(2), pynn.Flatten(),
        pynn.Affine(3, penalty=pynn.L2(0.01)), seed=1,
    )  # fmt: skip
    classifier.fit(
        x,
        np.array(["cat", "dog", "emu"])[y],
        epochs=4,
        batch_size=10,
        preprocessing=pynn.Standardization(),
        progress=False,
    )
    classifier.notes = {"ä": [1, None, 0.5]}
    return classifier


def ensemble() -> pynn.Ensemble:
    x, y = rows(24)
    members = []
    for seed in (1, 2):
        member = pynn.Sequential(pynn.Affine(4), pynn.Tanh(), pynn.Affine(2), seed=seed)
        member.fit(x.astype(np.float32), y.astype(np.float32), loss=pynn.SquaredError(), epochs=3, progress=False)
        members.append(member)
    return pynn.Ensemble(members, weights=[1, 3])


def numbers(values: Any) -> list[Any]:
    """As lists; eight digits are more than they are compared to."""
    exact = json.dumps(np.asarray(values, np.float64).tolist())
    found: list[Any] = json.loads(exact, parse_float=lambda text: float(f"{float(text):.8g}"))
    return found


def write_files(archive: zipfile.ZipFile, folder: Path) -> None:
    model().save(folder / "model.safetensors")
    ensemble().save(folder / "ensemble.safetensors")
    for name, train in TRAIN.items():
        with suppress(Killed):
            train(folder / name, False, KilledAfter(LAST[name]))
    for file in sorted(folder.rglob("*.safetensors")):
        archive.write(file, file.relative_to(folder))


def answers(folder: Path) -> dict[str, Any]:
    """What the files in the folder give, and where the runs end that go on from there."""
    classifier, members = pynn.load(folder / "model.safetensors"), pynn.Ensemble.load(folder / "ensemble.safetensors")
    found: dict[str, Any] = {
        "labels": classifier.predict(images(6)[0]).tolist(),
        "model": numbers(classifier.predict_proba(images(6)[0])),
        "ensemble": numbers(members.predict(rows(6)[0].astype(np.float32))),
    }
    for name, train in TRAIN.items():
        rest = KilledAfter(None)
        end = result(train(folder / name, True, rest))
        found[f"steps left of {name}"] = rest.steps
        found[name] = {key: numbers(array) for key, array in end.items() if "optimizer" not in key}
        found[f"bits of {name}"] = {kernels_in_use(name): digest(end)}
    return found


def write(base: Path) -> None:
    path, archive = base.with_suffix(".json"), base.with_suffix(".zip")
    if not archive.exists():
        with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
            write_files(new, Path(scratch))
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(archive) as old:
            old.extractall(scratch)
        found = answers(Path(scratch))
    if path.exists():
        bits = {f"bits of {name}": found[f"bits of {name}"] for name in RUNS}
        found = json.loads(path.read_text(encoding="utf-8"))
        for name, more in bits.items():
            found[name] |= more
    lines = (f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in found.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
