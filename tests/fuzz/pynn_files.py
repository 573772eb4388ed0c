"""Files that pynn writes: models, ensembles, checkpoints; and weights of other libraries."""

from __future__ import annotations

import fcntl
import inspect
import json
import random
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import pynn
from pynn import checkpoint, describe, ensemble

from . import bombs, formats, mutations, samples
from .cases import OTHER, SAME, Crafted, File, Reader, expect

try:
    from pynn import container as states
except ImportError:
    from pynn import files as states

FEW = 50_000  # numbers of a sample, and of what a layer makes of it: more is the memory that its shapes tell of
Contents = tuple[dict[str, Any], dict[str, Any]]  # tensors by name, description


def thing(rng: random.Random) -> Any:
    """A value for a place in a description: often an object of pynn, with arguments out of their range."""
    if rng.random() < 0.5:
        return mutations.atom(rng)
    kind = rng.choice([*sorted(checkpoint.KINDS), "Layer", "Nothing", "os.system", "Checkpoint"])
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


LAYERS = sorted(name for name, kind in checkpoint.KINDS.items() if issubclass(kind, pynn.Layer))
SETTINGS = (
    1,
    1,
    2,
    2,
    3,
    3,
    4,
    0.5,
    0,
    -1,
    1.5,
    "same",
    "valid",
    "he",
    "relu",
    True,
    None,
    [1, 2],
    [3, 1],
    16,
    1000,
    10**6,
)


def network(rng: random.Random) -> dict[str, Any]:
    """A description of some layers in any order, of which a part goes together."""
    layers = []
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        kind = rng.choice(LAYERS)
        names = list(inspect.signature(checkpoint.KINDS[kind].__init__).parameters)[1:]
        items = [rng.choice(SETTINGS) for _ in range(rng.choice((0, 1, 1, 1, 2)))]
        chosen = rng.sample(names, k=min(len(names), rng.choice((0, 0, 1, 2))))
        layers.append({"kind": kind, "items": items, "arguments": {name: rng.choice(SETTINGS) for name in chosen}})
        if rng.random() < 0.1:
            layers[-1] = {"kind": rng.choice(("Residual", "Sequential")), "items": [layers[-1]]}
    shape = [rng.choice((1, 1, 2, 3, 4, 7, 8, 16, 17, 100)) for _ in range(rng.choice((1, 2, 3, 3, 3, 4)))]
    return {"layers": layers, "input_shape": shape, "dtype": rng.choice(("float32", "float64"))}


def built(description: dict[str, Any]) -> dict[str, Any]:
    """The tensors that a model of this description has."""
    model = pynn.Sequential(*describe.from_data(description["layers"], checkpoint.KINDS), dtype=description["dtype"])
    model.context.limit = 100_000
    model.build(tuple(description["input_shape"]))
    return {name: np.array(array) for name, array in model.tensors().items()}


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
            description.pop("crc", None)  # `written` makes another one
            self.contents.append((safetensors.numpy.load(content), description))
        self.checked = bombs.is_checked(self.valid[0], self.load, self.scratch)

    def things(self) -> list[Any]:
        raise NotImplementedError

    def load(self, path: Path) -> Any:
        raise NotImplementedError

    def written(self, tensors: dict[str, Any], description: Any) -> bytes:
        """A file with these contents and a checksum that fits."""
        text = json.dumps(description, sort_keys=True)
        if self.checked:
            text = json.dumps({**description, "crc": states.checksum(text, tensors)}, sort_keys=True)
        return safetensors.numpy.save(tensors, {self.entry: text})

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
            changed = mutations.of_bytes(rng, content, self.valid, head)
            return File(changed, self.checked and changed not in self.valid, which)
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
        affine, inner = {"kind": "Affine", "items": [1]}, {"kind": "Affine", "items": [4]}
        for _ in range(30):
            inner = {"kind": "Residual", "items": [inner]}
        whole = [
            Crafted(f"{name}, with its tensors", partial(self._whole, {**description, **changes}))
            for name, changes in {
                "3,000 affine layers": {"layers": [affine] * 3000, "input_shape": [1]},
                "3,000 normalizations": {"layers": [{"kind": "BatchNorm"}] * 3000, "input_shape": [1]},
                "300 classes in a tree": {
                    "layers": [{"kind": "HierarchicalSoftmax", "items": [300]}],
                    "input_shape": [1],
                },
                "30 blocks in one another": {"layers": [inner]},
            }.items()
        ]
        return [*super().crafted(), *described, *whole]

    def _whole(self, description: dict[str, Any]) -> bytes:
        return self.written(built(description), description)

    def damaged(self, rng: random.Random) -> File:
        """Also descriptions of other layers, with the tensors that they have."""
        if rng.random() < 0.7:
            return super().damaged(rng)
        _, description = rng.choice(self.contents[:4])
        for _ in range(60):
            if rng.random() < 0.7:
                changed = {**description, **network(rng)}
            else:
                layers, shape = mutations.of_json(rng, [description["layers"], description["input_shape"]], thing)
                changed = {**description, "layers": layers, "input_shape": shape}
            with suppress(Exception):
                return File(self._whole(changed))
        return super().damaged(rng)

    def judge(self, file: File, model: Any) -> str:
        tensors, description = checkpoint.content(model)
        if file.extra is not None:
            known, valid = self.contents[file.extra]
            if description == valid and same_arrays(tensors, known):
                return SAME
        expect(not file.sealed, "a damaged file loads as another model")
        used(model)
        model.save(self.scratch)
        again = checkpoint.content(pynn.load(self.scratch))
        expect(
            repr(again[1]) == repr(description) and same_arrays(again[0], tensors), "saved again it is another model"
        )
        return OTHER


def used(model: Any) -> None:
    """What loads must predict, or say why not."""
    shape = model.input_shape if model.preprocessing is None else model.preprocessing.input_shape_
    text = str(model)
    expect(all(one.isprintable() or one == "\n" for one in text), "control characters in a repr", repr(text)[:300])
    shapes = [shape, *(layer.output_shape for layer in model.walk())]
    if max(np.prod(one, dtype=float) for one in shapes) <= FEW:
        with suppress(ValueError):
            model.predict(np.zeros((2, *shape), np.float32))


class Ensembles(Described):
    name, share, entry = "ensemble", 110, ensemble.ENTRY

    def things(self) -> list[Any]:
        return list(samples.ensembles())

    def load(self, path: Path) -> Any:
        return pynn.Ensemble.load(path)

    def crafted(self) -> list[Crafted]:
        tensors, description = self.contents[1]
        many = {
            "100,000 members": {"members": [0] * 100_000},
            "1,000 members of one model": {"members": [0] * 1000},
            "10,000 models": {"models": description["models"] * 10_000, "members": list(range(10_000))},
            "weights": {"weights": [1.0] * 10**6},
            "weights that are not finite": {"weights": [float("nan"), float("inf")]},
            "weights that are huge": {"weights": [1e308, 1e308]},
            "weights that are nothing": {"weights": [0, 0]},
            "members that are none": {"members": [2**63, -1]},
            "models in models": {"models": [description]},
        }
        found = [Crafted(name, self.written(tensors, {**description, **changes})) for name, changes in many.items()]
        copies = {
            f"{number}.{name[2:]}": array for number in range(1000) for name, array in tensors.items() if name[0] == "0"
        }
        whole = {**description, "members": [0] * 1000, "weights": [1] * 1000}
        return [*super().crafted(), *found, Crafted("1,000 whole members", self.written(copies, whole))]

    def judge(self, file: File, loaded: Any) -> str:
        loaded.save(self.scratch)
        content = self.scratch.read_bytes()
        if file.extra is not None and content == self.valid[file.extra]:
            return SAME
        expect(not file.sealed, "a damaged file loads as another ensemble")
        if sum(np.prod(member.input_shape, dtype=float) for member in loaded) <= FEW:
            with suppress(ValueError):
                loaded.predict(np.zeros((2, *loaded[0].input_shape), np.float32))
        return OTHER


# Checkpoints --------------------------------------------------------------------------------------


def unsealed(content: bytes) -> tuple[str, dict[str, Any]]:
    """The state of a checkpoint as JSON, and its tensors."""
    entry = json.loads(formats.split(content)[0]["__metadata__"][states.ENTRY])
    return entry["state"], safetensors.numpy.load(content)


def sealed(text: str, tensors: dict[str, Any]) -> bytes:
    """A checkpoint of these, with a checksum that fits."""
    crc = states.checksum(text, tensors) if hasattr(states, "checksum") else states._crc(text, tensors)
    entry = json.dumps({"format": states.FORMAT, "crc": crc, "state": text})
    return safetensors.numpy.save(tensors, {states.ENTRY: entry})


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
        states.write_state(path, self.state)
        self.valid = path.read_bytes()
        self.known = _flat(states.read_state(path))

    def crafted(self) -> list[Crafted]:
        return bombs.safetensors_files(self.valid, states.ENTRY)

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
        return states.read_state(self.path)

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
        texts = (b"", b"{}", b"[" * 10**5, b"\0" * 10**6, b'{"process": 1e999}', b'{"process": %d}' % 2**63, b"9" * 5000)
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


# Weights of others --------------------------------------------------------------------------------


class Weights(Reader):
    """A safetensors file as PyTorch or Keras write it, into a built model."""

    name, share, file_name = "weights", 80, "w.safetensors"

    def __init__(self) -> None:
        self.model = pynn.Sequential(
            *(
                pynn.Conv2d(2),
                pynn.BatchNorm(),
                pynn.ReLU(),
                pynn.Flatten(),
                pynn.Affine(3),
                pynn.PReLU(),
                pynn.Affine(2),
            )
        )
        self.model.build((3, 2, 1))
        there = {name: np.asarray(array, order="C") for name, array in pynn.transfer.to_torch(self.model).items()}
        numbers = {
            name: f"features.{place}"
            for place, name in enumerate(dict.fromkeys(one.rpartition(".")[0] for one in there))
        }
        renamed = {f"{numbers[one.rpartition('.')[0]]}.{one.rpartition('.')[2]}": array for one, array in there.items()}
        halves = {name: array.astype(np.float16) for name, array in there.items()}
        self.arrays = [(there, "torch"), (renamed, "torch"), (halves, "torch"), (self.model.tensors(), "pynn")]
        self.valid = [
            safetensors.numpy.save({n: np.array(a, order="C") for n, a in arrays.items()}) for arrays, _ in self.arrays
        ]
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


READERS = (Models, Ensembles, States, Resumed, Locks, Weights)
