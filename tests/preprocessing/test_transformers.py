"""Transformers: against scikit-learn and their formulas, the protocol, what is refused, memory, and real images."""

from __future__ import annotations

import copy
import os
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformer_cases import IMAGE_MAKERS, every, every_on_images

import pynn
from pynn.preprocessing import Transformer, rows

CIFAR = Path(os.environ.get("PYNN_DATA") or "absent") / "cifar-10-batches-bin"

# Answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per", "axes"), [("feature", 0), ("channel", (0, 1, 2)), ("all", None)])
def test_scaling_follows_its_formula(per: str, axes: Any, images: np.ndarray) -> None:
    mean, std = images.mean(axes), images.std(axes)
    low, high = images.min(axes), images.max(axes)
    np.testing.assert_allclose(pynn.MeanSubtraction(per).fit_transform(images), images - mean, atol=1e-13)
    np.testing.assert_allclose(pynn.Standardization(per).fit_transform(images), (images - mean) / std, atol=1e-13)
    expected = -1 + 2 * (images - low) / (high - low)
    np.testing.assert_allclose(pynn.MinMaxScaling(per=per).fit_transform(images), expected, atol=1e-13)
    scaled = pynn.MinMaxScaling((0, 10), per).fit_transform(images)
    np.testing.assert_array_equal([scaled.min(axes), scaled.max(axes)], [np.zeros_like(low), np.full_like(high, 10)])


def test_standardization_follows_scikit_learn(x: np.ndarray) -> None:
    oracle = pytest.importorskip("sklearn.preprocessing").StandardScaler().fit(x[:40])
    ours = pynn.Standardization().fit(x[:40])
    np.testing.assert_allclose(ours.mean_, oracle.mean_, rtol=1e-13)
    np.testing.assert_allclose(ours.scale_, oracle.scale_, rtol=1e-10)
    np.testing.assert_allclose(ours.transform(x), oracle.transform(x), atol=1e-8)


@pytest.mark.parametrize("ends", [(-1, 1), (0, 1), (3.5, 4)])
def test_min_max_scaling_follows_scikit_learn(ends: tuple[float, float], x: np.ndarray) -> None:
    x[:, 2] = 5
    oracle = pytest.importorskip("sklearn.preprocessing").MinMaxScaler(ends).fit(x[:40])
    ours = pynn.MinMaxScaling(ends).fit(x[:40])
    x[45, 2] = 5.5
    np.testing.assert_allclose(ours.transform(x), oracle.transform(x), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(x)), x, rtol=1e-12)


@pytest.mark.parametrize("components", [None, 1, 3, 6, 0.5, 0.9, 0.999999])
@pytest.mark.parametrize("samples", [50, 6])
def test_pca_follows_scikit_learn(components: Any, samples: int, rng: np.random.Generator) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = rng.standard_normal((samples, 6)) @ rng.standard_normal((6, 6)) + 20
    oracle = decomposition.PCA(components, svd_solver="full").fit(x)
    ours = pynn.PCA(components).fit(x)
    assert ours.components_.shape == oracle.components_.shape
    count = min(len(ours.components_), samples - 1)  # six centred samples have five directions
    np.testing.assert_allclose(ours.mean_, oracle.mean_, rtol=1e-13)
    np.testing.assert_allclose(ours.components_[:count], oracle.components_[:count], atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_, oracle.explained_variance_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.explained_variance_ratio_, oracle.explained_variance_ratio_, rtol=1e-9, atol=1e-12)
    transformed = ours.transform(x)
    np.testing.assert_allclose(transformed[:, :count], oracle.transform(x)[:, :count], atol=1e-8)
    np.testing.assert_allclose(ours.inverse_transform(transformed), oracle.inverse_transform(oracle.transform(x)))


@pytest.mark.parametrize("samples", [7, 20])
def test_pca_of_few_samples_goes_through_the_samples(samples: int, rng: np.random.Generator) -> None:
    """Fewer samples than features: the singular vectors, no covariance; one more than N - 1 has no variance."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = rng.standard_normal((samples, 31))
    oracle, ours = decomposition.PCA(svd_solver="full").fit(x), pynn.PCA().fit(x)
    assert ours.components_.shape == (samples, 31)
    np.testing.assert_allclose(ours.components_[:-1], oracle.components_[:-1], atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_, oracle.explained_variance_, atol=1e-12)
    np.testing.assert_allclose(ours.components_ @ ours.components_.T, np.eye(samples), atol=1e-12)
    np.testing.assert_allclose(ours.inverse_transform(ours.transform(x)), x, atol=1e-12)


def test_pca_decorrelates_and_explains_the_share_that_it_says(x: np.ndarray) -> None:
    scaled = pynn.Standardization().fit_transform(x)
    pca = pynn.PCA().fit(scaled)
    covariance = np.cov(pca.transform(scaled).T)
    np.testing.assert_allclose(covariance, np.diag(pca.explained_variance_), atol=1e-12)
    assert pca.explained_variance_ratio_.sum() == pytest.approx(1, abs=1e-12)
    for count in (1, 2, 5):
        part = pynn.PCA(count).fit(scaled)
        lost = ((scaled - part.inverse_transform(part.transform(scaled))) ** 2).sum()
        assert 1 - lost / (scaled**2).sum() == pytest.approx(part.explained_variance_ratio_.sum(), abs=1e-12)


def test_a_share_of_variance_takes_the_fewest_components_that_reach_it() -> None:
    x = np.diag([3.0, 2.0, 1.0, 0.0])[[0, 1, 2, 3, 0, 1, 2, 3]]
    x = np.concatenate([x, -x])  # mean 0, variances 9 : 4 : 1 : 0
    for share, count in ((1e-9, 1), (0.6, 1), (9 / 14, 1), (0.7, 2), (13 / 14, 2), (0.95, 3), (1.0, 3)):
        assert pynn.PCA(share).fit(x).components_.shape == (count, 4), share


@pytest.mark.parametrize("samples", [30, 5])
def test_components_have_a_sign_that_the_data_does_not_turn(samples: int, rng: np.random.Generator) -> None:
    x = rng.standard_normal((samples, 6)) * [6, 5, 4, 3, 2, 1]
    one, other = (pynn.PCA(4).fit(data).components_ for data in (x, -x[::-1]))
    np.testing.assert_allclose(one, other, atol=1e-12)
    np.testing.assert_array_equal(one.max(axis=1), np.abs(one).max(axis=1))


@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
@pytest.mark.parametrize("form", ["pca", "zca"])
def test_whitening_follows_its_formula(form: str, epsilon: float, x: np.ndarray) -> None:
    scaled = pynn.Standardization().fit_transform(x)
    whitening = pynn.Whitening(form, epsilon).fit(scaled)
    white = whitening.transform(scaled)
    variance, columns = np.linalg.eigh(np.cov(scaled.T))
    left = columns @ np.diag(variance / (variance + epsilon)) @ columns.T
    found = np.cov(white.T)
    if form == "pca":
        found = whitening.components_.T @ found @ whitening.components_
    np.testing.assert_allclose(found, left, atol=1e-11)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(whitening.inverse_transform(white), scaled, atol=1e-10)


def test_zca_is_the_symmetric_root_of_the_inverse_covariance(x: np.ndarray) -> None:
    scaled = pynn.Standardization().fit_transform(x)
    white = pynn.Whitening("zca", 1e-3).fit_transform(scaled)
    root = np.linalg.inv(np.cov(scaled.T) + 1e-3 * np.eye(6))  # its own square root is what x is multiplied by
    matrix = np.linalg.lstsq(scaled, white, rcond=None)[0]
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
    np.testing.assert_allclose(matrix @ matrix, root, rtol=1e-8, atol=1e-8)


def test_a_large_offset_costs_no_digits(rng: np.random.Generator) -> None:
    small = rng.standard_normal((1000, 3))
    moved = small + 2.0**30
    small = moved - 2.0**30  # what the sum could hold
    for make in (pynn.Standardization, pynn.PCA, pynn.Whitening, pynn.MinMaxScaling):
        np.testing.assert_allclose(make().fit_transform(moved), make().fit_transform(small), atol=1e-6)


# The protocol -------------------------------------------------------------------------------------


@every_on_images
def test_images_come_back_from_their_transformed_form(make: Callable[[], Transformer], images: np.ndarray) -> None:
    before = images.copy()
    transformer = make()
    assert transformer.fit(images) is transformer
    y = transformer.transform(images)
    flat = "PCA" in repr(transformer) or getattr(transformer, "form", "") == "pca"
    assert y.shape == ((90, 60) if flat else images.shape)
    assert (transformer.n_features_in_, transformer.input_shape_) == (60, (4, 5, 3))
    assert transformer.output_shape_ == y.shape[1:]
    np.testing.assert_allclose(transformer.inverse_transform(y), images, atol=1e-9)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(make().fit_transform(images, y="ignored"), y)
    assert vars(transformer).keys() == vars(make().fit(images)).keys(), "only fit sets attributes"
    np.testing.assert_allclose(transformer.transform(images[7:8]), y[7:8], atol=1e-12)


@every
def test_images_are_transformed_as_their_rows_are(make: Callable[[], Transformer], images: np.ndarray) -> None:
    one, other = make().fit_transform(images), make().fit_transform(images.reshape(90, -1))
    np.testing.assert_array_equal(one.reshape(90, -1), other)


@every
@pytest.mark.parametrize(("dtype", "result"), [
    ("float32", "float32"), ("float64", "float64"), ("float16", "float32"), ("uint8", "float32"), ("int64", "float64"),
    ("bool", "float64"), (">f4", "float32"), (">f8", "float64"),
])  # fmt: skip
def test_dtypes(make: Callable[[], Transformer], dtype: str, result: str, rng: np.random.Generator) -> None:
    x = rng.integers(0, 2 if dtype == "bool" else 200, (40, 5)).astype(dtype)
    numbers = x.astype(np.float64)
    y = make().fit_transform(x)
    assert y.dtype == result
    np.testing.assert_allclose(y, make().fit_transform(numbers), rtol=1e-5, atol=1e-5)
    back = make().fit(x).inverse_transform(y)
    assert back.dtype == result
    np.testing.assert_allclose(back, numbers, rtol=1e-3, atol=1e-3)


@every
def test_layouts_and_lists_give_the_same(make: Callable[[], Transformer], x: np.ndarray) -> None:
    expected = make().fit_transform(x)
    wide = np.repeat(x, 2, axis=0)[::2]
    for same in (np.asfortranarray(x), wide, x.tolist()):
        np.testing.assert_array_equal(make().fit_transform(same), expected)


@every
def test_pieces_do_not_change_the_answer(
    make: Callable[[], Transformer], x: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = pynn.Standardization().fit_transform(x)
    expected = make().fit_transform(scaled)
    for numbers in (1, 13, 60, 299):
        monkeypatch.setattr(rows, "PIECE", numbers)
        np.testing.assert_allclose(make().fit_transform(scaled), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_both_backends_agree(both_backends: tuple[str, ...], images: np.ndarray) -> None:
    for make in IMAGE_MAKERS.values():
        results = []
        for backend in both_backends:
            pynn.use_backend(backend)
            results.append(make().fit_transform(images))
        np.testing.assert_allclose(*results, atol=1e-12)


@pytest.mark.slow
def test_the_number_of_threads_does_not_change_a_bit(native: None, rng: np.random.Generator) -> None:
    x = rng.standard_normal((700, 90))
    fitted = [pynn.PCA(40).fit(x), pynn.Whitening("zca").fit(x)]
    for transformer in fitted:
        results = []
        for threads in (1, 2, 5):
            pynn.set_num_threads(threads)
            results.append(copy.deepcopy(transformer).transform(x).tobytes())
        assert len(set(results)) == 1


@pytest.mark.parametrize(
    "make",
    [
        *(pynn.MeanSubtraction, pynn.Standardization, pynn.MinMaxScaling, pynn.PCA),
        *(pynn.RobustScaling, pynn.SmoothClip, pynn.ClipToRange),
    ],
)
def test_memory_follows_the_result_and_not_the_data(
    make: Callable[[], Transformer], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PIECE", 10_000)
    x = rng.integers(0, 256, (20_000, 50), np.uint8)
    pipeline = pynn.Pipeline(pynn.MeanSubtraction("all"), make())
    pipeline.fit(x[:100])  # what is imported or made once
    tracemalloc.start()
    try:
        pipeline.fit(x)
        fitting = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        y = pipeline.transform(x)
        transforming = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fitting < x.nbytes, "float64 pieces of 10,000 numbers, whereas x as float64 has 8 bytes a number"
    assert transforming < y.nbytes + x.nbytes


@every
def test_constant_features_divide_by_nothing(make: Callable[[], Transformer], x: np.ndarray) -> None:
    x[:, [1, 4]] = [0.1, 1e9 / 3]
    transformer = make().fit(x)
    y = transformer.transform(x)
    assert np.isfinite(y).all()
    constant = make().fit(np.full((7, 3), 0.1))
    assert np.isfinite(constant.transform(np.full((2, 3), 0.3))).all()
    if type(transformer) is pynn.Standardization and transformer.per == "feature":
        np.testing.assert_array_equal(y[:, [1, 4]], 0)
        np.testing.assert_array_equal(transformer.scale_[[1, 4]], 1)
    if type(transformer) is pynn.MinMaxScaling and transformer.per == "feature":
        np.testing.assert_array_equal(y[:, [1, 4]], -1)


def test_values_that_differ_by_rounding_alone_count_as_constant() -> None:
    x = np.array([[0.3], [0.1 + 0.2], [0.3], [0.1 + 0.2]])
    assert x.min() < x.max()
    assert np.abs(pynn.Standardization().fit_transform(x)).max() < 1e-15


@pytest.mark.slow
@every
@given(
    x=arrays(np.float32, st.tuples(st.integers(2, 5), st.integers(1, 4)), elements=st.floats(width=32, allow_nan=False))
)
def test_any_numbers_give_numbers_or_an_error(make: Callable[[], Transformer], x: np.ndarray) -> None:
    try:
        assert np.isfinite(make().fit_transform(x)).all()
    except ValueError as error:
        words = ("finite numbers", "too large")
        if not any(word in str(error) for word in words):
            raise


@every
def test_a_fit_that_fails_changes_nothing(make: Callable[[], Transformer], x: np.ndarray) -> None:
    transformer = make().fit(x)
    expected = transformer.transform(x)
    broken = x[:, :3].copy()
    broken[4, 1] = np.nan
    with pytest.raises(ValueError, match="expected finite numbers"):
        transformer.fit(broken)
    with pytest.raises(ValueError, match=r"is too large for float64; scale it down"):
        pynn.Pipeline(pynn.MinMaxScaling(), pynn.PCA()).fit([[1e308], [-1e308]])
    np.testing.assert_array_equal(transformer.transform(x), expected)
    fresh = make()
    with pytest.raises(ValueError, match="expected at least 2"):
        fresh.fit(x[:1])
    assert not fresh.fitted


@every
def test_fitted_anew_it_is_as_one_that_is_fitted_first(make: Callable[[], Transformer], images: np.ndarray) -> None:
    transformer = make().fit(images[:, :2])
    transformer.transform(images[:, :2])
    again = transformer.fit(images).transform(images)
    np.testing.assert_array_equal(again, make().fit_transform(images))


@every
def test_copies_and_pickles(make: Callable[[], Transformer], x: np.ndarray) -> None:
    transformer = make().fit(x)
    expected = transformer.transform(x)
    for twin in (copy.deepcopy(transformer), pickle.loads(pickle.dumps(transformer))):
        np.testing.assert_array_equal(twin.transform(x), expected)
        assert repr(twin) == repr(transformer)


@every
def test_parameters(make: Callable[[], Transformer], x: np.ndarray) -> None:
    transformer = make().fit(x)
    params = transformer.get_params()
    assert transformer.set_params() is transformer
    assert transformer.fitted
    with pytest.raises(ValueError, match="has no parameter 'no_such'"):
        transformer.set_params(no_such=1)
    assert repr(transformer) == repr(make())
    assert transformer.fitted
    assert list(make().get_params()) == list(params)


def test_set_params_checks_and_forgets_what_was_learned(x: np.ndarray) -> None:
    whitening = pynn.Whitening("zca").fit(x)
    whitening.transform(x)
    for wrong in ({"form": "lda"}, {"epsilon": 0}):
        with pytest.raises(ValueError, match="Whitening"):
            whitening.set_params(**wrong)
    assert whitening.fitted
    whitening.set_params(epsilon=0.5)
    assert (whitening.form, whitening.epsilon, whitening.fitted) == ("zca", 0.5, False)
    np.testing.assert_array_equal(whitening.fit_transform(x), pynn.Whitening("zca", 0.5).fit_transform(x))


# Real images --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cifar() -> np.ndarray:
    """20,000 images of CIFAR-10, uint8 (N, 32, 32, 3)."""
    files = [CIFAR / f"data_batch_{number}.bin" for number in (1, 2)]
    if not all(file.exists() for file in files):
        pytest.skip("needs a part of CIFAR-10 in PYNN_DATA")
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, 3073) for file in files])
    return np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def test_whitened_cifar_10_has_the_identity_as_covariance(cifar: np.ndarray) -> None:
    """With CS231n's 1e-5 on pixels of 0..255. On 0..1 the same epsilon is not small beside most variances."""
    pixels = cifar.astype(np.float32)
    whitening = pynn.Whitening(epsilon=1e-5).fit(pixels)
    white = whitening.transform(pixels)
    assert (white.shape, white.dtype) == ((20_000, 3072), np.float32)
    covariance = np.cov(white.T, dtype=np.float64)
    np.testing.assert_allclose(covariance, np.eye(3072), atol=1e-2)
    variance = whitening.explained_variance_ / 255**2
    damped = variance / (variance + 1e-5)
    assert (damped > 0.99).mean() == pytest.approx(0.4, abs=0.01)
    assert damped.min() == pytest.approx(0.11, abs=0.01)
    images = whitening.inverse_transform(white[:50])
    np.testing.assert_allclose(images, pixels[:50], atol=0.05)


def test_144_components_of_cifar_10_hold_the_variance_that_they_claim(cifar: np.ndarray) -> None:
    pca = pynn.PCA(144).fit(cifar)
    reduced = pca.transform(cifar)
    assert reduced.shape == (20_000, 144)
    lost = spread = 0.0
    for start in range(0, 20_000, 2000):
        pixels = cifar[start : start + 2000] / 255
        lost += ((pixels - pca.inverse_transform(reduced[start : start + 2000].astype(np.float64))) ** 2).sum()
        spread += ((pixels.reshape(2000, -1) - pca.mean_) ** 2).sum()
    assert 1 - lost / spread == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-7)
    assert 0.9 < pca.explained_variance_ratio_.sum() < 0.999
