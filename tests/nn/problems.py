"""Small networks with everything that could hide a mistake switched on."""

from dataclasses import dataclass

import numpy as np

from charrnn.nn.network import Architecture, Network, Workspace
from charrnn.nn.params import Params

CELLS = ("rnn", "lstm", "gru")
#: Rates of dropout, whether its masks are locked, and rates of weight dropout.
DROPOUTS = ((0.0, False, 0.0), (0.4, False, 0.0), (0.4, True, 0.3))
# All different, so that a transposed matrix or a swapped axis cannot fit by accident.
T, N, H, V = 4, 3, 5, 7


@dataclass
class Problem:
    network: Network
    ids: np.ndarray
    targets: np.ndarray
    start: np.ndarray

    def run(self, ws: Workspace, weight, seed=None, grads: Params | None = None):
        """Loss, gradients and end state; ``seed`` fixes the dropout masks."""
        state = self.start.copy()
        rng = None if seed is None else np.random.default_rng(seed)
        if grads is None:
            grads = self.network.params.like()
            grads.flat.fill(np.nan)  # so that an element that is not written shows
        loss = self.network.loss_and_gradients(
            ws, self.ids, self.targets, state, grads, weight, rng, weight_rng=weight_rng(seed)
        )
        return loss, grads, state


def weight_rng(seed):
    """The generator of the masks of weights; None for none."""
    return None if seed is None else np.random.default_rng([seed, 1])


def problem(
    cell: str,
    num_layers=1,
    dropout=0.0,
    dtype=np.float64,
    shape=(T, N, H, V),
    seed=1,
    locked=False,
    weight_dropout=0.0,
) -> Problem:
    """Biases and start state are random too, because a term times zero would test nothing."""
    steps, streams, hidden, vocab = shape
    rng = np.random.default_rng(seed)
    arch = Architecture(cell, vocab, hidden, num_layers, dropout, locked, weight_dropout)
    params = arch.initial(rng, dtype=dtype)
    for _, view in params.items():
        if view.ndim == 1:
            view += rng.uniform(-0.5, 0.5, view.shape)
    ids, targets = rng.integers(0, vocab, (2, steps, streams))
    start = rng.uniform(-0.9, 0.9, arch.zero_state(streams).shape).astype(dtype)
    return Problem(Network(arch, params), ids, targets, start)
