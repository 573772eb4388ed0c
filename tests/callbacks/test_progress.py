"""What training shows: on narrow terminals, and where stderr is missing, closed, broken or no terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.callbacks import progress
from pynn.messages import terminal

Points = tuple[np.ndarray, np.ndarray]


class WriteOnly:
    """What a program puts in the place of stderr to catch what is said: it can write, and nothing else."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class Silent:
    """Has a terminal's face, and nothing behind it."""

    def isatty(self) -> bool:
        return True


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def detached() -> io.TextIOWrapper:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.detach()
    return stream


def fit(points: Points, shown: bool | str, **options: object) -> pynn.History:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    return model.fit(*points, epochs=2, batch_size=10, progress=shown, **options)


@pytest.mark.parametrize("shown", [True, False, "auto"])
@pytest.mark.parametrize(
    "make", [lambda: None, closed, detached, WriteOnly, Broken, Silent, object], ids=lambda make: make.__name__
)
def test_a_stderr_of_any_kind_does_not_touch_the_training(
    make: object, shown: bool | str, points: Points, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fit(points, False)
    monkeypatch.setattr(sys, "stderr", make())  # type: ignore[operator]
    found = fit(points, shown)
    assert found["loss"] == expected["loss"]


def test_a_stream_that_can_only_write_gets_the_lines(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = WriteOnly()
    monkeypatch.setattr(sys, "stderr", stream)
    fit(points, "auto")
    assert [line.split(":")[0] for line in stream.text.splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_a_stderr_that_is_closed_while_it_trains(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    for shown in (True, "auto"):
        stream = Screen()
        monkeypatch.setattr(sys, "stderr", stream)
        assert fit(points, shown, callbacks=[lambda trainer, stream=stream: stream.close()]).epochs == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX")
def test_a_process_without_stderr(tmp_path: Path) -> None:
    code = "import numpy as np, pynn; pynn.Sequential(pynn.Affine(2)).fit(np.eye(4), np.arange(4) % 2, epochs=1)"
    command = f"'{sys.executable}' -c '{code}; print(1)' 2>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert (done.returncode, done.stdout) == (0, "1\n")


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_nothing_is_wider_than_the_terminal(columns: int, points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    """What wraps leaves a line at every update of the bar."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    fit(points, True, validation=points, metrics=["accuracy", "top2", "f1"])
    frames = [frame for line in screen.getvalue().split("\n") for frame in line.split("\r")]
    assert max(map(len, frames)) <= columns
    assert any("100%" in frame for frame in frames)
    if columns >= 60:
        assert any("100%|█████" in frame and "loss " in frame for frame in frames)
    assert any("samples/s" in frame and "%" in frame for frame in frames) is (columns == 200)
    kept = " ".join(line.split("\r")[-1] for line in screen.getvalue().split("\n"))
    for name in ("loss", "accuracy", "top2", "f1", "val_loss", "val_accuracy", "val_top2", "val_f1"):
        assert f" {name}" in kept


def test_a_line_breaks_between_measurements() -> None:
    parts = ["loss 0.7208", "accuracy 0.7876", "val_loss 0.2367", "74,181 samples/s"]
    assert progress.wrapped("epoch 1/2: ", parts, None) == "epoch 1/2: " + "  ".join(parts)
    assert progress.wrapped("epoch 1/2: ", parts, 60) == "epoch 1/2: " + "  ".join(parts[:3])
    parts.insert(3, "val_accuracy 0.9371")
    assert progress.wrapped("epoch 1/2: ", parts, 60).splitlines() == [
        "epoch 1/2: loss 0.7208  accuracy 0.7876  val_loss 0.2367",
        "           val_accuracy 0.9371  74,181 samples/s",
    ]
    assert len(progress.wrapped("epoch 1/2: ", parts, 5).splitlines()) == 5


def test_numbers_that_four_digits_do_not_show() -> None:
    values = {"loss": 2.9878e19, "mae": 3.25e-7, "accuracy": 0.0, "f1": 0.5, "r2": -12.5, "val_loss": float("nan")}
    text = "loss 2.988e+19, mae 3.25e-07, accuracy 0.0000, f1 0.5000, r2 -12.5000, val_loss nan"
    assert ", ".join(progress.measurements(values)) == text


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl
    import pty
    import struct
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    leader, follower = pty.openpty()
    with open(leader, "wb"), open(follower, "w") as stream:
        for columns in (60, 0):
            fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            assert terminal.width(stream) == (columns or None)
        monkeypatch.setenv("COLUMNS", "70")
        assert terminal.width(stream) == 70
    assert terminal.width(stream) is None
    with open(os.devnull, "w") as stream:
        assert terminal.width(stream) is None


@pytest.mark.parametrize("name", ["gradient_check", "learning_rate_range", "sanity_check"])
def test_long_checks_show_a_bar(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).standard_normal((40, 3))
    model = pynn.Sequential(pynn.Affine(4), pynn.Tanh(), pynn.Affine(2), seed=0)
    check = getattr(pynn.diagnostics, name)
    arguments: dict[str, Any] = {"x": x, "y": np.arange(40) % 2, "loss": "softmax_cross_entropy"}
    quiet = str(check(model, **arguments, progress=False))
    assert capsys.readouterr().err == ""
    assert str(check(model, **arguments)) == quiet, "no terminal, so no bar"
    assert capsys.readouterr().err == ""
    assert str(check(model, **arguments, progress=True)) == quiet
    assert "%|" in capsys.readouterr().err
    with pytest.raises(ValueError, match="progress is 'yes', expected True, False or 'auto'"):
        check(model, **arguments, progress="yes")
