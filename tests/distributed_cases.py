"""What test_distributed runs: here alone, and by `mpirun -n K python distributed_cases.py FOLDER` in K processes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import pynn

Found = dict[str, Any]


def rank() -> int:
    """Of this process; 0 where it is alone."""
    module = sys.modules.get("mpi4py.MPI")
    return 0 if module is None else int(module.COMM_WORLD.Get_rank())


def samples(dtype: str, count: int = 101) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 5, count)
    return (rng.standard_normal((count, 20)) + np.eye(5, 20)[y]).astype(dtype), y


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.integers(0, 256, (43, 6, 6, 3)).astype(np.uint8), rng.integers(0, 3, 43)


def vectors(dtype: str, normalization: type[pynn.Layer], *end: pynn.Layer) -> pynn.Sequential:
    """Every layer that draws numbers, and stochastic depth."""
    return pynn.Sequential(
        pynn.Affine(16, penalty=pynn.L1(1e-3)), normalization(), pynn.ReLU(),
        pynn.Dropout(pynn.FlatCosine(0.4, 4)),
        pynn.GaussianNoise(0.1), pynn.DropConnect(12, 0.3), pynn.Tanh(),
        pynn.Residual(pynn.Affine(12), normalization(), pynn.ReLU(), survival=0.6),
        *(end or (pynn.Affine(5),)), dtype=dtype,
    )  # fmt: skip


def result(model: pynn.Sequential, history: pynn.History) -> Found:
    numbers = {name: values for name, values in history.items() if name != "samples_per_second"}
    tensors = {name: array for name, array in model.tensors().items() if not name.endswith("running_var")}
    variances = {name: array for name, array in model.tensors().items() if name.endswith("running_var")}
    return {
        **numbers,
        "parameters": model.parameters,
        **{n: tensors[n] for n in tensors if "running" in n},
        **variances,
    }


def largest(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(np.abs(outputs).max())


def trained(model: pynn.Sequential, distributed: Any, x: Any, y: Any = None, **options: Any) -> Found:
    options = {"epochs": 3, "batch_size": 16, "progress": False, "optimizer": pynn.Momentum(0.05), **options}
    if y is None:
        del options["batch_size"]
    return result(model, model.fit(x, y, distributed=distributed, **options))


def everything(dtype: str, normalization: type[pynn.Layer], distributed: Any) -> Found:
    """Weights, penalties, metrics, validation; 101 samples in batches of 16 leave a last one of 5."""
    x, y = samples(dtype)
    return trained(
        vectors(dtype, normalization), distributed, x, y, validation=(x[:31], y[:31]), penalty=pynn.L2(1e-3),
        sample_weight=np.linspace(0, 2, len(x)), class_weight={0: 3.0}, metrics=["accuracy", "f1", "top3", largest],
    )  # fmt: skip


def gradient(dtype: str, distributed: Any) -> Found:
    """Of one batch whose parts are of different sizes."""
    x, y = samples(dtype, 39)
    model = vectors(dtype, pynn.LayerNorm)
    trained(model, distributed, x, y, epochs=1, batch_size=39, sample_weight=np.linspace(0, 1, 39))
    return {"gradients": model.gradients}


def pictures(distributed: Any) -> Found:
    x, y = images()
    model = pynn.Sequential(
        pynn.Conv2d(4, 3), pynn.BatchNorm(), pynn.ReLU(), pynn.SpatialDropout(0.3), pynn.MaxPool2d(2),
        pynn.Residual(pynn.Conv2d(4, 3, padding=1), pynn.BatchNorm()), pynn.ReLU(), pynn.Flatten(), pynn.Affine(3),
        dtype="float64",
    )  # fmt: skip
    return trained(
        model, distributed, x, y, batch_size=10, augmentation=[pynn.Flip(), pynn.PadCrop(1)], prefetch=1,
        preprocessing=pynn.MeanSubtraction(), validation=0.2,
    )  # fmt: skip


def given_batches(distributed: Any) -> Found:
    """Of 2, 3 and 7 samples, with weights; the model is built on the first one."""
    x, y = samples("float64", 12)
    parts = [slice(0, 2), slice(2, 5), slice(5, 12)]
    return trained(vectors("float64", pynn.LayerNorm), distributed, [(x[p], y[p], np.arange(12.0)[p]) for p in parts])


def tree(distributed: Any) -> Found:
    x, y = samples("float64")
    return trained(vectors("float64", pynn.BatchNorm, pynn.HierarchicalSoftmax(5)), distributed, x, y, batch_size=25)


def structured(distributed: Any) -> Found:
    """Answers of several labels; the last batch has 3 samples, so that some parts of it have none."""
    x, y = samples("float64", 19)
    labels = np.stack([y % 2, y // 2], axis=1)
    model = pynn.Sequential(pynn.Affine(6), pynn.Reshape(2, 3), pynn.Transitions(3), dtype="float64")
    return trained(model, distributed, x, labels, batch_size=8, loss=pynn.StructuredHinge(pynn.ViterbiChain()))


class OwnHinge(pynn.Hinge):
    """A custom loss that counts each of a sample's predictions."""

    def correct(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.stack([outputs.argmax(axis=1) == targets] * 2, axis=1)


def own_loss(distributed: Any) -> Found:
    x, y = samples("float64", 19)
    model = pynn.Sequential(pynn.Affine(5), dtype="float64")
    return trained(model, distributed, x, y, batch_size=8, loss=OwnHinge())


def numbers(distributed: Any) -> Found:
    x, _ = samples("float64", 30)
    model = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(1), dtype="float64")
    y = x.sum(axis=1, keepdims=True)
    return trained(model, distributed, x, y, loss="l2", metrics=["r2", "mae"], validation=lambda m: {"rank": rank()})


def callbacks(distributed: Any) -> Found:
    """What listens, writes and stops."""
    x, y = samples("float64")
    stopping = pynn.EarlyStopping(patience=2)
    found = trained(
        vectors("float64", pynn.LayerNorm), distributed, x, y, validation=(x[:40], y[:40]), epochs=30,
        optimizer=pynn.Momentum(pynn.ReduceOnPlateau(0.3, patience=1)),
        callbacks=[stopping, pynn.CSVLogger("table.csv"), pynn.ModelCheckpoint("{epoch}.safetensors")],
    )  # fmt: skip
    return {**found, "best_epoch": stopping.best_epoch}


def resumed(distributed: Any) -> Found:
    """Two runs of two epochs, of which the second goes on in the middle of one; and one of four in one go."""
    x, y = samples("float64")

    def run(folder: str, **options: Any) -> Found:
        keeper = pynn.Checkpoint(folder, every_steps=2, keep=9)
        model = vectors("float64", pynn.LayerNorm)
        return trained(model, distributed, x, y, checkpoint=keeper, epochs=4, metrics=["accuracy", "f1"], **options)

    class Last(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 10:
                trainer.stop("enough")

    run("killed", callbacks=[Last()])
    again, whole = run("killed", resume=True), run("whole")
    return {**whole, **{f"resumed {name}": values for name, values in again.items()}}


def stopped_by_one(distributed: Any) -> Found:
    """The last process alone stops."""

    class Once(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 3 and (distributed is False or rank() == distributed.size - 1):
                trainer.stop("one has had enough")

    model, (x, y) = vectors("float64", pynn.LayerNorm), samples("float64")
    history = model.fit(x, y, batch_size=16, progress=False, callbacks=[Once()], distributed=distributed)
    return {"parameters": model.parameters, "step": model.context.step, "stopped": history.stopped}


def raising(distributed: Any, **options: Any) -> str:
    """What `fit` raises here, and that the next one works."""
    model, (x, y) = vectors("float32", pynn.LayerNorm), samples("float32")
    options = {"x": x, "y": y, "epochs": 2, "batch_size": 16, "progress": False, **options}
    try:
        model.fit(distributed=distributed, **options)
    except (Exception, KeyboardInterrupt) as error:
        return f"{type(error).__name__} at {model.context.step}: {error}"
    return "nothing"


class Interrupted(pynn.Callback):
    """Ctrl-C in one process."""

    def __init__(self, where: int) -> None:
        self.where = where

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        if trainer.step == 3 and rank() == self.where:
            os.kill(os.getpid(), signal.SIGINT)


class Spoilt(Interrupted):
    """Somebody changes the weights in one process."""

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        if rank() == self.where:
            trainer.model.parameters[0] += 1


def interrupted(distributed: Any) -> str:
    """As `raising`, where Ctrl-C strikes; a shell's background jobs ignore it otherwise."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return raising(distributed, callbacks=[Interrupted(1 if distributed else 0)])
    finally:
        signal.signal(signal.SIGINT, before)


def errors(distributed: Any) -> Found:
    x, y = samples("float32")
    bad, other, own = x.copy(), x.copy(), distributed is not False and rank() == 1
    bad[5] = 1e30
    other[0] += 1
    return {
        "NaN": raising(distributed, x=bad * np.float32(1e8), loss="l2", y=np.zeros((101, 5))),
        "interrupt": interrupted(distributed),
        "one cannot": raising(distributed, y=np.where(np.arange(len(y)), y, 99) if own else y),
        "other labels": raising(distributed, y=y + 9 if own else y),
        "other data": raising(distributed, x=other if own else x),
        "other size": raising(distributed, batch_size=8 if own else 16),
        "all cannot": raising(distributed, batch_size=0),
        "spoilt": raising(distributed, callbacks=[Spoilt(1)]),
        "no samples": raising(distributed, x=x[:3], y=y[:3], batch_size=3),
    }


def synced(distributed: Any) -> Any:
    return distributed and pynn.Distributed(sync_batchnorm=True)


CASES = {
    "float64": lambda d: everything("float64", pynn.LayerNorm, d),
    "float32": lambda d: everything("float32", pynn.LayerNorm, d),
    "gradient float64": lambda d: gradient("float64", d),
    "gradient float32": lambda d: gradient("float32", d),
    "batchnorm float64": lambda d: everything("float64", pynn.BatchNorm, synced(d)),
    "batchnorm float32": lambda d: everything("float32", pynn.BatchNorm, synced(d)),
    "batchnorm of parts": lambda d: everything("float64", pynn.BatchNorm, d),
    "pictures": lambda d: pictures(synced(d)),
    "given batches": given_batches,
    "tree": lambda d: tree(synced(d)),
    "numbers": numbers,
    "structured": structured,
    "own loss": own_loss,
    "callbacks": callbacks,
    "resumed": resumed,
    "stopped by one": stopped_by_one,
    "errors": errors,
}


def run_all(folder: Path, distributed: Any) -> None:
    """Write what each case finds to a file of this process, in a folder of its own for those that write files."""
    for name, case in CASES.items():
        place = folder / name.replace(" ", "_")
        place.mkdir(exist_ok=True)
        os.chdir(place)
        np.savez(place / f"found{rank()}.npz", **case(distributed))


if __name__ == "__main__":
    run_all(Path(sys.argv[1]), pynn.Distributed())
