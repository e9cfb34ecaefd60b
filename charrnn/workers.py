"""Data-parallel training: the batch's streams split among processes, their gradients summed.

A step of ``size`` ranks, of which rank 0 is the caller and the others are processes:

1. each rank runs forward and backward over its own streams, to its own gradient vector;
2. each sums its own slice of all the gradient vectors, in the order of ranks, so that a
   run is the same to the bit for a given ``size``;
3. from the norm of the whole, each clips and updates its own slice of the parameters.

Everything large lies in one mapping that all ranks share: parameters, optimiser slots,
gradients, recurrent state, the window. Between the parts they :meth:`~_Rank.meet`: a byte
through a pipe to rank 0 and one back.

**Why pipes.** Two processes meet in 5 microseconds, as with a semaphore; multiprocessing's
Barrier takes 20; spinning on shared memory 0.3, but 1.5 to 20 times as long as
a pipe once other work wants a core; and a step worth splitting takes thousands. A pipe also
orders memory on every processor, and it closes when the process at its other end dies,
however that happens: a dead worker is an error in the parent, a dead parent is the
workers' end, and there is no semaphore or segment that could be left behind.

**Why processes started afresh**, not forked and not multiprocessing's: a fork of a
process with threads (a notebook, a progress bar, BLAS) may hang, and multiprocessing's
spawn imports the caller's main module again, which an unguarded script does not survive.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import pickle
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from charrnn.config import TrainConfig
from charrnn.corpus import Streams, counted
from charrnn.errors import TrainingError
from charrnn.nn.network import Architecture, Network
from charrnn.nn.optim import OPTIMIZERS, clip_elements, clip_global_norm
from charrnn.nn.params import Array, Params
from charrnn.records import Records
from charrnn.threads import ONE_THREAD, cores, threads

#: Run by a worker process: the search path first, so that it finds the charrnn we are.
_BOOT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from charrnn.workers import serve; serve()"
)


@dataclass(frozen=True)
class _Plan:
    """What all ranks agree on."""

    arch: Architecture
    config: TrainConfig
    T: int
    N: int
    size: int

    def arrays(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """The arrays in the shared mapping: dtype and shape."""
        P, slots = self.arch.size, OPTIMIZERS[self.config.optimizer].SLOTS
        shapes: dict[str, tuple[type, tuple[int, ...]]] = {
            **dict.fromkeys(("params", *slots), (np.float32, (P,))),
            "grads": (np.float32, (self.size, P)),
            "state": (np.float32, self.arch.state_shape(self.N)),
            **dict.fromkeys(("ids", "targets"), (np.intp, (self.T, self.N))),
            **dict.fromkeys(("losses", "squares"), (np.float64, (self.size,))),
            "rate": (np.float64, (1,)),
            "updates": (np.int64, (1,)),
        }
        return {name: (np.dtype(kind), shape) for name, (kind, shape) in shapes.items()}

    def lay(self, memory: Any) -> dict[str, Array]:
        """The arrays over ``memory``, each from a page of its own."""
        arrays, at = {}, 0
        for name, (dtype, shape) in self.arrays().items():
            count = math.prod(shape)
            arrays[name] = np.frombuffer(memory, dtype, count, at).reshape(shape)
            at += _pages(count * dtype.itemsize)
        return arrays

    @property
    def bytes(self) -> int:
        """Size of the mapping."""
        return sum(_pages(math.prod(s) * dtype.itemsize) for dtype, s in self.arrays().values())


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


class _Rank:
    """One rank's part of a step; alone in its world unless a subclass meets others."""

    def __init__(self, plan: _Plan, rank: int, arrays: dict[str, Array]) -> None:
        self.plan, self.rank, self.arrays = plan, rank, arrays
        first, last = (plan.N * r // plan.size for r in (rank, rank + 1))
        self._streams = slice(first, last)
        P = len(arrays["params"])
        self._slice = slice(P * rank // plan.size, P * (rank + 1) // plan.size)
        params = Params(plan.arch.shapes(), np.float32, arrays["params"])
        self.network = Network(plan.arch, params)
        self._grads = params.like(arrays["grads"][rank])
        self._ws = self.network.workspace(plan.T, last - first, training=True)
        self._ids, self._targets = np.empty((2, plan.T, last - first), np.intp)
        self._state = arrays["state"][:, :, self._streams]
        self._optimizer = OPTIMIZERS[plan.config.optimizer](params.flat[self._slice])
        for name in self._optimizer.slots:
            self._optimizer.slots[name] = arrays[name][self._slice]

    def meet(self) -> None:
        """Return once every rank has come here."""

    def step(self) -> tuple[float, float]:
        """This rank's part of a step on the window that lies in the shared arrays.

        Returns:
            The loss as the configuration reduces it and the gradient's norm, of all ranks.
        """
        config, arrays = self.plan.config, self.arrays
        updates = int(arrays["updates"][0])
        mean = config.reduction == "mean"
        steps, count, weight = counted(arrays["targets"], mean)
        if isinstance(weight, np.ndarray):
            weight = weight[:, self._streams]
        np.copyto(self._ids, arrays["ids"][:, self._streams])
        np.copyto(self._targets, arrays["targets"][:, self._streams])
        # Masks depend on nothing but seed, rank and step, so there is no generator to save.
        key = [config.seed, 1 + self.rank, updates]
        rng = np.random.default_rng(key) if self._ws.masks else None
        with np.errstate(all="ignore"):  # a diverging run is found by its norm, below
            arrays["losses"][self.rank] = self.network.loss_and_gradients(
                self._ws,
                self._ids[:steps],
                self._targets[:steps],
                self._state,
                self._grads,
                weight,
                rng,
            )
            self.meet()  # all gradients are there
            g, *others = arrays["grads"][:, self._slice]
            for other in others:
                np.add(g, other, out=g)
            arrays["squares"][self.rank] = np.dot(g, g)
            self.meet()  # and so are all sums
            norm = math.sqrt(sum(arrays["squares"].tolist()))
            loss = float(sum(arrays["losses"].tolist()))
        if math.isfinite(norm) and math.isfinite(loss):
            if config.max_grad_norm:
                clip_global_norm(g, norm, config.max_grad_norm)
            if config.clip_value:
                clip_elements(g, config.clip_value)
            self._optimizer.count = updates
            self._optimizer.update(
                self.network.params.flat[self._slice],
                g,
                float(arrays["rate"][0]),
                config.weight_decay,
            )
        return loss if mean else loss / count, norm


class _Worker(_Rank):
    """A rank in a process of its own, at the other end of the parent's pipes."""

    def __init__(self, plan: _Plan, rank: int, arrays: dict[str, Array], answers: int) -> None:
        super().__init__(plan, rank, arrays)
        self._answers = answers

    def meet(self) -> None:
        os.write(self._answers, b".")
        self.wait()

    def wait(self) -> None:
        """Return at the parent's next byte; end the process if there will be none."""
        if not os.read(0, 1):
            os._exit(0)

    def run(self) -> None:
        """Say that we are ready, then take part in every step."""
        while True:
            self.meet()
            self.step()


def serve() -> None:
    """What a worker process does until its standard input closes."""
    plan, rank, memory = pickle.load(sys.stdin.buffer)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever else may print must not look like an answer
    if sys.platform == "win32":
        shared = mmap.mmap(-1, plan.bytes, tagname=memory)
    else:
        shared = mmap.mmap(memory, plan.bytes)
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):  # the parent is gone
        _Worker(plan, rank, plan.lay(shared), answers).run()


class _Chief(_Rank):
    """Rank 0: the parent, which starts the others and answers for them."""

    def __init__(self, plan: _Plan, memory: int | str, arrays: dict[str, Array]) -> None:
        super().__init__(plan, 0, arrays)
        self._memory = memory
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the worker processes and wait until they are ready."""
        for rank in range(1, self.plan.size):
            try:
                worker = subprocess.Popen(
                    [sys.executable, "-c", _BOOT],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                    env=os.environ | ONE_THREAD,
                    pass_fds=[self._memory] if isinstance(self._memory, int) else [],
                    # Ctrl-C is the parent's to handle: a group of their own keeps it from them.
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
            except OSError as error:
                raise TrainingError(
                    f"cannot start a worker process: {error.strerror}; set train.workers to 1"
                ) from None
            self.workers.append(worker)
            assert worker.stdin is not None
            hello = pickle.dumps(sys.path) + pickle.dumps((self.plan, rank, self._memory))
            with contextlib.suppress(BrokenPipeError):  # it died at once; gather() will say so
                _write(worker.stdin, hello)
        self.gather()

    def meet(self) -> None:
        self.gather()
        self.release()

    def gather(self) -> None:
        """Wait for a byte from every worker."""
        for rank, worker in enumerate(self.workers, 1):
            assert worker.stdout is not None
            if not worker.stdout.read(1):
                raise TrainingError(
                    f"worker process {rank} ended unexpectedly ({_ending(worker)}); "
                    "resume the run from its last checkpoint"
                )

    def release(self) -> None:
        """Send a byte to every worker."""
        for worker in self.workers:
            assert worker.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # the next gather() tells
                worker.stdin.write(b".")


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
            worker.wait(timeout=5.0)  # they are in the midst of a step at most
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
    workers.clear()


def _close(workers: list[subprocess.Popen[bytes]], memory: int | str) -> None:
    _stop(workers)
    if isinstance(memory, int):
        os.close(memory)


class Team:
    """Parameters, optimiser and recurrent state, and the step over them by ``size`` ranks.

    The network's parameters are moved to memory that the ranks share. Worker processes
    are started by the first step; they keep nothing from one step to the next, so a
    team that was stopped goes on where it was.

    Args:
        network: whose parameters are trained, in place.
        streams: the windows to train on.
        config: optimiser, clipping, loss, the masks' seed; and the number of workers.
        size: ranks, if that is known already.

    Attributes:
        network: as given. state: (L, STATES, N, H). slots: the optimiser's, (P,) each.
    """

    def __init__(
        self, network: Network, streams: Streams | Records, config: TrainConfig, size: int = 0
    ) -> None:
        T, N = streams.seq_length, streams.batch_size
        self.size = min(N, size or config.workers or workers_for(network.arch, T, N))
        self.network, self._streams = network, streams
        plan = _Plan(network.arch, config, T, N, self.size)
        memory, arrays = _shared(plan)
        np.copyto(arrays["params"], network.params.flat)
        network.params = network.params.like(arrays["params"])
        self._arrays = arrays
        self._chief = _Chief(plan, memory, arrays)
        self.state = arrays["state"]
        self.slots = {name: arrays[name] for name in OPTIMIZERS[config.optimizer].SLOTS}
        weakref.finalize(self, _close, self._chief.workers, memory)

    def stop(self) -> None:
        """End the worker processes; the next step starts them again."""
        _stop(self._chief.workers)

    @property
    def updates(self) -> int:
        """Updates made so far, which Adam corrects its means by."""
        return int(self._arrays["updates"][0])

    @updates.setter
    def updates(self, count: int) -> None:
        self._arrays["updates"][0] = count

    def step(self, offset: int, k: int, learning_rate: float) -> tuple[float, float]:
        """Train on window ``k`` of the epoch that starts at ``offset``.

        Returns:
            Mean loss of the window in nats per character, and the gradient's norm before
            clipping. Where either is not finite, nothing was updated.

        Raises:
            TrainingError: if a worker process cannot be started, or died.
        """
        arrays, chief = self._arrays, self._chief
        self._streams.window(offset, k, arrays["ids"], arrays["targets"])
        if self._streams.fresh(offset, k):
            self.state.fill(0.0)
        arrays["rate"][0] = learning_rate
        with threads(1):
            try:
                if len(chief.workers) < self.size - 1:
                    chief.start()
                chief.release()
                loss, norm = chief.step()
                chief.gather()
            except BaseException:  # out of step with the others: the next one starts anew
                _stop(chief.workers)
                raise
        if math.isfinite(loss) and math.isfinite(norm):
            self.updates += 1
        return loss, norm


def _shared(plan: _Plan) -> tuple[int | str, dict[str, Array]]:
    """Memory for ``plan``, by descriptor (Windows: by name), and its arrays, all zero.

    No file or segment has a name that could outlive us: Linux has memory without a
    name, other systems a deleted file, and Windows drops a mapping with its last user.
    """
    memory: int | str
    if plan.size == 1:
        memory, mapping = "", mmap.mmap(-1, plan.bytes)
    elif sys.platform == "win32":
        memory = f"charrnn-{os.getpid()}-{os.urandom(8).hex()}"
        mapping = mmap.mmap(-1, plan.bytes, tagname=memory)
    else:
        if hasattr(os, "memfd_create"):
            memory = os.memfd_create("charrnn")
        else:
            with tempfile.TemporaryFile() as file:
                memory = os.dup(file.fileno())
        os.ftruncate(memory, plan.bytes)
        mapping = mmap.mmap(memory, plan.bytes)
    return memory, plan.lay(mapping)


#: Multiplications of a forward pass, T*N*P, below which a rank is not worth a process. Rate
#: of two ranks against one, pairs of runs on two cores of which other work held one or more,
#: so that two ranks look worse than they are: at 15 million 0.84 (lstm 32x1, 32 streams x 32
#: steps), 26: 0.91 (rnn 128x1, 16x50), 60: 0.89 (lstm 64x1, 32x50), 86: 1.24 (lstm 128x1,
#: 16x50). Larger ones, with OpenBLAS's AVX2 kernels and then its AVX-512 kernels: 145: 1.23,
#: 0.93 (rnn 128x2, 50x50), 580: 1.46, 0.84 (lstm 128x2, 50x50), 5000: 1.56, 1.08 (lstm 512x1,
#: 64x64). To be measured again on cores that nothing else uses.
WORTH = 1 << 25
#: Streams of a rank at least; a guess, for products of very few rows are slow.
FEWEST = 4


def workers_for(arch: Architecture, T: int, N: int) -> int:
    """How many ranks to train with when the configuration leaves it open."""
    if not sys.executable or getattr(sys, "frozen", False):
        return 1  # there is no interpreter to start
    return max(1, min(cores(), N // FEWEST, T * N * arch.size // WORTH))
