"""The table of operations: for every kernel its arguments, an independent float64 answer, a tolerance and its gradient.

Tests and benchmarks both walk this table. A kernel without a row fails `test_every_kernel_has_a_row`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from .noise import philox
from .table import Arguments, Operation, Sizes, arguments, assert_close, call, to_dtype

__all__ = [
    "MODULES",
    "OPERATIONS",
    "Arguments",
    "Operation",
    "Sizes",
    "arguments",
    "assert_close",
    "call",
    "philox",
    "to_dtype",
]

MODULES = sorted(found.name for found in pkgutil.iter_modules(__path__) if found.name != "table")
FAMILIES = [import_module(f".{name}", __name__) for name in MODULES]
OPERATIONS: list[Operation] = [row for family in FAMILIES for row in family.rows()]
