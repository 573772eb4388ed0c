"""Models as bytes: the same as in a file; damaged bytes are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pynn


@pytest.fixture
def model() -> pynn.Sequential:
    x = np.random.default_rng(0).normal(size=(40, 3))
    model = pynn.Sequential(pynn.Affine(4), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(2))
    model.fit(x, np.where(x[:, 0] > 0, "a", "b"), epochs=2, preprocessing=pynn.Standardization(), progress=False)
    return model


def test_the_bytes_are_those_of_the_file(model: pynn.Sequential, tmp_path: Path) -> None:
    model.save(tmp_path / "model.safetensors")
    data = model.to_bytes()
    assert data == (tmp_path / "model.safetensors").read_bytes()
    again = pynn.from_bytes(data)
    x = np.random.default_rng(1).normal(size=(7, 3))
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.predict(x).tolist() == model.predict(x).tolist()
    assert again.to_bytes() == data
    assert pynn.from_bytes(bytearray(data)).to_bytes() == data


def test_damaged_bytes_are_refused(model: pynn.Sequential) -> None:
    data = model.to_bytes()
    for bad in (b"", data[:8], data[:100], data[:-1], b"\x80" + data):
        with pytest.raises(ValueError, match="data is not a whole safetensors file"):
            pynn.from_bytes(bad)
    for place in range(len(data) - 60, len(data), 7):
        bad = bytearray(data)
        bad[place] ^= 1
        with pytest.raises(ValueError, match="its checksum is wrong"):
            pynn.from_bytes(bad)
    with pytest.raises(TypeError, match=r"expected the bytes of model\.to_bytes"):
        pynn.from_bytes("model.safetensors")  # type: ignore[arg-type]
    import safetensors.numpy

    with pytest.raises(ValueError, match="not a pynn model"):
        pynn.from_bytes(safetensors.numpy.save({"weight": np.zeros(3)}))


class Mine(pynn.Layer):
    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x + 1

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


def test_own_classes_are_named() -> None:
    model = pynn.Sequential(pynn.Residual(pynn.Affine(3), Mine()), pynn.Affine(2))
    model.build((3,))
    with pytest.raises(ValueError, match="Mine"):
        pynn.from_bytes(model.to_bytes())
    assert pynn.from_bytes(model.to_bytes(), own=[Mine]).to_bytes() == model.to_bytes()
