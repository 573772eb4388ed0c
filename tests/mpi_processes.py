"""Python in several processes that MPI starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pynn


def mpirun(count: int, arguments: list[str], folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in so many processes; skip where there is no MPI."""
    pytest.importorskip("mpi4py")
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    starter = shutil.which("mpirun", path=places)
    if starter is None:
        pytest.skip("mpirun is not there")
    environment = {
        **os.environ,
        "PYNN_BACKEND": pynn.kernels.backend(),
        "OMP_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        **env,
    }
    command = [starter, "-n", str(count), sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=240)
