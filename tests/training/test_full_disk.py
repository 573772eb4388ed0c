"""A disk that is full for a while: no run ends, no file is half there, what was there stays; and files that vanish."""

from __future__ import annotations

import copy
import csv
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted import Scripted

import pynn
from pynn.saving import filelocks

resource = pytest.importorskip("resource")

Points = tuple[np.ndarray, np.ndarray]


@contextmanager
def full(size: int = 0) -> Iterator[None]:
    """No file grows beyond this size meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class FullDisk(pynn.Callback):
    """The disk is full from the end of one epoch to the end of another."""

    def __init__(self, first: int, last: int, size: int = 0) -> None:
        self.first, self.last, self.size = first, last, size
        self.disk: Any = None

    def on_epoch_end(self, trainer: pynn.Trainer) -> None:
        if trainer.epoch == self.first:
            self.disk = full(self.size)
            self.disk.__enter__()
        elif trainer.epoch == self.last:
            self.on_train_end(trainer)

    def on_train_end(self, trainer: pynn.Trainer) -> None:
        if self.disk is not None:
            self.disk.__exit__(None, None, None)
            self.disk = None


def fit(points: Points, *callbacks: Any, epochs: int = 6, **settings: Any) -> pynn.Sequential:
    model = settings.pop("model", None) or pynn.Sequential(pynn.Affine(5), pynn.Dropout(0.3), pynn.Affine(3), seed=2)
    settings = {"validation": points, **settings}
    model.fit(*points, epochs=epochs, batch_size=8, progress=False, callbacks=callbacks, **settings)
    return model


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def checkpoints(*numbers: int) -> list[str]:
    return [f"checkpoint-{number:08d}.safetensors" for number in numbers]


# Checkpoints ---------------------------------------------------------------------------------------


def test_a_run_outlives_a_full_disk(backend: str, points: Points, tmp_path: Path) -> None:
    expected = fit(points)
    with pytest.warns(RuntimeWarning, match=r"no checkpoint") as seen:
        model = fit(points, FullDisk(3, 5), checkpoint=tmp_path)
    (warning,) = seen  # one for the two that could not be written
    assert re.fullmatch(
        r"no checkpoint could be written after step 12 \(\[Errno 27\] File too large: "
        rf"'{tmp_path}/checkpoint-00000003\.safetensors'\); training continues, the newest is still "
        r"checkpoint-00000002\.safetensors, and the next one is tried when it is due",
        str(warning.message),
    )
    assert warning.filename == __file__
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    assert names(tmp_path) == checkpoints(3, 4)
    again = fit(points, epochs=8, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(again.parameters, fit(points, epochs=8).parameters)


def test_a_run_that_is_killed_while_the_disk_is_full_goes_on_from_the_newest(points: Points, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(trainer: pynn.Trainer) -> None:
        if trainer.epoch == 5:
            raise Killed

    with pytest.warns(RuntimeWarning, match=r"the newest is still checkpoint-00000002"), pytest.raises(Killed):
        fit(points, FullDisk(3, 9), kill, checkpoint=tmp_path)
    assert names(tmp_path) == checkpoints(1, 2)
    model = fit(points, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(model.parameters, fit(points).parameters)


@pytest.mark.parametrize("settings", [{"every_steps": 1}, {"every_seconds": 0}])
def test_skipped_checkpoints_are_tried_again_at_the_next_interval(
    settings: dict[str, Any], points: Points, tmp_path: Path
) -> None:
    with pytest.warns(RuntimeWarning, match=r"after step 12 ") as seen:
        fit(points, FullDisk(3, 4), checkpoint=pynn.Checkpoint(tmp_path, **settings, keep=9))
    assert len(seen) == 1
    assert len(names(tmp_path)) == 9


def test_a_run_whose_end_is_in_no_checkpoint_warns(points: Points, tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"no checkpoint could be written after") as seen:
        fit(points, LateEnd(FullDisk(2, 9)), checkpoint=tmp_path)
    assert [re.findall(r"after step (\d+)", str(one.message)) for one in seen] == [["8"], ["24"]]
    assert names(tmp_path) == checkpoints(1)


class LateEnd(pynn.Callback):
    """The disk stays full until all callbacks have ended: it is the first, and ends as the last but one."""

    def __init__(self, disk: FullDisk) -> None:
        self.on_epoch_end = disk.on_epoch_end  # type: ignore[method-assign]
        self.disk = disk

    def on_train_end(self, trainer: pynn.Trainer) -> None:
        self.disk.on_train_end(trainer)


def test_a_disk_that_is_full_at_first_ends_it_and_says_what_to_do(points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(OSError, match=r"File too large: '.*checkpoint-00000001\.safetensors'") as caught:
        fit(points, FullDisk(1, 9), model=model, checkpoint=tmp_path / "a")
    assert caught.value.filename == str(tmp_path / "a" / checkpoints(1)[0])
    assert names(tmp_path / "a") == []
    assert model.predict(points[0]).shape == (30,)  # what was trained is there
    assert model.history is not None
    assert model.history.epochs == 1
    with full(), pytest.raises(OSError, match=rf"File too large: '{tmp_path}/b'"):
        fit(points, checkpoint=tmp_path / "b")  # before it trains
    assert names(tmp_path / "b") == []
    fit(points, checkpoint=tmp_path / "c")
    before = names(tmp_path / "c")
    with pytest.raises(OSError, match=r"checkpoint-00000007\.safetensors'") as caught:
        fit(points, FullDisk(7, 9), epochs=8, checkpoint=tmp_path / "c", resume=True)
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == [
            f"free some space, then fit(..., checkpoint='{tmp_path / 'c'}', resume=True) continues"
        ]
    assert names(tmp_path / "c") == before
    model = fit(points, epochs=8, checkpoint=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(model.parameters, fit(points, epochs=8).parameters)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system of its own")
def test_a_file_system_that_is_full(points: Points, tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")

    def fill(trainer: pynn.Trainer) -> None:
        if trainer.epoch == 4:
            (tmp_path / "filler").unlink()
        elif trainer.epoch == 2:
            with suppress(OSError), open(tmp_path / "filler", "wb", 0) as file:
                while file.write(bytes(4096)):
                    pass

    log = tmp_path / "log.csv"
    try:
        with pytest.warns(RuntimeWarning, match=r"No space left on device: '.*checkpoint-00000002") as seen:
            model = fit(points, fill, pynn.CSVLogger(log), checkpoint=tmp_path / "a")
        assert len(seen) == 1
        np.testing.assert_array_equal(model.parameters, fit(points).parameters)
        assert names(tmp_path / "a") == checkpoints(3, 4)
        assert [row[0] for row in table(log)] == ["epoch", *"123456"]
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


# Folders and files that vanish ---------------------------------------------------------------------


def at(epoch: int, act: Callable[[], Any]) -> Callable[[pynn.Trainer], None]:
    def hook(trainer: pynn.Trainer) -> None:
        if trainer.epoch == epoch:
            act()

    return hook


def test_a_folder_that_is_removed_ends_no_run(points: Points, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    remove, make = at(3, lambda: shutil.rmtree(folder)), at(5, folder.mkdir)
    with pytest.warns(RuntimeWarning, match=r"after step 12 \(the folder .*/a is gone, removed or renamed") as seen:
        model = fit(points, remove, make, checkpoint=folder)
    assert len(seen) == 1
    np.testing.assert_array_equal(model.parameters, fit(points).parameters)
    assert names(folder) == checkpoints(3, 4)


def test_a_folder_taken_by_another_run_meanwhile_is_left_alone(points: Points, tmp_path: Path) -> None:
    other = []

    def take() -> None:
        shutil.rmtree(tmp_path / "a")
        (tmp_path / "a").mkdir()
        other.append(filelocks.FolderLock(tmp_path / "a", "a"))

    with pytest.raises(RuntimeError, match=r"/a is in use by another run of this process"):
        fit(points, at(3, take), checkpoint=tmp_path / "a")
    assert names(tmp_path / "a") == [filelocks.NAME]
    other[0].release()


def test_checkpoints_written_by_another_run_meanwhile_are_left_alone(points: Points, tmp_path: Path) -> None:
    """Its folder was moved away, and another run has come to its end in one of the same name."""

    def another() -> None:
        (tmp_path / "a").rename(tmp_path / "old")
        fit(points, checkpoint=tmp_path / "a", epochs=epochs)

    for epochs in (2, 5):  # with numbers like its own, and with others
        with pytest.raises(RuntimeError, match=rf"/a has been taken by another run, .*checkpoint-0000000{epochs}\.saf"):
            fit(points, at(3, another), checkpoint=tmp_path / "a")
        assert names(tmp_path / "a") == checkpoints(epochs - 1, epochs)
        assert names(tmp_path / "old") == [filelocks.NAME, *checkpoints(1, 2)]
        shutil.rmtree(tmp_path / "a")
        shutil.rmtree(tmp_path / "old")


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_a_link_may_lead_elsewhere_meanwhile(points: Points, tmp_path: Path) -> None:
    def turn() -> None:
        (tmp_path / "latest").unlink()
        (tmp_path / "latest").symlink_to(tmp_path / "b")

    for name in "ab":
        (tmp_path / name).mkdir()
    (tmp_path / "latest").symlink_to(tmp_path / "a")
    fit(points, at(3, turn), checkpoint=tmp_path / "latest")
    assert names(tmp_path / "a") == checkpoints(5, 6)
    assert names(tmp_path / "b") == []


def test_a_lock_that_is_removed_is_taken_again(points: Points, tmp_path: Path) -> None:
    def inner() -> None:
        with pytest.raises(RuntimeError, match=r"is in use by another run"):
            fit(points, checkpoint=tmp_path, resume=True)

    fit(points, at(3, (tmp_path / filelocks.NAME).unlink), at(4, inner), checkpoint=tmp_path)
    assert names(tmp_path) == checkpoints(5, 6)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_run_that_is_done_is_found_in_a_folder_that_is_write_protected(points: Points, tmp_path: Path) -> None:
    _expect_found_in_a_protected_folder(points, tmp_path / "a", lambda: (tmp_path / "a").chmod(0o555))


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")])
def test_a_run_that_is_done_is_found_where_no_lock_can_be_made(
    error: OSError, points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Any:
        raise error

    folder = tmp_path / "a"
    _expect_found_in_a_protected_folder(points, folder, lambda: monkeypatch.setattr(filelocks, "opened", refuse))


def _expect_found_in_a_protected_folder(points: Points, folder: Path, protect: Callable[[], Any]) -> None:
    model = fit(points, checkpoint=folder)
    protect()
    found = fit(points, checkpoint=folder, resume=True)
    np.testing.assert_array_equal(found.parameters, model.parameters)
    assert found.epoch == 6
    with pytest.raises(OSError, match=r"ermission|Read-only"):
        fit(points, epochs=7, checkpoint=folder, resume=True)
    with pytest.raises(OSError, match=r"ermission|Read-only"):
        fit(points, checkpoint=folder)
    assert names(folder) == checkpoints(5, 6)


# Models and tables ---------------------------------------------------------------------------------


def test_the_best_model_is_saved_when_there_is_room_again(points: Points, tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"

    class Epochs(pynn.Callback):
        def on_epoch_end(self, trainer: pynn.Trainer) -> None:
            found.append(pynn.load(path).epoch)

    found: list[int] = []
    saver = pynn.ModelCheckpoint(path, save_best_only=True)
    match = r"the model of epoch 2 could not be saved \(.*best\.saf.*continues, without"
    with pytest.warns(RuntimeWarning, match=match) as seen:
        fit(points, Scripted(5, 3, 4, 4, 2, 6), FullDisk(2, 4), saver, Epochs())
    assert len(seen) == 1
    assert found == [1, 1, 1, 4, 5, 5]  # the fourth is worse than the second, which could not be saved
    assert names(tmp_path) == ["best.safetensors"]


def test_a_first_model_that_cannot_be_saved_ends_it(points: Points, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"File too large: '.*m\.safetensors'$"):
        fit(points, FullDisk(1, 9), pynn.ModelCheckpoint(tmp_path / "m.safetensors"))
    assert names(tmp_path) == []


def table(path: Path) -> list[list[str]]:
    """Without the column of what differs from run to run."""
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][-1] == "samples_per_second"
    return [row[:-1] for row in rows]


@pytest.mark.parametrize("room", [0, 3, 30])
def test_lines_that_find_a_full_disk_come_later(room: int, points: Points, tmp_path: Path) -> None:
    fit(points, pynn.CSVLogger(tmp_path / "expected.csv"))
    path = tmp_path / "log.csv"

    class Limited(FullDisk):
        def on_epoch_end(self, trainer: pynn.Trainer) -> None:
            self.size = path.stat().st_size + room
            super().on_epoch_end(trainer)
            lines.append(path.read_text().count("\n"))

    lines: list[int] = []
    with pytest.warns(RuntimeWarning, match=r"the line of epoch 3 could not be written \(.*log\.csv'\); training"):
        fit(points, Limited(3, 5), pynn.CSVLogger(path))
    assert table(path) == table(tmp_path / "expected.csv")
    assert lines == [0, 2, 3, 3, 3, 6]
    assert path.read_text().endswith("\n")


def test_a_resumed_table_is_never_shorter_than_what_it_keeps(points: Points, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    fit(points, pynn.CSVLogger(path), epochs=4, checkpoint=tmp_path / "a")
    before = path.read_bytes()
    size = path.stat().st_size
    with pytest.raises(OSError, match=r"log\.csv"):  # no room for another line
        fit(points, FullDisk(5, 9, size), pynn.CSVLogger(path), checkpoint=tmp_path / "a", resume=True)
    assert path.read_bytes() == before
    with open(path, "a") as file:
        file.write("5,half a li")  # of a process that was killed
    with path.open("rb") as seen:
        fit(points, pynn.CSVLogger(path), checkpoint=tmp_path / "a", resume=True)
        assert seen.read().startswith(before)  # the same file, for whoever watches it
    fit(points, pynn.CSVLogger(tmp_path / "expected.csv"))
    assert table(path) == table(tmp_path / "expected.csv")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_a_table_has_no_file(copied: Callable[[Any], Any], points: Points, tmp_path: Path) -> None:
    logger, copies = pynn.CSVLogger(tmp_path / "log.csv"), []
    fit(points, at(3, lambda: copies.append(copied(logger))), logger)
    assert [row[0] for row in table(tmp_path / "log.csv")] == ["epoch", *"123456"]
    with pytest.raises(RuntimeError, match=r"this CSVLogger is a copy; only the original writes to .*log\.csv"):
        copies[0]._append()
    fit(points, copies[0], epochs=2)
    assert [row[0] for row in table(tmp_path / "log.csv")] == ["epoch", *"12"]


def test_a_table_has_one_run_at_a_time(points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def inner() -> None:
        with pytest.raises(RuntimeError, match=r"^log\.csv is in use by another run; wait for it to end, or use"):
            fit(points, pynn.CSVLogger("log.csv"))

    def start() -> None:
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join()

    fit(points, at(3, inner), at(4, start), pynn.CSVLogger("log.csv"))
    assert [row[0] for row in table(tmp_path / "log.csv")] == ["epoch", *"123456"]
    fit(points, pynn.CSVLogger("log.csv"), epochs=1)  # which begins anew
    assert [row[0] for row in table(tmp_path / "log.csv")] == ["epoch", "1"]


def test_a_table_begins_at_the_beginning_where_a_lock_is_a_place_in_the_file(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows locks bytes of a file, and the position is there then: rows were written behind zeros."""
    monkeypatch.setattr(filelocks, "_lock", lambda file: file.seek(2**30))
    fit(points, pynn.CSVLogger(tmp_path / "log.csv"), epochs=2, checkpoint=tmp_path / "a")
    (tmp_path / "log.csv").unlink()
    fit(points, pynn.CSVLogger(tmp_path / "log.csv"), epochs=3, checkpoint=tmp_path / "a", resume=True)
    assert [row[0] for row in table(tmp_path / "log.csv")] == ["epoch", "1", "2", "3"]


def test_a_script_may_change_its_own_folder_meanwhile(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    savers = pynn.CSVLogger("log.csv"), pynn.ModelCheckpoint("{epoch}.safetensors", every=3)
    fit(points, at(2, lambda: os.chdir("sub")), *savers)
    assert names(tmp_path) == ["3.safetensors", "6.safetensors", "log.csv", "sub"]
    assert len(table(tmp_path / "log.csv")) == 7
    assert names(tmp_path / "sub") == []


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_writes_no_lines(points: Points, tmp_path: Path) -> None:
    code = """
import os, sys, numpy as np, pynn

def fork(trainer):
    if trainer.epoch == 2:
        child = os.fork()
        child and os.waitpid(child, 0)

x, y = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32), np.arange(20) % 2
pynn.Sequential(pynn.Affine(2)).fit(x, y, epochs=3, callbacks=[fork, pynn.CSVLogger("log.csv")], progress=False)
print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "done\n", done.stderr
    assert "RuntimeError: this process is a fork; only its parent writes to log.csv" in done.stderr
    assert [row[0] for row in table(tmp_path / "log.csv")] == ["epoch", "1", "2", "3"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with a name")
def test_a_table_may_go_into_a_pipe(points: Points, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(points, pynn.CSVLogger(tmp_path / "pipe"), epochs=1)
    out, _ = reader.communicate(timeout=60)
    assert out.startswith(b"epoch,")
