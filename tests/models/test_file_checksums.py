"""Checksums: a flipped bit or a cut-off end gives one ValueError, or the very same; old files are read as before."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.models import file
from pynn.saving import container

safetensors = pytest.importorskip("safetensors.numpy")

Read = Callable[[Path], Any]


def plain(value: Any) -> Any:
    """The value with its arrays as bytes, to be compared."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def model_of(path: Path) -> Any:
    return plain(file.content(pynn.load(path)))


def ensemble_of(path: Path) -> Any:
    ensemble = pynn.Ensemble.load(path)
    return [plain(file.content(model)) for model in ensemble], ensemble.weights.tolist()


def state_of(path: Path) -> Any:
    return plain(container.read_state(path))


def small(seed: int = 0) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(2, penalty=pynn.L2(0.25)), pynn.Dropout(0.3), seed=seed)
    model.build((2,))
    model.notes = {"ä": [1, None, 0.5]}
    return model


def written(kind: str, path: Path) -> Read:
    """Write such a file; returns what reads it."""
    if kind == "model":
        small().save(path)
        return model_of
    if kind == "ensemble":
        pynn.Ensemble([small(), small(1)], weights=[1, 3]).save(path)
        return ensemble_of
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.arange(3)}
    container.write_state(path, {"tensors": arrays, "step": 3, "rate": 0.3, "text": "ä", "none": [None, True]})
    return state_of


KINDS = ("model", "ensemble", "checkpoint")


def header_of(content: bytes) -> int:
    return 8 + int(struct.unpack("<Q", content[:8])[0])


def flipped(content: bytes) -> Iterator[bytes]:
    """A bit of each byte of the header, all of its length's, and some of those after it."""
    header = header_of(content)
    places = [(byte, bit) for byte in range(8) for bit in range(8)] + [(byte, byte % 7) for byte in range(8, header)]
    places += [(byte, byte % 8) for byte in range(header, len(content), max(1, (len(content) - header) // 50))]
    for byte, bit in places:
        changed = bytearray(content)
        changed[byte] ^= 1 << bit
        yield bytes(changed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_refused_or_changes_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    read = written(kind, path)
    content, expected, refused = path.read_bytes(), read(path), 0
    for changed in flipped(content):
        path.write_bytes(changed)
        try:
            found = read(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017 (either is right)
            refused += 1
        else:
            assert found == expected
    assert refused > 0.95 * header_of(content)


@pytest.mark.parametrize("kind", KINDS)
def test_truncations_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    read, content = written(kind, path), path.read_bytes()
    for size in [*range(16), *range(16, len(content), 7), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"f is not a whole safetensors file"):
            read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_names_dtypes_shapes_and_text_count(kind: str, tmp_path: Path) -> None:
    """The checksum of older checkpoints was that of the bytes alone; model files had none."""
    path = tmp_path / "f"
    read, content = written(kind, path), path.read_bytes()
    name = {"model": b"affine1.bias", "ensemble": b"0.affine1.bias", "checkpoint": b"state.tensors.n"}[kind]
    changes = [(name, name[:-1] + b"x"), (b'"F32"', b'"I32"'), (b'"I64"', b'"U64"'), (b"[2,2]", b"[4,1]"),
               (b"[2,3]", b"[3,2]"), (b"0.3", b"0.7")]  # fmt: skip
    tried = [change for change in changes if change[0] in content]
    assert len(tried) >= 4
    for before, after in tried:
        path.write_bytes(content.replace(before, after))
        with pytest.raises(ValueError, match=r"f is damaged: its checksum is wrong"):
            read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_contents_give_equal_bytes(kind: str, tmp_path: Path, backend: str) -> None:
    for name in "ab":
        written(kind, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["model", "ensemble"])
def test_files_without_a_checksum_are_read_as_before(kind: str, tmp_path: Path, backend: str) -> None:
    path = tmp_path / "f"
    read, entry = written(kind, path), {"model": "pynn", "ensemble": "pynn_ensemble"}[kind]
    expected, content = read(path), path.read_bytes()
    description = json.loads(json.loads(content[8 : header_of(content)])["__metadata__"][entry])
    assert type(description.pop("crc")) is int
    path.write_bytes(safetensors.save(safetensors.load(content), {entry: json.dumps(description)}))
    assert read(path) == expected
    description["brc"] = 7  # a flipped bit in the key's name
    path.write_bytes(safetensors.save(safetensors.load(content), {entry: json.dumps(description)}))
    with pytest.raises(
        ValueError, match=r"has the key 'brc', unknown here: the file is damaged, or a newer pynn wrote"
    ):
        read(path)


@pytest.mark.parametrize("array", [np.array(2.5), np.zeros((0, 3)), np.arange(4, dtype=">f4"), np.array([True, False])])
def test_arrays_of_any_kind_come_back(array: np.ndarray, tmp_path: Path) -> None:
    """A big-endian array gave a checkpoint whose checksum was wrong."""
    container.write_state(tmp_path / "s", {"a": array})
    found = container.read_state(tmp_path / "s")["a"]
    assert (found.shape, found.dtype) == (array.shape, array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(found, array)


def test_names_with_dots_do_not_collide(tmp_path: Path) -> None:
    """The first of them took the other one's numbers."""
    state = {"a.b": np.ones(2), "a": {"b": np.zeros(3)}, "a.b'": np.full(1, 7.0)}
    container.write_state(tmp_path / "s", state)
    found = container.read_state(tmp_path / "s")
    assert plain(found) == plain(state)


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([1j]), np.array([None]), {"$tensor": "a"}])
def test_state_that_a_checkpoint_cannot_hold_is_refused_when_written(value: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"state\.a is "):
        container.write_state(tmp_path / "s", {"a": value})
    assert not list(tmp_path.iterdir())


def _state(path: Path, text: str, tensors: dict[str, np.ndarray], **change: Any) -> None:
    entry = {"format": 2, "crc": container.checksum(text, tensors), "state": text, **change}
    path.write_bytes(safetensors.save(tensors, {container.ENTRY: json.dumps(entry)}))


@pytest.mark.parametrize(
    ("text", "tensors", "message"),
    [
        ('{"a": {"$tensor": "b"}}', {}, r"not a state of a run"),
        ('{"a": {"$tensor": "b"}, "c": {"$tensor": "b"}}', {"b": np.ones(1)}, r"not a state of a run"),
        ('{"a": {"$tensor": ["b"]}}', {"b": np.ones(1)}, r"not a state of a run"),
        ('{"a": 1}', {"b": np.ones(1)}, r"nothing refers to the tensor 'b'"),
        ('{"a": 1, "a": 2}', {}, r"a key occurs twice"),
        ("[1]", {}, r"not a state of a run"),
        ('{"a": {"$tensor": "b", "loss": 1}}', {"b": np.ones(1)}, r"not a state of a run"),
        ("nothing", {}, r"not a state of a run"),
        ("[" * 100_000, {}, r"nested more than 250 levels deep"),
        ('{"a": ' + "9" * 5000 + "}", {}, r"not a state of a run"),
    ],
)
def test_crafted_states_with_a_right_checksum(
    text: str, tensors: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    _state(tmp_path / "s", text, tensors)
    with pytest.raises(ValueError, match=message) as caught:
        container.read_state(tmp_path / "s")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, r"has format 3, this pynn reads 1 and 2: the file is damaged, or a newer pynn wrote it"),
        ({"format": True}, r"has format True"),
        ({"format": None}, r"has format None"),
        ({"format": 1}, r"checksum is wrong"),
        ({"crc": None}, r"checksum is wrong"),
        ({"state": 1}, r"checksum is wrong"),
        ({"more": 1}, r"checksum is wrong"),
    ],
)
def test_crafted_entries_of_a_checkpoint(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    _state(tmp_path / "s", '{"a": {"$tensor": "b"}}', {"b": np.ones(1)}, **change)
    with pytest.raises(ValueError, match=message):
        container.read_state(tmp_path / "s")


def test_load_weights_looks_at_the_checksum_of_a_pynn_model(tmp_path: Path, backend: str) -> None:
    model, path = small(), tmp_path / "m.safetensors"
    model.save(path)
    pynn.transfer.load_weights(model, path, layout="pynn")
    path.write_bytes(path.read_bytes()[:-1] + b"\x41")
    with pytest.raises(ValueError, match=r"m\.safetensors is damaged: its checksum is wrong"):
        pynn.transfer.load_weights(model, path, layout="pynn")
    model.save(path)
    path.write_bytes(path.read_bytes().replace(b'\\"crc\\"', b'\\"crb\\"')[:-1] + b"\x41")
    with pytest.raises(ValueError, match=r"m\.safetensors: the description has the key 'crb', unknown here"):
        pynn.transfer.load_weights(model, path, layout="pynn")
    path.write_bytes(safetensors.save(dict(model.tensors())))  # no model file
    pynn.transfer.load_weights(model, path, layout="pynn")
