"""pynn.info(): what runs, told to people."""

from __future__ import annotations

import dataclasses
import platform

import numpy as np
import pytest

import pynn


def rows(text: str) -> dict[str, str]:
    return {line[:16].strip(): line[17:] for line in text.splitlines()}


def test_info_tells_version_backend_numpy_python_and_machine() -> None:
    told = rows(str(pynn.info()))
    assert told["pynn"] == pynn.__version__
    assert told["backend"].split(" ")[0] == pynn.kernels.backend()
    assert told["NumPy"] == np.__version__
    assert told["Python"] == platform.python_version()
    assert told["machine"] == platform.machine()
    assert int(told["threads"]) == pynn.get_num_threads() >= 1


@pytest.mark.usefixtures("native")
def test_native_tells_instruction_set_compiler_and_openmp() -> None:
    info = pynn.info()
    told = rows(str(info))
    assert info.why_not_native == ""
    assert info.isa in info.available_isas
    assert told["instruction set"].startswith(info.isa)
    assert told["compiler"]
    assert told["OpenMP"]
    pynn.set_num_threads(2)
    assert rows(str(pynn.info()))["threads"] == "2"


def test_numpy_tells_why_native_does_not_run() -> None:
    pynn.use_backend("numpy")
    info = pynn.info()
    reason = "asked for" if pynn.kernels.native_module() is not None else "not built"
    assert reason in info.why_not_native
    assert rows(str(info))["backend"] == f"numpy ({info.why_not_native})"
    assert "instruction set" not in rows(str(info))


def test_info_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        pynn.info().backend = "other"


def test_an_unknown_attribute_of_the_package_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'pynn' has no attribute 'rubbish'"):
        _ = pynn.rubbish


def test_every_public_name_is_there_and_sorted() -> None:
    for name in pynn.__all__:
        assert getattr(pynn, name) is not None
    assert len(set(pynn.__all__)) == len(pynn.__all__)
