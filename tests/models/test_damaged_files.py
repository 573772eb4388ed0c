"""Files that are no models, damaged ones, and random ones: a ValueError that names the fault, in little memory."""

from __future__ import annotations

import json
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pynn

safetensors = pytest.importorskip("safetensors.numpy")
Description = dict[str, Any]


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


def test_undamaged_files_give_a_model(content: bytes, tmp_path: Path) -> None:
    assert not _gives_model_or_value_error(content, tmp_path)
    assert not _gives_model_or_value_error(_whole(*_parts(content)), tmp_path)


@fuzz
@given(junk=st.binary(max_size=300))
def test_random_bytes_are_refused(junk: bytes, tmp_path: Path) -> None:
    assert _gives_model_or_value_error(junk, tmp_path)


@pytest.mark.slow
@fuzz
@given(text=st.text(max_size=300))
def test_random_headers_are_refused(text: str, tmp_path: Path) -> None:
    header = text.encode()
    assert _gives_model_or_value_error(struct.pack("<Q", len(header)) + header + b"\0" * 64, tmp_path)


@pytest.mark.slow
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


@pytest.mark.slow
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
