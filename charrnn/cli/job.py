"""``charrnn train`` as an MPI job: which process trains, and which ones help it."""

from __future__ import annotations

import os
from dataclasses import replace

from click.exceptions import Exit

from charrnn.cli.launcher import launched
from charrnn.cli.signals import Signals
from charrnn.cli.streams import Session, say
from charrnn.cli.train import Request, train
from charrnn.errors import TrainingError
from charrnn.training.ranks.mpi import World, world


def run(request: Request, session: Session) -> None:
    """Carry out a request, in an MPI job if this process belongs to one.

    Raises:
        As :func:`~charrnn.cli.train.train`. Exit: there is an error that another process reports.
    """
    job = _job(request)
    if job is None:
        return train(request, session)
    if job.rank:
        with Signals() as signals:
            return job.serve(lambda: signals.received)
    try:
        train(replace(request, flags=request.flags | {"train.workers": "mpi"}, job=job), session)
    finally:
        job.end()


def _job(request: Request) -> World | None:
    """The MPI job that this process is to train in; None if it is to train by itself.

    It is to train in one if a launcher has started several processes, unless a number of workers
    is typed; or if ``mpi`` is typed.
    """
    launch, workers = launched(), _typed_workers(request)
    if workers != "mpi" and (launch is None or workers != "0"):
        if launch and launch.rank == 0 and not request.quiet:
            say(f"--workers {workers}: each of the {launch.size:,} processes is a run by itself")
        return None
    try:
        job = world()
        if launch and job.size != launch.size:
            raise TrainingError(
                f"{launch.size:,} processes were started together, but the MPI of mpi4py "
                f"({job.library}) sees {job.size:,}",
                "start them with the mpiexec of that MPI",
            )
    except TrainingError:
        if launch and launch.rank:
            raise Exit(1) from None
        raise
    return job


def _typed_workers(request: Request) -> str:
    """The number of workers, as far as it is known without reading a file."""
    name = "train.workers"
    if name in request.flags:
        return str(request.flags[name])
    assigned = dict(text.split("=", 1) for text in request.overrides if "=" in text)
    return assigned.get(name, os.environ.get("CHARRNN_TRAIN_WORKERS", "0"))
