"""Ten crops, and the mean of their probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (5, 7, 9, 3)).astype(np.uint8)


@pytest.mark.parametrize("padding", [0, 2, 20])
@pytest.mark.parametrize("size", [(3, 4), (7, 9), (1, 1), (6, 2)])
def test_corners_centre_and_mirror_images(images: np.ndarray, size: tuple[int, int], padding: int) -> None:
    whole = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    height, width = whole.shape[1:3]
    h, w = size
    found = pynn.ten_crop(images, size, padding)
    assert found.dtype == np.uint8
    assert found.shape == (5, 10, h, w, 3)
    top, left = (height - h) // 2, (width - w) // 2
    expected = [
        whole[:, :h, :w], whole[:, :h, width - w :], whole[:, height - h :, :w], whole[:, height - h :, width - w :],
        whole[:, top : top + h, left : left + w],
    ]  # fmt: skip
    for place, crop in enumerate(expected):
        np.testing.assert_array_equal(found[:, place], crop)
        np.testing.assert_array_equal(found[:, 5 + place], crop[:, :, ::-1])


def test_an_integer_is_a_square(images: np.ndarray) -> None:
    np.testing.assert_array_equal(pynn.ten_crop(images, 5), pynn.ten_crop(images, (5, 5)))
    assert pynn.ten_crop(images[0].astype(np.float64)[None], np.int64(2)).dtype == np.float64


@pytest.mark.parametrize("preprocessing", [None, pynn.Standardization(), pynn.PCA(3)])
def test_probabilities_are_the_mean_over_the_crops(backend: str, images: np.ndarray, preprocessing: Any) -> None:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(4))
    small = np.ascontiguousarray(images[:, :5, :6])
    model.fit(small, np.arange(5) % 4, preprocessing=preprocessing, epochs=2, progress=False)
    found = pynn.predict_ten_crop(model, images, batch_size=2)
    crops = pynn.ten_crop(images, (5, 6))
    expected = np.mean([model.predict_proba(crops[:, place]) for place in range(10)], axis=0)
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    padded = pynn.predict_ten_crop(model, small, padding=1)
    crops = pynn.ten_crop(np.pad(small, ((0, 0), (1, 1), (1, 1), (0, 0))), (5, 6))
    np.testing.assert_allclose(
        padded, np.mean([model.predict_proba(crops[:, place]) for place in range(10)], axis=0), atol=1e-6
    )


def test_bad_arguments_are_named(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="size is 8×8, expected 1×1 to 7×9, the images with padding"):
        pynn.ten_crop(images, 8)
    with pytest.raises(ValueError, match="size is 0×3, expected 1×1 to 9×11"):
        pynn.ten_crop(images, (0, 3), padding=1)
    for size in (2.5, "3", (1, 2, 3), None):
        with pytest.raises(TypeError, match="expected an integer or a pair of them"):
            pynn.ten_crop(images, size)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"images has shape \(5, 7, 9\), expected images \(N, H, W, C\); .*images\["):
        pynn.ten_crop(images[..., 0], 3)
    with pytest.raises(ValueError, match="padding is -1, expected an integer of at least 0"):
        pynn.ten_crop(images, 3, padding=-1)
    model = pynn.Sequential(pynn.Affine(4))
    with pytest.raises(RuntimeError, match="predict_ten_crop was called on a model that is not built yet"):
        pynn.predict_ten_crop(model, images)
    model.build((5,))
    with pytest.raises(ValueError, match=r"the model takes samples of shape \(5,\), expected images"):
        pynn.predict_ten_crop(model, images)
    with pytest.raises(ValueError, match="batch_size is 0"):
        pynn.predict_ten_crop(model, images, batch_size=0)
