"""Weights from elsewhere: PyTorch's networks give the same outputs here; what does not fit is named."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import pynn
from pynn.transfer import load_weights, to_torch

# PyTorch as an oracle --------------------------------------------------------------------------------


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def mlp(nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(12, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 9, bias=False), nn.LayerNorm(9), nn.PReLU(9),
        nn.Linear(9, 4),
    )  # fmt: skip


def own_mlp() -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Affine(9), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(9, use_bias=False), pynn.LayerNorm(),
        pynn.PReLU(per_feature=True), pynn.Affine(4),
    )  # fmt: skip


def flattened(nn: Any) -> Any:
    """What stands on flattened images, before an affine layer takes them."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, groups=1, bias=False), nn.GroupNorm(2, 4), nn.PReLU(), nn.Conv2d(4, 8, 3, groups=2),
        nn.Flatten(), nn.BatchNorm1d(24), nn.PReLU(24), nn.LayerNorm(24), nn.Linear(24, 5), nn.BatchNorm1d(5),
        nn.Linear(5, 3),
    )  # fmt: skip


def own_flattened() -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(4, 3, padding="valid", use_bias=False), pynn.GroupNorm(2), pynn.PReLU(),
        pynn.Conv2d(8, 3, padding="valid", groups=2), pynn.Flatten(), pynn.BatchNorm(), pynn.PReLU(per_feature=True),
        pynn.LayerNorm(), pynn.Affine(5), pynn.BatchNorm(), pynn.Affine(3),
    )  # fmt: skip


def block(nn: Any, before: int, channels: int, stride: int) -> Any:
    """A residual block; its module is made here, since torch is not there for everybody."""

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.f = nn.Sequential(
                nn.Conv2d(before, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
                nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels),
            )  # fmt: skip
            projects = before != channels
            self.g = nn.Sequential(
                nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            ) if projects else nn.Identity()  # fmt: skip

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.f(x) + self.g(x))

    return Block()


def residual(nn: Any) -> Any:
    return nn.Sequential(block(nn, 3, 5, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))


def own_residual() -> pynn.Sequential:
    shortcut = pynn.Sequential(pynn.Conv2d(5, 1, stride=2, use_bias=False), pynn.BatchNorm())
    return pynn.Sequential(
        pynn.Residual(
            pynn.Conv2d(5, stride=2, padding=1, use_bias=False), pynn.BatchNorm(), pynn.ReLU(),
            pynn.Conv2d(5, use_bias=False), pynn.BatchNorm(), shortcut=shortcut,
        ),
        pynn.ReLU(), pynn.GlobalAvgPool2d(), pynn.Affine(4),
    )  # fmt: skip


def resnet20(nn: Any) -> Any:
    layers, before = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        for number in range(3):
            layers.append(block(nn, before, channels, stride if number == 0 else 1))
            before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


NETWORKS: dict[str, tuple[Callable[[Any], Any], Callable[[], pynn.Sequential], tuple[int, ...]]] = {
    "LeNet-5": (lenet, pynn.models.lenet5, (28, 28, 1)),
    "MLP": (mlp, own_mlp, (12,)),
    "flattened images": (flattened, own_flattened, (5, 7, 3)),
    "residual block": (residual, own_residual, (8, 8, 3)),
    "ResNet-20": (resnet20, pynn.models.resnet20, (32, 32, 3)),
}


def theirs(torch: Any, name: str) -> tuple[Any, Any]:
    """The network with weights and statistics that are not the first ones, and inputs."""
    make, _, shape = NETWORKS[name]
    torch.manual_seed(1)
    net, x = make(torch.nn), torch.randn(6, *(shape if len(shape) == 1 else (shape[2], *shape[:2])))
    for parameter in net.parameters():
        if parameter.ndim == 1:
            parameter.data.uniform_(0.5, 1.5)
    net.train()
    for _ in range(3):
        net(2 * x + 1)
    return net.eval(), x


def outputs(torch: Any, net: Any, x: Any) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(net(x))


def features_last(x: Any) -> np.ndarray:
    array = np.asarray(x)
    return array if array.ndim == 2 else np.ascontiguousarray(array.transpose(0, 2, 3, 1))


def own(name: str, seed: int = 3) -> pynn.Sequential:
    model = NETWORKS[name][1]()
    model.context.seed = seed
    model.build(NETWORKS[name][2])
    return model


@pytest.mark.parametrize("how", ["state_dict", "parameters that are trained", "file"])
@pytest.mark.parametrize("name", NETWORKS)
def test_torchs_network_gives_the_same_outputs_here(
    name: str, how: str, backend: str, torch: Any, tmp_path: Path
) -> None:
    net, x = theirs(torch, name)
    source: Any = net.state_dict()
    if how == "file":
        safetensors.numpy.save_file(
            {key: np.asarray(value) for key, value in source.items()}, tmp_path / "net.safetensors"
        )
        source = tmp_path / "net.safetensors"
    elif how != "state_dict":
        source = net.state_dict(keep_vars=True)
    model, names = own(name), None
    if how == "file" and "res" in name.lower():  # f.1 and g.1 have equal shapes, and no number to sort them by
        with pytest.raises(ValueError, match="the shapes alone do not tell"):
            load_weights(model, source)
        modules = dict.fromkeys(key.rpartition(".")[0] for key in net.state_dict())
        layers = dict.fromkeys(key.rpartition(".")[0] for key in model.tensors())
        names = dict(zip(layers, modules, strict=True))
    before = model.forward(features_last(x)).copy()
    with shown(how != "file" and "res" in name.lower()):
        done = load_weights(model, source, names)
    assert set(done.loaded) == set(model.tensors())
    assert (done.missing, done.unexpected) == ((), ())
    expected = outputs(torch, net, x)
    np.testing.assert_allclose(model.forward(features_last(x)), expected, rtol=1e-5, atol=1e-5)
    assert np.abs(before - expected).max() > 0.01


@pytest.mark.parametrize("name", NETWORKS)
def test_torch_gives_the_same_outputs_with_weights_from_here(name: str, torch: Any) -> None:
    net, x = theirs(torch, name)
    model = own(name)
    model.fit(features_last(x), np.arange(6) % 3, epochs=2, batch_size=6, optimizer=pynn.SGD(0.05), progress=False)
    there = [key for key in net.state_dict() if not key.endswith("num_batches_tracked")]
    ours = to_torch(model)
    for key, array in zip(there, ours.values(), strict=True):
        assert net.state_dict()[key].shape == array.shape
    state = {key: torch.from_numpy(array) for key, array in zip(there, ours.values(), strict=True)}
    net.load_state_dict(state)
    np.testing.assert_allclose(outputs(torch, net, x), model.forward(features_last(x)), rtol=1e-5, atol=1e-5)


def test_types_that_numpy_lacks_come_as_float32(torch: Any) -> None:
    net, x = theirs(torch, "MLP")
    model = own("MLP")
    load_weights(model, {key: value.bfloat16() for key, value in net.state_dict().items()})
    np.testing.assert_allclose(model.forward(features_last(x)), outputs(torch, net.bfloat16().float(), x), atol=1e-5)


def test_a_file_with_types_that_numpy_lacks_is_refused(torch: Any, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model = small(pynn.Affine(2))
    save_file({"affine1.weight": torch.ones(2, 3), "affine1.bias": torch.ones(2).bfloat16()}, tmp_path / "net")
    with refused(model, r"affine1\.bias for affine1\.bias is (BF16|bfloat16), expected numbers that NumPy has"):
        load_weights(model, tmp_path / "net")


def test_a_module_is_not_its_state_dict(torch: Any) -> None:
    with pytest.raises(TypeError, match=r"source is Sequential.*pass its .state_dict\(\)"):
        load_weights(own("MLP"), theirs(torch, "MLP")[0])


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_pickle_is_refused_and_how_to_convert_it_is_said(torch: Any, suffix: str, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / f"net{suffix}")
    with pytest.raises(
        ValueError, match=r"is a pickle, which can run code.*safetensors\.torch\.save_file\(torch\.load"
    ):
        load_weights(own("MLP"), tmp_path / f"net{suffix}")


# Names ----------------------------------------------------------------------------------------------


def shown(expected: bool) -> Any:
    """A block that must warn of layers of equal shapes whose names do not tell their order, or must not."""
    return pytest.warns(UserWarning, match="in the order of the source") if expected else nullcontext()


def small(*layers: pynn.Layer) -> pynn.Sequential:
    model = pynn.Sequential(*(layers or (pynn.Affine(3), pynn.ReLU(), pynn.Affine(3), pynn.Affine(2))))
    model.build((3,))
    return model


def arrays(*modules: str, last: str = "out") -> dict[str, np.ndarray]:
    """Two affine layers (3, 3) and one (3, 2), as PyTorch has them, all numbers different."""
    found = {}
    for number, (module, units) in enumerate([*((one, 3) for one in modules), (last, 2)]):
        found[f"{module}.weight"] = np.arange(units * 3, dtype=np.float32).reshape(units, 3) + 100 * number
        found[f"{module}.bias"] = np.arange(units, dtype=np.float32) - 100 * number
    return found


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
    with refused(model, r"shapes alone do not tell.*names=\{"):
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


def test_of_many_layers_the_first_are_shown() -> None:
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
    with refused(model, "shapes alone do not tell"):
        load_weights(model, dict(sorted(arrays("input", "hidden").items())))


@pytest.mark.parametrize("modules", [("input", "hidden"), ("stem", "block.1"), ("fc", "fc2"), ("a1", "b2")])
def test_in_a_file_words_do_not_tell_the_order(modules: tuple[str, str], tmp_path: Path) -> None:
    """A file keeps its names sorted: which of two layers of equal shapes came first nobody knows."""
    model, source = small(), arrays(*modules)
    safetensors.numpy.save_file(source, tmp_path / "net.safetensors")
    with refused(model, r"shapes alone do not tell.*names=\{.*model has affine1 \(bias \(3,\), weight \(3, 3\)\), "):
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


def test_nothing_that_fits_is_an_error_too() -> None:
    model = small()
    with refused(model, "nothing was loaded"):
        load_weights(model, {"x.weight": np.ones(7)}, strict=False)
    with refused(model, "nothing was loaded"):
        load_weights(model, {}, strict=False)


# What is refused ------------------------------------------------------------------------------------


class refused:
    """ValueError that says so, and a model that is as it was."""

    def __init__(self, model: pynn.Sequential, text: str) -> None:
        self.model, self.text = model, text
        self.before = {name: array.copy() for name, array in model.tensors().items()}

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> bool:
        assert kind is ValueError, error
        assert re.search(self.text, str(error)), error
        for name, array in self.model.tensors().items():
            np.testing.assert_array_equal(array, self.before[name], name)
        return True


def test_every_mismatch_is_named_in_one_error() -> None:
    model, source = small(), arrays("one", "two")
    names = {"affine1": "one", "affine2": "two", "affine3": "out"}
    del source["one.bias"]
    source["two.weight"] = np.ones((3, 4))
    source["out.bias"] = np.array([np.nan, 0])
    source["more"] = np.ones(3)
    with refused(
        model,
        r"nothing was loaded.*affine1\.bias is missing, expected one\.bias \(3,\); two\.weight has shape \(3, 4\), "
        r"expected \(3, 3\) for affine2\.weight; out\.bias for affine3\.bias holds NaN.*; more \(3,\) has no place",
    ):
        load_weights(model, source, names)
    done = load_weights(model, source, names, strict=False)
    assert done.loaded == ("affine1.weight", "affine2.bias", "affine3.weight")
    assert done.missing == ("affine1.bias", "affine2.weight", "affine3.bias")
    assert done.unexpected == ("two.weight", "out.bias", "more")


def test_the_other_layout_is_guessed_at() -> None:
    model = small(pynn.Affine(2))
    with refused(model, r"expected \(2, 3\)"):
        load_weights(model, {"affine1.weight": np.ones((3, 2)), "affine1.bias": np.ones(2)})
    with refused(model, r"which is pynn's own layout \(layout='pynn'\)"):
        load_weights(model, {"affine1.weight": np.ones((3, 2)), "affine1.bias": np.ones(2)})


@pytest.mark.parametrize(
    "value", [np.array(["a"] * 2), np.ones(2, complex), np.full(2, 1e300), np.full(2, np.inf), np.array([None, None])]
)
def test_what_are_no_weights_is_refused(value: np.ndarray) -> None:
    model = small(pynn.Affine(2))
    with refused(model, r"affine1\.bias"):
        load_weights(model, {"affine1.weight": np.ones((2, 3)), "affine1.bias": value})


def test_extreme_weights_are_loaded_as_they_are(backend: str) -> None:
    model = small(pynn.Affine(2))
    load_weights(model, {"affine1.weight": np.full((2, 3), 1e4), "affine1.bias": np.zeros(2, np.float16)})
    load_weights(model, {"affine1.weight": np.full((2, 3), 1e4), "affine1.bias": np.zeros(2, np.int8)})
    loss = model.evaluate(np.ones((2, 3)), [0, 1])["loss"]
    assert np.isfinite(loss)


def test_settings_of_other_kinds_are_refused(tmp_path: Path) -> None:
    model, source = small(), arrays("one", "two")
    with refused(model, "layout is 'keras', expected 'torch' or 'pynn'"):
        load_weights(model, source, layout="keras")
    with refused(model, r"names has 'conv1', 'affine1.gamma', unknown in the model; .*affine1, affine2, affine3"):
        load_weights(model, source, {"conv1": "one", "affine1.gamma": "two"})
    for wrong, text in (
        ({"names": ["one"]}, "names is list"), ({"names": {"affine1": 1}}, "expected text"), ({"source": 3}, "int"),
        ({"source": {1: np.ones(2)}}, "a name in the mapping is 1"), ({"source": {"state_dict": {}}}, "mapping itself"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=text):
            load_weights(model, **{"source": source, **wrong})  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="not built"):
        load_weights(pynn.Sequential(pynn.Affine(2)), source)
    with pytest.raises(RuntimeError, match="not built"):
        to_torch(pynn.Sequential(pynn.Affine(2)))
    with pytest.raises(ValueError, match=r"two tensors would be named 'fc\.weight'"):
        to_torch(model, {"affine1": "fc", "affine2": "fc"})


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    model = small()
    with pytest.raises(FileNotFoundError, match=r"no\.safetensors does not exist"):
        load_weights(model, tmp_path / "no.safetensors")
    with pytest.raises(IsADirectoryError):
        load_weights(model, tmp_path)
    (tmp_path / "broken.safetensors").write_bytes(b"12345678 and more")
    with refused(model, "not a whole safetensors file"):
        load_weights(model, tmp_path / "broken.safetensors")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    with refused(model, "not a whole safetensors file"):
        load_weights(model, tmp_path / "empty.safetensors")


def test_a_file_whose_first_byte_is_that_of_a_pickle_is_read(tmp_path: Path) -> None:
    """A safetensors file begins with the length of its header: 128 + 256·n is 0x80."""
    model, file = small(pynn.Affine(2)), tmp_path / "net.safetensors"
    source = {"weight": np.ones((2, 3)), "bias": np.ones(2)}
    for length in range(0, 256, 8):
        safetensors.numpy.save_file(source, file, {"text": "x" * length})
        if file.read_bytes()[0] == 0x80:
            break
    assert file.read_bytes()[0] == 0x80
    assert len(load_weights(model, file, {"affine1": ""}).loaded) == 2


def test_a_group_norm_on_flattened_images_has_no_place_in_torchs_order() -> None:
    model = pynn.Sequential(pynn.Flatten(), pynn.GroupNorm(2), pynn.Affine(2))
    model.build((2, 3, 4))
    with refused(model, "groupnorm1 reads flattened images"):
        to_torch(model)
    block = pynn.Sequential(pynn.Flatten(), pynn.Residual(pynn.Affine(24)), pynn.Affine(2))
    block.build((2, 3, 4))
    with refused(block, "residual1 reads flattened images"):
        to_torch(block)
    grey = pynn.Sequential(pynn.Flatten(), pynn.GroupNorm(2), pynn.Affine(2))
    grey.build((2, 3, 1))  # one channel: the order is the same
    np.testing.assert_array_equal(to_torch(grey)["affine1.weight"], grey.layers[2].weight.T)


def test_layers_that_torch_has_not_keep_their_names() -> None:
    model = small(pynn.Maxout(4, 3), pynn.DropConnect(5, 0.2), pynn.HierarchicalSoftmax(4))
    there = to_torch(model)
    assert there["maxout1.weight"].shape == (12, 3)
    assert there["hierarchicalsoftmax1.nodes"].shape == (3, 5)
    other = small(pynn.Maxout(4, 3), pynn.DropConnect(5, 0.2), pynn.HierarchicalSoftmax(4))
    other.parameters = 0
    load_weights(other, there)
    np.testing.assert_array_equal(other.parameters, model.parameters)
