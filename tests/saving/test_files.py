"""Files that are written whole: beside other writers, through links, with their mode, on full disks, after kills."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import pynn
from pynn.saving import container, filelocks, files

posix = pytest.mark.skipif(sys.platform == "win32", reason="links, modes and devices of POSIX")
no_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")


@pytest.fixture
def model() -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    return model


@pytest.mark.slow
def test_two_threads_that_save_to_one_path_never_show_half_a_file(tmp_path: Path) -> None:
    """Their temporary names held the process alone: one renamed what the other was still writing."""
    path, errors = tmp_path / "m.safetensors", []
    models = []
    for seed in range(2):
        model = pynn.Sequential(pynn.Affine(300), pynn.Affine(300), seed=seed)
        model.build((300,))
        models.append(model)
    models[0].save(path)
    done = threading.Event()

    def write(model: pynn.Sequential) -> None:
        try:
            for _ in range(40):
                model.save(path)
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        try:
            while not done.is_set():
                found = pynn.load(path)
                assert any(np.array_equal(found.parameters, model.parameters) for model in models)
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(model,)) for model in models]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert errors == []
    assert os.listdir(tmp_path) == ["m.safetensors"]


@posix
def test_a_link_stays_one_and_its_target_is_written(tmp_path: Path, model: pynn.Sequential) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "real").write_bytes(b"old")
    for link, target in (("a", "store/real"), ("b", "a"), ("c", "store/new")):  # of a file, of a link, of nothing yet
        (tmp_path / link).symlink_to(target)
        model.save(tmp_path / link)
        assert (tmp_path / link).is_symlink()
        assert pynn.load(tmp_path / link).parameter_count == model.parameter_count
    assert sorted(os.listdir(tmp_path / "store")) == ["new", "real"]
    (tmp_path / "broken").symlink_to("nowhere/m")
    with pytest.raises(FileNotFoundError, match=r"cannot write .*broken: the folder .*nowhere does not exist"):
        model.save(tmp_path / "broken")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match=r"round"):
        model.save(tmp_path / "round")


@posix
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_special_files_are_refused_and_left_alone(kind: str, tmp_path: Path, model: pynn.Sequential) -> None:
    path, bound = tmp_path / "s", None
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(os.path.relpath(path))  # an absolute name may be too long
    else:
        path = Path(os.devnull)
    before = os.stat(path)
    with pytest.raises(OSError, match=rf"{path} is a device, a pipe or a socket, expected the name of a file"):
        model.save(path)
    with pytest.raises(OSError, match=rf"{path} is a device, a pipe or a socket, expected a model file"):
        pynn.load(path)
    with pytest.raises(OSError, match=rf"{path} is a device, a pipe or a socket, expected a \.safetensors file"):
        pynn.transfer.load_weights(model, path)
    after = os.stat(path)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    if bound is not None:
        bound.close()


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o755])
def test_the_mode_of_a_file_stays(mode: int, tmp_path: Path, model: pynn.Sequential) -> None:
    path = tmp_path / "m.safetensors"
    path.touch()
    path.chmod(mode)
    model.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.stat().st_size > 0


@posix
def test_a_new_file_has_the_mode_that_open_gives(tmp_path: Path, model: pynn.Sequential) -> None:
    old = os.umask(0o027)
    try:
        model.save(tmp_path / "m.safetensors")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "m.safetensors").stat().st_mode) == 0o640


@posix
def test_a_private_file_is_private_while_it_is_written(
    tmp_path: Path, model: pynn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "m.safetensors", []
    path.touch(0o600)
    monkeypatch.setattr(os, "fsync", lambda file: seen.append(stat.S_IMODE(os.fstat(file).st_mode)))
    model.save(path)
    assert seen == [0o600]


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(("allowed", "mode"), [(True, 0o640), (False, 0o600)])
def test_the_owner_stays_where_that_is_allowed(
    allowed: bool, mode: int, tmp_path: Path, model: pynn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is not, members of the writer's group get no more than everybody has."""
    path = tmp_path / "m.safetensors"
    path.touch()
    os.chown(path, 12345, 12346)
    path.chmod(0o640)
    if not allowed:

        def refused(*arguments: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "chown", refused)
    model.save(path)
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == mode
    assert ((found.st_uid, found.st_gid) == (12345, 12346)) is allowed


@no_root
def test_write_protected_files_are_left_alone(tmp_path: Path, model: pynn.Sequential) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"kept")
    path.chmod(0o400)
    with pytest.raises(PermissionError, match=r"m\.safetensors is write-protected; use another name"):
        model.save(path)
    assert path.read_bytes() == b"kept"
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match=r"cannot write .*shut.m: no permission to make files in .*shut"):
        model.save(tmp_path / "shut" / "m")


@pytest.mark.slow
@posix
def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    """A limit on the size of files fails in the midst of the writing, as a full disk does."""
    code = """
import resource, sys, pynn
model = pynn.Sequential(pynn.Affine(3)); model.build((4,)); model.save("m.safetensors")
large = pynn.Sequential(pynn.Affine(300)); large.build((300,))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    large.save("m.safetensors")
except OSError as error:
    print(error.filename, error.errno > 0)
print(pynn.load("m.safetensors").parameter_count == model.parameter_count)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.splitlines() == ["m.safetensors True", "True"], done.stderr
    assert os.listdir(tmp_path) == ["m.safetensors"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_table_on_a_full_disk_names_its_file(points: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    (tmp_path / "log.csv").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device: '.*log\.csv'$"):
        pynn.Sequential(pynn.Affine(3)).fit(*points, callbacks=[pynn.CSVLogger(tmp_path / "log.csv")], progress=False)


def test_a_failure_names_the_users_file_not_the_temporary_one(
    tmp_path: Path, model: pynn.Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "m.safetensors"
    for write in (model.save, lambda path: container.write_state(path, {"a": 1})):
        with pytest.raises(OSError, match=r"No space left on device: '.*m\.safetensors'$") as caught:
            write(path)
        assert (caught.value.filename, caught.value.errno) == (str(path), 28)
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
@posix
def test_leftovers_of_killed_saves_are_removed_by_the_next_save(tmp_path: Path, model: pynn.Sequential) -> None:
    code = """
import os, signal, pynn
model = pynn.Sequential(pynn.Affine(3)); model.build((4,))
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
model.save("m.safetensors")
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60)
    (left,) = os.listdir(tmp_path)
    assert f"-{filelocks.machine()}" in left
    living = f".m.safetensors.{os.getppid()}-{filelocks.machine()}00000000.tmp"
    dead = left.split("-")[0]
    elsewhere = [".m.safetensors.1-0123456789abcdef.tmp", dead, ".m.safetensors.4711-01234567.tmp"]
    numbered = [".m.safetensors.1", ".m.safetensors.299", f".m.safetensors.{os.getpid()}", ".m.safetensors.20240101"]
    others = [
        *numbered,
        ".m.safetensors.bak",
        ".other.safetensors.1-00000000.tmp",
        "m.safetensors.tmp",
        ".m.safetensors",
    ]
    for name in (living, *elsewhere, *others):
        (tmp_path / name).touch()
    model.save(tmp_path / "m.safetensors")
    assert sorted(os.listdir(tmp_path)) == sorted([living, *elsewhere, *others, "m.safetensors"])
    past = time.time() - 4000
    for name in os.listdir(tmp_path):
        os.utime(tmp_path / name, (past, past))
    model.save(tmp_path / "m.safetensors")
    assert sorted(os.listdir(tmp_path)) == sorted([living, *others, "m.safetensors"])


@posix
def test_leftovers_of_killed_saves_are_removed_by_a_save_of_any_name(tmp_path: Path, model: pynn.Sequential) -> None:
    """Files that are named by the epoch are never written again."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".007.safetensors.{dead.pid}-{filelocks.machine()}00000000.tmp").touch()
    model.save(tmp_path / "008.safetensors")
    assert os.listdir(tmp_path) == ["008.safetensors"]


@pytest.mark.parametrize("name", ["a" * 255, "é" * 120 + ".safetensors"])
def test_a_name_may_be_as_long_as_the_system_allows(name: str, tmp_path: Path, model: pynn.Sequential) -> None:
    model.save(tmp_path / name)
    assert os.listdir(tmp_path) == [name]
    with pytest.raises(OSError, match=r"aaaa"):
        model.save(tmp_path / ("a" * 300))


def test_expect_writable_says_the_same_before(tmp_path: Path) -> None:
    files.expect_writable(tmp_path / "m.safetensors")
    assert os.listdir(tmp_path) == []
    for path in (tmp_path, tmp_path / "nowhere" / "m", tmp_path / ("a" * 300)):
        found = []
        for function in (files.expect_writable, lambda path: files.write_whole(path, b"")):
            with pytest.raises(OSError, match=r".") as caught:
                function(path)
            found.append((type(caught.value), str(caught.value)))
        assert found[0] == found[1]


# Files of others


FOREIGN = {
    "a.png": (b"\x89PNG\r\n\x1a\n\0\0", r"a\.png is not a whole safetensors file but a picture \(PNG\)$"),
    "a.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF", r"a picture \(JPEG\)"),
    "a.h5": (b"\x89HDF\r\n\x1a\n\0", r"an HDF5 file, as Keras writes it; pynn\.transfer\.load_weights reads"),
    "a.pt": (b"PK\x03\x04\0\0\0\0\0\0", r"a zip archive, as torch\.save, Keras and np\.savez write it"),
    "a.pkl": (b"\x80\x04\x95\0\0\0\0\0\0\0", r"a pickle, which can run code; "),
    "a.npy": (b"\x93NUMPY\x01\0v\0", r"an array of NumPy"),
    "a.txt": (b"anything else", r"a\.txt is not a whole safetensors file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_load_says_what_the_file_is_instead(name: str, tmp_path: Path) -> None:
    content, message = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    for load in (pynn.load, pynn.Ensemble.load):
        with pytest.raises(ValueError, match=message):
            load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.h5", "a.npy", "a.txt"])
def test_load_weights_says_what_the_file_is_instead(name: str, tmp_path: Path, model: pynn.Sequential) -> None:
    content, message = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message.partition("; ")[0]):
        pynn.transfer.load_weights(model, tmp_path / name)


def test_load_weights_takes_what_is_in_an_npz(tmp_path: Path, model: pynn.Sequential) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **{"affine1.weight": np.ones((3, 4)), "affine1.bias": np.arange(3)})
    with pytest.raises(ValueError, match=r"w\.npz is a file of np\.savez, .*; pass its content: np\.load\(path\)"):
        pynn.transfer.load_weights(model, path)
    with np.load(path) as found:
        pynn.transfer.load_weights(model, found)
    np.testing.assert_array_equal(model.layers[0].bias, [0, 1, 2])


def test_a_damaged_model_whose_first_bytes_are_those_of_a_picture_is_called_damaged(tmp_path: Path) -> None:
    """The first bytes are the length of the header: "BM" is 19,778."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"BM\0\0\0\0\0\0{" + bytes(100))
    with pytest.raises(ValueError, match=r"m\.safetensors is not a whole safetensors file"):
        pynn.load(path)


@pytest.mark.parametrize("ending", [".h5", ".keras", ".pt", ".PKL", ".npz", ".onnx"])
def test_an_ending_of_another_format_is_warned_of(ending: str, tmp_path: Path, model: pynn.Sequential) -> None:
    path = tmp_path / f"best{ending}"
    message = rf"best{ending} ends in {ending}, but .* as safetensors, which .*; name it best\.safetensors"
    for save in (model.save, pynn.Ensemble([model]).save):
        with pytest.warns(UserWarning, match=message) as caught:
            save(path)
        assert caught[0].filename == __file__
    assert path.exists()


def test_other_endings_are_nobodys_business(tmp_path: Path, model: pynn.Sequential) -> None:
    for name in ("best", "best.safetensors", "best.model", "v1.2"):
        model.save(tmp_path / name)
