"""Forward passes without training, over many streams at once.

Training keeps all gates and states of a window for the backward pass. Inference needs none of
them, so here each step overwrites the one before, and the memory it uses stays in the cache.
Each stream has a row with the states h of all layers, and ones between them:

    [1 | h_0 | 1 | h_1 | 1]

Layer 1 reads its input x = h_0 and its own state there, without a copy, as [x | 1 | h], and

    [x | 1 | h] [W_x; b; W_h]

is ONE product that computes everything a step adds up. So do further layers, and the output layer
reads [h | 1]. Layer 0 takes the part of its input from the embedding. A GRU computes
[x | 1] [W_x; b] and [1 | h] [b_n; W_h] separately, because its reset gate acts on the second only.

From about 50 streams on, for an LSTM, this is at least as fast as :meth:`Network.forward
<charrnn.nn.network.Network.forward>`; for other cells, from somewhat more: see
docs/design/performance.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from charrnn.nn.cells import CELLS, Cell
from charrnn.nn.functional import log_sum_exp
from charrnn.nn.layers import embedding
from charrnn.nn.network import Network, gate_scales
from charrnn.nn.params import Array, Weights, padded_rows
from charrnn.nn.tiles import Groups, Matrix, Moves, alike_places


class InferenceWeights:
    """The weights of a network as inference needs them: a copy that passes may share.

    Later changes of the network's parameters have no effect on it.

    Args:
        network: of any dtype, which is that of the copy.
    """

    def __init__(self, network: Network) -> None:
        self.arch, self.dtype = network.arch, network.params.flat.dtype
        cell = CELLS[self.arch.cell]
        scales = gate_scales(network, cell.SCALES)
        params = network.params.like(network.params.flat * scales)
        scaled = dict(params.items())
        self.layers = [_LayerWeights(scaled, cell, layer) for layer in range(self.arch.num_layers)]
        self.output = Matrix(_stacked(scaled["output.W"], scaled["output.b"]))

    @cached_property
    def alike(self) -> Array:
        """(TILE,) the places of a tile where streams are computed alike: the first such place."""
        matrices = [matrix for layer in self.layers for matrix in layer.matrices]
        return alike_places(matrix.W for matrix in [*matrices, self.output])


class InferencePass:
    """Forward passes over a copy of a network, with its own buffers; without dropout.

    Later changes of the network's parameters have no effect. Only one thread at a time may use it.

    Args:
        network: of any dtype.
        rows: most steps times streams in one pass.
        N: most streams in one pass.
        size: streams that share a product; the streams of a pass are a multiple of it; None for
            all. What is computed for a stream depends on the others only if they share a product
            with it.
    """

    def __init__(self, network: Network, rows: int, N: int, size: int | None = None) -> None:
        self._weights = weights = InferenceWeights(network)
        self._size = size
        self._layers, _ = _layers(weights, N)
        self._h: Array = np.ones((rows, weights.arch.hidden_size + 1), weights.dtype)  # [h | 1]
        self._logits: Array = np.empty((rows, weights.arch.vocab_size), weights.dtype)
        self._exp: Array = np.empty_like(self._logits)

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
        tops = self._h[: steps * n].reshape(steps, n, -1)[:, :, :-1]
        layers = [layer.begin(n, size=self._size) for layer in self._layers]
        for layer, start in zip(self._layers, state, strict=True):
            layer.set_state(start)
        h = self._layers[-1].now[0]
        for read, top in zip(ids, tops, strict=True):
            for step in layers:
                step(read)
            np.copyto(top, h)
        for layer, new in zip(self._layers, state, strict=True):
            layer.end(new)
        logits = self._logits[: steps * n]
        self._weights.output.product(self._h[: steps * n], logits, size=self._size)()
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


class StepPass:
    """Streams that advance together, one symbol at a time; it keeps their state.

    What is computed for a stream depends on its own symbols and on whether it is alone or in which
    place of a tile (:mod:`charrnn.nn.tiles`), but not on the other streams or on how many there
    are. Rows of a tile that belong to no stream are multiplied, too, and not used.

    Args:
        weights: of the network; shared, not copied.
        state: (L, STATES, n, H) to start from; not changed.
        groups: of the n streams.

    Attributes:
        logits: (n, V) of the last step. groups: of the streams that are left.
    """

    def __init__(self, weights: InferenceWeights, state: Array, groups: Groups) -> None:
        self._weights = weights
        self._layers, self._top = _layers(weights, groups.rows)
        self._logits: Array = np.empty((groups.rows, weights.arch.vocab_size), weights.dtype)
        self._begin(groups)
        for layer, start in zip(self._layers, state, strict=True):
            layer.set_state(start)

    def _begin(self, groups: Groups) -> None:
        self.groups = groups
        self._steps = [layer.begin(groups.n, groups) for layer in self._layers]
        top, logits = self._top[: groups.rows], self._logits[: groups.rows]
        self._multiply = self._weights.output.product(top, logits, groups)
        self.logits = self._logits[groups.used]

    def step(self, ids: Array) -> Array:
        """Read ``ids``, (n,) of intp in [0, V); return ``logits`` of the symbols after them."""
        for step in self._steps:
            step(ids)
        self._multiply()
        return self.logits

    def keep(self, moves: Moves) -> None:
        """Keep only some streams."""
        for layer in self._layers:
            for part in layer.now:
                moves.apply(part)
        self._begin(replace(self.groups, n=moves.n))


class _LayerWeights:
    """The weights of a layer, stacked into one matrix or two."""

    def __init__(self, weights: Weights, cell: type[Cell], layer: int) -> None:
        name = f"layers.{layer}"
        W_x, W_h, b = weights[f"{name}.W_x"], weights[f"{name}.W_h"], weights[f"{name}.b"]
        b_h = cell.recurrent_bias(weights, name)
        self.cell = cell
        self.H, self.width = W_h.shape
        self.dtype = W_h.dtype
        self.X = self.H if layer else 0  # columns of x in a row: layer 0 has an embedding instead
        self.one_sum = b_h is None  # whether the cell needs only x W_x + b + h W_h
        self.table = None if layer else W_x if b_h is None else W_x + b
        if b_h is None:
            self.W = Matrix(_stacked(*([W_x] if layer else []), b, W_h))
            self.matrices = [self.W]
        else:
            self.W_x, self.W = Matrix(_stacked(W_x, b)), Matrix(_stacked(b_h, W_h))
            self.matrices = [self.W_x, self.W] if layer else [self.W]


class _Layer:
    """A layer: its weights, and buffers for N streams.

    Args:
        rows: (N, X + 1 + H), [x | 1 | h] of each stream.

    Attributes:
        now: the state of n streams, STATES arrays (n, H); the first is h.
    """

    def __init__(self, weights: _LayerWeights, rows: Array) -> None:
        N, H, width, dtype = len(rows), weights.H, weights.width, weights.dtype
        self._weights, self._rows = weights, rows
        self._a: Array = np.empty((N, width), dtype)
        self._u: Array = np.empty((N, width), dtype)
        others: Array = np.empty((weights.cell.STATES - 1, N, H), dtype)
        self._states = [rows[:, weights.X + 1 :], *others]

    def begin(
        self, n: int, groups: Groups | None = None, size: int | None = None
    ) -> Callable[[Array], None]:
        """A function that does one step of ``n`` streams, from the state that is in memory.

        The function takes the symbols that are read, ids (n,), which only layer 0 uses.

        Args:
            groups, size: of the streams in products: see :meth:`Matrix.product`.
        """
        weights, X = self._weights, self._weights.X
        table, advance, one_sum = weights.table, weights.cell.advance, weights.one_sum
        used = groups.used if groups else slice(n)
        a, u = self._a[used], self._u[used]
        self.now = now = [part[used] for part in self._states]
        # Products cover the other rows of the groups, too.
        filled = slice(groups.rows) if groups else used
        rows, a_out, u_out = self._rows[filled], self._a[filled], self._u[filled]
        if one_sum and table is None:
            products = [weights.W.product(rows, a_out, groups, size)]
        else:
            products = [weights.W.product(rows[:, X:], u_out, groups, size)]
            if table is None:
                products.append(weights.W_x.product(rows[:, : X + 1], a_out, groups, size))

        def step(ids: Array) -> None:
            for multiply in products:
                multiply()
            if table is not None:
                embedding(table, ids, a)
                if one_sum:
                    np.add(a, u, a)
            advance(a, u, now)

        return step

    def set_state(self, state: Array) -> None:
        """Start from ``state``, (STATES, n, H)."""
        for part, start in zip(self.now, state, strict=True):
            np.copyto(part, start)

    def end(self, state: Array) -> None:
        """Write the state after the steps to ``state``, (STATES, n, H)."""
        for part, new in zip(self.now, state, strict=True):
            np.copyto(new, part)


def _layers(weights: InferenceWeights, N: int) -> tuple[list[_Layer], Array]:
    """The layers, with a row of states for each of N streams; and [h | 1] of the last, (N, H+1)."""
    block = 1 + weights.arch.hidden_size  # [1 | h]
    rows: Array = np.ones((N, len(weights.layers) * block + 1), weights.dtype)
    layers = []
    for number, layer in enumerate(weights.layers):
        h_end = (number + 1) * block
        layers.append(_Layer(layer, rows[:, h_end - block - layer.X : h_end]))
    return layers, rows[:, h_end - block + 1 :]


def _stacked(*parts: Array) -> Array:
    """``parts`` one below the other in one matrix of :func:`padded_rows`."""
    whole = np.vstack(parts)  # a vector is one row
    out = padded_rows(len(whole), whole.shape[1], whole.dtype)
    np.copyto(out, whole)
    return out
