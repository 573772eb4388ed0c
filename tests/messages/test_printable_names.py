"""File names with escape sequences in errors, and what is no file's name."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

import pynn

EVIL = "a\x1b[31m\x07"
SHOWN = r"a\x1b[31m\x07"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model():
    found = pynn.Sequential(pynn.Affine(3))
    found.build((4,))
    return found


def refused(act, kind=Exception):
    with pytest.raises(kind) as caught:
        act()
    text = str(caught.value)
    assert text.replace("\n", " ").isprintable(), text
    return text


def test_names_of_files_that_are_not_there(here, model):
    for load, what in (pynn.load, "a model file"), (pynn.Ensemble.load, "an ensemble file"):
        said = refused(lambda load=load: load(EVIL), FileNotFoundError)
        assert said == f"{SHOWN} does not exist, expected {what}"
    assert refused(lambda: model.save(f"nodir{EVIL}/x"), FileNotFoundError).endswith(
        rf"cannot write nodir{SHOWN}/x: the folder nodir{SHOWN} does not exist"
    )
    model.save(f"{EVIL}.safetensors")
    assert f"did you mean {SHOWN}.safetensors?" in refused(lambda: pynn.load(EVIL), FileNotFoundError)
    os.mkdir("f\x1b")
    assert refused(lambda: pynn.load("f\x1b"), IsADirectoryError) == r"f\x1b is a folder, expected a model file"
    assert refused(lambda: pynn.Ensemble.load("f\x1b")) == r"f\x1b is a folder, expected an ensemble file"
    assert r"f\x1b is a folder" in refused(lambda: model.save("f\x1b"))


def test_names_of_damaged_files(here, model):
    model.save(EVIL)
    content = bytearray(pathlib.Path(EVIL).read_bytes())
    content[-1] ^= 1
    pathlib.Path(EVIL).write_bytes(content)
    assert f"{SHOWN} is damaged: its checksum is wrong" in refused(lambda: pynn.load(EVIL), ValueError)
    assert "is damaged" in refused(lambda: pynn.transfer.load_weights(model, EVIL, layout="pynn"))
    pathlib.Path(EVIL).write_bytes(b"no model")
    refused(lambda: pynn.load(EVIL), ValueError)
    refused(lambda: pynn.datasets.idx.read_idx(EVIL), ValueError)


def test_names_of_folders_of_runs_and_data_sets(here, model):
    x, y = np.zeros((6, 4), np.float32), np.arange(6) % 3
    os.mkdir(EVIL)
    settings = {"epochs": 1, "progress": False}
    model.fit(x, y, checkpoint=EVIL, **settings)
    assert f"{SHOWN} has checkpoints of another run" in refused(lambda: model.fit(x, y, checkpoint=EVIL, **settings))
    for name in os.listdir(EVIL):
        pathlib.Path(EVIL, name).write_bytes(b"damaged")
    assert SHOWN in refused(lambda: model.fit(x, y, checkpoint=EVIL, resume=True, **settings), ValueError)
    for callback in (pynn.ModelCheckpoint(f"no{EVIL}/m.safetensors"), pynn.CSVLogger(f"no{EVIL}/t.csv")):
        refused(lambda callback=callback: model.fit(x, y, callbacks=[callback], **settings), OSError)


def test_downloads_that_fail(here, monkeypatch):
    class Pooch:
        def HTTPDownloader(self, **settings):
            return None

        def retrieve(self, url, *args, **settings):
            raise OSError(f"cannot write {EVIL}")

    from pynn.datasets import common

    monkeypatch.setattr(common, "import_pooch", Pooch)
    path = os.path.join(EVIL, "t.gz")
    text = refused(lambda: common.download("MNIST", ["http://x"], "0", path, "wait"), FileNotFoundError)
    assert text.count(SHOWN) == 2


def test_links_that_lead_nowhere(here):
    os.symlink("loop", "loop")
    os.symlink("nothing", "hanging")
    for name in ("loop", "hanging"):
        text = f"{name} is a symbolic link that leads to no file, expected a model file"
        assert refused(lambda name=name: pynn.load(name), FileNotFoundError) == text


@pytest.mark.parametrize("path", [3, None, 2.5, b"x", ["x"]])
def test_strings_that_are_not_file_names_are_refused(here, model, path):
    acts = [lambda: pynn.load(path), lambda: pynn.Ensemble.load(path), lambda: model.save(path)]
    for act in acts:
        assert refused(act, TypeError) == f"path is {path!r}, expected a file's name"


def test_empty_names(here, model):
    for path in ("", "a\0b"):
        for act in (pynn.load, pynn.Ensemble.load, model.save):
            assert refused(lambda act=act, path=path: act(path), ValueError).startswith(f"path is {path!r}, expected")
