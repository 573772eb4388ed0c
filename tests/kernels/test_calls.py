"""The kernels as people call them: what may be left out, losses without gradients, sentences about wrong calls."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, arguments

import pynn
from pynn import kernels
from pynn.kernels import documentation, reference

operation = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
LOSSES = [op for op in OPERATIONS if "return" in op.answer(arguments(op, op.usual_sizes)) and op.kernel != "norm"]


def plain(op: Operation, dtype: Any = np.float32) -> dict[str, Any]:
    args = arguments(op, op.usual_sizes, dtype)
    return {name: value for name, value in args.items() if not name.startswith("#")}


def copied(args: dict[str, Any]) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in args.items()}


# Defaults


def left_out(op: Operation) -> list[str]:
    """The numbers and words of a call that have defaults; a convolution's geometry belongs to its arrays."""
    defaults = documentation.defaults_of(getattr(reference, op.kernel))
    geometry = ("stride_y", "stride_x", "top", "left", "dilation_y", "dilation_x")
    return [name for name, value in plain(op).items()
            if name in defaults and name not in geometry and isinstance(value, (int, float, str))]  # fmt: skip


@pytest.mark.parametrize("op", [op for op in OPERATIONS if left_out(op)], ids=lambda op: op.name)
def test_omitted_arguments_have_their_defaults(op: Operation, backend: str) -> None:
    """The same call with every default written out gives the same bits."""
    kernel, defaults, args = (
        getattr(kernels, op.kernel),
        documentation.defaults_of(getattr(reference, op.kernel)),
        plain(op),
    )
    short = {name: value for name, value in args.items() if name not in left_out(op)}
    long = copied(args | {name: defaults[name] for name in left_out(op)})
    np.testing.assert_array_equal(kernel(**short), kernel(**long))
    for name, value in short.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, long[name], err_msg=name)


@pytest.mark.parametrize("name", kernels.NAMES)
def test_signatures_tell_the_same_defaults_on_both_backends(name: str, backend: str) -> None:
    found = inspect.signature(getattr(kernels, name)).parameters
    wanted = inspect.signature(getattr(reference, name)).parameters
    assert {key: one.default for key, one in found.items()} == {key: one.default for key, one in wanted.items()}
    assert all(key in found for key in documentation.defaults_of(getattr(reference, name)))


def test_defaults_are_those_of_layers_losses_and_optimizers() -> None:
    def of(kernel: Any) -> dict[str, Any]:
        return documentation.defaults_of(kernel)

    adam, nadam, lion = pynn.Adam(), pynn.NAdam(), pynn.Lion()
    for kernel, own in (
        (kernels.adam_step, adam), (kernels.nadam_step, nadam), (kernels.lion_step, lion),
        (kernels.adagrad_step, pynn.AdaGrad()), (kernels.rmsprop_step, pynn.RMSProp()),
        (kernels.momentum_step, pynn.Momentum()), (kernels.nesterov_step, pynn.Nesterov()),
        (kernels.sgd_step, pynn.SGD()), (kernels.focal, pynn.Focal()), (kernels.hinge, pynn.Hinge()),
        (kernels.batchnorm_forward, pynn.BatchNorm()), (kernels.groupnorm_forward, pynn.LayerNorm()),
    ):  # fmt: skip
        twin = getattr(reference, kernel.__name__)
        defaults = {name: value for name, value in of(twin).items() if hasattr(own, name) and value is not None}
        assert defaults
        assert defaults == {name: getattr(own, name) for name in defaults}, kernel
    assert of(reference.elementwise_loss)["delta"] == pynn.Huber().delta
    assert {"leaky_relu": pynn.LeakyReLU().slope, "elu": pynn.ELU().alpha} == reference.activation.DEFAULT_ALPHA


@pytest.mark.parametrize(("activation", "alpha"), [("leaky_relu", 0.01), ("elu", 1.0), ("relu", 0.0)])
def test_alpha_defaults_to_that_of_the_layers(
    activation: str, alpha: float, backend: str, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((5, 7)).astype(np.float32)
    for kernel, args in (
        (kernels.activation_forward, (x, activation)), (kernels.activation_backward, (x, x - 1, activation)),
        (kernels.add, (x, 0.5, x, activation)), (kernels.affine_forward, (x, x.T.copy(), None, activation)),
    ):  # fmt: skip
        shape = (5, 5) if kernel is kernels.affine_forward else (5, 7)
        short, long, given = (np.empty(shape, np.float32) for _ in range(3))
        written = next(name for name in inspect.signature(kernel).parameters if name in ("out", "dx"))
        kernel(*args, **{written: short})
        kernel(*args, alpha, long)
        kernel(*args, 0.5, given)
        np.testing.assert_array_equal(short, long)
        assert (activation == "relu") == np.array_equal(short, given)


# Losses without gradients


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", LOSSES, ids=lambda op: op.name)
def test_a_loss_alone_has_the_same_bits(op: Operation, dtype: Any, backend: str) -> None:
    kernel, args = getattr(kernels, op.kernel), plain(op, dtype)
    gradients = [name for name in ("dlogits", "dscores", "doutputs", "dweight", "slopes", "dx") if name in args]
    assert gradients
    alone = kernel(**args | dict.fromkeys(gradients))
    assert alone == kernel(**{name: value for name, value in args.items() if name not in gradients})
    assert alone == kernel(**args)
    if len(gradients) == 2:  # of hierarchical softmax: each for itself
        both = copied(args)
        for name in gradients:
            one = copied(args)
            one[next(other for other in gradients if other != name)] = None
            assert kernel(**one) == alone
            kernel(**both)
            np.testing.assert_array_equal(one[name], both[name])


def test_weights_are_divided_by_the_number_of_rows(backend: str, rng: np.random.Generator) -> None:
    scores, labels = rng.standard_normal((6, 3)), rng.integers(0, 3, 6)
    weights = rng.uniform(0, 2, 6)
    each = [kernels.softmax_cross_entropy(scores[i : i + 1], labels[i : i + 1])[0] for i in range(6)]
    value, hits = kernels.softmax_cross_entropy(scores, labels, weights)
    assert value == pytest.approx((weights * each).sum() / 6)
    assert hits == pytest.approx(weights[scores.argmax(axis=1) == labels].sum())
    for name in ("softmax_cross_entropy", "focal", "hinge", "elementwise_loss", "hierarchical_softmax"):
        assert "divided by N, not by Σ weights" in getattr(kernels, name).__doc__


# Calls that do not fit


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda x: kernels.softmax(x), r"softmax: out is missing; the call is softmax\(x, out\)"),
        (lambda x: kernels.softmax(), r"softmax: x, out are missing; the call is"),
        (lambda x: kernels.softmax(x, x, x), r"softmax: 3 arguments are given, expected at most 2; the call is"),
        (lambda x: kernels.softmax(x, x=x, out=x), r"softmax: x is given twice; the call is"),
        (lambda x: kernels.softmax(x, axis=1, out=x), r"softmax: there is no argument 'axis'; the call is softmax"),
        (
            lambda x: kernels.affine_forward(x, x),
            r"affine_forward: out is missing; the call is affine_forward\(x, weight, bias=None, "
            r"activation='identity', alpha=None, out, scale=1.0\)",
        ),
        (lambda x: kernels.adam_step(x[0], x[0], x[0], x[0], 0.1), r"adam_step: step is missing; the call is adam"),
        (lambda x: kernels.sgd_step(x, x, lr=0.1), r"sgd_step: there is no argument 'lr'; the call is sgd_step\(param"),
        (lambda x: kernels.dropout(x, 0.5, out=x), r"dropout: seed, stream, step are missing; the call is dropout\("),
    ],
)  # fmt: skip
def test_a_wrong_call_is_a_short_sentence_with_the_signature(call: Any, sentence: str, backend: str) -> None:
    x = np.zeros((300, 300), np.float32)
    with pytest.raises(TypeError, match=f"^{sentence}") as raised:
        call(x)
    assert len(str(raised.value)) < 300
    assert "array" not in str(raised.value)


@operation
def test_each_array_that_has_no_default_is_asked_for(op: Operation, backend: str) -> None:
    kernel, args = getattr(kernels, op.kernel), plain(op)
    for name in args.keys() - documentation.defaults_of(getattr(reference, op.kernel)).keys():
        rest = {key: value for key, value in args.items() if key != name}
        with pytest.raises(TypeError, match=rf"^{op.kernel}: {name} is missing; the call is {op.kernel}\("):
            kernel(**rest)


def test_other_errors_of_a_right_call_stay(backend: str) -> None:
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError, match=r"^softmax: out has dtype float64, expected float32 like x$"):
        kernels.softmax(x, out=np.zeros((2, 3)))
    with pytest.raises(TypeError, match=r"^softmax: out is ellipsis, expected a numpy\.ndarray$"):
        kernels.softmax(x, ...)


# Arrays of another shape


@pytest.mark.parametrize("name", [name for name in kernels.NAMES if name.endswith("_step")])
def test_steps_over_matrices_say_how_to_call(name: str, backend: str) -> None:
    op = next(op for op in OPERATIONS if op.kernel == name)
    args = plain(op)
    first = next(iter(args))
    matrix = {
        key: np.zeros((4, 5), np.float32) if isinstance(value, np.ndarray) else value for key, value in args.items()
    }
    with pytest.raises(ValueError, match=rf"{first} has shape \(4, 5\), expected \(P,\); {first}.reshape\(-1\) is$"):
        getattr(kernels, name)(**matrix)
    flat = {key: value.reshape(-1) if isinstance(value, np.ndarray) else value for key, value in matrix.items()}
    getattr(kernels, name)(**flat)


def test_advice_appears_only_where_it_applies(backend: str) -> None:
    def said(*args: Any) -> str:
        with pytest.raises(ValueError, match="has shape") as raised:
            kernels.sgd_step(*args, 0.1)
        return str(raised.value)

    vector = np.zeros(6, np.float32)
    assert said(vector, np.zeros((2, 3), np.float32)).endswith("expected (P=6,); gradients.reshape(-1) is")
    assert said(vector, np.zeros((2, 4), np.float32)).endswith("expected (P=6,)")
    assert said(np.zeros((3, 4), np.float32)[:, :2], vector).endswith("expected (P,)")  # it would be a copy
    assert said(np.zeros((), np.float32), vector).endswith("expected (P,)")


def test_images_for_kernels_of_channels_are_reshaped(backend: str, rng: np.random.Generator) -> None:
    x, one = rng.standard_normal((2, 4, 5, 3)), np.ones(3)
    out = np.empty_like(x)
    with pytest.raises(ValueError, match=r"x has shape \(2, 4, 5, 3\), expected \(N, C\); x.reshape\(-1, 3\) is$"):
        kernels.batchnorm_inference(x, one, one, one, one, out=out)
    kernels.batchnorm_inference(x.reshape(-1, 3), one, one, one, one, 0.0, out=out.reshape(-1, 3))
    np.testing.assert_allclose(out, x)


# The size of a convolution's output


def convolved(size: int, reach: int, out: int, **settings: int) -> np.ndarray:
    x, weight = np.arange(1.0, size + 1).reshape(1, size, 1, 1), np.ones((reach, 1, 1, 1))
    y = np.zeros((1, out, 1, 1))
    kernels.conv2d_forward(x, weight, out=y, **settings)
    kernels.conv2d_backward(y, x, weight, y, dx=np.empty_like(x), dweight=np.empty_like(weight), **settings)
    return y.ravel()


@pytest.mark.parametrize(
    ("size", "reach", "settings", "right", "wrong"),
    [
        (5, 3, {}, [3], [1, 2, 4, 5]),
        (5, 3, {"top": 1}, [5], [3, 4, 6]),
        (5, 4, {"top": 1}, [4, 5], [3, 6]),  # 5: "same" of an even kernel
        (6, 3, {"stride_y": 2}, [2, 3], [1, 4]),  # 3: "same", a row of zeros below
        (7, 3, {"top": 2}, [9], [7, 8, 10]),
        (5, 3, {"top": 2, "bottom": 0}, [5], [4, 6]),  # causal
        (5, 3, {"top": 0, "bottom": 2}, [5], [4, 6]),
        (5, 3, {"top": 1, "bottom": 0}, [4], [3, 5]),
        (2, 3, {}, [], [1, 2]),
    ],
)
def test_the_output_of_a_convolution_has_the_size_that_the_padding_makes(
    size: int, reach: int, settings: dict[str, int], right: list[int], wrong: list[int], backend: str
) -> None:
    for out in right:
        top, stride = settings.get("top", 0), settings.get("stride_y", 1)
        padded = np.concatenate([np.zeros(top), np.arange(1.0, size + 1), np.zeros(2 * reach)])
        expected = [padded[i * stride : i * stride + reach].sum() for i in range(out)]
        np.testing.assert_array_equal(convolved(size, reach, out, **settings), expected)
    for out in wrong:
        with pytest.raises(ValueError, match=rf"conv2d_forward: out has {out} rows, expected \d+: a kernel that reach"):
            convolved(size, reach, out, **settings)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"top": 3}, "top is 3, expected less than the kernel's reach of 3"),
        ({"bottom": 3}, "bottom is 3, expected less than the kernel's reach of 3"),
        ({"bottom": -1}, r"bottom is -1, expected 0\.\.1073741824"),
        ({"top": 1, "bottom": 0, "right": 1}, "right is 1, expected less than the kernel's reach of 1"),
        ({"top": 1}, "expected 5: a kernel that reaches over 3, by steps of 1, on 5 with 1 zeros before and as many"),
        ({"top": 1, "bottom": 2}, "expected 6: a kernel that reaches over 3, by steps of 1, on 5 with 1 zeros before"),
    ],
)  # fmt: skip
def test_paddings_are_named_alike_in_the_sentences(settings: dict[str, int], sentence: str, backend: str) -> None:
    with pytest.raises(ValueError, match=f"conv2d_forward: .*{sentence}"):
        convolved(5, 3, 4, **settings)


def test_pooling_calls_its_regions_other_than_a_convolution_its_padding() -> None:
    padding = {"top", "bottom", "left", "right"}
    for name in kernels.NAMES:
        found = set(inspect.signature(getattr(reference, name)).parameters) & padding
        assert found == (padding if name.startswith("conv2d") else set())
