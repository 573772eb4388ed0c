"""Test-time augmentation: the mean over augmented versions of each image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (9, 6, 6, 3)).astype(np.uint8)


def trained(images: np.ndarray, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(3), dtype="float64")
    y = np.arange(9) % 3 if "loss" not in settings else np.ones((9, 3))
    model.fit(images, y, epochs=3, progress=False, **settings)
    return model


VIEWS = (pynn.PadCrop(2), pynn.Flip(), pynn.Brightness(0.3))


@pytest.mark.parametrize("preprocessing", [None, pynn.Standardization(), pynn.PCA(4)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_predict_augmented_is_the_mean_over_the_passes(
    backend: str, preprocessing: Any, kind: Any, images: np.ndarray
) -> None:
    images = images if kind == np.uint8 else (images / 255).astype(kind)
    model = trained(images, preprocessing=preprocessing)
    found = pynn.predict_augmented(model, images, list(VIEWS), passes=4, seed=3)
    augment = pynn.Augment(*VIEWS)
    views = [augment.apply(images, seed=3, epoch=number, dtype="float64") for number in range(4)]
    expected = [model.predict_proba(view) for view in views]
    np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-9)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3


def test_mirror_images_are_told_apart_no_more(images: np.ndarray) -> None:
    """Over many passes a flip with probability ½ makes an image and its mirror image alike."""
    model = trained(images)
    x = np.concatenate([images[:1], images[:1, :, ::-1]])
    apart = np.abs(np.subtract(*model.predict_proba(x))).max()
    one, other = pynn.predict_augmented(model, x, pynn.Flip(), passes=400)
    assert np.abs(one - other).max() < apart / 4
    both = model.predict_proba(x)
    shares = np.linalg.lstsq(both.T, one, rcond=None)[0]
    np.testing.assert_allclose(both.T @ shares, one, rtol=1e-9)  # a mean of the two, and of nothing else
    assert shares[0] == pytest.approx(0.5, abs=0.1)


def test_the_same_versions_whatever_the_batches(backend: str, images: np.ndarray) -> None:
    model = trained(images)
    found = pynn.predict_augmented(model, images, VIEWS, passes=3)
    for size in (1, 4, 9):
        np.testing.assert_allclose(
            pynn.predict_augmented(model, images, VIEWS, passes=3, batch_size=size), found, rtol=1e-12
        )
    np.testing.assert_array_equal(pynn.predict_augmented(model, images, VIEWS, passes=3, seed=0), found)
    assert np.abs(pynn.predict_augmented(model, images, VIEWS, passes=3, seed=1) - found).max() > 1e-4


def test_nothing_to_change_is_the_plain_prediction(images: np.ndarray) -> None:
    model = trained(images)
    for augmentation in ([], pynn.Augment(), pynn.Flip(0), pynn.PadCrop(0)):
        np.testing.assert_allclose(
            pynn.predict_augmented(model, images, augmentation, passes=2), model.predict_proba(images), rtol=1e-12
        )


def test_numbers_are_averaged(images: np.ndarray) -> None:
    model = trained(images, loss="l2")
    found = pynn.predict_augmented(model, images, pynn.Flip(), passes=2)
    views = [pynn.Augment(pynn.Flip()).apply(images, epoch=number, dtype="float64") for number in range(2)]
    np.testing.assert_allclose(found, np.mean([model.predict(view) for view in views], axis=0), rtol=1e-12)


def test_normal_distributions_are_mixed(backend: str, images: np.ndarray) -> None:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(2), dtype="float64")
    model.fit(images, np.arange(9.0), loss="gaussian_nll", epochs=1, progress=False)
    found = pynn.predict_augmented(model, images, list(VIEWS), passes=4)
    views = [pynn.Augment(*VIEWS).apply(images, epoch=number, dtype="float64") for number in range(4)]
    means, deviations = (np.stack([one(view) for view in views]) for one in (model.predict, model.predict_std))
    variances = (deviations**2).mean(axis=0) + means.var(axis=0)
    np.testing.assert_allclose(found, np.stack([means.mean(axis=0), np.log(variances)], axis=1), rtol=1e-9)


def test_fitted_augmentation_keeps_its_statistics(images: np.ndarray) -> None:
    model, shift = trained(images), pynn.ColourShift(0.5)
    learned = pynn.predict_augmented(model, images[:4] // 9, shift)
    fitted = pynn.predict_augmented(model, images[:4] // 9, shift.fit(images))
    assert np.abs(learned - fitted).max() > 1e-4


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"passes": 0}, ValueError, "passes is 0, expected an integer of at least 1"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"augmentation": 3}, TypeError, "augmentation is 3, expected a pynn Augmentation"),
        ({"augmentation": [pynn.PadCrop(6)]}, ValueError, "PadCrop: padding is 6, expected less than the pixels"),
        ({"x": np.ones((3, 5, 6, 3))}, ValueError, r"x has shape \(3, 5, 6, 3\), expected \(N, 6, 6, 3\)"),
        ({"x": np.full((3, 6, 6, 3), np.nan)}, ValueError, r"x\[0, 0, 0, 0\] is nan"),
        ({"model": pynn.Sequential(pynn.Affine(3))}, RuntimeError, "on a model that is not built yet"),
    ],
)
def test_bad_arguments_are_named(
    change: dict[str, Any], kind: type[Exception], message: str, images: np.ndarray
) -> None:
    with pytest.raises(kind, match=message):
        pynn.predict_augmented(**{"model": trained(images), "x": images, "augmentation": pynn.Flip(), **change})


def test_vectors_are_no_images(rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    with pytest.raises(ValueError, match=r"x has shape \(5, 4\), expected images \(N, H, W, C\)"):
        pynn.predict_augmented(model, rng.normal(size=(5, 4)), pynn.Flip())


def test_large_raw_numbers_are_not_rounded_before_they_are_transformed(rng: np.random.Generator) -> None:
    x = 1e7 + rng.normal(size=(9, 6, 6, 3))  # float32 knows whole numbers there
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(3))
    model.fit(x, np.arange(9) % 3, epochs=3, progress=False, preprocessing=pynn.Standardization())
    found = pynn.predict_augmented(model, x, pynn.Flip(0), passes=1)
    np.testing.assert_allclose(found, model.predict_proba(x), rtol=1e-4)


def test_large_layers_work_on_fewer_images_at_a_time(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen, forward = trained(images), [], pynn.Sequential.forward
    monkeypatch.setattr(pynn.training.evaluate, "LARGEST_OUTPUT", 4 * 108)

    def spy(self: pynn.Sequential, x: np.ndarray, training: bool = False) -> np.ndarray:
        seen.append(len(x))
        return forward(self, x, training)

    monkeypatch.setattr(pynn.Sequential, "forward", spy)
    pynn.predict_augmented(model, images, list(VIEWS), passes=2)
    assert seen == [4, 4, 1] * 2
