"""Numbers as targets come back in their own shape and units; batches may come from any iterable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def prices(rng: np.random.Generator) -> Points:
    x = rng.standard_normal((80, 3))
    return x, 5e5 + 1e5 * x[:, 0] - 3e4 * x[:, 1] + rng.normal(0, 1e3, 80)


def _trained(x: Any, y: Any = None, units: int = 1, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(units))
    model.fit(x, y, **{"loss": "l2", "optimizer": pynn.Adam(0.1), "epochs": 60, "progress": False, **settings})
    return model


# Shape --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["l2", "l1", "huber"])
def test_predictions_have_the_shape_of_the_targets(loss: str, prices: Points, tmp_path: Path, backend: str) -> None:
    x, y = prices[0], prices[0][:, 0]
    for target in (y, y[:, None], np.stack([y, y], axis=1), y.tolist()):
        shape = np.shape(target)
        model = _trained(x, target, shape[1] if len(shape) > 1 else 1, loss=loss, epochs=1)
        model.save(tmp_path / "model.safetensors")
        for one in (model, pynn.load(tmp_path / "model.safetensors"), pynn.Ensemble([model])):
            assert one.predict(x).shape == shape
    model = _trained(x, y, loss=loss)
    assert np.mean((model.predict(x) - y) ** 2) < 0.05  # (N,) - (N,), not (N, N)


def test_the_last_fit_tells_the_shape(prices: Points) -> None:
    x, y = prices[0], prices[0][:, 0]
    model = _trained(x, y, epochs=1)
    model.fit(x, y[:, None], epochs=1, progress=False)
    assert model.predict(x).shape == (80, 1)
    model.fit([(x, y)], epochs=1, progress=False)
    assert model.predict(x).shape == (80,)


def test_a_model_that_was_never_fitted_gives_its_outputs(prices: Points) -> None:
    model, loss = pynn.Sequential(pynn.Affine(1)), pynn.SquaredError()
    model.train_step(prices[0], prices[1], loss, pynn.SGD(1e-9))
    model.loss = loss
    assert model.predict(prices[0]).shape == (80, 1)


# Units --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(80,), (80, 1), (80, 2)])
def test_targets_are_learned_in_other_units_and_predicted_in_their_own(
    shape: tuple[int, ...], prices: Points, tmp_path: Path, backend: str
) -> None:
    x, y = prices
    y = y.reshape(shape) if len(shape) == 1 or shape[1] == 1 else np.stack([y, -10 * y + 7], axis=1)
    settings: dict[str, Any] = {"units": y.size // 80, "preprocessing": pynn.Standardization()}
    model = _trained(x, y, target_preprocessing=pynn.Standardization(), validation=0.25, epochs=100, **settings)
    assert model.history["val_loss"][-1] < 0.1  # in units of the standard deviation
    model.save(tmp_path / "model.safetensors")
    spread = np.std(y, axis=0)
    for one in (model, pynn.load(tmp_path / "model.safetensors"), pynn.Ensemble([model])):
        found = one.predict(x)
        assert found.shape == shape
        assert (np.abs(found - y).mean(axis=0) < 0.1 * spread).all()
        if isinstance(one, pynn.Ensemble):  # it measures in the units of y: its members may have scaled them apart
            assert one.evaluate(x, y)["loss"] == pytest.approx(((found - y) ** 2).sum() / 80, rel=1e-4)
        else:
            assert one.evaluate(x, y)["loss"] == pytest.approx(model.evaluate(x, y)["loss"], rel=1e-5)
    scaled = pynn.Standardization().fit(y.reshape(80, -1))
    plain = _trained(x, scaled.transform(y.reshape(80, -1)), epochs=100, **settings)
    both = _trained(x, y, target_preprocessing=pynn.Standardization(), epochs=100, **settings)
    np.testing.assert_allclose(both.parameters, plain.parameters, rtol=1e-5, atol=1e-6)
    mean, deviation = pynn.monte_carlo(both, x, 3)
    np.testing.assert_allclose(mean.reshape(shape), both.predict(x), rtol=1e-5)
    assert (deviation == 0).all()


def test_metrics_are_in_the_units_of_the_targets(prices: Points, backend: str) -> None:
    x, y = prices

    def largest(outputs: np.ndarray, targets: np.ndarray) -> float:
        return float(np.abs(targets).max())

    for accumulate in (1, 2):
        model = _trained(
            x, y, target_preprocessing=pynn.Standardization(), validation=(x, y), metrics=["mae", "r2", largest],
            batch_size=40, accumulate=accumulate,
        )  # fmt: skip
        mae = np.abs(model.predict(x) - y).mean()
        assert model.history["val_mae"][-1] == pytest.approx(mae, rel=1e-4)
        assert model.evaluate(x, y, metrics=["mae"])["mae"] == pytest.approx(mae, rel=1e-4)
        assert pynn.Ensemble([model]).evaluate(x, y, metrics=["mae"])["mae"] == pytest.approx(mae, rel=1e-4)
        assert model.history["mae"][-1] > 1e2
        assert model.history["val_largest"][-1] == pytest.approx(y.max(), rel=1e-4)
        assert 0 < model.history["val_r2"][-1] < 1


def test_monte_carlo_spreads_in_the_units_of_the_targets(prices: Points) -> None:
    x, y = prices
    model = pynn.Sequential(pynn.Affine(30), pynn.ReLU(), pynn.Dropout(0.5), pynn.Affine(1))
    model.fit(x, y, loss="l2", target_preprocessing=pynn.Standardization(), epochs=5, progress=False)
    _, deviation = pynn.monte_carlo(model, x, 20)
    passes = np.stack([pynn.monte_carlo(model, x, 1, seed=seed)[0] for seed in range(20)])
    assert deviation.mean() == pytest.approx(passes.std(axis=0).mean(), rel=0.3)
    assert deviation.mean() > 1e3


def test_further_fits_and_validation_go_on_in_the_same_units(prices: Points) -> None:
    x, y = prices
    model = _trained(x, y, target_preprocessing=pynn.Standardization(), epochs=100)
    before = model.targets
    model.fit(x[:10], y[:10], validation=(x, y), epochs=1, progress=False)
    assert model.targets is not None
    assert before is not None
    assert model.targets.scaling is before.scaling
    assert model.history["val_loss"][-1] < 0.1
    model.fit([(x, y)], epochs=1, progress=False)
    assert model.history["loss"][-1] < 0.1


def test_target_preprocessing_goes_with_arrays_of_numbers(prices: Points) -> None:
    x, y = prices
    scaling = pynn.Standardization()
    with pytest.raises(TypeError, match="target_preprocessing needs arrays x and y"):
        _trained([(x, y)], target_preprocessing=scaling)
    for loss, target in (
        ("softmax_cross_entropy", y > y.mean()),
        ("binary_cross_entropy", np.eye(2)[:1].repeat(80, 0)),
    ):
        with pytest.raises(TypeError, match="target_preprocessing needs a loss of numbers"):
            _trained(x, target, 2, loss=loss, target_preprocessing=scaling)
    with pytest.raises(
        TypeError, match=r"target_preprocessing is .*expected a pynn Transformer; write Standardization\(\)"
    ):
        _trained(x, y, target_preprocessing=pynn.Standardization)
    assert not scaling.fitted  # a copy is fitted


def test_the_readme_recipe_learns_from_raw_targets() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = datasets.load_diabetes(return_X_y=True)
    model = pynn.Sequential(pynn.Affine(64), pynn.LayerNorm(), pynn.GELU(), pynn.Affine(1))
    model.fit(
        x[:350], y[:350], loss="l2", preprocessing=pynn.Standardization(), target_preprocessing=pynn.Standardization(),
        optimizer=pynn.AdamW(pynn.CosineDecay(3e-3, epochs=30)), epochs=30, progress=False,
    )  # fmt: skip
    test = y[350:]
    assert 1 - ((model.predict(x[350:]) - test) ** 2).sum() / ((test - test.mean()) ** 2).sum() > 0.35


# Iterables ----------------------------------------------------------------------------------------


class Loader:
    """Batches that start anew with each loop, as data loaders do."""

    def __init__(self, *arrays: np.ndarray, size: int = 30) -> None:
        self.arrays, self.size = arrays, size

    def __len__(self) -> int:
        return -(-len(self.arrays[0]) // self.size)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self.arrays[0]), self.size):
            parts = tuple(array[start : start + self.size] for array in self.arrays)
            yield parts if len(parts) > 1 else parts[0]


@pytest.mark.parametrize("preprocessing", [None, pynn.Standardization()])
def test_loaders_validate_and_are_evaluated_and_predicted(
    preprocessing: pynn.Transformer | None, rng: np.random.Generator, backend: str
) -> None:
    x = rng.standard_normal((80, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    weights = rng.random(80)
    settings: dict[str, Any] = {
        "loss": None,
        "epochs": 3,
        "preprocessing": preprocessing,
        "metrics": ["accuracy", "f1"],
    }
    model = _trained(x, y, 2, validation=Loader(x, y), **settings)
    expected = _trained(x, y, 2, validation=(x, y), **settings)
    for name in ("val_loss", "val_accuracy", "val_f1"):
        assert model.history[name] == pytest.approx(expected.history[name], rel=1e-5)
    listed = _trained(x, y, 2, validation=list(Loader(x, y)), **settings)
    assert listed.history["val_loss"] == model.history["val_loss"]
    assert model.evaluate(Loader(x, y)) == pytest.approx(model.evaluate(x, y), rel=1e-5)
    assert model.evaluate(iter(Loader(x, y, weights)))["accuracy"] == pytest.approx(
        model.evaluate(x, y, sample_weight=weights)["accuracy"], rel=1e-5
    )
    for same in (Loader(x), Loader(x, y), iter(Loader(x)), (part for part in Loader(x, y))):
        np.testing.assert_array_equal(model.predict(same), model.predict(x))
    np.testing.assert_allclose(model.predict_proba(Loader(x, y)), model.predict_proba(x), rtol=1e-5)


def test_iterables_that_cannot_be_used_say_so(prices: Points) -> None:
    x, y = prices
    model = _trained(x, y, epochs=1)
    with pytest.raises(TypeError, match="validation is generator, which can be iterated only once"):
        _trained(x, y, validation=(batch for batch in Loader(x, y)))
    with pytest.raises(ValueError, match="validation gave no batches"):
        _trained(x, y, validation=Loader(x[:0], y[:0]))
    with pytest.raises(ValueError, match="x gave no batches"):
        model.evaluate(Loader(x[:0], y[:0]))
    with pytest.raises(ValueError, match="x gave no batches"):
        model.predict(iter(()))
    with pytest.raises(TypeError, match="y is missing: evaluate takes arrays x and y, or one iterable"):
        model.evaluate(x)
    with pytest.raises(TypeError, match="x, batch 0 is ndarray, expected a pair"):
        model.evaluate(Loader(x))
    with pytest.raises(ValueError, match=r"validation, batch 1 x has shape \(30, 2\), expected \(N, 3\)"):
        _trained(x, y, validation=[(x[:30], y[:30]), (x[:30, :2], y[:30])])
    with pytest.raises(TypeError, match="sample_weight and class_weight need arrays"):
        model.evaluate(Loader(x, y), sample_weight=y)


# Seeds --------------------------------------------------------------------------------------------


def test_a_seed_of_none_is_one_at_random() -> None:
    models = [pynn.Sequential(pynn.Affine(3), seed=None) for _ in range(2)]
    for model in models:
        model.build((4,))
    assert models[0].seed != models[1].seed
    assert (models[0].parameters != models[1].parameters).any()
    again = pynn.Sequential(pynn.Affine(3), seed=models[0].seed)
    again.build((4,))
    np.testing.assert_array_equal(again.parameters, models[0].parameters)
    x, y = np.arange(100.0)[:, None], np.arange(100)
    parts = [pynn.split(x, y, 0.5, seed=None, stratify=False)[0][1] for _ in range(2)]
    assert (parts[0] != parts[1]).any()
