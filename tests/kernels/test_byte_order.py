"""What is float32, float64 or int64: by the kind of its numbers and the order of their bytes, however it was made."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import kernels

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass")
NATIVE, SWAPPED = ("<", ">") if np.little_endian else (">", "<")


def through_file(x: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    np.save(file, x)
    file.seek(0)
    return np.asarray(np.load(file))


def of_a_field(x: np.ndarray) -> np.ndarray:
    return np.asarray(x.view([("numbers", x.dtype)])["numbers"])


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "swapped back": lambda x: (raw := x.astype(x.dtype.newbyteorder(SWAPPED))).byteswap().view(
        raw.dtype.newbyteorder()),
    "with its order named": lambda x: x.view(x.dtype.newbyteorder(NATIVE)),
    "'='": lambda x: x.view(np.dtype("=" + x.dtype.str[1:])),
    "by a name with an order": lambda x: x.astype(NATIVE + x.dtype.str[1:]),
    "from a file": through_file,
    "from a pickle": lambda x: pickle.loads(pickle.dumps(x.view(x.dtype.newbyteorder(NATIVE)))),
    "a field": of_a_field,
    "a subclass": lambda x: x.view(np.recarray),
    "np.matrix": lambda x: np.matrix(x) if x.ndim == 2 else x,
}  # fmt: skip
every_way = pytest.mark.parametrize("way", WAYS)


def loss(scores: Any, labels: Any) -> tuple[float, float, np.ndarray]:
    dscores = np.empty(np.shape(scores), scores.dtype.newbyteorder("="))
    return *kernels.softmax_cross_entropy(scores, labels, dlogits=dscores), dscores


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_way
def test_kernels_take_numbers_of_the_machines_order_however_their_dtype_was_made(
    way: str, dtype: str, backend: str, rng: np.random.Generator
) -> None:
    scores, labels = rng.standard_normal((6, 3)).astype(dtype), rng.integers(0, 3, 6)
    expected = loss(scores, labels)
    found = loss(WAYS[way](scores), WAYS[way](labels))
    assert found[:2] == expected[:2]
    np.testing.assert_array_equal(found[2], expected[2])
    gathered, again = np.empty((2, 3), dtype), np.empty((2, 3), dtype)
    kernels.gather(scores, np.array([4, 1]), 1.0, gathered)
    kernels.gather(WAYS[way](scores), WAYS[way](np.array([4, 1])), 1.0, again)
    np.testing.assert_array_equal(again, gathered)


def test_both_integers_of_eight_bytes_are_labels(backend: str) -> None:
    scores, labels = np.eye(3), np.arange(3)
    assert {np.dtype(code).itemsize for code in "lq"} >= {8}
    for code in "lq":
        if np.dtype(code).itemsize == 8:
            assert loss(scores, labels.astype(code))[0] == loss(scores, labels)[0]


def test_an_array_that_is_written_into_may_name_its_order_too(backend: str) -> None:
    out = np.zeros((2, 3), np.float32)
    kernels.softmax(np.zeros((2, 3), np.float32), out.view(out.dtype.newbyteorder(NATIVE)))
    np.testing.assert_allclose(out, 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("code", ["f4", "f8"])
def test_swapped_numbers_are_refused_with_the_way_out(code: str, backend: str) -> None:
    x, dtype = np.ones((2, 3), code), SWAPPED + code
    sentence = rf"softmax: x is byte-swapped \({dtype}\); x\.astype\(x\.dtype\.newbyteorder\('='\)\) is not"
    with pytest.raises(TypeError, match=sentence):
        kernels.softmax(x.astype(dtype), x.copy())
    with pytest.raises(TypeError, match=r"softmax: out is byte-swapped"):
        kernels.softmax(x, x.astype(dtype))
    swapped = x.astype(dtype)
    kernels.softmax(swapped.astype(swapped.dtype.newbyteorder("=")), x)  # as the sentence says
    with pytest.raises(TypeError, match=rf"labels is byte-swapped \({SWAPPED}i8\)"):
        loss(x, np.zeros(2, SWAPPED + "i8"))
    with pytest.raises(TypeError, match=rf"x has dtype {SWAPPED}i4, expected float32 or float64"):
        kernels.softmax(x.astype(SWAPPED + "i4"), x.copy())
    with pytest.raises(TypeError, match=rf"gather: x is byte-swapped \({dtype}\)"):
        kernels.gather(x.astype(dtype), np.zeros(1, np.int64), 1.0, np.zeros((1, 3), code))


def test_masks_are_refused(backend: str) -> None:
    """The hidden numbers went into the result as if they were valid."""
    hidden = np.ma.MaskedArray(np.array([[1.0, 1e9, 2.0]]), [[False, True, False]])
    with pytest.raises(TypeError, match=r"x is a masked array, whose mask would be lost; x\.filled\(value\) is"):
        kernels.softmax(hidden, np.empty((1, 3)))
    kernels.softmax(hidden.filled(-np.inf), out := np.empty((1, 3)))
    assert out[0, 1] == 0


@every_way
def test_models_train_on_them_with_the_same_bits(way: str, points: tuple[np.ndarray, np.ndarray], backend: str) -> None:
    def trained(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Any]:
        model = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
        model.fit(x, y, epochs=2, validation=(x, y), progress=False)
        return model.parameters, model.predict(x)

    x, y = points
    found, expected = trained(WAYS[way](x), WAYS[way](y)), trained(x, y)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
