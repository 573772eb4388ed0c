"""The folder of a run: what is read back is what was recorded, also after a kill; damage and foreign files are told."""

from __future__ import annotations

import itertools
import math
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import watched_runs

import pynn
from pynn.diagnostics import Record, diagnose, plain, run_folder, sources
from pynn.saving.filelocks import FolderLock


def same(first, second) -> bool:
    """Whether two values are equal down to the last array and NaN."""
    if isinstance(first, np.ndarray):
        return (
            isinstance(second, np.ndarray)
            and (first.dtype, first.shape) == (second.dtype, second.shape)
            and np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
        )
    if hasattr(first, "__dataclass_fields__"):
        return type(first) is type(second) and all(
            same(getattr(first, field.name), getattr(second, field.name)) for field in fields(first)
        )
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[name], second[name]) for name in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and math.isnan(first):
        return isinstance(second, float) and math.isnan(second)
    return type(first) is type(second) and first == second


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def test_a_folder_reads_as_what_was_recorded(folder, backend):
    history = watched_runs.watched(folder)
    record = run_folder.read(folder)
    for field in fields(Record):
        assert same(getattr(history.record, field.name), getattr(record, field.name)), field.name
    assert str(diagnose(folder)) == str(diagnose(history)) == str(diagnose(record))
    assert run_folder.state(folder, record) == "ended"
    assert not (folder / ".pynn.lock").exists()


def test_a_run_with_many_snapshots_drops_some_and_their_files(folder, monkeypatch):
    monkeypatch.setattr("pynn.diagnostics.monitor.SNAPSHOTS", 20)
    history = watched_runs.watched(folder, epochs=30)
    assert same(history.record.snapshots, run_folder.read(folder).snapshots)
    assert len(list(folder.glob("histograms-*"))) == len(history.record.snapshots) <= 21


def test_a_second_fit_goes_on_with_the_record(folder):
    model = watched_runs.network()
    watched_runs.watched(folder, model=model)
    history = watched_runs.watched(folder, model=model)
    assert len(history.record.epochs) == 6
    assert same(vars(history.record), vars(run_folder.read(folder)))


@pytest.mark.parametrize(
    "options",
    [
        {"validation": None},
        {
            "model": pynn.Sequential(pynn.Flatten(), pynn.Affine(3)),
            "samples": (np.zeros((9, 8, 8, 1)), np.arange(9) % 3),
        },
        {"model": pynn.Sequential(pynn.Affine(1)), "samples": watched_runs.samples(), "loss": "l2"},
        {"model": pynn.Sequential(pynn.Affine(3)), "samples": (watched_runs.samples()[0], np.array(list("abc") * 100))},
    ],
    ids=["no validation", "pictures", "numbers", "names of classes"],
)
def test_other_runs(folder, options):
    history = watched_runs.watched(folder, **options)
    assert same(vars(history.record), vars(run_folder.read(folder)))


def test_weights_of_pictures_are_kept(folder):
    x = np.random.default_rng(0).random((30, 8, 8, 1), np.float32)
    model = pynn.Sequential(pynn.Conv2d(4), pynn.ReLU(), pynn.Flatten(), pynn.Affine(3))
    watched_runs.watched(folder, model=model, samples=(x, np.arange(30) % 3))
    np.testing.assert_array_equal(run_folder.read(folder).first_weights, np.moveaxis(model.layers[0].weight, 3, 0))


def test_a_run_that_fails_in_its_first_step(folder):
    class Broken(pynn.SquaredError):
        def forward(self, outputs, targets, weights=None):
            raise ZeroDivisionError("broken")

    x, y = watched_runs.samples()
    model = pynn.Sequential(pynn.Affine(1))
    model.build((6,))
    with pytest.raises(ZeroDivisionError, match="broken"):
        watched_runs.watched(folder, model=model, samples=(x, y[:, None].astype(float)), loss=Broken())
    record = run_folder.read(folder)
    assert record.settings["loss"] == "Broken"
    assert record.train is not None
    assert not (folder / ".pynn.lock").exists()


def test_a_run_that_diverges(folder):
    x, y = watched_runs.samples()
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        watched_runs.watched(
            folder, model=pynn.Sequential(pynn.Affine(3)), samples=(1e20 * x, y), optimizer=pynn.SGD(1e30)
        )
    record = run_folder.read(folder)
    assert record.ended["error"].startswith("FloatingPointError")
    assert len(record.losses) == 1


@pytest.mark.slow
def test_a_killed_run_reads_up_to_the_kill(folder):
    watched_runs.killed(folder)
    record = run_folder.read(folder)
    assert run_folder.state(folder, record) == "killed"
    assert len(record.losses) >= 60
    assert len(record.snapshots) > 5
    assert record.epochs
    assert record.train is not None
    assert record.train.outputs is None
    diagnose(folder)
    history = watched_runs.watched(folder)  # the next run takes the folder over
    assert same(history.record.losses, run_folder.read(folder).losses)


def test_a_resumed_run_keeps_what_was_seen_before_it_was_killed(folder, tmp_path):
    class Killed(pynn.Callback):
        def on_step_end(self, trainer):
            if trainer.step == 40:
                raise KeyboardInterrupt

    x, y = watched_runs.samples()
    options = {"validation": 0.2, "epochs": 6, "batch_size": 20, "progress": False, "checkpoint": tmp_path / "saved"}
    whole = watched_runs.watched(epochs=6).record
    begun = {**options, "callbacks": [pynn.Monitor(folder, interval=10), Killed()]}
    with pytest.raises(KeyboardInterrupt):
        watched_runs.network().fit(x, y, optimizer=pynn.Adam(0.02), **begun)
    options = {**options, "callbacks": [pynn.Monitor(folder, interval=10)], "resume": True}
    history = watched_runs.network().fit(x, y, optimizer=pynn.Adam(0.02), **options)
    assert len(history.record.losses) == 72
    assert history.record.losses == whole.losses
    assert [epoch["val_loss"] for epoch in history.record.epochs] == [epoch["val_loss"] for epoch in whole.epochs]
    assert same(vars(history.record), vars(run_folder.read(folder)))


def test_a_torn_last_line_is_ignored(folder):
    watched_runs.watched(folder)
    whole = run_folder.read(folder)
    events = folder / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    for cut in (1, len(lines[-1]) // 2, len(lines[-1]) - 1):
        events.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
        record = run_folder.read(folder)
        assert not record.ended
        assert len(record.epochs) == len(whole.epochs)


@pytest.mark.parametrize("name", ["run.json", "events.jsonl", "rows.safetensors", "histograms-000002.safetensors"])
def test_damage_is_told_with_the_file(folder, name):
    watched_runs.watched(folder)
    content = bytearray((folder / name).read_bytes())
    for place in (len(content) // 3, len(content) * 2 // 3, len(content) - 9):
        damaged = content.copy()
        damaged[place] ^= 4
        (folder / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=name):
            run_folder.read(folder)
    (folder / name).unlink()
    if name.startswith("histograms"):
        with pytest.raises(FileNotFoundError, match=name):
            run_folder.read(folder)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null", '{"pynn_run": 1, "crc": 5}', "\x00\xff", "{" * 5000])
def test_a_foreign_description_is_refused(folder, content):
    folder.mkdir()
    (folder / "run.json").write_bytes(content.encode("latin-1"))
    for reading in (run_folder.read, pynn.diagnose, run_folder.Writer):
        with pytest.raises(ValueError, match=r"run\.json is damaged, or not of a run of pynn"):
            reading(folder)


def test_a_newer_format_is_told(folder):
    folder.mkdir()
    (folder / "run.json").write_bytes(plain.line({"pynn_run": 2}))
    with pytest.raises(ValueError, match="has format 2, this pynn reads 1: use a newer pynn"):
        run_folder.read(folder)


@pytest.mark.parametrize("event", [{"snapshots": [{}]}, {"snapshots": 3}, {"dropped": [9999]}, {"losses": ["a"]}])
def test_events_that_fit_no_run_are_refused(folder, event):
    watched_runs.watched(folder)
    with open(folder / "events.jsonl", "ab") as file:
        file.write(plain.line(event))
    with pytest.raises(ValueError, match=r"events\.jsonl, line \d+"):
        run_folder.read(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", 3), ("facts", []), ("environment", None), ("layers", {}), ("layers", [{"name": "a"}]),
        ("findings", [{"name": "nothing"}]), ("findings", 1), ("epochs", [3]), ("epochs", [{"loss": "low"}]),
        ("ended", [1]),
    ],
)  # fmt: skip
def test_values_that_no_run_has_are_refused(folder, name, value):
    watched_runs.watched(folder)
    if name in ("epochs", "ended"):
        with open(folder / "events.jsonl", "ab") as file:
            file.write(plain.line({name: value}))
    else:
        about = plain.of_line((folder / "run.json").read_bytes())
        (folder / "run.json").write_bytes(plain.line({**about, name: value}))
    with pytest.raises(ValueError, match="is not the folder of a run"):
        run_folder.read(folder)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist, expected the folder of a run"):
        run_folder.read(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"is not the folder of a run: it has no run\.json"):
        run_folder.read(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is a file, expected the folder of a run"):
        run_folder.read(tmp_path / "file")
    with pytest.raises(TypeError, match="expected a model, an estimator, a history, a Record or the folder of a run"):
        diagnose(3)
    with pytest.raises(ValueError, match=r"was not watched: train with callbacks=\[pynn\.Monitor\(\)\]"):
        sources.of(pynn.History())


def test_files_of_something_else_are_not_touched(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds notes\.txt, which no run of pynn wrote: name another folder"):
        watched_runs.watched(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    watched_runs.watched(folder)
    (folder / "report.html").write_text("mine")  # beside a run it stays
    watched_runs.watched(folder)
    assert (folder / "report.html").read_text() == "mine"


def test_a_folder_has_one_run(folder):
    watched_runs.watched(folder)
    before = run_folder.read(folder)
    lock = FolderLock(folder, "run")
    with pytest.raises(RuntimeError, match="in use by another run"):
        watched_runs.watched(folder)
    assert same(vars(before), vars(run_folder.read(folder)))
    lock.release()
    watched_runs.watched(folder)


def test_a_full_disk_ends_no_run_that_has_written(folder, monkeypatch):
    calls = 0

    def append(path, content):
        nonlocal calls
        calls += 1
        if 3 < calls < 8:
            raise OSError(28, "No space left on device")
        real(path, content)

    real = run_folder._append_line
    monkeypatch.setattr(run_folder, "_append_line", append)
    with pytest.warns(RuntimeWarning, match=r"could not be written \(.*No space left.*\); training continues"):
        history = watched_runs.watched(folder)
    assert same(vars(history.record), vars(run_folder.read(folder)))


def test_only_the_first_process_writes(folder):
    assert pynn.Monitor(folder).writes
    assert not pynn.Monitor().writes


def test_appending_rewrites_nothing(folder):
    sizes = []

    class Looks(pynn.Callback):
        def on_epoch_end(self, trainer):
            content = (folder / "events.jsonl").read_bytes()
            sizes.append((content, (folder / "run.json").stat().st_mtime_ns))

    x, y = watched_runs.samples()
    watched_runs.network().fit(x, y, epochs=4, progress=False, callbacks=[pynn.Monitor(folder), Looks()])
    for (before, written), (after, again) in itertools.pairwise(sizes):
        assert after.startswith(before)
        assert written == again


def test_plain_values_survive():
    values = {
        "numbers": [1, -2.5, math.nan, math.inf, -math.inf, 1e-300, 2**70, True, None],
        "pairs": {1: "a", 2.5: "b", (3, 4): "c"},
        "$own": {"$float": "nan"},
        "array": np.array([[1.0, np.nan], [np.inf, 4.0]], np.float32),
        "text": 'ü\n"\u2028</script>',
    }
    assert same(plain.of_line(plain.line(values)), values)
    assert plain.of_line(plain.line({"a": np.float32(0.5), "b": Path("x")})) == {"a": 0.5, "b": repr(Path("x"))}
    assert b"\n" not in plain.line(values)[:-1]
    assert b"NaN" not in plain.line(values)


def test_a_copied_folder_reads_the_same(folder, tmp_path):
    history = watched_runs.watched(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert same(vars(history.record), vars(run_folder.read(tmp_path / "copy")))
