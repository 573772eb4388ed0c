"""A folder of checkpoints has one run at a time, whatever ended the others: processes, threads, forks, kills."""

from __future__ import annotations

import copy
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi_processes import mpirun

import pynn
from pynn.saving import filelocks

Points = tuple[np.ndarray, np.ndarray]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks of POSIX")
RUN = """
import os, signal, sys, time
import numpy as np, pynn

x, y = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32), np.arange(20) % 2

def ready(trainer):
    if trainer.epoch == 2:
        print("ready", os.getpid(), flush=True)
        {then}

pynn.Sequential(pynn.Affine(2)).fit(
    x, y, epochs=3, callbacks=[ready], checkpoint=sys.argv[1], resume="resume" in sys.argv, progress=False
)
print("done", flush=True)
"""
WAIT = "sys.stdin.read()"


class Killed(Exception):
    pass


def fit(points: Points, folder: Any, resume: bool = False, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, **{"epochs": 2, "progress": False, "checkpoint": folder, "resume": resume, **settings})
    return model


@contextmanager
def another(folder: Path, *arguments: str, then: str = WAIT) -> Iterator[subprocess.Popen[str]]:
    """A process that trains there; it has written its first checkpoint, and goes on when its stdin is closed."""
    environment = {**os.environ, "PYNN_BACKEND": pynn.kernels.backend(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN.replace("{then}", then), str(folder), *arguments]
    run = subprocess.Popen(
        command, env=environment, cwd=tempfile.gettempdir(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == f"ready {run.pid}\n"
        yield run
    finally:
        run.kill()
        run.communicate()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Processes -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_another_process_is_refused_and_the_first_is_left_alone(points: Points, tmp_path: Path) -> None:
    with another(tmp_path) as run:
        writing = tmp_path / f".checkpoint-00000009.safetensors.{run.pid}-{filelocks.machine()}00000000.tmp"
        writing.touch()
        before = names(tmp_path)
        for resume in (True, False):
            with pytest.raises(
                RuntimeError, match=rf"{tmp_path} is in use by process {run.pid} on .* since 20.*; wait"
            ):
                fit(points, tmp_path, resume)
            assert names(tmp_path) == before
        out, err = run.communicate("")
        assert (out, err, run.returncode) == ("done\n", "", 0)
    assert names(tmp_path) == [writing.name, "checkpoint-00000002.safetensors", "checkpoint-00000003.safetensors"]


@pytest.mark.slow
@posix
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_the_lock_of_a_killed_process_is_taken_over(number: str, tmp_path: Path, capfd: Any) -> None:
    with another(tmp_path) as run:
        run.send_signal(getattr(signal, number))
        run.wait()
        assert filelocks.NAME in names(tmp_path)
    with another(tmp_path, "resume", then="pass") as run:
        out, err = run.communicate()
        assert (out, err, run.returncode) == ("done\n", "", 0)
    assert filelocks.NAME not in names(tmp_path)


@pytest.mark.slow
@posix
def test_a_stopped_process_keeps_its_lock(points: Points, tmp_path: Path) -> None:
    with another(tmp_path) as run:
        run.send_signal(signal.SIGSTOP)
        with pytest.raises(RuntimeError, match=rf"in use by process {run.pid}"):
            fit(points, tmp_path, True)
        run.send_signal(signal.SIGCONT)
        assert run.communicate("")[0] == "done\n"


@pytest.mark.slow
@posix
@pytest.mark.parametrize(
    "fork",
    [
        "os.fork() or (print('forked', flush=True), time.sleep(60))",
        "__import__('multiprocessing').Process(target=os.system, args=('echo forked; sleep 60',)).start()",
        "__import__('subprocess').Popen('echo forked; sleep 60', shell=True)",
    ],
    ids=["fork", "multiprocessing", "subprocess"],
)
def test_a_child_that_outlives_the_run_does_not_keep_the_lock(fork: str, points: Points, tmp_path: Path) -> None:
    then = "os.setsid(); " + fork + "; time.sleep(60)"
    with another(tmp_path, then=then) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "forked\n"
        with pytest.raises(RuntimeError, match=rf"in use by process {run.pid}"):
            fit(points, tmp_path, True)
        try:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
            with pytest.raises(ValueError, match=r"the run in .* cannot be resumed"):  # another run, but not in use
                fit(points, tmp_path, True)
        finally:
            os.killpg(run.pid, signal.SIGKILL)


@pytest.mark.slow
@posix
def test_a_forked_child_that_trains_on_writes_no_checkpoint(tmp_path: Path) -> None:
    then = "child = os.fork(); child and os.waitpid(child, 0)"
    with another(tmp_path, then=then) as run:
        out, err = run.communicate()
    assert f"RuntimeError: {tmp_path} is in use by process {run.pid} on " in err
    assert (out, run.returncode) == ("done\n", 0)
    assert names(tmp_path) == ["checkpoint-00000002.safetensors", "checkpoint-00000003.safetensors"]


@pytest.mark.slow
def test_only_one_of_several_simultaneous_runs_gets_a_new_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "PYNN_BACKEND": pynn.kernels.backend(), "OMP_NUM_THREADS": "1"}
    code = "import sys, pynn; import pynn.training.checkpoint; print(flush=True); sys.stdin.read(1)\n" + RUN
    folder = tmp_path / "new"
    command = [sys.executable, "-c", code.replace("{then}", "time.sleep(1)"), str(folder)]
    runs = [
        subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdin is not None
        run.stdout.readline()
    for run in runs:
        run.stdin.write("x")  # type: ignore[union-attr]
        run.stdin.flush()  # type: ignore[union-attr]
    ends = [run.communicate() for run in runs]
    (winner,) = [run for run in runs if run.returncode == 0]
    for run, (_, err) in zip(runs, ends, strict=True):
        assert run is winner or f"is in use by process {winner.pid} on" in err
    assert names(folder) == ["checkpoint-00000002.safetensors", "checkpoint-00000003.safetensors"]


# One process ---------------------------------------------------------------------------------------


def _raise(error: BaseException) -> Callable[[Any], None]:
    def act(trainer: Any) -> None:
        raise error

    return act


@pytest.mark.parametrize("error", [Killed(), KeyboardInterrupt(), SystemExit()], ids=repr)
def test_whatever_ends_a_run_frees_the_folder(error: BaseException, points: Points, tmp_path: Path) -> None:
    with pytest.raises(type(error)):
        fit(points, tmp_path, callbacks=[_raise(error)])
    assert filelocks.NAME not in names(tmp_path)
    fit(points, tmp_path, True, callbacks=[lambda trainer: None])
    assert filelocks.NAME not in names(tmp_path)


def test_a_run_that_is_refused_frees_the_folder(points: Points, tmp_path: Path) -> None:
    class Unwilling(pynn.Callback):
        def on_train_begin(self, trainer: pynn.Trainer) -> None:
            raise Killed

    with pytest.raises(Killed):
        fit(points, tmp_path, callbacks=[Unwilling()])
    assert names(tmp_path) == []
    optimizer = pynn.Adam()
    pynn.Sequential(pynn.Affine(3)).fit(*points, optimizer=optimizer, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"."):  # of another model; that is found out after the folder was taken
        fit(points, tmp_path, optimizer=optimizer)
    assert names(tmp_path) == []
    fit(points, tmp_path)
    with pytest.raises(ValueError, match=r"checkpoints of another run"):
        fit(points, tmp_path)
    with pytest.raises(ValueError, match=r"batch_size was 30, now it is 7"):
        fit(points, tmp_path, True, batch_size=7)
    assert filelocks.NAME not in names(tmp_path)


def test_two_runs_of_one_process_are_kept_apart(points: Points, tmp_path: Path) -> None:
    message = r"is in use by another run of this process, since 20"

    def inner(trainer: pynn.Trainer) -> None:
        with pytest.raises(RuntimeError, match=message):
            fit(points, tmp_path, True)

    fit(points, tmp_path, callbacks=[inner])
    keeper, errors = pynn.Checkpoint(tmp_path), []

    def start() -> None:
        for checkpoint in (tmp_path, keeper):
            try:
                fit(points, checkpoint, True, epochs=4, callbacks=[lambda trainer: None])
            except RuntimeError as error:
                errors.append(str(error))

    def outer(trainer: pynn.Trainer) -> None:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()

    fit(points, keeper, True, epochs=4, callbacks=[outer])
    assert len(errors) == 4  # two epochs: the object that is in use cannot be used again meanwhile
    assert all("in use by another run of this process" in error for error in errors)
    assert names(tmp_path) == ["checkpoint-00000003.safetensors", "checkpoint-00000004.safetensors"]


def test_a_checkpoint_may_be_copied_while_it_is_used(points: Points, tmp_path: Path) -> None:
    keeper = pynn.Checkpoint(tmp_path / "a")

    def copied(trainer: pynn.Trainer) -> None:
        other = copy.deepcopy(keeper)
        other.folder = tmp_path / f"b{trainer.epoch}"
        fit(points, other)

    fit(points, keeper, callbacks=[copied])
    assert sorted(path.parent.name for path in tmp_path.glob("*/checkpoint-00000002*")) == ["a", "b1", "b2"]


@posix
def test_other_names_of_the_folder_are_the_same_folder(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.chdir(tmp_path)

    def inner(trainer: pynn.Trainer) -> None:
        for folder in ("a", "link", "./link/../a", tmp_path / "link"):
            with pytest.raises(RuntimeError, match=r"is in use by another run"):
                fit(points, folder)

    fit(points, "link", callbacks=[inner])


def test_a_script_may_change_its_own_folder_meanwhile(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    fit(points, "runs/a", callbacks=[lambda trainer: os.chdir(tmp_path / "elsewhere")])
    assert names(tmp_path / "runs" / "a") == ["checkpoint-00000001.safetensors", "checkpoint-00000002.safetensors"]
    assert names(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\0", b"[" * 5000, b"null", b'{"process": "x"}', b"0" * 10**6])
@pytest.mark.parametrize("locking", [True, False])
def test_damaged_text_in_the_lock_of_a_dead_process_does_no_harm(
    content: bytes, locking: bool, points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not locking:
        without_locks(monkeypatch)
    (tmp_path / filelocks.NAME).write_bytes(content)
    fit(points, tmp_path)
    assert filelocks.NAME not in names(tmp_path)


def test_a_copy_of_the_folder_is_free(points: Points, tmp_path: Path) -> None:
    def copied(trainer: pynn.Trainer) -> None:
        if trainer.epoch == 2:
            shutil.copytree(tmp_path / "a", tmp_path / "b")

    fit(points, tmp_path / "a", callbacks=[copied])
    assert filelocks.NAME in names(tmp_path / "b")
    fit(points, tmp_path / "b", True, callbacks=[lambda trainer: None])
    assert names(tmp_path / "b") == names(tmp_path / "a")


@posix
@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o644), (0o775, 0o664), (0o777, 0o666)])
def test_any_user_who_can_write_in_the_folder_can_take_over_a_lock(folder: int, file: int, tmp_path: Path) -> None:
    tmp_path.chmod(folder)
    held = filelocks.FolderLock(tmp_path, "a")
    assert (tmp_path / filelocks.NAME).stat().st_mode & 0o777 == file
    held.release()


@posix
def test_no_file_behind_a_link_is_touched(points: Points, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / filelocks.NAME).symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match=r"run/\.pynn\.lock is a symbolic link, .*; remove it: .*run'$"):
        fit(points, tmp_path / "run")
    assert (tmp_path / "mine").read_text() == "precious"


def test_the_text_of_a_lock_cannot_control_a_terminal(points: Points, tmp_path: Path) -> None:
    with another(tmp_path):
        content = {"process": 1, "host": "\x1b[2J" * 50, "since": "\r\n"}
        (tmp_path / filelocks.NAME).write_text(json.dumps(content))
        with pytest.raises(RuntimeError, match=r"in use by process 1 on \\x1b\[2J") as caught:
            fit(points, tmp_path, True)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


# File systems without locks ------------------------------------------------------------------------


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelocks, "_lock", refuse)


def test_without_file_locks_the_text_of_the_lock_decides(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)

    def inner(trainer: pynn.Trainer) -> None:
        held.update(json.loads((tmp_path / "a" / filelocks.NAME).read_text()))
        with pytest.raises(RuntimeError, match=r"in use by another run of this process.*this file system has no locks"):
            fit(points, tmp_path / "a", True)

    held: dict[str, Any] = {}
    fit(points, tmp_path / "a", callbacks=[inner])
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for change in ({"host": "elsewhere", "machine": "0"}, {"process": os.getppid(), "begun": _begun(os.getppid())}):
        (tmp_path / "a" / filelocks.NAME).write_text(json.dumps({**held, **change}))
        with pytest.raises(RuntimeError, match=r"in use by process \d+ on .*: if that run is dead, remove .*\.lock$"):
            fit(points, tmp_path / "a", True)
    stale = [{"machine": "0"}]  # this computer has been started anew since
    if os.name == "posix":
        stale += [{"process": dead.pid}, {"process": 2**40}, {"process": -1}]
    if sys.platform == "linux":
        stale += [{"process": os.getppid(), "begun": "1"}]  # the number came back to another process
    for number, change in enumerate(stale):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / filelocks.NAME).write_text(json.dumps({**held, **change}))
        fit(points, tmp_path / f"{number}")
        assert filelocks.NAME not in names(tmp_path / f"{number}")


def _begun(process: int) -> str:
    return filelocks._begun(process)


def test_without_file_locks_only_one_of_two_simultaneous_runs_starts(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch)
    got, errors, gate = [], [], threading.Barrier(2)

    def start() -> None:
        gate.wait()
        try:
            got.append(filelocks.FolderLock(tmp_path, "runs"))
            time.sleep(0.3)
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(errors)) == (1, 1)
    got[0].release()
    assert names(tmp_path) == []


# Several processes that train one model --------------------------------------------------------------


@pytest.mark.slow
def test_the_first_process_of_a_distributed_run_holds_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(
        """
import os, sys, numpy as np, pynn

x, y = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), np.arange(40) % 2
try:
    pynn.Sequential(pynn.Affine(2)).fit(
        x, y, epochs=2, checkpoint=sys.argv[1], resume=True, progress=False, distributed=True
    )
    said = "done"
except RuntimeError as error:
    said = str(error)
with open(f"{sys.argv[1]}-{os.getpid()}.txt", "w") as file:  # mpirun mixes what processes print
    file.write(said)
"""
    )
    (tmp_path / "a").mkdir()
    lock = filelocks.FolderLock(tmp_path / "a", "a")
    held = json.loads((tmp_path / "a" / filelocks.NAME).read_text())["since"]
    try:
        mpirun(2, ["run.py", "a"], tmp_path)
    finally:
        lock.release()
    assert sorted(file.read_text() for file in tmp_path.glob("a-*.txt")) == [
        f"a is in use by process {os.getpid()} on {filelocks.host()} since {held}; wait for it to end, or use another "
        "folder",
        f"rank 0 of 2 cannot train: RuntimeError: a is in use by process {os.getpid()} on {filelocks.host()} since "
        f"{held}; wait for it to end, or use another folder",
    ]
    mpirun(2, ["run.py", "b"], tmp_path)
    assert [file.read_text() for file in tmp_path.glob("b-*.txt")] == ["done", "done"]
    assert names(tmp_path / "b") == ["checkpoint-00000001.safetensors", "checkpoint-00000002.safetensors"]
