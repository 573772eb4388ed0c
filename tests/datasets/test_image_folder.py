"""Folders of pictures: order, colours, sizes, and what is wrong in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import datasets

Image = pytest.importorskip("PIL.Image")


def draw(path: Path, pixels: np.ndarray, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (6, 8, 10, 3), np.uint8)


def test_classes_and_pictures_come_sorted(tmp_path: Path, pixels: np.ndarray) -> None:
    names = ["b/10.png", "b/9.PNG", "Z/a.bmp", "a b/ä.png", "a b/z.tiff", "a b/.hidden/x"]
    for name, picture in zip(names[:5], pixels, strict=False):
        draw(tmp_path / name, picture)
    (tmp_path / "a b" / ".DS_Store").write_bytes(b"junk")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.txt").write_text("beside the classes")
    x, y, classes = samples = datasets.image_folder(str(tmp_path))
    assert classes == ("Z", "a b", "b")
    assert (x.dtype, x.shape, y.dtype, y.tolist()) == (np.uint8, (5, 8, 10, 3), np.int64, [0, 1, 1, 2, 2])
    np.testing.assert_array_equal(x, pixels[[2, 4, 3, 0, 1]])
    assert (samples.x is x, samples.classes) == (True, classes)


def test_a_network_learns_from_it(tmp_path: Path, rng: np.random.Generator) -> None:
    for label, colour in enumerate(([200, 30, 30], [30, 30, 200])):
        for number in range(8):
            noise = rng.integers(0, 40, (4, 4, 3), np.uint8)
            draw(tmp_path / str(label) / f"{number}.png", noise + np.uint8(colour))
    x, y, classes = datasets.image_folder(tmp_path)
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(len(classes)))
    model.fit(x, y, epochs=20, batch_size=4, optimizer=pynn.Adam(0.05), progress=False)
    assert model.evaluate(x, y)["accuracy"] == 1


def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, pixels: np.ndarray) -> None:
    grey = pixels[0, :, :, 0]
    draw(tmp_path / "c" / "1 grey.png", grey)
    draw(tmp_path / "c" / "2 deep.png", grey.astype(np.uint16) * 257)
    draw(tmp_path / "c" / "3 clear.png", np.dstack((pixels[1], np.full((8, 10), 255, np.uint8))))
    draw(tmp_path / "c" / "4 lying.png", np.rot90(pixels[1]).copy(), exif=exif())
    draw(tmp_path / "c" / "5.webp", pixels[1], lossless=True)
    x = datasets.image_folder(tmp_path).x
    np.testing.assert_array_equal(x[:2], np.broadcast_to(grey[:, :, None], (2, 8, 10, 3)))
    np.testing.assert_array_equal(x[2:], np.broadcast_to(pixels[1], (3, 8, 10, 3)))


def exif() -> Any:
    tags = Image.Exif()
    tags[0x0112] = 6  # turn it by a quarter to the right
    return tags


@pytest.mark.parametrize(("size", "shape"), [(4, (4, 4)), ((2, 5), (2, 5)), ([16, 20], (16, 20)), ((8, 10), (8, 10))])
def test_size(tmp_path: Path, pixels: np.ndarray, size: Any, shape: tuple[int, int]) -> None:
    draw(tmp_path / "a" / "1.png", pixels[0])
    draw(tmp_path / "a" / "2.png", np.kron(pixels[0], np.ones((2, 2, 1), np.uint8)))
    x = datasets.image_folder(tmp_path, size).x
    assert x.shape == (2, *shape, 3)
    if shape in ((2, 5), (8, 10)):  # each pixel covers a whole number of pixels
        means = pixels[0].reshape(shape[0], 8 // shape[0], shape[1], 10 // shape[1], 3).mean((1, 3))
        np.testing.assert_allclose(x, np.broadcast_to(means, x.shape), atol=1)


@pytest.mark.parametrize("size", [0, -1, (4,), (4, 4, 3), (4, 0), 2.5, "4x4", (2.0, 2)])
def test_bad_sizes(tmp_path: Path, size: Any) -> None:
    with pytest.raises(ValueError, match=rf"size: expected \(height, width\).*got {re.escape(repr(size))}"):
        datasets.image_folder(tmp_path, size)


def test_errors_in_the_data_are_named(tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(message: str, error: type[Exception] = ValueError, folder: Path = tmp_path) -> None:
        with pytest.raises(error, match=message):
            datasets.image_folder(folder)

    refused("nowhere: there is no such folder", FileNotFoundError, tmp_path / "nowhere")
    refused(r": expected one sub-folder per class; got none")
    (tmp_path / "file").touch()
    refused("file: expected a folder with one sub-folder per class, got a file", folder=tmp_path / "file")
    draw(tmp_path / "a" / "1.png", pixels[0])
    (tmp_path / "b").mkdir()
    refused("b: expected pictures, got an empty folder")
    draw(tmp_path / "b" / "2.png", pixels[0, :4])
    refused(r"2\.png: the picture has 4x10 pixels \(height x width\), but .*1\.png has 8x10; give size=")
    (tmp_path / "b" / "2.png").write_bytes((tmp_path / "a" / "1.png").read_bytes()[:60])
    refused(r"2\.png: the picture is damaged")
    (tmp_path / "b" / "2.png").write_text("text")
    refused(r"2\.png: not a readable picture, expected one of PNG")
    (tmp_path / "b" / "2.png").unlink()
    (tmp_path / "b" / "inner").mkdir()
    refused("inner is a folder, expected a picture", OSError)
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused('Pillow: pip install "pynn-cpu', ImportError)


@pytest.mark.slow
def test_pillow_is_imported_by_those_who_need_it(tmp_path: Path) -> None:
    code = "import sys, pynn.cli.pictures, pynn; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("progressive", [False, True])
def test_a_film_behind_a_photograph_is_left_alone(tmp_path: Path, pixels: np.ndarray, progressive: bool) -> None:
    """Telephones put one there; its bytes look like any part of a picture now and then."""
    path = tmp_path / "a" / "1.jpg"
    draw(path, pixels[0], progressive=progressive, restart_marker_blocks=1)
    expected = datasets.image_folder(tmp_path).x
    film = np.random.default_rng(1).bytes(6_000_000)
    assert film.count(b"\xff\xda") > 60
    path.write_bytes(path.read_bytes() + film)
    np.testing.assert_array_equal(datasets.image_folder(tmp_path).x, expected)


def test_large_pictures_are_read_where_the_user_allows(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "1.png", np.zeros((4001, 4000), np.uint8))
    with pytest.raises(ValueError, match=r"1\.png: the picture has more than 16 million pixels, .*max_pixels"):
        datasets.image_folder(tmp_path, 8)
    assert datasets.image_folder(tmp_path, 8, max_pixels=4001 * 4000).x.shape == (1, 8, 8, 3)
    with pytest.raises(ValueError, match=r"more than 16 million pixels"):
        datasets.image_folder(tmp_path, 8, max_pixels=4001 * 4000 - 1)
    for wrong in (0, -1, 2.5, "many", True):
        with pytest.raises(ValueError, match=f"max_pixels is {re.escape(repr(wrong))}, expected an integer"):
            datasets.image_folder(tmp_path, max_pixels=wrong)


def test_more_pictures_than_memory(tmp_path: Path, pixels: np.ndarray) -> None:
    draw(tmp_path / "a" / "1.png", pixels[0])
    with pytest.raises(MemoryError, match=r"1 pictures of 9000000x9000000 pixels take 243,000\.0 GB.*smaller size"):
        datasets.image_folder(tmp_path, 9_000_000)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "RGBA"])
@pytest.mark.parametrize(
    "form", [{"format": "TIFF"}, {"format": "TIFF", "compression": "tiff_lzw"}], ids=["raw", "lzw"]
)
def test_a_tiff_that_lies_is_turned_once(tmp_path: Path, pixels: np.ndarray, mode: str, form: dict[str, str]) -> None:
    (tmp_path / "a").mkdir()
    picture = Image.fromarray(pixels[0]).convert(mode)
    picture.save(tmp_path / "a" / "1", **form)
    upright = datasets.image_folder(tmp_path).x
    picture.save(tmp_path / "a" / "1", exif=exif(), **form)
    np.testing.assert_array_equal(datasets.image_folder(tmp_path).x, np.rot90(upright, -1, (1, 2)))


def test_strips_are_seamless(tmp_path: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    alpha = Image.fromarray(pixels[1, :, :, 0])
    for number, mode in enumerate(("RGBA", "LA", "P", "L", "1", "I;16")):
        picture = Image.fromarray(pixels[0, :, :, 0].astype(np.uint16) * 257) if mode == "I;16" else None
        picture = picture or Image.fromarray(pixels[0]).convert(mode)
        if "A" in mode:
            picture.putalpha(alpha)
        (tmp_path / "a").mkdir(exist_ok=True)
        picture.save(tmp_path / "a" / f"{number}.png")
    whole = datasets.image_folder(tmp_path).x
    monkeypatch.setattr(datasets.decoding, "STRIP", 21)
    np.testing.assert_array_equal(datasets.image_folder(tmp_path).x, whole)
