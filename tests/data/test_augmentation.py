"""Augmentation: what each one does to an image, that batches are a function of (seed, epoch, index), and `fit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn import random
from pynn.data import arrays

MANY = (
    pynn.Flip(), pynn.PadCrop(2), pynn.Rotation(20), pynn.Zoom(0.8, 1.3), pynn.Shear(10), pynn.Brightness(0.2),
    pynn.Contrast(0.5, 1.5), pynn.Saturation(0.3, 1.7), pynn.ColourShift(0.5),
)  # fmt: skip


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    """40 uint8 images of 9×8 pixels in 3 channels."""
    return rng.integers(0, 256, (40, 9, 8, 3)).astype(np.uint8)


def scaled(images: np.ndarray) -> np.ndarray:
    return arrays.to_model(images, np.dtype(np.float32))


# What they do -----------------------------------------------------------------------------------------


def test_flip_mirrors_left_for_right_half_of_the_images(backend: str, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (400, 3, 4, 1)).astype(np.uint8)
    found = pynn.Augment(pynn.Flip()).apply(images)
    plain = (found == scaled(images)).all(axis=(1, 2, 3))
    mirrored = (found == scaled(images)[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (plain != mirrored).all()
    assert 150 < mirrored.sum() < 250  # 200, deviation 10
    for probability, expected in ((0, images), (1, images[:, :, ::-1])):
        np.testing.assert_array_equal(pynn.Augment(pynn.Flip(probability)).apply(images), scaled(expected))


@pytest.mark.parametrize("edge", ["zero", "reflect"])
def test_pad_crop_is_each_crop_of_the_padded_image_equally_often(
    backend: str, edge: str, rng: np.random.Generator
) -> None:
    image = rng.integers(1, 256, (1, 5, 4, 2)).astype(np.uint8)
    images = np.repeat(image, 900, axis=0)
    mode: Any = {"zero": "constant", "reflect": "reflect"}[edge]
    padded = np.pad(scaled(image)[0], ((1, 1), (1, 1), (0, 0)), mode)
    found = pynn.Augment(pynn.PadCrop(1), edge=edge).apply(images)
    counts = [
        int((found == padded[top : top + 5, left : left + 4]).all(axis=(1, 2, 3)).sum())
        for top in range(3)
        for left in range(3)
    ]
    assert sum(counts) == 900
    assert min(counts) > 60
    assert max(counts) < 140  # 100 each, deviation 9


def drawn(stage: pynn.Augmentation, count: int = 2000) -> np.ndarray:
    """The maps (n, 2, 3) of many images."""
    maps, _ = pynn.Augment(stage).maps(np.arange(count), 0, 0, (9, 9, 3))
    assert maps is not None
    return maps.reshape(-1, 2, 3)


def test_rotation_turns_by_angles_of_the_whole_range() -> None:
    maps = drawn(pynn.Rotation(30))[:, :, :2]
    np.testing.assert_allclose(maps @ maps.swapaxes(1, 2), np.tile(np.eye(2), (2000, 1, 1)), atol=1e-12)
    angles = np.degrees(np.arctan2(maps[:, 0, 1], maps[:, 0, 0]))
    assert -30 <= angles.min() < -29
    assert 29 < angles.max() <= 30
    assert abs(angles.mean()) < 2


def test_zoom_and_shear_have_their_range() -> None:
    zoom = 1 / drawn(pynn.Zoom(0.5, 2))[:, 0, 0]
    assert 0.5 <= zoom.min() < 0.51
    assert 1.99 < zoom.max() <= 2
    shear = drawn(pynn.Shear(45))
    np.testing.assert_array_equal(shear[:, 0], np.tile([1.0, 0, 0], (2000, 1)))
    assert 0.98 < np.abs(shear[:, 1, 0]).max() <= 1


def test_a_quarter_turn_and_the_centre(backend: str, images: np.ndarray) -> None:
    square = np.ascontiguousarray(images[:, :7, :7])

    class Quarter(pynn.Augmentation):
        def geometry(self, u: Any, height: int, width: int) -> Any:
            return np.tile([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]], (len(u), 1, 1))

    np.testing.assert_allclose(
        pynn.Augment(Quarter()).apply(square), np.rot90(scaled(square), 1, axes=(1, 2)), atol=1e-6
    )
    for stage in (pynn.Rotation(180), pynn.Zoom(0.3, 3), pynn.Shear(60)):
        found = pynn.Augment(stage).apply(square)
        np.testing.assert_allclose(found[:, 3, 3], scaled(square)[:, 3, 3], atol=1e-6)


def test_rotation_agrees_with_torch(backend: str, images: np.ndarray, torch: Any) -> None:
    """affine_grid with align_corners counts from -1 to 1 between the outermost pixels' centres."""
    square = np.ascontiguousarray(images[:, :8, :8])
    maps, _ = pynn.Augment(pynn.Rotation(40), pynn.Zoom(0.7, 1.2)).maps(np.arange(40), 0, 0, (8, 8, 3))
    assert maps is not None
    linear = maps.reshape(-1, 2, 3)[:, :, :2]
    theta = np.zeros((40, 2, 3))
    theta[:, :, :2] = linear[:, ::-1, ::-1]  # torch has x first
    grid = torch.nn.functional.affine_grid(torch.tensor(theta), (40, 3, 8, 8), align_corners=True)
    source = torch.tensor(scaled(square).astype(np.float64).transpose(0, 3, 1, 2))
    for edge, mode in (("zero", "zeros"), ("reflect", "reflection")):
        expected = torch.nn.functional.grid_sample(source, grid, padding_mode=mode, align_corners=True)
        found = pynn.Augment(pynn.Rotation(40), pynn.Zoom(0.7, 1.2), edge=edge).apply(square)
        np.testing.assert_allclose(found, expected.numpy().transpose(0, 2, 3, 1), atol=2e-5)


def test_moves_in_a_chain_come_in_their_order(backend: str, images: np.ndarray) -> None:
    """Flipped, then turned: as one map it shows what two steps show, except at the edge, which is cut off once."""
    both = pynn.Augment(pynn.Flip(1.0), pynn.PadCrop(2)).apply(images)
    maps, _ = pynn.Augment(pynn.Flip(0.0), pynn.PadCrop(2)).maps(np.arange(40), 0, 0, (9, 8, 3))
    assert maps is not None
    shifts = maps[:, [2, 5]].astype(int)
    assert np.abs(shifts).max() == 2
    for image, (down, right), found in zip(scaled(images), shifts, both, strict=True):
        padded = np.pad(image[:, ::-1], ((2, 2), (2, 2), (0, 0)))
        np.testing.assert_array_equal(found, padded[2 + down : 11 + down, 2 + right : 10 + right])


def test_colours_do_what_they_say(backend: str, images: np.ndarray) -> None:
    x = scaled(images).astype(np.float64)
    mean = x.mean(axis=(1, 2), keepdims=True)
    grey = (x @ [0.299, 0.587, 0.114])[..., None]

    def apply(*stages: pynn.Augmentation) -> np.ndarray:
        return pynn.Augment(*stages).apply(images, dtype="float64")

    added = apply(pynn.Brightness(0.3)) - x
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :1, :1, :1], x.shape), atol=1e-6)
    assert 0.2 < np.abs(added).max() <= 0.3
    np.testing.assert_allclose(apply(pynn.Contrast(0.5, 0.5)), mean + 0.5 * (x - mean), atol=1e-6)
    np.testing.assert_allclose(apply(pynn.Saturation(0, 0)), np.broadcast_to(grey, x.shape), atol=1e-6)
    np.testing.assert_allclose(apply(pynn.Saturation(2, 2)), grey + 2 * (x - grey), atol=1e-6)
    one = mean + 0.5 * (x - mean)
    two = 3 * one - 2 * (one @ [0.299, 0.587, 0.114])[..., None]
    middle = two.mean(axis=(1, 2), keepdims=True)
    chained = apply(pynn.Contrast(0.5, 0.5), pynn.Saturation(3, 3), pynn.Contrast(1.5, 1.5))
    np.testing.assert_allclose(chained, middle + 1.5 * (two - middle), atol=1e-6)


def test_colour_shift_moves_along_the_principal_axes_of_the_pixels(backend: str, rng: np.random.Generator) -> None:
    axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    pixels = rng.standard_normal((600 * 16, 3)) * [0.3, 1, 2] @ axes.T + 5
    images = pixels.reshape(600, 4, 4, 3)
    stage = pynn.ColourShift(0.1).fit(images)
    expected = np.cov(pixels.T, bias=True)
    np.testing.assert_allclose(stage.vectors_ * stage.values_ @ stage.vectors_.T, expected, atol=1e-10)
    shifts = (pynn.Augment(pynn.ColourShift(0.1)).apply(images, dtype="float64") - images)[:, 0, 0]
    along = shifts @ stage.vectors_
    np.testing.assert_allclose(along.std(axis=0), 0.1 * stage.values_, rtol=0.12)  # deviation 3 %
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.2


def test_colour_shift_of_a_single_colour_and_of_a_large_mean(rng: np.random.Generator) -> None:
    stage = pynn.ColourShift().fit(np.full((5, 2, 2, 3), 0.7))
    np.testing.assert_array_equal(stage.values_, 0)
    images = rng.standard_normal((3000, 30, 20, 1))  # more than are added up at once
    found = pynn.ColourShift().fit(images + 1e6).values_
    assert found == pytest.approx(images.var(), rel=1e-6)


def test_extremes_stay_finite(backend: str, images: np.ndarray) -> None:
    chain = pynn.Augment(
        pynn.Rotation(180), pynn.Zoom(1e-3, 1e3), pynn.Shear(80), pynn.Contrast(0, 100), pynn.ColourShift(0),
    )  # fmt: skip
    flat = np.full_like(images, 7)
    for x in (images, flat, images[:, :1, :1], scaled(images) * np.float32(1e30)):
        for edge in ("zero", "reflect"):
            chain.edge = edge
            assert np.isfinite(chain.apply(x)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reflect", [False, True])
def test_places_that_are_nowhere_are_black(backend: str, images: np.ndarray, dtype: Any, reflect: bool) -> None:
    plain = np.array([1, 0, 0, 0, 1, 0], dtype)
    for place in range(6):
        for value in (np.nan, np.inf, -np.inf, np.finfo(dtype).max):
            maps = plain.copy()
            maps[place] = value
            out = np.full((1, *images.shape[1:]), np.nan, dtype)
            pynn.kernels.warp(images, np.array([5]), 255, maps[None], reflect, out)
            zero_row = np.zeros(9, bool) if place in (2, 5) else np.arange(9) == 0
            zero_column = np.zeros(8, bool) if place in (2, 5) else np.arange(8) == 0
            nowhere = ~zero_column[None] if place in (1, 4) else ~zero_row[:, None]
            assert (out[0][np.broadcast_to(nowhere, (9, 8))] == 0).all()
            assert np.isfinite(out).all()


# Bits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int32, np.float16, ">f4"])
def test_every_dtype_and_memory_layout_is_read(backend: str, images: np.ndarray, kind: Any) -> None:
    chain = pynn.Augment(*MANY)
    x = images.astype(kind)
    expected = chain.apply(images.astype(np.float32) / (255 if kind == np.uint8 else 1))
    np.testing.assert_allclose(chain.apply(x), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(chain.apply(np.asfortranarray(x)), chain.apply(x))


def test_a_memory_mapped_file_is_read(images: np.ndarray, tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", images)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    chain = pynn.Augment(*MANY)
    np.testing.assert_array_equal(chain.apply(mapped, [3, 1]), chain.apply(images, [3, 1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_backends_agree(both_backends: tuple[str, ...], images: np.ndarray, dtype: str) -> None:
    for stages, exact in (((pynn.Flip(), pynn.PadCrop(3)), True), (MANY, False)):
        for edge in ("zero", "reflect"):
            found = []
            for name in both_backends:
                pynn.use_backend(name)
                found.append(pynn.Augment(*stages, edge=edge).apply(images, seed=5, epoch=2, dtype=dtype))
            assert found[0].dtype == dtype
            if exact:
                np.testing.assert_array_equal(found[0], found[1])
            np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def by_index(
    images: np.ndarray, batch_size: int, seed: int, epoch: int = 0, dtype: str = "float32", **more: Any
) -> np.ndarray:
    found = np.empty(images.shape, dtype)
    for x, y in pynn.batches(images, np.arange(len(images)), batch_size, seed, epoch, dtype, **more):
        found[y] = x
    return found


def test_an_image_is_a_function_of_seed_epoch_and_index(backend: str, images: np.ndarray) -> None:
    chain = pynn.Augment(*MANY).prepared(images)
    expected = chain.apply(images, seed=7, epoch=3)
    for batch_size in (1, 7, 40):
        np.testing.assert_array_equal(by_index(images, batch_size, 7, 3, augmentation=chain), expected)
    np.testing.assert_array_equal(by_index(images, 7, 7, 3, augmentation=list(MANY), reuse=True), expected)
    np.testing.assert_array_equal(chain.apply(images, [9, 2, 9], seed=7, epoch=3), expected[[9, 2, 9]])
    others = [chain.apply(images, seed=s, epoch=e) for s, e in ((7, 4), (8, 3), (2**64 - 1, 3), (7, 2**32 - 1))]
    for other in others:
        assert (np.abs(other - expected).max(axis=(1, 2, 3)) > 0).all()
    assert (np.abs(expected[1:] - expected[:-1]).max(axis=(1, 2, 3)) > 0).all()


def test_more_images_than_are_drawn_for_at_once(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (9000, 3, 3, 1)).astype(np.uint8)
    chain = [pynn.Flip(), pynn.PadCrop(1), pynn.Brightness(0.5)]
    expected = pynn.Augment(*chain).apply(images, seed=1)
    for batch_size in (4095, 5000, 64):
        np.testing.assert_array_equal(by_index(images, batch_size, 1, augmentation=chain), expected)


def test_the_same_bits_at_any_thread_count(native: None, rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (70, 24, 24, 3)).astype(np.uint8)
    results = []
    for threads in (1, 2, 5):
        pynn.set_num_threads(threads)
        results.append(by_index(images, 35, 3, augmentation=MANY).tobytes())
    assert len(set(results)) == 1


# fit --------------------------------------------------------------------------------------------------


def network(dtype: str = "float32") -> pynn.Sequential:
    return pynn.Sequential(pynn.Flatten(), pynn.Affine(8), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(4), dtype=dtype)


def trained(images: np.ndarray, **more: Any) -> tuple[pynn.Sequential, pynn.History]:
    model = network()
    y = np.arange(len(images)) % 4
    given = {"batch_size": 16, "epochs": 2, "seed": 5, "progress": False, **more}
    return model, model.fit(images, y, validation=(images, y), **given)


def test_fit_trains_on_augmented_images_and_validates_on_plain_ones(backend: str, images: np.ndarray) -> None:
    seen: list[np.ndarray] = []

    class Spy(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            return input_shape

        def forward(self, x: Any, training: bool = False) -> Any:
            seen.append((training, x.copy()))
            return x

        def backward(self, dy: Any) -> Any:
            return dy

    model = pynn.Sequential(Spy(), pynn.Flatten(), pynn.Affine(4))
    y = np.arange(40) % 4
    chain = [pynn.Flip(), pynn.PadCrop(2)]
    model.fit(images, y, validation=(images, y), augmentation=chain, batch_size=16, epochs=2, seed=5, progress=False)
    batches = [x for training, x in seen if training]
    assert [len(x) for x in batches] == [16, 16, 8] * 2
    for epoch in range(2):
        order = random.order(40, 5, epoch)
        expected = pynn.Augment(*chain).apply(images, order, seed=5, epoch=epoch)
        np.testing.assert_array_equal(np.concatenate(batches[3 * epoch : 3 * epoch + 3]), expected)
    for training, x in seen:
        if not training:
            np.testing.assert_array_equal(x, scaled(images))


@pytest.mark.parametrize("prefetch", [1, 3])
@pytest.mark.parametrize("preprocessing", [None, pynn.Standardization()])
def test_prefetching_changes_no_bit(backend: str, images: np.ndarray, prefetch: int, preprocessing: Any) -> None:
    for augmentation in (None, MANY):
        settings = {"augmentation": augmentation, "preprocessing": preprocessing}
        model, history = trained(images, **settings)
        other, ahead = trained(images, **settings, prefetch=prefetch)
        np.testing.assert_array_equal(model.parameters, other.parameters)
        assert history["loss"] == ahead["loss"]
        assert history["val_loss"] == ahead["val_loss"]


def test_augmentation_comes_before_preprocessing(backend: str, images: np.ndarray) -> None:
    """Which is fitted to the plain images; black edges are black before it."""
    seen = []

    class Noted(pynn.Standardization):
        def apply(self, x: Any, dtype: Any) -> Any:
            seen.append(x.copy())
            return super().apply(x, dtype)

    model, _ = trained(images, preprocessing=Noted(), augmentation=pynn.PadCrop(3), epochs=1)
    plain, _ = trained(images, preprocessing=pynn.Standardization(), epochs=1)
    assert isinstance(model.preprocessing, Noted)
    np.testing.assert_array_equal(model.preprocessing.mean_, plain.preprocessing.mean_)  # type: ignore[union-attr]
    batches = [x for x in seen if x.dtype == np.float32]
    expected = pynn.Augment(pynn.PadCrop(3)).apply(images, random.order(40, 5, 0), seed=5)
    np.testing.assert_array_equal(np.concatenate(batches), expected)


def test_raw_numbers_too_large_for_float32_are_augmented_before_preprocessing(images: np.ndarray) -> None:
    large = images * 1e150
    model, history = trained(large, preprocessing=pynn.Standardization(), augmentation=pynn.Flip())
    other, expected = trained(images * 1.0, preprocessing=pynn.Standardization(), augmentation=pynn.Flip())
    np.testing.assert_allclose(model.parameters, other.parameters, atol=1e-5)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-4)


def test_refused_targets_leave_the_model_unbuilt(images: np.ndarray) -> None:
    for preprocessing in (None, pynn.MeanSubtraction()):
        model = network()
        with pytest.raises((TypeError, ValueError)):
            model.fit(images, np.full(40, -3), augmentation=pynn.Flip(), preprocessing=preprocessing, progress=False)
        assert not model.built
        assert model.preprocessing is None


def test_fit_leaves_the_augmentation_as_it_was(images: np.ndarray) -> None:
    stage = pynn.ColourShift()
    trained(images, augmentation=stage, epochs=1)
    assert not hasattr(stage, "values_")


# Bad arguments ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: pynn.Flip(1.5), ValueError, r"Flip: probability is 1.5, expected 0 <= probability <= 1"),
        (lambda: pynn.Flip("x"), TypeError, r"Flip: probability is 'x', expected 0 <= probability <= 1"),
        (lambda: pynn.PadCrop(-1), ValueError, r"PadCrop: padding is -1, expected an integer of at least 0"),
        (lambda: pynn.PadCrop(1.5), ValueError, r"PadCrop: padding is 1.5, expected an integer"),
        (lambda: pynn.Rotation(float("nan")), ValueError, r"Rotation: degrees is nan, expected 0 <= degrees <= 180"),
        (lambda: pynn.Rotation(-1), ValueError, r"Rotation: degrees is -1, expected 0 <= degrees <= 180"),
        (lambda: pynn.Zoom(0, 1), ValueError, r"Zoom: low is 0, expected a finite number of at least 0.001"),
        (lambda: pynn.Zoom(2, 1), ValueError, r"Zoom: low is 2 and high 1, expected low <= high"),
        (lambda: pynn.Shear(90), ValueError, r"Shear: degrees is 90, expected 0 <= degrees <= 80"),
        (
            lambda: pynn.Brightness(-0.1),
            ValueError,
            r"Brightness: delta is -0.1, expected a finite number",
        ),
        (lambda: pynn.Contrast(-1, 1), ValueError, r"Contrast: low is -1, expected a finite number"),
        (
            lambda: pynn.Saturation(1, True),
            TypeError,
            r"Saturation: high is True, expected a finite number",
        ),
        (lambda: pynn.ColourShift(-1), ValueError, r"ColourShift: std is -1, expected a finite number"),
        (lambda: pynn.Augment(pynn.Flip), TypeError, r"augmentation 0 is .*Flip.*; write Flip\(\)"),
        (lambda: pynn.Augment(pynn.Flip(), edge="wrap"), ValueError, r"edge is 'wrap', expected one of zero, reflect"),
    ],
)
def test_bad_constructor_arguments_are_named(make: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        make()


@pytest.mark.parametrize(
    ("shape", "augmentation", "error", "sentence"),
    [
        ((12, 5), pynn.Flip(), ValueError, r"x has shape \(12, 5\), expected images \(N, H, W, C\)$"),
        ((12, 5, 5), pynn.Flip(), ValueError, r"x has shape \(12, 5, 5\), expected images .*x\[..., None\]"),
        ((12, 4, 6, 1), [pynn.Flip(), pynn.PadCrop(4)], ValueError, r"PadCrop: padding is 4, expected less .* 4×6"),
        ((12, 4, 4, 1), [pynn.Saturation(0, 1)], ValueError, r"Saturation: images have 1 channels, expected 3"),
        ((12, 4, 4, 5), [pynn.ColourShift()], ValueError, r"ColourShift: images have 5 channels, expected 1..4"),
        ((12, 4, 4, 1), "flip", TypeError, r"augmentation is 'flip', expected a pynn Augmentation"),
        ((12, 4, 4, 1), ["flip"], TypeError, r"augmentation 0 is 'flip', expected a pynn Augmentation"),
        ((12, 4, 4, 1), pynn.Flip, TypeError, r"augmentation is .*; write Flip\(\)"),
    ],
)
def test_data_that_cannot_be_augmented_are_refused_before_anything_changes(
    shape: Any, augmentation: Any, error: type[Exception], sentence: str
) -> None:
    model = network()
    x, y = np.zeros(shape, np.float32), np.arange(12) % 4
    with pytest.raises(error, match=sentence):
        model.fit(x, y, augmentation=augmentation, progress=False)
    assert not model.built
    with pytest.raises(error, match=sentence):
        pynn.batches(x, y, 4, seed=0, augmentation=augmentation)


def test_augmentation_needs_arrays_and_a_seed(images: np.ndarray) -> None:
    y = np.arange(40) % 4
    with pytest.raises(TypeError, match="augmentation needs arrays x and y"):
        network().fit([(images, y)], augmentation=pynn.Flip(), progress=False)
    with pytest.raises(ValueError, match="augmentation needs a seed, but seed is None"):
        pynn.batches(images, y, 4, augmentation=pynn.Flip())
    with pytest.raises(ValueError, match="prefetch is -1, expected an integer of at least 0"):
        network().fit(images, y, prefetch=-1, progress=False)
    with pytest.raises(ValueError, match="prefetch is True, expected an integer"):
        pynn.batches(images, y, 4, prefetch=True)


def test_bad_arguments_of_apply_are_named(images: np.ndarray) -> None:
    chain = pynn.Augment(pynn.Flip())
    with pytest.raises(ValueError, match=r"indices go from 3 to 40, expected 0\.\.39"):
        chain.apply(images, [3, 40])
    with pytest.raises(TypeError, match=r"indices is \[0.5\], expected integers \(B,\)"):
        chain.apply(images, [0.5])
    with pytest.raises(ValueError, match="dtype is int8, expected float32 or float64"):
        chain.apply(images, dtype="int8")
    with pytest.raises(ValueError, match="epoch is -1"):
        chain.apply(images, epoch=-1)


def test_colour_shift_says_when_it_is_not_fitted_or_for_other_images(images: np.ndarray) -> None:
    stage = pynn.ColourShift()
    with pytest.raises(RuntimeError, match=r"ColourShift is not fitted: call fit\(x\)"):
        stage.colour(np.full((1, 4), 0.5), 3)
    stage.fit(images)
    with pytest.raises(ValueError, match="images have 1 channels, but it was fitted on 3"):
        pynn.Augment(stage).apply(images[..., :1])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_colour_shift_refuses_numbers_that_have_no_covariance(value: float) -> None:
    x = np.zeros((4, 2, 2, 3))
    x[2, 1, 1, 0] = value
    with pytest.raises(ValueError, match="ColourShift: x holds NaN, infinity or numbers too large to square"):
        pynn.ColourShift().fit(x)


def test_arrays_of_an_own_augmentation_are_checked(images: np.ndarray) -> None:
    class Wrong(pynn.Augmentation):
        def geometry(self, u: Any, height: int, width: int) -> Any:
            return np.zeros((len(u), 3, 3))

    message = r"Wrong returned arrays of shapes \(\(40, 3, 3\),\), expected \(\(40, 2, 3\),\)"
    with pytest.raises(ValueError, match=message):
        pynn.Augment(Wrong()).apply(images)


def test_no_augmentation_at_all_is_the_plain_batch(backend: str, images: np.ndarray) -> None:
    np.testing.assert_array_equal(pynn.Augment().apply(images), scaled(images))
    np.testing.assert_array_equal(pynn.Augment(pynn.Augmentation()).apply(images), scaled(images))


def test_text_shows_the_arguments() -> None:
    assert repr(pynn.Augment(pynn.Flip(), pynn.PadCrop(2), edge="reflect")) == (
        "Augment(Flip(), PadCrop(padding=2), edge='reflect')"
    )
