"""Ready networks: their shapes and parameter counts, as published; they train, and come back from their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pynn
from pynn import models

SHAPES = {"lenet5": (28, 28, 1), "deep_convnet": (28, 28, 1), "vgg_small": (32, 32, 3), "resnet20": (32, 32, 3)}


def test_every_model_is_here() -> None:
    assert {*SHAPES, "realmlp"} == set(models.__all__)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("lenet5", 61_706),
        ("deep_convnet", 16 * 10 + 16 * 145 + 32 * 145 + 32 * 289 + 64 * 289 + 64 * 577 + 64 * 16 * 50 + 50 + 510),
        ("vgg_small", 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256) + 4 * 448 + 4096 * 10 + 10),
        ("resnet20", 272_474),  # torch's ResNet-20 with projections that are normalized
    ],
)
def test_parameter_counts(name: str, count: int) -> None:
    model = getattr(models, name)()
    assert model.build(SHAPES[name]) == (10,)
    assert model.parameter_count == count


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_a_ready_network_learns_a_few_images_and_comes_back_from_its_file(
    name: str, tmp_path: Path, backend: str
) -> None:
    make: Callable[..., pynn.Sequential] = getattr(models, name)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, *SHAPES[name])).astype(np.float32), np.arange(6) % 3
    model = make(classes=3, seed=1)
    history = model.fit(x, y, epochs=6, batch_size=6, optimizer=pynn.Adam(1e-3), progress=False)
    assert history["loss"][-1] < history["loss"][0]
    model.save(tmp_path / "m")
    again = pynn.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
