"""CIFAR-10 and CIFAR-100: both forms, parts of them, damaged and foreign files, downloads, the real files."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import pickle
import re
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pickles import python2

from pynn import datasets
from pynn.cli import main
from pynn.datasets import cifar

DATA = os.environ.get("PYNN_DATA", "")
RNG = np.random.default_rng(0)
NAMES = [f"class {number}" for number in range(100)]
GROUPS = [f"group {number}" for number in range(20)]
TRAIN10 = [f"data_batch_{number}" for number in range(1, 6)]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's data or goes to the network, unless it asks to."""
    monkeypatch.delenv("PYNN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole sets have 12 images a file."""
    monkeypatch.setattr(cifar, "TEST_SIZE", 12)
    for name, source in cifar._SETS.items():
        monkeypatch.setitem(cifar._SETS, name, source._replace(train_size=12))


def part(seed: int, classes: int = 10, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 32, 32, 3) and labels."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 32, 32, 3), np.uint8), rng.integers(0, classes, count)


def rows(images: np.ndarray) -> np.ndarray:
    """As the files hold them: all red, then green, then blue, each row by row."""
    return np.stack([image[:, :, channel].ravel() for image in images for channel in range(3)]).reshape(-1, 3072)


def records(images: np.ndarray, *labels: np.ndarray) -> bytes:
    return np.concatenate([*(kind[:, None].astype(np.uint8) for kind in labels), rows(images)], axis=1).tobytes()


def write10(folder: Path, form: str = "binary", files: Any = range(5), count: int = 12) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for place in [*files, 5]:
        name = [*TRAIN10, "test_batch"][place]
        images, labels = part(place, count=count)
        if form == "binary":
            (folder / f"{name}.bin").write_bytes(records(images, labels))
        else:
            value = {b"batch_label": b"b", b"labels": labels.tolist(), b"data": rows(images)}
            (folder / name).write_bytes(python2(value) if form == "Python 2" else pickle.dumps(value, 4))
    if form == "binary":
        (folder / "batches.meta.txt").write_text("\n".join(NAMES[:10]) + "\n\n")
    else:
        meta = {b"num_cases_per_batch": 10000, b"label_names": [name.encode() for name in NAMES[:10]]}
        (folder / "batches.meta").write_bytes(python2(meta) if form == "Python 2" else pickle.dumps(meta, 4))


def write100(folder: Path, form: str = "binary") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(("train", "test")):
        images, fine = part(seed, 100)
        if form == "binary":
            (folder / f"{name}.bin").write_bytes(records(images, fine // 5, fine))
        else:
            value = {b"fine_labels": fine.tolist(), b"coarse_labels": (fine // 5).tolist(), b"data": rows(images)}
            (folder / name).write_bytes(python2(value))
    if form == "binary":
        (folder / "fine_label_names.txt").write_text("\n".join(NAMES))
        (folder / "coarse_label_names.txt").write_text("\n".join(GROUPS))
    else:
        both = ((b"fine_label_names", NAMES), (b"coarse_label_names", GROUPS))
        (folder / "meta").write_bytes(python2({key: [name.encode() for name in names] for key, names in both}))


FOLDERS = [("binary", "cifar-10-batches-bin"), ("Python 2", "cifar-10-batches-py"), ("Python 3", "cifar-10-batches-py")]


@pytest.mark.parametrize("itself", [False, True])
@pytest.mark.parametrize(("form", "folder"), FOLDERS)
def test_cifar10_is_read_from_both_forms(tmp_path: Path, form: str, folder: str, itself: bool) -> None:
    write10(tmp_path / folder, form)
    data = datasets.cifar10(tmp_path / folder if itself else tmp_path)
    (x, y), (x_test, y_test) = data.train, data.test
    assert (x.shape, x.dtype, y.dtype, x.flags.c_contiguous) == ((60, 32, 32, 3), np.uint8, np.int64, True)
    for place in range(5):
        images, labels = part(place)
        np.testing.assert_array_equal(x[12 * place : 12 * place + 12], images)
        np.testing.assert_array_equal(y[12 * place : 12 * place + 12], labels)
    np.testing.assert_array_equal(x_test, part(5)[0], strict=True)
    np.testing.assert_array_equal(y_test, part(5)[1])
    assert (data.name, data.classes) == ("cifar10", tuple(NAMES[:10]))


@pytest.mark.parametrize(("form", "folder"), [("binary", "cifar-100-binary"), ("Python 2", "cifar-100-python")])
def test_cifar100_has_two_kinds_of_labels(tmp_path: Path, form: str, folder: str) -> None:
    write100(tmp_path / folder, form)
    fine, coarse = datasets.cifar100(tmp_path), datasets.load("cifar100", tmp_path, labels="coarse")
    for data, names, step in ((fine, NAMES, 1), (coarse, GROUPS, 5)):
        np.testing.assert_array_equal(data.train[0], part(0, 100)[0])
        np.testing.assert_array_equal(data.train[1], part(0, 100)[1] // step)
        np.testing.assert_array_equal(data.test[1], part(1, 100)[1] // step)
        assert data.classes == tuple(names)
    with pytest.raises(ValueError, match="labels: expected 'fine' or 'coarse', got 'rough'"):
        datasets.cifar100(tmp_path, labels="rough")


@pytest.mark.parametrize(("form", "folder"), FOLDERS[:2])
def test_a_part_of_the_files_is_taken_and_said(tmp_path: Path, form: str, folder: str) -> None:
    write10(tmp_path / folder, form, files=[1, 3], count=7)
    said = "a part of CIFAR-10: 2 of 5 training files with 14 of 60 images, and 7 of 12 test images"
    with pytest.warns(UserWarning, match=said):
        data = datasets.cifar10(tmp_path)
    np.testing.assert_array_equal(data.train[1], np.concatenate([part(1, count=7)[1], part(3, count=7)[1]]))
    with pytest.raises(FileNotFoundError, match=r"expected in .* the files data_batch_1\S*, data_batch_3\S*, data"):
        datasets.cifar10(tmp_path, partial=False)
    write10(tmp_path / folder, form, count=7)
    with pytest.raises(ValueError, match=r"5 of 5 training files with 35 of 60 .* expected all of them, or partial=T"):
        datasets.cifar10(tmp_path, partial=False)


def test_missing_files_are_named_with_the_remedies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write10(tmp_path / "cifar-10-batches-bin")
    (tmp_path / "cifar-10-batches-bin" / "batches.meta.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"the files batches\.meta\.txt\. Set PYNN_DATA.*--data.*pynn-cpu\[dat"):
        datasets.cifar10(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"CIFAR-100 was not found: expected in .*cifar-100-binary the files trai"
    ):
        datasets.cifar100(tmp_path)
    with pytest.raises(FileNotFoundError, match="PYNN_DATA is not set"):
        datasets.cifar10()
    monkeypatch.setenv("PYNN_DATA", str(tmp_path / "cifar-10-batches-bin"))  # names ROOT, not the files' folder
    with pytest.raises(FileNotFoundError, match="was not found"):
        datasets.cifar10()


IMAGES, LABELS = part(0)
BAD_BINARY = {
    "empty": (b"", "expected 1 to 12 images of CIFAR-10, 3073 bytes each; got 0 bytes"),
    "cut off": (records(IMAGES, LABELS)[:-1], "got 36,875 bytes"),
    "too long": (records(IMAGES, LABELS) + bytes(3073), "got 39,949 bytes"),
    "foreign": (b"<!DOCTYPE html>", "damaged, cut off or another file"),
    "label": (records(IMAGES, np.array([0] * 7 + [10] + [0] * 4)), r"expected labels 0\.\.9, got another at image 7"),
}


@pytest.mark.parametrize(("content", "message"), BAD_BINARY.values(), ids=BAD_BINARY)
@pytest.mark.parametrize("file", ["data_batch_2.bin", "test_batch.bin"])
def test_bad_binary_files(tmp_path: Path, content: bytes, message: str, file: str) -> None:
    write10(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / file))}: .*{message}"):
        datasets.cifar10(tmp_path)


DATA_ROWS = rows(IMAGES)
BAD_PYTHON: dict[str, tuple[Any, str]] = {
    "no data": ({b"labels": [1]}, r"expected images of CIFAR-10, 'data' uint8 \(N, 3072\); got NoneType"),
    "other dtype": ({b"labels": [1] * 12, b"data": DATA_ROWS.astype(np.int16)}, r"got int16 \(12, 3072\)"),
    "other shape": ({b"labels": [1] * 12, b"data": DATA_ROWS[:, 1:]}, r"got uint8 \(12, 3071\)"),
    "scalar": ({b"labels": [], b"data": np.array(1, np.uint8)}, r"got uint8 \(\)"),
    "CIFAR-100": ({b"fine_labels": [1] * 12, b"data": DATA_ROWS}, "numbers 'labels'; is it a file of CIFAR-10"),
    "text": ({b"labels": [b"cat"] * 12, b"data": DATA_ROWS}, "expected a list of whole numbers 'labels'"),
    "bool": ({b"labels": [True] * 12, b"data": DATA_ROWS}, "expected a list of whole numbers 'labels'"),
    "too few": ({b"labels": [1] * 11, b"data": DATA_ROWS}, "got 12 images, 11 labels"),
    "none": ({b"labels": [], b"data": DATA_ROWS[:0]}, "expected 1 to 12 images with a label each; got 0 images"),
    "label": ({b"labels": [1] * 11 + [10], b"data": DATA_ROWS}, r"expected labels 0\.\.9, got another at image 11"),
    "negative": ({b"labels": [-1] + [1] * 11, b"data": DATA_ROWS}, "got another at image 0"),
    "huge": ({b"labels": [1, 10**30] + [1] * 10, b"data": DATA_ROWS}, "got another at image 1"),
    "objects": ({b"labels": [1] * 12, b"data": np.array([None])}, "refused: it asks for an array of dtype 'O8'"),
    "list": ([1], "expected a pickled dict"),
}


@pytest.mark.parametrize(("value", "message"), BAD_PYTHON.values(), ids=BAD_PYTHON)
def test_bad_python_files(tmp_path: Path, value: Any, message: str) -> None:
    write10(tmp_path, "Python 2")
    (tmp_path / "data_batch_4").write_bytes(python2(value))
    with pytest.raises(ValueError, match=f"^{re.escape(str(tmp_path / 'data_batch_4'))}: .*{message}"):
        datasets.cifar10(tmp_path)


@pytest.mark.parametrize("content", [b"", b"one\ntwo\n", b"\xff\xfe\n" * 10, b"a\0b\n" * 10, b"x" * 100_000])
def test_bad_class_names(tmp_path: Path, content: bytes) -> None:
    write10(tmp_path)
    (tmp_path / "batches.meta.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"batches\.meta\.txt: expected the names of 10 classes, got"):
        datasets.cifar10(tmp_path)


@pytest.mark.parametrize("value", [{}, {b"label_names": 3}, {b"label_names": [1] * 10}, {b"label_names": [b"a"] * 9}])
def test_bad_class_names_in_a_pickle(tmp_path: Path, value: Any) -> None:
    write10(tmp_path, "Python 2")
    (tmp_path / "batches.meta").write_bytes(python2(value))
    with pytest.raises(ValueError, match=r"batches\.meta: expected the names of 10 classes, got"):
        datasets.cifar10(tmp_path)


# Archives


def archive(path: Path, members: list[tarfile.TarInfo], contents: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            content = contents.get(member.name, b"")
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))


def link(name: str, to: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


def test_an_archive_writes_only_the_files_that_are_wanted(tmp_path: Path) -> None:
    names = ["../evil", "/tmp/evil", "f/../../evil", "f/a", "f/other", "g/b", "./f/b"]
    members = [tarfile.TarInfo(name) for name in names]
    members[3:3] = [link("f", str(tmp_path / "away"), tarfile.SYMTYPE), link("f/b", "../../evil", tarfile.SYMTYPE)]
    members += [link("f/b", "../evil", tarfile.LNKTYPE), link("f/a", "", tarfile.FIFOTYPE)]
    archive(tmp_path / "x.tar.gz", members, {name: name.encode() for name in names})
    (tmp_path / "into").mkdir()
    cifar.extract(str(tmp_path / "x.tar.gz"), "f", ["a", "b"], str(tmp_path / "into"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "x.tar.gz"]
    written = {path.name: path.read_bytes() for path in (tmp_path / "into").iterdir()}
    assert written == {"a": b"f/a", "b": b"./f/b"}
    with pytest.raises(ValueError, match=r"x\.tar\.gz: expected it to contain f/c"):
        cifar.extract(str(tmp_path / "x.tar.gz"), "f", ["a", "c"], str(tmp_path / "into"))


def test_damaged_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "good", [tarfile.TarInfo("f/a")], {"f/a": RNG.bytes(5000)})
    good = (tmp_path / "good").read_bytes()
    for content in (b"", b"junk" * 100, good[:2000], good[:100] + b"\xff" * 100 + good[200:]):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad: (damaged archive|expected it to contain)"):
            cifar.extract(str(tmp_path / "bad"), "f", ["a"], str(tmp_path))
    monkeypatch.setattr(cifar, "MOST_BYTES", 4999)
    with pytest.raises(ValueError, match="good: f/a has 5,000 bytes, expected fewer"):
        cifar.extract(str(tmp_path / "good"), "f", ["a"], str(tmp_path))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A mirror with both archives; the paths that were asked for."""
    monkeypatch.delitem(sys.modules, "pooch")
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    for name, write in (("cifar10", write10), ("cifar100", write100)):
        source = cifar._SETS[name]
        folder = tmp_path / "written" / source.binary.folders[0]
        write(folder)
        path = tmp_path / "served" / source.archive
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w:gz") as tar:
            tar.add(folder, folder.name)
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setitem(cifar._SETS, name, source._replace(md5=digest))
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        monkeypatch.setattr(cifar, "_MIRROR", f"http://127.0.0.1:{running.server_port}/")
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield asked
        running.shutdown()
        thread.join()


def test_the_archive_is_downloaded_once(server: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        data = datasets.cifar10(tmp_path / "root")
        np.testing.assert_array_equal(data.test[0], part(5)[0])
        assert server == ["/cifar-10-binary.tar.gz"]
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["cifar-10-batches-bin"]
    assert datasets.cifar100().classes == tuple(NAMES)
    assert (tmp_path / "cache" / "pynn-cpu" / "cifar-100-binary" / "train.bin").is_file()


def test_a_part_is_completed_when_all_is_wanted(server: list[str], tmp_path: Path) -> None:
    write10(tmp_path / "cifar-10-batches-bin", files=[0])
    with pytest.warns(UserWarning, match="1 of 5"):
        datasets.cifar10(tmp_path)
    assert server == []
    assert len(datasets.cifar10(tmp_path, partial=False).train[1]) == 60
    assert len(server) == 1


def test_a_download_with_a_wrong_checksum_leaves_nothing(
    server: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cifar._SETS, "cifar10", cifar._SETS["cifar10"]._replace(md5="0" * 32))
    with pytest.raises(
        FileNotFoundError, match=r"(?s)CIFAR-10 was not found.*download of cifar-10-binary.*failed.*MD5"
    ):
        datasets.cifar10(tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_leftovers_of_a_killed_download_are_removed_after_a_day(server: list[str], tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name, age in ((".pynn-cifar-old", 90_000), (".pynn-cifar-new", 0), (".pynn", 90_000)):
        (root / name).mkdir(parents=True)
        (root / name / "part").touch()
        os.utime(root / name, (time.time() - age,) * 2)
    datasets.cifar10(root)
    assert sorted(path.name for path in root.iterdir()) == [".pynn", ".pynn-cifar-new", "cifar-10-batches-bin"]


def test_the_checksums_are_those_of_the_official_archives() -> None:
    assert {source.archive: source.md5 for source in cifar._SETS.values()} == {
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    }


# The command line and the real files


@pytest.mark.slow
def test_the_command_line_trains_evaluates_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write10(tmp_path / "data" / "cifar-10-batches-bin", files=[0, 1])
    command = ["train", "cifar10", "--data", "data", "--layers", "8", "--epochs", "1", "--batch-size", "4"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "cifar10: " in out
    assert "32x32x3 pixels" in out
    assert out.splitlines()[-1].startswith("test accuracy ")
    assert sum("pynn: " in line and "2 of 5 training files" in line for line in err.splitlines()) == 1
    assert main(["evaluate", "cifar10.safetensors", "--data", "data"]) == 0
    assert "on the 12 test images of cifar10" in capsys.readouterr().out


@pytest.mark.skipif(not (Path(DATA) / "cifar-10-batches-bin").is_dir(), reason="needs CIFAR-10 in PYNN_DATA")
def test_the_real_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PYNN_DATA", DATA)
    if len(list((Path(DATA) / "cifar-10-batches-bin").glob("data_batch_?.bin"))) < 5:
        with pytest.warns(UserWarning, match="a part of CIFAR-10"):
            data = datasets.cifar10()
    else:
        data = datasets.cifar10()
    assert data.classes[:4] == ("airplane", "automobile", "bird", "cat")
    assert np.bincount(data.train[1][:10_000]).tolist() == [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]
    assert data.test[1][:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    np.testing.assert_allclose(data.train[0].mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.005)
