"""Every row of the table of operations, native against NumPy.

`pytest bench/bench_kernels.py --benchmark-columns=median` prints a table for each kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Operation, arguments, assert_close, call
from pytest_benchmark.fixture import BenchmarkFixture

from pynn import kernels
from pynn.kernels import reference

TABLES = {"numpy": reference} | ({"native": native} if (native := kernels.native_module()) else {})
ROWS = [op for op in OPERATIONS if op.bench]


@pytest.mark.parametrize("backend", TABLES)
@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_kernel(benchmark: BenchmarkFixture, op: Operation, backend: str) -> None:
    assert op.bench is not None
    benchmark.group = f"{op.name} {'x'.join(map(str, op.bench))} float32"
    args, same = arguments(op, op.bench, np.float32), arguments(op, op.bench, np.float32)
    assert_close(call(TABLES[backend], op, args) or 0.0, call(reference, op, same) or 0.0, 1e12, op.name)
    for name, value in args.items():  # check the result before timing
        if isinstance(value, np.ndarray) and value.dtype == np.float32:
            assert_close(value, same[name], 16 * op.tolerance, f"{op.name} {name}")
    kernel = getattr(TABLES[backend], op.kernel)
    positional: list[Any] = [value for name, value in args.items() if not name.startswith("#")]
    benchmark(kernel, *positional)
