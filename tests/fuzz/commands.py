"""What the command line reads, and prints of it."""

from __future__ import annotations

import io
import json
import random
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.numpy

import pynn
from pynn.cli import main

from . import bombs, mutations
from .cases import OTHER, Crafted, File, Finding, Reader, expect, is_clean
from .data_files import Cifar, Pictures


class Predicted(Reader):
    """`pynn predict`: a picture that is damaged, or a model whose description is."""

    name, share = "predict", 30
    names_file = False

    def __init__(self) -> None:
        self.pictures = Pictures()
        model = pynn.Sequential(pynn.Flatten(), pynn.Affine(3))
        model.build((3, 2, 1))
        model.notes["classes"] = ["cat", "dog", "cow"]
        path = bombs.scratch() / "predict.safetensors"
        model.save(path)
        self.model, (self.tensors, self.description) = path.read_bytes(), pynn.models.file.content(model)

    def crafted(self) -> list[Crafted]:
        names = [["\x1b[2J", "\u202e", "\ud800"], ["a\nb", "\0", "x" * 10**6], ["Ä", "猫", "\x07"]]
        made = [{**self.description, "notes": {"classes": one}} for one in names]
        models = [
            Crafted(f"classes {one!r:.40}", partial(self.written, description), "model")
            for one, description in zip(names, made, strict=True)
        ]
        return models + [Crafted(one.name, one.content, "picture") for one in self.pictures.crafted()]

    def written(self, description: Any) -> bytes:
        """A model file without a checksum, as older pynn wrote it."""
        return safetensors.numpy.save(self.tensors, {"pynn": json.dumps(description)})

    def damaged(self, rng: random.Random) -> File:
        if rng.random() < 0.6:
            return File(self.pictures.damaged(rng).content, extra="picture")
        notes = mutations.of_json(rng, self.description["notes"])
        return File(self.written({**self.description, "notes": notes}), extra="model")

    def granted(self, file: File) -> int:
        return self.pictures.granted(file)

    def put(self, file: File) -> None:
        (self.folder / "model.safetensors").write_bytes(file.content if file.extra == "model" else self.model)
        (self.folder / "picture").write_bytes(file.content if file.extra == "picture" else self.pictures.valid[0][1])

    def read(self, file: File) -> Any:
        return run("predict", self.folder / "model.safetensors", self.folder / "picture")

    def judge(self, file: File, found: Any) -> str:
        return judged(*found)


class Evaluated(Reader):
    """`pynn evaluate` on CIFAR-10, whose names of classes come from its files."""

    name, share = "evaluate", 2
    names_file = False

    def __init__(self) -> None:
        self.data = Cifar()
        model = pynn.Sequential(pynn.GlobalAvgPool2d(), pynn.Affine(10))
        model.build((32, 32, 3))
        path = bombs.scratch() / "evaluate.safetensors"
        model.save(path)
        self.model = path.read_bytes()

    def settle(self, folder: Path) -> None:
        super().settle(folder)
        self.data.settle(folder)
        (folder / "model.safetensors").write_bytes(self.model)

    def crafted(self) -> list[Crafted]:
        texts = (
            "\x1b[2J\n\x07\n\u202e\n" + "\n".join("abcdefg"),
            "\n".join("Ä猫cdefghij"),
            "\n".join("abcdefghi") + "\n" + "x" * 10**6,
        )
        return [Crafted(f"names {text!r:.20}", text.encode(), ("cifar10", "batches.meta.txt")) for text in texts]

    def damaged(self, rng: random.Random) -> File:
        name = rng.choice(("batches.meta.txt", "batches.meta.txt", "test_batch.bin"))
        return File(mutations.of_bytes(rng, self.data.valid["cifar10"][name]), extra=("cifar10", name))

    def put(self, file: File) -> None:
        self.data.put(file)

    def read(self, file: File) -> Any:
        return run("evaluate", self.folder / "model.safetensors", "cifar10", "--data", self.folder / "cifar10")

    def judge(self, file: File, found: Any) -> str:
        return judged(*found)


def run(*arguments: object) -> tuple[int, str]:
    """The command in this process: its exit code, and all that it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        code = main([str(argument) for argument in arguments])
    return code, printed.getvalue()


def judged(code: int, printed: str) -> str:
    expect(is_clean(printed), "control characters are printed", repr(printed)[:300])
    expect(len(printed) < 5000, "too much is printed", f"{len(printed)} characters")
    if code not in (0, 2):
        raise Finding(f"exit code {code}", printed[:300])
    if code == 2:
        raise ValueError(printed[:900])
    return OTHER


READERS = (Predicted, Evaluated)
