"""Transfer beats training from scratch where there is little data: the quick form of transfer_digits.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import transfer_digits

import pynn


def test_transfer_from_digits_0_4_to_5_9_learns_with_20_samples_a_class(native: None) -> None:
    """Two seeds; what is asked for is two thirds of the margin that they give."""
    root = os.environ.get("PYNN_DATA")
    if root is None or not (Path(root) / "mnist").is_dir():
        pytest.skip("MNIST is not there; PYNN_DATA names the folder above it")
    mnist = pynn.datasets.mnist(root)
    methods = tuple(method for method in transfer_digits.METHODS if method is not transfer_digits.new_affine_layers)
    found = transfer_digits.run(
        mnist.train, mnist.test, seeds=2, per_class=(20,), first_samples=20_000, first_epochs=2, steps=150,
        methods=methods,
    )  # fmt: skip
    text = transfer_digits.report(found)
    print(text)
    values = {method: accuracies for (_, method), accuracies in found.items()}
    scratch = values["from_scratch"]
    assert scratch.mean() > 0.85, text  # it has learned what there is to learn: no straw man
    assert values["fine_tuned"].mean() > scratch.mean() + 0.02, text
    assert (values["fine_tuned"] > scratch).all(), text
    # What the last hidden layer sees tells 0-4 apart: for other digits it is the case of "different" data.
    assert values["earlier_features"].mean() > values["top_features"].mean() + 0.05, text
