"""Forward passes without training, over many streams at once.

Training keeps all gates and states of a window for the backward pass. Inference needs none of
them, so here each step overwrites the one before, and the memory it uses stays in the cache.
Each stream of a layer has a row [x | 1 | h]: its input, a one and its state. So

    [x | 1 | h] [W_x; b; W_h]

is ONE product that computes everything a step adds up. Layer 0 takes its part from the embedding. A
GRU computes [x | 1] [W_x; b] and [1 | h] [b_n; W_h] separately, because its reset gate acts on
the second only.

This is faster than :meth:`Network.forward <charrnn.nn.network.Network.forward>` from about 50
streams on: see docs/design/performance.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.nn.cells import CELLS, Cell
from charrnn.nn.functional import log_sum_exp
from charrnn.nn.layers import embedding
from charrnn.nn.network import Network, gate_scales
from charrnn.nn.params import Array, Weights, padded_rows


class InferencePass:
    """Forward passes over a copy of a network, with its own buffers; without dropout.

    Later changes of the network's parameters have no effect. Only one thread at a time may use it.

    Args:
        network: of any dtype.
        rows: most steps times streams in one pass.
        N: most streams in one pass.
    """

    def __init__(self, network: Network, rows: int, N: int) -> None:
        arch, dtype = network.arch, network.params.flat.dtype
        H, V, cell = arch.hidden_size, arch.vocab_size, CELLS[arch.cell]
        params = network.params.like(network.params.flat * gate_scales(network))
        scaled = dict(params.items())
        self._layers = [_Layer(scaled, cell, layer, N) for layer in range(arch.num_layers)]
        self._output, self._bias = scaled["output.W"], scaled["output.b"]
        self._h: Array = np.empty((rows, H), dtype)
        self._logits: Array = np.empty((rows, V), dtype)
        self._exp: Array = np.empty((rows, V), dtype)

    def forward(self, ids: Array, state: Array) -> Array:
        """Logits of the symbol after each of ``ids``.

        Args:
            ids: (steps, n) of intp in [0, V).
            state: (L, STATES, n, H); advanced in place by ``steps``.

        Returns:
            (steps*n, V) in the network's dtype, row t*n + i for stream i at step t: a view,
            overwritten by the next pass.
        """
        steps, n = ids.shape
        top = self._h[: steps * n].reshape(steps, n, -1)
        layers = [layer.begin(old) for layer, old in zip(self._layers, state, strict=True)]
        for x, h in zip(ids, top, strict=True):
            for step in layers:
                x = step(x)
            np.copyto(h, x)
        for layer, new in zip(self._layers, state, strict=True):
            layer.end(new)
        logits = self._logits[: steps * n]
        np.matmul(self._h[: steps * n], self._output, out=logits)
        np.add(logits, self._bias, out=logits)
        return logits

    def surprisal(
        self, ids: Array, targets: Array, state: Array, streams: Array | None = None
    ) -> Array:
        """Surprisal of ``targets``; ``ids`` are the symbols before them.

        Args:
            ids, state: as for :meth:`forward`.
            targets: (steps, M) of integers in [0, V); several columns may belong to one stream.
            streams: (M,) the stream of each column of ``targets``; by default, M = n and each
                column has its own.

        Returns:
            (steps, M) nats, at least 0, in the network's dtype.
        """
        steps, n = ids.shape
        logits = self.forward(ids, state)
        normalisers = log_sum_exp(logits, self._exp[: len(logits)])
        places = (np.arange(n) if streams is None else streams) + n * np.arange(steps)[:, None]
        nats: Array = normalisers[places] - logits[places, targets]
        return np.maximum(nats, 0.0, out=nats)  # for a probability of 1 it may round below 0


class _Layer:
    """A layer: its weights, stacked into one matrix or two, and buffers for ``N`` streams."""

    def __init__(self, weights: Weights, cell: type[Cell], layer: int, N: int) -> None:
        name = f"layers.{layer}"
        W_x, W_h, b = weights[f"{name}.W_x"], weights[f"{name}.W_h"], weights[f"{name}.b"]
        (H, width), dtype, b_h = W_h.shape, W_h.dtype, cell.recurrent_bias(weights, name)
        self._advance = cell.advance
        self._X = H if layer else 0  # columns of x in a row: layer 0 has an embedding instead
        self._one_sum = b_h is None  # whether the cell needs only x W_x + b + h W_h
        self._table = None if layer else W_x if b_h is None else W_x + b
        if b_h is None:
            self._W = _stacked(*([W_x] if layer else []), b, W_h)
        else:
            self._W_x, self._W = _stacked(W_x, b), _stacked(b_h, W_h)
        self._rows: Array = np.ones((N, self._X + 1 + H), dtype)
        self._a: Array = np.empty((N, width), dtype)
        self._u: Array = np.empty((N, width), dtype)
        # Five cache lines (in float32) between h and c, which are used together: at a distance
        # of a power of two they evict one another. See docs/design/performance.md.
        self._states: Array = np.empty((cell.STATES, N * H + 5 * 16), dtype)

    def begin(self, state: Array) -> Callable[[Array], Array]:
        """Start from ``state``, (STATES, n, H), and return a function that does one step.

        The function takes the layer's input, (n, H) or, in layer 0, ids (n,), and returns h,
        (n, H), which the next step overwrites.
        """
        (_, n, H), X, one_sum = state.shape, self._X, self._one_sum
        table, W, advance, rows = self._table, self._W, self._advance, self._rows[:n]
        x_part, x_and_1, one_and_h = rows[:, :X], rows[:, : X + 1], rows[:, X:]
        h_part, a, u = rows[:, X + 1 :], self._a[:n], self._u[:n]
        self._now = now = [flat[: n * H].reshape(n, H) for flat in self._states]
        for part, old in zip(now, state, strict=True):
            np.copyto(part, old)
        h: Array = now[0]

        def step(x: Array) -> Array:
            np.copyto(h_part, h)
            if table is not None:
                embedding(table, x, a)
                np.matmul(one_and_h, W, u)
                if one_sum:
                    np.add(a, u, a)
            else:
                np.copyto(x_part, x)
                if one_sum:
                    np.matmul(rows, W, a)
                else:
                    np.matmul(x_and_1, self._W_x, a)
                    np.matmul(one_and_h, W, u)
            advance(a, u, now)
            return h

        return step

    def end(self, state: Array) -> None:
        """Write the state after the steps to ``state``, (STATES, n, H)."""
        for part, new in zip(self._now, state, strict=True):
            np.copyto(new, part)


def _stacked(*parts: Array) -> Array:
    """``parts`` one below the other in one matrix of :func:`padded_rows`."""
    whole = np.vstack(parts)
    out = padded_rows(len(whole), whole.shape[1], whole.dtype)
    np.copyto(out, whole)
    return out
