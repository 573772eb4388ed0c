"""The command where standard output is missing, closed or no real file."""

from __future__ import annotations

import importlib
import io
import sys

import pytest

from pynn.cli import main


class Pipe(io.StringIO):
    """A pipe whose reader has gone, without a file descriptor."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_the_command_runs_without_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["info"]) == 0
    assert main(["info", "--nonsense"]) == 2
    assert capsys.readouterr().err.startswith("pynn: error: ")


def test_output_that_nobody_reads_ends_the_command_with_141(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Pipe())
    assert main(["info"]) == 141


def test_an_error_is_told_where_output_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Pipe())
    assert main(["info", "--nonsense"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_importing_the_module_of_the_command_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("pynn.__main__")
    assert module.main is main
    assert capsys.readouterr() == ("", "")
