"""Files that pynn writes: models, ensembles, checkpoints; and weights of other libraries."""

from __future__ import annotations

import inspect
import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import pynn
from pynn import checkpoint, ensemble, files

from . import bombs, formats, mutations, samples
from .cases import OTHER, SAME, Crafted, File, Reader, expect

FEW = 50_000  # numbers: with more, it is the inputs that a model wants which take the memory
Contents = tuple[dict[str, Any], dict[str, Any]]  # tensors by name, description


def thing(rng: random.Random) -> Any:
    """A value for a place in a description: often an object of pynn, with arguments out of their range."""
    if rng.random() < 0.5:
        return mutations.atom(rng)
    kind = rng.choice(sorted(checkpoint.KINDS) + ["Layer", "Nothing", "os.system", "Checkpoint"])
    made: dict[str, Any] = {"kind": kind}
    if rng.random() < 0.8:
        made["items"] = [_argument(rng) for _ in range(rng.choice((0, 1, 1, 2)))]
    if rng.random() < 0.3 and kind in checkpoint.KINDS:
        names = [*list(inspect.signature(checkpoint.KINDS[kind].__init__).parameters)[1:], "x"]
        made["arguments"] = {rng.choice(names): _argument(rng)}
    return made


def _argument(rng: random.Random) -> Any:
    how = rng.random()
    if how < 0.4:
        return rng.choice((1, 2, 3, 0.5, 10, 1000, 10**5, 10**6, 10**9, 2**31, 2**62))
    if how < 0.5:
        return [rng.choice((1, 2, 10**6)) for _ in range(rng.randrange(4))]
    return thing(rng) if how < 0.65 else mutations.atom(rng)


def same_arrays(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether names, dtypes, shapes and bits are the same."""
    return first.keys() == second.keys() and all(
        (np.asarray(one).dtype, np.shape(one), np.asarray(one).tobytes())
        == (np.asarray(second[name]).dtype, np.shape(second[name]), np.asarray(second[name]).tobytes())
        for name, one in first.items()
    )


class Described(Reader):
    """Files that are tensors and a description, with one checksum over both."""

    entry = ""
    file_name = "m.safetensors"

    def __init__(self) -> None:
        self.scratch = bombs.scratch() / f"{self.name}.safetensors"
        self.valid: list[bytes] = []
        self.contents: list[Contents] = []
        for one in self.things():
            one.save(self.scratch)
            content = self.scratch.read_bytes()
            self.valid.append(content)
            description = json.loads(formats.split(content)[0]["__metadata__"][self.entry])
            self.contents.append((safetensors.numpy.load(content), description))
        self.checked = bombs.is_checked(self.valid[0], self.load, self.scratch)

    def things(self) -> list[Any]:
        raise NotImplementedError

    def load(self, path: Path) -> Any:
        raise NotImplementedError

    def written(self, tensors: dict[str, Any], description: Any) -> bytes:
        """A file with these contents and a checksum that fits."""
        checkpoint.write(self.scratch, tensors, self.entry, description)
        return self.scratch.read_bytes()

    def settle(self, folder: Path) -> None:
        super().settle(folder)
        self.scratch = folder / "scratch.safetensors"

    def crafted(self) -> list[Crafted]:
        return bombs.safetensors_files(self.valid[0], self.entry)

    def damaged(self, rng: random.Random) -> File:
        which = rng.randrange(len(self.valid))
        content, (tensors, description) = self.valid[which], self.contents[which]
        how = rng.random()
        if how < 0.3:
            head = len(content) - len(formats.split(content)[1])
            return File(mutations.of_bytes(rng, content, self.valid, head), self.checked, which)
        if how < 0.4:
            return File(formats.safetensors_header(rng, content), self.checked, which)
        if how < 0.8:
            return File(self.written(tensors, mutations.of_json(rng, description, thing)), extra=which)
        if how < 0.88:
            return File(self.written(tensors, json.loads(mutations.of_bytes(rng, json.dumps(description).encode()))))
        changed = formats.tensors(rng, tensors)
        return File(self.written(changed, description), extra=which)

    def read(self, file: File) -> Any:
        return self.load(self.path)


class Models(Described):
    name, share, entry = "model", 280, checkpoint.ENTRY

    def things(self) -> list[Any]:
        return samples.models()

    def load(self, path: Path) -> Any:
        return pynn.load(path)

    def crafted(self) -> list[Crafted]:
        tensors, description = self.contents[0]
        described = [
            Crafted(name, partial(self.written, tensors if keep else {}, {**description, **changes}))
            for name, changes, keep in bombs.descriptions(checkpoint.KINDS)
        ]
        return [*super().crafted(), *described]

    def judge(self, file: File, model: Any) -> str:
        tensors, description = checkpoint.content(model)
        if file.extra is not None and description == _without_checksum(self.contents[file.extra][1]):
            if same_arrays(tensors, self.contents[file.extra][0]):
                return SAME
        expect(not file.sealed, "a damaged file loads as another model")
        used(model)
        return OTHER


def _without_checksum(description: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in description.items() if name != "crc"}


def used(model: Any) -> None:
    """What loads must predict, or say why not."""
    shape = model.input_shape if model.preprocessing is None else model.preprocessing.input_shape_
    repr(model)
    if np.prod(shape, dtype=float) <= FEW:
        try:
            model.predict(np.zeros((2, *shape), np.float32))
        except ValueError:
            pass


class Ensembles(Described):
    name, share, entry = "ensemble", 110, ensemble.ENTRY

    def things(self) -> list[Any]:
        return list(samples.ensembles())

    def load(self, path: Path) -> Any:
        return pynn.Ensemble.load(path)

    def judge(self, file: File, loaded: Any) -> str:
        loaded.save(self.scratch)
        content = self.scratch.read_bytes()
        if file.extra is not None and content == self.valid[file.extra]:
            return SAME
        expect(not file.sealed, "a damaged file loads as another ensemble")
        if sum(np.prod(member.input_shape, dtype=float) for member in loaded) <= FEW:
            try:
                loaded.predict(np.zeros((2, *loaded[0].input_shape), np.float32))
            except ValueError:
                pass
        return OTHER


# Checkpoints --------------------------------------------------------------------------------------


class States(Reader):
    """The file of a checkpoint alone."""

    name, share, file_name = "state", 100, "s.safetensors"

    def __init__(self) -> None:
        self.state = {
            "settings": {"a": [1, 2, "x"], "b": None},
            "tensors": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3), "e": np.empty((0, 2))},
            "list": [1, np.arange(4), True, np.float16([1, 2])],
            "step": 3,
        }
        path = bombs.scratch() / "state.safetensors"
        files.write_state(path, self.state)
        self.valid = path.read_bytes()
        self.known = _flat(files.read_state(path))

    def crafted(self) -> list[Crafted]:
        return bombs.safetensors_files(self.valid, files.ENTRY)

    def damaged(self, rng: random.Random) -> File:
        how = rng.random()
        if how < 0.6:
            head = len(self.valid) - len(formats.split(self.valid)[1])
            return File(mutations.of_bytes(rng, self.valid, head=head), sealed=True)
        if how < 0.8:
            return File(formats.safetensors_header(rng, self.valid), sealed=True)
        files.write_state(self.path, {**self.state, "tensors": formats.tensors(rng, self.state["tensors"])})
        return File(self.path.read_bytes())

    def read(self, file: File) -> Any:
        return files.read_state(self.path)

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
        folder = bombs.scratch() / "run"
        self.fit(folder, epochs=2, resume=False)
        self.files = sorted(folder.glob("checkpoint-*"))[-2:]
        self.older, self.valid = (path.read_bytes() for path in self.files)
        self.state = files.read_state(self.files[-1])
        self.final = self.contents(self.fit(folder, epochs=3))

    def fit(self, folder: Path, epochs: int, resume: bool = True) -> Any:
        model = pynn.Sequential(
            *(pynn.Affine(3, penalty=pynn.L1(1e-3)), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3)), seed=3
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
        return {**{name: array.copy() for name, array in model.tensors().items()}, "step": model.context.step, **measured}

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
        if how < 0.9:
            settings = self.state["settings"]
            state = {name: value for name, value in self.state.items() if name not in ("settings", "tensors")}
            whole = {"settings": settings, "tensors": self.state["tensors"], **mutations.of_json(rng, state)}
        else:
            whole = {**self.state, "tensors": formats.tensors(rng, self.state["tensors"])}
        path = self.folder / "scratch.safetensors"
        files.write_state(path, whole)
        return File(path.read_bytes(), extra=beside)

    def put(self, file: File) -> None:
        for path in self.run.iterdir():
            path.unlink()
        (self.run / self.files[1].name).write_bytes(file.content)
        if file.extra:
            (self.run / self.files[0].name).write_bytes(self.older)

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


# Weights of others --------------------------------------------------------------------------------


class Weights(Reader):
    """A safetensors file as PyTorch or Keras write it, into a built model."""

    name, share, file_name = "weights", 80, "w.safetensors"

    def __init__(self) -> None:
        self.model = pynn.Sequential(
            *(pynn.Conv2d(2), pynn.BatchNorm(), pynn.ReLU(), pynn.Flatten(), pynn.Affine(3), pynn.PReLU(), pynn.Affine(2))
        )
        self.model.build((3, 2, 1))
        there = {name: np.asarray(array, order="C") for name, array in pynn.transfer.to_torch(self.model).items()}
        numbers = {name: f"features.{place}" for place, name in enumerate(dict.fromkeys(one.rpartition(".")[0] for one in there))}
        renamed = {f"{numbers[one.rpartition('.')[0]]}.{one.rpartition('.')[2]}": array for one, array in there.items()}
        halves = {name: array.astype(np.float16) for name, array in there.items()}
        self.arrays = [(there, "torch"), (renamed, "torch"), (halves, "torch"), (self.model.tensors(), "pynn")]
        self.valid = [safetensors.numpy.save({n: np.array(a, order="C") for n, a in arrays.items()}) for arrays, _ in self.arrays]
        self.first = {name: array.copy() for name, array in self.model.tensors().items()}

    def crafted(self) -> list[Crafted]:
        return bombs.safetensors_files(self.valid[0], None)

    def damaged(self, rng: random.Random) -> File:
        which = rng.randrange(len(self.valid))
        content, (arrays, layout) = self.valid[which], self.arrays[which]
        how, extra = rng.random(), (layout, rng.random() < 0.7)
        if how < 0.4:
            head = len(content) - len(formats.split(content)[1])
            return File(mutations.of_bytes(rng, content, self.valid, head), extra=extra)
        if how < 0.75:
            return File(formats.safetensors_header(rng, content), extra=extra)
        changed = formats.tensors(rng, arrays)
        return File(safetensors.numpy.save({n: np.array(a, order="C") for n, a in changed.items()}), extra=extra)

    def read(self, file: File) -> Any:
        layout, strict = file.extra or ("torch", True)
        try:
            return pynn.transfer.load_weights(self.model, self.path, layout=layout, strict=strict)
        except (ValueError, OSError):
            expect(same_arrays(self.model.tensors(), self.first), "a refused file changed the model")
            raise

    def judge(self, file: File, value: Any) -> str:
        str(value)
        tensors = self.model.tensors()
        fine = all(np.isfinite(array).all() for array in tensors.values())
        same = same_arrays(tensors, self.first)
        for name, array in tensors.items():
            array[...] = self.first[name]
        expect(fine, "weights that are not finite were loaded")
        return SAME if same else OTHER


READERS = (Models, Ensembles, States, Resumed, Weights)
