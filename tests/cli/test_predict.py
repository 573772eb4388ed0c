"""`pynn predict`: pictures of every kind and size, and what it says of those that it cannot use."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import pynn
from pynn.cli import main

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The file of a small model that reads the digits well."""
    path = tmp_path_factory.mktemp("reader") / "reader.safetensors"
    options = ("--layers", "64", "--dropout", "0", "--epochs", "10", "--batch-size", "32", "--no-plot", "--quiet")
    assert main(["train", *options, "--output", str(path)]) == 0
    return path


# predict


@pytest.fixture
def image():
    return pytest.importorskip("PIL.Image")


@pytest.fixture
def read():
    """Read a picture for a model of 8x8 grey pixels, or of another shape."""
    pytest.importorskip("PIL.Image")
    from pynn.cli import pictures

    return lambda path, shape=(8, 8, 1), invert="auto": pictures.read(str(path), shape, invert)


@pytest.fixture
def seven(digits):
    """The pixels (8, 8) of a test digit 7 whose border is dark."""
    x, y = digits.test
    return x[y == 7][0, :, :, 0]


def big(pixels):
    return np.kron(pixels, np.ones((10, 10), np.uint8))


def test_predict_says_what_the_model_says(run, reader, image, digits):
    x, y = digits.test[0][:20], digits.test[1][:20]
    names = [f"{place}.png" for place in range(20)]
    for name, pixels in zip(names, x, strict=True):
        image.fromarray(big(pixels[:, :, 0])).save(name)
    code, out, err = run("predict", reader, *names, "--invert", "no")
    assert (code, err, len(out)) == (0, [], 20)
    sure = pynn.load(reader).predict_proba(x)
    for name, line, row in zip(names, out, sure, strict=True):
        best = np.argsort(-row)[:3]
        assert line == f"{name}: {best[0]}  ({', '.join(f'{label} {row[label]:.4f}' for label in best)})"
    right = sum(line.split(": ")[1][0] == str(label) for line, label in zip(out, y, strict=True))
    assert right >= 17


def test_predict_says_when_it_inverted(run, reader, image, seven):
    image.fromarray(big(seven)).save("light.png")
    image.fromarray(255 - big(seven)).save("dark.png")
    plain, inverted = run("predict", reader, "light.png", "dark.png")[1]
    assert inverted.replace("dark.png", "light.png") == f"{plain}  [inverted: dark on light]"
    assert plain.startswith("light.png: 7  (7 ")
    assert run("predict", reader, "dark.png", "--invert", "yes")[1][0].endswith("[inverted]")
    assert "inverted" not in run("predict", reader, "dark.png", "--invert", "no")[1][0]


@pytest.mark.parametrize("invert", ["auto", "yes", "no"])
@pytest.mark.parametrize("light", [False, True])
def test_pixels_survive(read, image, seven, invert, light):
    image.fromarray(big(255 - seven if light else seven)).save("a.png")
    pixels, inverted = read("a.png", invert=invert)
    assert inverted == (invert == "yes" or (invert == "auto" and light))
    np.testing.assert_array_equal(pixels, (seven if light == inverted else 255 - seven)[:, :, np.newaxis], strict=True)


def rgba(colour, alpha):
    return np.dstack((np.broadcast_to(np.uint8(colour), (*alpha.shape, 3)), alpha))


@pytest.mark.parametrize(
    "make",
    [
        lambda image, ink: image.fromarray(ink).convert("RGB"),
        lambda image, ink: image.fromarray(ink).convert("RGBA"),
        lambda image, ink: image.fromarray(ink).convert("P"),
        lambda image, ink: image.fromarray(ink).quantize(),
        lambda image, ink: image.fromarray(ink.astype(np.uint16) * 257),
        lambda image, ink: image.fromarray(rgba(255, ink)),
        lambda image, ink: image.fromarray(rgba(0, ink)),
        lambda image, ink: image.fromarray(np.dstack((255 - ink, np.full_like(ink, 255)))),
    ],
    ids=["rgb", "rgba", "palette", "quantized", "16 bits", "light on clear", "dark on clear", "grey with alpha"],
)
def test_kinds_of_pictures(read, image, seven, make):
    make(image, big(seven)).save("a.png")
    np.testing.assert_allclose(read("a.png")[0].astype(int), seven[:, :, np.newaxis], atol=2)


def test_black_and_white_pictures(read, image, seven):
    image.fromarray(big(seven)).point(lambda value: 255 if value > 100 else 0).convert("1").save("a.png")
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], np.where(seven > 100, 255, 0))


def test_transparent_palette(read, image, seven):
    picture = image.frombytes("P", (80, 80), np.where(big(seven) > 100, 1, 0).astype(np.uint8).tobytes())
    picture.putpalette([255, 0, 255, 0, 0, 0])
    picture.save("a.png", transparency=0)
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], np.where(seven > 100, 255, 0))


def test_colour_models_keep_colours(read, image, rng):
    pixels = rng.integers(0, 256, (4, 4, 3), np.uint8)
    image.fromarray(pixels).save("a.png")
    colours, inverted = read("a.png", (4, 4, 3))
    np.testing.assert_array_equal(colours, pixels)
    assert not inverted
    grey, _ = read("a.png", (4, 4, 1), "no")
    np.testing.assert_allclose(grey[:, :, 0], pixels @ [0.299, 0.587, 0.114], atol=1)


@pytest.mark.parametrize("size", [(8, 16), (16, 8), (80, 160), (3, 1), (1, 1), (1, 20000)], ids=str)
def test_proportions_are_kept_by_padding(read, image, size):
    image.new("L", size, 40).save("a.png")
    pixels, inverted = read("a.png")
    assert not inverted
    assert (pixels.shape, pixels.min(), pixels.max()) == ((8, 8, 1), 40, 40)


def test_a_wide_picture_is_padded_not_squeezed(read, image):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[2:6, 6:10] = 200
    image.fromarray(pixels).save("a.png")
    expected = np.zeros((8, 8), np.uint8)
    expected[3:5, 3:5] = 200
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], expected)


def test_shrinking_takes_means(read, image, rng):
    pixels = rng.integers(0, 100, (80, 80), np.uint8)
    image.fromarray(pixels).save("a.png")
    means = pixels.reshape(8, 10, 8, 10).mean(axis=(1, 3))
    np.testing.assert_allclose(read("a.png")[0][:, :, 0], means, atol=1)


def test_photographs_are_turned_upright(read, image, seven):
    exif = image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    image.fromarray(np.rot90(big(seven))).save("a.png", exif=exif)
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], seven)


def test_predict_names_the_classes(run, image):
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(2))
    model.build((8, 8, 1))
    image.new("L", (8, 8)).save("a.png")
    for names, shown in ((["cat", "dog"], "cat"), (["cat"], "0"), ("cd", "0"), ([1, 2], "0"), (None, "0")):
        model.notes = {"classes": names}
        model.save("m.safetensors")
        assert run("predict", "m.safetensors", "a.png")[1][0].startswith(f"a.png: {shown}  ({shown} 0.5000, ")


def test_predict_for_flat_models(run, fails, image):
    model = pynn.Sequential(pynn.Affine(3))
    model.build((64,))
    image.new("L", (8, 8)).save("a.png")
    for shape in (None, [8, 8], [8, 4, 1], [8, 8, 0.5], "8x8x1"):
        model.notes = {"image_shape": shape}
        model.save("m.safetensors")
        assert "the model takes inputs of shape (64,), which is not a picture" in fails(
            "predict", "m.safetensors", "a.png"
        )
    model.notes = {"image_shape": [8, 8, 1]}
    model.save("m.safetensors")
    assert run("predict", "m.safetensors", "a.png")[0] == 0


def test_predict_says_what_is_wrong_with_a_picture(fails, reader, image, seven, monkeypatch):
    image.fromarray(big(seven)).save("good.png")
    good = Path("good.png").read_bytes()
    Path("empty.png").touch()
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes(good[: len(good) // 2])
    Path("flipped.png").write_bytes(good[:60] + bytes(byte ^ 255 for byte in good[60:80]) + good[80:])
    Path("header.png").write_bytes(good[:20])
    Path("script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    image.fromarray(seven.astype(np.float32)).save("float.tiff")
    for name in ("empty", "text", "script"):
        assert f"{name}.png: not a readable picture" in fails("predict", reader, f"{name}.png")
    for name in ("cut", "flipped", "header"):
        assert f"{name}.png: " in fails("predict", reader, "good.png", f"{name}.png")
    assert "floating-point" in fails("predict", reader, "float.tiff")
    assert "nowhere.png does not exist, expected a picture" in fails("predict", reader, "nowhere.png")
    assert "is a folder" in fails("predict", reader, ".")
    for limit in (5000, 1000):  # Pillow warns above its limit, and refuses above its double
        monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", limit)
        assert "good.png: the picture has more than" in fails("predict", reader, "good.png")


def test_predict_advises_no_setting_that_it_has_not(fails, reader, image):
    image.new("L", (4001, 4000)).save("large.png")
    assert fails("predict", reader, "large.png") == (
        "large.png: the picture has more than 16 million pixels, too many for its file size; make it smaller first"
    )


def test_predict_says_how_to_get_pillow(fails, reader, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert fails("predict", reader, "a.png") == 'pictures are read with Pillow: pip install "pynn-cpu[images]"'
