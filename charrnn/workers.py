"""One step of training: windows to gradients to an update.

:class:`Team` is the seam between the trainer, which decides what to do, and whoever
does it. It hides how many processes share the work.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from charrnn.config import TrainConfig
from charrnn.corpus import Streams, counted
from charrnn.nn.network import Network
from charrnn.nn.optim import OPTIMIZERS, clip_elements, clip_global_norm
from charrnn.nn.params import Array
from charrnn.records import Records


class Team:
    """Parameters, optimiser, recurrent state and dropout's generator, and the step over them.

    Args:
        network: whose parameters are trained, in place.
        streams: the windows to train on.
        config: optimiser, clipping and loss.
        seed: of the dropout masks.
    """

    def __init__(
        self, network: Network, streams: Streams | Records, config: TrainConfig, seed: int
    ) -> None:
        T, N = streams.seq_length, streams.batch_size
        self.network, self._streams, self._config = network, streams, config
        self.state: Array = network.arch.zero_state(N)
        self.optimizer = OPTIMIZERS[config.optimizer](network.params.flat)
        self._rng = np.random.default_rng([seed, 1])
        self._ws = network.workspace(T, N, training=True)
        self._grads = network.params.like()
        self._ids, self._targets = np.empty((T, N), np.intp), np.empty((T, N), np.intp)

    def step(self, offset: int, k: int, learning_rate: float) -> tuple[float, float]:
        """Train on window ``k`` of the epoch that starts at ``offset``.

        Returns:
            Mean loss of the window in nats per character, and the gradient's norm before
            clipping. Where that norm is not finite, nothing was updated.
        """
        config, g = self._config, self._grads.flat
        self._streams.window(offset, k, self._ids, self._targets)
        if self._streams.fresh(offset, k):
            self.state.fill(0.0)
        steps, count, weight = counted(self._targets, config.reduction == "mean")
        ids, targets = self._ids[:steps], self._targets[:steps]
        with np.errstate(all="ignore"):  # a diverging run is found by its norm, below
            loss = self.network.loss_and_gradients(
                self._ws, ids, targets, self.state, self._grads, weight, self._rng
            )
            norm = math.sqrt(float(np.dot(g, g)))
        if math.isfinite(norm) and math.isfinite(loss):
            if config.max_grad_norm:
                clip_global_norm(g, norm, config.max_grad_norm)
            if config.clip_value:
                clip_elements(g, config.clip_value)
            self.optimizer.update(
                self.network.params.flat, g, learning_rate, config.weight_decay
            )
        return loss if config.reduction == "mean" else loss / count, norm

    def generators(self) -> list[dict[str, Any]]:
        """State of the dropout generators, one a rank; JSON can hold it."""
        return [self._rng.bit_generator.state]

    def restore_generators(self, states: list[dict[str, Any]]) -> None:
        """Undo :meth:`generators`."""
        self._rng.bit_generator.state = states[0]
