"""Conv1d and pooling over sequences: values, gradients, PyTorch as oracle, fusion, model files, bad settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection

import pynn

SETTINGS: list[dict[str, Any]] = [
    {},
    {"padding": "valid"},
    {"padding": "causal"},
    {"padding": 1, "kernel": 2},
    {"stride": 2},
    {"stride": 3, "kernel": 5, "padding": "valid"},
    {"dilation": 2},
    {"dilation": 3, "padding": "causal", "stride": 2},
    {"groups": 2, "kernel": 1},
    {"groups": 4, "stride": 2, "use_bias": False},
    {"kernel": 4, "stride": 5, "padding": 3},
]
LENGTH, CHANNELS = 9, 4


def zeros_around(settings: dict[str, Any], length: int) -> tuple[int, int]:
    """How many zeros stand before and after the sequence, as the documentation has it."""
    reach, stride = (settings.get("kernel", 3) - 1) * settings.get("dilation", 1) + 1, settings.get("stride", 1)
    padding = settings.get("padding", "same")
    if padding == "same":
        whole = max((-(-length // stride) - 1) * stride + reach - length, 0)
        return whole // 2, whole - whole // 2
    return {"valid": (0, 0), "causal": (reach - 1, 0)}.get(padding, (padding, padding))


def convolved(x: np.ndarray, layer: pynn.Conv1d, settings: dict[str, Any]) -> np.ndarray:
    """The convolution, output by output, in float64."""
    stride, dilation, groups = (settings.get(name, 1) for name in ("stride", "dilation", "groups"))
    x = np.pad(x.astype(np.float64), ((0, 0), zeros_around(settings, x.shape[1]), (0, 0)))
    weight = layer.weight.astype(np.float64)
    taps, inputs, outputs = weight.shape
    steps = (x.shape[1] - (taps - 1) * dilation - 1) // stride + 1
    y = np.zeros((len(x), steps, outputs))
    for m in range(outputs):
        group = m // (outputs // groups)
        part = x[..., group * inputs : (group + 1) * inputs]
        for t in range(steps):
            seen = part[:, t * stride : t * stride + (taps - 1) * dilation + 1 : dilation]
            y[:, t, m] = (seen * weight[..., m]).sum(axis=(1, 2))
    return y if layer.bias is None else y + layer.bias


def built(settings: dict[str, Any], rng: np.random.Generator, length: int = LENGTH) -> tuple[Any, pynn.Conv1d]:
    layer = pynn.Conv1d(8, **settings)
    model = pynn.Sequential(layer)
    model.build((length, CHANNELS))
    for array in model.tensors().values():
        array[...] = rng.standard_normal(array.shape)
    return model, layer


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_outputs_are_the_convolution(settings: dict[str, Any], backend: str, rng: np.random.Generator) -> None:
    for length in (LENGTH, 8, 1, 40):
        reach = (settings.get("kernel", 3) - 1) * settings.get("dilation", 1) + 1
        if reach > length + sum(zeros_around(settings, length)):
            continue
        model, layer = built(settings, rng, length)
        x = rng.standard_normal((3, length, CHANNELS)).astype(np.float32)
        wanted = convolved(x, layer, settings)
        assert model.output_shape == wanted.shape[1:]
        np.testing.assert_allclose(model.forward(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("activation", [None, pynn.Tanh, pynn.GELU])
def test_gradients_match_central_differences(backend: str, settings: dict[str, Any], activation: Any) -> None:
    layers = [pynn.Conv1d(4, **settings), *([activation()] if activation else []), pynn.Conv1d(2, 2), pynn.Flatten()]
    model = pynn.Sequential(*layers, seed=3, dtype="float64")
    model.build((LENGTH, CHANNELS))
    x = np.random.default_rng(0).standard_normal((3, LENGTH, CHANNELS))
    gradients.check(model, Projection(), x)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_pytorch_agrees(backend: str, settings: dict[str, Any], rng: np.random.Generator, torch: Any) -> None:
    model, layer = built(settings, rng)
    x = rng.standard_normal((3, LENGTH, CHANNELS)).astype(np.float32)
    tx = torch.tensor(x, requires_grad=True)
    weight = torch.tensor(np.ascontiguousarray(layer.weight.transpose(2, 1, 0)), requires_grad=True)
    bias = None if layer.bias is None else torch.tensor(layer.bias)
    padded = torch.nn.functional.pad(tx.permute(0, 2, 1), zeros_around(settings, LENGTH))
    options = {name: settings.get(name, 1) for name in ("stride", "dilation", "groups")}
    there = torch.nn.functional.conv1d(padded, weight, bias, **options).permute(0, 2, 1)
    y = model.forward(x, training=True)
    np.testing.assert_allclose(y, there.detach().numpy(), rtol=1e-4, atol=1e-5)
    there.backward(torch.ones_like(there))
    dx = model.backward(np.ones_like(y), input_gradient=True)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.dweight, weight.grad.numpy().transpose(2, 1, 0), rtol=1e-4, atol=1e-4)


def test_no_output_of_a_causal_convolution_sees_a_later_step(backend: str, rng: np.random.Generator) -> None:
    model = pynn.Sequential(
        pynn.Conv1d(5, padding="causal"), pynn.ReLU(), pynn.Conv1d(3, 2, dilation=4, padding="causal")
    )
    x = rng.standard_normal((2, 20, 4)).astype(np.float32)
    before = model.forward(x).copy()
    x[:, 12:] += 1
    after = model.forward(x)
    np.testing.assert_array_equal(after[:, :12], before[:, :12])
    assert (after[:, 12:] != before[:, 12:]).any(axis=(0, 2)).all()


def test_an_activation_runs_inside_its_kernel(backend: str, rng: np.random.Generator) -> None:
    fused, apart = (
        pynn.Sequential(pynn.Conv1d(5), *between, pynn.ReLU(), seed=4)
        for between in ([], [gradients.PassThrough()])
    )  # fmt: skip
    x, dy = rng.standard_normal((3, 7, 4)).astype(np.float32), rng.standard_normal((3, 7, 5)).astype(np.float32)
    for model in (fused, apart):
        model.build((7, 4))
        model.layers[0].weight[...] = fused.layers[0].weight
        model.forward(x, training=True)
        model.backward(dy)
    assert fused.layers[1].fused_into is fused.layers[0]
    np.testing.assert_array_equal(fused.outputs, apart.outputs)
    np.testing.assert_array_equal(fused.layers[0].dweight, apart.layers[0].dweight)


def test_frozen_convolutions_do_not_move(backend: str, rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((20, 8, 3)).astype(np.float32), np.arange(20) % 2
    model = pynn.Sequential(pynn.Conv1d(4), pynn.ReLU(), pynn.Conv1d(4), pynn.GlobalAvgPool1d(), pynn.Affine(2))
    model.build((8, 3))
    model.freeze(0)
    before = {name: array.copy() for name, array in model.tensors().items()}
    model.fit(x, y, epochs=2, progress=False)
    moved = {name for name, array in model.tensors().items() if (array != before[name]).any()}
    assert moved == set(before) - {"conv1d1.weight", "conv1d1.bias"}


def test_the_first_weights_follow_the_fan_in() -> None:
    layer = pynn.Conv1d(64, 5, groups=2)
    pynn.Sequential(layer, pynn.ReLU()).build((9, 32))
    assert layer.weight.shape == (5, 16, 64)
    np.testing.assert_allclose(layer.weight.std(), np.sqrt(2 / (5 * 16)), rtol=0.05)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (lambda: pynn.Conv1d(6, 2, stride=2, padding="causal", groups=2), None),
        (lambda: pynn.Conv1d(6, padding=1, dilation=2), None),
        (lambda: pynn.Conv1d(6), "Conv1d(channels=6)"),
        (lambda: pynn.MaxPool1d(3, 2, 1), "MaxPool1d(size=3, stride=2, padding=1)"),
        (lambda: pynn.AvgPool1d(), "AvgPool1d()"),
        (lambda: pynn.GlobalAvgPool1d(), "GlobalAvgPool1d()"),
    ],
)
def test_a_model_file_gives_it_back(
    layer: Any, text: str | None, backend: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    model = pynn.Sequential(layer())
    x = rng.standard_normal((3, 11, 4)).astype(np.float32)
    y = model.forward(x).copy()
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.forward(x), y)
    assert repr(loaded.layers[0]) == repr(layer()) == (text or repr(layer()))


def test_conv1d_learns_where_a_bump_is_in_a_sequence(backend: str, rng: np.random.Generator) -> None:
    y = np.arange(200) % 2
    x = rng.normal(0, 0.3, (200, 24, 2)).astype(np.float32)
    for sample, label in enumerate(y):
        start = rng.integers(0, 20)
        x[sample, start : start + 4, 0] += [1, 2, 2, 1] if label else [2, -1, -1, 2]
    model = pynn.Sequential(pynn.Conv1d(8, 5), pynn.ReLU(), pynn.MaxPool1d(2), pynn.Conv1d(8), pynn.BatchNorm(),
                            pynn.ReLU(), pynn.GlobalAvgPool1d(), pynn.Affine(2))  # fmt: skip
    model.fit(x[:150], y[:150], epochs=40, batch_size=25, optimizer=pynn.Adam(0.01), progress=False)
    assert model.evaluate(x[150:], y[150:])["accuracy"] > 0.9


# Pooling ------------------------------------------------------------------------------------------


def pooled(x: np.ndarray, reduce: Any, size: int, stride: int, padding: int) -> np.ndarray:
    first = np.arange((x.shape[1] + 2 * padding - size) // stride + 1) * stride - padding
    return np.stack([reduce(x[:, max(one, 0) : one + size], axis=1) for one in first], axis=1)


@pytest.mark.parametrize("window", [(2, None, 0), (3, 2, 1), (1, 1, 0), (3, 1, 2), (2, 3, 0), (5, None, 0)])
@pytest.mark.parametrize(("kind", "reduce"), [(pynn.MaxPool1d, np.max), (pynn.AvgPool1d, np.mean)])
def test_windows_are_pooled(kind: Any, reduce: Any, window: Any, backend: str, rng: np.random.Generator) -> None:
    size, stride, padding = window
    for length in (5, 6, 13):
        x = rng.standard_normal((3, length, 17))
        model = pynn.Sequential(kind(*window), dtype="float64")
        wanted = pooled(x, reduce, size, stride or size, padding)
        np.testing.assert_allclose(model.forward(x), wanted, rtol=1e-12, atol=1e-12)
        assert model.output_shape == wanted.shape[1:]


def test_the_whole_sequence_is_averaged(backend: str, rng: np.random.Generator) -> None:
    for length in (1, 2, 31):
        x = rng.standard_normal((3, length, 5))
        model = pynn.Sequential(pynn.GlobalAvgPool1d(), dtype="float64")
        np.testing.assert_allclose(model.forward(x), x.mean(axis=1), rtol=1e-12, atol=1e-12)
        assert model.output_shape == (5,)


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"channels": 0}, "Conv1d: channels is 0, expected an integer of at least 1"),
        ({"channels": 2, "kernel": (3, 3)}, r"Conv1d: kernel is \(3, 3\), expected an integer of at least 1$"),
        ({"channels": 2, "kernel": 0}, "kernel is 0, expected an integer of at least 1"),
        ({"channels": 2, "stride": 0.5}, "stride is 0.5, expected an integer of at least 1"),
        ({"channels": 2, "padding": "full"}, 'padding is \'full\', expected "same", "valid", "causal" or numbers'),
        ({"channels": 2, "padding": -1}, "padding is -1, expected an integer of at least 0"),
        ({"channels": 3, "groups": 2}, "2 groups do not divide 3 channels"),
    ],
)
def test_conv1d_refuses_bad_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pynn.Conv1d(**settings)


def test_conv2d_knows_no_causal_padding() -> None:
    with pytest.raises(ValueError, match='padding is \'causal\', expected "same", "valid" or numbers'):
        pynn.Conv2d(3, padding="causal")


@pytest.mark.parametrize("kind", [pynn.MaxPool1d, pynn.AvgPool1d])
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ((0,), "size is 0, expected an integer of at least 1"),
        (((2, 2),), r"size is \(2, 2\), expected an integer of at least 1"),
        ((True,), "size is True"),
        ((2, 0), "stride is 0, expected an integer of at least 1"),
        ((2, None, -1), "padding is -1, expected an integer of at least 0"),
        ((2, None, 2), "padding is 2, expected less than the size 2"),
    ],
)
def test_pools_refuse_bad_settings(kind: Any, settings: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"{kind.__name__}: {says}"):
        kind(*settings)


@pytest.mark.parametrize("kind", [lambda: pynn.Conv1d(2), pynn.MaxPool1d, pynn.AvgPool1d, pynn.GlobalAvgPool1d])
@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((5,), r"a single channel is x\[..., None\]"),
        ((4, 4, 3), "names end in 2d"),
        ((2, 4, 4, 3), r"\(2, 4, 4, 3\)$"),
    ],
)
def test_inputs_that_are_not_sequences_are_refused(kind: Any, shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(ValueError, match=rf"expected sequences \(T, C\), got inputs of shape .*?{says}"):
        pynn.Sequential(kind()).build(shape)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (pynn.Conv1d(2, 5, padding="valid"), "kernel reaches over 5 steps, the sequence has only 3; take a smaller"),
        (pynn.Conv1d(2, 7, padding=1), "reaches over 7 steps, the sequence with padding 1 has only 5"),
        (pynn.Conv1d(2, 2, padding=2), "padding of 2 steps is no less than the kernel's reach of 2"),
        (pynn.MaxPool1d(4), "the window has 4 steps, the sequence has only 3; take a smaller size"),
        (pynn.AvgPool1d(6, 1, 1), "the window has 6 steps, the sequence with padding 1 has only 5"),
        (pynn.Conv1d(4, groups=4), "4 groups do not divide the 2 channels"),
    ],
    ids=repr,
)
def test_a_sequence_that_is_too_short_is_refused(layer: pynn.Layer, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pynn.Sequential(layer).build((3, 2))


# Weights from PyTorch -----------------------------------------------------------------------------


def test_weights_of_torch_networks_over_sequences(backend: str, torch: Any, rng: np.random.Generator) -> None:
    nn = torch.nn
    net = nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(20, 2))
    model = pynn.Sequential(pynn.Conv1d(4), pynn.ReLU(), pynn.MaxPool1d(2), pynn.Flatten(), pynn.Affine(2))
    model.build((10, 3))
    pynn.transfer.load_weights(model, net.state_dict(), layout="torch")
    x = rng.standard_normal((5, 10, 3)).astype(np.float32)
    there = net(torch.tensor(x).permute(0, 2, 1)).detach().numpy()
    np.testing.assert_allclose(model.forward(x), there, rtol=1e-4, atol=1e-5)


def test_load_weights_refuses_layers_behind_reshape_that_torch_orders_differently() -> None:
    model = pynn.Sequential(pynn.Affine(24), pynn.Reshape(2, 3, 4), pynn.Conv2d(2))
    model.build((5,))
    layouts = pynn.transfer.layouts
    assert len(layouts.tensors(model, "pynn")) == 4
    with pytest.raises(ValueError, match=r"reshape1 .*PyTorch orders differently"):
        layouts.tensors(model, "torch")
    same = pynn.Sequential(pynn.Affine(6), pynn.Reshape(2, 3, 1), pynn.Conv2d(2))  # one channel: the same order
    same.build((5,))
    assert len(layouts.tensors(same, "torch")) == 4
