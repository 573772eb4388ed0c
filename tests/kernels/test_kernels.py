"""Every kernel of both backends, walked from the table of operations."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Arguments, Operation, Sizes, arguments, assert_close, call, philox, to_dtype

from pynn import kernels
from pynn.kernels import reference
from pynn.kernels.philox import philox as vectorized_philox
from pynn.kernels.philox import words as philox_words

native = kernels.native_module()
BACKENDS = {"numpy": reference} | ({"native": native} if native else {})
DTYPES = (np.float32, np.float64)
MARGIN = 64  # elements around each output that a kernel must leave alone
GUARD = 12345.0
LABEL_LOSSES = ("softmax_cross_entropy", "focal", "hinge")

backend = pytest.mark.parametrize("table", BACKENDS.values(), ids=BACKENDS.keys())
dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
needs_native = pytest.mark.skipif(native is None, reason="the native kernels are not built")
operation = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)


def cases() -> list[Any]:
    return [
        pytest.param(op, sizes, id=f"{op.name}-{'x'.join(map(str, sizes))}") for op in OPERATIONS for sizes in op.sizes
    ]


def guarded(args: Arguments, outputs: list[str]) -> tuple[Arguments, dict[str, np.ndarray]]:
    """The arguments with each output inside a larger array whose margins hold a known number."""
    args, wholes = dict(args), {}
    for name in outputs:
        inner = args[name]
        whole = np.full(inner.size + 2 * MARGIN, GUARD, inner.dtype)
        whole[MARGIN : MARGIN + inner.size] = inner.ravel()
        args[name] = whole[MARGIN : MARGIN + inner.size].reshape(inner.shape)
        wholes[name] = whole
    return args, wholes


def test_every_kernel_has_a_row() -> None:
    assert {op.kernel for op in OPERATIONS} == set(kernels.NAMES)


@needs_native
def test_both_backends_have_the_same_kernels_with_the_same_arguments() -> None:
    for name in kernels.NAMES:
        documented = next(line for line in getattr(native, name).__doc__.splitlines() if line.startswith("1. "))
        inside = documented[documented.index("(") + 1 : documented.rindex(") ->")]
        found = [part.split(":")[0].strip() for part in inside.split(", ")]
        assert found == list(inspect.signature(getattr(reference, name)).parameters), name


def check(table: Any, op: Operation, sizes: Sizes, dtype: Any) -> None:
    """Assert that the kernel gives the row's answer, writes nothing else and leaves its inputs alone."""
    args = arguments(op, sizes, dtype)
    expected = op.answer(to_dtype(args, np.float64))
    outputs = [name for name in expected if name != "return"]
    before = {
        name: value.copy() for name, value in args.items() if isinstance(value, np.ndarray) and name not in outputs
    }
    args, wholes = guarded(args, outputs)
    returned = call(table, op, args)
    for name in outputs:
        assert_close(args[name], expected[name], op.tolerance, f"{op.name} {name}", op.floor, op.elementwise)
        margins = np.concatenate([wholes[name][:MARGIN], wholes[name][-MARGIN:]])
        assert (margins == GUARD).all(), f"{op.name} wrote outside {name}"
    if "return" in expected:
        single = 4 * np.finfo(dtype).eps / np.finfo(np.float64).eps
        assert np.shape(returned) == np.shape(expected["return"])
        for found, wanted in zip(np.atleast_1d(returned), np.atleast_1d(expected["return"]), strict=True):
            assert_close(found, wanted, op.tolerance * single, f"{op.name} return", op.floor)
    else:
        assert returned is None
    for name, value in before.items():
        np.testing.assert_array_equal(args[name], value, err_msg=f"{op.name} changed its input {name}")


@backend
@dtype
@pytest.mark.parametrize(("op", "sizes"), cases())
def test_kernel_gives_the_float64_answer(table: Any, op: Operation, sizes: Sizes, dtype: Any) -> None:
    check(table, op, sizes, dtype)


def broken(table: Any, op: Operation, how: str) -> Any:
    """The kernel table with one kernel that goes wrong in one place."""

    def kernel(**args: Any) -> Any:
        returned = getattr(table, op.kernel)(**args)
        if how.startswith("return "):
            numbers = np.atleast_1d(returned).tolist()
            numbers[int(how.split()[1])] += 1e-4 * max(1, *map(abs, numbers))
            return tuple(numbers) if isinstance(returned, tuple) else numbers[0]
        array = args[how]
        array.reshape(-1)[array.size // 2] += 1e-4 * max(1, np.abs(array).max()) if array.dtype.kind == "f" else 1
        return returned

    return types.SimpleNamespace(**{op.kernel: kernel})


@backend
@operation
def test_the_check_rejects_a_kernel_that_is_wrong_in_one_number(table: Any, op: Operation) -> None:
    sizes = op.usual_sizes
    answer = op.answer(arguments(op, sizes))
    ways = [name for name in answer if name != "return"]
    ways += [f"return {place}" for place in range(np.size(answer["return"]))] if "return" in answer else []
    for how in ways:
        with pytest.raises(AssertionError, match="error"):
            check(broken(table, op, how), op, sizes, np.float32)
    unwritten = types.SimpleNamespace(**{op.kernel: lambda **args: None})
    with pytest.raises((AssertionError, TypeError)):
        check(unwritten, op, sizes, np.float32)


@backend
@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.loss], ids=lambda op: op.name)
def test_backward_kernel_is_the_gradient_of_the_forward_one(table: Any, op: Operation) -> None:
    sizes = op.usual_sizes
    args = arguments(op, sizes)
    call(table, op, args)
    rng = np.random.default_rng(0)
    assert op.loss is not None
    for name, gradient in op.gradients.items():
        for _ in range(3):
            direction = rng.standard_normal(args[name].shape)
            direction /= np.abs(direction).max()
            step = 1e-5
            up, down = ({**args, name: args[name] + sign * step * direction} for sign in (1, -1))
            numeric = (op.loss(up, table) - op.loss(down, table)) / (2 * step)
            analytic = float((args[gradient] * direction).sum())
            assert abs(numeric - analytic) <= 1e-6 * max(abs(numeric) + abs(analytic), 1e-3), (op.name, name)


@needs_native
@dtype
@pytest.mark.parametrize("op", [op for op in OPERATIONS if "dropout" in op.kernel], ids=lambda op: op.name)
def test_dropout_masks_are_the_same_bits_in_both_backends(op: Operation, dtype: Any) -> None:
    for size in (1, 127, 128, 129, 100_003):
        sizes = (size,) if op.kernel == "dropout" else (1 + size // 130, 130)
        one, other = arguments(op, sizes, dtype), arguments(op, sizes, dtype)
        call(native, op, one)
        call(reference, op, other)
        np.testing.assert_array_equal(one["out"], other["out"])


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter: Any, key: Any, words: Any) -> None:
    """Known answers of the Random123 library; the vectorized generator agrees with this one through the table."""
    assert philox(counter, key) == words


def test_vectorized_philox_agrees_with_plain_integers() -> None:
    for first in (0, 2**32 - 7):
        words = vectorized_philox(2**40 + 9, 5, 6, 40, first)
        expected = [philox((b % 2**32, b >> 32, 5, 6), (9, 2**8)) for b in range(first, first + 40)]
        assert [tuple(map(int, row)) for row in words] == expected
        assert [philox_words(2**40 + 9, 5, 6, b) for b in range(first, first + 40)] == expected


@backend
@dtype
@pytest.mark.parametrize(("kernel", "settings"), [("dropout", (0.4, True)), ("gaussian_noise", (0.7,))])
def test_a_part_of_an_array_gets_its_part_of_the_draws(
    table: Any, dtype: Any, kernel: str, settings: tuple[Any, ...]
) -> None:
    draw, x = getattr(table, kernel), np.random.default_rng(0).standard_normal(1000).astype(dtype)
    whole, parts = np.empty_like(x), np.empty_like(x)
    draw(x, *settings, 3, 1, 2, 5, whole)
    for begin, end in ((0, 1), (1, 64), (64, 300), (300, 300), (300, 987), (987, 1000)):
        draw(x[begin:end], *settings, 3, 1, 2, 5 + begin, parts[begin:end])
    np.testing.assert_array_equal(parts, whole)


@needs_native
@pytest.mark.skipif("PYNN_ISA" in os.environ, reason="is itself the run at a forced level")
@pytest.mark.parametrize("level", native.available_isas().split()[1:] if native else [])
def test_lower_instruction_sets_give_the_float64_answers_too(level: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "float64_answer and native",
    ]
    environment = {**os.environ, "PYNN_ISA": level}
    asked = subprocess.run(
        [sys.executable, "-c", "from pynn.kernels import _native; print(_native.isa())"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert asked.stdout.strip() == level
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


# Bad arguments --------------------------------------------------------------------------------------


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


@backend
@pytest.mark.parametrize("rows", [0, 1])
def test_batchnorm_needs_two_rows(table: Any, rows: int) -> None:
    op = next(op for op in OPERATIONS if op.kernel == "batchnorm_forward")
    args = arguments(op, (2, 3))
    args["x"], args["out"] = args["x"][:rows].copy(), args["out"][:rows].copy()
    with pytest.raises(ValueError, match=f"x has {rows} rows, expected at least 2"):
        call(table, op, args)


@backend
@dtype
def test_softmax_cross_entropy_is_finite_for_extreme_logits_and_ignores_shifts(table: Any, dtype: Any) -> None:
    logits = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [3.0, 2.0, 1.0]], dtype)
    label, gradient = np.array([1, 0, 2]), np.empty((3, 3), dtype)
    loss, _ = table.softmax_cross_entropy(logits, label, None, 0.0, gradient)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    small = np.array([[3.0, 2.0, 1.0]] * 3, dtype)
    plain = table.softmax_cross_entropy(small, label, None, 0.0, gradient)
    assert table.softmax_cross_entropy(small + dtype(64), label, None, 0.0, gradient) == pytest.approx(plain, rel=1e-6)


def measured(table: Any, kernel: str, scores: np.ndarray, labels: np.ndarray, weights: Any, gradient: Any) -> Any:
    setting = {"softmax_cross_entropy": (0.0,), "focal": (2.0,), "hinge": (1.0, False)}[kernel]
    return getattr(table, kernel)(scores, labels, weights, *setting, gradient)


def awkward_rows(dtype: Any, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of ties, zeros of both signs, subnormals, infinities and NaN in every mixture."""
    tiny = np.finfo(dtype).smallest_subnormal
    pool = np.array([0, -0.0, tiny, 2 * tiny, -tiny, 1, -1, np.inf, -np.inf, np.nan, -np.nan], dtype)
    rows = [rng.choice(pool[:size], (80, columns)) for size in (2, 5, 7, 9, 11)]
    rows += [np.full((3, columns), value, dtype) for value in pool]
    return np.ascontiguousarray(np.concatenate(rows), dtype)


@backend
@dtype
@pytest.mark.parametrize("kernel", LABEL_LOSSES)
@pytest.mark.parametrize("columns", [1, 2, 3, 10, 33, 300])
def test_hits_are_those_of_argmax_row_by_row(table: Any, kernel: str, dtype: Any, columns: int) -> None:
    rng = np.random.default_rng(columns)
    rows = awkward_rows(dtype, columns, rng)
    best = rows.argmax(axis=1)
    for labels in (best, rng.integers(0, columns, len(rows))):
        gradient = np.empty((1, columns), dtype)
        for row, label, first in zip(rows, labels, best, strict=True):
            _, hits = measured(table, kernel, row[None], np.array([label]), None, gradient)
            assert hits == (label == first), (row, label)


@backend
@dtype
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("columns", [1, 2, 3, 10, 33])
def test_hinge_of_infinity_and_nan_is_that_of_plain_numbers(
    table: Any, dtype: Any, squared: bool, columns: int
) -> None:
    rng = np.random.default_rng(columns)
    pool = np.array([0, 1.5, -1.5, np.inf, -np.inf, np.nan], dtype)
    rows = np.concatenate([rng.choice(pool[:size], (60, columns)) for size in (4, 5, 6)])
    for row, label in zip(rows, rng.integers(0, columns, len(rows)), strict=True):
        gradient = np.empty((1, columns), dtype)
        loss, _ = table.hinge(row[None], np.array([label]), None, 1.0, squared, gradient)
        with np.errstate(invalid="ignore"):
            over = np.delete(row - row[label] + 1, label)
            over = np.where(over <= 0, 0, over)  # NaN stays
            pull = 2 * over if squared else np.sign(over)
            np.testing.assert_array_equal(loss, (over**2 if squared else over).sum())
            np.testing.assert_array_equal(gradient[0], np.insert(pull, label, -pull.sum()))


@backend
@dtype
@pytest.mark.parametrize("kernel", LABEL_LOSSES)
def test_a_weight_multiplies_a_row_of_a_loss(table: Any, kernel: str, dtype: Any) -> None:
    """Weights of 1 give the bits of no weights; 0 leaves a row out; rows that stand twice are weights of 2."""
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(0, 2, (40, 7)).astype(dtype), rng.integers(0, 7, 40)
    gradients = [np.empty_like(scores) for _ in range(3)]
    plain = measured(table, kernel, scores, labels, None, gradients[0])
    assert measured(table, kernel, scores, labels, np.ones(40, dtype), gradients[1]) == plain
    np.testing.assert_array_equal(gradients[0], gradients[1])
    weights = (np.arange(40) % 3).astype(dtype)
    value, hits = measured(table, kernel, scores, labels, weights, gradients[2])
    np.testing.assert_allclose(gradients[2], gradients[0] * weights[:, None], rtol=1e-5, atol=1e-9)
    twice = np.repeat(np.arange(40), np.arange(40) % 3)
    wide = np.empty((len(twice), 7), dtype)
    expected, number = measured(table, kernel, scores[twice], labels[twice], None, wide)
    assert hits == number
    assert value * 40 == pytest.approx(expected * len(twice), rel=1e-5)


@backend
@dtype
@pytest.mark.parametrize("kernel", LABEL_LOSSES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_losses_of_no_rows_or_columns_are_refused(table: Any, kernel: str, dtype: Any, shape: Sizes) -> None:
    scores = np.empty(shape, dtype)
    with pytest.raises(
        ValueError, match=rf"{kernel}: .* has shape \({shape[0]}, {shape[1]}\), expected at least one row"
    ):
        measured(table, kernel, scores, np.zeros(shape[0], np.int64), None, scores.copy())


@backend
@dtype
def test_batchnorm_statistics_survive_a_large_mean(table: Any, dtype: Any) -> None:
    """Sums of squares would lose every digit: the mean is 10,000 standard deviations away."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((1000, 3)) + 1e4).astype(dtype)
    mean, rstd, zero, out = (np.zeros(3, dtype) for _ in range(4))
    out = np.empty_like(x)
    table.batchnorm_forward(
        x, np.ones(3, dtype), zero, 1e-5, 0.9, zero.copy(), zero.copy(), "identity", 0.0, mean, rstd, out
    )
    np.testing.assert_allclose(rstd, 1 / x.astype(np.float64).std(axis=0), rtol=1e-4)


@backend
@dtype
def test_batchnorm_statistics_survive_first_rows_far_from_the_others(table: Any, dtype: Any) -> None:
    """The native kernel sums around the mean of the first eight rows: here ten standard deviations off."""
    x = np.random.default_rng(0).standard_normal((1000, 3)).astype(dtype)
    x[:8] += 10
    mean, rstd, running, out = np.empty(3, dtype), np.empty(3, dtype), np.zeros((2, 3), dtype), np.empty_like(x)
    one, zero = np.ones(3, dtype), np.zeros(3, dtype)
    table.batchnorm_forward(x, one, zero, 0.0, 0.9, running[0], running[1], "identity", 0.0, mean, rstd, out)
    wide = x.astype(np.float64)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=0, atol=256 * eps)
    np.testing.assert_allclose(rstd, 1 / wide.std(axis=0), rtol=256 * eps)


@backend
@dtype
def test_batchnorm_backward_of_no_rows_has_zero_gradients(table: Any, dtype: Any) -> None:
    empty, one = np.empty((0, 3), dtype), np.ones(3, dtype)
    dgamma, dbeta = np.full(3, np.nan, dtype), np.full(3, np.nan, dtype)
    table.batchnorm_backward(empty, empty.copy(), one, one, one, one, "relu", 0.0, None, dgamma, dbeta)
    np.testing.assert_array_equal([dgamma, dbeta], 0)


@backend
@pytest.mark.parametrize("rows", [64, 300, 1000])
def test_a_batch_that_overflows_leaves_the_running_statistics_alone(table: Any, rows: int) -> None:
    x = (np.random.default_rng(0).standard_normal((rows, 19)) * 5e20).astype(np.float32)
    one, zero, out = np.ones(19, np.float32), np.zeros(19, np.float32), np.empty_like(x)
    mean, rstd, running = np.empty_like(one), np.empty_like(one), np.array([zero + 2, one + 2])
    table.batchnorm_forward(x, one, zero, 1e-5, 0.9, running[0], running[1], "relu", 0.0, mean, rstd, out)
    np.testing.assert_array_equal(running[0], 2)
    np.testing.assert_array_equal(running[1], 3)


@backend
@dtype
@pytest.mark.parametrize("value", [123.4, 33.3, 333333.3, -1e-20, 0.0])
@pytest.mark.parametrize("rows", [128, 300])
def test_a_constant_column_is_normalized_to_zero(table: Any, dtype: Any, value: float, rows: int) -> None:
    x = np.full((rows, 3), value, dtype)
    mean, rstd, running, out = np.empty(3, dtype), np.empty(3, dtype), np.zeros((2, 3), dtype), np.empty_like(x)
    one, zero = np.ones(3, dtype), np.zeros(3, dtype)
    table.batchnorm_forward(x, one, zero, 1e-5, 0.9, running[0], running[1], "identity", 0.0, mean, rstd, out)
    np.testing.assert_array_equal(out, 0)
    np.testing.assert_array_equal(running[1], 0)


@backend
def test_a_nan_goes_through_relu_rather_than_vanishing(table: Any) -> None:
    out = np.empty(3)
    table.activation_forward(np.array([np.nan, -1.0, 2.0]), "relu", 0.0, out)
    np.testing.assert_array_equal(out, [np.nan, 0, 2])
