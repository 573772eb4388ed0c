"""Checkpoints that are of another run, damaged or of another kind: what is said, and what is tried."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from resumed_runs import Data, Killed, KilledAt, assert_same, fit, network

import pynn

# In one process: every moment, every optimizer, every source ----------------------------------------


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# What is refused, and what is damaged ---------------------------------------------------------------


def _changed(data: Data) -> Data:
    x = data[0].copy()
    x[0, 0, 0, 0] += 1
    return x, data[1]


OTHERS: dict[str, tuple[Callable[[Data], dict[str, Any]], str]] = {
    "batch_size": (lambda data: {"batch_size": 5}, r"batch_size was 8, now it is 5"),
    "seed": (lambda data: {"seed": 1}, r"seed was 0, now it is 1"),
    "model seed": (lambda data: {"model": network(seed=1)}, r"the model's seed was 0, now it is 1"),
    "dtype": (lambda data: {"model": network(dtype="float64")}, r"dtype was float32, now it is float64"),
    "model": (lambda data: {"model": pynn.Sequential(pynn.Flatten(), pynn.Affine(3))}, r"the model differs"),
    "frozen": (lambda data: {"model": _frozen()}, r"the model differs"),
    "loss": (lambda data: {"loss": "hinge"}, r"loss was SoftmaxCrossEntropy\(\), now it is Hinge\(\)"),
    "optimizer": (lambda data: {"optimizer": pynn.Adam(0.1)}, r"optimizer was Adam\(\), now it is Adam\(learn"),
    "penalty": (lambda data: {"penalty": pynn.L2(0.1)}, r"penalty was None, now it is L2\(strength=0\.1\)"),
    "fewer samples": (
        lambda data: {"data": (data[0][:24], data[1][:24])},
        r"the shape of x was \[25, 6, 6, 1\], now it is \[24, 6, 6, 1\]",
    ),
    "other samples": (lambda data: {"data": _changed(data)}, r"the data differs"),
    "other labels": (lambda data: {"data": (data[0], data[1][::-1])}, r"the data differs"),
    "validation": (lambda data: {"validation": _changed(data)}, r"the validation data differs"),
    "callbacks": (lambda data: {"callbacks": [pynn.EarlyStopping()]}, r"callbacks with a memory differs"),
    "preprocessing": (
        lambda data: {"augmentation": pynn.Flip(), "preprocessing": pynn.Standardization()},
        r"preprocessing was None, now it is Standardization\(\)",
    ),
    "augmentation": (lambda data: {"augmentation": pynn.Flip()}, r"augmentation was None, now it is Augment\(Flip"),
}  # fmt: skip


def _frozen() -> pynn.Sequential:
    model = network()
    model.layers[0].freeze()
    return model


@pytest.mark.parametrize("case", OTHERS)
def test_another_run_is_not_resumed(case: str, pictures: Data, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(pictures, tmp_path, callbacks=[KilledAt(4)])
    change, message = OTHERS[case]
    settings = {"data": pictures, "validation": pictures, "model": network(), **change(pictures)}
    with pytest.raises(ValueError, match=rf"the run in .* cannot be resumed: .*{message}"):
        fit(folder=tmp_path, resume=True, **settings)
    assert not settings["model"].built
    assert_same(fit(pictures), fit(pictures, tmp_path, True))


def test_nothing_to_go_on_from_is_said_and_training_begins(
    pictures: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = fit(pictures)
    assert_same(expected, fit(pictures, tmp_path / "new", True, progress="auto"))
    assert capsys.readouterr().err.splitlines()[0] == f"{tmp_path / 'new'} has no checkpoint: training starts at step 0"
    fit(pictures, tmp_path / "other", True, progress=False)
    assert capsys.readouterr().err == ""


def test_a_new_run_does_not_take_another_ones_folder(pictures: Data, tmp_path: Path) -> None:
    fit(pictures, tmp_path)
    files = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"has checkpoints of another run: pass resume=True to continue it"):
        fit(pictures, tmp_path)
    assert sorted(tmp_path.iterdir()) == files


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-100],
    "a bit of a tensor": lambda content: content[:-50] + bytes([content[-50] ^ 1]) + content[-49:],
    "a bit of the header": lambda content: content[:300] + bytes([content[300] ^ 1]) + content[301:],
    "rubbish": lambda content: b"x" * 1000,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage: str, pictures: Data, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        fit(pictures, tmp_path, callbacks=[KilledAt(8)])
    first, second = sorted(tmp_path.iterdir())
    second.write_bytes(DAMAGE[damage](second.read_bytes()))
    with pytest.warns(
        RuntimeWarning,
        match=rf"{second.name} is (damaged|not a whole safetensors file).*; continuing from {first.name}",
    ):
        model = fit(pictures, tmp_path, True)
    assert_same(fit(pictures), model)


def test_where_none_can_be_used_it_is_an_error(pictures: Data, tmp_path: Path) -> None:
    fit(pictures, tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"rubbish")
    with pytest.raises(
        ValueError, match=r"no checkpoint in .* can be used: .*00003.safetensors is not a whole .*00002"
    ):
        fit(pictures, tmp_path, True)


def test_files_of_other_kinds_and_formats_are_told_apart(pictures: Data, tmp_path: Path) -> None:
    from pynn.saving import container

    model = fit(pictures)
    path = tmp_path / "checkpoint-00000001.safetensors"
    model.save(path)
    with pytest.raises(ValueError, match=r"not a pynn checkpoint: .*; it is a model, which pynn\.load reads"):
        fit(pictures, tmp_path, True)
    old, container.FORMAT = container.FORMAT, 99
    try:
        container.write_state(path, {})
    finally:
        container.FORMAT = old
    with pytest.raises(ValueError, match=r"has format 99, this pynn reads 1 and 2"):
        fit(pictures, tmp_path, True)
    with pytest.raises(TypeError, match=r"state\.a\.0 is <object .*expected numbers"):
        container.write_state(path, {"a": [object()]})


def test_a_file_is_no_folder(pictures: Data, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"x', which is a file, expected a folder"):
        fit(pictures, tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"


def test_the_newest_are_kept_and_leftovers_go(pictures: Data, tmp_path: Path) -> None:
    leftover = tmp_path / ".checkpoint-00000001.safetensors.123"
    leftover.write_bytes(b"half")
    fit(pictures, pynn.Checkpoint(tmp_path, every_steps=1, keep=3))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        f"checkpoint-{number:08d}.safetensors" for number in (10, 11, 12)
    ]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"resume": True}, ValueError, r"resume needs checkpoint"),
        ({"checkpoint": "x", "resume": 1}, TypeError, r"resume is 1, expected True or False"),
        ({"checkpoint": 3}, TypeError, r"checkpoint is 3, expected a folder or a pynn\.Checkpoint object"),
    ],
)
def test_arguments_are_checked(settings: dict[str, Any], error: type[Exception], message: str, pictures: Data) -> None:
    model = network()
    with pytest.raises(error, match=message):
        model.fit(*pictures, **settings)
    assert not model.built
    for wrong in ({"every_steps": 0}, {"every_seconds": -1}, {"keep": 0}):
        with pytest.raises(ValueError, match=r"Checkpoint: "):
            pynn.Checkpoint("x", **wrong)


def test_a_bar_goes_on_where_it_was(pictures: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(Killed):
        fit(pictures, pynn.Checkpoint(tmp_path, every_steps=1), callbacks=[KilledAt(6)])
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fit(pictures, tmp_path, True, progress=True)
    shown = terminal.getvalue()
    assert "epoch 1/3" not in shown
    assert "epoch 2/3" in shown
    assert "2/3 [" in shown
    assert "epoch 3/3" in shown
