"""`pynn train`: what it prints and writes, its options, Ctrl-C, and what it says of wrong input."""

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
from pynn.cli import main, presets, train

pytestmark = pytest.mark.usefixtures("alone")
SMALL = ("--layers", "16", "--epochs", "2", "--no-plot")


def process(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "pynn", *map(str, arguments)], capture_output=True, text=True, timeout=120, **options
    )


# train


def test_train_alone_learns_the_digits(run):
    code, out, err = run("train")
    assert code == 0
    assert re.fullmatch(r"test accuracy 0\.\d{4}", out[-1])
    assert float(out[-1].split()[-1]) >= 0.97
    assert sum("val_accuracy" in line for line in err) == presets.preset("mlp", "digits").epochs
    model = pynn.load("digits.safetensors")
    measured = model.evaluate(*pynn.datasets.digits().test)["accuracy"]
    assert out[-1] == f"test accuracy {measured:.4f}"
    assert model.notes == {
        "dataset": "digits",
        "classes": list("0123456789"),
        "image_shape": [8, 8, 1],
        "test_accuracy": measured,
    }


@pytest.mark.slow
def test_train_draws_a_picture_where_matplotlib_is(run):
    pytest.importorskip("matplotlib")
    _, out, _ = run("train", *SMALL[:-1], "--output", "a.safetensors")
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert out[-2] == "wrote a.safetensors and a.png"


def test_train_says_how_to_get_matplotlib(run, monkeypatch):
    for name in ("matplotlib", "matplotlib.axes"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "pynn.plot", raising=False)
    monkeypatch.delattr(pynn, "plot", raising=False)
    code, out, _ = run("train", *SMALL[:-1])
    assert code == 0
    assert out[-3] == 'no picture: pictures need matplotlib: pip install "pynn-cpu[plot]"'
    assert out[-2] == "wrote digits.safetensors"
    assert out[-1].startswith("test accuracy")


def test_a_picture_that_fails_does_not_take_the_result_along(run, monkeypatch):
    pytest.importorskip("matplotlib")
    from pynn import plot

    def full(figure, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plot, "save", full)
    code, out, err = run("train", *SMALL[:-1])
    assert code == 0
    assert out[-1].startswith("test accuracy")
    assert "no picture" in err[-1]


def test_train_says_what_runs(run):
    _, out, _ = run("train", *SMALL)
    assert out[0].startswith(f"pynn {pynn.__version__}, ")
    assert ("native" if pynn.info().backend == "native" else "NumPy") in out[0]
    sizes = [int(number) for number in re.findall(r"([\d,]+) (?:images|for|to)", out[1].replace(",", ""))]
    assert sum(sizes) == 1797
    assert any("Affine(units=16)" in line for line in out)
    assert any("adam, learning rate 0.004, linear schedule, batch size 64, 2 epochs" in line for line in out)


def test_train_says_why_it_runs_on_numpy(run, monkeypatch):
    pynn.use_backend("numpy")
    monkeypatch.setenv("PYNN_BACKEND", "numpy")
    assert not any("NumPy" in line for line in run("train", *SMALL)[2])
    monkeypatch.delenv("PYNN_BACKEND")
    err = run("train", *SMALL)[2]
    assert [line for line in err if "NumPy" in line] == [f"pynn runs on NumPy: {pynn.kernels.why_not_native()}"]
    assert any("OMP_NUM_THREADS" in line for line in run("train", *SMALL, "--threads", 1)[2])


def test_quiet_prints_the_last_line_alone(run):
    code, out, err = run("train", *SMALL, "--quiet")
    assert (code, len(out), err) == (0, 1, [])
    assert out[0].startswith("test accuracy ")


def test_the_same_seed_writes_the_same_file(run):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run("train", *SMALL, "--seed", seed, "--output", f"{name}.safetensors")
    files = [Path(f"{name}.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


@pytest.mark.slow
def test_the_same_file_at_any_number_of_threads(native):
    written = []
    for threads in "12":
        done = process("train", *SMALL, "--quiet", env={**os.environ, "OMP_NUM_THREADS": threads})
        assert done.returncode == 0, done.stderr
        written.append(Path("digits.safetensors").read_bytes())
    assert written[0] == written[1]


def test_threads_are_set(run, native):
    _, out, _ = run("train", *SMALL, "--threads", 1)
    assert "1 thread" in out[0]
    assert pynn.get_num_threads() == 1


def test_options_reach_the_model(run):
    run(
        *("train", "--layers", "12,7", "--activation", "tanh", "--dropout", "0.25", "--no-batchnorm"),
        *("--dtype", "float64", "--epochs", 1, "--seed", 5, "--no-plot", "--output", "m.safetensors"),
    )  # fmt: skip
    model = pynn.load("m.safetensors")
    kinds = [repr(layer) for layer in model.layers]
    assert kinds == [
        "Flatten()",
        *("Affine(units=12)", "Tanh()", "Dropout(rate=0.25)"),
        *("Affine(units=7)", "Tanh()", "Dropout(rate=0.25)"),
        "Affine(units=10)",
    ]
    assert (model.seed, model.dtype, model.epoch) == (5, np.float64, 1)


@pytest.mark.parametrize("none", ["", "none"])
def test_no_hidden_layers(run, none):
    run("train", "--layers", none, "--epochs", 1, "--no-plot")
    assert [layer.kind for layer in pynn.load("digits.safetensors").layers] == ["Flatten", "Affine"]


@pytest.mark.parametrize("optimizer", presets.LEARNING_RATES)
def test_every_optimizer_learns(run, optimizer):
    _, out, _ = run("train", "--optimizer", optimizer, "--layers", 64, "--epochs", 8, "--no-plot")
    assert float(out[-1].split()[-1]) > 0.85


@pytest.mark.parametrize("activation", presets.ACTIVATIONS)
def test_every_activation_learns(run, activation):
    _, out, _ = run("train", "--activation", activation, "--layers", 64, "--epochs", 5, "--no-plot")
    assert float(out[-1].split()[-1]) > 0.85


def test_penalty_keeps_weights_small(run):
    sizes = []
    for strength in (0, 0.3):
        run("train", *SMALL, "--l2", strength)
        sizes.append(np.abs(pynn.load("digits.safetensors").tensors()["affine1.weight"]).mean())
    assert sizes[1] < 0.8 * sizes[0]


def test_without_validation_nothing_is_held_out(run):
    _, out, err = run("train", *SMALL, "--validation", 0)
    assert " 0 for validation" in out[1]
    assert not any("val_" in line for line in err)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_validation_is_a_share_of_every_class(share):
    x = np.arange(300, dtype=np.uint8).reshape(300, 1, 1, 1)
    y = np.repeat(np.arange(3), (50, 100, 150))
    (x_train, y_train), (x_held, y_held) = train._split((x, y), share, seed=3)
    assert sorted(np.concatenate((x_train, x_held)).ravel()) == sorted(x.ravel())
    np.testing.assert_allclose(np.bincount(y_held), np.array([50, 100, 150]) * share, atol=1)
    assert np.bincount(y_train, minlength=3).min() >= 1
    again, other = train._split((x, y), share, seed=3)[1], train._split((x, y), share, seed=4)[1]
    np.testing.assert_array_equal(again[0], x_held)
    assert not np.array_equal(other[0], x_held)


def test_the_learning_rate_falls_in_a_line_step_by_step(run, monkeypatch):
    rates = []

    def spy(optimizer, parameters, gradients):
        rates.append(optimizer.learning_rate)

    monkeypatch.setattr(pynn.SGD, "update", spy)
    run("train", *SMALL, "--optimizer", "sgd", "--learning-rate", 0.8, "--batch-size", 500)
    steps = len(rates)
    assert steps >= 4
    np.testing.assert_allclose(rates, 0.8 * (1 - np.arange(steps) / steps), rtol=1e-12)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1, 1]),
        ("step", [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ("linear", [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ("cosine", [(1 + np.cos(np.pi * epoch / 6)) / 2 for epoch in range(6)]),
    ],
)
def test_schedules_of_the_learning_rate(run, monkeypatch, schedule, expected):
    rates = []

    def spy(optimizer, parameters, gradients):
        rates.append(optimizer.learning_rate)

    monkeypatch.setattr(pynn.SGD, "update", spy)
    options = ("--optimizer", "sgd", "--learning-rate", 1, "--schedule", schedule)
    _, out, _ = run("train", "--layers", 16, "--no-plot", "--epochs", 6, "--batch-size", 1295, *options)
    np.testing.assert_allclose(rates, expected, rtol=1e-12)
    assert any(f"sgd, learning rate 1, {schedule} schedule, batch size 1295" in line for line in out)


@pytest.mark.parametrize(
    ("options", "expected"),
    [((), 0.0), (("--optimizer", "adamw"), 0.01), (("--weight-decay", 0.3), 0.3), (("--weight-decay", 0), 0.0)],
    ids=str,
)
def test_weight_decay(run, monkeypatch, options, expected):
    seen = []
    monkeypatch.setattr(pynn.Sequential, "fit", lambda model, *_, optimizer, **__: seen.append(optimizer.weight_decay))
    monkeypatch.setattr(train, "_draw", lambda *_: "")
    _, out, _ = run("train", "--layers", 16, *options)
    assert seen == [expected]
    assert any(f"weight decay {expected:g}" in line for line in out) == (expected > 0)


# Ctrl-C


def test_ctrl_c_saves_the_model_as_it_is(run, monkeypatch):
    step, count = pynn.Sequential.train_step, iter(range(100))

    def interrupted(self, *arguments):
        if next(count) == 30:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(pynn.Sequential, "train_step", interrupted)
    code, out, err = run("train", *SMALL)
    assert code == 130
    assert err[-1] == "pynn: interrupted; the model as trained so far (1 epoch, 30 steps) is in digits.safetensors"
    assert not any(line.startswith("test accuracy") for line in out)
    assert pynn.load("digits.safetensors").notes["dataset"] == "digits"
    assert run("evaluate", "digits.safetensors")[0] == 0


def test_ctrl_c_before_the_first_step_writes_nothing(run, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(pynn.Sequential, "train_step", interrupted)
    assert run("train", *SMALL)[0::2] == (130, ["pynn: interrupted; nothing was trained and nothing written"])
    monkeypatch.setattr(pynn.datasets, "load", interrupted)
    assert run("train", *SMALL) == (130, [], ["pynn: interrupted"])
    assert os.listdir() == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_of_a_process():
    command = [sys.executable, "-m", "pynn", "train", "--layers", "16", "--epochs", "100000"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    ) as running:  # fmt: skip
        while "epoch" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        err = running.stderr.read().splitlines()
        assert running.wait(60) == 130
    assert err[-1].startswith("pynn: interrupted; the model as trained so far (")
    assert pynn.load("digits.safetensors").context.step >= 20


# Wrong input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cifar",), "there is no data set 'cifar'; expected one of digits, mnist, fashion_mnist"),
        (("digits", "mnist"), "unrecognized arguments: mnist"),
        (("--layers", "abc"), "expected widths of at least 1, such as 512 or 512,512, or none; got 'abc'"),
        (("--layers", "0"), "argument --layers: expected widths"),
        (("--layers", "5,,5"), "argument --layers: expected widths"),
        (("--layers", "100000000,100000000", "--no-batchnorm"), "not enough memory"),
        (("--activation", "step"), "argument --activation: invalid choice: 'step'"),
        (("--dropout", "1"), "argument --dropout: expected a number of at least 0 and below 1; got '1'"),
        (("--dropout", "nan"), "argument --dropout"),
        (("--dropout", "half"), "argument --dropout"),
        (("--layers", "none", "--dropout", "7"), "argument --dropout"),
        (("--validation", "1"), "argument --validation"),
        (("--optimizer", "adamax"), "argument --optimizer: invalid choice: 'adamax'"),
        (("--learning-rate", "-1"), "argument --learning-rate: expected a number above 0; got '-1'"),
        (("--learning-rate", "0"), "argument --learning-rate"),
        (("--learning-rate", "inf"), "argument --learning-rate"),
        (("--schedule", "zigzag"), "argument --schedule: invalid choice: 'zigzag'"),
        (("--weight-decay", "-1"), "argument --weight-decay: expected a number of at least 0"),
        (("--model", "vgg19"), "argument --model: invalid choice: 'vgg19'"),
        (("--augment", "spin"), "argument --augment: expected none, or names from flip, crop, rotation"),
        (("--augment", "flip,"), "separated by commas; got ''"),
        (("--augment", "crop:2.5"), "argument --augment: expected crop or crop:NUMBER, such as crop:4; got 'crop:2.5'"),
        (("--augment", "rotation:"), "expected rotation or rotation:NUMBER, such as rotation:10; got 'rotation:'"),
        (("--augment", "flip:2"), "argument --augment: flip:2: Flip: probability is 2.0, expected 0 <= prob"),
        (("--augment", "zoom:1"), "Zoom: low is 0.0, expected a finite number of at least 0.001"),
        (("--augment", "contrast:nan"), "Contrast: low is nan"),
        (("--augment", "crop:8"), "PadCrop: padding is 8, expected less than the pixels of an image, 8×8"),
        (("--augment", "saturation"), "Saturation: images have 1 channels, expected 3"),
        (("--l2", "-0.1"), "argument --l2: expected a number of at least 0"),
        (("--epochs", "0"), "argument --epochs: expected a whole number of at least 1; got '0'"),
        (("--epochs", "1.5"), "argument --epochs"),
        (("--batch-size", "0"), "argument --batch-size"),
        (("--batch-size", "1"), "use a batch_size of at least 2"),
        (("--seed", "-1"), "argument --seed: expected a whole number 0 .. 2^64 - 1; got '-1'"),
        (("--seed", str(2**64)), "argument --seed"),
        (("--dtype", "float16"), "argument --dtype: invalid choice: 'float16'"),
        (("--threads", "0"), "argument --threads"),
        (("--output", "nowhere/m.safetensors"), "the folder nowhere does not exist; choose another --output"),
        (("--output", "m.png"), "--output: expected a name that ends in .safetensors, got 'm.png'"),
        (("--output", "folder.safetensors"), "folder.safetensors is a folder"),
        (("--output", "drawn.safetensors"), "drawn.png is a folder"),
        (("--output", "a" * 250 + ".safetensors"), "aaa"),
        (("mnist",), "MNIST was not found"),
        (("mnist", "--data", "nowhere"), "MNIST was not found: expected in nowhere"),
        (("fashion-mnist", "--data", "nowhere"), "Fashion-MNIST was not found"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_train_says_what_is_wrong(fails, arguments, message):
    Path("folder.safetensors").mkdir()
    Path("drawn.png").mkdir()
    assert message in fails("train", *arguments)
    assert sorted(os.listdir()) == ["drawn.png", "folder.safetensors"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_train_checks_first_that_it_may_write(fails):
    Path("shut").mkdir(mode=0o500)
    assert "cannot write" in fails("train", "--output", "shut/m.safetensors")
    Path("kept.safetensors").touch(0o400)
    assert "write-protected" in fails("train", "--output", "kept.safetensors")


def test_a_full_disk_is_one_line(fails, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(pynn.Sequential, "save", full)
    assert fails("train", *SMALL, "--quiet") == "digits.safetensors: No space left on device"


def test_a_bug_shows_its_traceback(monkeypatch):
    def bug(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(pynn.datasets, "load", bug)
    with pytest.raises(ZeroDivisionError):
        main(["train"])
