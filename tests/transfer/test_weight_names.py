"""Weights from elsewhere: which tensor goes where, by names and by order."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from torch_networks import arrays, own, refused, small

import pynn
from pynn.transfer import load_weights, to_torch


def test_names_map_layers_and_single_tensors(rng: np.random.Generator) -> None:
    model, source = small(), arrays("one", "two")
    source["shift"] = source.pop("out.bias")
    names = {"affine1": "two", "affine2": "one", "affine3": "out", "affine3.bias": "shift"}
    done = load_weights(model, source, names)
    assert done.loaded == tuple(model.tensors())
    np.testing.assert_array_equal(model.layers[0].weight, source["two.weight"].T)
    np.testing.assert_array_equal(model.layers[2].weight, source["one.weight"].T)
    np.testing.assert_array_equal(model.layers[3].bias, source["shift"])
    there = to_torch(model, names)
    assert there.keys() == source.keys()
    for name, array in source.items():
        np.testing.assert_array_equal(there[name], array, name)
        assert there[name].flags.c_contiguous
        assert not np.shares_memory(there[name], model.parameters)


def test_a_head_that_was_trained_on_features_goes_into_its_model(points: tuple[np.ndarray, np.ndarray]) -> None:
    """The head's affine1 is the model's affine3; the model's own affine1, of the same shape, has none there."""
    model = pynn.Sequential(pynn.Affine(4), pynn.ReLU(), pynn.Affine(4), pynn.ReLU(), pynn.Affine(4))
    model.build((4,))
    before = {name: array.copy() for name, array in model.tensors().items()}
    codes, head = pynn.transfer.features(model, points[0]), pynn.Sequential(pynn.Affine(4))
    head.fit(codes, points[1], epochs=3, progress=False)
    with refused(model, r"affine1\.weight is missing: names assigns.*affine2\.bias is missing"):
        load_weights(model, head.tensors(), {"affine3": "affine1"}, layout="pynn")
    done = load_weights(model, head.tensors(), {"affine3": "affine1"}, layout="pynn", strict=False)
    assert done.loaded == ("affine3.weight", "affine3.bias")
    assert done.unexpected == ()
    np.testing.assert_allclose(model.forward(points[0]), head.forward(codes), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.tensors()["affine1.weight"], before["affine1.weight"])


def test_without_a_module_the_name_is_the_tensors() -> None:
    model = small(pynn.Affine(2))
    load_weights(model, {"weight": np.ones((2, 3)), "bias": np.full(2, 7)}, {"affine1": ""})
    np.testing.assert_array_equal(model.layers[0].bias, [7, 7])


def test_the_models_own_names_need_no_map(tmp_path: Path) -> None:
    model, other = own("flattened images"), own("flattened images", seed=4)
    there = to_torch(other)
    assert there["affine1.weight"].shape == (5, 24)
    assert there["batchnorm1.weight"].shape == (24,)
    safetensors.numpy.save_file(there, tmp_path / "net.safetensors")
    load_weights(model, tmp_path / "net.safetensors")
    for name, array in other.tensors().items():
        np.testing.assert_array_equal(model.tensors()[name], array, name)


def test_pynns_layout_is_that_of_model_files(tmp_path: Path, points: tuple[np.ndarray, np.ndarray]) -> None:
    trained = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
    trained.fit(*points, epochs=1, preprocessing=pynn.Standardization(), progress=False)
    trained.save(tmp_path / "model.safetensors")
    model = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(7))
    model.build((4,))
    done = load_weights(model, tmp_path / "model.safetensors", layout="pynn", strict=False)
    assert set(done.missing) == set(done.unexpected) == {"affine2.weight", "affine2.bias"}
    for name in done.loaded:
        np.testing.assert_array_equal(model.tensors()[name], trained.tensors()[name], name)
    with pytest.raises(ValueError, match="is a pynn model: pass layout='pynn'"):
        load_weights(model, tmp_path / "model.safetensors")
    again = load_weights(trained, {name: array.copy() for name, array in trained.tensors().items()}, layout="pynn")
    assert len(again.loaded) == 8


@pytest.mark.parametrize("modules", [("one", "two"), ("b", "a"), ("stem", "block.1"), ("fc", "fc2")])
def test_modules_of_equal_shapes_come_in_the_order_of_the_mapping_and_that_is_shown(
    modules: tuple[str, str], backend: str
) -> None:
    """Whoever defines b before a, and uses a first, would have them swapped without a word."""
    model, source = small(), {**arrays(*modules), "num_batches_tracked": np.array(1)}
    message = rf": affine1\.weight <- {modules[0]}\.weight, affine2\.weight <- {modules[1]}\.weight; pass names="
    with pytest.warns(UserWarning, match=message) as caught:
        done = load_weights(model, source)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(model.layers[0].weight, source[f"{modules[0]}.weight"].T)
    np.testing.assert_array_equal(model.layers[2].weight, source[f"{modules[1]}.weight"].T)
    assert done.sources["affine2.bias"] == f"{modules[1]}.bias"
    assert str(done).splitlines()[:2] == [
        f"affine1.weight <- {modules[0]}.weight", f"affine1.bias <- {modules[0]}.bias",
    ]  # fmt: skip
    again = load_weights(small(), source, done.sources)  # that they are right is said by passing them
    assert again.sources == done.sources


@pytest.mark.parametrize("modules", [("0", "2"), ("fc1", "fc2"), ("block.1.b", "block.2.a"), ("2", "10")])
def test_numbers_that_rise_in_the_order_of_the_mapping_leave_no_doubt(modules: tuple[str, str]) -> None:
    model, source = small(), {**arrays(*modules)}
    source["extra.num_batches_tracked"] = np.array(1)
    load_weights(model, {name: source[name] for name in source})
    np.testing.assert_array_equal(model.layers[0].weight, source[f"{modules[0]}.weight"].T)


@pytest.mark.parametrize("modules", [("2", "0"), ("fc2", "fc1"), ("block.2.a", "block.1.b")])
def test_numbers_that_contradict_the_order_are_refused(modules: tuple[str, str]) -> None:
    model = small()
    with refused(model, r"shapes alone do not determine.*names=\{"):
        load_weights(model, arrays(*modules))
    done = load_weights(model, arrays(*modules), strict=False)
    assert done.loaded == ("affine3.weight", "affine3.bias")
    assert str(done).splitlines()[2:] == [
        *(f"affine{number}.{own} keeps its values" for number in (1, 2) for own in ("weight", "bias")),
        *(f"{module}.{own} was not used" for module in modules for own in ("weight", "bias")),
    ]


def test_a_warning_that_is_an_error_leaves_the_model_as_it_was() -> None:
    model = small()
    before = model.parameters.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="affine1"):
            load_weights(model, arrays("b", "a"))
    np.testing.assert_array_equal(model.parameters, before)


def test_errors_about_many_layers_show_the_first_ones() -> None:
    model = pynn.Sequential(*(pynn.Affine(3) for _ in range(20)), pynn.Affine(2))
    model.build((3,))
    with pytest.warns(UserWarning, match=r"affine12\.weight <- l\.weight, and 8 more \(print the result\)"):
        done = load_weights(model, arrays(*"abcdefghijklmnopqrst"))
    assert len(str(done).splitlines()) == 42


@pytest.mark.parametrize("modules", [("2", "10"), ("fc2", "fc10"), ("block.1.a", "block.2.b"), ("1", "3.f.0")])
def test_in_a_file_numbers_tell_the_order(modules: tuple[str, str], tmp_path: Path) -> None:
    model, source = small(), arrays(*modules)
    safetensors.numpy.save_file(source, tmp_path / "net.safetensors")
    load_weights(model, tmp_path / "net.safetensors")
    np.testing.assert_array_equal(model.layers[0].weight, source[f"{modules[0]}.weight"].T)


def test_a_mapping_that_was_read_from_a_file_is_sorted_as_one(tmp_path: Path) -> None:
    """Its order is that of the alphabet: 10 before 2."""
    model, source = small(), arrays("2", "10", last="11")
    safetensors.numpy.save_file(source, tmp_path / "net.safetensors")
    load_weights(model, dict(sorted(safetensors.numpy.load_file(tmp_path / "net.safetensors").items())))
    np.testing.assert_array_equal(model.layers[0].weight, source["2.weight"].T)
    with refused(model, "shapes alone do not determine"):
        load_weights(model, dict(sorted(arrays("input", "hidden").items())))


@pytest.mark.parametrize("modules", [("input", "hidden"), ("stem", "block.1"), ("fc", "fc2"), ("a1", "b2")])
def test_in_a_file_words_do_not_tell_the_order(modules: tuple[str, str], tmp_path: Path) -> None:
    """A file keeps its names sorted: which of two layers of equal shapes came first nobody knows."""
    model, source = small(), arrays(*modules)
    safetensors.numpy.save_file(source, tmp_path / "net.safetensors")
    with refused(
        model, r"shapes alone do not determine.*names=\{.*model has affine1 \(bias \(3,\), weight \(3, 3\)\), "
    ):
        load_weights(model, tmp_path / "net.safetensors")
    done = load_weights(model, tmp_path / "net.safetensors", strict=False)
    assert done.loaded == ("affine3.weight", "affine3.bias")
    assert len(done.missing) == len(done.unexpected) == 4


def test_another_head_is_left_out(backend: str) -> None:
    """The use of strict=False: the trunk of one network for the task of another."""
    model, source = own("LeNet-5"), to_torch(own("LeNet-5", seed=9))
    source = {name.replace("affine", "fc").replace("conv2d", "conv"): array for name, array in source.items()}
    model.replace_head(pynn.Affine(5))
    head = model.layers[-1].weight.copy()
    with refused(model, r"affine3 \(bias \(5,\), weight \(5, 84\)\).*fc3 \(bias \(10,\), weight \(10, 84\)\)"):
        load_weights(model, source)
    done = load_weights(model, source, strict=False)
    assert done.missing == ("affine3.weight", "affine3.bias")
    assert done.unexpected == ("fc3.weight", "fc3.bias")
    np.testing.assert_array_equal(model.layers[-1].weight, head)
    np.testing.assert_array_equal(model.layer("affine1").bias, source["fc1.bias"])


def test_a_file_without_any_matching_tensor_is_an_error() -> None:
    model = small()
    with refused(model, "nothing was loaded"):
        load_weights(model, {"x.weight": np.ones(7)}, strict=False)
    with refused(model, "nothing was loaded"):
        load_weights(model, {}, strict=False)
