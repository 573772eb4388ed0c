"""Conv2d: gradients, PyTorch as oracle, shapes of every padding, fusion, model files, bad settings."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn


class Projection(pynn.Loss):
    """The outputs against a fixed random direction: its gradient is not the same everywhere."""

    def forward(self, outputs: np.ndarray, targets: Any) -> float:
        self.direction = np.random.default_rng(1).standard_normal(outputs.shape)
        return float((outputs * self.direction).sum())

    def backward(self) -> np.ndarray:
        return self.direction


SETTINGS: list[dict[str, Any]] = [
    {},
    {"padding": "valid"},
    {"padding": (1, 0), "kernel": (2, 3)},
    {"stride": 2},
    {"stride": (3, 2), "kernel": (2, 5), "padding": "valid"},
    {"dilation": 2},
    {"dilation": (1, 3), "padding": (1, 2), "stride": (2, 1)},
    {"groups": 2, "kernel": 1},
    {"groups": 4, "stride": 2, "use_bias": False},
    {"kernel": (1, 4), "stride": 5},
]
IMAGE = (7, 9, 4)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("activation", [None, pynn.Tanh, pynn.GELU])
def test_gradients_match_central_differences(backend: str, settings: dict[str, Any], activation: Any) -> None:
    layers = [pynn.Conv2d(4, **settings), *([activation()] if activation else []), pynn.Conv2d(2, 2), pynn.Flatten()]
    model = pynn.Sequential(*layers, seed=3, dtype="float64")
    model.build(IMAGE)
    x = np.random.default_rng(0).standard_normal((2, *IMAGE))
    gradients.check(model, Projection(), x)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_pytorch_agrees(backend: str, settings: dict[str, Any], rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    layer = pynn.Conv2d(6 if settings.get("groups", 1) != 4 else 8, **settings)
    model = pynn.Sequential(layer)
    model.build(IMAGE)
    layer.weight[...] = rng.standard_normal(layer.weight.shape)
    if layer.bias is not None:
        layer.bias[...] = rng.standard_normal(layer.bias.shape)
    x = rng.standard_normal((5, *IMAGE)).astype(np.float32)
    y = model.forward(x, training=True).copy()
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dx = model.backward(dy, input_gradient=True)

    before, reach = layer._settings[2:4], [(layer.kernel[i] - 1) * layer.dilation[i] + 1 for i in (0, 1)]
    after = [max((y.shape[1 + i] - 1) * layer.stride[i] + reach[i] - IMAGE[i] - before[i], 0) for i in (0, 1)]
    theirs = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    padded = torch.nn.functional.pad(theirs, (before[1], after[1], before[0], after[0]))
    weight = torch.tensor(layer.weight.transpose(3, 2, 0, 1).copy(), requires_grad=True)
    bias = None if layer.bias is None else torch.tensor(layer.bias, requires_grad=True)
    out = torch.nn.functional.conv2d(
        padded, weight, bias, stride=tuple(layer.stride), dilation=tuple(layer.dilation), groups=layer.groups
    )[:, :, : y.shape[1], : y.shape[2]]
    out.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(y, out.detach().numpy().transpose(0, 2, 3, 1), atol=2e-5)
    np.testing.assert_allclose(dx, theirs.grad.numpy().transpose(0, 2, 3, 1), atol=5e-5)
    np.testing.assert_allclose(layer.dweight, weight.grad.numpy().transpose(2, 3, 1, 0), atol=2e-4)
    if bias is not None:
        np.testing.assert_allclose(layer.dbias, bias.grad.numpy(), atol=2e-4)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({}, (7, 9)), ({"kernel": 2}, (7, 9)), ({"stride": 2}, (4, 5)), ({"stride": 2, "kernel": 1}, (4, 5)),
        ({"dilation": 3}, (7, 9)), ({"padding": "valid"}, (5, 7)), ({"padding": "valid", "stride": 2}, (3, 4)),
        ({"padding": 1, "stride": 2}, (4, 5)), ({"padding": (0, 2), "kernel": (7, 5)}, (1, 9)),
    ],
)  # fmt: skip
def test_output_shapes(settings: dict[str, Any], shape: tuple[int, int]) -> None:
    assert pynn.Sequential(pynn.Conv2d(2, **settings)).build(IMAGE) == (*shape, 2)


def test_pairs_of_two_like_numbers_are_shown_as_one() -> None:
    assert repr(pynn.Conv2d(8)) == "Conv2d(channels=8)"
    assert repr(pynn.Conv2d(8, 5, padding=(2, 2))) == "Conv2d(channels=8, kernel=5, padding=2)"
    assert repr(pynn.Conv2d(8, stride=(1, 2), padding="valid")) == (
        "Conv2d(channels=8, stride=[1, 2], padding='valid')"
    )


def test_channels_first_is_noticed() -> None:
    with pytest.warns(UserWarning, match=r"3 rows, 32 columns and 32 channels.*x.transpose\(0, 2, 3, 1\)"):
        pynn.Sequential(pynn.Conv2d(2)).build((3, 32, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in ((32, 32, 3), (3, 32, 8), (3, 3, 3)):
            pynn.Sequential(pynn.Conv2d(2)).build(shape)


def test_one_tap_is_an_affine_map_of_every_pixel(rng: np.random.Generator) -> None:
    layer = pynn.Conv2d(5, 1)
    model = pynn.Sequential(layer, pynn.ReLU())
    model.build(IMAGE)
    x = rng.standard_normal((2, *IMAGE)).astype(np.float32)
    expected = np.maximum(x @ layer.weight[0, 0] + layer.bias, 0)
    np.testing.assert_allclose(model.forward(x), expected, atol=1e-5)


def test_activation_is_fused_and_chooses_the_initializer() -> None:
    model = pynn.Sequential(pynn.Conv2d(64, 3), pynn.ReLU(), pynn.BatchNorm(), pynn.Flatten(), pynn.Affine(3))
    model.build((8, 8, 16))
    assert model.layers[1].fused_into is model.layers[0]
    assert abs(model.layers[0].weight.std() / np.sqrt(2 / (9 * 16)) - 1) < 0.05
    assert model.layers[0].weight.shape == (3, 3, 16, 64)


def test_a_model_file_brings_it_back(tmp_path: Path, rng: np.random.Generator) -> None:
    layers = [
        pynn.Conv2d(4, (2, 3), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2, use_bias=False,
                    initializer="he_uniform", penalty=pynn.L2(0.1), constraint=pynn.MaxNorm(2)),
        pynn.Conv2d(3, padding="valid"), pynn.Flatten(), pynn.Affine(2),
    ]  # fmt: skip
    model = pynn.Sequential(*layers)
    model.build(IMAGE)
    model.save(tmp_path / "m")
    again = pynn.load(tmp_path / "m")
    assert repr(again) == repr(model)
    x = rng.standard_normal((2, *IMAGE)).astype(np.float32)
    np.testing.assert_array_equal(again.forward(x), model.forward(x))


def test_a_convolutional_network_learns(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((200, 6, 6, 1)).astype(np.float32)
    y = (x[:, 1:4, 2, 0].sum(axis=1) > 0).astype(int)
    model = pynn.Sequential(pynn.Conv2d(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Flatten(), pynn.Affine(2))
    history = model.fit(x, y, epochs=15, batch_size=20, optimizer=pynn.Adam(0.01), progress=False)
    assert history["accuracy"][-1] > 0.95


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"channels": 0}, "channels is 0, expected an integer of at least 1"),
        (
            {"channels": 2, "kernel": (3, 0)},
            r"kernel is \(3, 0\), expected an integer of at least 1, or two",
        ),
        (
            {"channels": 2, "kernel": (1, 2, 3)},
            r"kernel is \(1, 2, 3\), expected an integer of at least 1, or two",
        ),
        ({"channels": 2, "stride": 1.5}, "stride is 1.5, expected an integer"),
        ({"channels": 2, "padding": "full"}, 'padding is \'full\', expected "same", "valid" or numbers'),
        ({"channels": 2, "padding": -1}, "padding is -1, expected an integer of at least 0"),
        ({"channels": 3, "groups": 2}, "2 groups do not divide 3 channels"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        pynn.Conv2d(**settings)


@pytest.mark.parametrize(
    ("settings", "shape", "error"),
    [
        ({}, (64,), r"layer 0 \(Conv2d\): expected images \(H, W, C\), got inputs of shape \(64,\)"),
        ({"groups": 2}, (5, 5, 3), "2 groups do not divide the 3 channels of the input"),
        (
            {"kernel": 6, "padding": "valid"},
            (5, 9, 3),
            "kernel reaches over 6 rows, the image has only 5; take",
        ),
        (
            {"dilation": 4, "padding": 1},
            (9, 5, 3),
            "kernel reaches over 9 columns, the image with padding 1 has only 7; take",
        ),
        ({"padding": 3}, (5, 5, 3), "padding of 3 rows is no less than the kernel's reach of 3"),
    ],
)
def test_images_that_do_not_fit_are_named(settings: dict[str, Any], shape: tuple[int, ...], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        pynn.Sequential(pynn.Conv2d(2, **settings)).build(shape)
