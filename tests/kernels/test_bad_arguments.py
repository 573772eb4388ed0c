"""Arrays and numbers that a kernel does not take: both backends refuse them in the same words."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from kernel_tables import BACKENDS, LABEL_LOSSES, backend, needs_native, operation
from operations import OPERATIONS, Arguments, Operation, arguments, call

from pynn.kernels import reference


def spoiled(args: Arguments) -> list[tuple[str, str, Arguments]]:
    """Each array argument made wrong in each way: (argument, what is wrong, the arguments)."""
    found = []
    for name, value in args.items():
        if not isinstance(value, np.ndarray) or name.startswith("#"):
            continue
        wide = np.zeros((*value.shape[:-1], value.shape[-1] * 2), value.dtype)[..., ::2]
        frozen = value.copy()
        frozen.flags.writeable = False
        with np.errstate(over="ignore"):
            half = value.astype(np.float16)
        bad = {
            "a list": value.tolist(),
            "of integers": np.zeros_like(value, np.int32),
            "of half precision": half,
            "of another size": np.zeros((*value.shape[:-1], value.shape[-1] + 1), value.dtype),
            "of another rank": value[None],
            "strided": wide,
            "read-only": frozen,
        }
        if wide.flags.c_contiguous:  # a single number
            del bad["strided"]
        if value.itemsize > 1:
            bad["of swapped bytes"] = value.astype(value.dtype.newbyteorder())
            bad["misaligned"] = np.zeros(value.nbytes + 1, np.uint8)[1:].view(value.dtype).reshape(value.shape)
        if value.dtype == np.float64:
            bad["of another float"] = value.astype(np.float32)
        found += [(name, what, {**args, name: wrong}) for what, wrong in bad.items()]
        for other, shared in args.items():
            if other != name and isinstance(shared, np.ndarray) and not other.startswith("#"):
                whole = np.zeros(max(value.size, shared.size))  # float64: enough bytes for either
                both = {n: whole.view(v.dtype)[: v.size].reshape(v.shape) for n, v in ((name, value), (other, shared))}
                found.append((name, f"overlapping {other}", {**args, **both}))
    return found


def outcome(table: Any, op: Operation, args: Arguments) -> str:
    try:
        call(table, op, args)
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    except ArithmeticError:  # of Python's own numbers, where those of C become infinite
        return "accepted"
    return "accepted"


@needs_native
@operation
def test_both_backends_refuse_the_same_arguments_in_the_same_words(op: Operation) -> None:
    args = arguments(op, op.usual_sizes)
    seen = []
    for name, what, wrong in spoiled(args):
        answers = [outcome(table, op, wrong) for table in BACKENDS.values()]
        assert answers[0] == answers[1], (name, what)
        if (
            answers[0] == "accepted"
        ):  # only what may be so: inputs that are shared or read-only, sizes that nothing fixes
            assert what.startswith(("read-only", "overlapping", "of another")), (name, what)
        else:
            assert answers[0].split(": ")[1] == op.kernel
            seen.append(what)
    arrays = [name for name, value in args.items() if isinstance(value, np.ndarray) and not name.startswith("#")]
    written = set(arrays) & op.answer(args).keys()
    assert {"a list", "of integers", "of half precision", "strided", "misaligned"} <= set(seen)
    assert not written or "read-only" in seen
    assert len(arrays) == 1 or any(what.startswith("overlapping") for what in seen)


WRONG_SCALARS = (
    "0.5", "relu", "\u2603", None, [1], (), b"1", 1j, np.zeros(1), np.array(0.5), True, np.True_,
    0.5, np.float32(0.5), np.float16(1), 1e300, float("nan"), float("inf"), -1, -(2**63), -(2**63) - 1, 2**32, 2**63,
    2**64, 10**400, 10**5000, np.int8(-3), np.uint64(2**64 - 1),
)  # fmt: skip


@needs_native
@operation
def test_both_backends_refuse_the_same_scalars_in_the_same_words(op: Operation) -> None:
    args = arguments(op, op.usual_sizes)
    for name, value in args.items():
        if not isinstance(value, (int, float, str)) or name.startswith("#"):
            continue
        seen = []
        for wrong in WRONG_SCALARS:
            answers = [outcome(table, op, {**args, name: wrong}) for table in BACKENDS.values()]
            assert answers[0] == answers[1], (name, wrong)
            if answers[0] != "accepted":
                assert answers[0].split(": ")[1] == op.kernel
                seen.append(answers[0])
        may_be_none = inspect.signature(getattr(reference, op.kernel)).parameters[name].default is None
        assert any(f"{name} is NoneType, expected" in answer for answer in seen) != may_be_none, name
        assert any(f"{name} is list, expected" in answer for answer in seen), name


@backend
@pytest.mark.parametrize(
    ("kernel", "change", "sentence"),
    [
        ("dropout", {"rate": "0.5"}, "TypeError: dropout: rate is str, expected a number"),
        ("dropout", {"seed": -1}, "ValueError: dropout: seed is -1, expected an integer of 0..2^64-1"),
        ("dropout", {"seed": 2**64}, f"ValueError: dropout: seed is {2**64}, expected an integer of 0..2^64-1"),
        ("dropout", {"seed": 1.0}, "TypeError: dropout: seed is float, expected an integer of 0..2^64-1"),
        ("dropout", {"seed": True}, "TypeError: dropout: seed is bool, expected an integer of 0..2^64-1"),
        ("dropout", {"stream": 2**32}, "ValueError: dropout: stream is 4294967296, expected an integer of 0..2^32-1"),
        ("dropout", {"inverted": 1}, "TypeError: dropout: inverted is int, expected True or False"),
        ("dropout", {"offset": -1}, "ValueError: dropout: offset is -1, expected an integer of 0..2^64-1"),
        ("dropout", {"step": -1}, "ValueError: dropout: step is -1, expected an integer of 0..2^32-1"),
        (
            "dropout",
            {"step": 10**5000},
            "ValueError: dropout: step is an integer of 16610 bits, expected an integer of 0..2^32-1",
        ),
        (
            "adam_step",
            {"step": -(2**63) - 1},
            f"ValueError: adam_step: step is {-(2**63) - 1}, expected an integer of -2^63..2^63-1",
        ),
        ("adam_step", {"learning_rate": None}, "TypeError: adam_step: learning_rate is NoneType, expected a number"),
        (
            "sgd_step",
            {"learning_rate": 10**400},
            "ValueError: sgd_step: learning_rate is an integer of 1329 bits, expected a number that float64 can hold",
        ),
        ("affine_forward", {"activation": None}, "TypeError: affine_forward: activation is NoneType, expected text"),
        ("affine_forward", {"alpha": [1]}, "TypeError: affine_forward: alpha is list, expected a number"),
    ],
)
def test_scalars_of_a_wrong_kind_are_named(table: Any, kernel: str, change: Arguments, sentence: str) -> None:
    op = next(op for op in OPERATIONS if op.kernel == kernel)
    args = arguments(op, op.usual_sizes)
    assert outcome(table, op, args | change) == sentence


@backend
def test_numpy_scalars_are_taken(table: Any) -> None:
    op = next(op for op in OPERATIONS if op.kernel == "adam_step")
    args, same = (arguments(op, (17,), np.float32) for _ in range(2))
    call(table, op, args | {"learning_rate": 0.5, "step": 3})
    call(table, op, same | {"learning_rate": np.float32(0.5), "step": np.int16(3)})
    np.testing.assert_array_equal(args["parameters"], same["parameters"])


@backend
@pytest.mark.parametrize(
    ("kernel", "change", "sentence"),
    [
        ("dropout", {"rate": 1.0}, r"rate is 1.0, expected 0 <= rate < 1"),
        ("dropout", {"rate": -0.1}, r"rate is -0.1, expected"),
        ("dropout", {"rate": float("nan")}, r"rate is nan, expected"),
        ("affine_backward", {"activation": "relu"}, r"dz is None, expected an array \(N, M\) for any activation but"),
        ("spatial_dropout", {"rate": 1.5}, r"rate is 1.5, expected 0 <= rate < 1"),
        ("gaussian_noise", {"std": -1.0}, r"std is -1.0, expected at least 0 and finite"),
        ("gaussian_noise", {"std": float("inf")}, r"std is inf, expected at least 0 and finite"),
        ("adam_step", {"step": 0}, r"step is 0, expected at least 1"),
        ("batchnorm_forward", {"epsilon": -1e-9}, r"epsilon is -1e-09, expected at least 0 and finite"),
        ("batchnorm_inference", {"epsilon": float("nan")}, r"epsilon is nan, expected at least 0 and finite"),
        ("groupnorm_forward", {"epsilon": -1e-9}, r"epsilon is -1e-09, expected at least 0 and finite"),
        ("groupnorm_forward", {"epsilon": float("inf")}, r"epsilon is inf, expected at least 0 and finite"),
        ("penalty", {"l1": -0.5}, r"l1 is -0.5, expected at least 0 and finite"),
        ("penalty", {"l2": float("inf")}, r"l2 is inf, expected at least 0 and finite"),
        ("nadam_step", {"step": 0}, r"step is 0, expected at least 1"),
        ("max_norm", {"limit": -1.0}, r"limit is -1.0, expected a positive number"),
        ("clip", {"limit": 0.0}, r"limit is 0.0, expected a positive number"),
        ("clip", {"limit": float("nan")}, r"limit is nan, expected a positive number"),
        ("affine_forward", {"activation": "swish"}, r"activation is 'swish', expected one of identity, sigmoid"),
        ("affine_forward", {"activation": "elu", "alpha": -0.5}, r"alpha is -0.5, expected at least 0"),
        (
            "activation_backward",
            {"activation": "leaky_relu", "alpha": float("nan")},
            r"alpha is nan, expected at least 0",
        ),
        ("softmax_cross_entropy", {"labels": np.array([0, 1, 2])}, r"labels\[2\] is 2, expected 0\.\.1 \(2 classes\)"),
        ("softmax_cross_entropy", {"labels": np.array([0, -1, 1])}, r"labels\[1\] is -1, expected 0\.\.1"),
        ("softmax_cross_entropy", {"smoothing": 1.0}, r"smoothing is 1.0, expected 0 <= smoothing < 1"),
        ("softmax_cross_entropy", {"smoothing": float("nan")}, r"smoothing is nan, expected"),
        ("softmax_cross_entropy", {"weights": np.ones(2)}, r"weights has shape \(2,\), expected \(N=3,\)"),
        ("focal", {"gamma": -0.5}, r"gamma is -0.5, expected 0 <= gamma < inf"),
        ("focal", {"gamma": float("inf")}, r"gamma is inf, expected"),
        ("focal", {"labels": np.array([0, 1, 2])}, r"labels\[2\] is 2, expected 0\.\.1 \(2 classes\)"),
        ("hinge", {"margin": 0.0}, r"margin is 0.0, expected 0 < margin < inf"),
        ("hinge", {"labels": np.array([0, -1, 1])}, r"labels\[1\] is -1, expected 0\.\.1"),
        ("elementwise_loss", {"loss": "mse"}, r"loss is 'mse', expected one of l2, l1, huber, binary_cross_entropy, "),
        ("elementwise_loss", {"loss": "huber", "delta": 0.0}, r"delta is 0.0, expected 0 < delta < inf"),
        (
            "max_pool_forward",
            {"row_start": np.array([0, 4])},
            r"row_start\[1\] and row_stop\[1\] are 4 and 4, expected 0 <= row_s",
        ),
        (
            "avg_pool_forward",
            {"column_start": np.array([-1, 2, 4])},
            r"column_start\[0\] and column_stop\[0\] are -1 and 2, ",
        ),
        (
            "avg_pool_forward",
            {"column_stop": np.array([2, 4, 7])},
            r"column_start\[2\] and .* are 4 and 7.*_stop <= 6, none",
        ),
        (
            "max_pool_forward",
            {"column_stop": np.array([3, 2, 6])},
            r"column_start\[1\] and column_stop\[1\] are 2 and 2",
        ),
        ("add", {"activation": "swish"}, r"activation is 'swish', expected one of identity, sigmoid"),
        ("gather", {"indices": np.full(25, 10)}, r"indices\[0\] is 10, expected 0\.\.9 \(10 rows\)"),
        ("gather", {"indices": np.full(25, -1)}, r"indices\[0\] is -1, expected 0\.\.9"),
        ("warp", {"indices": np.full(7, 4)}, r"indices\[0\] is 4, expected 0\.\.3 \(4 images\)"),
        ("warp", {"indices": np.full(7, -1)}, r"indices\[0\] is -1, expected 0\.\.3 \(4 images\)"),
        ("warp", {"transforms": np.zeros((7, 5))}, r"transforms has 5 columns, expected 6"),
    ],
)
def test_values_out_of_range_are_named(table: Any, kernel: str, change: Arguments, sentence: str) -> None:
    op = next(op for op in OPERATIONS if op.kernel == kernel)
    sizes = (3, 2) if kernel in LABEL_LOSSES else op.usual_sizes
    args = arguments(op, sizes) | change
    with pytest.raises(ValueError, match=f"{kernel}: {sentence}"):
        call(table, op, args)
