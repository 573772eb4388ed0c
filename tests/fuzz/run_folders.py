"""The folder that a Monitor writes, with one of its files damaged or made anew."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

import pynn
from pynn.diagnostics import Record, plain, run_folder

from . import bombs, formats, mutations
from .cases import OTHER, SAME, Crafted, File, Reader, expect

ABOUT, EVENTS, ROWS, HISTOGRAMS = "run.json", "events.jsonl", "rows.safetensors", "histograms-000001.safetensors"


def place(rng: random.Random) -> Any:
    """A value for a place in JSON, where some keys stand for what JSON has no word for."""
    if rng.random() < 0.8:
        return mutations.atom(rng)
    content = rng.choice(
        (["float64", [2**40], []], ["O", [1], [1]], "nan", [[1, 2]], [[[], 1]], 3, ["int8", [1], [2**70]])
    )
    return {rng.choice((plain.FLOAT, plain.TUPLE, plain.ARRAY, plain.PAIRS, "$own")): content}


class Runs(Reader):
    """The folder of a run."""

    name, share, file_name = "run", 60, "run"

    def __init__(self) -> None:
        folder = bombs.scratch() / "a run"
        random = np.random.default_rng(0)
        model = pynn.Sequential(pynn.Affine(3), pynn.ReLU(), pynn.Affine(2))
        x, y = random.random((20, 4), np.float32), np.arange(20) % 2
        model.fit(x, y, validation=(x, y), epochs=2, batch_size=10, progress=False, callbacks=[pynn.Monitor(folder)])
        self.valid = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.known = _flat(run_folder.read(folder))

    def crafted(self) -> list[Crafted]:
        texts = (b"", b"\n", b"{}\n", b"[" * 10**5 + b"\n", b"\0" * 10**6, plain.line({"losses": [1] * 10**5}) * 5)
        made = [Crafted(f"{name} {text[:12]!r}", text, name) for name in (ABOUT, EVENTS) for text in texts]
        for name in (ROWS, HISTOGRAMS):
            made += [
                Crafted(f"{name} {one.name}", one.content, name)
                for one in bombs.safetensors_files(self.valid[name], run_folder.ENTRY)
            ]
        return made

    def damaged(self, rng: random.Random) -> File:
        name = rng.choice((ABOUT, ABOUT, EVENTS, EVENTS, ROWS, HISTOGRAMS))
        content = self.valid[name]
        if name in (ROWS, HISTOGRAMS):
            changed = (
                formats.safetensors_header(rng, content) if rng.random() < 0.3 else mutations.of_bytes(rng, content)
            )
            return File(changed, sealed=True, extra=name)
        if rng.random() < 0.4:  # lines of events may be missing at the end: the run was killed
            return File(mutations.of_bytes(rng, content), sealed=name == ABOUT, extra=name)
        lines = content.splitlines(keepends=True)
        at = rng.randrange(len(lines))
        lines[at] = plain.line(mutations.of_json(rng, plain.of_line(lines[at]), place))
        return File(b"".join(lines), extra=name)

    def put(self, file: File) -> None:
        self.path.mkdir(exist_ok=True)
        for name, content in {**self.valid, file.extra: file.content}.items():
            Path(self.path / name).write_bytes(content)

    def read(self, file: File) -> Record:
        return run_folder.read(self.path)

    def judge(self, file: File, record: Record) -> str:
        if _flat(record) == self.known:
            return SAME
        expect(not file.sealed, "a damaged run is read as another one")
        return OTHER


def _flat(value: Any) -> Any:
    """The value with arrays as what can be compared, and NaN equal to itself."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _flat(item) for name, item in vars(value).items()}
    if isinstance(value, dict):
        return {name: _flat(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_flat(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return repr(value)


READERS = (Runs,)
