"""How `pynn train` ends: no result is lost to Ctrl-C, none is written that is of no use; and what fits the terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pynn
from pynn.cli import confusion, messages, train
from pynn.models import summary

pytestmark = pytest.mark.usefixtures("alone")
SMALL = ("--layers", "16", "--epochs", "2", "--no-plot")


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C is a KeyboardInterrupt: a job in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def before(monkeypatch, target, name, happens):
    """Let something happen before each call of this function."""
    function = getattr(target, name)

    def call(*arguments, **options):
        happens()
        return function(*arguments, **options)

    monkeypatch.setattr(target, name, call)


def interrupt():
    for _ in range(3):
        signal.raise_signal(signal.SIGINT)


# Ctrl-C


def test_ctrl_c_while_the_trained_model_is_saved(run, monkeypatch):
    """It lost the model, and all the time that its training had taken."""
    before(monkeypatch, os, "fsync", interrupt)
    code, out, err = run("train", *SMALL)
    assert code == 130
    found = re.fullmatch(
        r"pynn: interrupted; the trained model \(test accuracy (0\.\d{4})\) is in digits\.safetensors", err[-1]
    )
    model = pynn.load("digits.safetensors")
    assert found is not None
    assert f"{model.notes['test_accuracy']:.4f}" == found[1]
    assert model.epoch == 2
    assert not any(line.startswith("wrote") for line in out)
    assert os.listdir() == ["digits.safetensors"]


def test_ctrl_c_while_the_picture_is_drawn(run, monkeypatch):
    pytest.importorskip("matplotlib")
    from pynn import plot

    before(monkeypatch, plot, "report", lambda: signal.raise_signal(signal.SIGINT))
    code, _, err = run("train", *SMALL[:-1])
    assert code == 130
    assert err[-1].endswith("is in digits.safetensors")
    assert os.listdir() == ["digits.safetensors"]


def test_ctrl_c_while_the_trained_model_is_measured(run, monkeypatch):
    """Trained to its end it takes the place of an older one; one that is not goes beside it."""
    Path("digits.safetensors").write_bytes(b"older")
    monkeypatch.setattr(pynn.Sequential, "evaluate", lambda *_, **__: interrupt())
    code, _, err = run("train", *SMALL)
    assert (code, err[-1]) == (
        130,
        "pynn: interrupted; the model as trained so far (2 epochs, 42 steps) is in digits.safetensors",
    )
    assert pynn.load("digits.safetensors").epoch == 2


def test_a_second_ctrl_c_while_the_interrupted_model_is_saved(run, monkeypatch):
    step, count = pynn.Sequential.train_step, iter(range(100))

    def interrupted(self, *arguments):
        if next(count) == 30:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(pynn.Sequential, "train_step", interrupted)
    before(monkeypatch, os, "fsync", interrupt)
    Path("digits.safetensors").write_bytes(b"older")
    code, _, err = run("train", *SMALL)
    message = "interrupted; the model as trained so far (1 epoch, 30 steps) is in digits.interrupted.safetensors"
    assert (code, err[-1]) == (130, f"pynn: {message}")
    assert pynn.load("digits.interrupted.safetensors").context.step == 30
    assert Path("digits.safetensors").read_bytes() == b"older"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_of_a_process_that_saves():
    code = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pynn.cli import main
write = os.fsync
def fsync(file):
    os.kill(os.getpid(), signal.SIGINT)
    write(file)
os.fsync = fsync
sys.exit(main(["train", *{SMALL!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130
    assert "interrupted; the trained model" in done.stderr.splitlines()[-1]
    assert pynn.load("digits.safetensors").epoch == 2


# Divergence


def diverges(run, *options):
    code, out, err = run("train", *options, "--no-plot")
    assert code == 1
    assert os.listdir() == []
    assert not any(line.startswith(("test accuracy", "wrote")) for line in out)
    assert err[-1].startswith("pynn: error: ")
    return err[-1]


@pytest.mark.slow
def test_a_training_that_diverges_writes_no_model(run, backend):
    assert "ower the learning rate" in diverges(run, "--learning-rate", 1e15, "--epochs", 2)


@pytest.mark.slow
def test_a_model_that_is_written_can_be_used(run, backend):
    """At this rate some arithmetic overflows: a model with NaN in it was written, and the exit code was 0."""
    code, _, err = run("train", "--learning-rate", 1e9, "--epochs", 2, "--no-plot")
    assert code in (0, 1)
    if code == 1:
        assert os.listdir() == []
        assert "ower the learning rate" in err[-1]
    else:
        measured = pynn.load("digits.safetensors").evaluate(*pynn.datasets.digits().test)
        assert np.isfinite(list(measured.values())).all()


def test_a_loss_that_overflows_is_no_wrong_argument(run):
    message = diverges(run, "--learning-rate", 1e30, "--optimizer", "sgd", "--no-batchnorm")
    assert "Lower the learning rate" in message


@pytest.mark.parametrize("name", ["affine1.weight", "batchnorm1.running_var"])
def test_any_tensor_that_is_not_finite_is_found(run, name, monkeypatch):
    def spoiled(model, *arguments, **options):
        model.tensors()[name].flat[3] = np.nan
        return pynn.History()

    monkeypatch.setattr(pynn.Sequential, "fit", spoiled)
    monkeypatch.setattr(pynn.Sequential, "evaluate", lambda *_, **__: {"loss": 1.0, "accuracy": 0.1})
    message = diverges(run, *SMALL[:-1], "--learning-rate", 0.25)
    expected = f"the training diverged, {name} holds NaN or infinity; nothing was written. Lower the learning rate"
    assert message == f"pynn: error: {expected}, which was 0.25"


def test_outputs_that_are_not_finite_are_found(run, monkeypatch):
    monkeypatch.setattr(pynn.Sequential, "evaluate", lambda *_, **__: {"loss": float("nan"), "accuracy": 0.1})
    monkeypatch.setattr(train, "_diverged", lambda model, loss=0.0, check=train._diverged: check(model, loss))
    assert "diverged, the test loss is nan" in diverges(run, *SMALL[:-1])


def test_a_model_that_had_diverged_when_it_was_interrupted(run, monkeypatch):
    def spoiled(model, *arguments, **options):
        model.parameters[0] = np.inf
        model.context.step = 7
        raise KeyboardInterrupt

    monkeypatch.setattr(pynn.Sequential, "fit", spoiled)
    code, _, err = run("train", *SMALL)
    assert (code, os.listdir()) == (130, [])
    assert err[-1].startswith("pynn: interrupted; the training had diverged, ")


# Where stderr is not there


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX")
@pytest.mark.parametrize("arguments", ["train --layers 16 --epochs 1 --quiet", "train --lr 1", "evaluate nowhere"])
def test_nothing_meant_for_stderr_goes_to_stdout(arguments):
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m pynn {arguments} 2>&-"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == (0 if "quiet" in arguments else 2)
    assert [line for line in done.stdout.splitlines() if not line.startswith("test accuracy")] == []


# Narrow terminals


def on_a_terminal(columns, *arguments):
    """What the command prints on a pseudo-terminal of so many columns: lines, and frames of the bar."""
    pty, fcntl = pytest.importorskip("pty"), pytest.importorskip("fcntl")
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        [sys.executable, "-m", "pynn", *arguments], stdin=follower, stdout=follower, stderr=follower, env=environment
    ) as running:
        os.close(follower)
        found = b""
        while True:
            try:
                part = os.read(leader, 1 << 16)
            except OSError:  # Linux, when the other side is closed
                break
            if not part:
                break
            found += part
        assert running.wait(60) == 0, found
    os.close(leader)
    return re.split(r"[\r\n]+", found.decode())


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 60, 80])
def test_the_output_of_train_and_evaluate_fits_the_terminal(columns):
    frames = on_a_terminal(columns, "train", "--epochs", "2", "--layers", "512,16", "--no-plot")
    assert max(map(len, frames)) <= columns
    text = " ".join(" ".join(frames).split())
    for shown in (
        "359 to test, 8x8x1 pixels", "Affine(units=512) [affine1]", "33,280", "fused into batchnorm1",
        "epoch 2/2: loss", "val_accuracy", "batch size 64, 2 epochs", "wrote digits.safetensors", "100%|█",
    ):  # fmt: skip
        assert shown in text
    frames = on_a_terminal(columns, "evaluate", "digits.safetensors")
    assert max(map(len, frames)) <= columns
    assert ("predicted" in " ".join(frames)) is (columns > 40)
    assert frames[-2].startswith("test accuracy")


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 60, 80])
def test_the_output_of_search_fits_the_terminal(columns):
    pytest.importorskip("optuna")
    frames = on_a_terminal(columns, "search", "--trials", "6", "--epochs", "2", "--layers", "8", "--no-plot")
    assert max(len(frame) for frame in frames if not frame.startswith("pynn: ")) <= columns
    text = " ".join(" ".join(frames).split())
    for shown in (
        "6 trials of 2 epochs by random search",
        "dropout 0 .. 0.6",
        "0/6",
        "search 0%|",
        "6 trials: 6 finished",
    ):
        assert shown in text
    assert frames[-2].startswith("test accuracy")


@pytest.mark.parametrize("command", ["train", "search", "evaluate", "predict", ""])
@pytest.mark.parametrize("columns", [50, 60])
def test_help_fits_the_terminal(run, command, columns, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    wide = run(*command.split(), "--help")[1]
    monkeypatch.setenv("COLUMNS", str(columns))
    narrow = run(*command.split(), "--help")[1]
    assert max(map(len, narrow)) <= columns
    assert sorted(" ".join(wide).split()) == sorted(" ".join(narrow).split())


def confused(count):
    """Of each class 9 are right; 0 is twice and 1 once taken for the last one."""
    counts = 9 * np.eye(count, dtype=np.int64)
    counts[0, -1], counts[1, -1], counts[1, 0] = 2, 1, 3
    return counts


def test_a_matrix_that_fits_is_as_on_a_wide_terminal():
    digits = "0123456789"
    wide = confusion.table(confused(10), digits)
    assert confusion.table(confused(10), digits, 44) == wide
    tight = confusion.table(confused(10), digits, 43)
    assert tight.replace(" ", "").replace("-", "") == wide.replace(" ", "").replace("-", "")
    assert max(map(len, tight.splitlines())) == 34


def test_a_matrix_that_does_not_fit_becomes_a_list_of_mistakes():
    names = [f"class {number}" for number in range(100)]
    lines = confusion.table(confused(100), names, 60).splitlines()
    assert lines[:4] == [
        "true         count  accuracy  taken for",
        "-----------------------------------------------------------",
        "0 class 0       11    0.8182  99 class 99 (2)",
        "1 class 1       13    0.6923  0 class 0 (3), 99 class 99 (1)",
    ]
    assert len(lines) == 102
    assert lines[-1] == "99 class 99      9    1.0000"
    narrow = confusion.table(confused(100), names, 45).splitlines()
    assert max(map(len, narrow)) <= 45
    assert narrow[3] == "1 class 1       13    0.6923  0 class 0 (3)"
    assert len(confusion.table(confused(100), names).splitlines()[2]) > 300  # a file is as wide as it needs to be


@pytest.mark.parametrize("network", ["resnet20", "vgg_small"])
def test_a_summary_of_any_width_says_the_same(network):
    model = getattr(pynn.models, network)()
    model.build((32, 32, 3))
    wide = summary.table(model)
    assert model.summary() == wide
    for width in (40, 60, 80, 100, 200):
        narrow = summary.table(model, width)
        assert max(map(len, narrow.splitlines())) <= width
        words = [" ".join(text.replace("-", "").split()) for text in (wide, narrow)]
        assert sorted(words[0].split()) == sorted(words[1].split())
    assert summary.table(model, 200) == wide


def test_text_is_broken_between_words(monkeypatch):
    monkeypatch.setattr(messages, "width", lambda: 20)
    assert messages.filled("a text that is longer than that") == "a text that is\n  longer than that"
    monkeypatch.setattr(messages, "width", lambda: None)
    assert messages.filled("a text that is longer than that") == "a text that is longer than that"
