"""The table of operations: for every kernel its arguments, an independent float64 answer, a tolerance and its gradient.

Tests and benchmarks both walk this table. A kernel without a row fails `test_every_kernel_has_a_row`.
"""

from __future__ import annotations

from . import activation, affine, batchnorm, hierarchical, loss, noise, optimizer
from .noise import philox
from . import activation, affine, batchnorm, clip, loss, optimizer
from . import activation, affine, batchnorm, label_loss, loss, optimizer
from . import activation, affine, batchnorm, elementwise_loss, label_loss, loss, optimizer
from . import activation, affine, batchnorm, gate, loss, optimizer
from . import activation, affine, batchnorm, gate, loss, optimizer, prelu
from . import activation, affine, batchnorm, gate, loss, maxout, optimizer, prelu
from . import activation, affine, batchnorm, gate, loss, maxout, optimizer, prelu, softmax
from . import activation, affine, batchnorm, gate, groupnorm, loss, maxout, optimizer, prelu, softmax
from .loss import philox
from .table import Arguments, Operation, Sizes, arguments, assert_close, call, to_dtype

__all__ = ["OPERATIONS", "Arguments", "Operation", "Sizes", "arguments", "assert_close", "call", "philox", "to_dtype"]

FAMILIES = (
    activation,
    affine,
    batchnorm,
    hierarchical,
    loss,
    noise,
    optimizer,
)

OPERATIONS: list[Operation] = [row for family in FAMILIES for row in family.rows()]
OPERATIONS: list[Operation] = [
    row for family in (activation, affine, batchnorm, clip, loss, optimizer) for row in family.rows()
    row for family in (activation, affine, batchnorm, loss, label_loss, optimizer) for row in family.rows()
    row
    for family in (activation, affine, batchnorm, loss, label_loss, elementwise_loss, optimizer)
    for row in family.rows()
    row for family in (activation, affine, batchnorm, gate, loss, optimizer) for row in family.rows()
    row for family in (activation, affine, batchnorm, gate, loss, optimizer, prelu) for row in family.rows()
    row for family in (activation, affine, batchnorm, gate, loss, maxout, optimizer, prelu) for row in family.rows()
    row
    for family in (activation, affine, batchnorm, gate, groupnorm, loss, maxout, optimizer, prelu, softmax)
    for row in family.rows()
]
