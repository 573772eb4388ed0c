"""The command `pynn`: in this process through `pynn.cli.main`, and a few times as a process of its own."""

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
from pynn.cli import evaluate, main, presets, train

DATA = os.environ.get("PYNN_DATA", "")  # read here, since `alone` takes it away from the tests
pytestmark = pytest.mark.usefixtures("alone")
SMALL = ("--layers", "16", "--epochs", "2", "--no-plot")


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """The file of a small model that reads the digits well."""
    path = tmp_path_factory.mktemp("reader") / "reader.safetensors"
    options = ("--layers", "64", "--dropout", "0", "--epochs", "10", "--batch-size", "32", "--no-plot", "--quiet")
    assert main(["train", *options, "--output", str(path)]) == 0
    return path


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
        (("--augment", "spin"), "argument --augment: expected none, or names out of flip, crop, rotation"),
        (("--augment", "flip,"), "with commas between; got ''"),
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


# evaluate


def test_evaluate_measures_the_test_part(run, reader):
    model, (x, y) = pynn.load(reader), pynn.datasets.digits().test
    code, out, err = run("evaluate", reader)
    assert (code, err) == (0, [])
    measured = model.evaluate(x, y)
    assert out[-2:] == [f"test loss {measured['loss']:.4f}", f"test accuracy {measured['accuracy']:.4f}"]
    rows = [line.split() for line in out if re.match(r"\d ", line)]
    counts = np.array([[0 if cell == "." else int(cell) for cell in row[1:11]] for row in rows])
    predictions = model.predict(x)
    for true in range(10):
        np.testing.assert_array_equal(counts[true], np.bincount(predictions[y == true], minlength=10))
        assert rows[true][11] == f"{np.mean(predictions[y == true] == true):.4f}"
    assert run("evaluate", reader, "digits", "--threads", 1)[1] == out


def test_evaluate_takes_flat_models(run, digits):
    x, y = digits.train
    model = pynn.Sequential(pynn.Affine(10))
    with pytest.warns(UserWarning, match=r"x is uint8 of shape \(\d+, 64\) and taken as plain numbers 0\.\.255"):
        model.fit(x.reshape(len(x), -1), y, epochs=2, progress=False)
    model.save("flat.safetensors")
    _, out, _ = run("evaluate", "flat.safetensors", "digits")
    x, y = digits.test
    assert out[-1] == f"test accuracy {model.evaluate(x.reshape(len(x), -1), y)['accuracy']:.4f}"


def test_table_of_long_names_and_absent_classes():
    counts = np.array([[12345, 0, 1], [0, 0, 0], [2, 0, 2]])
    assert evaluate.table(counts, ("T-shirt/top", "Bag", "Ankle boot")).splitlines() == [
        "               predicted",
        "true               0      1      2  accuracy",
        "--------------------------------------------",
        "0 T-shirt/top  12345      .      1    0.9999",
        "1 Bag              .      .      .         -",
        "2 Ankle boot       2      .      2    0.5000",
    ]


def test_mnist_from_a_folder(run, fails, fake_mnist, reader, monkeypatch):
    _, out, _ = run("train", "mnist", "--data", fake_mnist, *SMALL, "--batch-size", 30)
    assert "mnist: 90 images to train on, 10 for validation (val_), 20 to test, 28x28x1 pixels" in out
    assert pynn.load("mnist.safetensors").input_shape == (28, 28, 1)
    monkeypatch.setenv("PYNN_DATA", str(fake_mnist))
    assert run("evaluate", "mnist.safetensors")[1][-1] == out[-1]
    message = "takes inputs of shape (8, 8, 1), but the images of mnist are (28, 28, 1)"
    assert message in fails("evaluate", reader, "mnist")
    (fake_mnist / "mnist/train-images-idx3-ubyte").write_bytes(b"damaged")
    assert "not an IDX file" in fails("train", "mnist")


@pytest.mark.skipif(not DATA, reason="needs MNIST in PYNN_DATA")
def test_real_mnist(run):
    _, out, _ = run("train", "mnist", "--data", DATA, "--layers", 32, "--dropout", 0, "--epochs", 1, "--no-plot")
    assert float(out[-1].split()[-1]) > 0.93


def test_evaluate_wants_to_know_the_data_set(fails):
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    model.build((8, 8, 1))
    for notes in ({}, {"dataset": "cifar"}, {"dataset": ["digits"]}):
        model.notes = notes
        model.save("m.safetensors")
        assert "name a data set: digits, mnist, fashion_mnist" in fails("evaluate", "m.safetensors")


def test_evaluate_refuses_models_for_something_else(fails):
    for outputs, shape, message in (
        (3, (8, 8, 1), "tells 3 classes apart"),
        (10, (8, 4, 2, 1), "takes inputs of shape"),
    ):
        model = pynn.Sequential(pynn.Flatten(), pynn.Affine(outputs))
        model.build(shape)
        model.save("m.safetensors")
        assert message in fails("evaluate", "m.safetensors", "digits")


def test_damaged_model_files(fails, reader):
    whole = reader.read_bytes()
    damaged = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "noise": np.random.default_rng(0).bytes(5000),
        "longer": whole + b"x",
        "renamed": whole.replace(b"affine1.weight", b"affine9.weight"),
        "foreign": whole.replace(b'\\"Affine\\"', b'\\"Evil__\\"'),
    }
    for name, content in damaged.items():
        assert content != whole
        path = Path(f"{name}.safetensors")
        path.write_bytes(content)
        for command in (("evaluate", path, "digits"), ("predict", path, "x.png")):
            assert f"{name}.safetensors" in fails(*command)
    assert "does not exist" in fails("evaluate", "nowhere.safetensors")
    assert "is a folder" in fails("evaluate", ".")


# predict


@pytest.fixture
def image():
    return pytest.importorskip("PIL.Image")


@pytest.fixture
def read():
    """Read a picture for a model of 8x8 grey pixels, or of another shape."""
    pytest.importorskip("PIL.Image")
    from pynn.cli import pictures

    return lambda path, shape=(8, 8, 1), invert="auto": pictures.read(str(path), shape, invert)


@pytest.fixture
def seven(digits):
    """The pixels (8, 8) of a test digit 7 whose border is dark."""
    x, y = digits.test
    return x[y == 7][0, :, :, 0]


def big(pixels):
    return np.kron(pixels, np.ones((10, 10), np.uint8))


def test_predict_says_what_the_model_says(run, reader, image, digits):
    x, y = digits.test[0][:20], digits.test[1][:20]
    names = [f"{place}.png" for place in range(20)]
    for name, pixels in zip(names, x, strict=True):
        image.fromarray(big(pixels[:, :, 0])).save(name)
    code, out, err = run("predict", reader, *names, "--invert", "no")
    assert (code, err, len(out)) == (0, [], 20)
    sure = pynn.load(reader).predict_proba(x)
    for name, line, row in zip(names, out, sure, strict=True):
        best = np.argsort(-row)[:3]
        assert line == f"{name}: {best[0]}  ({', '.join(f'{label} {row[label]:.4f}' for label in best)})"
    right = sum(line.split(": ")[1][0] == str(label) for line, label in zip(out, y, strict=True))
    assert right >= 17


def test_predict_says_when_it_inverted(run, reader, image, seven):
    image.fromarray(big(seven)).save("light.png")
    image.fromarray(255 - big(seven)).save("dark.png")
    plain, inverted = run("predict", reader, "light.png", "dark.png")[1]
    assert inverted.replace("dark.png", "light.png") == f"{plain}  [inverted: it is dark on light]"
    assert plain.startswith("light.png: 7  (7 ")
    assert run("predict", reader, "dark.png", "--invert", "yes")[1][0].endswith("[inverted]")
    assert "inverted" not in run("predict", reader, "dark.png", "--invert", "no")[1][0]


@pytest.mark.parametrize("invert", ["auto", "yes", "no"])
@pytest.mark.parametrize("light", [False, True])
def test_pixels_survive(read, image, seven, invert, light):
    image.fromarray(big(255 - seven if light else seven)).save("a.png")
    pixels, inverted = read("a.png", invert=invert)
    assert inverted == (invert == "yes" or (invert == "auto" and light))
    np.testing.assert_array_equal(pixels, (seven if light == inverted else 255 - seven)[:, :, np.newaxis], strict=True)


def rgba(colour, alpha):
    return np.dstack((np.broadcast_to(np.uint8(colour), (*alpha.shape, 3)), alpha))


@pytest.mark.parametrize(
    "make",
    [
        lambda image, ink: image.fromarray(ink).convert("RGB"),
        lambda image, ink: image.fromarray(ink).convert("RGBA"),
        lambda image, ink: image.fromarray(ink).convert("P"),
        lambda image, ink: image.fromarray(ink).quantize(),
        lambda image, ink: image.fromarray(ink.astype(np.uint16) * 257),
        lambda image, ink: image.fromarray(rgba(255, ink)),
        lambda image, ink: image.fromarray(rgba(0, ink)),
        lambda image, ink: image.fromarray(np.dstack((255 - ink, np.full_like(ink, 255)))),
    ],
    ids=["rgb", "rgba", "palette", "quantized", "16 bits", "light on clear", "dark on clear", "grey with alpha"],
)
def test_kinds_of_pictures(read, image, seven, make):
    make(image, big(seven)).save("a.png")
    np.testing.assert_allclose(read("a.png")[0].astype(int), seven[:, :, np.newaxis], atol=2)


def test_black_and_white_pictures(read, image, seven):
    image.fromarray(big(seven)).point(lambda value: 255 if value > 100 else 0).convert("1").save("a.png")
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], np.where(seven > 100, 255, 0))


def test_transparent_palette(read, image, seven):
    picture = image.frombytes("P", (80, 80), np.where(big(seven) > 100, 1, 0).astype(np.uint8).tobytes())
    picture.putpalette([255, 0, 255, 0, 0, 0])
    picture.save("a.png", transparency=0)
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], np.where(seven > 100, 255, 0))


def test_colour_models_keep_colours(read, image, rng):
    pixels = rng.integers(0, 256, (4, 4, 3), np.uint8)
    image.fromarray(pixels).save("a.png")
    colours, inverted = read("a.png", (4, 4, 3))
    np.testing.assert_array_equal(colours, pixels)
    assert not inverted
    grey, _ = read("a.png", (4, 4, 1), "no")
    np.testing.assert_allclose(grey[:, :, 0], pixels @ [0.299, 0.587, 0.114], atol=1)


@pytest.mark.parametrize("size", [(8, 16), (16, 8), (80, 160), (3, 1), (1, 1), (1, 20000)], ids=str)
def test_proportions_are_kept_by_padding(read, image, size):
    image.new("L", size, 40).save("a.png")
    pixels, inverted = read("a.png")
    assert not inverted
    assert (pixels.shape, pixels.min(), pixels.max()) == ((8, 8, 1), 40, 40)


def test_a_wide_picture_is_padded_not_squeezed(read, image):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[2:6, 6:10] = 200
    image.fromarray(pixels).save("a.png")
    expected = np.zeros((8, 8), np.uint8)
    expected[3:5, 3:5] = 200
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], expected)


def test_shrinking_takes_means(read, image, rng):
    pixels = rng.integers(0, 100, (80, 80), np.uint8)
    image.fromarray(pixels).save("a.png")
    means = pixels.reshape(8, 10, 8, 10).mean(axis=(1, 3))
    np.testing.assert_allclose(read("a.png")[0][:, :, 0], means, atol=1)


def test_photographs_are_turned_upright(read, image, seven):
    exif = image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    image.fromarray(np.rot90(big(seven))).save("a.png", exif=exif)
    np.testing.assert_array_equal(read("a.png")[0][:, :, 0], seven)


def test_predict_names_the_classes(run, image):
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(2))
    model.build((8, 8, 1))
    image.new("L", (8, 8)).save("a.png")
    for names, shown in ((["cat", "dog"], "cat"), (["cat"], "0"), ("cd", "0"), ([1, 2], "0"), (None, "0")):
        model.notes = {"classes": names}
        model.save("m.safetensors")
        assert run("predict", "m.safetensors", "a.png")[1][0].startswith(f"a.png: {shown}  ({shown} 0.5000, ")


def test_predict_for_flat_models(run, fails, image):
    model = pynn.Sequential(pynn.Affine(3))
    model.build((64,))
    image.new("L", (8, 8)).save("a.png")
    for shape in (None, [8, 8], [8, 4, 1], [8, 8, 0.5], "8x8x1"):
        model.notes = {"image_shape": shape}
        model.save("m.safetensors")
        assert "the model takes inputs of shape (64,), which is no picture" in fails(
            "predict", "m.safetensors", "a.png"
        )
    model.notes = {"image_shape": [8, 8, 1]}
    model.save("m.safetensors")
    assert run("predict", "m.safetensors", "a.png")[0] == 0


def test_predict_says_what_is_wrong_with_a_picture(fails, reader, image, seven, monkeypatch):
    image.fromarray(big(seven)).save("good.png")
    good = Path("good.png").read_bytes()
    Path("empty.png").touch()
    Path("text.png").write_text("no picture")
    Path("cut.png").write_bytes(good[: len(good) // 2])
    Path("flipped.png").write_bytes(good[:60] + bytes(byte ^ 255 for byte in good[60:80]) + good[80:])
    Path("header.png").write_bytes(good[:20])
    Path("script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    image.fromarray(seven.astype(np.float32)).save("float.tiff")
    for name in ("empty", "text", "script"):
        assert f"{name}.png: not a readable picture" in fails("predict", reader, f"{name}.png")
    for name in ("cut", "flipped", "header"):
        assert f"{name}.png: " in fails("predict", reader, "good.png", f"{name}.png")
    assert "floating-point" in fails("predict", reader, "float.tiff")
    assert "nowhere.png does not exist, expected a picture" in fails("predict", reader, "nowhere.png")
    assert "is a folder" in fails("predict", reader, ".")
    for limit in (5000, 1000):  # Pillow warns above its limit, and refuses above its double
        monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", limit)
        assert "good.png: the picture has more than" in fails("predict", reader, "good.png")


def test_predict_advises_no_setting_that_it_has_not(fails, reader, image):
    image.new("L", (4001, 4000)).save("large.png")
    assert fails("predict", reader, "large.png") == (
        "large.png: the picture has more than 16 million pixels, too many for its file size; make it smaller first"
    )


def test_predict_says_how_to_get_pillow(fails, reader, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert fails("predict", reader, "a.png") == 'pictures are read with Pillow: pip install "pynn-cpu[images]"'


# The command itself


@pytest.mark.parametrize("command", [(), ("train",), ("evaluate",), ("predict",), ("info",)])
def test_help_reads_well(run, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    code, out, err = run(*command, "--help")
    assert (code, err) == (0, [])
    assert out[0].startswith(" ".join(("usage: pynn", *command)))
    assert max(map(len, out)) <= 80
    if not command:
        assert run() == (0, out, [])


def test_help_shows_the_defaults(run):
    text = " ".join(" ".join(run("train", "--help")[1]).split())
    for shown in (
        "(default: 512,512)",
        "(default: relu)",
        "(default: 0.5)",
        "(default: adam; ready networks: below)",
        "(default: 10; digits: 20; ready networks: below)",
        "(default: 0; adamw: 0.01; ready networks: below)",
        "resnet20 nesterov 0.05 cosine 0.0005 64 20, 5, 40",
    ):
        assert shown in text
    assert presets.KINDS.keys() == set(pynn.datasets.names())
    assert set(presets.READY) == set(pynn.models.__all__)
    assert presets.LEARNING_RATES.keys() == pynn.optimizers.OPTIMIZERS.keys()


def test_version(run):
    assert run("--version") == (0, [f"pynn {pynn.__version__}"], [])


def test_info(run):
    assert run("info") == (0, str(pynn.info()).splitlines(), [])


def test_unknown_commands(fails):
    assert "invalid choice: 'fly'" in fails("fly")
    assert "unrecognized arguments: --fast" in fails("info", "--fast")
    assert "required: MODEL" in fails("evaluate")
    assert "required: IMAGE" in fails("predict", "m.safetensors")


def test_info_as_a_process():
    done = process("info")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[1] == pynn.info().backend


def test_errors_of_a_process():
    done = process("train", "--epochs", "many")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


def into(stdout, *arguments):
    """A process that writes into this file, with the buffer that Python gives to files."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "pynn", *arguments]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    return done.returncode, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
@pytest.mark.parametrize("argument", ["info", "--help"])
def test_nobody_reads_the_output(argument):
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as broken:
        assert into(broken, argument) == (141, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "wb") as full:
        assert into(full, "info") == (2, "pynn: error: No space left on device\n")


def test_names_that_the_terminal_cannot_show():
    done = process("train", *SMALL, "--output", "zahl_ö→.safetensors", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert os.listdir() == ["zahl_ö→.safetensors"]


def test_the_command_loads_nothing_heavy():
    code = (
        "import sys; from pynn.cli import main; main(['info']); print({'matplotlib', 'PIL', 'tqdm'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
