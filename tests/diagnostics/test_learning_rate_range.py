"""The learning-rate range test: it changes nothing, is stable over seeds, and says when no rate helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.diagnostics import learning_rate_range


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    return pynn.datasets.digits().train


def network(seed: int = 0) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Flatten(), pynn.Affine(50), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(10), seed=seed
    )


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_the_suggestion_is_stable_over_seeds_and_trains(optimizer: str, data: Any, backend: str) -> None:
    found = [learning_rate_range(network(seed), *data, optimizer=optimizer, seed=seed) for seed in range(4)]
    rates = [one.suggestion for one in found]
    assert max(rates) / min(rates) < 2, rates
    model = network()
    made = pynn.optimizers.optimizer(optimizer)
    made.learning_rate = rates[0]
    history = model.fit(*data, epochs=5, batch_size=64, optimizer=made, progress=False)
    assert history["accuracy"][-1] > 0.9


@pytest.mark.parametrize("fitted", [False, True])
def test_the_next_fit_gives_the_bits_that_it_would_have_given(fitted: bool, data: Any, backend: str) -> None:
    parameters = []
    for sweeps in (0, 1):
        model, optimizer = network(), pynn.Adam(pynn.CosineDecay(1e-2, epochs=3))
        if fitted:
            model.fit(*data, epochs=1, optimizer=optimizer, progress=False, preprocessing=pynn.Standardization())
        for _ in range(sweeps):
            learning_rate_range(model, *data, optimizer=None if fitted else optimizer, steps=20)
        assert model.built == fitted
        model.fit(*data, epochs=1, optimizer=optimizer, progress=False)
        parameters.append(np.concatenate([model.parameters, model.layers[2].running_var]))
    np.testing.assert_array_equal(*parameters)


def test_a_loss_that_nothing_moves_gets_no_suggestion(data: Any) -> None:
    model = network()
    model.build((8, 8, 1))
    model.freeze()
    found = learning_rate_range(model, *data, steps=20)
    assert found.suggestion is None
    assert "reacts to no rate" in str(found)


def test_a_wrong_gradient_gets_no_suggestion(data: Any) -> None:
    class Upwards(pynn.SoftmaxCrossEntropy):
        def backward(self) -> np.ndarray:
            return -super().backward()

    found = learning_rate_range(network(), *data, loss=Upwards(), optimizer="sgd")
    assert found.suggestion is None
    assert "only rises" in str(found)


def test_a_range_that_ends_too_early_is_named(data: Any) -> None:
    found = learning_rate_range(network(), *data, optimizer="adam", low=1e-5, high=2e-3)
    assert "still falls at the highest rate" in str(found)


def test_the_curve_is_drawn(data: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = learning_rate_range(network(), *data)
    figure = found.plot(str(tmp_path / "range.png"))
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert f"suggestion {found.suggestion:.2g}" in labels
    assert (tmp_path / "range.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "message"),
    [({"low": 0}, "low is 0"), ({"low": 1.0, "high": 0.1}, "expected low < high"), ({"steps": 3}, "steps is 3")],
)
def test_wrong_settings_are_refused(options: dict[str, Any], message: str, data: Any) -> None:
    with pytest.raises(ValueError, match=message):
        learning_rate_range(network(), *data, **options)
