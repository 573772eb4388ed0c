"""Model files: round trips, damage of every kind, and that no file can do more than give a model or a ValueError."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Scale
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pynn

safetensors = pytest.importorskip("safetensors.numpy")

Points = tuple[np.ndarray, np.ndarray]
Description = dict[str, Any]


class Center(pynn.Layer):
    """An own layer with an own __init__ and state, which it rebinds."""

    def __init__(self, keep: float, places: Any = None, options: dict[str, Any] | None = None) -> None:
        self.keep, self.places, self.options = keep, places, options

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_state("mean", np.zeros(input_shape))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        if training:
            self.mean = self.keep * self.mean + (1 - self.keep) * x.mean(axis=0)
        return x - self.mean

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class Slope(pynn.Layer):
    """An own layer whose parameter is a single number."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("slope", (), pynn.Constant(0.25))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dslope[...] = (dy * np.minimum(self.x, 0)).sum()
        return np.where(self.x > 0, dy, self.slope * dy)


class Tagged(pynn.Layer):
    """An own layer whose arguments bear the words of descriptions."""

    def __init__(self, name: str, items: list[int], arguments: dict[str, Any]) -> None:
        self.name, self.items, self.arguments = name, items, arguments

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class Halves(pynn.initializers.Initializer):
    """An own initializer."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.full(shape, 0.5)


class Weighted(pynn.SoftmaxCrossEntropy):
    """An own loss with a setting."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return self.weight * super().forward(outputs, targets)


OWN = (Scale, Center, Slope, Tagged, Halves, Weighted)

LAYERS: dict[str, Callable[[], list[pynn.Layer]]] = {
    "affine": lambda: [],
    "affine without bias": lambda: [pynn.Affine(5, use_bias=False)],
    "affine with initializers": lambda: [
        pynn.Affine(5, initializer="he", bias_initializer=pynn.Constant(0.1)),
        pynn.Affine(4, initializer=pynn.Normal(0.2)),
    ],
    "activations": lambda: [
        pynn.Sigmoid(), pynn.Tanh(), pynn.ReLU(), pynn.LeakyReLU(), pynn.LeakyReLU(0.3), pynn.ELU(), pynn.ELU(0.5)
    ],
    "smooth activations": lambda: [
        pynn.SELU(), pynn.Softplus(), pynn.GELU(), pynn.GELU("tanh"), pynn.SiLU()
    ],
    "fused": lambda: [pynn.Affine(5), pynn.ELU(0.5), pynn.BatchNorm(), pynn.LeakyReLU(0.3)],
    "batchnorm": lambda: [pynn.BatchNorm(), pynn.BatchNorm(momentum=0.5, epsilon=0.125)],
    "dropout": lambda: [pynn.Dropout(0.25), pynn.Dropout(0)],
    "flatten": lambda: [pynn.Flatten()],
    "named": lambda: [pynn.Affine(5).named("first layer ☃"), pynn.ReLU().named("x.y")],
    "sequential": lambda: [pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU())],
    "sequential in sequential": lambda: [pynn.Sequential(pynn.Sequential(pynn.Affine(5)), pynn.Sequential())],
    "own with a parameter": lambda: [Scale(), Scale()],
    "own with state": lambda: [Center(0.5), Center(0.75, [1, 2], {"a": [1, None]})],
    "own with a single number": lambda: [pynn.Affine(5), Slope()],
    "own with words of descriptions": lambda: [Tagged("t", [1, 2], {"b": 1})],
    "own initializer": lambda: [pynn.Affine(5, initializer=Halves())],
}  # fmt: skip


def fitted(points: Points, *layers: pynn.Layer, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(*layers, pynn.Affine(3), **settings)
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    return model


# Round trips --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_comes_back_whole(case: str, dtype: str, points: Points, tmp_path: Path) -> None:
    model = fitted(points, *LAYERS[case](), seed=2**63 + 1, dtype=dtype)
    model.notes = {"dataset": "points", "classes": ["a", "ä", "☃"], "n": 3, "nested": {"r": [0.1, None, True]}}
    path = tmp_path / "model.safetensors"
    model.save(path)
    back = pynn.load(path, own=OWN)
    assert repr(back) == repr(model)
    assert (back.seed, back.dtype, back.input_shape, back.output_shape) == (
        model.seed, model.dtype, model.input_shape, model.output_shape
    )  # fmt: skip
    assert (back.epoch, back.context.step) == (model.epoch, model.context.step) == (2, 6)
    assert back.notes == model.notes
    assert back.tensors().keys() == model.tensors().keys()
    for name, value in model.tensors().items():
        found = back.tensors()[name]
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)
    np.testing.assert_array_equal(back.parameters, model.parameters)
    np.testing.assert_array_equal(back.predict_proba(points[0]), model.predict_proba(points[0]))
    np.testing.assert_array_equal(
        back.forward(points[0], training=True).copy(), model.forward(points[0], training=True)
    )  # the masks too
    back.save(tmp_path / "again")
    model.save(path)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_notes_may_hold_any_key(points: Points, tmp_path: Path) -> None:
    model = fitted(points)
    model.notes = {"kind": "Affine", "data": {"kind": "os.system", "items": [], "arguments": {}, "name": ""}}
    model.save(tmp_path / "m")
    assert pynn.load(tmp_path / "m").notes == model.notes


def test_training_goes_on_where_the_optimizer_keeps_no_state(points: Points, tmp_path: Path) -> None:
    """Counters travel: masks and orders after a load are those of an uninterrupted run."""
    model = pynn.Sequential(pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3), seed=5)
    model.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, batch_size=10, progress=False)
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m")
    back.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, batch_size=10, progress=False)
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    for name, value in model.tensors().items():
        np.testing.assert_array_equal(back.tensors()[name], value)


def test_own_layers_pass_the_gradient_check_after_a_round_trip(tmp_path: Path) -> None:
    model, x = gradients.smooth([Scale(), pynn.Affine(4), Slope(), Center(0.5), pynn.Affine(3)], (5,))
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m", own=OWN)
    for one in (model, back):  # Center's gradient leaves out that its mean moves with the batch
        one.layers[3].keep = 1
        gradients.check(one, gradients.Projection(), x)


def test_an_own_loss_comes_back(points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, loss=Weighted(2.5), epochs=1, batch_size=10, progress=False)
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m", own=[Weighted])
    assert isinstance(back.loss, Weighted)
    assert back.loss.weight == 2.5
    assert back.evaluate(*points) == model.evaluate(*points)


def test_own_classes_must_be_passed(points: Points, tmp_path: Path) -> None:
    fitted(points, Scale()).save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"m: .*'Scale' is not a pynn class; pass your own as .*own=\[Scale\]"):
        pynn.load(tmp_path / "m")


def test_a_model_trained_on_one_backend_runs_on_the_other(
    points: Points, tmp_path: Path, both_backends: tuple[str, ...]
) -> None:
    pynn.use_backend(both_backends[0])
    model = fitted(points, pynn.Affine(5), pynn.BatchNorm(), pynn.Tanh(), dtype="float64")
    model.save(tmp_path / "m")
    expected = model.predict_proba(points[0])
    pynn.use_backend(both_backends[1])
    np.testing.assert_allclose(pynn.load(tmp_path / "m").predict_proba(points[0]), expected, rtol=1e-12)


# Bytes --------------------------------------------------------------------------------------------


def test_the_same_training_writes_the_same_bytes(points: Points, tmp_path: Path) -> None:
    for name in ("a", "b"):
        model = fitted(points, pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU())
        model.notes = {"b": 1, "a": 2} if name == "a" else {"a": 2, "b": 1}
        model.save(tmp_path / name)
        model.save(tmp_path / f"{name} again")
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1


def test_settings_that_equal_their_defaults_write_the_same_bytes(points: Points, tmp_path: Path) -> None:
    fitted(points, pynn.BatchNorm()).save(tmp_path / "a")
    fitted(points, pynn.BatchNorm(momentum=float("0.9"), epsilon=float("1e-5"))).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_file_is_plain_safetensors(points: Points, tmp_path: Path) -> None:
    model = fitted(points, pynn.BatchNorm())
    model.save(tmp_path / "m")
    tensors = safetensors.load_file(tmp_path / "m")
    assert tensors.keys() == model.tensors().keys()
    np.testing.assert_array_equal(tensors["affine1.weight"], model.layers[1].weight)


@pytest.mark.parametrize("name", ["m", "m.safetensors", "model ☃.bin", ".hidden"])
@pytest.mark.parametrize("kind", [str, Path])
def test_any_path_will_do_and_nothing_else_appears(name: str, kind: type, points: Points, tmp_path: Path) -> None:
    fitted(points).save(kind(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert pynn.load(kind(tmp_path / name)).built


def test_a_relative_path_is_written_where_one_stands(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted(points).save("m")
    assert pynn.load("m").built


# Writing that fails -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    step: str, error: BaseException, points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m"
    fitted(points).save(path)
    old = path.read_bytes()

    def fail(*_: Any) -> None:
        raise error

    other = fitted(points, pynn.Affine(9))
    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(type(error)):
            other.save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    other.save(path)
    assert pynn.load(path).layers[0].units == 9


def test_a_file_is_never_seen_half_written(points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new name appears, all bytes are in the file behind it."""
    model, seen = fitted(points), []
    replace = os.replace

    def look(source: Any, target: Any) -> None:
        seen.append(Path(source).read_bytes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    model.save(tmp_path / "m")
    assert seen == [(tmp_path / "m").read_bytes()]


def test_an_unbuilt_model_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"not built yet: call model\.build\(input_shape\) or fit it"):
        pynn.Sequential(pynn.Affine(3)).save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        (".", IsADirectoryError, r"is a folder, expected the name of a file"),
        ("missing/m", FileNotFoundError, r"cannot write .*m: the folder .*missing does not exist"),
    ],
)
def test_places_that_cannot_be_written_are_named(
    place: str, error: type[Exception], message: str, points: Points, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        fitted(points).save(tmp_path / place)


def test_notes_that_are_no_plain_data_are_refused(points: Points, tmp_path: Path) -> None:
    model = fitted(points)
    model.notes = {"mean": np.zeros(3)}
    with pytest.raises(TypeError, match=r"cannot stand in a model file, expected numbers, text, lists"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_layers_that_came_to_one_name_are_refused(points: Points, tmp_path: Path) -> None:
    """In the file one of them would be lost."""
    model = fitted(points, pynn.Affine(5))
    model.layers[0].named("affine2")
    with pytest.raises(ValueError, match=r"two layers are named 'affine2'"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_an_own_layer_that_keeps_no_arguments_is_refused(points: Points, tmp_path: Path) -> None:
    class Careless(Scale):
        def __init__(self, size: int) -> None:
            self.length = size

    model = fitted(points, Careless(3))
    with pytest.raises(TypeError, match=r"Careless takes the argument 'size'.*self\.size = size"):
        model.save(tmp_path / "m")


def test_what_is_saved_can_be_loaded_or_is_refused_when_saved(points: Points, tmp_path: Path) -> None:
    """State that an own layer turned into float64 (NumPy does it unasked) must not make a file that nothing reads."""

    class Drifting(Center):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            if training:
                self.mean = np.float64(self.keep) * self.mean + (1 - self.keep) * x.mean(axis=0)
            return (x - self.mean).astype(x.dtype)

    model = fitted(points, Drifting(0.5))
    try:
        model.save(tmp_path / "m")
    except TypeError as error:
        assert "drifting1.mean" in str(error)  # noqa: PT017 (either is right)
    else:
        back = pynn.load(tmp_path / "m", own=[Drifting])
        np.testing.assert_allclose(back.layers[0].mean, model.layers[0].mean, rtol=1e-6)


# Files that are no models -------------------------------------------------------------------------


def _parts(content: bytes) -> tuple[Description, dict[str, np.ndarray]]:
    size = struct.unpack("<Q", content[:8])[0]
    description = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["pynn"])
    del description["crc"]  # as in a file of older pynn: what follows is about the contents
    return description, safetensors.load(content)


def _whole(description: Any, tensors: dict[str, np.ndarray]) -> bytes:
    text = description if isinstance(description, str) else json.dumps(description)
    return safetensors.save(tensors, {"pynn": text})


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a small model: affine1 (4, 2), batchnorm1, affine2 (2, 3)."""
    model = pynn.Sequential(pynn.Affine(2), pynn.BatchNorm(), pynn.ELU(0.5), pynn.Dropout(0.25), pynn.Affine(3))
    model.build((4,))
    model.notes = {"dataset": "points"}
    path = tmp_path_factory.mktemp("model") / "m"
    model.save(path)
    return path.read_bytes()


def _load(content: bytes, tmp_path: Path) -> pynn.Sequential:
    path = tmp_path / "m"
    path.write_bytes(content)
    return pynn.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no_such_model does not exist"):
        pynn.load(tmp_path / "no_such_model")


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=r"is a folder, expected a model file"):
        pynn.load(tmp_path)


@pytest.mark.parametrize(
    "junk",
    [b"", b"\0", b"\0" * 8, b"\0" * 100, b"not a model", b"\x80\x04\x95 pickle", b"PK\x03\x04" + b"\0" * 9],
    ids=repr,
)  # fmt: skip
def test_files_of_other_kinds_are_refused(junk: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"m is not a whole safetensors file"):
        _load(junk, tmp_path)


def test_every_truncation_is_refused(content: bytes, tmp_path: Path) -> None:
    """In the length of the header, in its JSON, between header and data, in the data."""
    header = 8 + struct.unpack("<Q", content[:8])[0]
    for size in [
        *range(10),
        header // 2,
        header - 1,
        header,
        header + 1,
        (header + len(content)) // 2,
        len(content) - 1,
    ]:
        with pytest.raises(ValueError, match=r"m is not a whole safetensors file"):
            _load(content[:size], tmp_path)
    with pytest.raises(ValueError, match=r"m is not a whole safetensors file"):
        _load(content + b"\0", tmp_path)


def test_flipped_bits_of_the_header_give_a_model_or_a_value_error(content: bytes, tmp_path: Path) -> None:
    header = 8 + struct.unpack("<Q", content[:8])[0]
    refused = 0
    for position in range(0, header, 3):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        refused += _gives_model_or_value_error(bytes(changed), tmp_path)
    assert refused > header // 3 * 0.7


def test_foreign_safetensors_are_told_apart(tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}):
        foreign = safetensors.save({"weight": np.zeros(3, np.float32)}, metadata)
        with pytest.raises(ValueError, match=r"m is a safetensors file but not a pynn model.*no entry 'pynn'"):
            _load(foreign, tmp_path)


def _change(**entries: Any) -> Callable[[Description, dict[str, np.ndarray]], None]:
    return lambda description, tensors: description.update(entries)


def _layer(**entries: Any) -> Callable[[Description, dict[str, np.ndarray]], None]:
    def change(description: Description, tensors: dict[str, np.ndarray]) -> None:
        description["layers"][0] = {"kind": "Affine", "arguments": {"units": 2}, **entries}

    return change


DEEP = "[" * 100_000 + "]" * 100_000  # deeper than Python's recursion goes

DAMAGE: dict[str, tuple[Callable[[Description, dict[str, np.ndarray]], Any], str]] = {
    "a missing tensor": (lambda d, t: t.pop("affine2.bias"), r"lacks the tensors affine2\.bias"),
    "no tensors": (lambda d, t: t.clear(), r"lacks the tensors affine1\.bias, affine1\.weight, affine2"),
    "an extra tensor": (
        lambda d, t: t.update(extra=np.zeros(2, np.float32)), r"tensors that its description does not mention: extra"
    ),
    "another shape": (
        lambda d, t: t.update({"affine1.weight": np.zeros((2, 4), np.float32)}),
        r"affine1\.weight is float32 \(2, 4\), expected float32 \(4, 2\)",
    ),
    "another dtype": (
        lambda d, t: t.update({"affine1.weight": t["affine1.weight"].astype(np.float64)}),
        r"affine1\.weight is float64 \(4, 2\), expected float32 \(4, 2\)",
    ),
    "integers": (lambda d, t: t.update({"affine1.bias": np.zeros(2, np.int32)}), r"affine1\.bias is int32 \(2,\), exp"),
    "dtype of the model": (_change(dtype="float64"), r"is float32 .*, expected float64"),
    "unknown dtype": (_change(dtype="float16"), r"dtype is float16, expected float32 or float64"),
    "rubbish dtype": (_change(dtype="rubbish"), r"."),
    "newer format": (_change(format=2), r"m has format 2, this pynn reads up to 1; install a newer pynn"),
    "no format": (lambda d, t: d.pop("format"), r"description has no format number"),
    "format in words": (_change(format="one"), r"description has no format number"),
    "format true": (_change(format=True), r"description has no format number"),
    "format 0": (_change(format=0), r"format"),
    "format -1": (_change(format=-1), r"format"),
    "format 0.5": (_change(format=0.5), r"description has no format number"),
    "no layers": (lambda d, t: d.pop("layers"), r"the model cannot be built from its description.*layers"),
    "layers in words": (_change(layers="Affine"), r"the model cannot be built from its description"),
    "layers a number": (_change(layers=3), r"the model cannot be built from its description"),
    "fewer layers": (lambda d, t: d["layers"].pop(), r"has tensors that its description does not mention: affine2"),
    "a layer that is no object": (lambda d, t: d["layers"].append(3), r"layer 5 is 3, expected a pynn Layer"),
    "an initializer for a layer": (lambda d, t: d["layers"].append({"kind": "He"}), r"layer 5 is He\(\), expected"),
    "unknown kind": (_layer(kind="Conv9d"), r"'Conv9d' is not a pynn class; pass your own"),
    "malicious kind": (_layer(kind="os.system", arguments={"command": "exit 1"}), r"'os\.system' is not a pynn class"),
    "malicious items": (_layer(kind="eval", items=["exit(1)"], arguments={}), r"'eval' is not a pynn class"),
    "malicious method": (_layer(kind="__init__"), r"'__init__' is not a pynn class"),
    "kind a list": (_layer(kind=["Affine"]), r"the model cannot be built from its description"),
    "kind null": (_layer(kind=None), r"the model cannot be built from its description"),
    "unknown argument": (_layer(arguments={"units": 2, "size": 3}), r"Affine has no 'size'"),
    "missing argument": (_layer(arguments={}), r"missing .*'units'"),
    "arguments a list": (_layer(arguments=[2]), r"the model cannot be built from its description"),
    "items a number": (_layer(items=7), r"the model cannot be built from its description"),
    "setting out of range": (_layer(arguments={"units": -2}), r"units is -2, expected an integer of at least 1"),
    "setting of another kind": (_layer(arguments={"units": "2"}), r"units is '2', expected an integer"),
    "other units": (_layer(arguments={"units": 3}), r"affine1\.weight is float32 \(4, 2\), expected float32 \(4, 3\)"),
    "units beyond memory": (_layer(arguments={"units": 10**15}), r"."),
    "units beyond integers": (_layer(arguments={"units": 10**30}), r"."),
    "initializer of rubbish": (_layer(arguments={"units": 2, "initializer": "rubbish"}), r"initializer is 'rubbish'"),
    "initializer a number": (_layer(arguments={"units": 2, "initializer": 7}), r"initializer is 7, expected"),
    "name a number": (_layer(name=7), r"."),
    "name a list": (_layer(name=["a"]), r"."),
    "a name twice": (_change(layers=[{"kind": "ReLU", "name": "a"}] * 2), r"two layers are named 'a'"),
    "input shape": (_change(input_shape=[5]), r"affine1\.weight is float32 \(4, 2\), expected float32 \(5, 2\)"),
    "input shape of an image": (_change(input_shape=[2, 2, 1]), r"layer 0 \(Affine\).*put Flatten\(\) before it"),
    "input shape negative": (_change(input_shape=[-4]), r"input_shape is \[-4\], expected a list of sizes"),
    "input shape a number": (_change(input_shape=4), r"the model cannot be built from its description"),
    "input shape in words": (_change(input_shape=["four"]), r"the model cannot be built from its description"),
    "input shape not whole": (_change(input_shape=[4.5]), r"."),
    "input shape infinite": (_change(input_shape=[float("inf")]), r"."),
    "input shape NaN": (_change(input_shape=[float("nan")]), r"."),
    "input shape beyond memory": (_change(input_shape=[10**15]), r"."),
    "input shape null": (_change(input_shape=None), r"the model cannot be built from its description"),
    "seed negative": (_change(seed=-1), r"seed is -1, expected an integer of 0\.\.2\^64-1"),
    "seed in words": (_change(seed="0"), r"seed is '0', expected an integer"),
    "step negative": (_change(step=-1), r"step"),
    "step infinite": (_change(step=float("inf")), r"."),
    "step beyond integers": (_change(step=10**30), r"step"),
    "step in words": (_change(step="one"), r"."),
    "epoch negative": (_change(epoch=-1), r"epoch"),
    "epoch beyond integers": (_change(epoch=10**30), r"epoch"),
    "epoch null": (_change(epoch=None), r"."),
    "loss unknown": (_change(loss={"kind": "Mine"}), r"'Mine' is not a pynn class"),
    "loss a layer": (_change(loss={"kind": "ReLU"}), r"loss is ReLU\(\), expected a pynn Loss"),
    "loss a number": (_change(loss=3), r"loss is 3, expected"),
    "loss null": (_change(loss=None), r"loss is None, expected"),
    "notes a list": (_change(notes=[1]), r"."),
    "notes null": (_change(notes=None), r"."),
    "notes in words": (_change(notes="ab"), r"."),
    "layers nested too deep": (lambda d, t: d.update(layers="DEEP"), r"."),
    "notes nested too deep": (lambda d, t: d.update(notes="DEEP"), r"."),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_refused_with_what_is_wrong(case: str, content: bytes, tmp_path: Path) -> None:
    change, message = DAMAGE[case]
    description, tensors = _parts(content)
    change(description, tensors)
    text = json.dumps(description).replace('"DEEP"', DEEP)
    with pytest.raises(ValueError, match=rf"(?s){message}") as raised:
        _load(_whole(text, tensors), tmp_path)
    assert str(tmp_path / "m") in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "{", "nan", "[]", "3", '"text"', "null", "{}", "{'format': 1}", "\x00", "9" * 5000]
)
def test_descriptions_that_are_no_json_objects_are_refused(text: str, content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"m: the model's description (is not JSON|has no format number)"):
        _load(_whole(text, _parts(content)[1]), tmp_path)


@pytest.mark.parametrize("dtype", ["BF16", "F16", "I8", "BOOL", "F8_E4M3", "C64", "F4"])
def test_tensors_of_other_dtypes_are_refused(dtype: str, content: bytes, tmp_path: Path) -> None:
    size = struct.unpack("<Q", content[:8])[0]
    header = content[8 : 8 + size].replace(b'"dtype":"F32"', f'"dtype":"{dtype}"'.encode())
    assert _gives_model_or_value_error(struct.pack("<Q", len(header)) + header + content[8 + size :], tmp_path)


@pytest.mark.parametrize("place", ["units", "input_shape"])
def test_no_memory_is_taken_for_numbers_that_the_file_does_not_hold(place: str, content: bytes, tmp_path: Path) -> None:
    """A file of 2 kB that speaks of billions of weights must not fill the memory before it is refused."""
    description, tensors = _parts(content)
    if place == "units":
        description["layers"][0]["arguments"]["units"] = 300_000
    else:
        description["input_shape"] = [300_000]
    (tmp_path / "m").write_bytes(_whole(description, tensors))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"affine1|Affine"):
            pynn.load(tmp_path / "m")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6


def test_a_load_that_fails_does_not_hold_the_file(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a whole"):
        _load(content[:-1], tmp_path)
    (tmp_path / "m").unlink()
    model = _load(content, tmp_path)
    before = model.predict_proba(np.ones((2, 4)))
    (tmp_path / "m").write_bytes(b"\0" * len(content))  # the model is no view of the file
    np.testing.assert_array_equal(model.predict_proba(np.ones((2, 4))), before)


# Random damage ------------------------------------------------------------------------------------


def _gives_model_or_value_error(content: bytes, folder: Path) -> bool:
    """Whether the content was refused; any exception but ValueError passes on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights that overflow are no concern of these tests
        try:
            model = _load(content, folder)
        except ValueError as error:
            assert str(folder) in str(error), "the sentence names the file"  # noqa: PT017 (both ends are right)
            return True
        assert model.predict_proba(np.ones((2, *model.input_shape))).shape == (2, *model.output_shape)
        return False


fuzz = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_what_is_not_damaged_gives_a_model(content: bytes, tmp_path: Path) -> None:
    assert not _gives_model_or_value_error(content, tmp_path)
    assert not _gives_model_or_value_error(_whole(*_parts(content)), tmp_path)


@fuzz
@given(junk=st.binary(max_size=300))
def test_random_bytes_are_refused(junk: bytes, tmp_path: Path) -> None:
    assert _gives_model_or_value_error(junk, tmp_path)


@fuzz
@given(text=st.text(max_size=300))
def test_random_headers_are_refused(text: str, tmp_path: Path) -> None:
    header = text.encode()
    assert _gives_model_or_value_error(struct.pack("<Q", len(header)) + header + b"\0" * 64, tmp_path)


@fuzz
@given(data=st.data())
def test_random_corruptions_give_a_model_or_a_value_error(data: st.DataObject, content: bytes, tmp_path: Path) -> None:
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(changed) - 1))
        action = data.draw(st.sampled_from(["set", "cut", "repeat"]))
        length = data.draw(st.integers(1, 40))
        if action == "set":
            changed[position] = data.draw(st.integers(0, 255))
        elif action == "cut":
            del changed[position : position + length]
            changed = changed or bytearray(b"\0")
        else:
            changed[position:position] = changed[position : position + length]
    _gives_model_or_value_error(bytes(changed), tmp_path)


# Sizes are small or absurd: none between fills the memory.
numbers = st.sampled_from([-1, 0, 1, 2, 3, 4, 7, 10**15, 10**30, -(10**30)]) | st.floats()
words = st.sampled_from(
    ["Affine", "ReLU", "Sequential", "Layer", "Chain", "Activation", "Constant", "SoftmaxCrossEntropy", "os.system",
     "kind", "items", "name", "arguments", "units", "rate", "float64", "he", "weight", "", "☃", "\ud800"]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in plain data, as the keys that lead there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for key, item in inner for found in _places(item, (*place, key)))]


@settings(fuzz, max_examples=300)
@given(data=st.data())
def test_random_descriptions_give_a_model_or_a_value_error(data: st.DataObject, content: bytes, tmp_path: Path) -> None:
    description, tensors = _parts(content)
    whole = {"description": description}
    *way, last = data.draw(st.sampled_from(_places(whole)[1:]))
    target: Any = whole
    for key in way:
        target = target[key]
    target[last] = data.draw(values)
    _gives_model_or_value_error(_whole(json.dumps(whole["description"]), tensors), tmp_path)
