"""Several ranks: the processes that an MPI launcher has started, on one machine or on many.

Rank 0 trains as a process alone would, and owns the corpus, all files and the clock. The others
:meth:`~World.serve` it: they wait for a message, which says what to do. That of a step holds the
window's ids; each rank then computes the gradient of its own streams, one Allreduce sums these, and
all ranks make the same update. In a validation, each gets its part of the streams of the held-out
text, and answers with the surprisal of their symbols.

**The same parameters everywhere.** Parameters are sent only when a session begins, so updates may
not differ between ranks by a bit. The sum does not, where MPI is sound. The norm of the gradient
may, because its last digits depend on the processor, so all ranks clip by rank 0's. Whenever a
checkpoint is made, all ranks compare checksums.

**Waiting.** MPI waits by spinning. Within a step that is right, but while rank 0 reads, counts or
saves, the others would take cores that it could use. So after a while they sleep between two
looks for its next message.
"""

from __future__ import annotations

import atexit
import enum
import functools
import math
import mmap
import platform
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from charrnn.errors import TrainingError, lacks_memory
from charrnn.evaluation.score import Answer, Part
from charrnn.limits import available_cores
from charrnn.nn.params import Array
from charrnn.threads import share
from charrnn.training.ranks.communicator import (
    Layout,
    Rank,
    Result,
    Task,
    arrays_over,
    memory_size,
)

#: Seconds for which a rank looks for the next message all the time, and how long it sleeps
#: afterwards between two looks.
SPIN, NAP = 0.002, 0.001
#: Seconds for mpiexec to pass on why a rank ends the job, which it may forget to do afterwards.
_LAST_WORDS = 0.2
#: Figures of each rank that are summed together with the gradients: its loss, as two float32
#: numbers, and the number of a signal that it has received.
_FIGURES = 3


class _Command(enum.IntEnum):
    """What rank 0 asks the others to do."""

    END = 0
    BEGIN = 1
    STEP = 2
    COLLECT = 3
    SCORE = 4


class _Message:
    """What rank 0 sends: a command, and the arrays of a step, whatever the command is."""

    def __init__(self, sent: Layout) -> None:
        layout: Layout = {"command": (np.int64, (1,)), **sent}
        self.memory = bytearray(memory_size(layout, 8))
        self.arrays = arrays_over(self.memory, layout, 8)
        self.command = self.arrays.pop("command")


class World:
    """The processes of an MPI job, as one of them sees it. There is one: :func:`world`.

    Attributes:
        rank: which process this is, of ``size``.
        library: the name and version of the MPI.
        signal: the number of a signal that a rank has received; 0 if none has.
    """

    def __init__(self, mpi: Any) -> None:
        self.mpi, self.comm = mpi, mpi.COMM_WORLD
        self.rank, self.size = self.comm.rank, self.comm.size
        self.library = " ".join(mpi.Get_library_version().partition("\n")[0].split())
        self.signal = 0
        self.neighbours = 0  # ranks on this machine, itself included; 0 if not known yet
        self.own_signal: Callable[[], int | None] = lambda: None
        self.message = _Message({})
        self.current: MPIRanks | None = None
        self.out_of_step = self._ended = False
        atexit.register(self._exit)

    def serve(self, own_signal: Callable[[], int | None] = lambda: None) -> None:
        """What every rank but the first does, until rank 0 ends.

        Args:
            own_signal: the number of the signal that this process has received, if it has.

        Raises:
            TrainingError: if this rank cannot continue; the end of its process aborts the job.
        """
        self.own_signal = own_signal
        work: Rank | None = None
        try:
            while (command := self._receive()) != _Command.END:
                if command == _Command.BEGIN:
                    self.current = MPIRanks(self.comm.bcast(None))
                    work = self.current.task.rank(self.current)
                    self.current.begin()
                elif command == _Command.STEP and work:
                    work.step()
                elif command == _Command.SCORE and work and self.current:
                    self.current.exchange(work.score, [])
                elif self.current:
                    self.current.collect()
        except Exception as error:
            self.out_of_step = True
            short = f"failed: {type(error).__name__}: {error}"
            why = "ran out of memory" if lacks_memory(error) else short
            raise TrainingError(f"rank {self.rank} {why}") from error
        self._end()

    def send(self, command: _Command) -> None:
        """Rank 0: send the message to the others."""
        self.message.command[0] = command
        self.comm.Ibcast(self.message.memory).Wait()  # a Bcast would not match an Ibcast

    def _receive(self) -> int:
        request = self.comm.Ibcast(self.message.memory)
        spin = time.monotonic() + SPIN
        while not request.Test():
            time.sleep(NAP if time.monotonic() > spin else 0.0)
        return int(self.message.command[0])

    def together(self, step: Callable[[], Result]) -> Result:
        """Rank 0: call ``step`` in which all ranks take part; if it fails, none can continue."""
        if self.out_of_step:
            raise TrainingError("the ranks of this MPI job cannot continue after a failed step")
        try:
            return step()
        except BaseException as error:
            self.out_of_step = True
            if isinstance(error, self.mpi.Exception):
                raise TrainingError(f"MPI failed: {error}") from error
            raise

    def end(self) -> None:
        """Rank 0: end the other ranks. Left to the end of the process if a step has failed."""
        if not (self.out_of_step or self._ended):
            self.send(_Command.END)
            self._end()

    def _end(self) -> None:
        self._ended = True
        self.mpi.Finalize()

    def _exit(self) -> None:
        """At the end of the process: no rank may be left waiting for this one."""
        if self._ended:
            return
        if self.rank == 0 and not self.out_of_step:
            self.end()
        else:
            time.sleep(_LAST_WORDS)
            self.comm.Abort(1)


@functools.cache
def world() -> World:
    """The MPI job that this process belongs to.

    Raises:
        TrainingError: there is no MPI for Python here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another MPI's launcher: seen by the size
            from mpi4py import MPI
    except ModuleNotFoundError:
        raise TrainingError(
            "training over MPI needs mpi4py, which is not installed", "pip install 'charrnn[mpi]'"
        ) from None
    except (ImportError, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise TrainingError(
            f"mpi4py cannot load an MPI: {why}", "load your cluster's MPI module, or install an MPI"
        ) from None
    return World(MPI)


class MPIRanks:
    """A rank of an MPI job; a :class:`~charrnn.training.ranks.communicator.Communicator`."""

    owned = slice(None)
    threads: int | None = None

    def __init__(self, task: Task) -> None:
        self._world = world()
        self._comm = self._world.comm
        self.task, self.rank, self.size = task, self._world.rank, self._world.size
        self.scorers = self.size
        summed: Layout = {"summed": (np.float32, (task.length + self.size * _FIGURES,))}
        layout = {**task.kept, **summed}
        self._kept = arrays_over(mmap.mmap(-1, memory_size(layout)), layout)
        self._summed = self._kept.pop("summed")
        self._message = _Message(task.sent)
        self.arrays = {**self._kept, **self._message.arrays}
        self.gradient = self._summed[: task.length]
        self._figures = self._summed[task.length :].reshape(self.size, _FIGURES)
        self._norm = np.empty(1)

    def reduce(self, loss: float) -> tuple[Array, float, float]:
        # Each rank fills its own row, and adding zeros changes nothing, so that all get all rows.
        self._figures.fill(0.0)
        high = np.float32(loss)
        low = loss - float(high) if math.isfinite(high) else 0.0
        self._figures[self.rank] = high, low, self._world.own_signal() or 0
        self._comm.Allreduce(self._world.mpi.IN_PLACE, self._summed)
        losses = self._figures[:, :2].astype(np.float64).sum(axis=1).tolist()
        self._world.signal = int(self._figures[:, 2].max())
        if self.rank == 0:
            self._norm[0] = math.sqrt(np.dot(self.gradient, self.gradient))
        self._comm.Bcast(self._norm)
        return self.gradient, float(sum(losses)), float(self._norm[0])

    def run_together(self, step: Callable[[], Result]) -> Result:
        def send_and_step() -> Result:
            if self._world.current is not self:
                self.begin()
            self._world.send(_Command.STEP)
            return step()

        return self._world.together(send_and_step)

    def divide(
        self, score: Callable[[Part[Answer]], Answer], parts: Sequence[Part[Answer]]
    ) -> list[Answer]:
        alone = self._world.current is not self

        def send_and_score() -> list[Answer]:
            if alone:
                self.begin()
            self._world.send(_Command.SCORE)
            return self.exchange(score, parts)

        answers = self._world.together(send_and_score)
        if alone:
            self.stop()
        return answers

    def exchange(
        self, score: Callable[[Part[Answer]], Answer], parts: Sequence[Part[Answer]]
    ) -> list[Answer]:
        """Score a part on each rank; rank 0 has the parts, and gets the answers.

        All do so under rank 0's parameters, which may be a mean that the others do not know.
        """
        sent = [*parts, *[None] * (self.size - len(parts))] if self.rank == 0 else None
        part = self._comm.scatter(sent)
        params = self._kept["params"]
        own = params.copy() if self.rank else params
        self._comm.Bcast(params)
        answer = None if part is None else score(part)
        np.copyto(params, own)
        answers = self._comm.gather((self._world.own_signal() or 0, answer)) or []
        self._world.signal = max((number for number, _ in answers), default=0)
        return [answer for _, answer in answers[: len(parts)]]

    def begin(self) -> None:
        """Give all ranks the task and rank 0's arrays."""
        if self.rank == 0:
            if self._world.current:
                self._world.current.stop()
            self._world.send(_Command.BEGIN)
            self._comm.bcast(self.task)
            self._world.current = self
        self._world.message = self._message
        if not self._world.neighbours:
            self._world.neighbours = self._comm.allgather(host := platform.node()).count(host)
        self.threads = max(1, available_cores() // self._world.neighbours)
        for array in self._kept.values():
            self._comm.Bcast(array)

    def collect(self) -> None:
        """Complete rank 0's arrays with the other ranks' shares, and check that all agree.

        Raises:
            TrainingError: the ranks' parameters are not the same.
        """
        if self._world.current is not self:
            return
        if self.rank == 0:
            self._world.together(lambda: self._world.send(_Command.COLLECT))
        divided = self.task.divided
        checksums = [zlib.crc32(a.data) for name, a in self._kept.items() if name not in divided]
        shares = [np.ascontiguousarray(self._share(name, self.rank)) for name in divided]
        answers = self._world.together(lambda: self._comm.gather((checksums, shares)))
        for rank, (theirs, values) in enumerate(answers or ()):
            if theirs != checksums:
                raise TrainingError(
                    f"the parameters of rank {rank} differ from those of rank 0: the sums of "
                    f"{self._world.library} are not the same on all ranks"
                )
            for name, value in zip(divided, values, strict=True):
                np.copyto(self._share(name, rank), value)

    def _share(self, name: str, rank: int) -> Array:
        array, axis = self.arrays[name], self.task.divided[name]
        return np.moveaxis(array, axis, 0)[share(array.shape[axis], rank, self.size)]

    def stop(self) -> None:
        if self._world.current is self and not self._world.out_of_step:
            self.collect()
            self._world.current = None
