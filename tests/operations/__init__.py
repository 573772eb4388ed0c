"""The table of operations: for every kernel its arguments, an independent float64 answer, a tolerance and its gradient.

Tests and benchmarks both walk this table. A kernel without a row fails `test_every_kernel_has_a_row`.
"""

from __future__ import annotations

from . import (
    activation,
    add,
    affine,
    augment,
    batchnorm,
    clip,
    conv,
    elementwise_loss,
    gate,
    groupnorm,
    hierarchical,
    label_loss,
    loss,
    maxout,
    noise,
    optimizer,
    pool,
    prelu,
    softmax,
)
from .noise import philox
from .table import Arguments, Operation, Sizes, arguments, assert_close, call, to_dtype

__all__ = ["OPERATIONS", "Arguments", "Operation", "Sizes", "arguments", "assert_close", "call", "philox", "to_dtype"]

FAMILIES = (
    activation,
    add,
    affine,
    augment,
    batchnorm,
    clip,
    conv,
    elementwise_loss,
    gate,
    groupnorm,
    hierarchical,
    label_loss,
    loss,
    maxout,
    noise,
    optimizer,
    pool,
    prelu,
    softmax,
)

OPERATIONS: list[Operation] = [row for family in FAMILIES for row in family.rows()]
