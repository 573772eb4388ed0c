"""Which classes a file may name: pynn's that can be used as they are, and the user's own, which `own` brings along."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.models import file, loading
from pynn.saving import config


class Stretch(pynn.Layer):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return 2 * x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return 2 * dy


class Affine(Stretch):
    """Its name is that of one of pynn's."""


class Block(Stretch):
    def __init__(self) -> None:
        self.inner = pynn.ReLU()


def named_stretch() -> type:
    return type("Stretch", (Stretch,), {})


@pytest.fixture
def path(tmp_path: Path, backend: str) -> Path:
    model = pynn.Sequential(Stretch(), pynn.Affine(2))
    model.build((3,))
    model.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.mark.parametrize("own", [Stretch, [Stretch], (Stretch, Stretch), {Stretch}, {Stretch: 1}.keys()])
def test_the_own_class_alone_or_in_anything_that_gives_it(own: Any, path: Path) -> None:
    np.testing.assert_array_equal(pynn.load(path, own=own).forward(np.ones((1, 3))).shape, (1, 2))


@pytest.mark.parametrize(
    ("own", "error", "message"),
    [
        (os.makedirs, TypeError, r"own holds <function makedirs.*>, expected your own classes"),
        ([os.makedirs], TypeError, r"own holds <function makedirs"),
        ("Stretch", TypeError, r"own holds 'Stretch', expected .*; pass the class itself, own=\[Stretch\]$"),
        ({"Stretch": Stretch}, TypeError, r"own holds 'Stretch', .*own=\[Stretch\]$"),
        (Stretch(), TypeError, r"own holds Stretch\(\), .*; pass its class, Stretch$"),
        ([Stretch()], TypeError, r"own holds Stretch\(\)"),
        (pynn.Layer, TypeError, r"own holds <class 'pynn\.layers\.base\.Layer'>, expected your own classes"),
        ([pynn.Loss], TypeError, r"own holds <class .*Loss'>"),
        ([pynn.Adam], TypeError, r"own holds <class .*Adam'>"),
        ([pynn.Callback], TypeError, r"own holds <class .*Callback'>"),
        ([str], TypeError, r"own holds <class 'str'>"),
        (None, TypeError, r"own holds None"),
        (3, TypeError, r"own holds 3"),
        ([Affine], ValueError, r"own holds <class .*Affine'>, but pynn has another class of that name, .*; rename it$"),
        ([Stretch, named_stretch()], ValueError, r"own holds <class .*Stretch'>, but own has another class of that"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_before_the_file_is_read(
    own: Any, error: type[Exception], message: str, path: Path
) -> None:
    path.unlink()
    for load in (pynn.load, pynn.Ensemble.load):
        with pytest.raises(error, match=message):
            load(path, own=own)


class Rotation(Stretch):
    """A user's own, to be a name of pynn's in a later version."""


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> type:
    """Call it a later pynn: it has a class Rotation, which takes the same arguments and has the same tensors."""
    kind = type("Rotation", (pynn.layers.ReLU,), {"__module__": "pynn.layers.rotation"})
    monkeypatch.setitem(file.KINDS, "Rotation", kind)
    return kind


def saved(path: Path, *layers: pynn.Layer) -> Path:
    model = pynn.Sequential(*layers, pynn.Affine(2), seed=3)
    model.build((3,))
    model.save(path)
    return path


def without_record(path: Path) -> Path:
    """The same as older versions wrote it."""
    import json

    import safetensors.numpy as safetensors

    model = pynn.load(path)
    tensors, description = file.content(model)
    del description["own"]
    path.write_bytes(safetensors.save(tensors, {"pynn": json.dumps(description)}))
    return path


def test_pynns_later_class_is_not_taken_for_the_users(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path, pair = saved(tmp_path / "m", Rotation()), tmp_path / "pair"
    pynn.Ensemble([pynn.load(path, own=[Rotation])]).save(pair)
    data = path.read_bytes()
    request.getfixturevalue("later")
    said = r"Rotation is a class of the user's own, not pynn's class of that name; pass it as .*own=\[Rotation\]\)"
    for load in (lambda **own: pynn.load(path, **own), lambda **own: pynn.from_bytes(data, **own),
                 lambda **own: pynn.Ensemble.load(pair, **own)[0]):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            load()
        assert type(load(own=[Rotation]).layers[0]) is Rotation


def test_the_users_class_is_not_taken_for_pynns_later_one(tmp_path: Path, later: type) -> None:
    path = saved(tmp_path / "m", later())
    assert type(pynn.load(path).layers[0]) is later
    with pytest.raises(
        ValueError, match=r"own holds .*Rotation'>, but Rotation in this file is pynn's.*leave yours out"
    ):
        pynn.load(path, own=[Rotation])
    plain = saved(tmp_path / "plain", Stretch())
    assert type(pynn.load(plain, own=[Stretch, Rotation]).layers[0]) is Stretch


def test_files_without_a_record_give_the_users_class_or_a_warning(tmp_path: Path, later: type) -> None:
    path = without_record(saved(tmp_path / "m", later()))
    assert type(pynn.load(path, own=[Rotation]).layers[0]) is Rotation
    with pytest.warns(
        UserWarning,
        match=r"does not say whether 'Rotation' is pynn's.*pass own=\[Rotation\], and rename it.*to end this",
    ):
        model = pynn.load(path)
    assert type(model.layers[0]) is later
    model.save(path)
    assert type(pynn.load(path).layers[0]) is later


def test_a_record_is_written_only_where_older_versions_do_not_read_the_same(tmp_path: Path, later: type) -> None:
    def record(*layers: pynn.Layer) -> Any:
        return file.read(saved(tmp_path / "m", *layers), "pynn", "model")[0].get("own")

    assert record(pynn.ReLU()) is None
    assert record(later(), pynn.Scale()) == []
    assert record(Stretch(), later()) == ["Stretch"]
    assert record(pynn.Sequential(Block())) == ["Block"]


@pytest.mark.parametrize("record", [None, "Stretch", [3], ["Affine", "Other"], {"Stretch": 1}])
def test_other_records_are_refused(record: Any, path: Path) -> None:
    import json

    import safetensors.numpy as safetensors

    tensors, description = file.content(pynn.load(path, own=Stretch))
    description["own"] = record
    path.write_bytes(safetensors.save(tensors, {"pynn": json.dumps(description)}))
    with pytest.raises(ValueError, match=r"own is .*, expected names of classes in the file"):
        pynn.load(path, own=Stretch)


def test_only_classes_that_work_are_kinds() -> None:
    bases = {"Layer", "Loss", "Penalty", "Initializer", "Constraint", "Transformer", "Decoder"}
    assert not bases & file.KINDS.keys()
    assert not [name for name in file.KINDS if name.startswith("_")]
    assert {"Affine", "Sequential", "He", "L2", "MaxNorm", "PCA", "HierarchicalSoftmax", "Huber", "ViterbiChain"} < (
        file.KINDS.keys()
    )


@pytest.mark.parametrize("layer", [Affine(), pynn.Affine(2, penalty=pynn.regularizers.Penalty(1))])
def test_classes_that_could_not_be_read_again_are_not_written(layer: pynn.Layer, tmp_path: Path) -> None:
    """A file would give pynn's class for the user's own of the same name."""
    model = pynn.Sequential(layer)
    model.build((3,))
    with pytest.raises(TypeError, match=r"the class (Affine|Penalty) cannot be saved in a file: it .*; rename it"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_file_cannot_name_a_base(path: Path) -> None:
    import json

    import safetensors.numpy as safetensors

    tensors = safetensors.load_file(path)
    for kind in ("Layer", "_Scaled", "Transformer", "MaxRegions", "FlatChain", "os.makedirs", "__class__"):
        description = {
            "format": 1, "layers": [{"kind": kind}, {"kind": "Affine", "items": [2]}], "input_shape": [3], "seed": 0,
            "dtype": "float32", "step": 0, "epoch": 0, "loss": {"kind": "SoftmaxCrossEntropy"}, "notes": {},
        }  # fmt: skip
        path.write_bytes(safetensors.save(tensors, {"pynn": json.dumps(description)}))
        with pytest.raises(ValueError, match=rf"'{kind}' is not a pynn class; pass your own as"):
            pynn.load(path)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"kind": "Dropout", "argument": {"rate": 0.7}}, r"Dropout has the key 'argument', unknown here: "),
        ({"kind": "ReLU", "trail": {}}, r"ReLU has the key 'trail', unknown here: .* or a newer pynn wrote it"),
        ({"kind": "ReLU", "train": {"freeze": True}}, r"ReLU: train has the key 'freeze', unknown here"),
        ({"kind": "ReLU", "train": [1]}, r"ReLU: train is \[1\], expected an object"),
        ({"kind": "ReLU", "inside": [{"name": "a"}]}, r"ReLU has an entry 'inside', which only custom layers have"),
        ({"kind": "Block", "inside": []}, r"Block: inside is \[\], expected one entry for each of 1 layers"),
        ({"kind": "Block", "inside": [{"nam": 1}]}, r"Block: inside has the key 'nam'"),
        ({"kind": "Block", "inside": [3]}, r"Block: inside is 3, expected an object"),
        ({"kind": "Block", "inside": [{"train": {"frozen": 3}}]}, r"ReLU: frozen is 3, expected true or a list"),
        ({"kind": "Dropout", "items": "5"}, r"Dropout: its arguments are '5' and \{\}, expected a list and an object"),
        ({"kind": "Dropout", "arguments": [0.5]}, r"Dropout: its arguments are \[\] and \[0\.5\]"),
        ({"kind": "Affine", "arguments": {"units": 3, "initializer": {"kind": "He", "name": "x"}}}, r"is not a layer"),
        ({"kind": "Affine", "arguments": {"units": 3, "u" * 200: 3}}, r"an argument whose name is very long"),
        ({"kind": "Affine", "arguments": {"units": 3, "initialiser": "he"}}, r"Affine has no 'initialiser'"),
    ],
)  # fmt: skip
def test_nothing_in_a_layers_description_is_passed_over(layer: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        config.from_data(layer, loading.kinds(Block))


class Late(pynn.Layer):
    """An own layer that makes the layers inside when it is built."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.one, self.block = pynn.Affine(3), pynn.Residual(pynn.Affine(5), shortcut="auto")
        return self.block.build(self.one.build(input_shape))

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return self.block.forward(self.one.forward(x, training), training)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = self.one.backward(self.block.backward(dy))
        assert dx is not None
        return dx


def test_names_and_settings_of_layers_that_an_own_one_makes_come_back(tmp_path: Path, backend: str) -> None:
    """They were lost: what was frozen trained on."""
    late = Late()
    model = pynn.Sequential(late, pynn.Affine(2))
    model.build((4,))
    late.one.freeze().named("affine2")
    late.block.layers[0].learning_rate_factor = 0.5
    assert isinstance(late.block.shortcut, pynn.Affine)
    late.block.shortcut.penalty = pynn.L2(0.25)
    model._name_layers()
    model.save(tmp_path / "m")
    found = pynn.load(tmp_path / "m", own=Late)
    for one, other in zip(model.walk(), found.walk(), strict=True):
        assert (one.name, one.given_name, repr(one._training_settings())) == (
            other.name, other.given_name, repr(other._training_settings())
        )  # fmt: skip
    for name, array in model.tensors().items():
        np.testing.assert_array_equal(found.tensors()[name], array)
    found.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    x, y = np.ones((6, 4), np.float32), np.arange(6) % 2
    before = found.tensors()["affine2.weight"].copy()
    found.fit(x, y, epochs=1, progress=False)
    np.testing.assert_array_equal(found.tensors()["affine2.weight"], before)


def test_more_layers_inside_than_there_are_are_refused(tmp_path: Path) -> None:
    model = pynn.Sequential(Late(), pynn.Affine(2))
    model.build((4,))
    tensors, description = file.content(model)
    description["layers"][0]["inside"] = [{}, {}, {"train": {"frozen": True}}]
    file.write(tmp_path / "m", tensors, "pynn", description)
    with pytest.raises(ValueError, match=r"Late: inside has 3 entries, expected one for each of 2 layers"):
        pynn.load(tmp_path / "m", own=[Late])
