"""The kernels of both backends, and the parametrizations over them."""

from __future__ import annotations

import numpy as np
import pytest
from operations import OPERATIONS

from pynn import kernels
from pynn.kernels import reference

native = kernels.native_module()

BACKENDS = {"numpy": reference} | ({"native": native} if native else {})

DTYPES = (np.float32, np.float64)

backend = pytest.mark.parametrize("table", BACKENDS.values(), ids=BACKENDS.keys())

dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])

needs_native = pytest.mark.skipif(native is None, reason="the native kernels are not built")

operation = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)

LABEL_LOSSES = ("softmax_cross_entropy", "focal", "hinge")
