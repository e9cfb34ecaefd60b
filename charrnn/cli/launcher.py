"""Whether mpiexec, srun or the like has started this process as one of several."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

#: Variables that hold a process's rank and how many there are. SLURM_NTASKS would not do: a batch
#: script has it, too.
_VARIABLES = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # MPICH and what is made of it: Intel, Microsoft, Cray
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun
)


@dataclass(frozen=True)
class Launched:
    """Which of how many processes this is."""

    rank: int
    size: int


def launched() -> Launched | None:
    """What a launcher says about this process; None if it was started alone."""
    for rank, size in _VARIABLES:
        with contextlib.suppress(KeyError, ValueError):
            found = Launched(int(os.environ[rank]), int(os.environ[size]))
            if found.size > 1:
                return found
    return None
