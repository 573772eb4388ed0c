"""Robust scaling, smooth clipping and clipping to the range seen: against their formulas and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pynn


def test_robust_scaling_follows_scikit_learn(rng: np.random.Generator) -> None:
    x = rng.standard_cauchy((501, 4)) * [1, 1e6, 1e-9, 3] + [0, 5, 0, -1e3]
    oracle = pytest.importorskip("sklearn.preprocessing").RobustScaler().fit(x)
    ours = pynn.RobustScaling().fit(x)
    np.testing.assert_allclose(ours.median_, oracle.center_, rtol=1e-14)
    np.testing.assert_allclose(ours.scale_, oracle.scale_, rtol=1e-14)
    np.testing.assert_allclose(ours.transform(x), oracle.transform(x), rtol=1e-12)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(x)), x, rtol=1e-9, atol=1e-12)


def test_features_without_an_interquartile_range_take_half_their_range() -> None:
    x = np.zeros((10, 3))
    x[:, 1], x[0, 2], x[1, 2] = 7.5, 9, -1
    fitted = pynn.RobustScaling().fit(x)
    np.testing.assert_array_equal(fitted.median_, [0, 7.5, 0])
    np.testing.assert_array_equal(fitted.scale_, [0, 0, 5])
    np.testing.assert_array_equal(fitted.transform([[4.0, 4.0, 10.0]]), [[0, 0, 2]])
    np.testing.assert_array_equal(fitted.inverse_transform([[4.0, 4.0, 2.0]]), [[0, 7.5, 10]])


def test_values_that_differ_by_rounding_alone_are_constant_for_robust_scaling() -> None:
    x = np.array([[0.3], [0.1 + 0.2]] * 5)
    assert pynn.RobustScaling().fit(x).scale_ == [0]


def test_an_outlier_moves_robust_scaling_by_nothing(rng: np.random.Generator) -> None:
    x = rng.standard_normal((101, 2))
    wild = x.copy()
    wild[x == x.max(axis=0)] = 1e30
    one, other = pynn.RobustScaling().fit(x), pynn.RobustScaling().fit(wild)
    np.testing.assert_array_equal(one.scale_, other.scale_)
    np.testing.assert_array_equal(one.median_, other.median_)


@pytest.mark.parametrize("limit", [3, 0.1, 50.0])
def test_smooth_clip_follows_its_formula_and_comes_back(limit: float, rng: np.random.Generator) -> None:
    x = rng.standard_normal((40, 3)) * [0.1, 3, 20] * limit
    clip = pynn.SmoothClip(limit)
    y = clip.fit_transform(x)
    np.testing.assert_allclose(y, x / np.sqrt(1 + (x / limit) ** 2), rtol=1e-13)
    assert np.abs(y).max() < limit
    np.testing.assert_allclose(clip.inverse_transform(y), x, rtol=1e-9)
    np.testing.assert_allclose(clip.inverse_transform(clip.transform(x.astype(np.float32))), x, rtol=1e-2)


def test_smooth_clip_of_the_largest_numbers_is_the_limit() -> None:
    clip = pynn.SmoothClip().fit([[1.0], [2.0]])
    y = clip.transform([[1e308], [-1e200], [1e20]])
    np.testing.assert_array_equal(y, [[3], [-3], [3]])
    back = clip.inverse_transform(y)
    np.testing.assert_allclose(back.ravel(), [2e8, -2e8, 2e8], rtol=0.1)
    tight = pynn.SmoothClip(0.1).fit([[1.0], [2.0]])
    assert np.isfinite(tight.inverse_transform(tight.transform(np.full((2, 1), 1e9, np.float32)))).all()
    with pytest.raises(ValueError, match=r"SmoothClip: x holds numbers of size 3\.01, .* never beyond its limit, 3"):
        clip.inverse_transform([[3.01]])


def test_clip_to_range_clips_on_the_way_back_alone(rng: np.random.Generator) -> None:
    x = rng.standard_normal((30, 2))
    clip = pynn.ClipToRange().fit(x)
    wide = np.array([[-9.0, 9.0], [0.0, 0.1]])
    np.testing.assert_array_equal(clip.transform(wide), wide)
    np.testing.assert_array_equal(clip.inverse_transform(wide), [[x[:, 0].min(), x[:, 1].max()], [0.0, 0.1]])


def test_predictions_are_kept_within_the_range_of_the_targets(
    tmp_path: Path, rng: np.random.Generator, backend: str
) -> None:
    x = rng.uniform(-1, 1, (60, 1))
    y = 100 + 20 * x[:, 0]
    model = pynn.Sequential(pynn.Affine(1))
    scaling = pynn.Pipeline(pynn.ClipToRange(), pynn.Standardization())
    settings = {"loss": "l2", "optimizer": pynn.Adam(0.1), "epochs": 40, "progress": False}
    model.fit(x, y, target_preprocessing=scaling, **settings)
    model.save(tmp_path / "m.safetensors")
    for one in (model, pynn.load(tmp_path / "m.safetensors")):
        np.testing.assert_allclose(one.predict([[-50.0], [0.0], [50.0]]), [y.min(), 100, y.max()], rtol=0.01)
        assert one.predict([[50.0]]).max() == y.max()


def test_quantiles_go_column_by_column_after_other_transformers(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rng.standard_normal((50, 3, 4, 2))
    shifted = pynn.MeanSubtraction("all").fit_transform(x)
    expected = pynn.RobustScaling().fit(shifted)
    for piece in (1, 30, 999, 1 << 21):
        monkeypatch.setattr(pynn.preprocessing.rows, "PIECE", piece)
        pipeline = pynn.Pipeline(pynn.MeanSubtraction("all"), pynn.RobustScaling()).fit(x)
        np.testing.assert_allclose(pipeline[1].scale_, expected.scale_, rtol=1e-12)
        np.testing.assert_allclose(pipeline[1].median_, expected.median_, atol=1e-12)


def test_a_smooth_clip_of_targets_is_refused() -> None:
    model = pynn.Sequential(pynn.Affine(1))
    for scaling in (pynn.SmoothClip(), pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())):
        with pytest.raises(TypeError, match="no way back for predictions beyond its limit"):
            model.fit(np.eye(4), np.arange(4.0), loss="l2", target_preprocessing=scaling, epochs=1)
