"""A checkpoint's folder that vanishes while a run writes there, and names that something else has."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import pynn

GONE = r"the folder run is gone, removed or renamed.*model\.save\(path\) keeps it"


@pytest.fixture
def fit(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    x, y = rng.random((60, 4), np.float32), np.arange(60) % 3

    def fit(*callbacks, epochs=6, **settings):
        model = pynn.Sequential(pynn.Affine(3))
        try:
            model.fit(x, y, epochs=epochs, progress=False, checkpoint="run", callbacks=callbacks, **settings)
        finally:
            model.save("model.safetensors")
        return model

    return fit


class Away(pynn.Callback):
    """Takes the folder away, before the first checkpoint or after the second."""

    def __init__(self, how, epoch, back=False):
        self.how, self.epoch, self.back = how, epoch, back

    def on_epoch_begin(self, trainer):
        if trainer.epoch == self.epoch:
            self.how("run")
        if self.back and trainer.epoch == self.epoch + 1:
            os.mkdir("run")


@pytest.mark.parametrize("how", [shutil.rmtree, lambda name: os.rename(name, "elsewhere")])
def test_a_run_ends_without_its_folder(fit, how):
    with pytest.warns(RuntimeWarning, match=GONE) as said:
        model = fit(Away(how, 2))
    assert model.epoch == 6
    assert not any("the newest is still" in str(one.message) for one in said)
    np.testing.assert_array_equal(model.parameters, pynn.load("model.safetensors").parameters)
    assert not os.path.exists("run")


def test_a_folder_that_is_gone_before_the_first_checkpoint_ends_the_run(fit):
    with pytest.raises(FileNotFoundError, match=GONE) as caught:
        fit(Away(shutil.rmtree, 0))
    assert not getattr(caught.value, "__notes__", [])
    assert pynn.load("model.safetensors").context.step > 0


def test_a_folder_that_comes_back_is_used(fit):
    with pytest.warns(RuntimeWarning, match=GONE):
        model = fit(Away(shutil.rmtree, 2, back=True))
    resumed = fit(resume=True)
    np.testing.assert_array_equal(model.parameters, resumed.parameters)


@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", os.mkdir)])
@pytest.mark.parametrize("resume", [False, True])
def test_something_else_with_the_name_of_the_lock_is_named(tmp_path, monkeypatch, rng, make, resume):
    monkeypatch.chdir(tmp_path)
    os.mkdir("run")
    make("run/.pynn.lock")
    model, place = pynn.Sequential(pynn.Affine(3)), r"run.\.pynn\.lock is a (folder|pipe).*: remove it$"
    with pytest.raises(RuntimeError, match=place):
        model.fit(rng.random((6, 4)), np.arange(6) % 3, epochs=1, progress=False, checkpoint="run", resume=resume)
    assert os.path.exists("run/.pynn.lock")
