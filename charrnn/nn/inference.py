"""Passes that nothing is learned from, over many streams at once.

Training keeps all gates and states of a window, for the way back. Who only reads needs none
of them, so here each step writes over the one before, and what it touches stays in the cache.
Each stream of a layer has a row [x | 1 | h], of its input, a one and its state, so that

    [x | 1 | h] [W_x; b; W_h]

is ONE product for all that a step adds up. Layer 0 looks its W_x up; a GRU keeps
[x | 1] [W_x; b] and [1 | h] [b_n; W_h] apart, because its reset gate stands between them.

Thousands of characters a second of an LSTM 128x2, 256 streams, one thread and two, in turns
within one run: as training goes forward 295 and 532, so 349 and 639. For fewer than about 50
streams training's way is the quicker one: there one product takes x of all steps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.nn.cells import CELLS, Cell
from charrnn.nn.functional import log_sum_exp
from charrnn.nn.layers import embedding
from charrnn.nn.network import Network, gate_scales
from charrnn.nn.params import Array, Weights, padded_rows


class Reader:
    """Buffers for passes over a network as it is now; it is not followed when it changes.

    For one thread at a time. There is no dropout.

    Args:
        network: of any dtype.
        rows: most steps times streams in one pass. N: most streams.
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

    def read(self, ids: Array, state: Array) -> Array:
        """Logits of the symbol after each of ``ids``.

        Args:
            ids: (steps, n) of intp in [0, V).
            state: (L, STATES, n, H); advanced in place by ``steps``.

        Returns:
            (steps*n, V), row t*n + i for stream i at step t: a view, overwritten by the
            next pass.
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
        """Nats of ``targets`` after ``ids`` and ``state``, which are as for :meth:`read`.

        Args:
            targets: (steps, M) of integers in [0, V); several columns may follow one stream.
            streams: (M,) the stream that each column of ``targets`` follows; None for each
                its own.

        Returns:
            (steps, M) nats, at least 0.
        """
        steps, n = ids.shape
        logits = self.read(ids, state)
        normalisers = log_sum_exp(logits, self._exp[: len(logits)])
        places = (np.arange(n) if streams is None else streams) + n * np.arange(steps)[:, None]
        nats: Array = normalisers[places] - logits[places, targets]
        return np.maximum(nats, 0.0, out=nats)  # a sure symbol's is rounded to either side


class _Layer:
    """A layer's weights, joined, and what a step of ``N`` streams writes."""

    def __init__(self, weights: Weights, cell: type[Cell], layer: int, N: int) -> None:
        name = f"layers.{layer}"
        W_x, W_h, b = weights[f"{name}.W_x"], weights[f"{name}.W_h"], weights[f"{name}.b"]
        (H, width), dtype, inner = W_h.shape, W_h.dtype, cell.inner_bias(weights, name)
        self._advance = cell.advance
        self._X = H if layer else 0  # columns of x in a row: layer 0 looks its part up
        self._sums = inner is None  # whether the cell looks at nothing but one sum
        self._table = None if layer else W_x if inner is None else W_x + b
        if inner is None:
            self._W = _joined(*([W_x] if layer else []), b, W_h)
        else:
            self._W_x, self._W = _joined(W_x, b), _joined(inner, W_h)
        self._rows: Array = np.ones((N, self._X + 1 + H), dtype)
        self._a: Array = np.empty((N, width), dtype)
        self._u: Array = np.empty((N, width), dtype)
        # Five lines of the cache (in float32) lie between h and c, which are used together: a
        # power of two alone would have them displace one another (10% of a score's time).
        self._states: Array = np.empty((cell.STATES, N * H + 5 * 16), dtype)

    def begin(self, state: Array) -> Callable[[Array], Array]:
        """A function that goes a step on from ``state`` (STATES, n, H).

        It takes the layer's input, (n, H) or, in layer 0, (n,) symbols, and returns h.
        """
        (_, n, H), X, sums = state.shape, self._X, self._sums
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
                if sums:
                    np.add(a, u, a)
            else:
                np.copyto(x_part, x)
                if sums:
                    np.matmul(rows, W, a)
                else:
                    np.matmul(x_and_1, self._W_x, a)
                    np.matmul(one_and_h, W, u)
            advance(a, u, now)
            return h

        return step

    def end(self, state: Array) -> None:
        """Write the state that the steps have led to."""
        for part, new in zip(self._now, state, strict=True):
            np.copyto(new, part)


def _joined(*parts: Array) -> Array:
    """One matrix of ``parts``, one below the other, its rows :func:`padded_rows`."""
    whole = np.vstack(parts)
    out = padded_rows(len(whole), whole.shape[1], whole.dtype)
    np.copyto(out, whole)
    return out
