"""Words of other libraries: each is answered with what pynn calls it, and what is said exists."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import initializers, losses, metrics, optimizers
from pynn.messages import arguments, names
from pynn.messages.table import table


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pynn.Adam(lr=1e-3), r"Adam has no 'lr'; the learning rate is its first argument: Adam\(1e-3\)"),
        (lambda: pynn.SGD(lr=1), r"SGD has no 'lr'; the learning rate is its first argument: SGD\(0\.01\)"),
        (lambda: pynn.Adam(betas=(0.9, 0.99)), r"two arguments here: beta1=0\.9, beta2=0\.999"),
        (lambda: pynn.Adam(beta_1=0.9), r"it is called beta1 here"),
        (lambda: pynn.Adam(eps=1e-8), r"it is called epsilon here"),
        (lambda: pynn.SGD(momentum=0.9), r"optimizer of its own: pynn\.Momentum\(0\.01, momentum=0\.9\)"),
        (lambda: pynn.SGD(nesterov=True), r"pynn\.Nesterov\(0\.01, momentum=0\.9\)"),
        (lambda: pynn.RMSProp(rho=0.9), r"it is called decay here"),
        (lambda: pynn.Adam(clipnorm=1), r"it is called clip_norm here"),
        (lambda: pynn.Conv2d(16, kernel_size=3), r"second argument: Conv2d\(16, kernel=3\)"),
        (lambda: pynn.Conv2d(filters=16), r"the number of channels is its first argument: Conv2d\(16, 3\)"),
        (lambda: pynn.Conv2d(in_channels=3, out_channels=16), r"inferred from the first.*'out_channels'; the numb"),
        (lambda: pynn.Conv2d(16, strides=2), r"it is called stride here"),
        (lambda: pynn.MaxPool2d(kernel_size=2), r"the size of the window is its first argument: MaxPool2d\(2\)"),
        (lambda: pynn.MaxPool2d(pool_size=2), r"the size of the window"),
        (lambda: pynn.Affine(4, bias=False), r"use_bias=True or False"),
        (lambda: pynn.Affine(4, activation="relu"), r"a layer of its own: Affine\(\.\.\.\), pynn\.ReLU\(\)"),
        (lambda: pynn.Affine(in_features=3, out_features=4), r"sizes of inputs are inferred"),
        (lambda: pynn.Affine(4, input_shape=(3,)), r"model\.build\(shape\)"),
        (lambda: pynn.Affine(4, kernel_regularizer=None), r"it is called penalty here"),
        (lambda: pynn.Dropout(p=0.5), r"the share that is dropped is its first argument: Dropout\(0\.5\)"),
        (lambda: pynn.Dropout(keep_prob=0.8), r"Dropout\(1 - keep_prob\)"),
        (lambda: pynn.LeakyReLU(negative_slope=0.1), r"it is called slope here"),
        (lambda: pynn.LayerNorm(normalized_shape=3), r"sizes of inputs are inferred"),
        (lambda: pynn.SoftmaxCrossEntropy(reduction="sum"), r"a loss is the mean over the samples"),
        (lambda: pynn.BinaryCrossEntropy(from_logits=True), r"outputs are always logits"),
        (lambda: pynn.L2(l=0.1), r"the strength is its first argument: L2\(1e-4\)"),
        (lambda: pynn.ReduceOnPlateau(0.1, min_lr=0), r"it is called minimum here"),
        (lambda: pynn.ReduceOnPlateau(optimizer=None), r"pass the schedule to the optimizer"),
        (lambda: pynn.StepDecay(0.1, step_size=3), r"it is called every here"),
        (lambda: pynn.CosineDecay(0.1, T_max=3), r"it is called epochs here"),
        (lambda: pynn.EarlyStopping(restore_best_weights=True), r"it is called restore_best here"),
        (lambda: pynn.ModelCheckpoint(filepath="m"), r"it is called path here"),
        (lambda: pynn.PCA(n_components=3), r"it is called components here"),
        (lambda: pynn.MinMaxScaling(feature_range=(0, 1)), r"it is called range here"),
        (lambda: pynn.Normal(stddev=0.1), r"it is called std here"),
        (lambda: pynn.Flip(p=0.5), r"the probability is its first argument"),
        (lambda: pynn.Sequential(layers=[]), r"layers are passed one by one"),
        (lambda: pynn.Affine(3, penalty=0.1), r"penalty is 0\.1, expected a pynn Penalty, such as pynn\.L2\(1e-4\)"),
        (lambda: pynn.Sequential("relu"), r"expected a pynn Layer, such as pynn\.ReLU\(\)"),
    ],
)  # fmt: skip
def test_arguments_are_answered(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_all_unknown_arguments_are_answered_at_once() -> None:
    with pytest.raises(TypeError, match=r"no 'lr'; .*\. Adam has no 'betas'; .*\. Adam has no 'eps'; "):
        pynn.Adam(lr=1, betas=(0.9, 0.99), eps=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("choose", "word", "message"),
    [
        (losses.loss, "mse", r"loss is 'mse', use 'l2', which sums over outputs .*; expected one of softmax_cross"),
        (losses.loss, "MSE", r"use 'l2'"),
        (losses.loss, "svm", r"use 'hinge', or 'binary_hinge'"),
        (losses.loss, "categorical_crossentropy", r"use 'softmax_cross_entropy', .*y\.argmax\(axis=1\)"),
        (losses.loss, "sparse_categorical_crossentropy", r"use 'softmax_cross_entropy'"),
        (losses.loss, "binary_crossentropy", r"use 'binary_cross_entropy'"),
        (losses.loss, "nll", r"use 'softmax_cross_entropy'"),
        (losses.loss, "mae", r"use 'l1'"),
        (optimizers.optimizer, "sgd_momentum", r"use 'momentum', or pynn\.Momentum"),
        (optimizers.optimizer, "lbfgs", r"use pynn\.minimize\(model, x, y\)"),
        (metrics.metric, "acc", r"'acc' is unknown, use 'accuracy'; expected one of accuracy"),
        (metrics.metric, "r2_score", r"use 'r2'"),
        (metrics.metric, "mean_squared_error", r"unknown, use 'mse'"),
        (initializers.initializer, "xavier_uniform", r"use 'glorot_uniform'"),
        (initializers.initializer, "kaiming_normal", r"use 'he'"),
        (losses.loss, "nonsense", r"loss is 'nonsense', expected one of"),
    ],
)
def test_names_are_answered(choose: Callable[[Any], Any], word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(word)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Linear", r"module 'pynn' has no attribute 'Linear'; use pynn\.Affine\(units\)"),
        ("Dense", r"use pynn\.Affine"),
        ("Conv2D", r"use pynn\.Conv2d"),
        ("BatchNorm1d", r"use pynn\.BatchNorm\(\)"),
        ("CrossEntropyLoss", r"use pynn\.SoftmaxCrossEntropy\(\), of logits"),
        ("MSELoss", r"use pynn\.SquaredError\(\)"),
        ("nn", r"use pynn\.Sequential"),
        ("optim", r"use pynn\.optimizers"),
        ("train_test_split", r"use pynn\.split\(x, y, 0\.2\)"),
        ("StandardScaler", r"use pynn\.Standardization\(\)"),
        ("DataLoader", r"use pynn\.batches"),
        ("Tensor", r"'Tensor'; pynn takes and returns NumPy arrays"),
        ("nonsense", r"module 'pynn' has no attribute 'nonsense'$"),
        ("__nonsense__", r"module 'pynn' has no attribute '__nonsense__'$"),
    ],
)
def test_attributes_of_the_package_are_answered(name: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        getattr(pynn, name)


def test_names_in_the_advice_exist() -> None:
    """Every pynn.NAME in an answer is there, with the arguments that the answer gives by name."""
    said = [text for section in (names.NAMES, arguments.ANSWERS) for text in _texts(section)]
    said += [*names.ATTRIBUTES.values(), *arguments.PLACES.values(), *arguments.MEANINGS.values()]
    for text in said:
        for name, call in re.findall(r"pynn\.([A-Za-z]\w*)(?:\(([^()]*)\))?", text):
            thing = getattr(pynn, name)
            for word in re.findall(r"(\w+)=", call):
                taken = inspect.signature(thing).parameters
                options = any(one.kind is one.VAR_KEYWORD for one in taken.values())
                assert word in taken or (options and word in ("weight_decay",)), text
    fit, losses_ = inspect.signature(pynn.Sequential.fit).parameters, losses.LOSSES
    for section in ("fit", "Optimizer", "Layer", "Loss"):
        for text in arguments.ANSWERS[section].values():
            for word in re.findall(r"fit\((\w+)=", text):
                assert word in fit, text
    for text in names.NAMES["loss"].values():
        assert all(name in losses_ for name in re.findall(r"'(\w+)'", text)), text
    for text in names.NAMES["optimizer"].values():
        assert all(name in optimizers.OPTIMIZERS for name in re.findall(r"'(\w+)'", text)), text
    for text in names.NAMES["initializer"].values():
        assert all(name in initializers.INITIALIZERS for name in re.findall(r"'(\w+)'", text)), text


def test_no_word_is_answered_that_pynn_has_itself() -> None:
    assert not [name for name in names.ATTRIBUTES if hasattr(pynn, name)]
    functions = (pynn.Sequential.fit, pynn.Sequential.evaluate, pynn.Sequential.predict, pynn.split, pynn.batches)
    for function in functions:
        assert not arguments.ANSWERS[function.__name__].keys() & inspect.signature(function).parameters.keys()
    assert not losses.LOSSES.keys() & names.NAMES["loss"].keys()
    assert not optimizers.OPTIMIZERS.keys() & names.NAMES["optimizer"].keys()
    assert not metrics.METRICS.keys() & names.NAMES["metrics"].keys()
    assert not initializers.INITIALIZERS.keys() & names.NAMES["initializer"].keys()


def test_a_table_is_read_line_by_line() -> None:
    assert table("""
        [a]
        x y: one: two
        [b]
        z: three
    """) == {"a": {"x": "one: two", "y": "one: two"}, "b": {"z": "three"}}


def _texts(sections: dict[str, dict[str, str]]) -> list[str]:
    return [text for section in sections.values() for text in section.values()]


@pytest.mark.slow
def test_plot_is_there_after_import_pynn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code = "import sys, pynn; print('matplotlib' in sys.modules, pynn.plot.history.__name__, 'plot' in dir(pynn))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)  # not the clone's sources
    assert (done.stdout.strip(), done.returncode) == ("False history True", 0), done.stderr


def test_fit_answers_to_names(backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(2))
    x, y = np.eye(4), [0, 1, 0, 1]
    for settings, message in (
        ({"loss": "mse"}, r"loss is 'mse', use 'l2'"),
        ({"optimizer": "sgd_momentum"}, r"optimizer is 'sgd_momentum', use 'momentum'"),
        ({"metrics": ["acc"]}, r"metrics: 'acc' is unknown, use 'accuracy'"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(x, y, progress=False, **settings)
    assert not model.built
    model.fit(x, y, optimizer="adamw", progress=False, epochs=1)
    assert isinstance(model.optimizer, pynn.AdamW)
