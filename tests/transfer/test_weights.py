"""Weights from elsewhere: PyTorch's networks give the same outputs here; what does not fit is named."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from torch_networks import NETWORKS, arrays, own, refused, small

import pynn
from pynn.transfer import load_weights, to_torch


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
        with pytest.raises(ValueError, match="the shapes alone do not determine"):
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
    with refused(
        model, r"affine1\.bias for affine1\.bias is (BF16|bfloat16), expected numbers of a type that NumPy has"
    ):
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


def shown(expected: bool) -> Any:
    """A block that must warn of layers of equal shapes whose names do not tell their order, or must not."""
    return pytest.warns(UserWarning, match="in the order of the source") if expected else nullcontext()


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
    with refused(model, r"which is pynn's layout \(layout='pynn'\)"):
        load_weights(model, {"affine1.weight": np.ones((3, 2)), "affine1.bias": np.ones(2)})


@pytest.mark.parametrize(
    "value", [np.array(["a"] * 2), np.ones(2, complex), np.full(2, 1e300), np.full(2, np.inf), np.array([None, None])]
)
def test_weights_that_are_not_finite_numbers_are_refused(value: np.ndarray) -> None:
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
