"""Data-parallel training: the batch's streams split among ranks, their gradients summed.

A step of ``size`` ranks, of which rank 0 is the caller:

1. each rank runs forward and backward over its own streams, into its own gradient vector;
2. these are summed in the order of ranks, so that runs with the same ``size`` are equal to
   the bit;
3. each rank clips by the norm of the whole, and updates its own part of the parameters, or all
   of them where ranks share no memory.

How ranks communicate: :mod:`charrnn.training.ranks`.
"""

from __future__ import annotations

import functools
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.data.batches import Batches, loss_weights
from charrnn.errors import CharRNNError, ConfigError, TrainingError
from charrnn.evaluation.score import Answer, Part
from charrnn.limits import available_cores
from charrnn.messages import pluralize
from charrnn.nn.network import Architecture, Network
from charrnn.nn.optim import OPTIMIZERS, clip_elements, clip_global_norm, update_limits
from charrnn.nn.params import Array, Params
from charrnn.threads import blas_settings, share
from charrnn.training.ranks.communicator import Communicator, Layout, Task
from charrnn.training.ranks.mpi import MPIRanks
from charrnn.training.ranks.processes import MultiProcess
from charrnn.training.ranks.single import SingleProcess
from charrnn.training.sparse import SparseGradient, sparse_gradient

log = logging.getLogger("charrnn")

#: Multiplications of a forward pass, T*N*P, that make a rank worth its own process:
#: see docs/design/performance.md.
MIN_WORK = 1 << 23
#: The fewest streams of a rank: see docs/design/performance.md.
MIN_STREAMS = 2


def choose_workers(arch: Architecture, T: int, N: int) -> int:
    """How many ranks to train with where the configuration does not say."""
    if not sys.executable or getattr(sys, "frozen", False):
        return 1  # there is no interpreter to start
    return max(1, min(available_cores(), N // MIN_STREAMS, T * N * arch.size // MIN_WORK))


def _as_many_as_possible(task: Task, wanted: int) -> Communicator:
    """Ranks that are running: ``wanted``, or fewer if a limit allows only fewer."""
    size, why = wanted, ""
    while size > 1:
        try:
            ranks = MultiProcess(task, size)
            ranks.start()
        except (CharRNNError, OSError, MemoryError) as error:
            size, why = size // 2, getattr(error, "message", "out of memory")
        else:
            break
    if why:
        log.warning("%s; training with %s", why, pluralize(size, "worker"))
    return ranks if size > 1 else SingleProcess(task)


class DataParallel:
    """Parameters, optimiser slots and recurrent state, and their update by all ranks.

    Worker processes are started by the first step, or at once to find out how many the system
    allows. All that they know is here after :meth:`stop`, so training continues then as if
    nothing had happened.

    Args:
        batches: the windows to train on.
        config: optimiser, clipping, loss and the seed of dropout masks.
        workers: ranks to train with; 0 for ``usual``, or fewer where the system does not allow
            so many; ``mpi`` for those of an MPI job. There are never more than streams.
        usual: those of the run so far; 0 for as many as help here.

    Attributes:
        size: ranks. scorers: how many of them divide the scoring of a text.
        network: its parameters are zero until the caller sets them.
        slots: the optimiser's, with the layout of the parameters.
    """

    def __init__(
        self,
        arch: Architecture,
        batches: Batches,
        config: TrainConfig,
        workers: int | Literal["mpi"] = 0,
        usual: int = 0,
    ) -> None:
        T, N = batches.seq_length, batches.batch_size
        work = _Work(arch, config, T, N)
        task = work.task()
        if workers == "mpi":
            self._communicator: Communicator = MPIRanks(task)
            self.size = self._communicator.size
            if self._communicator.rank:
                raise TrainingError(
                    "only rank 0 of an MPI job trains",
                    "call charrnn.training.ranks.mpi.world().serve() on the others",
                )
            if self.size > N:
                raise ConfigError(
                    f"{self.size} ranks cannot share a batch of {pluralize(N, 'stream')}",
                    "start fewer, or raise {setting}",
                    f"train.batch_size={self.size}",
                )
        elif workers:
            self.size = min(N, workers)
            self._communicator = (
                SingleProcess(task) if self.size == 1 else MultiProcess(task, self.size)
            )
        else:
            wanted = min(N, usual or choose_workers(arch, T, N))
            self._communicator = _as_many_as_possible(task, wanted)
            self.size = self._communicator.size
        self.scorers = self._communicator.scorers
        self._arrays, self._batches = self._communicator.arrays, batches
        self._rank = _Rank(work, self._communicator)
        self.network = self._rank.network
        like = self.network.params.like
        self.slots = {name: like(self._arrays[name]) for name in OPTIMIZERS[config.optimizer].SLOTS}

    def restore(self, slots: Mapping[str, Params], recurrent_state: Array) -> None:
        """Copy in what a checkpoint holds."""
        for name, slot in slots.items():
            np.copyto(self.slots[name].flat, slot.flat)
        np.copyto(self._arrays["state"], recurrent_state)

    @property
    def recurrent_state(self) -> Array:
        """(L, STATES, N, H) of all ranks' streams, as the next step will find it."""
        self._communicator.collect()
        state = self._arrays["state"]
        state[:, :, self._arrays["fresh"]] = 0.0
        return state

    def reset(self, streams: Array | slice = slice(None)) -> None:
        """Let the next step start with zeros in the recurrent state of some streams, or of all."""
        self._arrays["fresh"][streams] = True

    def step(
        self, offset: int, window: int, learning_rate: float, updates: int
    ) -> tuple[float, float]:
        """Train on a window of the epoch that starts at ``offset``.

        Args:
            updates: how many were made so far; Adam's bias correction needs it.

        Returns:
            Mean loss of the window in nats per character, and the gradient's norm before
            clipping. Where either is not finite, nothing was updated.

        Raises:
            TrainingError: if a worker process cannot be started, or died.
        """
        self._batches.window(offset, window, self._arrays["ids"], self._arrays["targets"])
        if self._batches.fresh(offset, window):
            self.reset()
        self._arrays["rate"][0] = learning_rate
        self._arrays["updates"][0] = updates
        loss, norm = self._communicator.run_together(self._rank.step)
        self._arrays["fresh"].fill(False)
        return loss, norm

    def score(self, parts: Sequence[Part[Answer]]) -> list[Answer]:
        """The scores of parts of a text under the current parameters, by up to ``scorers`` ranks.

        Raises: as :meth:`step`.
        """
        return self._communicator.divide(self._rank.score, parts)

    def stop(self) -> None:
        """End the worker processes; the next step starts them again."""
        self._communicator.stop()


@dataclass(frozen=True)
class _Work:
    """What all ranks work on: a network, and windows of T steps of N streams."""

    arch: Architecture
    config: TrainConfig
    T: int
    N: int

    @functools.cached_property
    def sparse(self) -> SparseGradient | None:
        """The layout of gradients; None for that of the parameters."""
        return sparse_gradient(self.arch, self.config, self.T, self.N)

    def task(self) -> Task:
        """What ranks do and what they share, beside their gradients."""
        vectors = ("params", *OPTIMIZERS[self.config.optimizer].SLOTS)
        kept: Layout = {
            **dict.fromkeys(vectors, (np.float32, (self.arch.size,))),
            "state": (np.float32, self.arch.state_shape(self.N)),
        }
        sent: Layout = {
            **dict.fromkeys(("ids", "targets"), (np.int32, (self.T, self.N))),
            "fresh": (np.bool_, (self.N,)),
            "rate": (np.float64, (1,)),
            "updates": (np.int64, (1,)),
        }
        size = self.sparse.size if self.sparse else self.arch.size
        return Task(size, kept, {"state": 2}, sent, self.rank)

    def rank(self, communicator: Communicator) -> _Rank:
        """The part of the work of a rank."""
        return _Rank(self, communicator)


class _Rank:
    """One rank's part of the work."""

    def __init__(self, work: _Work, communicator: Communicator) -> None:
        self._work, self._communicator, arrays = work, communicator, communicator.arrays
        self._streams = share(work.N, communicator.rank, communicator.size)
        width = self._streams.stop - self._streams.start
        params = Params(work.arch.shapes(), np.float32, arrays["params"])
        self.network = Network(work.arch, params)
        shapes = work.sparse.shapes if work.sparse else params.shapes
        self._grads = Params(shapes, flat=communicator.gradient)
        self._ws = self.network.workspace(work.T, width, training=True)
        self._ids, self._targets = np.empty((2, work.T, width), np.intp)
        self._state = arrays["state"][:, :, self._streams]
        self._fresh = arrays["fresh"][self._streams]
        self._owned = slice(None) if work.sparse else communicator.owned
        self._theta = params.flat[self._owned]
        limit = work.config.max_update
        limits = update_limits(work.arch, limit, self._owned) if limit else ()
        self._optimizer = OPTIMIZERS[work.config.optimizer](self._theta, limits)
        for name in self._optimizer.slots:
            self._optimizer.slots[name] = arrays[name][self._owned]

    def score(self, part: Part[Answer]) -> Answer:
        """The score of a part of a text, under the parameters as they are."""
        return part.score(self.network, self._communicator.threads)

    def step(self) -> tuple[float, float]:
        """Train on the window in the shared arrays.

        Returns:
            The loss in nats per character and the gradient's norm, of all ranks.
        """
        config, arrays = self._work.config, self._communicator.arrays
        updates = int(arrays["updates"][0])
        mean = config.reduction == "mean"
        steps, count, weight = loss_weights(arrays["targets"], mean)
        if isinstance(weight, np.ndarray):
            weight = weight[:, self._streams]
        np.copyto(self._ids, arrays["ids"][:, self._streams])
        np.copyto(self._targets, arrays["targets"][:, self._streams])
        self._state[:, :, self._fresh] = 0.0
        sparse, symbols, places = self._work.sparse, np.zeros(0, np.intp), None
        if sparse:
            symbols = np.unique(arrays["ids"][:steps])
            places = np.searchsorted(symbols, self._ids[:steps])
        # Masks depend on nothing but seed, rank and step, so there is no generator to save.
        key = [config.seed, 1 + self._communicator.rank, updates]
        rng = np.random.default_rng(key) if self._ws.masks else None
        # All ranks drop the same weights.
        key = [config.seed, 0, 1 + updates]
        weight_rng = np.random.default_rng(key) if self._ws.weight_masks else None
        with blas_settings(1):
            loss = self.network.loss_and_gradients(
                self._ws,
                self._ids[:steps],
                self._targets[:steps],
                self._state,
                self._grads,
                weight,
                rng,
                places,
                weight_rng,
            )
            g, loss, norm = self._communicator.reduce(loss)
            if math.isfinite(norm) and math.isfinite(loss):
                if config.max_grad_norm:
                    clip_global_norm(g, norm, config.max_grad_norm)
                if config.clip_value:
                    clip_elements(g, config.clip_value)
                self._optimizer.count = updates
                rate = float(arrays["rate"][0])
                if sparse:
                    owned, params = self._communicator.owned, self.network.params
                    sparse.update(self._optimizer, params, g, owned, symbols, rate)
                else:
                    self._optimizer.update(self._theta, g, rate, config.weight_decay)
        return loss if mean else loss / count, norm
