"""A record as a folder that grows while training, and read back: JSON and safetensors, nothing that runs code.

run.json has what is known when training begins, events.jsonl a line for each snapshot and epoch and for the end,
rows.safetensors the kept rows, histograms-NUMBER.safetensors the histograms of a snapshot. A killed run leaves a folder
that reads up to the kill.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import checks
from ..callbacks.outage import Outage
from ..messages.terminal import brief, printable
from ..saving import container, filelocks, files
from ..saving.filelocks import FolderLock
from ..typing import Array
from . import observing, plain
from .record import BINS, Histogram, LayerStatistics, Part, Record, Snapshot
from .verdicts import Verdict

FORMAT = 1
ENTRY = "pynn_run"  # key in the metadata of its safetensors files
ABOUT, EVENTS, ROWS = "run.json", "events.jsonl", "rows.safetensors"
HISTOGRAMS = "histograms-{:06d}.safetensors"
_OURS = re.compile(r"(histograms-[0-9]{6,}|rows)\.safetensors|events\.jsonl|run\.json")
PATIENCE = 1.0  # seconds between writes of losses, so that others can follow the run
PARTS = ("train", "validation")
LAYER = {"name": str, "kind": str, "activation": str, "outputs": list, "parameters": int, "frozen": bool}
PLAIN = ("settings", "layers", "facts", "findings", "environment")  # fields of a record in run.json


def expect_own(folder: str | os.PathLike[str]) -> None:
    """Refuse a file, and a folder with files that no run has written, unless it is the folder of a run."""
    name, path = printable(folder), files.named(folder)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{name} is a file, expected a folder for the run")
    if is_run(path):
        _read_about(path / ABOUT)
        return
    for entry in sorted(os.listdir(path)) if path.exists() else []:
        if entry != filelocks.NAME and files.TEMPORARY.fullmatch(entry) is None:
            raise ValueError(f"{name} holds {printable(entry)}, which no run of pynn wrote: name another folder")


class Writer:
    """Writes the record of one run to a folder of its own; `begin`, `step` and `update`, `end`.

    RuntimeError if another run writes there, ValueError if it has files of something else.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.name = os.fspath(folder)
        self._folder = path = Path(os.path.realpath(folder))  # the script may change its working folder
        expect_own(folder)
        with files.naming(folder):
            path.mkdir(parents=True, exist_ok=True)
        with files.naming(self.name, path):
            self._lock = FolderLock(path, printable(self.name))
        self._outage = Outage()
        self._snapshots: dict[int, Snapshot] = {}  # those that are written, by their numbers
        self._last = -1  # of these numbers
        self._losses = self._epochs = 0  # how many are written
        self._begun, self._time = False, time.monotonic()

    def begin(self, record: Record, resumed: int | None = None) -> None:
        """Write what is known before the first step, in place of an earlier run.

        resumed: the step from which the run goes on that was killed; what was seen before it is put into the record.
        """
        if resumed is not None and is_run(self._folder):
            try:
                _put_before(record, read(self._folder), resumed)
            except (ValueError, OSError) as cause:
                checks.warn(f"what was seen before step {resumed} is lost: {cause}", RuntimeWarning)
        with files.naming(self.name, self._folder):
            for old in sorted(self._folder.iterdir()):
                if _OURS.fullmatch(old.name) and old.name != ABOUT:
                    old.unlink()
            self._write_about(record)
            (self._folder / EVENTS).touch()
        self._begun = True
        self.update(record)

    def step(self, record: Record) -> None:
        """Write after a step, if the last time is a second ago."""
        if time.monotonic() - self._time > PATIENCE:
            self.update(record)

    def update(self, record: Record) -> None:
        """Append what is new in the record."""
        if not self._begun:
            return
        self._time = time.monotonic()
        with self._outage.bridged(f"{printable(self.name)} could not be written", "it is tried again"):
            self._append(record, {})

    def end(self, record: Record | None) -> None:
        """Write the end of the run, and what was measured there; release the folder."""
        try:
            if record is not None and self._begun:
                with self._outage.bridged(f"the end of the run could not be written to {printable(self.name)}", ""):
                    self._write_about(record)
                    self._append(record, {"ended": record.ended})
        finally:
            self._lock.release()

    def _write_about(self, record: Record) -> None:
        about: dict[str, Any] = {ENTRY: FORMAT, **{name: getattr(record, name) for name in PLAIN}}
        arrays: dict[str, Array] = {}
        for part_name in PARTS:
            part = getattr(record, part_name)
            about[part_name] = None if part is None else _split_part(part, part_name, arrays)
        if record.first_weights is not None:
            arrays["first_weights"] = record.first_weights
        if arrays:
            _write_arrays(self._folder / ROWS, arrays)
        files.write_whole(self._folder / ABOUT, plain.line(about))

    def _append(self, record: Record, last: dict[str, Any]) -> None:
        """One line with everything that is new, and the files of its snapshots before it."""
        written = {id(snapshot) for snapshot in self._snapshots.values()}
        fresh = [snapshot for snapshot in record.snapshots if id(snapshot) not in written]
        numbered = dict(enumerate(fresh, self._last + 1))
        kept = {id(snapshot) for snapshot in record.snapshots}
        dropped = [number for number, snapshot in self._snapshots.items() if id(snapshot) not in kept]
        event: dict[str, Any] = {"time": round(time.time(), 3)}
        if fresh:
            event["snapshots"] = [self._of_snapshot(number, snapshot) for number, snapshot in numbered.items()]
        if dropped:
            event["dropped"] = dropped
        if len(record.epochs) > self._epochs:
            event["epochs"] = record.epochs[self._epochs :]
        if len(record.losses) > self._losses:
            event["losses"] = record.losses[self._losses :]
            event["rates"] = record.rates[self._losses :]
        event.update(last)
        if len(event) == 1:
            return
        _append_line(self._folder / EVENTS, plain.line(event))
        for number in dropped:
            del self._snapshots[number]
            (self._folder / HISTOGRAMS.format(number)).unlink(missing_ok=True)
        self._snapshots.update(numbered)
        self._last += len(fresh)
        self._epochs, self._losses = len(record.epochs), len(record.losses)

    def _of_snapshot(self, number: int, snapshot: Snapshot) -> dict[str, Any]:
        """The numbers of a snapshot; its histograms are written to a file."""
        counts = np.zeros((len(snapshot.layers), 2, BINS), np.int32)
        layers = {}
        for row, (name, statistics) in enumerate(snapshot.layers.items()):
            layers[name] = numbers = dict(vars(statistics))
            for column, kind in enumerate(("outputs", "gradients")):
                histogram = numbers[kind]
                if histogram is not None:
                    counts[row, column] = histogram.counts
                    numbers[kind] = [histogram.low, histogram.high]
        _write_arrays(self._folder / HISTOGRAMS.format(number), {"counts": counts})
        return {**vars(snapshot), "layers": layers, "number": number}


def _put_before(record: Record, previous: Record, step: int) -> None:
    """Put what was seen of the same run before this step into the record."""
    snapshots = [snapshot for snapshot in previous.snapshots if snapshot.step < step]
    if not snapshots or not observing.continues(record, previous):
        return
    steps = step - snapshots[0].step
    losses, rates = (_padded(numbers, steps) for numbers in (previous.losses, previous.rates))
    epochs = [epoch for epoch in previous.epochs if epoch["steps"] <= steps]
    observing.put_before(record, replace(previous, losses=losses, rates=rates, snapshots=snapshots, epochs=epochs))


def _padded(numbers: list[float], steps: int) -> list[float]:
    """The numbers of so many steps, NaN for those that were not written."""
    return numbers[:steps] + [float("nan")] * (steps - len(numbers))


def _split_part(part: Part, name: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """The plain values of a part; its arrays go into `arrays`."""
    values = dict(vars(part))
    for key, value in list(values.items()):
        if isinstance(value, np.ndarray):
            arrays[f"{name}.{key}"] = values.pop(key)
    return values


def _write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    container.write(path, arrays, ENTRY, json.dumps({"crc": container.checksum("", arrays)}))


def _append_line(path: Path, content: bytes) -> None:
    """Append the line, or nothing: a disk may be full in the middle of it."""
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with suppress(OSError):
                file.truncate(end)
            raise


# Reading ------------------------------------------------------------------------------------------


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether the path is a folder with the description of a run."""
    return os.path.isfile(os.path.join(path, ABOUT))


def state(folder: str | os.PathLike[str], record: Record) -> str:
    """How it stands with the run of a record that was read from the folder: "ended", "running" or "killed"."""
    if record.ended:
        return "ended"
    return "running" if in_use(folder) else "killed"


def in_use(folder: str | os.PathLike[str]) -> bool:
    """Whether a run that is still alive writes there."""
    return filelocks.in_use(Path(folder))


def version(folder: str | os.PathLike[str]) -> tuple[int, ...]:
    """Numbers that change whenever the folder does."""
    numbers = []
    for name in (ABOUT, EVENTS, ROWS):
        with suppress(OSError):
            status = os.stat(os.path.join(folder, name))
            numbers += [status.st_mtime_ns, status.st_size, status.st_ino]
    return tuple(numbers)


def read(folder: str | os.PathLike[str]) -> Record:
    """The record of the run in the folder, as far as it was written; ValueError if it is damaged or something else."""
    path = files.named(folder)
    name = printable(folder)
    if not path.exists():
        raise FileNotFoundError(
            f"{name} does not exist, expected the folder of a run, which pynn.Monitor({name!r}) writes"
        )
    if not path.is_dir():
        raise NotADirectoryError(f"{name} is a file, expected the folder of a run")
    if not is_run(path):
        raise ValueError(f"{name} is not the folder of a run: it has no {ABOUT}, which pynn.Monitor({name!r}) writes")
    about = _read_about(path / ABOUT)
    try:
        record = Record(**{key: about.pop(key) for key in PLAIN})
        arrays = _read_arrays(path / ROWS) if (path / ROWS).exists() else {}
        for part_name in PARTS:
            values = about.pop(part_name)
            if values is not None:
                own = {key.partition(".")[2]: array for key, array in arrays.items() if key.startswith(f"{part_name}.")}
                setattr(record, part_name, Part(**{**values, **own}))
        record.first_weights = arrays.get("first_weights")
        if about:
            raise KeyError(f"unknown entries {', '.join(map(str, about))}")
    except (KeyError, TypeError, AttributeError) as cause:
        raise ValueError(container.one_line(f"{name} is not the folder of a run: {cause!r}")) from None
    snapshots: dict[int, Snapshot] = {}
    for number, event in enumerate(_lines(path / EVENTS), 1):
        try:
            _apply(record, snapshots, event)
        except (KeyError, TypeError, AttributeError, ValueError) as cause:
            raise ValueError(container.one_line(f"{path / EVENTS}, line {number}: {cause!r}")) from None
    for number, snapshot in snapshots.items():
        _fill(path / HISTOGRAMS.format(number), snapshot)
    record.snapshots = list(snapshots.values())
    if (fault := _fault(record)) is not None:
        raise ValueError(container.one_line(f"{name} is not the folder of a run: {fault}"))
    return record


def _fault(record: Record) -> str | None:
    """What in the record is of another kind than a Monitor writes; readers may rely on the rest."""
    for field, kind in (("settings", dict), ("facts", dict), ("environment", dict), ("ended", dict)):
        if not isinstance(getattr(record, field), kind):
            return f"its {field} are {brief(getattr(record, field))}"
    for layer in record.layers if isinstance(record.layers, list) else [record.layers]:
        if (
            not isinstance(layer, dict)
            or not LAYER.items() <= {key: type(value) for key, value in layer.items()}.items()
        ):
            return f"a layer is {brief(layer)}"
    for finding in record.findings if isinstance(record.findings, list) else [record.findings]:
        try:
            Verdict(**finding)
        except (TypeError, AssertionError):
            return f"a finding is {brief(finding)}"
    for epoch in record.epochs:
        if not isinstance(epoch, dict) or not all(map(_is_number, epoch.values())):
            return f"an epoch is {brief(epoch)}"
    for snapshot in record.snapshots:
        numbers = [value for key, value in vars(snapshot).items() if key != "layers"]
        for statistics in snapshot.layers.values():
            numbers += [value for value in vars(statistics).values() if value is not None]
        if not all(_is_number(value) or isinstance(value, Histogram) for value in numbers):
            return f"the snapshot of step {brief(snapshot.step)} holds something else than numbers"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _read_about(path: Path) -> dict[str, Any]:
    files.expect_file(path, "the description of a run")
    try:
        about = plain.of_line(path.read_bytes())
        found = about.pop(ENTRY)
    except (ValueError, KeyError) as cause:
        raise ValueError(
            container.one_line(f"{path} is damaged, or not of a run of pynn ({cause}): copy it again, or name another")
        ) from None
    if found != FORMAT:
        raise ValueError(container.one_line(f"{path} has format {found}, this pynn reads {FORMAT}: use a newer pynn"))
    return about


def _lines(path: Path) -> list[dict[str, Any]]:
    """The events; what follows the last line break was cut off by a kill, and is left out."""
    if not path.exists():
        return []
    files.expect_file(path, "the events of a run")
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            found.append(plain.of_line(line))
        except ValueError as cause:
            raise ValueError(
                container.one_line(f"{path} is damaged in line {number}: {cause}; copy it again")
            ) from None
    return found


def _apply(record: Record, snapshots: dict[int, Snapshot], event: dict[str, Any]) -> None:
    for numbers in event.get("snapshots", ()):
        layers = {name: LayerStatistics(**values) for name, values in numbers.pop("layers").items()}
        number = int(numbers.pop("number"))
        snapshots[number] = Snapshot(**numbers, layers=layers)
    for number in event.get("dropped", ()):
        del snapshots[number]
    record.epochs.extend(event.get("epochs", ()))
    losses = list(map(float, event.get("losses", ())))
    record.losses += losses
    record.rates += _padded(list(map(float, event.get("rates", ()))), len(losses))  # older files have none
    record.ended = event.get("ended", record.ended)


def _fill(path: Path, snapshot: Snapshot) -> None:
    """Put the histograms of the file into the snapshot."""
    counts = _read_arrays(path).get("counts")
    if counts is None or counts.shape != (len(snapshot.layers), 2, BINS):
        raise ValueError(f"{printable(path)} does not fit the run's events: copy the folder again")
    for (name, statistics), row in zip(snapshot.layers.items(), counts, strict=True):
        values: dict[str, Any] = dict(vars(statistics))
        for column, kind in enumerate(("outputs", "gradients")):
            if values[kind] is None:
                continue
            try:
                low, high = map(float, values[kind])
            except (TypeError, ValueError, OverflowError) as cause:
                where = f"{path.parent / EVENTS}: the histogram of {kind} of {name!r} has ends {brief(values[kind])}"
                raise ValueError(container.one_line(where)) from container.safe_cause(cause)
            values[kind] = Histogram(row[column], low, high)
        snapshot.layers[name] = LayerStatistics(**values)


def _read_arrays(path: Path) -> dict[str, Array]:
    entry, arrays = container.read(path, ENTRY, "run")
    if entry.get("crc") != container.checksum("", arrays):
        raise ValueError(f"{printable(path)} is damaged: its checksum is wrong; copy it again")
    return dict(arrays)
