"""Very many steps, fits and models in one process, with predictions in threads, forks and refused calls between them.

Memory, Python's blocks, threads, file descriptors and files stay where they are after a warm-up of a quarter of the
rounds, and what is computed on the way has the right bits.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gc
import os
import pickle
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import pynn

from . import folders
from . import options as types

ROUNDS = 20
WARM_UP = ROUNDS // 4
MOST_THREADS = 7
# What may be more at the end than after the warm-up. Memory: of the allocator; per step, fit and model it is nothing.
GROWTH = {"memory KB": 6_000, "blocks": 3_000, "threads": 0, "descriptors": 0, "files": 0}

# As many of each kind, or none of it: then all that is made once has been made in the warm-up.
ENOUGH = {"steps": 400, "fits": 60, "models": 20, "forks": 10}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=types.natural, default=100_000, help="training steps (default 100,000)")
    parser.add_argument("--fits", type=types.natural, default=1_000, help="calls of fit (default 1,000)")
    parser.add_argument(
        "--models", type=types.natural, default=1_000, help="models made, saved, loaded, dropped (default 1,000)"
    )
    parser.add_argument("--forks", type=types.natural, default=200, help="forked children (default 200)")


def run(options: argparse.Namespace) -> int:
    """The number of findings."""
    if not Path("/proc/self/fd").is_dir():
        raise types.Unable("it counts what Linux tells in /proc, which is not there")
    with folders.temporary("soak") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tempfile.tempdir = str(folder)
        try:
            return Soak(options.seed, folder).run(options.steps, options.fits, options.models, options.forks)
        finally:
            tempfile.tempdir = None


class Soak:
    """The campaign: its models, what they must say, and what was found."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng, self.folder, self.findings = np.random.default_rng(seed), folder, list[str]()
        images, labels = pynn.datasets.digits().train
        self.x, self.y = images[:240], labels[:240]
        self.stepped = network(0)
        self.stepped.build(self.x.shape[1:])
        self.loss, self.optimizer = pynn.SoftmaxCrossEntropy(), pynn.Adam(1e-4)
        self.model = network(1)
        self.model.fit(self.x, self.y, epochs=1, progress=False)
        self.wanted = {count: self.model.predict_proba(self.x[:count]).tobytes() for count in (1, 3, 17, 64, 200)}
        self.fits = [getattr(self, name) for name in dir(self) if name.startswith("fit_")]
        self.made = 0
        self.refusals = refused_calls(self.model, self.x, self.y, folder)

    def run(self, steps: int, fits: int, models: int, forks: int) -> int:
        header = ("round", "steps", "fits", "models", "forks", *GROWTH, "seconds")
        print("  ".join(f"{name:>11}" for name in header), flush=True)
        begun, rows = time.monotonic(), []
        for number in range(1, ROUNDS + 1):
            done = [(part * number // ROUNDS, part * (number - 1) // ROUNDS) for part in (steps, fits, models, forks)]
            self.round(*(now - before for now, before in done))
            rows.append(measured(self.folder))
            shown = (number, *(now for now, _ in done), *rows[-1].values(), round(time.monotonic() - begun))
            print("  ".join(f"{value:>11,}" for value in shown), flush=True)
        if judged := is_enough(steps, fits, models, forks):
            self.compare(rows)
        for finding in self.findings:
            print(f"FOUND: {finding}")
        if not judged:
            least = ", ".join(f"--{name} {count}" for name, count in ENOUGH.items())
            print(f"too short to judge growth: that takes {least} or more, or 0 of a kind but not of all")
        print(f"{len(self.findings)} findings")
        return len(self.findings)

    def compare(self, rows: list[dict[str, int]]) -> None:
        for name, more in GROWTH.items():
            first, last = max(row[name] for row in rows[WARM_UP - 1 : WARM_UP + 2]), rows[-1][name]
            if last > first + more:
                self.findings.append(f"{name} grew from {first:,} to {last:,}")

    def round(self, steps: int, fits: int, models: int, forks: int) -> None:
        for _ in range(steps):
            self.step()
        for _ in range(fits):
            with self.expecting("fit"):
                self.next_fit()
        for _ in range(models):
            with self.expecting("model"):
                self.make_and_drop()
        with self.expecting("prediction"):
            self.predict_in_threads(forks)
        for what, refused in self.refusals.items():
            try:
                refused()
            except (ValueError, TypeError, RuntimeError, OSError):
                continue
            self.findings.append(f"{what} was not refused")
        pynn.set_num_threads(MOST_THREADS)
        pynn.kernels.affine_forward(BIG, BIG, out=np.empty_like(BIG))  # the team has all its threads
        pynn.set_num_threads(int(self.rng.integers(1, MOST_THREADS)))

    @contextlib.contextmanager
    def expecting(self, what: str) -> Any:
        try:
            yield
        except Exception as error:
            self.findings.append(f"{what}: {type(error).__name__}: {error}")

    def next_fit(self) -> None:
        """All kinds in turns: none comes for the first time after the warm-up."""
        self.made += 1
        self.fits[self.made % len(self.fits)]()

    def step(self) -> None:
        count = int(self.rng.integers(2, 24))
        value = self.stepped.train_step(self.x[:count], self.y[:count], self.loss, self.optimizer)
        if not np.isfinite(value):
            self.findings.append(f"a loss of {value}")

    # Fits, by their names -------------------------------------------------------------------------

    def trained(self, **settings: Any) -> pynn.Sequential:
        model = network(int(self.rng.integers(100)))
        batch_size = int(self.rng.integers(20, 100))
        model.fit(self.x, self.y, **{"epochs": 1, "batch_size": batch_size, "progress": False, **settings})
        return model

    def fit_augmented(self) -> None:
        self.trained(augmentation=[pynn.PadCrop(1), pynn.Rotation(10), pynn.Contrast(0.8, 1.2)], prefetch=2)

    def fit_validated(self) -> None:
        settings = {"validation": 0.2, "metrics": ["accuracy", "f1", "top3"], "epochs": 2}
        table = pynn.CSVLogger(self.folder / "run.csv")
        self.trained(**settings, callbacks=[pynn.EarlyStopping("val_loss", patience=1), table])
        (self.folder / "run.csv").unlink()

    def fit_resumed(self) -> None:
        run = self.folder / "run"
        settings = {"batch_size": 60, "epochs": 2, "optimizer": "adam"}
        model = network(5)
        with contextlib.suppress(InterruptedError):
            model.fit(self.x, self.y, checkpoint=run, progress=False, callbacks=[raises], **settings)
        model = network(5)
        model.fit(self.x, self.y, checkpoint=run, resume=True, progress=False, **settings)
        for file in run.iterdir():
            file.unlink()
        run.rmdir()
        if not np.array_equal(model.parameters, self.whole(**settings).parameters):
            self.findings.append("a run that was resumed has other bits")

    def whole(self, **settings: Any) -> pynn.Sequential:
        if not hasattr(self, "_whole"):
            self._whole = network(5)
            self._whole.fit(self.x, self.y, progress=False, **settings)
        return self._whole

    def fit_accumulated(self) -> None:
        self.trained(accumulate=3, penalty=pynn.L2(1e-4), optimizer=pynn.AdamW(pynn.CosineDecay(1e-3, epochs=1)))

    def fit_averaged(self) -> None:
        average = pynn.PolyakAverage(0.9)
        model = self.trained(callbacks=[average, pynn.ModelCheckpoint(self.folder / "best.safetensors")])
        with average.applied(model):
            model.evaluate(self.x, self.y)
        (self.folder / "best.safetensors").unlink()

    def fit_of_a_stream(self) -> None:
        batches = [(self.x[start : start + 50], self.y[start : start + 50]) for start in range(0, 240, 50)]
        model = network(2)
        model.fit(batches, epochs=1, prefetch=1, progress=False)

    def fit_that_fails(self) -> None:
        for settings in ({"callbacks": [raises]}, {"optimizer": pynn.SGD(1e30)}, {"loss": "l2", "prefetch": 3}):
            with contextlib.suppress(InterruptedError, FloatingPointError, ValueError):
                self.trained(**settings)
                self.findings.append(f"fit({settings}) did not fail")

    def fit_with_a_bar(self) -> None:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            self.trained(progress=True)

    def fit_again(self) -> None:
        self.stepped.fit(self.x[:60], self.y[:60], epochs=1, progress=False)

    # Models ---------------------------------------------------------------------------------------

    def make_and_drop(self) -> None:
        seed, dtype = int(self.rng.integers(1000)), ("float32", "float64")[self.rng.integers(2)]
        model, other = network(seed, dtype), network(seed + 1, dtype)
        x, y, path = self.x[:20], self.y[:20], self.folder / "model"
        for one in (model, other):
            one.fit(x, y, epochs=1, progress=False)
        said = model.predict_proba(x).tobytes()
        model.save(path)
        copies = [pynn.load(path), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        if any(one.predict_proba(x).tobytes() != said for one in copies):
            self.findings.append("a copy says something else")
        both = pynn.Ensemble([model, other])
        said = both.predict_proba(x).tobytes()
        both.save(path)
        if pynn.Ensemble.load(path).predict_proba(x).tobytes() != said:
            self.findings.append("an ensemble that was loaded says something else")
        path.unlink()

    # Threads and forks ----------------------------------------------------------------------------

    def predict_in_threads(self, forks: int) -> None:
        """While threads predict with one model and train another, and children are forked."""
        stop = threading.Event()

        def predict(count: int) -> int:
            done = 0
            while not stop.is_set() or not done:
                if self.model.predict_proba(self.x[:count]).tobytes() != self.wanted[count]:
                    return -1
                done += 1
            return done

        def train() -> int:
            self.trained(epochs=3)
            return 1

        with ThreadPoolExecutor(len(self.wanted) + 1) as pool:
            found = [pool.submit(predict, count) for count in self.wanted] + [pool.submit(train)]
            try:
                for _ in range(forks):
                    if (said := child(self.in_child)) != "":
                        self.findings.append(f"a forked child {said}")
            finally:
                stop.set()
            if any(one.result() < 1 for one in found):
                self.findings.append("a thread predicts other bits")

    def in_child(self) -> None:
        assert self.model.predict_proba(self.x[:17]).tobytes() == self.wanted[17], "predicts other bits"
        path = self.folder / f"child{os.getpid()}"
        self.trained(prefetch=1).save(path)
        pynn.load(path)
        path.unlink()


def is_enough(*counts: int) -> bool:
    """Whether so many steps, fits, models and forks show what grows."""
    pairs = zip(counts, ENOUGH.values(), strict=True)
    return any(counts) and all(count == 0 or count >= least for count, least in pairs)


BIG = np.ones((256, 256), np.float32)


def network(seed: int, dtype: str = "float32") -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU(), pynn.MaxPool2d(2), pynn.Flatten(), pynn.Dropout(0.2),
        pynn.Affine(24), pynn.PReLU(), pynn.Affine(10), seed=seed, dtype=dtype,
    )  # fmt: skip


def raises(trainer: pynn.Trainer) -> None:
    raise InterruptedError("a callback's error")


def refused_calls(model: pynn.Sequential, x: np.ndarray, y: np.ndarray, folder: Path) -> dict[str, Callable[[], Any]]:
    """Calls that end in an error, by what is wrong with them."""
    kernels, ones = pynn.kernels, np.ones((3, 4), np.float32)
    return {
        "another shape": lambda: model.predict(x[:, :4]),
        "text": lambda: model.predict("text"),
        "labels out of range": lambda: model.evaluate(x, y + 100),
        "x and y of other lengths": lambda: network(0).fit(x, y[:-1], progress=False),
        "a setting": lambda: pynn.Dropout(2),
        "a layer": lambda: pynn.Sequential(3),
        "a kernel's shapes": lambda: kernels.affine_forward(ones, ones, out=ones.copy()),
        "a kernel's keyword": lambda: kernels.affine_forward(ones, ones.T.copy(), nothing=1),
        "a kernel's dtype": lambda: kernels.activation_forward(ones.astype(np.int64), "relu", out=ones),
        "no file": lambda: pynn.load(folder / "nothing"),
        "no model file": lambda: pynn.load(__file__),
        "threads": lambda: pynn.set_num_threads(0),
    }


def child(work: Callable[[], None], seconds: float = 60) -> str:
    """Do the work in a forked child; "" where it came to its end, else what became of it."""
    with folders.undisturbed() as disturb:
        pid = os.fork()
        if pid == 0:
            try:
                disturb()
                work()
                os._exit(0)
            except BaseException as error:
                print(f"child: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return "" if status == 0 else f"ended with {os.waitstatus_to_exitcode(status)}"
        time.sleep(0.002)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return f"did not end in {seconds} seconds"


def measured(folder: Path) -> dict[str, int]:
    """What the process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    values = (
        pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        sys.getallocatedblocks(),
        len(os.listdir("/proc/self/task")),
        len(os.listdir("/proc/self/fd")),
        len(list(folder.rglob("*"))),
    )
    return dict(zip(GROWTH, values, strict=True))
