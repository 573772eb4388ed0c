"""Checkpoints of runs, alone and in a run that goes on from them; and the file that locks their folder."""

from __future__ import annotations

import fcntl
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import pynn
from pynn.saving import container

from . import bombs, formats, mutations
from .cases import OTHER, SAME, Crafted, File, Reader, expect
from .pynn_files import same_arrays


def unsealed(content: bytes) -> tuple[str, dict[str, Any]]:
    """The state of a checkpoint as JSON, and its tensors."""
    entry = json.loads(formats.split(content)[0]["__metadata__"][container.ENTRY])
    return entry["state"], safetensors.numpy.load(content)


def sealed(text: str, tensors: dict[str, Any]) -> bytes:
    """A checkpoint of these, with a checksum that fits."""
    crc = container.checksum(text, tensors)
    entry = json.dumps({"format": container.FORMAT, "crc": crc, "state": text})
    return safetensors.numpy.save(tensors, {container.ENTRY: entry})


def _timeless(content: bytes) -> bytes:
    """The checkpoint as every run of the same seed writes it, however long it took."""
    text, tensors = unsealed(content)
    state = json.loads(text)
    state["spent"], state["history"]["samples_per_second"] = 0.5, [1.0] * len(state["history"]["loss"])
    return sealed(json.dumps(state), tensors)


def place(rng: random.Random) -> Any:
    """A value for a place in a state, where {"$tensor": name} stands for an array."""
    names = ("state.tensors.affine1.weight", "state.tensors.w", "x", 1, None, ["x"])
    return {"$tensor": rng.choice(names)} if rng.random() < 0.15 else mutations.atom(rng)


class States(Reader):
    """The file of a checkpoint alone."""

    name, share, file_name = "state", 100, "s.safetensors"

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "settings": {"a": [1, 2, "x"], "b": None},
            "tensors": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3), "e": np.empty((0, 2))},
            "list": [1, np.arange(4), True, np.float16([1, 2])],
            "step": 3,
        }
        path = bombs.scratch() / "state.safetensors"
        container.write_state(path, self.state)
        self.valid = path.read_bytes()
        self.known = _flat(container.read_state(path))

    def crafted(self) -> list[Crafted]:
        return bombs.safetensors_files(self.valid, container.ENTRY)

    def damaged(self, rng: random.Random) -> File:
        how = rng.random()
        if how < 0.6:
            head = len(self.valid) - len(formats.split(self.valid)[1])
            return File(mutations.of_bytes(rng, self.valid, head=head), sealed=True)
        if how < 0.8:
            return File(formats.safetensors_header(rng, self.valid), sealed=True)
        text, tensors = unsealed(self.valid)
        if how < 0.9:
            return File(sealed(json.dumps(mutations.of_json(rng, json.loads(text), place)), tensors))
        if how < 0.95:
            return File(sealed(mutations.of_bytes(rng, text.encode()).decode(), tensors))
        return File(sealed(text, formats.tensors(rng, tensors)))

    def read(self, file: File) -> Any:
        return container.read_state(self.path)

    def judge(self, file: File, state: Any) -> str:
        if _flat(state) == self.known:
            return SAME
        expect(not file.sealed, "a damaged checkpoint is read as another state")
        return OTHER


def _flat(value: Any) -> Any:
    """The value with arrays as what can be compared."""
    if isinstance(value, dict):
        return {key: _flat(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_flat(item) for item in value]
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


class Resumed(Reader):
    """A whole run that goes on from the file; in half of the cases there is an older good checkpoint beside it."""

    name, share = "resume", 80
    names_file = False  # it is the folder that the user knows
    refusals = (ValueError, OSError, FloatingPointError)  # the last: of weights that a crafted state may hold

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x, self.y = rng.standard_normal((12, 4)).astype(np.float32), np.arange(12) % 3
        folder = Path(tempfile.mkdtemp(dir=bombs.scratch()))
        self.fit(folder, epochs=2, resume=False)
        self.names = sorted(path.name for path in folder.glob("checkpoint-*"))[-2:]
        self.older, self.valid = (_timeless((folder / name).read_bytes()) for name in self.names)
        self.final = self.contents(self.fit(folder, epochs=3))

    def fit(self, folder: Path, epochs: int, resume: bool = True) -> Any:
        model = pynn.Sequential(
            *(pynn.Affine(3, penalty=pynn.L1(1e-3)), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3)),
            seed=3,
        )
        optimizer = pynn.Adam(pynn.ReduceOnPlateau(1e-2, patience=1))
        model.fit(
            *(self.x, self.y),
            **{"validation": (self.x[:4], self.y[:4]), "epochs": epochs, "batch_size": 4, "progress": False},
            callbacks=[pynn.EarlyStopping("val_loss", patience=9, restore_best=True)],
            optimizer=optimizer,
            checkpoint=pynn.Checkpoint(folder, every_steps=2, keep=3),
            resume=resume,
        )
        return model

    def contents(self, model: Any) -> Any:
        """What must be the same bits; how fast it was may differ."""
        measured = {name: values for name, values in model.history.items() if name != "samples_per_second"}
        return {
            **{name: array.copy() for name, array in model.tensors().items()},
            "step": model.context.step,
            **measured,
        }

    def crafted(self) -> list[Crafted]:
        text, tensors = unsealed(self.valid)
        state = json.loads(text)
        many: dict[str, Any] = {
            "history of 100,000 epochs": {"history": {name: [0.5] * 100_000 for name in state["history"]}},
            "history of 20,000 names": {"history": {f"m{number}": [0.5, 0.5] for number in range(20_000)}},
            "epochs before 0": {"epoch": -(10**9)},
            "many batches": {"batches": 10**9},
            "batches before 0": {"batch": -(10**9), "batches": -1},
            "deep": {"running": json.loads("[" * 200 + "]" * 200)},
            "first epoch far away": {"first_epoch": 2**31},
            "20,000 settings": {"train": state["train"] * 4000},
            "weights of nothing": {"tensors": {}},
            "no tensor of its own": {"tensors": {name: {"$tensor": "x"} for name in state["tensors"]}},
            "huge steps": {"step": 2**63},
        }
        return [
            Crafted(name, sealed(json.dumps({**state, **changes}), tensors), beside)
            for name, changes in many.items()
            for beside in (False, True)
        ]

    def settle(self, folder: Path) -> None:
        super().settle(folder)
        self.run = folder / "run"
        self.run.mkdir(exist_ok=True)

    def damaged(self, rng: random.Random) -> File:
        how, beside = rng.random(), rng.random() < 0.5
        if how < 0.25:
            head = len(self.valid) - len(formats.split(self.valid)[1])
            return File(mutations.of_bytes(rng, self.valid, (self.older,), head=head), sealed=True, extra=beside)
        if how < 0.35:
            return File(formats.safetensors_header(rng, self.valid), sealed=True, extra=beside)
        text, tensors = unsealed(self.valid)
        if how < 0.9:
            state = json.loads(text)
            kept = {name: state.pop(name) for name in ("settings", "tensors") if rng.random() < 0.95}
            text = json.dumps({**kept, **mutations.of_json(rng, state, place)})
        else:
            tensors = formats.tensors(rng, tensors)
        return File(sealed(text, tensors), extra=beside)

    def put(self, file: File) -> None:
        for path in self.run.iterdir():
            path.unlink()
        (self.run / self.names[1]).write_bytes(file.content)
        if file.extra:
            (self.run / self.names[0]).write_bytes(self.older)

    def read(self, file: File) -> Any:
        try:
            return self.fit(self.run, epochs=3)
        except FloatingPointError:
            expect(not file.sealed, "a damaged checkpoint is trained on")
            raise
        except ValueError:
            expect(not (file.sealed and file.extra), "an older good checkpoint is not tried")
            raise

    def judge(self, file: File, model: Any) -> str:
        if same_arrays(self.contents(model), self.final):
            return SAME
        expect(not file.sealed, "a damaged checkpoint ends with other bits")
        return OTHER


class Locks(Resumed):
    """The file that locks a run's folder, damaged or another one's: it may end a run that begins, no more."""

    name, share, file_name = "lock", 4, "lock"
    refusals = (ValueError, OSError, RuntimeError)
    lock = ".pynn.lock"

    def crafted(self) -> list[Crafted]:
        texts = (
            b"",
            b"{}",
            b"[" * 10**5,
            b"\0" * 10**6,
            b'{"process": 1e999}',
            b'{"process": %d}' % 2**63,
            b"9" * 5000,
        )
        return [Crafted(f"{text[:12]!r}", text, held) for text in texts for held in (False, True)]

    def damaged(self, rng: random.Random) -> File:
        known = {"process": 1, "host": "there", "since": "2026-01-01 00:00:00", "machine": "00000000", "begun": "1"}
        text = json.dumps(mutations.of_json(rng, known)).encode()
        return File(mutations.of_bytes(rng, text) if rng.random() < 0.5 else text, extra=rng.random() < 0.5)

    def put(self, file: File) -> None:
        super().put(File(self.valid, extra=True))
        (self.run / self.lock).write_bytes(file.content)

    def read(self, file: File) -> Any:
        """Held by somebody, or not."""
        with open(self.run / self.lock, "rb") as held:
            if file.extra:
                fcntl.flock(held, fcntl.LOCK_EX)
            return self.fit(self.run, epochs=3)

    def judge(self, file: File, model: Any) -> str:
        expect(not file.extra, "a folder that another run holds is taken")
        return super().judge(file, model)


READERS = (States, Resumed, Locks)
