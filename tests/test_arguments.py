"""Arguments of constructors and functions: what is unknown, too much or no number in its range is refused."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import signatures

# Everything that users construct.
PUBLIC = [*vars(pynn).values(), *(getattr(pynn, name) for name in pynn.__all__), *vars(pynn.metrics).values()]
KINDS = sorted(
    {
        one for one in PUBLIC
        if inspect.isclass(one) and issubclass(one, signatures.Constructed) and not one.__name__.startswith("_")
    },
    key=lambda kind: kind.__name__,
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_class_refuses_an_argument_that_it_does_not_take(kind: type) -> None:
    with pytest.raises(TypeError, match=rf"^{kind.__name__} has no 'nonsense'; (it takes|its arguments have) "):
        kind(nonsense=6)


def test_every_family_is_asked() -> None:
    families = (
        pynn.Layer, pynn.Loss, pynn.Optimizer, pynn.Schedule, pynn.Callback, pynn.L2.__base__, pynn.MaxNorm.__base__,
        pynn.initializers.Initializer, pynn.Transformer, pynn.Augmentation, pynn.metrics.Metric, pynn.Decoder,
        pynn.Augment, pynn.Split, pynn.Binner, pynn.Ensemble, pynn.Distributed, pynn.Sequential,
    )  # fmt: skip
    assert all(issubclass(family, signatures.Constructed) for family in families)
    assert len(KINDS) > 90


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pynn.ReLU(max_value=6), r"ReLU has no 'max_value'; it takes no arguments"),
        (lambda: pynn.Softmax(axis=1), r"Softmax has no 'axis'; it is always the last axis"),
        (lambda: pynn.Softplus(beta=5), r"Softplus has no 'beta'; it takes no arguments"),
        (lambda: pynn.Flatten(start_dim=2), r"Flatten has no 'start_dim'"),
        (lambda: pynn.Tanh("x"), r"Tanh\('x'\) has too many arguments: Tanh takes no arguments"),
        (lambda: pynn.GlobalAvgPool2d(7), r"GlobalAvgPool2d\(7\) .* without Global the layer pools over windows"),
        (lambda: pynn.LayerNorm(64), r"LayerNorm\(\) infers the size; epsilon=\.\.\. is its only argument"),
        (lambda: pynn.LayerNorm((8, 8)), r"LayerNorm\(\(8, 8\)\) .*infers the size"),
        (lambda: pynn.GroupNorm(4, 16), r"GroupNorm\(4\) infers the number of channels"),
        (lambda: pynn.BatchNorm(64), r"BatchNorm\(\) infers the number of features"),
        (lambda: pynn.Affine(784, 128), r"Affine\(64\) infers the size of its input"),
        (lambda: pynn.Conv2d(3, 16, 3), r"Conv2d\(16, 3\) infers the channels of its input"),
        (lambda: pynn.Conv1d(3, 16, 3), r"Conv1d\(16, 3\) infers the channels of its input"),
        (lambda: pynn.Reshape(nonsense=3), r"Reshape has no 'nonsense'; its arguments have no names: Reshape\("),
        (lambda: pynn.SGD(0.1, 0.9), r"pynn\.Momentum\(0\.01, momentum=0\.9\)"),
        (lambda: pynn.Dropout(0.5, (8, 1)), r"Dropout takes rate by position, and form"),
        (lambda: pynn.RMSProp(1e-3, 0.9, 0.5), r"RMSProp takes learning_rate, decay by position, and epsilon"),
        (lambda: pynn.AdaGrad(1e-2, 0.1), r"AdaGrad takes learning_rate by position, and epsilon"),
        (lambda: pynn.CosineRestarts(0.1, 10, 2), r"takes rate, epochs_per_cycle by position, and minimum"),
        (lambda: pynn.ReduceOnPlateau(1e-3, "min"), r"takes rate by position, and factor, patience"),
        (lambda: pynn.EarlyStopping("val_loss", 5, 1e-4), r"takes monitor, patience by position"),
        (lambda: pynn.Normal(0, 0.01), r"Normal\(0\.01\) is the standard deviation; the mean is 0"),
        (lambda: pynn.Uniform(-0.1, 0.1), r"Uniform\(0\.05\) draws from -0\.05\.\.0\.05"),
        (lambda: pynn.L2(1e-4, True), r"L2 takes strength by position, and biases"),
        (lambda: pynn.Adam(0.1, weigth_decay=1), r"Adam has no 'weigth_decay'; did you mean weight_decay\?"),
        (lambda: pynn.Ensemble(nonsense=1), r"Ensemble has no 'nonsense'; it takes models, weights"),
        (lambda: pynn.Distributed(nonsense=1), r"Distributed has no 'nonsense'"),
        (lambda: pynn.models.lenet5(lr=0.1), r"Sequential has no 'lr'"),
    ],
)  # fmt: skip
def test_unknown_arguments_are_refused_with_the_valid_ones(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_obvious_arguments_may_be_positional() -> None:
    assert pynn.Adam(1e-3, 0.8, 0.9).beta2 == 0.9
    assert pynn.Dropout(0.5).rate == 0.5
    assert pynn.Conv2d(16, 3).kernel == [3, 3]
    assert pynn.StepDecay(0.1, 2, 0.5).factor == 0.5
    assert pynn.Momentum(0.1, 0.8).momentum == 0.8
    assert pynn.EarlyStopping("loss", 3).patience == 3


def test_a_missing_argument_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'units'"):
        pynn.Affine()  # type: ignore[call-arg]


# Users' own classes


def test_an_own_class_says_what_it_takes_as_pynns_do() -> None:
    class Scale(pynn.Layer):
        def __init__(self, factor: float, *, shift: float = 0) -> None:
            self.factor, self.shift = factor, shift

    class Plain(pynn.Loss):
        pass

    class Narrow(pynn.Adam):
        def __init__(self, learning_rate: float = 0.1) -> None:
            super().__init__(learning_rate)

    assert Scale(2, shift=1).shift == 1
    for make, message in (
        (lambda: Scale(2, size=3), r"Scale has no 'size'; it takes factor, shift"),
        (lambda: Scale(2, 3), r"Scale takes factor by position, and shift"),
        (lambda: Plain(1), r"Plain takes no arguments"),
        (lambda: Narrow(beta1=0.5), r"Narrow has no 'beta1'; it takes learning_rate"),
    ):
        with pytest.raises(TypeError, match=message):
            make()


def test_own_constructors_with_any_arguments_work_as_before() -> None:
    class Named(pynn.SGD):
        def __init__(self, **options: Any) -> None:
            self.title = options.pop("title", "")
            super().__init__(0.5, **options)

    class Listed(pynn.Layer):
        def __init__(self, *sizes: int, **options: Any) -> None:
            self.sizes = sizes
            self.options = options

    class Without(pynn.Layer):  # an own __init__ need not call super()
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter("w", input_shape)
            return input_shape

    named = Named(title="a", weight_decay=0.1)
    assert (named.title, named.weight_decay, named.learning_rate) == ("a", 0.1, 0.5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        Named(nonsense=1)
    assert Listed(1, 2, three=3).options == {"three": 3}
    model = pynn.Sequential(Without(2))
    model.build((3,))
    assert model.parameters.size >= 3


def test_an_own_class_may_have_other_bases_and_a_metaclass() -> None:
    import abc

    class Tagged:
        def __init__(self) -> None:
            self.tag = "t"

    class Both(pynn.Callback, Tagged, abc.ABC):
        def __init__(self) -> None:
            super().__init__()
            self.mine = True

    both = Both()
    assert (both.tag, both.mine) == ("t", True)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_and_pickles_need_no_arguments(again: Callable[[Any], Any]) -> None:
    for one in (pynn.Affine(3), pynn.Adam(0.1, beta1=0.5), pynn.L2(0.3), pynn.Warmup(pynn.StepDecay(0.1, 2), 1)):
        assert repr(again(one)) == repr(one)


def test_signatures_and_help_show_what_a_class_takes() -> None:
    assert not inspect.signature(pynn.ReLU).parameters
    assert list(inspect.signature(pynn.LayerNorm).parameters) == ["epsilon"]
    assert list(inspect.signature(pynn.Sequential.fit).parameters)[:3] == ["model", "x", "y"]
    assert "class_weight" in str(inspect.signature(pynn.Sequential.evaluate))
    assert pynn.Sequential.predict.__doc__


def test_model_files_are_loaded_by_names(tmp_path: Any) -> None:
    model = pynn.Sequential(
        pynn.Affine(6, penalty=pynn.L2(0.1, biases=True)), pynn.BatchNorm(momentum=0.5, epsilon=0.1), pynn.ReLU(),
        pynn.Dropout(0.5, form="vanilla"), pynn.LayerNorm(epsilon=0.2), pynn.GroupNorm(2, epsilon=0.3),
        pynn.Affine(3, initializer=pynn.Glorot(uniform=True)),
    )  # fmt: skip
    model.build((4,))
    model.save(tmp_path / "m.safetensors")
    assert repr(pynn.load(tmp_path / "m.safetensors")) == repr(model)


# Numbers, switches, words

NUMBERS: list[tuple[Callable[[Any], Any], str, float]] = [
    (lambda v: pynn.Adam(v), "learning_rate", 0.1),
    (lambda v: pynn.Adam(beta1=v), "beta1", 0.5),
    (lambda v: pynn.Adam(beta2=v), "beta2", 0.5),
    (lambda v: pynn.Adam(epsilon=v), "epsilon", 0.1),
    (lambda v: pynn.AdamW(weight_decay=v), "weight_decay", 0.1),
    (lambda v: pynn.NAdam(momentum_decay=v), "momentum_decay", 0.1),
    (lambda v: pynn.NAdam(epsilon=v), "epsilon", 0.1),
    (lambda v: pynn.Lion(beta1=v), "beta1", 0.5),
    (lambda v: pynn.Momentum(momentum=v), "momentum", 0.5),
    (lambda v: pynn.Nesterov(momentum=v), "momentum", 0.5),
    (lambda v: pynn.RMSProp(decay=v), "decay", 0.5),
    (lambda v: pynn.RMSProp(epsilon=v), "epsilon", 0.5),
    (lambda v: pynn.AdaGrad(epsilon=v), "epsilon", 0.5),
    (lambda v: pynn.SGD(clip_norm=v), "clip_norm", 0.5),
    (lambda v: pynn.SGD(clip_value=v), "clip_value", 0.5),
    (lambda v: pynn.Dropout(v), "rate", 0.5),
    (lambda v: pynn.SpatialDropout(v), "rate", 0.5),
    (lambda v: pynn.DropConnect(3, v), "rate", 0.5),
    (lambda v: pynn.GaussianNoise(v), "std", 0.5),
    (lambda v: pynn.LeakyReLU(v), "slope", 0.5),
    (lambda v: pynn.ELU(v), "alpha", 0.5),
    (lambda v: pynn.PReLU(initial=v), "initial", 0.5),
    (lambda v: pynn.PeriodicEmbedding(sigma=v), "sigma", 0.5),
    (lambda v: pynn.BatchNorm(momentum=v), "momentum", 0.5),
    (lambda v: pynn.BatchNorm(epsilon=v), "epsilon", 0.5),
    (lambda v: pynn.LayerNorm(epsilon=v), "epsilon", 0.5),
    (lambda v: pynn.GroupNorm(2, epsilon=v), "epsilon", 0.5),
    (lambda v: pynn.Residual(pynn.ReLU(), survival=v), "survival", 0.5),
    (lambda v: pynn.FractionalMaxPool2d(v), "ratio", 1.5),
    (lambda v: pynn.SoftmaxCrossEntropy(v), "label_smoothing", 0.5),
    (lambda v: pynn.Focal(v), "gamma", 0.5),
    (lambda v: pynn.Hinge(v), "margin", 0.5),
    (lambda v: pynn.SquaredHinge(v), "margin", 0.5),
    (lambda v: pynn.Huber(v), "delta", 0.5),
    (lambda v: pynn.Tweedie(v), "power", 1.5),
    (lambda v: pynn.L1(v), "strength", 0.5),
    (lambda v: pynn.L2(v), "strength", 0.5),
    (lambda v: pynn.ElasticNet(v, 0.1), "l1", 0.5),
    (lambda v: pynn.ElasticNet(0.1, v), "l2", 0.5),
    (lambda v: pynn.MaxNorm(v), "limit", 0.5),
    (lambda v: pynn.Constant(v), "value", 0.5),
    (lambda v: pynn.Normal(v), "std", 0.5),
    (lambda v: pynn.Uniform(v), "limit", 0.5),
    (lambda v: pynn.Orthogonal(v), "gain", 0.5),
    (lambda v: pynn.Sparse(3, std=v), "std", 0.5),
    (lambda v: pynn.StepDecay(0.1, v), "every", 0.5),
    (lambda v: pynn.StepDecay(0.1, 1, v), "factor", 0.5),
    (lambda v: pynn.ExponentialDecay(v, 1), "rate", 0.5),
    (lambda v: pynn.InverseTimeDecay(0.1, v), "decay", 0.5),
    (lambda v: pynn.CosineDecay(0.1, v), "epochs", 0.5),
    (lambda v: pynn.CosineRestarts(0.1, v), "epochs_per_cycle", 0.5),
    (lambda v: pynn.CosineRestarts(0.1, 1, minimum=v), "minimum", 0.05),
    (lambda v: pynn.CosLog(v, 10), "rate", 0.5),
    (lambda v: pynn.CosLog(0.1, v), "epochs", 0.5),
    (lambda v: pynn.FlatCosine(v, 10), "rate", 0.5),
    (lambda v: pynn.FlatCosine(0.1, v), "epochs", 0.5),
    (lambda v: pynn.LinearDecay(0.1, 1, v), "end", 0.5),
    (lambda v: pynn.Warmup(v, 1), "schedule", 0.5),
    (lambda v: pynn.Warmup(0.1, 1, start=v), "start", 0.5),
    (lambda v: pynn.Cyclic(0.1, v, 1), "upper", 0.5),
    (lambda v: pynn.OneCycle(0.1, 1, rise=v), "rise", 0.5),
    (lambda v: pynn.OneCycle(0.1, 1, end=v), "end", 0.5),
    (lambda v: pynn.ReduceOnPlateau(0.1, factor=v), "factor", 0.5),
    (lambda v: pynn.ReduceOnPlateau(0.1, min_delta=v), "min_delta", 0.5),
    (lambda v: pynn.EarlyStopping(min_delta=v), "min_delta", 0.5),
    (lambda v: pynn.Deadline(v), "seconds", 0.5),
    (lambda v: pynn.PolyakAverage(v), "decay", 0.5),
    (lambda v: pynn.Checkpoint("f", every_seconds=v), "every_seconds", 0.5),
    (lambda v: pynn.Flip(v), "probability", 0.5),
    (lambda v: pynn.Rotation(v), "degrees", 0.5),
    (lambda v: pynn.Shear(v), "degrees", 0.5),
    (lambda v: pynn.Zoom(v, 2), "low", 0.5),
    (lambda v: pynn.Brightness(v), "delta", 0.5),
    (lambda v: pynn.Contrast(0.1, v), "high", 0.5),
    (lambda v: pynn.Saturation(0.1, v), "high", 0.5),
    (lambda v: pynn.ColourShift(v), "std", 0.5),
    (lambda v: pynn.Whitening(epsilon=v), "epsilon", 0.5),
    (lambda v: pynn.MinMaxScaling((0, v)), "range", 0.5),
    (lambda v: pynn.SmoothClip(v), "limit", 0.5),
    (lambda v: pynn.Split(v), "share", 0.5),
    (lambda v: pynn.split(np.eye(8), [0, 1] * 4, v), "share", 0.5),
]  # fmt: skip
NONE_MEANS_NOT = ("clip_norm", "clip_value", "end", "decay", "std", "every_seconds")


@pytest.mark.parametrize(
    ("make", "name", "good"), NUMBERS, ids=[f"{n}-{name}" for n, (_, name, _) in enumerate(NUMBERS)]
)
def test_numbers_are_finite_numbers_and_nothing_else(make: Callable[[Any], Any], name: str, good: float) -> None:
    make(good)
    make(np.float32(good))
    for wrong in (True, False, "0.1", [good], np.array(good), 1j, math.nan, math.inf, -math.inf, 10**400, -1e9):
        if wrong == -1e9 and name in ("initial", "value"):
            continue
        with pytest.raises(ValueError, match=name):
            make(wrong)
        if not isinstance(wrong, (int, float)) or isinstance(wrong, bool):
            with pytest.raises((TypeError, ValueError), match=name):
                make(wrong)
    if name not in NONE_MEANS_NOT:
        with pytest.raises(ValueError, match=name):
            make(None)


COUNTS: list[tuple[Callable[[Any], Any], str, int]] = [
    (lambda v: pynn.Affine(v), "units", 1),
    (lambda v: pynn.Maxout(3, v), "pieces", 1),
    (lambda v: pynn.Conv2d(v), "channels", 1),
    (lambda v: pynn.Conv2d(4, v), "kernel", 1),
    (lambda v: pynn.Conv2d(4, stride=v), "stride", 1),
    (lambda v: pynn.MaxPool2d(v), "size", 1),
    (lambda v: pynn.AvgPool2d(3, v), "stride", 1),
    (lambda v: pynn.GroupNorm(v), "groups", 1),
    (lambda v: pynn.Transitions(v), "labels", 1),
    (lambda v: pynn.Embedding(5, v), "units", 1),
    (lambda v: pynn.PeriodicEmbedding(v), "frequencies", 1),
    (lambda v: pynn.PeriodicEmbedding(units=v), "units", 2),
    (lambda v: pynn.HierarchicalSoftmax(v), "classes", 2),
    (lambda v: pynn.Sparse(v), "connections", 1),
    (lambda v: pynn.PadCrop(v), "padding", 0),
    (lambda v: pynn.Binner(v), "bins", 2),
    (lambda v: pynn.PCA(v), "components", 1),
    (lambda v: pynn.TableEncoder(v), "one_hot", 0),
    (lambda v: pynn.TableEncoder(max_categories=v), "max_categories", 2),
    (lambda v: pynn.metrics.TopK(v), "k", 1),
    (lambda v: pynn.EarlyStopping(patience=v), "patience", 1),
    (lambda v: pynn.ReduceOnPlateau(0.1, patience=v), "patience", 1),
    (lambda v: pynn.ReduceOnPlateau(0.1, cooldown=v), "cooldown", 0),
    (lambda v: pynn.ModelCheckpoint("m", every=v), "every", 1),
    (lambda v: pynn.PolyakAverage(start=v), "start", 0),
    (lambda v: pynn.PolyakAverage(every=v), "every", 1),
    (lambda v: pynn.SnapshotEnsemble(v), "epochs_per_cycle", 1),
    (lambda v: pynn.Checkpoint("f", keep=v), "keep", 1),
    (lambda v: pynn.Split(0.2, seed=v), "seed", 0),
    (lambda v: pynn.Sequential(seed=v), "seed", 0),
    (lambda v: pynn.models.lenet5(v), "classes", 1),
    (lambda v: pynn.models.resnet20(v), "classes", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "name", "least"), COUNTS, ids=[f"{n}-{name}" for n, (_, name, _) in enumerate(COUNTS)]
)
def test_counts_are_integers_of_their_range(make: Callable[[Any], Any], name: str, least: int) -> None:
    make(max(least, 2))
    make(np.int64(max(least, 2)))
    for wrong in (True, "3", 2.5, least - 1, math.nan, [[3]]):
        with pytest.raises(ValueError, match=rf"{name} is"):
            make(wrong)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda v: pynn.Affine(3, use_bias=v), "use_bias"),
        (lambda v: pynn.Conv2d(3, use_bias=v), "use_bias"),
        (lambda v: pynn.HierarchicalSoftmax(3, use_bias=v), "use_bias"),
        (lambda v: pynn.PReLU(per_feature=v), "per_feature"),
        (lambda v: pynn.FractionalMaxPool2d(1.5, overlapping=v), "overlapping"),
        (lambda v: pynn.Adam(bias_correction=v), "bias_correction"),
        (lambda v: pynn.SGD(decay_biases=v), "decay_biases"),
        (lambda v: pynn.L1(0.1, biases=v), "biases"),
        (lambda v: pynn.He(uniform=v), "uniform"),
        (lambda v: pynn.EarlyStopping(restore_best=v), "restore_best"),
        (lambda v: pynn.ModelCheckpoint("m", save_best_only=v), "save_best_only"),
        (lambda v: pynn.Split(0.2, stratify=v), "stratify"),
        (lambda v: pynn.split(np.eye(8), [0, 1] * 4, stratify=v), "stratify"),
        (lambda v: pynn.Distributed(sync_batchnorm=v), "sync_batchnorm"),
    ],
)
def test_switches_are_true_or_false(make: Callable[[Any], Any], name: str) -> None:
    for wrong in (1, 0, "yes", None, 1.0):
        with pytest.raises(TypeError, match=rf"{name} is .*, expected True or False"):
            make(wrong)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pynn.Dropout(0.5, form=1), r"form is 1, expected one of inverted, vanilla"),
        (lambda: pynn.GELU(["tanh"]), r"approximate is \['tanh'\], expected one of none, tanh"),
        (lambda: pynn.Standardization("column"), r"per is 'column', expected one of feature, channel, all"),
        (lambda: pynn.Whitening("PCA"), r"form is 'PCA', expected one of pca, zca"),
        (lambda: pynn.Binner(3, "uniform"), r"strategy is 'uniform', expected one of quantile, width"),
        (lambda: pynn.Augment(edge="wrap"), r"edge is 'wrap', expected one of zero, reflect"),
        (lambda: pynn.RandomWalk("tanh"), r"activation is 'tanh', expected one of relu, linear"),
    ],
)
def test_words_are_listed(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# Functions


@pytest.fixture
def trained(backend: str) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(2))
    model.fit(np.eye(4), [0, 1, 0, 1], epochs=1, progress=False)
    return model


def test_functions_answer_too(trained: pynn.Sequential) -> None:
    x, y = np.eye(4), [0, 1, 0, 1]
    before = trained.parameters.copy()
    for call, message in (
        (lambda: trained.fit(x, y, validation_split=0.1, verbose=0), r"fit has no 'validation_split'; validation=0\.1"),
        (lambda: trained.fit(x, y, lr=0.1), r"fit has no 'lr'; the learning rate belongs to the optimizer"),
        (lambda: trained.fit(x, y, n_epochs=3), r"fit has no 'n_epochs'; it is called epochs here"),
        (lambda: trained.fit(x, y, 10, 32), r"all but x and y is passed by name: fit\(x, y, epochs=10"),
        (lambda: trained.partial_fit(x, y, epochs=3), r"partial_fit has no 'epochs'"),
        (lambda: trained.evaluate(x, y, verbose=0), r"evaluate has no 'verbose'; it shows nothing"),
        (lambda: trained.predict(x, verbose=0), r"predict has no 'verbose'; it shows nothing"),
        (lambda: trained.predict(x, 2, 3), r"predict takes x, batch_size by position"),
        (lambda: trained.predict_proba(x, steps=3), r"predict_proba has no 'steps'; it takes x, batch_size"),
        (lambda: pynn.split(x, y, test_size=0.5), r"split has no 'test_size'; it is called share here"),
        (lambda: pynn.split(x, y, 0.5, 7), r"split takes x, y, share by position, and seed, stratify"),
        (
            lambda: pynn.batches(x, y, 2, drop_remainder=True),
            r"batches has no .drop_remainder.; it is called drop_last",
        ),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    np.testing.assert_array_equal(trained.parameters, before)
    assert trained.epoch == 1


@pytest.mark.slow
def test_words_are_read_only_where_an_error_is_made(tmp_path: Path) -> None:
    code = """
import sys, numpy as np, pynn
model = pynn.Sequential(pynn.Affine(2), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.5), pynn.Affine(2))
model.fit(np.eye(4), [0, 1, 0, 1], batch_size=2, epochs=1, progress=False, optimizer=pynn.Adam(1e-3))
model.predict(np.eye(4)), model.evaluate(np.eye(4), [0, 1, 0, 1])
late = "pynn.messages.names", "pynn.messages.arguments", "pynn.callbacks.mistakes"
print([name for name in late if name in sys.modules])
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)  # not the clone's sources
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_class_of_two_bases_has_the_arguments_of_both_checked() -> None:
    class Both(pynn.L2, pynn.MaxNorm):
        def __init__(self, strength: float, limit: float) -> None:
            pynn.L2.__init__(self, strength)
            pynn.MaxNorm.__init__(self, limit)

    both = Both(0.1, 3)
    assert (both.strength, both.limit) == (0.1, 3)
    with pytest.raises(ValueError, match="Both: limit is 0"):
        Both(0.1, 0)
