"""What gives the same bits: runs, threads, backends, and the same steps in other forms."""

from __future__ import annotations

import numpy as np
import pytest
from gradients import PassThrough
from small_fits import Points, assert_same, network, trained

import pynn


def test_two_runs_give_the_same_bits(points: Points) -> None:
    histories = []
    for _ in range(2):
        model = network(seed=4)
        histories.append(model.fit(*points, validation=points, epochs=3, batch_size=7, progress=False))
    assert_same(model, model)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert histories[0][name] == histories[1][name]
    assert_same(trained(*points), trained(*points))


def test_another_seed_gives_another_run(points: Points) -> None:
    by_seed = [trained(*points, seed=seed).parameters for seed in (None, 0, 1, 2**64 - 1)]
    np.testing.assert_array_equal(by_seed[0], by_seed[1])  # the model's own seed is 0
    assert (by_seed[0] != by_seed[2]).any()
    assert (by_seed[2] != by_seed[3]).any()


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_and_two_threads_give_the_same_bits(dtype: str, digits: pynn.datasets.Dataset) -> None:
    models = []
    for threads in (1, 2):
        pynn.set_num_threads(threads)
        model = pynn.Sequential(
            pynn.Flatten(), pynn.Affine(300), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.5), pynn.Affine(200),
            pynn.ELU(), pynn.Affine(10), dtype=dtype,
        )  # fmt: skip
        model.fit(*digits.train, epochs=1, batch_size=256, penalty=pynn.L2(1e-3), progress=False)
        models.append(model)
    assert_same(*models)


@pytest.mark.parametrize("optimizer", pynn.optimizers.OPTIMIZERS)
def test_both_backends_take_the_same_path(optimizer: str, points: Points, both_backends: tuple[str, ...]) -> None:
    ends = []
    for backend in both_backends:
        pynn.use_backend(backend)
        model = network(dtype="float64")
        if optimizer == "lion":  # biases before a normalization have gradients of rounding noise, and it takes the sign
            model = pynn.Sequential(*(layer for layer in model.layers if layer.kind != "BatchNorm"), dtype="float64")
        history = model.fit(
            *points, optimizer=optimizer, epochs=7, batch_size=10, penalty=pynn.L2(0.01), progress=False
        )
        assert model.context.step == 21
        ends.append((model.parameters.copy(), history["loss"], *model.tensors().values()))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_the_loop_of_the_documentation_gives_the_bits_of_fit(points: Points) -> None:
    x, y = points
    expected, model = network(), network()
    expected.fit(x, y, optimizer=pynn.Adam(1e-2), epochs=3, batch_size=8, progress=False)
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.Adam(1e-2)
    for epoch in range(3):
        for x_batch, y_batch in pynn.batches(x, y, 8, seed=0, epoch=epoch):
            loss.forward(model.forward(x_batch, training=True), y_batch)
            model.backward(loss.backward())
            optimizer.step(model)
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    in_steps = network()
    optimizer = pynn.Adam(1e-2)
    for epoch in range(3):
        for x_batch, y_batch in pynn.batches(x, y, 8, seed=0, epoch=epoch):
            in_steps.train_step(x_batch, y_batch, loss, optimizer)
    np.testing.assert_array_equal(in_steps.parameters, expected.parameters)


def test_train_step_returns_the_loss_before_the_update(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    expected = model.evaluate(*points)["loss"]
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.SGD(0.5)
    assert model.train_step(*points, loss, optimizer) == pytest.approx(expected, rel=1e-6)
    assert model.train_step(*points, loss, optimizer) < expected


def test_several_fits_are_one_long_fit(points: Points) -> None:
    """Optimizer state, masks and the order of samples go on."""
    together = trained(*points, epochs=5, optimizer=pynn.Adam())
    apart = trained(*points, epochs=2, optimizer=pynn.Adam())
    steps = apart.context.step
    apart.fit(*points, epochs=3, batch_size=10, progress=False)
    assert apart.context.step > steps
    assert apart.epoch == 5
    assert_same(together, apart)


def test_a_new_optimizer_starts_afresh(points: Points) -> None:
    continued, restarted = trained(*points), trained(*points)
    first = restarted.optimizer
    continued.fit(*points, epochs=1, batch_size=10, progress=False)
    restarted.fit(*points, optimizer="adam", epochs=1, batch_size=10, progress=False)
    assert restarted.optimizer is not first
    assert restarted.optimizer.steps == 3
    assert (continued.parameters != restarted.parameters).any()


def test_each_epoch_has_an_order_of_its_own(points: Points) -> None:
    seen: list[bytes] = []

    class Watched(PassThrough):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            seen.append(x.tobytes())
            return x

    model = pynn.Sequential(Watched(), pynn.Affine(3))
    for _ in range(2):
        model.fit(*points, epochs=2, batch_size=30, progress=False)
    assert len(seen) == len(set(seen)) == 4
