"""`pynn train --model` with the ready networks, and --augment, on small fake copies of MNIST and CIFAR-10."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import pynn
from pynn.cli import augment, presets

DATA = os.environ.get("PYNN_DATA", "")  # read here, since `alone` takes it away from the tests
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def fake_cifar():
    """A folder with a tiny CIFAR-10 whose classes are colours."""
    folder = Path("data/cifar-10-batches-bin")
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 216, (10, 3, 1))
    for file, count in (("data_batch_1.bin", 80), ("test_batch.bin", 20)):
        labels = np.arange(count) % 10
        planes = (colours[labels] + rng.integers(-20, 21, (count, 3, 1024))).reshape(count, -1)
        np.concatenate([labels[:, None], planes], axis=1).astype(np.uint8).tofile(folder / file)
    (folder / "batches.meta.txt").write_text("\n".join(CLASSES))
    return folder.parent


def measured(folder):
    """The test images and labels."""
    with pytest.warns(UserWarning, match="holds a part of CIFAR-10"):
        return pynn.datasets.cifar10(folder).test


@pytest.fixture
def fitted(monkeypatch):
    """What `fit` was called with; nothing is trained."""
    seen = {}

    def spy(model, x, y, **settings):
        seen.update(settings, model=model)
        raise KeyboardInterrupt

    monkeypatch.setattr(pynn.Sequential, "fit", spy)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", presets.READY)
def test_every_network_learns_from_colour_pictures_and_comes_back(run, fake_cifar, native, name):
    options = ("--data", fake_cifar, "--epochs", 1, "--batch-size", 20)
    code, out, err = run("train", "cifar10", "--model", name, *options, "--no-plot")
    assert code == 0
    assert "cifar10: 70 images to train on, 10 for validation (val_), 20 to test, 32x32x3 pixels" in out
    assert any(line.endswith("1 epoch, augmented by Flip() and PadCrop()") for line in out)
    assert sum("val_accuracy" in line for line in err) == 1
    model = pynn.load("cifar10.safetensors")
    assert model.notes["classes"] == CLASSES
    assert out[-1] == f"test accuracy {model.evaluate(*measured(fake_cifar))['accuracy']:.4f}"
    code, out, _ = run("evaluate", "cifar10.safetensors", "--data", fake_cifar)
    assert code == 0
    assert [line.split()[1] for line in out[5:15]] == CLASSES


def test_lenet5_learns_colours(run, fake_cifar, native):
    options = ("--data", fake_cifar, "--epochs", 12, "--batch-size", 8, "--validation", 0, "--no-plot")
    run("train", "cifar10", "--model", "lenet5", *options)
    _, out, _ = run("evaluate", "cifar10.safetensors", "--data", fake_cifar)
    assert float(out[-1].split()[-1]) >= 0.8


@pytest.mark.skipif(not DATA, reason="needs MNIST in PYNN_DATA")
def test_lenet5_reads_a_part_of_mnist(run, native, tmp_path):
    mnist = pynn.datasets.mnist(DATA)
    for part, (x, y), count in (("train", mnist.train, 4000), ("t10k", mnist.test, 1000)):
        for name, array in (("images-idx3", x[:count, :, :, 0]), ("labels-idx1", y[:count].astype(np.uint8))):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            Path(f"{part}-{name}-ubyte").write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
    _, out, _ = run("train", "mnist", "--model", "lenet5", "--data", tmp_path, "--epochs", 2, "--no-plot")
    assert float(out[-1].split()[-1]) >= 0.9


def test_predict_names_the_class_of_colour_pictures(run, fake_cifar):
    image = pytest.importorskip("PIL.Image")
    options = ("--data", fake_cifar, "--epochs", 1, "--batch-size", 20, "--validation", 0, "--no-plot")
    run("train", "cifar10", "--model", "lenet5", *options)
    pixels = measured(fake_cifar)[0][3]
    image.fromarray(pixels).save("a.png")
    image.fromarray(np.full((40, 60), 250, np.uint8)).save("grey.png")
    row = pynn.load("cifar10.safetensors").predict_proba(pixels[None])[0]
    code, out, _ = run("predict", "cifar10.safetensors", "a.png", "grey.png")
    best = [f"{CLASSES[place]} {row[place]:.4f}" for place in np.argsort(-row)[:3]]
    assert code == 0
    assert out[0] == f"a.png: {best[0].split()[0]}  ({', '.join(best)})"
    assert "inverted" not in out[1]


def test_predict_reads_grey_pictures(run, fake_mnist):
    image = pytest.importorskip("PIL.Image")
    run("train", "mnist", "--model", "deep_convnet", "--data", fake_mnist, "--epochs", 1, "--no-plot")
    image.new("RGB", (50, 40), (255, 255, 255)).save("a.png")
    assert run("predict", "mnist.safetensors", "a.png")[1][0].endswith("[inverted: dark on light]")


@pytest.mark.slow
def test_the_picture_of_a_network(run, fake_cifar):
    pytest.importorskip("matplotlib")
    run("train", "cifar10", "--model", "lenet5", "--data", fake_cifar, "--epochs", 1, "--output", "a.safetensors")
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_a_terminal_sees_a_bar(run, fake_cifar, monkeypatch):
    seen = []
    shown = pynn.ProgressBar.on_step_end

    def spy(self, trainer):
        shown(self, trainer)
        seen.append(self._bar.n)

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(pynn.ProgressBar, "on_step_end", spy)
    _, _, err = run("train", "cifar10", "--model", "lenet5", "--data", fake_cifar, "--epochs", 2, "--no-plot")
    assert seen == [1, 2, 3, 1, 2, 3]  # 70 images, 32 at a time
    assert any("epoch 1/2" in line and "%|" in line for line in err)


def test_ctrl_c_saves_a_network(run, fake_cifar, monkeypatch):
    step, count = pynn.Sequential.train_step, iter(range(100))

    def interrupted(self, *arguments):
        if next(count) == 7:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(pynn.Sequential, "train_step", interrupted)
    code, _, err = run("train", "cifar10", "--model", "lenet5", "--data", fake_cifar, "--batch-size", 12)
    assert code == 130
    assert err[-1] == "pynn: interrupted; the model as trained so far (1 epoch, 7 steps) is in cifar10.safetensors"
    assert run("evaluate", "cifar10.safetensors", "--data", fake_cifar)[0] == 0


def test_the_same_seed_writes_the_same_network(run, fake_cifar, native):
    for name, seed, threads in (("a", 0, 1), ("b", 0, 2), ("c", 1, 2)):
        run(
            *("train", "cifar10", "--model", "deep_convnet", "--data", fake_cifar, "--epochs", 1, "--no-plot"),
            *("--batch-size", 20, "--seed", seed, "--threads", threads, "--output", f"{name}.safetensors"),
        )  # fmt: skip
    files = [Path(f"{name}.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


# What reaches fit


def test_presets_reach_fit(run, fitted, fake_cifar, fake_mnist):
    run("train", "cifar10", "--model", "resnet20", "--data", fake_cifar)
    assert repr(fitted["optimizer"]) == (
        "Nesterov(learning_rate=CosineDecay(rate=0.05, epochs=40), weight_decay=0.0005)"
    )
    assert list(map(repr, fitted["augmentation"])) == ["Flip()", "PadCrop()"]
    assert (fitted["epochs"], fitted["batch_size"], fitted["prefetch"]) == (40, 64, augment.AHEAD)
    run("train", "mnist", "--model", "lenet5", "--data", fake_mnist)
    assert repr(fitted["optimizer"]) == "Adam(learning_rate=CosineDecay(rate=0.002, epochs=5))"
    assert (fitted["augmentation"], fitted["prefetch"], fitted["batch_size"]) == (None, 0, 32)


@pytest.mark.parametrize("optimizer", presets.LEARNING_RATES)
@pytest.mark.parametrize("name", presets.READY)
def test_another_optimizer_takes_its_own_settings(run, fitted, fake_cifar, name, optimizer):
    run("train", "cifar10", "--model", name, "--data", fake_cifar, "--optimizer", optimizer, "--quiet")
    usual = presets.NETWORKS[name]
    assert fitted["optimizer"].learning_rate == presets.LEARNING_RATES[optimizer] * usual.pace
    own = pynn.optimizers.optimizer(optimizer).weight_decay
    expected = usual.weight_decay if optimizer == usual.optimizer and usual.weight_decay is not None else own
    assert fitted["optimizer"].weight_decay == expected


def test_options_of_the_user_override_presets(run, fitted, fake_cifar):
    run(
        *("train", "cifar10", "--model", "vgg_small", "--data", fake_cifar, "--augment", "none", "--dropout", 0.1),
        *("--weight-decay", 0, "--schedule", "constant", "--learning-rate", 0.3, "--dtype", "float64", "--seed", 4),
    )  # fmt: skip
    optimizer = fitted["optimizer"]
    assert (type(optimizer), optimizer.schedule) == (pynn.AdamW, None)
    assert (optimizer.learning_rate, optimizer.weight_decay) == (0.3, 0)
    assert (fitted["augmentation"], fitted["prefetch"]) == (None, 0)
    model = fitted["model"]
    assert {repr(layer) for layer in model.layers if layer.kind == "Dropout"} == {"Dropout(rate=0.1)"}
    assert (model.dtype, model.seed) == (np.float64, 4)


def test_the_mlp_augments_where_it_is_told_to(run, fitted, fake_cifar):
    run("train", "cifar10", "--data", fake_cifar, "--batch-size", 20)
    assert fitted["augmentation"] is None
    run("train", "cifar10", "--data", fake_cifar, "--batch-size", 20, "--augment", "Flip,crop:2", "--layers", 8)
    assert list(map(repr, fitted["augmentation"])) == ["Flip()", "PadCrop(padding=2)"]


def test_the_mlp_learns_from_augmented_digits(run):
    run("train", "--layers", 64, "--epochs", 5, "--augment", "flip:0,rotation:5,contrast", "--no-plot")
    _, out, _ = run("evaluate", "digits.safetensors")
    assert float(out[-1].split()[-1]) > 0.85


# Names and errors


def test_every_augmentation_is_known_by_a_name():
    made = {type(known.make(known.usual)) for known in augment.AUGMENTATIONS.values()}
    assert made == set(pynn.Augmentation.__subclasses__()) & {
        value for value in vars(pynn.data.augmentation).values() if isinstance(value, type)
    }
    assert list(map(repr, augment.read("zoom, shear:5,colour"))) == [
        "Zoom(low=0.9, high=1.1)", "Shear(degrees=5.0)", "ColourShift()",
    ]  # fmt: skip
    assert augment.read("none") == augment.read("") == ()


@pytest.mark.parametrize("name", presets.READY)
@pytest.mark.parametrize(
    "option", [("--layers", "5"), ("--activation", "relu"), ("--batchnorm",), ("--no-batchnorm",), ("--dropout", "0")]
)
def test_options_of_the_mlp_do_not_go_with_networks(fails, name, option):
    if (name, option[0]) == ("vgg_small", "--dropout"):
        return
    message, flag = fails("train", "--model", name, *option), option[0].replace("--no-", "--")
    assert message == f"{flag} has no effect on --model {name}, whose layers are fixed; leave it out"
    assert os.listdir() == []


def test_images_that_a_network_cannot_take(fails):
    message = fails("train", "digits", "--model", "lenet5")
    assert message.startswith("lenet5 cannot take the 8x8x1 pixels of digits: layer 3 (Conv2d): its kernel reaches")
    assert os.listdir() == []
