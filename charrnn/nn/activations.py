"""The states and gates of a network at each step of a text.

Computed in float64, whatever the dtype of the network. Notation: :mod:`charrnn.nn.cells`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.nn.functional import softmax
from charrnn.nn.network import Network, Workspace
from charrnn.nn.params import Array, Params

#: Steps in one pass.
STEPS = 256


@dataclass(frozen=True)
class Activations:
    """States and gates after each of T symbols, in each of L layers of H units.

    Attributes:
        h: (T, L, H) the hidden states, in [-1, 1].
        c: (T, L, H) the cell states of an LSTM; None for other cells.
        gates: name -> (T, L, H), in the order of the cell's equations: i, f, o and g of an LSTM,
            r, z and n of a GRU, none of an RNN. Sigmoid gates are in [0, 1], g and n in [-1, 1].

    All are float32.
    """

    h: Array
    c: Array | None
    gates: dict[str, Array]

    def named(self) -> dict[str, Array]:
        """All of them by name: ``h``, ``c`` if there is one, and the gates."""
        return {"h": self.h} | ({} if self.c is None else {"c": self.c}) | self.gates

    def after(self, steps: int) -> Activations:
        """Without those of the first ``steps`` symbols."""
        c = None if self.c is None else self.c[steps:]
        return Activations(self.h[steps:], c, {n: v[steps:] for n, v in self.gates.items()})


def activations(network: Network, texts: Sequence[Array]) -> Activations:
    """The activations of one or more texts, each read from the zero state, one after the other.

    Args:
        texts: ids, (any length,) each; T is the sum of their lengths.
    """
    arch, T = network.arch, sum(map(len, texts))
    found: dict[str, Array] = {}
    start = 0
    for ids in texts:
        for ws, steps, _ in _passes(network, ids):
            span = slice(start, start + steps)
            for layer, cell in enumerate(ws.cells):
                for name, values in cell.activations(steps).items():
                    if name not in found:
                        shape = (T, arch.num_layers, arch.hidden_size)
                        found[name] = np.empty(shape, np.float32)
                    found[name][span, layer] = values[:, 0]
            start += steps
    h, c = found.pop("h"), found.pop("c", None)
    return Activations(h, c, found)


def next_probabilities(network: Network, ids: Array) -> Array:
    """The distribution of the symbol after ``ids``, read from the zero state.

    Args:
        ids: (any length but 0,) of any integer dtype.

    Returns:
        (V,) of float64.
    """
    last: Array = np.zeros(0)
    for _, _, logits in _passes(network, ids):
        last = logits[-1]
    return softmax(last)


def _passes(network: Network, ids: Array) -> Iterator[tuple[Workspace, int, Array]]:
    """Read ``ids`` in passes; yields the workspace, the number of steps and the logits of each."""
    params = Params(network.params.shapes, np.float64, network.params.flat.astype(np.float64))
    precise = Network(network.arch, params)
    state = network.arch.zero_state(1, np.float64)
    ws = precise.workspace(min(len(ids), STEPS), 1)
    for at in range(0, len(ids), STEPS):
        inputs = ids[at : at + STEPS, None].astype(np.intp)
        yield ws, len(inputs), precise.forward(ws, inputs, state)
