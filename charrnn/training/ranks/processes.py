"""Several ranks: worker processes that share one mapping of memory with this one.

Everything large is in it: what the ranks work on, and a gradient for each. A
:meth:`~_SharedMemory.barrier` separates the parts of a step: each worker sends rank 0 a byte
through a pipe, and gets one back.

**Why pipes.** They are nearly as fast as spinning on shared memory, and stay so when other
processes need the cores (docs/design/performance.md). A pipe also orders memory on every processor,
and it closes when the process at its other end dies, however that happens: a dead worker is
an error in the parent, a dead parent ends the workers, and no semaphore or segment is left
behind.

**Why new processes**, neither forked nor multiprocessing's: a fork of a
process with threads (a notebook, a progress bar, BLAS) may hang, and multiprocessing's
spawn imports the caller's main module again, which an unguarded script does not survive.

**Why processes and not threads.** Two threads of one process take turns at the
interpreter, which every NumPy call of the time loop needs. The loss is small, but processes
were never slower (docs/design/performance.md).
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import pickle
import select
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np

from charrnn.errors import TrainingError, lacks_memory
from charrnn.evaluation.score import Answer, Part
from charrnn.files import unnamed_memory
from charrnn.limits import ONE_THREAD
from charrnn.nn.params import Array
from charrnn.threads import share
from charrnn.training.ranks.communicator import (
    Layout,
    Result,
    Task,
    arrays_over,
    memory_size,
)

#: What a worker process runs: with our search path, so that it imports this charrnn, and nothing
#: from the current folder, which Python puts first on the path for -c. (sys is built in.)
_BOOT = """
import sys
sys.path[:] = {path}
try:
    from charrnn.training.ranks.processes import serve
except Exception as error:
    print("!cannot import charrnn:", error)
    sys.exit(1)
serve()
"""
#: Python 3.13 imports modules before it runs that; from 3.11 on, it heeds this.
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}
#: Milliseconds without an answer after which a worker that somebody stopped is continued.
_PATIENCE = 1000
#: Descriptors that must be left when all workers run: for saving the model, for example.
_SPARE_DESCRIPTORS = 8


class _SharedMemory:
    """One of several ranks with shared memory; a subclass implements :meth:`barrier`.

    ``memory`` is a descriptor, or on Windows a name.
    """

    scorers = 1  # rank 0, with threads
    threads: int | None = None

    def __init__(self, task: Task, rank: int, size: int, memory: Any) -> None:
        layout = _layout(task, size)
        if sys.platform == "win32":
            mapping = mmap.mmap(-1, memory_size(layout), tagname=memory)
        else:
            mapping = mmap.mmap(memory, memory_size(layout))
        self.rank, self.size, self.owned = rank, size, share(task.length, rank, size)
        self.arrays = arrays_over(mapping, layout)
        self._gradients, self._figures = (self.arrays.pop(n) for n in ("gradients", "figures"))
        self.gradient = self._gradients[rank]

    def barrier(self) -> None:
        """Return once every rank has called this."""
        raise NotImplementedError

    def divide(
        self, score: Callable[[Part[Answer]], Answer], parts: Sequence[Part[Answer]]
    ) -> list[Answer]:
        return [score(part) for part in parts]

    def collect(self) -> None:
        """All is in the shared memory."""

    def reduce(self, loss: float) -> tuple[Array, float, float]:
        self.barrier()  # all gradients are there
        g, *others = self._gradients[:, self.owned]
        for other in others:  # in the order of ranks: the same to the bit for a given size
            np.add(g, other, out=g)
        self._figures[self.rank] = loss, np.dot(g, g)
        self.barrier()  # all sums are there
        losses, squares = self._figures.T.tolist()
        return g, float(sum(losses)), math.sqrt(sum(squares))


class MultiProcess(_SharedMemory):
    """Rank 0 of several: the parent, which starts the others and reports their failures.

    No file or segment has a name that could outlive the processes: Linux has memory without a
    name, other systems a deleted file, and Windows drops a mapping with its last user.

    Args:
        task: what the ranks do; the others are started by the first step.
        size: how many there are, rank 0 included.

    Raises:
        TrainingError, MemoryError: there is no memory to share.
    """

    def __init__(self, task: Task, size: int) -> None:
        memory: int | str
        if sys.platform == "win32":
            memory = f"charrnn-{os.getpid()}-{os.urandom(8).hex()}"
        else:
            memory = _shared_memory(memory_size(_layout(task, size)))
        self._task, self._memory = task, memory
        self.workers: list[subprocess.Popen[bytes]] = []
        weakref.finalize(self, _close, self.workers, memory)
        super().__init__(task, 0, size, memory)

    def run_together(self, step: Callable[[], Result]) -> Result:
        try:
            if len(self.workers) < self.size - 1:
                self.start()
            self._release()
            result = step()
            self._gather()
        except BaseException:  # out of step with the others: the next step starts them again
            self.stop()
            raise
        return result

    def stop(self) -> None:
        _stop(self.workers)

    def barrier(self) -> None:
        self._gather()
        self._release()

    def start(self) -> None:
        """Start the worker processes and wait until they are ready.

        Raises:
            TrainingError: one cannot be started; then none runs.
        """
        path = [folder for folder in sys.path if isinstance(folder, str)]
        command = [sys.executable, "-c", _BOOT.format(path=ascii(path))]
        spare: list[int] = []
        try:
            for rank in range(1, self.size):
                worker = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                    env=os.environ | ONE_THREAD | _SAFE_PATH,
                    pass_fds=[self._memory] if isinstance(self._memory, int) else [],
                    # Only the parent gets Ctrl-C: the workers are in another process group.
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
                self.workers.append(worker)
                assert worker.stdin is not None
                with contextlib.suppress(BrokenPipeError):  # it died; _gather() will say so
                    hello = (self._task, rank, self.size, self._memory)
                    _write(worker.stdin, pickle.dumps(hello))
            for _ in range(_SPARE_DESCRIPTORS):
                spare.append(os.open(os.devnull, os.O_RDONLY))
            self._gather()
        except OSError as error:
            self.stop()
            raise TrainingError(
                f"cannot start a worker process: {error.strerror}", setting="train.workers=1"
            ) from None
        except BaseException:
            self.stop()
            raise
        finally:
            for descriptor in spare:
                os.close(descriptor)

    def _gather(self) -> None:
        """Wait for a byte from every worker."""
        for rank, worker in enumerate(self.workers, 1):
            answers = worker.stdout
            assert answers is not None
            _wait_for(worker)
            if (answer := answers.read(1)) == b".":
                continue
            why = answers.read().decode(errors="replace").strip() if answer else ""
            raise TrainingError(
                f"worker process {rank} {why or f'ended unexpectedly ({_ending(worker)})'}",
                "if memory is short, {setting} needs less",
                "train.workers=1",
            )

    def _release(self) -> None:
        """Send a byte to every worker."""
        for worker in self.workers:
            assert worker.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # the next _gather() reports it
                worker.stdin.write(b".")


class _Worker(_SharedMemory):
    """A rank in a separate process, at the other end of the parent's pipes."""

    def __init__(self, task: Task, rank: int, size: int, memory: Any, answers: int) -> None:
        super().__init__(task, rank, size, memory)
        self._answers = answers

    def barrier(self) -> None:
        os.write(self._answers, b".")
        if not os.read(0, 1):  # the parent has closed the pipe
            os._exit(0)

    def run_together(self, step: Callable[[], Result]) -> Result:
        self.barrier()  # the first time, this says that we are ready
        return step()

    def stop(self) -> None:
        """Left to the parent."""


def serve() -> None:
    """What a worker process does until its standard input closes."""
    task, rank, size, memory = pickle.load(sys.stdin.buffer)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever else may print must not look like an answer
    try:
        communicator = _Worker(task, rank, size, memory, answers)
        work = task.rank(communicator)
        while True:
            communicator.run_together(work.step)
    except (BrokenPipeError, KeyboardInterrupt):  # the parent is gone
        return
    except Exception as error:
        why = f"failed: {type(error).__name__}: {error}"
        os.write(answers, b"!" + ("ran out of memory" if lacks_memory(error) else why).encode())
        os._exit(1)


def _shared_memory(size: int) -> int:
    try:
        return unnamed_memory(size)
    except OSError as error:
        if lacks_memory(error):
            raise MemoryError from None
        raise TrainingError(
            f"cannot share memory with worker processes: {error.strerror}",
            setting="train.workers=1",
        ) from None


def _wait_for(worker: subprocess.Popen[bytes]) -> None:
    """Wait for an answer, or the end, of a worker; if somebody stopped it, continue it."""
    if sys.platform == "win32":  # nobody can stop it there, nor is there a poll()
        return
    assert worker.stdout is not None
    poll = select.poll()
    poll.register(worker.stdout, select.POLLIN)
    while not poll.poll(_PATIENCE):
        worker.send_signal(signal.SIGCONT)  # nothing else might ever end this


def _write(pipe: IO[bytes], data: bytes) -> None:
    while data:
        data = data[pipe.write(data) :]


def _ending(worker: subprocess.Popen[bytes]) -> str:
    try:
        status = worker.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        return "no answer"
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def _stop(workers: list[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.close()
        try:
            worker.wait(timeout=5.0)  # they are at most in the middle of a step
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
    workers.clear()


def _close(workers: list[subprocess.Popen[bytes]], memory: int | str) -> None:
    _stop(workers)
    if isinstance(memory, int):
        os.close(memory)


def _layout(task: Task, size: int) -> Layout:
    """The arrays in the mapping; each of ``size`` ranks has a gradient, its loss and square."""
    return {
        **task.arrays,
        "gradients": (np.float32, (size, task.length)),
        "figures": (np.float64, (size, 2)),
    }
