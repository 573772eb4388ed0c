"""The digits that come with pynn: what they are, and their split."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from pynn import datasets


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No test sees the user's data or goes to the network, unless it asks to."""
    monkeypatch.delenv("PYNN_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "pooch", None)


# The digits


def test_digits_shapes_and_repr():
    data = datasets.digits()
    (x, y), (x_test, y_test) = data.train, data.test
    assert (x.dtype, y.dtype, x_test.dtype, y_test.dtype) == (np.uint8, np.int64, np.uint8, np.int64)
    assert x.shape == (len(y), 8, 8, 1)
    assert x_test.shape == (len(y_test), 8, 8, 1)
    assert len(y) + len(y_test) == 1797
    assert abs(len(y_test) - 0.2 * 1797) <= 5
    assert (data.name, data.classes) == ("digits", tuple("0123456789"))
    assert repr(data) == (
        f"Dataset('digits', train=(uint8 ({len(y)}, 8, 8, 1), int64 ({len(y)},)), "
        f"test=(uint8 ({len(y_test)}, 8, 8, 1), int64 ({len(y_test)},)), 10 classes)"
    )
    assert data == data
    assert data != datasets.digits()  # arrays are not compared, so this neither raises nor takes time
    with pytest.raises(AttributeError):
        data.name = "other"


def test_digits_class_counts_are_those_of_the_source():
    data = datasets.digits()
    counts = np.bincount(np.concatenate([data.train[1], data.test[1]]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.slow
def test_digits_are_those_of_scikit_learn():
    copy = pytest.importorskip("sklearn.datasets").load_digits()
    images = np.floor(copy.images * 255 / 16 + 0.5).astype(np.uint8)
    expected = sorted((image.tobytes(), label) for image, label in zip(images, copy.target.tolist(), strict=True))
    data = datasets.digits()
    parts = [
        (image.tobytes(), int(label)) for x, y in (data.train, data.test) for image, label in zip(x, y, strict=True)
    ]
    assert sorted(parts) == expected


def test_digits_pixels_are_scaled_counts():
    levels = [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255]
    assert np.unique(datasets.digits().train[0]).tolist() == levels


def test_digits_file_is_small_names_its_source_and_needs_no_pickle():
    path = Path(datasets.__file__).with_name("digits.npz")
    assert path.stat().st_size < 50_000
    with np.load(path, allow_pickle=False) as file:
        assert sorted(file) == ["images", "labels", "source"]
        assert (file["images"].dtype, file["images"].max()) == (np.uint8, 16)
        source = " ".join(file["source"])
    assert all(word in source for word in ("Alpaydin", "Kaynak", "UCI", "10.24432/C50P49", "CC BY 4.0"))


@pytest.mark.parametrize("share", [1e-9, 0.01, 0.2, 0.5, 1 - 1e-9])
def test_digits_split_is_stratified(share):
    data = datasets.digits(share, seed=3)
    train, test = np.bincount(data.train[1], minlength=10), np.bincount(data.test[1], minlength=10)
    assert min(train.min(), test.min()) >= 1
    assert np.all(np.abs(test - share * (train + test)) <= 1)


def test_digits_split_depends_on_the_seed_alone():
    def bits(data):
        return b"".join(array.tobytes() for part in (data.train, data.test) for array in part)

    assert bits(datasets.digits(seed=5)) == bits(datasets.digits(seed=np.int64(5)))
    assert bits(datasets.digits(seed=5)) != bits(datasets.digits(seed=6))
    # Pinned: models are compared on this split, so it must not move with a machine or a version of NumPy.
    x, y = datasets.digits().train
    digest = hashlib.sha256(x.tobytes() + y.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "ccee3db01a0b0340"


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_digits_refuses_share(share):
    with pytest.raises(ValueError, match="test_share: expected a number above 0 and below 1, got"):
        datasets.digits(share)


def test_digits_refuses_seed():
    for seed in (-1, 2**128):
        with pytest.raises(ValueError, match=r"seed: expected a whole number 0 \.\. 2\*\*128 - 1, got"):
            datasets.digits(seed=seed)
    for seed in (None, 1.5):
        with pytest.raises(TypeError):
            datasets.digits(seed=seed)
