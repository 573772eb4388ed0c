"""Where a campaign of mutated calls saw the NumPy kernels say or compute something else than the native ones."""

from __future__ import annotations

import numpy as np
import pytest

from pynn import kernels


def test_a_shift_by_whole_pixels_keeps_a_nan_where_it_is(backend: str) -> None:
    """The pixel beside it has no share in it."""
    x = np.arange(1.0, 17).reshape(1, 4, 4, 1)
    x[0, 1, 1] = np.nan
    x[0, 2, 3] = np.inf
    out, index = np.empty_like(x), np.zeros(1, np.int64)
    kernels.warp(x, index, transforms=np.array([[1.0, 0, 1, 0, 1, 0]]), out=out)
    expected = np.zeros_like(x)
    expected[0, :3] = x[0, 1:]
    np.testing.assert_array_equal(out, expected)
    kernels.warp(x, index, 2.0, np.array([[1.0, 0, 0, 0, -1, 3]]), out=out)
    np.testing.assert_array_equal(out, x[:, :, ::-1] / 2)


def test_the_first_sample_whose_path_is_wrong_is_named(backend: str) -> None:
    parents = np.array([0, 1, 4, 5, -7, -1, 9])  # of classes 0 to 3, then of nodes 0 to 2; 9 and -1 are wrong
    arrays = {"x": np.ones((3, 2)), "parents": parents, "nodes": np.ones((3, 2))}
    with pytest.raises(ValueError, match=r"parents\[6\] is 9, expected 0\.\.3 \(2 node \+ code, of a node before it\)"):
        kernels.hierarchical_softmax(labels=np.array([0, 2, 3]), **arrays)
    parents[3], parents[6] = -1, 1
    with pytest.raises(ValueError, match=r"parents\[3\] is -1, expected 0\.\.5 \(2 node"):
        kernels.hierarchical_softmax(labels=np.array([2, 3, 0]), **arrays)
    slopes = np.empty((3, 1))
    with pytest.raises(ValueError, match=r"slopes has 1 columns, too few for the path of labels\[1\]"):
        kernels.hierarchical_softmax(labels=np.array([0, 2, 3]), slopes=slopes, **arrays)


def test_a_running_mean_that_is_lost_does_not_stop_the_variance(backend: str) -> None:
    x, one = np.array([[1.0, 1.0], [3.0, 3.0]]), np.ones(2)
    mean, var, zero = np.array([np.inf, 0.0]), np.array([1.0, np.nan]), np.zeros(2)
    kernels.batchnorm_forward(x, one, zero, 0.0, 0.5, mean, var, mean=zero.copy(), rstd=zero.copy(), out=x.copy())
    np.testing.assert_array_equal(mean, [np.inf, 1])
    np.testing.assert_array_equal(var, [1.5, np.nan])


def test_pooling_of_very_many_images_without_channels_takes_no_memory(backend: str) -> None:
    x, out = np.empty((2**33, 2, 2, 0), np.float32), np.empty((2**33, 1, 1, 0), np.float32)
    first, stop = np.array([0]), np.array([2])
    kernels.max_pool_forward(x, first, stop, first, stop, out.copy(), out)
    kernels.avg_pool_forward(x, first, stop, first, stop, out)


def test_a_beta_whose_power_overflows_is_infinite_not_an_error(backend: str) -> None:
    w, g, first, second = (np.ones(3) for _ in range(4))
    kernels.adam_step(w, g, first, second, 0.1, beta1=-10.0, step=1001)
    np.testing.assert_array_equal(first, -10 + 11)
