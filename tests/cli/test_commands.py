"""The command `pynn`: help, information, the output, and `pynn evaluate`; train and predict have files of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pynn
from pynn.cli import confusion, main, presets

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
    assert confusion.table(counts, ("T-shirt/top", "Bag", "Ankle boot")).splitlines() == [
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
        (3, (8, 8, 1), "distinguishes 3 classes"),
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


@pytest.fixture
def read():
    """Read a picture for a model of 8x8 grey pixels, or of another shape."""
    pytest.importorskip("PIL.Image")
    from pynn.cli import pictures

    return lambda path, shape=(8, 8, 1), invert="auto": pictures.read(str(path), shape, invert)


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
    assert set(presets.READY) == set(pynn.models.__all__) - {"realmlp"}
    assert presets.LEARNING_RATES.keys() == pynn.optimizers.OPTIMIZERS.keys()


def test_version(run):
    assert run("--version") == (0, [f"pynn {pynn.__version__}"], [])


def test_info(run):
    assert run("info") == (0, str(pynn.info()).splitlines(), [])


def test_unknown_commands(fails):
    assert "invalid choice: 'fly'" in fails("fly")
    assert "unrecognized arguments: --fast" in fails("info", "--fast")
    assert "required: MODEL" in fails("evaluate")
    assert "required: FILE" in fails("predict", "m.safetensors")


@pytest.mark.slow
def test_info_as_a_process():
    done = process("info")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[1] == pynn.info().backend


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
@pytest.mark.parametrize("argument", ["info", "--help"])
def test_nobody_reads_the_output(argument):
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as broken:
        assert into(broken, argument) == (141, "")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written():
    with open("/dev/full", "wb") as full:
        assert into(full, "info") == (2, "pynn: error: No space left on device\n")


@pytest.mark.slow
def test_names_that_the_terminal_cannot_show():
    done = process("train", *SMALL, "--output", "zahl_ö→.safetensors", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert os.listdir() == ["zahl_ö→.safetensors"]


@pytest.mark.slow
def test_the_command_loads_nothing_heavy():
    code = (
        "import sys; from pynn.cli import main; main(['info']); print({'matplotlib', 'PIL', 'tqdm'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
