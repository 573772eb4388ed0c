"""Choosing a backend where the extension is missing, broken or of another version; tests/project starts processes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pynn
from pynn import kernels


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """pynn without its extension."""
    pynn.use_backend("numpy")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An extension that does not load."""

    def fail(name: str) -> Any:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    pynn.use_backend("numpy")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(importlib, "import_module", fail)
    return monkeypatch


def test_a_missing_extension_leaves_numpy_on_one_thread(missing: None) -> None:
    assert kernels.native_module() is None
    pynn.set_num_threads(3)
    assert pynn.get_num_threads() == 1
    with pytest.raises(ImportError, match=r"native backend was asked for, but pynn was installed without its C\+\+"):
        pynn.use_backend("native")
    assert kernels.backend() == "numpy"


def test_a_missing_extension_is_explained(missing: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pynn" / "kernels").mkdir(parents=True)
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "pynn" / "kernels" / "__init__.py"))
    assert kernels.why_not_native().startswith("the C++ kernels were not built")
    (tmp_path / "csrc").mkdir()
    assert kernels.why_not_native().startswith("this is pynn's source folder, not the installed package")


def test_a_missing_extension_is_warned_of_but_not_in_the_command(
    missing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYNN_BACKEND", raising=False)
    with pytest.warns(RuntimeWarning, match="pynn runs on NumPy: "):
        kernels._choose()
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pynn", "info"])
    kernels._choose()  # the command says it in its own words


def test_a_broken_extension_is_an_error_that_names_the_cause(broken: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match=r"do not load: libgomp.*Install pynn again, or set PYNN_BACKEND=numpy"):
        pynn.use_backend("native")
    assert pynn.get_num_threads() == 1
    pynn.set_num_threads(2)
    assert kernels.why_not_native() == "the NumPy backend was asked for"
    broken.delenv("PYNN_BACKEND", raising=False)
    with pytest.raises(ImportError, match="do not load"):
        kernels._choose()


def test_an_extension_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    before = kernels.backend()
    monkeypatch.setattr(kernels, "native_module", lambda: ModuleType("_native"))
    with pytest.raises(ImportError, match=r"of another version \(they lack .*affine_forward.*\)\. Install pynn again"):
        pynn.use_backend("native")
    assert kernels.backend() == before


@pytest.mark.parametrize("name", ["native", "numpy"])
def test_the_environment_is_read_at_import(
    name: str, both_backends: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNN_BACKEND", name)
    kernels._choose()
    assert kernels.backend() == name
    monkeypatch.setenv("PYNN_BACKEND", "cuda")
    with pytest.raises(ImportError, match="PYNN_BACKEND is 'cuda', expected one of native, numpy, or unset"):
        kernels._choose()
    assert kernels.backend() == name


def test_native_runs_where_it_is_installed_and_nothing_is_asked_for(
    both_backends: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pynn.use_backend("numpy")
    monkeypatch.delenv("PYNN_BACKEND", raising=False)
    kernels._choose()
    assert kernels.backend() == "native"
    assert kernels.why_not_native() == ""
