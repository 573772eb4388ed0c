"""Ready networks for images: what `pynn.models` offers."""

from __future__ import annotations

from typing import Any

from ..checks import expect_count
from ..layers import Affine, BatchNorm, Conv2d, Dropout, Flatten, GlobalAvgPool2d, Layer, MaxPool2d, ReLU, Residual
from .sequential import Sequential

__all__ = ["deep_convnet", "lenet5", "resnet20", "vgg_small"]


def lenet5(classes: int = 10, **settings: Any) -> Sequential:
    """LeNet-5 for 28 x 28 images: two convolutions of 5 x 5 with pooling, three affine layers; 61,706 parameters.

    With ReLU and the largest of each window where the original has scaled tanh and trained averages.
    classes: number of outputs (default 10). settings: those of `Sequential`. Source: LeCun et al. 1998.
    """
    expect_count("lenet5", 1, classes=classes)
    return Sequential(
        Conv2d(6, 5), ReLU(), MaxPool2d(2),
        Conv2d(16, 5, padding="valid"), ReLU(), MaxPool2d(2),
        Flatten(),
        Affine(120), ReLU(),
        Affine(84), ReLU(),
        Affine(classes),
        **settings,
    )  # fmt: skip


def deep_convnet(classes: int = 10, **settings: Any) -> Sequential:
    """The deep network of "Deep Learning from Scratch", chapter 8, for 28 x 28 images.

    Three pairs of convolutions of 3 x 3 (16, 32, 64 channels), each pair with pooling, an affine layer of 50 units with
    dropout, and the output, here without the book's dropout behind it.
    classes: number of outputs (default 10). settings: those of `Sequential`. Source: Saito 2016.
    """
    expect_count("deep_convnet", 1, classes=classes)
    layers: list[Layer] = []
    for channels, second_padding in ((16, 1), (32, 2), (64, 1)):
        layers += [Conv2d(channels, padding=1), ReLU(), Conv2d(channels, padding=second_padding), ReLU(), MaxPool2d(2)]
    return Sequential(*layers, Flatten(), Affine(50), ReLU(), Dropout(0.5), Affine(classes), **settings)


def vgg_small(classes: int = 10, *, dropout: float = 0.3, **settings: Any) -> Sequential:
    """Six convolutions of 3 x 3 with batch normalization, 64, 128, 256 channels for each pair, pooling after it.

    classes: number of outputs (default 10). dropout: rate after each pooling (default 0.3). settings: those of
    `Sequential`. Source: Simonyan & Zisserman 2015, with batch normalization (Ioffe & Szegedy 2015).
    """
    expect_count("vgg_small", 1, classes=classes)
    layers: list[Layer] = []
    for channels in (64, 128, 256):
        for _ in range(2):
            layers += [Conv2d(channels, use_bias=False), BatchNorm(), ReLU()]
        layers += [MaxPool2d(2), Dropout(dropout)]
    return Sequential(*layers, Flatten(), Affine(classes), **settings)


def resnet20(classes: int = 10, *, survival: float = 1.0, **settings: Any) -> Sequential:
    """ResNet-20 for 32 x 32 images: a convolution, nine residual blocks of two each, the mean, an output.

    Three blocks have 16 channels, three 32, three 64; all convolutions of 3 x 3 have padding 1. Where one changes the
    shape, its shortcut is a convolution of 1 x 1 with batch normalization.
    classes: number of outputs (default 10). survival: of each block in a training step (default 1: stochastic depth is
    off). settings: those of `Sequential`. Source: He et al. 2016; Huang et al. 2016.
    """
    expect_count("resnet20", 1, classes=classes)
    layers: list[Layer] = [Conv2d(16, use_bias=False), BatchNorm(), ReLU()]
    before = 16
    for channels in (16, 32, 64):
        for number in range(3):
            stride = 2 if number == 0 and channels != before else 1
            layers += [_block(channels, stride, channels != before, survival), ReLU()]
            before = channels
    return Sequential(*layers, GlobalAvgPool2d(), Affine(classes), **settings)


def _block(channels: int, stride: int, projects: bool, survival: float) -> Residual:
    shortcut = Sequential(Conv2d(channels, 1, stride=stride, use_bias=False), BatchNorm()) if projects else None
    return Residual(
        Conv2d(channels, stride=stride, padding=1, use_bias=False), BatchNorm(), ReLU(),
        Conv2d(channels, use_bias=False), BatchNorm(),
        shortcut=shortcut, survival=survival,
    )  # fmt: skip
