"""What a search shows: a bar that fits the terminal, lines elsewhere if they are wanted."""

from __future__ import annotations

import io
import sys

import pytest

pytest.importorskip("optuna")

from pynn.search import showing
from pynn.search.showing import Shown


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def screens(monkeypatch: pytest.MonkeyPatch, columns: int, study: str = "digits mlp") -> list[str]:
    """What a terminal of so many columns shows of 20 trials, one screen after the other."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = Shown(study, 20, 0, "val_accuracy", True)
    for ended in range(1, 21):
        shown._bar.last_print_t -= 1  # tqdm draws ten times a second
        shown.show(ended, (0.9, 3) if ended > 3 else None)
    shown.close()
    return stream.getvalue().split("\r")


@pytest.mark.parametrize(("columns", "best"), [(80, "best val_accuracy 0.9 (trial 3)]"), (60, "best 0.9]"), (40, "")])
def test_the_bar_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, best: str) -> None:
    frames = screens(monkeypatch, columns)
    assert max(map(len, frames)) <= columns
    assert any(best in frame and "20/20" in frame for frame in frames)


def test_stages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any("stage 2 100%" in frame for frame in screens(monkeypatch, 80, "digits mlp stage 2"))


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in ("auto", False):
        shown = Shown("a", 9, 0, "val_loss", progress)
        shown.show(9, (0.5, 1))
        shown.close()
    assert capsys.readouterr().err == ""
    shown = Shown("a", 40, 3, "val_loss", True)
    for ended in range(4, 41):
        shown.show(ended, (1 / ended, ended))
    shown.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == showing.LINES
    assert (lines[0], lines[-1]) == (
        "search: 4/40 trials, best val_loss 0.25 (trial 4)", "search: 40/40 trials, best val_loss 0.025 (trial 40)",
    )  # fmt: skip
