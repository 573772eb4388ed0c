"""Models and ensembles, and weights of other libraries."""

from __future__ import annotations

import inspect
import json
import random
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import pynn
from pynn.ensembles import ensemble
from pynn.models import file as file_module
from pynn.saving import config, container

from . import bombs, formats, mutations, samples
from .cases import OTHER, SAME, Crafted, File, Reader, expect, is_clean

FEW = 50_000  # numbers of a sample, and of what a layer makes of it: more is the memory that its shapes tell of
Contents = tuple[dict[str, Any], dict[str, Any]]  # tensors by name, description


def thing(rng: random.Random) -> Any:
    """A value for a place in a description: often an object of pynn, with arguments out of their range."""
    if rng.random() < 0.5:
        return mutations.atom(rng)
    kind = rng.choice([*sorted(file_module.KINDS), "Layer", "Nothing", "os.system", "Checkpoint"])
    made: dict[str, Any] = {"kind": kind}
    if rng.random() < 0.8:
        made["items"] = [_argument(rng) for _ in range(rng.choice((0, 1, 1, 2)))]
    if rng.random() < 0.3 and kind in file_module.KINDS:
        names = [*list(inspect.signature(file_module.KINDS[kind].__init__).parameters)[1:], "x"]
        made["arguments"] = {rng.choice(names): _argument(rng)}
    return made


def _argument(rng: random.Random) -> Any:
    how = rng.random()
    if how < 0.4:
        return rng.choice((1, 2, 3, 0.5, 10, 1000, 10**5, 10**6, 10**9, 2**31, 2**62))
    if how < 0.5:
        return [rng.choice((1, 2, 10**6)) for _ in range(rng.randrange(4))]
    return thing(rng) if how < 0.65 else mutations.atom(rng)


LAYERS = sorted(name for name, kind in file_module.KINDS.items() if issubclass(kind, pynn.Layer))
SETTINGS = (
    *(1, 1, 2, 2, 3, 3, 4, 0.5, 0, -1, 1.5, 16, 1000, 10**6),
    *("same", "valid", "he", "relu", True, None, [1, 2], [3, 1]),
)


def network(rng: random.Random) -> dict[str, Any]:
    """A description of some layers in any order, of which a part goes together."""
    layers = []
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        kind = rng.choice(LAYERS)
        names = list(inspect.signature(file_module.KINDS[kind].__init__).parameters)[1:]
        items = [rng.choice(SETTINGS) for _ in range(rng.choice((0, 1, 1, 1, 2)))]
        chosen = rng.sample(names, k=min(len(names), rng.choice((0, 0, 1, 2))))
        layers.append({"kind": kind, "items": items, "arguments": {name: rng.choice(SETTINGS) for name in chosen}})
        if rng.random() < 0.1:
            layers[-1] = {"kind": rng.choice(("Residual", "Sequential")), "items": [layers[-1]]}
    shape = [rng.choice((1, 1, 2, 3, 4, 7, 8, 16, 17, 100)) for _ in range(rng.choice((1, 2, 3, 3, 3, 4)))]
    return {"layers": layers, "input_shape": shape, "dtype": rng.choice(("float32", "float64"))}


def built(description: dict[str, Any]) -> dict[str, Any]:
    """The tensors that a model of this description has."""
    model = pynn.Sequential(*config.from_data(description["layers"], file_module.KINDS), dtype=description["dtype"])
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
            self.contents.append((dict(sorted(safetensors.numpy.load(content).items())), description))
        self.checked = bombs.is_checked(self.valid[0], self.load, self.scratch)

    def things(self) -> list[Any]:
        raise NotImplementedError

    def load(self, path: Path) -> Any:
        raise NotImplementedError

    def written(self, tensors: dict[str, Any], description: Any) -> bytes:
        """A file with these contents and a checksum that fits."""
        text = json.dumps(description, sort_keys=True)
        if self.checked:
            text = json.dumps({**description, "crc": container.checksum(text, tensors)}, sort_keys=True)
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
    name, share, entry = "model", 280, file_module.ENTRY

    def things(self) -> list[Any]:
        return samples.models()

    def load(self, path: Path) -> Any:
        return pynn.load(path)

    def crafted(self) -> list[Crafted]:
        tensors, description = self.contents[0]
        described = [
            Crafted(name, partial(self.written, tensors if keep else {}, {**description, **changes}))
            for name, changes, keep in bombs.descriptions(file_module.KINDS)
        ]
        affine, inner = {"kind": "Affine", "items": [1]}, {"kind": "Affine", "items": [4]}
        for _ in range(30):
            inner = {"kind": "Residual", "items": [inner]}
        whole = [
            Crafted(f"{name}, with its tensors", partial(self._whole, {**description, **changes}))
            for name, changes in {
                "1,000 affine layers": {"layers": [affine] * 1000, "input_shape": [1]},
                "1,000 normalizations": {"layers": [{"kind": "BatchNorm"}] * 1000, "input_shape": [1]},
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
        tensors, description = file_module.content(model)
        if file.extra is not None:
            known, valid = self.contents[file.extra]
            if description == valid and same_arrays(tensors, known):
                return SAME
        expect(not file.sealed, "a damaged file loads as another model")
        used(model)
        model.save(self.scratch)
        arrays, again = file_module.content(pynn.load(self.scratch))
        same = repr(again) == repr(description) and same_arrays(arrays, tensors)
        expect(same, "saved again it is another model")
        return OTHER


def used(model: Any) -> None:
    """What loads must predict, or say why not."""
    shape = model.input_shape if model.preprocessing is None else model.preprocessing.input_shape_
    text = str(model)
    expect(is_clean(text), "control characters in a repr", repr(text)[:300])
    shapes = [shape, *(layer.output_shape for layer in model.walk())]
    if max(np.prod(one, dtype=float) for one in shapes) <= FEW:
        tables = isinstance(model.preprocessing, pynn.TableEncoder)
        # An image may be padded by millions, in the NumPy twin; a column of text refuses numbers by a TypeError.
        with suppress(ValueError, MemoryError, *((TypeError,) if tables else ())):
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
        first = {name[2:]: array for name, array in tensors.items() if name.startswith("0.")}
        copies = {f"{number}.{name}": array for number in range(1000) for name, array in first.items()}
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


class Weights(Reader):
    """A safetensors file as PyTorch or Keras write it, into a built model."""

    name, share, file_name = "weights", 80, "w.safetensors"

    def __init__(self) -> None:
        layers = (pynn.Conv2d(2), pynn.BatchNorm(), pynn.ReLU(), pynn.Flatten(), pynn.Affine(3), pynn.PReLU())
        self.model = pynn.Sequential(*layers, pynn.Affine(2))
        self.model.build((3, 2, 1))
        self.first = {name: array.copy() for name, array in self.model.tensors().items()}
        there = {name: np.array(array, order="C") for name, array in pynn.transfer.to_torch(self.model).items()}
        modules = list(dict.fromkeys(name.rpartition(".")[0] for name in there))
        renamed = {}
        for name, array in there.items():
            module, _, own = name.rpartition(".")
            renamed[f"features.{modules.index(module)}.{own}"] = array
        halves = {name: array.astype(np.float16) for name, array in there.items()}
        self.arrays = [(there, "torch"), (renamed, "torch"), (halves, "torch"), (self.first, "pynn")]
        self.valid = [safetensors.numpy.save(arrays) for arrays, _ in self.arrays]
        path = bombs.scratch() / "weights.safetensors"
        self.model.save(path)
        self.whole = path.read_bytes()  # a model's file, with a checksum
        load = partial(pynn.transfer.load_weights, self.model, layout="pynn")
        self.checked = bombs.is_checked(self.whole, load, path)
        self.restore()

    def restore(self) -> None:
        for name, array in self.model.tensors().items():
            array[...] = self.first[name]

    def crafted(self) -> list[Crafted]:
        return bombs.safetensors_files(self.valid[0], None)

    def damaged(self, rng: random.Random) -> File:
        which = rng.randrange(len(self.valid))
        content, (arrays, layout) = self.valid[which], self.arrays[which]
        how, extra = rng.random(), (layout, rng.random() < 0.7)
        if how < 0.1:
            data = formats.split(self.whole)[1]
            head = self.whole[: len(self.whole) - len(data)]
            return File(head + mutations.of_bytes(rng, data), self.checked, ("pynn", rng.random() < 0.7))
        if how < 0.4:
            head = len(content) - len(formats.split(content)[1])
            return File(mutations.of_bytes(rng, content, self.valid, head), extra=extra)
        if how < 0.75:
            return File(formats.safetensors_header(rng, content), extra=extra)
        changed = formats.tensors(rng, arrays)
        whole = {name: np.array(one, order="C") for name, one in changed.items()}
        return File(safetensors.numpy.save(whole), extra=extra)

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
        self.restore()
        expect(fine, "weights that are not finite were loaded")
        expect(same or not file.sealed, "a damaged file is loaded")
        return SAME if same else OTHER


READERS = (Models, Ensembles, Weights)
