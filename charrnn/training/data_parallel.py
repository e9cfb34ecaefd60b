"""Data-parallel training: the batch's streams split among ranks, their gradients summed.

A step of ``size`` ranks, of which rank 0 is the caller:

1. each rank runs forward and backward over its own streams, to its own gradient vector;
2. these are summed in the order of ranks, so that a run is the same to the bit for a
   given ``size``;
3. from the norm of the whole, each clips and updates its own part of the parameters.

How ranks meet, and where, is the business of their :mod:`~charrnn.world`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.data.batches import RecordBatches, TextBatches, loss_weights
from charrnn.nn.network import Architecture, Network
from charrnn.nn.optim import OPTIMIZERS, clip_elements, clip_global_norm
from charrnn.nn.params import Params
from charrnn.threads import available_cores, blas_thread_limit
from charrnn.training.ranks.communicator import Communicator, Layout, Task, share
from charrnn.training.ranks.processes import MultiProcess
from charrnn.training.ranks.single import SingleProcess


@dataclass(frozen=True)
class _Plan:
    """What all ranks agree on."""

    arch: Architecture
    config: TrainConfig
    T: int
    N: int

    def arrays(self) -> Layout:
        """What they work on: dtype and shape."""
        names = ("params", *OPTIMIZERS[self.config.optimizer].SLOTS)
        return {
            **dict.fromkeys(names, (np.float32, (self.arch.size,))),
            "state": (np.float32, self.arch.state_shape(self.N)),
            **dict.fromkeys(("ids", "targets"), (np.intp, (self.T, self.N))),
            "rate": (np.float64, (1,)),
            "updates": (np.int64, (1,)),
        }

    def part(self, world: Communicator) -> Callable[[], object]:
        """What the rank of ``world`` does in each step."""
        return _Rank(self, world).step


class _Rank:
    """One rank's part of a step."""

    def __init__(self, plan: _Plan, world: Communicator) -> None:
        self.plan, self.world, arrays = plan, world, world.arrays
        self._streams = share(plan.N, world.rank, world.size)
        width = self._streams.stop - self._streams.start
        params = Params(plan.arch.shapes(), np.float32, arrays["params"])
        self.network = Network(plan.arch, params)
        self._grads = params.like(world.gradient)
        self._ws = self.network.workspace(plan.T, width, training=True)
        self._ids, self._targets = np.empty((2, plan.T, width), np.intp)
        self._state = arrays["state"][:, :, self._streams]
        self._theta = params.flat[world.mine]
        self._optimizer = OPTIMIZERS[plan.config.optimizer](self._theta)
        for name in self._optimizer.slots:
            self._optimizer.slots[name] = arrays[name][world.mine]

    def step(self) -> tuple[float, float]:
        """This rank's part of a step on the window that lies in the world's arrays.

        Returns:
            The loss as the configuration reduces it and the gradient's norm, of all ranks.
        """
        config, arrays = self.plan.config, self.world.arrays
        updates = int(arrays["updates"][0])
        mean = config.reduction == "mean"
        steps, count, weight = loss_weights(arrays["targets"], mean)
        if isinstance(weight, np.ndarray):
            weight = weight[:, self._streams]
        np.copyto(self._ids, arrays["ids"][:, self._streams])
        np.copyto(self._targets, arrays["targets"][:, self._streams])
        # Masks depend on nothing but seed, rank and step, so there is no generator to save.
        key = [config.seed, 1 + self.world.rank, updates]
        rng = np.random.default_rng(key) if self._ws.masks else None
        with np.errstate(all="ignore"):  # a diverging run is found by its norm, below
            loss = self.network.loss_and_gradients(
                self._ws,
                self._ids[:steps],
                self._targets[:steps],
                self._state,
                self._grads,
                weight,
                rng,
            )
            g, loss, norm = self.world.sum(loss)
        if math.isfinite(norm) and math.isfinite(loss):
            if config.max_grad_norm:
                clip_global_norm(g, norm, config.max_grad_norm)
            if config.clip_value:
                clip_elements(g, config.clip_value)
            self._optimizer.count = updates
            rate = float(arrays["rate"][0])
            self._optimizer.update(self._theta, g, rate, config.weight_decay)
        return loss if mean else loss / count, norm


class DataParallel:
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
        self,
        network: Network,
        streams: TextBatches | RecordBatches,
        config: TrainConfig,
        size: int = 0,
    ) -> None:
        T, N = streams.seq_length, streams.batch_size
        self.size = min(N, size or config.workers or workers_for(network.arch, T, N))
        self.network, self._streams = network, streams
        plan = _Plan(network.arch, config, T, N)
        task = Task(network.arch.size, plan.arrays(), plan.part)
        self._world: Communicator = (
            SingleProcess(task) if self.size == 1 else MultiProcess(task, self.size)
        )
        self._arrays = self._world.arrays
        np.copyto(self._arrays["params"], network.params.flat)
        network.params = network.params.like(self._arrays["params"])
        self._rank = _Rank(plan, self._world)
        self.state = self._arrays["state"]
        self.slots = {name: self._arrays[name] for name in OPTIMIZERS[config.optimizer].SLOTS}

    def stop(self) -> None:
        """End the worker processes; the next step starts them again."""
        self._world.stop()

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
        self._streams.window(offset, k, self._arrays["ids"], self._arrays["targets"])
        if self._streams.fresh(offset, k):
            self.state.fill(0.0)
        self._arrays["rate"][0] = learning_rate
        with blas_thread_limit(1):
            loss, norm = self._world.together(self._rank.step)
        if math.isfinite(loss) and math.isfinite(norm):
            self.updates += 1
        return loss, norm


#: Multiplications of a forward pass, T*N*P, below which a rank is not worth a process. Rate
#: of two ranks against one on two free cores, median of pairs: at 9 million 1.17 (rnn 100x1,
#: 8 streams x 50 steps), 15: 1.18 (lstm 32x1, 32x32), 27: 1.36 (rnn 128x1, 16x50), 60: 1.33
#: (lstm 64x1, 32x50), 86: 1.49 (lstm 128x1, 16x50), 145: 1.62 (rnn 128x2, 50x50), 580: 1.62
#: (lstm 128x2, 50x50), 5000: 1.58 (lstm 512x1, 64x64). Where other work holds one of the
#: cores, ranks wait for the slowest: 0.84 at 15 million, 0.91 at 27, about 1 from 100 on.
WORTH = 1 << 23
#: Streams of a rank at least: lstm 256x1 with 2 each gained 1.68, 512x1 1.08.
FEWEST = 2


def workers_for(arch: Architecture, T: int, N: int) -> int:
    """How many ranks to train with when the configuration leaves it open."""
    if not sys.executable or getattr(sys, "frozen", False):
        return 1  # there is no interpreter to start
    return max(1, min(available_cores(), N // FEWEST, T * N * arch.size // WORTH))
