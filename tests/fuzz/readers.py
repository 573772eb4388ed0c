"""Damaged and crafted files for everything in pynn that reads one.

Each reader has its own numbers 0, 1, 2, ...; the file of a number depends on the seed alone, and `--file NAME:NUMBER`
reads that one again. Children read them, a few thousand each; one that dies or hangs is found out by the parent, which
goes on with the next file.
"""

from __future__ import annotations

import argparse
import collections
import gc
import json
import mmap
import os
import selectors
import shutil
import signal
import struct
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import pynn

from . import bombs, commands, data_files, folders, guard, pynn_files, run_folders, runs
from . import options as types
from .cases import File, Reader

MODULES = (pynn_files, runs, run_folders, data_files, commands)
READERS = {kind.name: kind for module in MODULES for kind in module.READERS}
CHUNK = 2000  # files that a child reads
HANG = 60.0  # seconds after which a file is given up
SHOWN = 3  # findings of one kind that are shown, and kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--files", type=types.positive, default=20_000, help="how many, over all readers (default 20,000)"
    )
    names, one = types.names_of("reader", READERS), types.numbered("reader", READERS)
    words = f"these readers alone, with commas: {', '.join(READERS)}"
    parser.add_argument("--only", metavar="NAMES", type=names, help=words)
    parser.add_argument("--workers", type=types.positive, default=2, help="processes at once (default 2)")
    parser.add_argument("--keep", metavar="FOLDER", type=types.new_folder, help="where files of findings are kept")
    parser.add_argument("--file", metavar="NAME:NUMBER", type=one, help="make and read this one file again")


def run(options: argparse.Namespace) -> int:
    pynn.set_num_threads(1)  # files are small, and children are forked
    guard.import_lazy()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if options.file:
            return _one(options, bombs.scratch())
        bombs.scratch()  # made here, and so removed here: children end without cleaning up
        campaign = Campaign(options, [READERS[name]() for name in options.only or READERS])
        try:
            return campaign.run()
        finally:
            campaign.end_all()


def _one(options: argparse.Namespace, folder: Path) -> int:
    """Read one file again, without a child, and show what comes; a traceback where it is an error."""
    name, number = options.file
    reader = READERS[name]()
    reader.settle(folder)
    file, what = reader.make(number, options.seed)
    reader.put(file)
    if options.keep:
        _keep(options.keep, name, number, file.content)
    print(f"{name}:{number}, {what}, {len(file.content):,} bytes, {file.extra!r:.80}: {file.content!r:.300}")
    start = time.perf_counter()
    try:
        print(reader.judge(file, reader.read(file)))
    except BaseException:
        traceback.print_exc()
    print(f"{time.perf_counter() - start:.3f} s")
    return 0


def _keep(folder: Path, name: str, number: int, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-{number}").write_bytes(content)


@dataclass
class Tally:
    """What came of one reader's files."""

    came: collections.Counter[str] = field(default_factory=collections.Counter)
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)  # seconds, and the file's number
    largest: tuple[int, int] = (0, 0)

    def line(self, name: str) -> str:
        files = sum(self.came.values())
        refused = sum(count for came, count in self.came.items() if came.startswith("refused"))
        counts = (files, self.came["same"], self.came["other"], refused, self.came["finding"])
        costs = (1000 * self.seconds / max(1, files), self.slowest[0], self.largest[0] / 2**20)
        cells = [f"{count:>11,}" for count in counts] + [f"{cost:>13.2f}" for cost in costs]
        return f"{name:<9}{''.join(cells)}   ({self.slowest[1]}, {self.largest[1]})"


@dataclass
class Child:
    """A process that reads the files from `start` to `stop` of a reader."""

    process: int
    pipe: int
    reader: Reader
    stop: int
    place: mmap.mmap  # what it reads now: the number, and since when
    text: bytes = b""
    hung: bool = False

    def now(self) -> tuple[int, float]:
        number, since = struct.unpack("qd", self.place[:16])
        return number, since


class Campaign:
    """Hands files out to children, hears what came of them, and counts it."""

    def __init__(self, options: argparse.Namespace, readers: list[Reader]) -> None:
        self.options, self.readers = options, readers
        self.tallies = {reader.name: Tally() for reader in readers}
        self.findings: collections.Counter[str] = collections.Counter()
        self.children: dict[int, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.begun = time.monotonic()
        self.total, self.count, self.shown = 0, 0, 0.0

    def run(self) -> int:
        todo = self._plan()
        self.total = sum(stop - start for _, start, stop in todo)
        gc.freeze()
        while todo or self.children:
            while todo and len(self.children) < max(1, self.options.workers):
                self._start(*todo.pop(0))
            for key, _ in self.selector.select(timeout=0.5):
                self._hear(self.children[key.fd], todo)
            self._end_hanging()
            self._progress()
        self._progress(last=True)
        self._table()
        return sum(self.findings.values())

    def end_all(self) -> None:
        """Children that still read, of an interrupted campaign."""
        for child in self.children.values():
            os.kill(child.process, signal.SIGKILL)
            os.waitpid(child.process, 0)

    def _plan(self) -> list[tuple[Reader, int, int]]:
        """The work in pieces, those of all readers in turn."""
        shares = sum(reader.share for reader in self.readers)
        pieces = []
        for place, reader in enumerate(self.readers):
            count = round(self.options.files * reader.share / shares)
            steps = max(1, -(-count // CHUNK))
            for step in range(steps):
                piece = (reader, count * step // steps, count * (step + 1) // steps)
                pieces.append(((step + 0.5) / steps, place, piece))
        return [piece for *_, piece in sorted(pieces, key=lambda one: one[:2]) if piece[1] < piece[2]]

    def _start(self, reader: Reader, start: int, stop: int) -> None:
        read, write = os.pipe()
        place = mmap.mmap(-1, 16)
        place[:16] = struct.pack("qd", start, time.monotonic())
        parent = os.getpid()
        with folders.undisturbed() as disturb:
            process = os.fork()
            if process == 0:
                code = 1
                try:
                    signal.signal(signal.SIGTERM, signal.SIG_DFL)
                    disturb()
                    os.close(read)
                    _read_all(reader, range(start, stop), self.options.seed, parent, write, place)
                    code = 0
                except BaseException:
                    os.write(write, b"!" + json.dumps(traceback.format_exc()).encode() + b"\n")
                finally:
                    os._exit(code)
            self.children[read] = Child(process, read, reader, stop, place)
        os.close(write)
        self.selector.register(read, selectors.EVENT_READ)

    def _hear(self, child: Child, todo: list[tuple[Reader, int, int]]) -> None:
        piece = os.read(child.pipe, 1 << 16)
        child.text += piece
        *lines, child.text = child.text.split(b"\n")
        for line in lines:
            if line.startswith(b"!"):  # the harness itself failed
                raise RuntimeError(json.loads(line[1:]))
            self._count(child.reader, *json.loads(line))
        if piece:
            return
        self.selector.unregister(child.pipe)
        os.close(child.pipe)
        del self.children[child.pipe]
        _, status = os.waitpid(child.process, 0)
        if status != 0:
            number, _ = child.now()
            how = "does not end" if child.hung else f"ends the process: {_status(status)}"
            self._count(child.reader, number, f"finding: {how}", 0.0, 0, "")
            if number + 1 < child.stop:
                todo.insert(0, (child.reader, number + 1, child.stop))
        child.place.close()

    def _end_hanging(self) -> None:
        for child in self.children.values():
            if not child.hung and time.monotonic() - child.now()[1] > HANG:
                child.hung = True
                os.kill(child.process, signal.SIGKILL)

    def _count(self, reader: Reader, number: int, came: str, seconds: float, grown: int, more: str) -> None:
        tally = self.tallies[reader.name]
        self.count += 1
        tally.came["finding" if came.startswith("finding") else came] += 1
        tally.seconds += seconds
        tally.slowest, tally.largest = max(tally.slowest, (seconds, number)), max(tally.largest, (grown, number))
        if not came.startswith("finding: "):
            return
        kind = f"{reader.name}: {came.removeprefix('finding: ')}"
        self.findings[kind] += 1
        if self.findings[kind] <= SHOWN:
            print(f"\nFINDING {kind}\n  {reader.name}:{number}, {more!r:.700}", flush=True)
            if self.options.keep:
                _keep(self.options.keep, reader.name, number, reader.make(number, self.options.seed)[0].content)

    def _progress(self, last: bool = False) -> None:
        spent = time.monotonic() - self.begun
        if last or spent - self.shown > 10:
            self.shown = spent
            found = sum(self.findings.values())
            print(f"{self.count:,} of {self.total:,} files, {spent:.0f} s, {found} findings", file=sys.stderr)

    def _table(self) -> None:
        print(f"\nseed {self.options.seed}, pynn {pynn.__version__}, {pynn.kernels.backend()} kernels")
        heads = [f"{head:>11}" for head in ("files", "same", "other", "refused", "findings")]
        heads += [f"{head:>13}" for head in ("ms a file", "slowest, s", "largest, MB")]
        print(f"{'reader':<9}{''.join(heads)}   (numbers of these two)")
        refused: collections.Counter[str] = collections.Counter()
        for name, tally in self.tallies.items():
            refused.update({came: count for came, count in tally.came.items() if came.startswith("refused")})
            print(tally.line(name))
        print("; ".join(f"{came}: {count:,}" for came, count in refused.most_common()))
        for kind, count in self.findings.most_common():
            print(f"{count:>7,}  {kind}")


def _status(status: int) -> str:
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"


def _read_all(reader: Reader, numbers: range, seed: int, parent: int, pipe: int, place: mmap.mmap) -> None:
    """In the child: a line for each file, as long as the parent lives."""
    own = bombs.scratch() / f"child-{os.getpid()}"
    own.mkdir()
    reader.settle(own)

    def files() -> Iterator[tuple[int, File, str]]:
        for number in numbers:
            if os.getppid() != parent:
                return
            place[:16] = struct.pack("qd", number, time.monotonic())
            file, what = reader.make(number, seed)
            yield number, file, what

    with guard.quiet():
        for number, came, seconds, grown, more in guard.watched(reader, files(), own):
            words = more[:900] if came.startswith("finding") else ""
            line: list[Any] = [number, came, round(seconds, 4), grown, words]
            os.write(pipe, json.dumps(line).encode() + b"\n")
    shutil.rmtree(own, ignore_errors=True)
