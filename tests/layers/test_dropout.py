"""Dropout: its rate, its masks, and that both backends draw the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradients import PassThrough

import pynn

ONES = np.ones((200, 100), np.float32)


def _dropped(rate: float, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Dropout(rate), **settings)
    model.build((100,))
    return model


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8, 0.99])
def test_dropout_drops_its_rate_and_keeps_the_mean(rate: float) -> None:
    y = _dropped(rate).forward(ONES, training=True)
    kept = y != 0
    deviation = np.sqrt(rate * (1 - rate) / y.size)
    assert abs(kept.mean() - (1 - rate)) < 5 * deviation
    np.testing.assert_allclose(y[kept], 1 / (1 - rate), rtol=1e-3)
    assert abs(y.mean() - 1) < 6 * deviation / (1 - rate)
    assert kept.any(axis=0).all() or rate > 0.9  # no column and no row is dropped as a whole
    assert kept.any(axis=1).all() or rate > 0.9


def test_dropout_of_rate_0_changes_nothing(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 100)).astype(np.float32)
    model = _dropped(0)
    np.testing.assert_array_equal(model.forward(x, training=True), x)
    np.testing.assert_array_equal(model.backward(x, input_gradient=True), x)


def test_dropout_does_nothing_at_evaluation(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 100)).astype(np.float32)
    model = _dropped(0.9)
    model.forward(x, training=True)
    np.testing.assert_array_equal(model.forward(x), x)
    with pytest.raises(RuntimeError, match=r"backward.* must follow forward"):
        model.backward(x, input_gradient=True)


def test_dropout_goes_back_with_the_mask_of_its_forward_pass_even_after_a_step() -> None:
    model = _dropped(0.5)
    y = model.forward(ONES, training=True).copy()
    model.advance()
    np.testing.assert_array_equal(model.backward(ONES, input_gradient=True), y)


def test_dropout_goes_back_through_the_mask_of_its_forward_pass() -> None:
    model = _dropped(0.5)
    for _ in range(3):
        y = model.forward(ONES, training=True).copy()
        np.testing.assert_array_equal(model.backward(ONES, input_gradient=True), y)
        model.advance()


def test_dropout_draws_another_mask_in_another_step_layer_and_seed() -> None:
    class Kept(PassThrough):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            self.kept = x != 0
            return x

    model = pynn.Sequential(pynn.Dropout(0.5), Kept(), pynn.Dropout(0.5), seed=1)
    first = model.forward(ONES, training=True) != 0
    layer1 = model.layers[1].kept
    layer2_of_layer1 = first[layer1]
    assert 0.45 < layer2_of_layer1.mean() < 0.55  # were the masks the same, it would be 1
    masks = {"step 0": layer1}
    model.forward(ONES, training=True)
    masks["step 0 again"] = model.layers[1].kept
    with model.same_masks():
        again = model.forward(ONES, training=True) != 0
        np.testing.assert_array_equal(again, first)
        np.testing.assert_array_equal(model.forward(ONES, training=True) != 0, first)
    model.advance()
    model.forward(ONES, training=True)
    masks["step 1"] = model.layers[1].kept
    for seed in (0, 2, 2**32 + 1, 2**64 - 1):
        masks[f"seed {seed}"] = _dropped(0.5, seed=seed).forward(ONES, training=True) != 0
    names = list(masks)
    for position, name in enumerate(names):
        for other in names[position + 1 :]:
            agreement = (masks[name] == masks[other]).mean()
            assert 0.47 < agreement < 0.53, f"masks of {name} and {other} agree in {agreement:.0%}"


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.99])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_masks_are_the_same_bits_on_both_backends(
    rate: float, dtype: str, both_backends: tuple[str, ...]
) -> None:
    results = []
    for backend in both_backends:
        pynn.use_backend(backend)
        model = _dropped(rate, seed=7, dtype=dtype)
        model.advance()
        results.append(model.forward(np.ones((33, 100), dtype), training=True).copy())
    np.testing.assert_array_equal(*results)


def test_dropout_masks_do_not_depend_on_the_batch_they_start() -> None:
    """The first rows of a larger batch meet the mask of a smaller one: index alone counts."""
    small = _dropped(0.5).forward(ONES[:7], training=True).copy()
    np.testing.assert_array_equal(_dropped(0.5).forward(ONES, training=True)[:7], small)


def test_vanilla_dropout_refuses_a_schedule_that_is_set_later() -> None:
    layer = pynn.Dropout(0.5, form="vanilla")
    layer.rate = pynn.FlatCosine(0.5, 4)
    with pytest.raises(ValueError, match='form="vanilla" scales by the rate outside training'):
        layer.forward(np.ones((2, 3), np.float32), False)
