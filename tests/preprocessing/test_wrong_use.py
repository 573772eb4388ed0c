"""Transformers: what they refuse, before and after `fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from transformer_cases import every

import pynn
from pynn.preprocessing import NotFittedError, Transformer


@every
def test_use_before_fit(make: Callable[[], Transformer], x: np.ndarray) -> None:
    transformer = make()
    assert issubclass(NotFittedError, ValueError)
    assert issubclass(NotFittedError, AttributeError)
    for method in ("transform", "inverse_transform"):
        with pytest.raises(NotFittedError, match=rf"{method} needs it to be fitted; call fit\(x\) first"):
            getattr(transformer, method)(x)
    assert not hasattr(transformer, "n_features_in_")


@every
def test_samples_of_another_shape(make: Callable[[], Transformer], x: np.ndarray) -> None:
    transformer = make().fit(x)
    for method, word in (("transform", "was fitted on"), ("inverse_transform", "transforms into")):
        with pytest.raises(ValueError, match=rf"x has shape \(50, 5\), expected \(N, 6\): \w+ {word}"):
            getattr(transformer, method)(x[:, :5])
        with pytest.raises(ValueError, match=r"x has shape \(6,\), expected .* a single sample x\[None\]"):
            getattr(transformer, method)(x[0])
        with pytest.raises(ValueError, match=r"x is empty: its shape is \(0, 6\)"):
            getattr(transformer, method)(x[:0])
        with pytest.raises(ValueError, match=r"x\[3, 2\] is (nan|inf), expected finite numbers"):
            getattr(transformer, method)(
                np.where(np.indices(x.shape).sum(axis=0) == 5, np.inf, x)[:, [0, 1, 2, 0, 0, 0]]
            )


@every
@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (lambda x: x[:1], ValueError, "x has 1 sample, expected at least 2 to fit"),
        (lambda x: x[:0], ValueError, r"x is empty: its shape is \(0, 6\)"),
        (lambda x: x[:, :0], ValueError, r"x has shape \(50, 0\), expected \(N, D\) or \(N, H, W, C\)"),
        (lambda x: x[:, 0], ValueError, r"x has shape \(50,\), expected .* a single feature is x\[:, None\]"),
        (lambda x: 3.0, ValueError, "x is a single number"),
        (lambda x: np.where(x == x[7, 1], np.nan, x), ValueError, r"x\[7, 1\] is nan"),
        (lambda x: [[1, 2], [3]], ValueError, "rows of different lengths"),
        (lambda x: x.astype(str), TypeError, "expected numbers"),
        (lambda x: x + 1j, TypeError, "x has dtype complex128, expected numbers"),
    ],
)
def test_transformers_refuse_data_they_cannot_be_fitted_to(
    make: Callable[[], Transformer], bad: Any, error: type[Exception], message: str, x: np.ndarray
) -> None:
    with pytest.raises(error, match=message):
        make().fit(bad(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pynn.MeanSubtraction("pixel"), "per is 'pixel', expected one of feature, channel, all"),
        (lambda: pynn.Standardization(per=0), "per is 0, expected one of"),
        (lambda: pynn.MinMaxScaling((1, 1)), r"range is \(1, 1\), expected two numbers \(low, high\) with low < high"),
        (lambda: pynn.MinMaxScaling((1, -1)), "with low < high"),
        (lambda: pynn.MinMaxScaling((0, np.inf)), "expected two numbers"),
        (lambda: pynn.MinMaxScaling(1), "expected two numbers"),
        (lambda: pynn.PCA(0), "components is 0, expected None, an integer of at least 1"),
        (lambda: pynn.PCA(True), "components is True"),
        (lambda: pynn.PCA(1.5), "a share of the variance as a float above 0"),
        (lambda: pynn.PCA(0.0), "components is 0.0"),
        (lambda: pynn.PCA(float("nan")), "components is nan"),
        (lambda: pynn.PCA("mle"), "components is 'mle'"),
        (lambda: pynn.Whitening("lda"), "form is 'lda', expected one of pca, zca"),
        (lambda: pynn.Whitening(epsilon=0), "epsilon is 0, expected a finite positive number"),
        (lambda: pynn.Whitening(epsilon="small"), "epsilon is 'small', expected a finite positive number"),
    ],
)
def test_wrong_arguments(make: Callable[[], Transformer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_more_components_than_there_are(x: np.ndarray) -> None:
    with pytest.raises(ValueError, match="components is 7, but 50 samples of 6 features have only 6"):
        pynn.PCA(7).fit(x)
    with pytest.raises(ValueError, match="components is 4, but 3 samples of 6 features have only 3"):
        pynn.PCA(4).fit(x[:3])


def test_channels_are_those_of_images(images: np.ndarray) -> None:
    for flat in (images.reshape(90, -1), images[..., 0]):
        with pytest.raises(ValueError, match=r"per='channel' is for images \(N, H, W, C\), got samples of shape"):
            pynn.MeanSubtraction("channel").fit(flat)


def test_results_that_do_not_fit_their_dtype() -> None:
    scaling = pynn.Standardization().fit(np.float32([[0], [1e-30]]))
    with pytest.raises(ValueError, match="a result is too large for float32"):
        scaling.transform(np.float32([[1e20]]))
    with pytest.raises(ValueError, match="is too large for float64; scale it down"):
        pynn.PCA().fit([[1e200, 0], [-1e200, 0], [0, 1]])
