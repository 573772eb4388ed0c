"""Running statistics that no batch has moved: `fit` says so, and so does `load`."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import pynn

WORDS = r"2 of 4 channels (seem to )?vary too much for float32 .*preprocessing=pynn\.Standardization\(\)"


@pytest.fixture
def samples(rng):
    return (rng.normal(size=(60, 4)) * [1e30, 1, 1e30, 1]).astype(np.float32), np.arange(60) % 3


def network():
    return pynn.Sequential(pynn.BatchNorm(), pynn.Affine(3))


def silent(act):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return act()


@pytest.mark.parametrize("validated", [False, True])
def test_fit_warns_once_and_load_again(backend, samples, tmp_path, validated):
    model = network()
    with pytest.warns(UserWarning, match=WORDS) as said:
        model.fit(*samples, epochs=3, progress=False, validation=samples if validated else None)
    assert len(said) == 1
    assert said[0].filename == __file__
    silent(lambda: model.evaluate(*samples))
    model.save(tmp_path / "m.safetensors")
    with pytest.warns(UserWarning, match=WORDS) as said:
        loaded = pynn.load(tmp_path / "m.safetensors")
    assert said[0].filename == __file__
    silent(lambda: loaded.predict(samples[0]))


def test_a_resumed_run_warns(backend, samples, tmp_path):
    with pytest.warns(UserWarning, match=WORDS):
        network().fit(*samples, epochs=1, progress=False, checkpoint=tmp_path)
    with pytest.warns(UserWarning, match=WORDS):
        network().fit(*samples, epochs=2, progress=False, checkpoint=tmp_path, resume=True)


def test_ensembles_and_layers_inside_others_warn(backend, samples, tmp_path):
    model = pynn.Sequential(pynn.Residual(pynn.BatchNorm(), pynn.Affine(4)), pynn.Affine(3))
    with pytest.warns(UserWarning, match=WORDS):
        model.fit(*samples, epochs=1, progress=False)
    pynn.Ensemble([model, copy.deepcopy(model)]).save(tmp_path / "e.safetensors")
    with pytest.warns(UserWarning, match=WORDS):
        pynn.Ensemble.load(tmp_path / "e.safetensors")


def test_scaled_inputs_untrained_models_and_frozen_layers_are_silent(backend, samples, tmp_path):
    def go(model, **settings):
        if settings:
            model.fit(*samples, epochs=2, progress=False, **settings)
        else:
            model.build((4,))
        model.save(tmp_path / "m.safetensors")
        return pynn.load(tmp_path / "m.safetensors").predict(samples[0])

    silent(lambda: go(network(), preprocessing=pynn.Standardization()))
    silent(lambda: go(network()))
    frozen = pynn.Sequential(pynn.BatchNorm().freeze(), pynn.Affine(3))
    silent(lambda: go(frozen, preprocessing=pynn.Standardization()))
