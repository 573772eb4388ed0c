"""Every kernel of both backends, walked from the table of operations."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_tables import backend, dtype, native, needs_native, operation
from operations import MODULES, OPERATIONS, Arguments, Operation, Sizes, arguments, assert_close, call, philox, to_dtype

from pynn import kernels
from pynn.kernels import reference
from pynn.kernels.philox import philox as vectorized_philox
from pynn.kernels.philox import words as philox_words

MARGIN = 64  # elements around each output that a kernel must leave alone
GUARD = 12345.0


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


def test_a_family_has_one_name_on_four_sides() -> None:
    csrc = Path(__file__).parents[2] / "csrc"
    text = (csrc / "kernels/kernels.h").read_text()
    families = re.findall(r"X\((\w+)\)", text[text.index("FAMILIES(X)") + 11 :].partition("// clang-format on")[0])
    assert families == sorted(families)
    for side in (csrc / "kernels", csrc / "bindings"):
        assert [name for name in families if not (side / f"{name}.cpp").is_file()] == []
    assert sorted({getattr(reference, name).__module__.rpartition(".")[2] for name in kernels.NAMES}) == families
    assert families == MODULES


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


@pytest.mark.slow
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


@backend
def test_a_nan_goes_through_relu_rather_than_vanishing(table: Any) -> None:
    out = np.empty(3)
    table.activation_forward(np.array([np.nan, -1.0, 2.0]), "relu", 0.0, out)
    np.testing.assert_array_equal(out, [np.nan, 0, 2])
