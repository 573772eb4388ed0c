"""What `import pynn` does: how little it loads, which backend it takes, and what it says when one is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pynn

HEAVY = (
    "matplotlib", "tqdm", "safetensors", "sklearn", "scipy", "torch", "PIL", "pooch", "pandas", "requests", "mpi4py",
    "distributed", "optuna",
)  # fmt: skip
PACKAGE = Path(pynn.__file__).parent
# The finder of an editable install would come before PYTHONPATH.
WITHOUT_EDITABLE = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'Redirecting' not in type(f).__name__]"


def run(
    code: str, *, path: Path | None = None, warnings: str = "error", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, with pynn from `path` if there is one."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYNN_BACKEND"}
    if path is not None:
        inherited["PYTHONPATH"] = str(path)
        code = f"{WITHOUT_EDITABLE}\n{code}"
    command = [sys.executable, "-W", warnings, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, env={**inherited, **env}, cwd=path or PACKAGE.parent, timeout=60
    )


def copy(folder: Path) -> Path:
    """A copy of the package without its extension; returns the folder of its kernels."""
    ignored = shutil.ignore_patterns("_native*.so", "_native*.pyd", "_native*.dll", "__pycache__")
    shutil.copytree(PACKAGE, folder / "pynn", ignore=ignored)
    return folder / "pynn" / "kernels"


def extension_name() -> str:
    from importlib.machinery import EXTENSION_SUFFIXES

    return f"_native{EXTENSION_SUFFIXES[0]}"


def native_or_skip() -> None:
    if pynn.kernels.native_module() is None:
        pytest.skip("the native kernels were not built")


def test_import_loads_nothing_heavy() -> None:
    backend = pynn.kernels.backend()
    done = run(f"import sys, pynn; print([name for name in {HEAVY!r} if name in sys.modules])", PYNN_BACKEND=backend)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


@pytest.mark.slow
def test_training_on_arrays_without_a_bar_loads_nothing_heavy() -> None:
    code = f"""
import sys, numpy as np, pynn
model = pynn.Sequential(pynn.Affine(2))
model.fit(np.eye(4), [0, 1, 0, 1], batch_size=2, epochs=1, progress=False)
model.predict(np.eye(4)), model.summary(), str(pynn.info())
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = run(code, PYNN_BACKEND=pynn.kernels.backend())
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_the_environment_picks_the_backend(backend: str) -> None:
    if backend == "native":
        native_or_skip()
    done = run("import pynn; print(pynn.info().backend, pynn.kernels.backend())", PYNN_BACKEND=backend)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [backend, backend], "")


@pytest.mark.parametrize("value", ["rubbish", "NumPy", " native"])
def test_an_unknown_backend_in_the_environment_lists_those_there_are(value: str) -> None:
    done = run("import pynn", PYNN_BACKEND=value)
    assert done.returncode == 1
    assert f"ImportError: PYNN_BACKEND is {value!r}, expected one of native, numpy, or unset" in done.stderr


@pytest.mark.slow
def test_without_a_wish_native_runs_and_says_nothing() -> None:
    native_or_skip()
    for settings in ({}, {"PYNN_BACKEND": ""}):
        done = run("import pynn; print(pynn.kernels.backend())", **settings)
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "native", "")


@pytest.mark.slow
def test_without_the_extension_numpy_runs_and_a_warning_says_so(tmp_path: Path) -> None:
    copy(tmp_path)
    code = """
import numpy as np, pynn
model = pynn.Sequential(pynn.Affine(2))
model.fit(np.eye(4), [0, 1, 0, 1], batch_size=2, epochs=1, progress=False)
print(pynn.__file__); print(pynn.info())
pynn.set_num_threads(2); print(pynn.get_num_threads())
try:
    pynn.use_backend("native")
except ImportError as error:
    print("refused:", error)
"""
    done = run(code, path=tmp_path, warnings="default")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout.splitlines()[0]
    assert done.stderr.count("RuntimeWarning: pynn runs on NumPy: the C++ kernels were not built") == 1
    assert "pip install -v" in done.stderr
    assert "backend          numpy (the C++ kernels were not built" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("refused: the native backend was asked for, but")


def test_the_warning_points_at_the_line_that_imports_pynn(tmp_path: Path) -> None:
    copy(tmp_path)
    (tmp_path / "script.py").write_text("x = 1\nimport pynn\n")
    done = run("import script", path=tmp_path, warnings="default")
    assert "script.py:2: RuntimeWarning: pynn runs on NumPy" in done.stderr


@pytest.mark.slow
def test_without_the_extension_a_wish_for_numpy_needs_no_warning(tmp_path: Path) -> None:
    copy(tmp_path)
    done = run("import pynn; print(pynn.kernels.backend())", path=tmp_path, PYNN_BACKEND="numpy")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "numpy", "")


def test_without_the_extension_a_wish_for_native_is_an_error(tmp_path: Path) -> None:
    copy(tmp_path)
    done = run("import pynn", path=tmp_path, PYNN_BACKEND="native")
    assert done.returncode == 1
    assert (
        "ImportError: the native backend was asked for, but pynn was installed without its C++ kernels" in done.stderr
    )


@pytest.mark.parametrize("junk", [b"", b"not an extension" * 100], ids=["empty", "garbage"])
@pytest.mark.parametrize("wish", ["", "native"])
def test_a_broken_extension_is_an_error_with_its_cause(junk: bytes, wish: str, tmp_path: Path) -> None:
    (copy(tmp_path) / extension_name()).write_bytes(junk)
    done = run("import pynn", path=tmp_path, PYNN_BACKEND=wish)
    assert done.returncode == 1
    assert "ImportError: pynn's native kernels are installed but do not load: " in done.stderr
    assert "_native" in done.stderr.rsplit("do not load: ", 1)[1]
    assert "Install pynn again, or set PYNN_BACKEND=numpy to run without them." in done.stderr


@pytest.mark.slow
def test_numpy_runs_and_tells_of_itself_beside_a_broken_extension(tmp_path: Path) -> None:
    """It is what the error message above advises: all of pynn must then work, threads and info included."""
    (copy(tmp_path) / extension_name()).write_bytes(b"not an extension")
    code = "import pynn; pynn.set_num_threads(2); pynn.get_num_threads(); print(pynn.info())"
    done = run(code, path=tmp_path, PYNN_BACKEND="numpy")
    assert done.returncode == 0, done.stderr
    assert "backend          numpy (" in done.stdout


def test_an_extension_of_another_build_is_an_error_with_what_it_lacks(tmp_path: Path) -> None:
    """An old extension beside new Python files, after an upgrade that went half way."""
    (copy(tmp_path) / "_native.py").write_text("compiler = 'x'\nopenmp = 'x'\n")
    done = run("import pynn", path=tmp_path)
    assert done.returncode == 1
    assert "ImportError" in done.stderr
    assert "Install pynn again" in done.stderr
