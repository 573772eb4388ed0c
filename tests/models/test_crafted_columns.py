"""The names of columns in model files: as many as the samples have numbers, and each once."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import pynn


class Table:
    """The least that a data frame has."""

    def __init__(self, columns, numbers):
        self.columns, self.numbers, self.dtypes = columns, numbers, [numbers.dtype] * len(columns)
        self.iloc, self.shape = self, numbers.shape

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, label):
        if isinstance(label, list):
            return Table(label, self.numbers[:, [self.columns.index(one) for one in label]])
        return self.numbers[:, self.columns.index(label)]


@pytest.fixture(params=[None, pynn.Standardization(), pynn.PCA(2)], ids=["plain", "scaled", "reduced"])
def saved(request, rng, tmp_path):
    table = Table(list("abcd"), rng.normal(size=(30, 4)))
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(table, np.arange(30) % 3, epochs=1, progress=False, preprocessing=request.param)
    model.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def with_columns(path, columns):
    """The file with other columns, and without a checksum, as files of older pynn."""
    with safetensors.safe_open(path, framework="numpy") as opened:
        description = json.loads(opened.metadata()["pynn"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    del description["crc"]
    description["inputs"]["columns"] = columns
    other = path.with_name("other.safetensors")
    safetensors.numpy.save_file(tensors, other, {"pynn": json.dumps(description)})
    return other


@pytest.mark.parametrize(
    "columns", [["a"], list("abcde"), ["a", "a", "a", "a"], list("abca"), [], ["a", "b", "c", 4], "abcd", {"a": 1}]
)
def test_other_columns_than_the_inputs_have_are_refused(saved, columns):
    with pytest.raises(ValueError, match=r"columns is .*expected"):
        pynn.load(with_columns(saved, columns))


def test_columns_in_another_order_and_none_are_read(saved, rng):
    x = rng.normal(size=(5, 4))
    model = pynn.load(saved)
    assert model.columns == tuple("abcd")
    other = pynn.load(with_columns(saved, list("dcba")))
    expected = model.predict_proba(x)
    np.testing.assert_array_equal(other.predict_proba(Table(list("abcd"), x[:, ::-1].copy())), expected)
    assert pynn.load(with_columns(saved, None)).columns is None
