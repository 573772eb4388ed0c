"""Model files: round trips, the bytes that are written, and writing that fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Stretch

import pynn

safetensors = pytest.importorskip("safetensors.numpy")

Points = tuple[np.ndarray, np.ndarray]


class Center(pynn.Layer):
    """An own layer with an own __init__ and state, which it rebinds."""

    def __init__(self, keep: float, places: Any = None, options: dict[str, Any] | None = None) -> None:
        self.keep, self.places, self.options = keep, places, options

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_state("mean", np.zeros(input_shape))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        if training:
            self.mean = self.keep * self.mean + (1 - self.keep) * x.mean(axis=0)
        return x - self.mean

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class Slope(pynn.Layer):
    """An own layer whose parameter is a single number."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("slope", (), pynn.Constant(0.25))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dslope[...] = (dy * np.minimum(self.x, 0)).sum()
        return np.where(self.x > 0, dy, self.slope * dy)


class Tagged(pynn.Layer):
    """An own layer whose arguments bear the words of descriptions."""

    def __init__(self, name: str, items: list[int], arguments: dict[str, Any]) -> None:
        self.name, self.items, self.arguments = name, items, arguments

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class Halves(pynn.initializers.Initializer):
    """An own initializer."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.full(shape, 0.5)


class Weighted(pynn.SoftmaxCrossEntropy):
    """An own loss with a setting."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return self.weight * super().forward(outputs, targets)


OWN = (Stretch, Center, Slope, Tagged, Halves, Weighted)

LAYERS: dict[str, Callable[[], list[pynn.Layer]]] = {
    "affine": lambda: [],
    "affine without bias": lambda: [pynn.Affine(5, use_bias=False)],
    "affine with initializers": lambda: [
        pynn.Affine(5, initializer="he", bias_initializer=pynn.Constant(0.1)),
        pynn.Affine(4, initializer=pynn.Normal(0.2)),
    ],
    "activations": lambda: [
        pynn.Sigmoid(), pynn.Tanh(), pynn.ReLU(), pynn.LeakyReLU(), pynn.LeakyReLU(0.3), pynn.ELU(), pynn.ELU(0.5)
    ],
    "smooth activations": lambda: [
        pynn.SELU(), pynn.Softplus(), pynn.GELU(), pynn.GELU("tanh"), pynn.SiLU(), pynn.Mish(),
        pynn.PSELU(), pynn.PMish(),
    ],
    "fused": lambda: [pynn.Affine(5), pynn.ELU(0.5), pynn.BatchNorm(), pynn.LeakyReLU(0.3)],
    "batchnorm": lambda: [pynn.BatchNorm(), pynn.BatchNorm(momentum=0.5, epsilon=0.125)],
    "dropout": lambda: [pynn.Dropout(0.25), pynn.Dropout(0)],
    "flatten": lambda: [pynn.Flatten()],
    "named": lambda: [pynn.Affine(5).named("first layer ☃"), pynn.ReLU().named("x.y")],
    "sequential": lambda: [pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU())],
    "sequential in sequential": lambda: [pynn.Sequential(pynn.Sequential(pynn.Affine(5)), pynn.Sequential())],
    "own with a parameter": lambda: [Stretch(), Stretch()],
    "own with state": lambda: [Center(0.5), Center(0.75, [1, 2], {"a": [1, None]})],
    "own with a single number": lambda: [pynn.Affine(5), Slope()],
    "own with words of descriptions": lambda: [Tagged("t", [1, 2], {"b": 1})],
    "own initializer": lambda: [pynn.Affine(5, initializer=Halves())],
}  # fmt: skip


def fitted(points: Points, *layers: pynn.Layer, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(*layers, pynn.Affine(3), **settings)
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    return model


# Round trips --------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_comes_back_whole(case: str, dtype: str, points: Points, tmp_path: Path) -> None:
    model = fitted(points, *LAYERS[case](), seed=2**63 + 1, dtype=dtype)
    model.notes = {"dataset": "points", "classes": ["a", "ä", "☃"], "n": 3, "nested": {"r": [0.1, None, True]}}
    path = tmp_path / "model.safetensors"
    model.save(path)
    back = pynn.load(path, own=OWN)
    assert repr(back) == repr(model)
    assert (back.seed, back.dtype, back.input_shape, back.output_shape) == (
        model.seed, model.dtype, model.input_shape, model.output_shape
    )  # fmt: skip
    assert (back.epoch, back.context.step) == (model.epoch, model.context.step) == (2, 6)
    assert back.notes == model.notes
    assert back.tensors().keys() == model.tensors().keys()
    for name, value in model.tensors().items():
        found = back.tensors()[name]
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)
    np.testing.assert_array_equal(back.parameters, model.parameters)
    np.testing.assert_array_equal(back.predict_proba(points[0]), model.predict_proba(points[0]))
    np.testing.assert_array_equal(
        back.forward(points[0], training=True).copy(), model.forward(points[0], training=True)
    )  # the masks too
    back.save(tmp_path / "again")
    model.save(path)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_notes_may_hold_any_key(points: Points, tmp_path: Path) -> None:
    model = fitted(points)
    model.notes = {"kind": "Affine", "data": {"kind": "os.system", "items": [], "arguments": {}, "name": ""}}
    model.save(tmp_path / "m")
    assert pynn.load(tmp_path / "m").notes == model.notes


def test_training_goes_on_where_the_optimizer_keeps_no_state(points: Points, tmp_path: Path) -> None:
    """Counters travel: masks and orders after a load are those of an uninterrupted run."""
    model = pynn.Sequential(pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3), seed=5)
    model.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, batch_size=10, progress=False)
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m")
    back.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, batch_size=10, progress=False)
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    for name, value in model.tensors().items():
        np.testing.assert_array_equal(back.tensors()[name], value)


def test_own_layers_pass_the_gradient_check_after_a_round_trip(tmp_path: Path) -> None:
    model, x = gradients.smooth([Stretch(), pynn.Affine(4), Slope(), Center(0.5), pynn.Affine(3)], (5,))
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m", own=OWN)
    for one in (model, back):  # Center's gradient leaves out that its mean moves with the batch
        one.layers[3].keep = 1
        gradients.check(one, gradients.Projection(), x)


def test_an_own_loss_comes_back(points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, loss=Weighted(2.5), epochs=1, batch_size=10, progress=False)
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m", own=[Weighted])
    assert isinstance(back.loss, Weighted)
    assert back.loss.weight == 2.5
    assert back.evaluate(*points) == model.evaluate(*points)


def test_own_classes_must_be_passed(points: Points, tmp_path: Path) -> None:
    fitted(points, Stretch()).save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"m: .*'Stretch' is not a pynn class; pass your own as .*own=\[Stretch\]"):
        pynn.load(tmp_path / "m")


def test_a_model_trained_on_one_backend_runs_on_the_other(
    points: Points, tmp_path: Path, both_backends: tuple[str, ...]
) -> None:
    pynn.use_backend(both_backends[0])
    model = fitted(points, pynn.Affine(5), pynn.BatchNorm(), pynn.Tanh(), dtype="float64")
    model.save(tmp_path / "m")
    expected = model.predict_proba(points[0])
    pynn.use_backend(both_backends[1])
    np.testing.assert_allclose(pynn.load(tmp_path / "m").predict_proba(points[0]), expected, rtol=1e-12)


# Bytes --------------------------------------------------------------------------------------------


def test_the_same_training_writes_the_same_bytes(points: Points, tmp_path: Path) -> None:
    for name in ("a", "b"):
        model = fitted(points, pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU())
        model.notes = {"b": 1, "a": 2} if name == "a" else {"a": 2, "b": 1}
        model.save(tmp_path / name)
        model.save(tmp_path / f"{name} again")
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1


def test_settings_that_equal_their_defaults_write_the_same_bytes(points: Points, tmp_path: Path) -> None:
    fitted(points, pynn.BatchNorm()).save(tmp_path / "a")
    fitted(points, pynn.BatchNorm(momentum=float("0.9"), epsilon=float("1e-5"))).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_file_is_plain_safetensors(points: Points, tmp_path: Path) -> None:
    model = fitted(points, pynn.BatchNorm())
    model.save(tmp_path / "m")
    tensors = safetensors.load_file(tmp_path / "m")
    assert tensors.keys() == model.tensors().keys()
    np.testing.assert_array_equal(tensors["affine1.weight"], model.layers[1].weight)


@pytest.mark.parametrize("name", ["m", "m.safetensors", "model ☃.bin", ".hidden"])
@pytest.mark.parametrize("kind", [str, Path])
def test_any_path_will_do_and_nothing_else_appears(name: str, kind: type, points: Points, tmp_path: Path) -> None:
    fitted(points).save(kind(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert pynn.load(kind(tmp_path / name)).built


def test_a_relative_path_is_written_where_one_stands(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted(points).save("m")
    assert pynn.load("m").built


# Writing that fails -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    step: str, error: BaseException, points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m"
    fitted(points).save(path)
    old = path.read_bytes()

    def fail(*_: Any) -> None:
        raise error

    other = fitted(points, pynn.Affine(9))
    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(type(error)):
            other.save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    other.save(path)
    assert pynn.load(path).layers[0].units == 9


def test_a_file_is_never_seen_half_written(points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the new name appears, all bytes are in the file behind it."""
    model, seen = fitted(points), []
    replace = os.replace

    def look(source: Any, target: Any) -> None:
        seen.append(Path(source).read_bytes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    model.save(tmp_path / "m")
    assert seen == [(tmp_path / "m").read_bytes()]


def test_an_unbuilt_model_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"not built yet: call model\.build\(input_shape\) or fit it"):
        pynn.Sequential(pynn.Affine(3)).save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        (".", IsADirectoryError, r"is a folder, expected the name of a file"),
        ("missing/m", FileNotFoundError, r"cannot write .*m: the folder .*missing does not exist"),
    ],
)
def test_places_that_cannot_be_written_are_named(
    place: str, error: type[Exception], message: str, points: Points, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        fitted(points).save(tmp_path / place)


def test_notes_that_are_no_plain_data_are_refused(points: Points, tmp_path: Path) -> None:
    model = fitted(points)
    model.notes = {"mean": np.zeros(3)}
    with pytest.raises(TypeError, match=r"cannot be saved in a model file, expected numbers, text, lists"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_layers_that_came_to_one_name_are_refused(points: Points, tmp_path: Path) -> None:
    """In the file one of them would be lost."""
    model = fitted(points, pynn.Affine(5))
    model.layers[0].named("affine2")
    with pytest.raises(ValueError, match=r"two layers are named 'affine2'"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_an_own_layer_that_keeps_no_arguments_is_refused(points: Points, tmp_path: Path) -> None:
    class Careless(Stretch):
        def __init__(self, size: int) -> None:
            self.length = size

    model = fitted(points, Careless(3))
    with pytest.raises(TypeError, match=r"Careless takes the argument 'size'.*self\.size = size"):
        model.save(tmp_path / "m")


def test_float64_state_of_a_custom_layer_is_loaded_or_refused_when_saved(points: Points, tmp_path: Path) -> None:
    """State that an own layer turned into float64 (NumPy does it unasked) must not make a file that nothing reads."""

    class Drifting(Center):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            if training:
                self.mean = np.float64(self.keep) * self.mean + (1 - self.keep) * x.mean(axis=0)
            return (x - self.mean).astype(x.dtype)

    model = fitted(points, Drifting(0.5))
    try:
        model.save(tmp_path / "m")
    except TypeError as error:
        assert "drifting1.mean" in str(error)  # noqa: PT017 (either is right)
    else:
        back = pynn.load(tmp_path / "m", own=[Drifting])
        np.testing.assert_allclose(back.layers[0].mean, model.layers[0].mean, rtol=1e-6)
