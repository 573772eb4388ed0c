"""Preprocessing of numbers whose squares are below what float64 holds."""

from __future__ import annotations

import numpy as np
import pytest

import pynn

EXPONENTS = (0, -450, -475, -540, -900, -1000, -1015)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("per", ["feature", "all"])
def test_standardization_does_not_depend_on_the_unit(rng, exponent, per):
    x = rng.normal(size=(50, 4))
    x[:, 2] = 3.0  # a constant
    usual, other = (pynn.Standardization(per=per).fit(one) for one in (x, np.ldexp(x, exponent)))
    moved = np.ldexp(usual.scale_, exponent)
    if per == "feature":
        moved[2] = 1.0
    np.testing.assert_allclose(other.scale_, moved, rtol=1e-14)
    y = other.transform(np.ldexp(x, exponent))
    np.testing.assert_allclose(y, usual.transform(x), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(np.ldexp(other.inverse_transform(y), -exponent), x, rtol=1e-13)


def test_small_and_usual_columns_stand_side_by_side(rng):
    x = rng.normal(size=(40, 3)) * [1.0, 1e-170, 1e-310] + [5, 0, 0]
    fitted = pynn.Standardization().fit(x)
    np.testing.assert_allclose(fitted.transform(x).std(axis=0), 1, rtol=1e-12)
    assert fitted.scale_[0] == pynn.Standardization().fit(x[:, :1]).scale_[0]  # bit for bit


def test_rounding_of_small_constants_is_no_spread():
    x = np.full((9, 1), 1e-150)
    x[4] = np.nextafter(1e-150, 1)
    np.testing.assert_array_equal(pynn.Standardization().fit(x).scale_, [1.0])


@pytest.mark.parametrize("exponent", EXPONENTS[:-1])  # kernels take numbers below 2^-1022 for 0
@pytest.mark.parametrize("shape", [(30, 3), (3, 30)])
def test_directions_do_not_depend_on_the_unit(rng, exponent, shape):
    x = rng.normal(size=shape) * np.linspace(1, 3, shape[1])
    usual, other = pynn.PCA().fit(x), pynn.PCA().fit(np.ldexp(x, exponent))
    count = min(shape[1], shape[0] - 1)  # as many as vary
    np.testing.assert_allclose(other.components_[:count], usual.components_[:count], rtol=1e-7, atol=1e-9)
    shares = usual.explained_variance_ratio_
    np.testing.assert_allclose(other.explained_variance_ratio_, shares, rtol=1e-9, atol=1e-20)
    assert len(pynn.PCA(0.9).fit(np.ldexp(x, exponent)).components_) == len(pynn.PCA(0.9).fit(x).components_)
    np.testing.assert_allclose(np.ldexp(other.inverse_transform(other.transform(np.ldexp(x, exponent))), -exponent), x)
    for form in ("pca", "zca"):
        whitened = pynn.Whitening(form, epsilon=1e-300).fit(np.ldexp(x, exponent))
        assert np.isfinite(whitened.transform(np.ldexp(x, exponent))).all()
    assert (pynn.PCA().fit(x * 0 + 1e-200).transform(x * 0 + 1e-200) == 0).all()  # a constant
    with pytest.raises(ValueError, match=r"is too large for float64; scale it down first"):
        pynn.PCA().fit(x * 1e200)


def test_targets_that_float32_cannot_predict_are_refused(backend, rng):
    x = rng.normal(size=(40, 2))
    y = x @ [1.0, 2.0]
    settings = {"loss": "l2", "epochs": 300, "progress": False, "target_preprocessing": pynn.Standardization()}
    settings["optimizer"] = pynn.Adam(0.05)
    model = pynn.Sequential(pynn.Affine(1))
    with pytest.raises(ValueError, match=r"y spreads by .*e-50, which predictions in float32 cannot hold: scale y up"):
        model.fit(x, y * 1e-50, **settings)
    assert not model.built
    model.fit(x, y * 1e-30, **settings)
    np.testing.assert_allclose(model.predict(x), y * 1e-30, rtol=0.01, atol=1e-32)
    for scale in (1e-50, 1e-200):
        double = pynn.Sequential(pynn.Affine(1), dtype="float64")
        double.fit(x, y * scale, **{**settings, "optimizer": pynn.Adam(0.05)})
        np.testing.assert_allclose(double.predict(x), y * scale, rtol=0.01, atol=0.01 * scale)
