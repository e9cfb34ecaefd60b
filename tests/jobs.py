"""MPI jobs for tests: the mpiexec of a wheel in this environment, or else the machine's."""

import contextlib
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

#: Why such a test is skipped.
MISSING = "mpi4py or mpiexec is not installed"
#: Open MPI starts no more processes than there are cores, and none for root, unless asked to.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def _mpiexec() -> str | None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which("mpiexec", path=path)


MPIEXEC = _mpiexec()
needs_mpi = pytest.mark.skipif(
    not MPIEXEC or importlib.util.find_spec("mpi4py") is None, reason=MISSING
)


def ranks_of(word: str) -> dict[int, int]:
    """The processes of a job that has ``word`` in its command line: process numbers by rank."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, StopIteration):
            if word in (folder / "cmdline").read_text(errors="replace"):
                variables = (folder / "environ").read_text(errors="replace").split("\0")
                names = ("PMI_RANK=", "OMPI_COMM_WORLD_RANK=")
                rank = next(text for text in variables if text.startswith(names))
                found[int(rank.partition("=")[2])] = int(folder.name)
    return found
