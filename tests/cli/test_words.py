"""The command line answers the words of other programs, misspellings and arguments in the wrong order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import pynn
from pynn.cli import augment, main, parser, presets, words

pytestmark = pytest.mark.usefixtures("alone")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train --lr 0.1", "unrecognized arguments: --lr; did you mean --learning-rate? (see: pynn train --help)"),
        ("train --lr=0.1", "--lr; did you mean --learning-rate?"),
        ("train -lr 0.1", "-lr; did you mean --learning-rate?"),
        ("train --learning_rate 0.1", "did you mean --learning-rate?"),
        ("train mnist --batch 32", "did you mean --batch-size?"),
        ("train --bs 32", "did you mean --batch-size?"),
        ("train --epoch 5", "did you mean --epochs?"),
        ("train --epohcs 5", "did you mean --epochs?"),
        ("train --n_epochs 5", "did you mean --epochs?"),
        ("train --hidden-layer-sizes 5", "did you mean --layers?"),
        ("train --alpha 0.1", "did you mean --l2?"),
        ("train --random_state 0", "did you mean --seed?"),
        ("train --wd 0.1", "did you mean --weight-decay?"),
        ("train --scheduler cosine", "did you mean --schedule?"),
        ("train --validation_split 0.1", "did you mean --validation?"),
        ("train --out m", "did you mean --output?"),
        ("train --num-workers 2", "did you mean --threads?"),
        ("train --data-dir x", "did you mean --data?"),
        ("train -e 5", "did you mean --epochs?"),
        ("train -help", "did you mean --help?"),
        ("train --keep-prob 0.8", "--dropout is the share that is dropped: 0.2 keeps 0.8"),
        ("train --momentum 0.9", "use --optimizer momentum or --optimizer nesterov"),
        ("train --dataset mnist", "name the data set without an option: pynn train mnist"),
        ("train --device cuda", "pynn runs on the CPU"),
        ("train --patience 3", "fit(callbacks=[pynn.EarlyStopping()])"),
        ("train --no-dropout", "write --dropout 0"),
        ("train --frobnicate 3", "unrecognized arguments: --frobnicate (see: pynn train --help)"),
        ("train --layers 512 512", "there is no data set '512'; write a number after its option, and several widths"),
        ("train digits --layers 512 512", "unrecognized arguments: 512; write a number after its option, and"),
        ("train --batchnorm yes", "there is no data set 'yes'; --batchnorm and --no-batchnorm take no value"),
        ("train --augment flip crop:4", "'crop:4'; separate the names after --augment by commas: --augment"),
        ("train --augment hflip", "got 'hflip'; did you mean flip?"),
        ("train --augment rotate:15", "got 'rotate:15'; did you mean rotation?"),
        ("train epochs=5", "there is no data set 'epochs=5'; an option begins with two dashes: --epochs 5"),
        ("train CIFAR", "did you mean cifar10 or cifar100?"),
        ("train minst", "did you mean mnist?"),
        ("train flowers", "there is no data set 'flowers'; expected one of digits, mnist, fashion_mnist"),
        ("train .", "there is no data set '.'; read your own files and folders in Python"),
        ("train flowers.csv", "flowers.csv does not exist"),
        ("flowers.csv", "did you mean pynn train flowers.csv --target COLUMN?"),
        ("train --test_size 0.3", "did you mean --test?"),
        ("train --n-ens 3", "did you mean --ensemble?"),
        ("train --time_limit 60", "did you mean --time-budget?"),
        ("train m.safetensors", "which is a model file; the model comes first: pynn evaluate MODEL DATASET"),
        ("train --model resnet", "invalid choice: 'resnet'; did you mean resnet20? (choose from mlp, lenet5,"),
        ("train --model ResNet50", "did you mean resnet20?"),
        ("train --model vgg16", "did you mean vgg_small?"),
        ("train --model cnn", "did you mean lenet5?"),
        ("train --activation swish", "did you mean silu?"),
        ("train --optimizer adma", "did you mean adam?"),
        ("train --schedule cos", "did you mean cosine?"),
        ("search --n_trials 5", "unrecognized arguments: --n_trials; did you mean --trials? (see: pynn search --help)"),
        ("search --num-samples 5", "did you mean --trials?"),
        ("search --cv 5", "did you mean --folds?"),
        ("search --scoring accuracy", "did you mean --metric?"),
        ("search --search_space s.toml", "did you mean --space?"),
        ("search --param_distributions s.toml", "did you mean --space?"),
        ("search --study s.log", "did you mean --storage?"),
        ("search --algo tpe", "did you mean --sampler?"),
        ("search --asha", "did you mean --pruner?"),
        ("search --timeout 60", "did you mean --time-budget?"),
        ("search --lr 0.1", "did you mean --learning-rate?"),
        ("search --random_state 0", "did you mean --seed?"),
        ("search --n_jobs 2", "did you mean --jobs?"),
        ("search --num-workers 2", "did you mean --jobs?"),
        ("search --warm-start", "did you mean --go-on?"),
        ("train --trials 5", "unrecognized arguments: --trials; only pynn search has --trials"),
        ("tune digits", "did you mean pynn search?"),
        ("sweep", "did you mean pynn search?"),
        ("evaluate --epochs 5", "unrecognized arguments: --epochs; only pynn train has --epochs"),
        ("evaluate digits m.safetensors", "which is a model file; the model comes first: pynn evaluate MODEL DATASET"),
        ("--epochs 5 train", "--epochs; options of a command follow it: pynn train --epochs ..."),
        ("--lr 0.1", "options of a command follow it: pynn train --learning-rate ..."),
        ("-v", "did you mean --version?"),
        ("fit", "invalid choice: 'fit'; did you mean pynn train? (choose from train, search, evaluate, predict,"),
        ("test m.safetensors", "did you mean pynn evaluate?"),
        ("mnist", "did you mean pynn train mnist?"),
        ("m.safetensors", "did you mean pynn evaluate m.safetensors?"),
        ("help", "did you mean pynn --help?"),
        ("fly", "invalid choice: 'fly' (choose from"),
    ],
)  # fmt: skip
def test_foreign_words_are_answered(fails, command, message):
    assert message in fails(*command.split())
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("CIFAR-10",), {"dataset": "cifar10"}),
        (("Fashion MNIST",), {"dataset": "fashion_mnist"}),
        (("--model", "LeNet-5"), {"model": "lenet5"}),
        (("--model", "ResNet20"), {"model": "resnet20"}),
        (("--activation", "LeakyReLU"), {"activation": "leaky_relu"}),
        (("--optimizer", "AdamW"), {"optimizer": "adamw"}),
        (("--schedule", "Cosine"), {"schedule": "cosine"}),
        (("--output", "with -dash"), {"output": "with -dash"}),
        (("--epochs=3", "--layers=5,6"), {"epochs": 3, "layers": (5, 6)}),
    ],
)
def test_names_are_taken_however_they_are_spelled(options, expected):
    found = vars(parser.build().read(["train", *options]))
    assert {name: found[name] for name in expected} == expected


def test_negative_numbers_are_no_options(fails):
    assert "argument --l2: expected a number of at least 0; got '-1'" in fails("train", "--l2", -1)


def test_names_of_files_may_begin_with_a_dash_behind_two_of_them(fails):
    assert fails("predict", "--", "-m.safetensors", "-a.png") == "-m.safetensors does not exist, expected a model file"


def test_every_word_leads_to_an_option_or_a_sentence():
    commands = parser.build().commands
    options = {option for command in commands.values() for option in command._option_string_actions}
    assert {*words.OPTIONS} - {"--version"} <= options
    assert words.ASKED.keys() == words.SENTENCES.keys()
    choices = {*presets.NETWORKS, *presets.ACTIVATIONS, *presets.SCHEDULES, *augment.AUGMENTATIONS}
    assert words.CHOICES.keys() <= choices
    assert {name for name in words.COMMANDS if name[0] != "-"} == commands.keys()
    known = {
        option: foreign for option, foreign in words.OPTIONS.items() if option != "--jobs"
    }  # else they are threads
    foreign = [word for table in (known, words.ASKED) for several in table.values() for word in several]
    assert len(foreign) == len(set(foreign))


# Arguments in the wrong order


@pytest.fixture
def model_file():
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    model.build((8, 8, 1))
    model.notes["dataset"] = "digits"
    model.save("m.safetensors")
    return Path("m.safetensors")


def test_predict_with_the_picture_first(fails, model_file):
    Path("seven.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\0")
    message = "seven.png is not a model, but m.safetensors looks like it; the model comes first: pynn predict "
    assert fails("predict", "seven.png", "m.safetensors") == f"{message}m.safetensors seven.png"
    assert fails("predict", "nowhere.png", "m.safetensors").startswith("nowhere.png is not a model, but m.safetensors")
    model_file.rename("named otherwise")
    assert fails("predict", "seven.png", "named otherwise").startswith("seven.png is not a model, but named otherwise")
    assert fails("predict", "seven.png", "eight.png").endswith("is not a whole safetensors file but a picture (PNG)")


def test_a_model_without_its_ending(fails, model_file):
    assert fails("evaluate", "m") == "m does not exist; did you mean m.safetensors?"
    with pytest.raises(FileNotFoundError, match=r"^m does not exist; did you mean m\.safetensors\?$"):
        pynn.load("m")
    assert main(["evaluate", "m.safetensors"]) == 0


# One bad picture among others


@pytest.fixture
def image():
    return pytest.importorskip("PIL.Image")


@pytest.mark.parametrize("bad", ["a", "b", "c"])
def test_one_bad_picture_does_not_discard_the_others(run, model_file, image, bad):
    for name, colour in zip("abc", (10, 20, 30), strict=True):
        image.new("L", (8, 8), colour).save(f"{name}.png")
    expected = run("predict", model_file, "a.png", "b.png", "c.png")
    assert expected[0] == 0
    assert len(expected[1]) == 3
    Path(f"{bad}.png").write_text("no picture")
    code, out, err = run("predict", model_file, "a.png", "b.png", "c.png")
    assert code == 2
    assert out == [line for line in expected[1] if not line.startswith(bad)]
    assert len(err) == 1
    assert err[0].startswith(f"pynn: error: {bad}.png: not a readable picture")


def test_each_bad_picture_is_named(run, model_file, image):
    image.new("L", (8, 8)).save("a.png")
    Path("folder.png").mkdir()
    code, out, err = run("predict", model_file, "nowhere.png", "a.png", "folder.png")
    assert (code, len(out)) == (2, 1)
    assert [line.removeprefix("pynn: error: ").split(".png")[0] for line in err] == ["nowhere", "folder"]


def test_patterns_that_the_shell_has_left_are_expanded(run, model_file, image):
    for name in ("b", "a", "[c]"):
        image.new("L", (8, 8)).save(f"{name}.png")
    assert [line.split(":")[0] for line in run("predict", model_file, "*.png")[1]] == ["[c].png", "a.png", "b.png"]
    assert [line.split(":")[0] for line in run("predict", model_file, "[c].png")[1]] == ["[c].png"]
    assert run("predict", model_file, "*.jpg")[2] == [
        "pynn: error: *.jpg does not exist, expected a picture",
    ]  # fmt: skip
