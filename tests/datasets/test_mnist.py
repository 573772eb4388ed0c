"""MNIST and Fashion-MNIST: where they are looked for, what does not fit, and their download."""

import functools
import gzip
import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from pynn import datasets
from pynn.datasets.mnist import _IDX_SETS

DATA = os.environ.get("PYNN_DATA")
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No test sees the user's data or goes to the network, unless it asks to."""
    monkeypatch.delenv("PYNN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)


def header(code, *sizes):
    return bytes([0, 0, code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


def idx(array):
    return header(CODES[array.dtype.name], *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


sizes = st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=5) | st.lists(st.integers(0, 2), max_size=255)


# Where MNIST is looked for

RNG = np.random.default_rng(0)
CONTENT = {
    IMAGES: RNG.integers(0, 256, (30, 28, 28), np.uint8),
    LABELS: RNG.integers(0, 10, 30, np.uint8),
    TEST_IMAGES: RNG.integers(0, 256, (20, 28, 28), np.uint8),
    TEST_LABELS: RNG.integers(0, 10, 20, np.uint8),
}


def write_set(folder, zipped=False, mark=0, **changed):
    """The four files, the first pixel of all being the mark; file names with _ for - replace or (None) drop one."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = CONTENT | {IMAGES: CONTENT[IMAGES].copy()} | {name.replace("_", "-"): a for name, a in changed.items()}
    if arrays[IMAGES] is not None and arrays[IMAGES].size:
        arrays[IMAGES].flat[0] = mark
    for name, array in arrays.items():
        if array is not None:
            content = gzip.compress(idx(array)) if zipped else idx(array)
            (folder / (name + ".gz" * zipped)).write_bytes(content)


def mark_of(data):
    return int(data.train[0].flat[0])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("mnist", "."),
        ("fashion_mnist", "fashion-mnist"),
        ("fashion_mnist", "fashion_mnist"),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("fashion_mnist", "."),
    ],
)
def test_idx_sets_are_found_in_root(tmp_path, name, folder, zipped):
    write_set(tmp_path / folder, zipped, mark=7)
    data = getattr(datasets, name)(tmp_path)
    for (x, y), images, labels in ((data.train, IMAGES, LABELS), (data.test, TEST_IMAGES, TEST_LABELS)):
        assert (x.dtype, y.dtype) == (np.uint8, np.int64)
        assert x.flags.writeable
        np.testing.assert_array_equal(x[1:], CONTENT[images][1:, :, :, np.newaxis])
        np.testing.assert_array_equal(y, CONTENT[labels])
    assert (data.name, len(data.classes), mark_of(data)) == (name, 10, 7)


def test_class_names(tmp_path):
    write_set(tmp_path)
    assert datasets.mnist(tmp_path).classes == tuple("0123456789")
    fashion = datasets.fashion_mnist(tmp_path).classes
    assert (fashion[0], fashion[9], len(set(fashion))) == ("T-shirt/top", "Ankle boot", 10)


def test_root_comes_before_the_environment(tmp_path, monkeypatch):
    write_set(tmp_path / "root" / "mnist", mark=1)
    write_set(tmp_path / "environment" / "mnist", mark=2)
    monkeypatch.setenv("PYNN_DATA", str(tmp_path / "environment"))
    assert mark_of(datasets.mnist()) == 2
    assert mark_of(datasets.mnist(str(tmp_path / "root"))) == 1
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        datasets.mnist(tmp_path / "elsewhere")


def test_home_is_expanded(tmp_path, monkeypatch):
    write_set(tmp_path / "data" / "mnist", mark=3)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("PYNN_DATA", "~/data")
    assert mark_of(datasets.mnist()) == 3


def test_own_folder_comes_before_root_itself(tmp_path):
    write_set(tmp_path, mark=1)
    write_set(tmp_path / "mnist", mark=2)
    assert mark_of(datasets.mnist(tmp_path)) == 2
    (tmp_path / "mnist" / LABELS).unlink()  # an incomplete folder does not hide a complete one, and they do not mix
    assert mark_of(datasets.mnist(tmp_path)) == 1


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_environment_never_names_the_files_themselves(tmp_path, monkeypatch, name):
    write_set(tmp_path)
    monkeypatch.setenv("PYNN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"was not found: expected in {re.escape(str(tmp_path))}.+ the files"):
        datasets.load(name)


def test_one_set_is_not_read_as_the_other(tmp_path):
    fashion = np.array([9, 2, 1, 1, 6, 1, 4, 6, 5, 7] * 2, np.uint8)
    write_set(tmp_path, t10k_labels_idx1_ubyte=fashion)
    assert datasets.fashion_mnist(tmp_path).name == "fashion_mnist"
    with pytest.raises(ValueError, match=r"t10k-labels.*expected the labels of MNIST, got those of Fashion-MNIST"):
        datasets.mnist(tmp_path)


def test_missing_files_are_named_with_the_remedies(tmp_path, monkeypatch):
    part = tmp_path / "MNIST" / "raw"
    write_set(part, zipped=True, train_labels_idx1_ubyte=None)
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist(tmp_path)
    message = str(caught.value)
    assert all(word in message for word in (str(part), LABELS, "PYNN_DATA", "--data", '"pynn-cpu[data]"'))
    assert not any(file in message for file in (IMAGES, TEST_IMAGES, TEST_LABELS))
    monkeypatch.setenv("PYNN_DATA", "")
    with pytest.raises(FileNotFoundError) as caught:
        datasets.fashion_mnist()
    message = str(caught.value)
    assert all(
        word in message for word in ("PYNN_DATA is not set", "--data", '"pynn-cpu[data]"', "fashion-mnist", *FILES)
    )


def test_root_that_is_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ValueError, match=r"file: expected a folder that holds mnist., got a file"):
        datasets.mnist(tmp_path / "file")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train_images_idx3_ubyte": np.zeros((30, 28, 27), np.uint8)},
            r"train-images.*\(N, 28, 28\), got uint8 \(30, 28, 27\)",
        ),
        ({"train_images_idx3_ubyte": np.zeros((30, 784), np.uint8)}, r"train-images.*got uint8 \(30, 784\)"),
        ({"train_images_idx3_ubyte": np.zeros((), np.uint8)}, r"train-images.*got uint8 \(\)"),
        ({"t10k_images_idx3_ubyte": np.zeros((20, 28, 28), np.int16)}, "t10k-images.*uint8.*got int16"),
        ({"train_labels_idx1_ubyte": np.zeros((30, 1), np.uint8)}, r"train-labels.*\(N,\), got uint8 \(30, 1\)"),
        ({"t10k_labels_idx1_ubyte": np.zeros(20, np.float32)}, "t10k-labels.*uint8.*got float32"),
        ({"train_labels_idx1_ubyte": np.zeros(29, np.uint8)}, "train-labels.*expected 30 labels.*got 29"),
        (
            {"t10k_labels_idx1_ubyte": np.arange(-9, 11).clip(0).astype(np.uint8)},
            r"t10k-labels.*0\.\.9, got 10 at index 19",
        ),
        (
            {
                "t10k_images_idx3_ubyte": np.zeros((0, 28, 28), np.uint8),
                "t10k_labels_idx1_ubyte": np.zeros(0, np.uint8),
            },
            "t10k-images.*expected images, got none",
        ),
    ],
)
def test_files_that_do_not_fit(tmp_path, changed, message):
    write_set(tmp_path / "mnist", **changed)
    with pytest.raises(ValueError, match=message):
        datasets.mnist(tmp_path)


def test_load_by_name(tmp_path):
    write_set(tmp_path / "mnist")
    write_set(tmp_path / "fashion-mnist")
    assert datasets.names() == ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")
    for name in (*datasets.names()[:3], "fashion-mnist", "MNIST"):
        assert datasets.load(name, tmp_path).name == name.lower().replace("-", "_")
    np.testing.assert_array_equal(datasets.load("digits", seed=4).test[1], datasets.digits(seed=4).test[1])
    with pytest.raises(
        ValueError,
        match=r"there is no data set 'cifar'; expected one of digits, mnist, .*; did you mean cifar10 or cifar100",
    ):
        datasets.load("cifar")
    with pytest.raises(TypeError, match="seed"):
        datasets.load("mnist", tmp_path, seed=1)


@pytest.mark.slow
def test_import_loads_nothing_heavy(tmp_path):
    code = "import sys; from pynn import datasets; print(*{'pooch', 'requests', 'tqdm'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


@pytest.mark.skipif(
    not DATA or not all((Path(DATA) / "mnist" / f"{f}{e}").is_file() for f, e in zip(FILES, [".gz"] * 4, strict=True)),
    reason="needs MNIST in the folder PYNN_DATA",
)
def test_real_mnist(monkeypatch):
    monkeypatch.setenv("PYNN_DATA", DATA)
    data = datasets.mnist()
    assert data.train[0].shape == (60_000, 28, 28, 1)
    assert data.test[0].shape == (10_000, 28, 28, 1)
    assert np.bincount(data.train[1]).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.test[1]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert 0.12 < data.train[0].mean() / 255 < 0.14
    with pytest.raises(ValueError, match="expected the labels of Fashion-MNIST, got those of MNIST"):
        datasets.fashion_mnist(Path(DATA) / "mnist")


# Downloads, from a server on this machine


@pytest.fixture
def pooch(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "pooch")
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return pooch


class Server:
    """Serves a folder at `url` and keeps the paths that were asked for."""

    def __init__(self, folder):
        self.asked = asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *args):
                asked.append(self.path)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server(pooch, monkeypatch, tmp_path):
    """A mirror in which mnist/ is whole and broken/ has other labels; the dataset's checksums are those of mnist/."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    write_set(tmp_path / "served" / "mnist", zipped=True, mark=9)
    write_set(tmp_path / "served" / "broken", zipped=True, train_labels_idx1_ubyte=np.zeros(30, np.uint8), mark=9)
    server = Server(tmp_path / "served")
    md5 = [hashlib.md5((tmp_path / "served" / "mnist" / f"{file}.gz").read_bytes()).hexdigest() for file in FILES]
    mirrors = (f"{server.url}nothing/", f"{server.url}broken/", f"{server.url}mnist/")
    source = _IDX_SETS["mnist"]._replace(mirrors=mirrors, md5=tuple(md5))
    monkeypatch.setitem(_IDX_SETS, "mnist", source)
    yield server
    server.close()


def test_download_into_root_goes_on_to_the_next_mirror(server, tmp_path, capfd):
    data = datasets.mnist(tmp_path / "root")
    assert mark_of(data) == 9
    np.testing.assert_array_equal(data.train[1], CONTENT[LABELS])  # not those of broken/
    assert sorted(path.name for path in (tmp_path / "root" / "mnist").iterdir()) == sorted(f"{f}.gz" for f in FILES)
    assert "100%" in capfd.readouterr().err
    assert f"/mnist/{LABELS}.gz" in server.asked
    assert f"/mnist/{IMAGES}.gz" not in server.asked  # broken/ came first and has them whole
    server.asked.clear()
    assert mark_of(datasets.mnist(tmp_path / "root")) == 9
    assert server.asked == []


def test_download_into_the_cache_or_the_environments_folder(server, tmp_path, monkeypatch):
    assert mark_of(datasets.mnist()) == 9
    assert (tmp_path / "cache" / "pynn-cpu" / "mnist" / f"{IMAGES}.gz").is_file()
    monkeypatch.setenv("PYNN_DATA", str(tmp_path / "environment"))
    assert mark_of(datasets.mnist()) == 9
    assert (tmp_path / "environment" / "mnist" / f"{IMAGES}.gz").is_file()


def test_download_brings_only_what_is_missing_and_mixes_in_nothing_from_root_itself(server, tmp_path):
    write_set(tmp_path / "mnist", t10k_images_idx3_ubyte=None, mark=1)
    assert mark_of(datasets.mnist(tmp_path)) == 1
    assert {Path(path).name for path in server.asked} == {f"{TEST_IMAGES}.gz"}
    write_set(tmp_path / "other", t10k_images_idx3_ubyte=None, mark=2)
    assert mark_of(datasets.mnist(tmp_path / "other")) == 9
    assert (tmp_path / "other" / "mnist" / f"{IMAGES}.gz").is_file()


def failing_download(tmp_path, monkeypatch, *mirrors):
    source = _IDX_SETS["mnist"]._replace(mirrors=mirrors)
    monkeypatch.setitem(_IDX_SETS, "mnist", source)
    with pytest.raises(FileNotFoundError, match=r"(?s)MNIST was not found.*download of .*gz into .*failed") as caught:
        datasets.mnist(tmp_path / "root")
    assert all(word in str(caught.value) for word in (str(tmp_path / "root"), "PYNN_DATA", *mirrors))
    return str(caught.value)


def test_download_with_a_wrong_checksum_is_refused(server, tmp_path, monkeypatch):
    message = failing_download(tmp_path, monkeypatch, f"{server.url}broken/")
    assert f"broken/{LABELS}.gz: MD5 hash of downloaded file" in message
    assert [path.name for path in (tmp_path / "root" / "mnist").iterdir()] == [f"{IMAGES}.gz"]


def test_download_that_fails_names_every_mirror(server, tmp_path, monkeypatch):
    gone = Server(tmp_path)
    gone.close()
    message = failing_download(tmp_path, monkeypatch, f"{server.url}nothing/", gone.url)
    assert f"nothing/{IMAGES}.gz: 404" in message
    assert list((tmp_path / "root" / "mnist").iterdir()) == []


def test_local_files_need_no_pooch_and_no_checksum(server, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    write_set(tmp_path / "mnist", mark=5)
    assert mark_of(datasets.mnist(tmp_path)) == 5
