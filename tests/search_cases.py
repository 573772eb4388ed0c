"""Searches for tests: a small network, a space of it, and scripts that are killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import pynn
from pynn.search import Search, integer, log_uniform
from pynn.search.trials import checkpoints

SPACE = {"units": integer(4, 16, log=True), "learning_rate": log_uniform(1e-4, 1e-1)}


def build(params: dict[str, Any]) -> tuple[pynn.Sequential, dict[str, Any]]:
    model = pynn.Sequential(pynn.Affine(params.get("units", 8)), pynn.ReLU(), pynn.Affine(3))
    return model, {"optimizer": pynn.Adam(params.get("learning_rate", 0.01)), "batch_size": 10}


def search(x: Any, y: Any, build: Any = build, **settings: Any) -> Search:
    share = None if "folds" in settings else 0.3
    return Search(build, SPACE, x, y, **{"progress": False, "validation": share, **settings})


def killed(storage: Any, done: Any, folder: Any = None) -> Search:
    """A search that writes a line to the file `done` for each model that it begins."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.standard_normal((60, 4)) + 2 * np.eye(3, 4)[y]).astype(np.float32)

    def noted(params: dict[str, Any]) -> Any:
        with open(done, "a", encoding="utf-8") as file:
            file.write(f"{params['learning_rate']}\n")
        return build(params)

    return search(x, y, storage=storage, metric="val_loss", build=noted, folder=folder)


def run(storage: Any, done: str, trials: int, together: int = 1) -> None:
    """Do the trials, once so many processes have come to this line."""
    Path(f"{done}.{os.getpid()}").touch()
    while len(list(Path(done).parent.glob("done.txt.*"))) < together:
        time.sleep(0.001)
    killed(storage, done, Path(done).with_name("study.log.models")).run(trials=trials, epochs=3)


# For worker processes, which import what they are to build.


def three_classes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    return (rng.standard_normal((60, 4)) + 2 * np.eye(3, 4)[y]).astype(np.float32), y


class Noting:
    """A build that writes a line to a file for each model: its process, and what it has of the machine."""

    def __init__(self, file: Any) -> None:
        self.file = os.fspath(file)

    def __call__(self, params: dict[str, Any]) -> Any:
        threads = [os.environ.get("OMP_NUM_THREADS"), pynn.get_num_threads(), pynn.kernels.backend()]
        self.note({"process": os.getpid(), "rate": params["learning_rate"], "threads": threads})
        return build(params)

    def note(self, what: Any) -> None:
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(f"{json.dumps(what)}\n")


def noted(file: Any) -> list[Any]:
    with open(file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class Meeting(Noting):
    """A build that waits until so many other processes have begun a model, so that all of them do trials."""

    def __init__(self, file: Any, processes: int) -> None:
        super().__init__(file)
        self.processes, self.main = processes, os.getpid()

    def __call__(self, params: dict[str, Any]) -> Any:
        made, limit = super().__call__(params), time.monotonic() + 60
        while os.getpid() != self.main and len(self.begun()) < self.processes and time.monotonic() < limit:
            time.sleep(0.01)
        return made

    def begun(self) -> set[int]:
        """The other processes."""
        return {one["process"] for one in noted(self.file)} - {self.main}


class Dying(Noting):
    """A build whose process is killed in the second epoch of the trial with this rate, the first so many times."""

    def __init__(self, file: Any, rate: float, times: int = 1, every: float | None = None) -> None:
        super().__init__(file)
        self.rate, self.times, self.every = rate, times, every

    def __call__(self, params: dict[str, Any]) -> Any:
        model, settings = super().__call__(params)
        if params["learning_rate"] == self.rate:
            if self.every is not None:
                checkpoints.EVERY = self.every
            before = sum(one["rate"] == self.rate for one in noted(self.file))
            settings["callbacks"] = [Epochs(self, dies=before <= self.times)]
        return model, settings


class Epochs(pynn.Callback):
    """Notes each epoch, and kills its process in the second."""

    def __init__(self, build: Noting, dies: bool) -> None:
        self.build, self.dies = build, dies

    def on_epoch_begin(self, trainer: Any) -> None:
        if self.dies and trainer.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_end(self, trainer: Any) -> None:
        self.build.note({"rate": None, "epoch": trainer.epoch})


class Slow(Noting):
    """A build of models that take some seconds for each epoch."""

    def __init__(self, file: Any, seconds: float) -> None:
        super().__init__(file)
        self.seconds = seconds

    def __call__(self, params: dict[str, Any]) -> Any:
        model, settings = super().__call__(params)
        return model, {**settings, "callbacks": [Wait(self.seconds)]}


class Wait(pynn.Callback):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_step_end(self, trainer: Any) -> None:
        time.sleep(self.seconds / trainer.batches)


class Deaf(Noting):
    """A build that does not hear that its process is interrupted."""

    def __call__(self, params: dict[str, Any]) -> Any:
        self.note({"rate": None, "waits": True})
        with suppress(KeyboardInterrupt):
            for _ in range(3000):
                time.sleep(0.01)
        return super().__call__(params)


class Forking(Dying):
    """A build whose process dies in the first trial, and leaves a child that has the same files open."""

    def __call__(self, params: dict[str, Any]) -> Any:
        if not os.path.exists(self.file):
            warnings.simplefilter("ignore")  # a process with threads forks
            if not (child := os.fork()):
                time.sleep(60)
                os._exit(0)
            self.note({"rate": None, "child": child})
            os._exit(7)
        return build(params)


class Warned(Noting):
    def __call__(self, params: dict[str, Any]) -> Any:
        warnings.warn("the rate is strange", RuntimeWarning, stacklevel=1)
        return build(params)


class Failing(Noting):
    def __call__(self, params: dict[str, Any]) -> Any:
        if params["units"] > 8:
            raise ArithmeticError("too wide")
        return build(params)


class Unborn(Noting):
    """A build that other processes cannot read: an error, or their end."""

    def __init__(self, code: int = 0) -> None:
        self.code = code

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["code"]:
            os._exit(state["code"])
        raise ArithmeticError("not here")


def tabular(params: dict[str, Any]) -> Any:
    model, settings = build(params)
    return model, {**settings, "preprocessing": pynn.TableEncoder(embedding=False)}


def in_processes(build: Any, **settings: Any) -> Search:
    return search(*three_classes(), build=build, **{"metric": "val_loss", "jobs": 2, **settings})


def run_in_processes(storage: Any, file: Any, seconds: float, trials: int, child: Any = None) -> None:
    """child: where to note a child that is forked once models were begun; it has the lines to the processes open."""
    if child is not None:
        threading.Thread(target=_fork_later, args=(file, child), daemon=True).start()
    in_processes(Slow(file, seconds), storage=storage).run(trials=trials, epochs=3)


def _fork_later(file: Any, child: Any) -> None:
    while not os.path.exists(file):
        time.sleep(0.01)
    if not (number := os.fork()):
        time.sleep(60)
        os._exit(0)
    with open(child, "w", encoding="utf-8") as text:
        text.write(str(number))


class Alone(Noting):
    """A build of models that fail if another trial runs in the same process at the same time."""

    running: ClassVar[list[int]] = []

    def __call__(self, params: dict[str, Any]) -> Any:
        model, settings = super().__call__(params)
        return model, {**settings, "callbacks": [Occupied(self.running)]}


class Occupied(pynn.Callback):
    def __init__(self, running: list[int]) -> None:
        self.running = running

    def on_train_begin(self, trainer: Any) -> None:
        assert not self.running
        self.running.append(1)

    def on_step_end(self, trainer: Any) -> None:
        time.sleep(0.001)

    def on_train_end(self, trainer: Any) -> None:
        self.running.clear()
