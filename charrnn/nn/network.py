"""The network: ids and state in; loss, gradients and the next state out.

    ids -> embedding -> cell -> [dropout -> W_x -> cell]* -> dropout -> output -> softmax

The embedding of layer 0 is its W_x: a row of it for each symbol. Only the cells' loops are serial
in time; every other arrow is one operation over all T steps. Notation: :mod:`charrnn.nn.cells`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn.cells import CELLS
from charrnn.nn.functional import cross_entropy, cross_entropy_backward
from charrnn.nn.layers import dropout_mask, embedding, embedding_backward, linear, linear_backward
from charrnn.nn.params import Array, Params, Weights, padded_rows

#: Logits that are computed at once in training: see docs/design/performance.md.
BLOCK = 1 << 21


@dataclass(frozen=True)
class Architecture:
    """The shape of a network, and its dropout.

    Attributes:
        cell: ``rnn``, ``lstm`` or ``gru``.
        vocab_size: V. hidden_size: H. num_layers: L.
        dropout: probability of dropping an output of a layer, in [0, 1).
        locked_dropout: whether all steps of a window share one mask.
        weight_dropout: probability of dropping a weight of W_h for a window, in [0, 1).
    """

    cell: str
    vocab_size: int
    hidden_size: int
    num_layers: int = 1
    dropout: float = 0.0
    locked_dropout: bool = False
    weight_dropout: float = 0.0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each parameter, in the order of the flat vector."""
        cell, H, V = CELLS[self.cell], self.hidden_size, self.vocab_size
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in range(self.num_layers):
            inputs = H if layer else V
            shapes[f"layers.{layer}.W_x"] = (inputs, cell.GATES * H)
            shapes[f"layers.{layer}.W_h"] = (H, cell.GATES * H)
            shapes[f"layers.{layer}.b"] = (cell.GATES * H,)
            for name, shape in cell.shapes(H).items():
                shapes[f"layers.{layer}.{name}"] = shape
        return shapes | {"output.W": (H, V), "output.b": (V,)}

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def initial(
        self,
        rng: np.random.Generator,
        init: str = "uniform",
        init_scale: float = 0.01,
        dtype: DTypeLike = np.float32,
    ) -> Params:
        """Parameters to start training from.

        ``uniform``: every matrix uniform in +-1/sqrt(H). H is the fan-in of W_h, of W_x in upper
        layers and of the output; the embedding has the same range because its rows are added
        to ``h W_h``. ``normal``: every matrix normal with standard deviation ``init_scale``.
        Biases are zero, except those that the cell sets (:meth:`Cell.initial_bias`).

        Args:
            rng: draws the matrices, in the order of :meth:`shapes`.
            init: ``uniform`` or ``normal``.
            init_scale: standard deviation of ``normal``.
            dtype: of the parameters.
        """
        params = Params(self.shapes(), dtype)
        limit = 1.0 / math.sqrt(self.hidden_size)
        for _, view in params.items():
            if view.ndim == 2 and init == "normal":
                view[:] = rng.normal(0.0, init_scale, view.shape)
            elif view.ndim == 2:
                view[:] = rng.uniform(-limit, limit, view.shape)
        for layer in range(self.num_layers):
            CELLS[self.cell].initial_bias(params[f"layers.{layer}.b"], self.hidden_size)
        return params

    def state_shape(self, N: int) -> tuple[int, int, int, int]:
        """(L, STATES, N, H): the recurrent state of ``N`` streams."""
        return self.num_layers, CELLS[self.cell].STATES, N, self.hidden_size

    def zero_state(self, N: int, dtype: DTypeLike = np.float32) -> Array:
        """The state at the start of ``N`` streams: zeros of :meth:`state_shape`."""
        return np.zeros(self.state_shape(N), dtype)


def extend_vocabulary(old: Params, ids: Array, params: Params) -> None:
    """Copy a network's parameters to one with a larger vocabulary, keeping what it has learned.

    The logit of a new symbol starts as the mean of the V old logits in every context. So new
    symbols are improbable where the network is confident, k of them take at most k / (V + k) of
    the probability, and the old ones share the rest as before; random columns would guarantee
    none of this. Source: Hewitt, "Initializing new word embeddings for pretrained language
    models" (2021). The embedding of a new symbol stays as initialised. For how much this matters
    after training see docs/design/tuning.md.

    Args:
        old: the parameters to copy.
        ids: (V_old,) of integers: the id of each old symbol in the larger vocabulary.
        params: initial parameters for the larger vocabulary, otherwise of the shapes of
            ``old``; overwritten.
    """
    for name, view in params.items():
        if name == "layers.0.W_x":
            view[ids] = old[name]
        elif name.startswith("output."):
            view[...] = np.mean(old[name], axis=-1, keepdims=True)
            view[..., ids] = old[name]
        else:
            view[...] = old[name]


def without_symbol(network: Network, symbol: int) -> Network:
    """A copy of ``network`` that gives ``symbol`` no probability, and more to all others."""
    params = network.params.copy()
    params["output.W"][:, symbol] = 0.0
    params["output.b"][symbol] = -1e9  # finite at any temperature
    return Network(network.arch, params)


class Workspace:
    """All buffers of a pass over T steps of N streams, allocated once.

    A workspace also holds a working copy of the weights, in which the columns of gates are scaled
    (see :mod:`charrnn.nn.cells`). It is a snapshot, taken by the constructor and by
    :meth:`refresh`: after changing the parameters, refresh the workspaces that are to use them.

    Args:
        network: its sizes and parameters are used.
        T: most steps in one pass. N: streams.
        training: False leaves out the buffers that only the backward pass needs.
        block: see :data:`BLOCK`.

    Attributes:
        T, N: as given.
        cells: the cell of each layer, with its buffers.
        logits: (T*N, V), written by a pass; for training, of as many rows as make a block.
        nats: (T*N,), the surprisal of each target in the last pass of training.
        masks: the dropout mask above each layer, (T or 1, N, H); empty without dropout.
        dropped: (T, N, H) for each layer: its states times the mask; empty without dropout.
        weight_masks: the mask of each layer's W_h; empty without weight dropout.
        weights: the working copy, by name.
    """

    def __init__(
        self, network: Network, T: int, N: int, training: bool = False, block: int = BLOCK
    ) -> None:
        arch, dtype = network.arch, network.params.flat.dtype
        H, V, L = arch.hidden_size, arch.vocab_size, arch.num_layers
        cell = CELLS[arch.cell]
        self.T, self.N = T, N
        self.cells = [cell(T, N, H, dtype, training) for _ in range(L)]
        block = max(1, min(T * N, block // V)) if training else T * N
        self.logits: Array = np.empty((block, V), dtype)
        self.nats: Array = np.empty(T * N * training, dtype)
        # The gradient of the output layer of one block, where there are several.
        self.part: Array = np.empty((H + 1, V) if training and block < T * N else 0, dtype)
        dropping, drawn = training and arch.dropout > 0.0, 1 if arch.locked_dropout else T
        self.masks: list[Array] = [np.empty((drawn, N, H), dtype) for _ in range(L * dropping)]
        self.dropped: list[Array] = [np.empty((T, N, H), dtype) for _ in self.masks]
        kept = (H, cell.GATES * H)
        self.weight_masks: list[Array] = [
            np.empty(kept, dtype) for _ in range(L * (training and arch.weight_dropout > 0.0))
        ]
        self._W_h: Array = np.empty(kept if self.weight_masks else 0, dtype)
        self._network = network
        self._scale = gate_scales(network, CELLS[network.arch.cell].SCALES)
        self._scaled = network.params.like()
        # With a single stream, padding W_h gains nothing.
        names = [f"layers.{layer}.W_h" for layer in range(L if N > 1 else 0)]
        self._padded = {name: padded_rows(H, cell.GATES * H, dtype) for name in names}
        self.weights: Weights = dict(self._scaled.items()) | self._padded
        # The embedding of layer 0 with its bias added, unless a pass needs only a few of its rows.
        whole = not training or V <= T * N
        self._table: Array | None = np.empty((V, cell.GATES * H), dtype) if whole else None
        self.refresh()

    def refresh(self) -> None:
        """Copy the network's parameters as they are now."""
        first = 0 if self._table is not None else self._network.params["layers.0.W_x"].size
        values, scale = self._network.params.flat[first:], self._scale[first:]
        with np.errstate(all="ignore"):  # of a run that diverges, whose loss tells
            np.multiply(values, scale, out=self._scaled.flat[first:])
            for name, weights in self._padded.items():
                np.copyto(weights, self._scaled[name])
            if self._table is not None:
                np.add(self.weights["layers.0.W_x"], self.weights["layers.0.b"], out=self._table)

    def drop_weights(self, rng: np.random.Generator) -> None:
        """Draw :attr:`weight_masks`, and drop weights of W_h until the next :meth:`refresh`."""
        for layer, mask in enumerate(self.weight_masks):
            dropout_mask(self._network.arch.weight_dropout, rng, mask)
            W_h = self.weights[f"layers.{layer}.W_h"]
            np.multiply(W_h, mask, out=W_h)

    def recurrent_weights(self, layer: int) -> Array:
        """W_h of a layer, not scaled, without what :meth:`drop_weights` dropped."""
        W_h = self._network.params[f"layers.{layer}.W_h"]
        return np.multiply(W_h, self.weight_masks[layer], out=self._W_h)

    def embed(self, ids: Array, out: Array) -> None:
        """The input of layer 0: the embedding of ``ids``, (M,), plus the bias, to (M, G*H)."""
        if self._table is not None:
            embedding(self._table, ids, out)
            return
        W_x = self._network.params["layers.0.W_x"]
        embedding(W_x, ids, out)
        np.multiply(out, self._scale[: W_x.shape[1]], out=out)
        np.add(out, self.weights["layers.0.b"], out=out)


def gate_scales(network: Network, scales: Sequence[float]) -> Array:
    """The factor of each parameter, (P,): that of its gate in ``scales``, (G,), else 1."""
    arch = network.arch
    factors = network.params.like()
    factors.flat.fill(1.0)
    columns = np.repeat(scales, arch.hidden_size)
    for layer in range(arch.num_layers):
        for name in ("W_x", "W_h", "b"):
            factors[f"layers.{layer}.{name}"][...] = columns
    return factors.flat


class Network:
    """An architecture with its parameters, and the passes over them.

    The recurrent state belongs to the caller: (L, STATES, N, H), read at the start of a pass and
    overwritten with the state at its end.

    Raises:
        ValueError: the parameters do not fit the architecture.
    """

    def __init__(self, arch: Architecture, params: Params) -> None:
        if params.shapes != arch.shapes():
            raise ValueError("the parameters do not fit the architecture")
        self.arch, self.params = arch, params

    def workspace(self, T: int, N: int, training: bool = False) -> Workspace:
        """A :class:`Workspace` for passes of up to ``T`` steps over ``N`` streams."""
        return Workspace(self, T, N, training)

    def forward(
        self,
        ws: Workspace,
        ids: Array,
        state: Array,
        rng: np.random.Generator | None = None,
    ) -> Array:
        """Logits of the symbol after each of ``ids``.

        Args:
            ws: its buffers are overwritten.
            ids: (steps, N) of intp in [0, V), steps at most ``ws.T``.
            state: (L, STATES, N, H); advanced in place by ``steps``.
            rng: draws the masks of activations; None for no dropout.

        Returns:
            (steps*N, V) in the dtype of the parameters, row t*N + n for stream n at step t: a
            view into ``ws``.
        """
        x = self._hidden(ws, ids, state, rng)
        logits = ws.logits[: len(x)]
        linear(x, ws.weights["output.W"], ws.weights["output.b"], logits)
        return logits

    def _hidden(
        self, ws: Workspace, ids: Array, state: Array, rng: np.random.Generator | None
    ) -> Array:
        """What the output layer gets: (steps*N, H), a view into ``ws``; see :meth:`forward`."""
        steps, H = ids.shape[0], self.arch.hidden_size
        rows = steps * ws.N
        x: Array = ids.reshape(rows)  # the layer's input: ids first, then rows of h
        for layer, cell in enumerate(ws.cells):
            a = cell.a[:steps].reshape(rows, -1)
            if layer == 0:
                ws.embed(x, a)
            else:
                name = f"layers.{layer}"
                linear(x, ws.weights[f"{name}.W_x"], ws.weights[f"{name}.b"], a)
            cell.set_state(state[layer])
            with np.errstate(over="ignore"):  # exp may be infinite: the sigmoid is then 0
                cell.forward(ws.weights, f"layers.{layer}", steps)
            cell.get_state(steps, state[layer])
            h = cell.h[1 : steps + 1]
            if rng is not None and ws.masks:
                mask = ws.masks[layer][:steps]
                dropout_mask(self.arch.dropout, rng, mask)
                h = np.multiply(h, mask, out=ws.dropped[layer][:steps])
            x = h.reshape(rows, H)
        return x

    def loss_and_gradients(
        self,
        ws: Workspace,
        ids: Array,
        targets: Array,
        state: Array,
        grads: Params,
        weight: Array | float,
        rng: np.random.Generator | None = None,
        places: Array | None = None,
        weight_rng: np.random.Generator | None = None,
    ) -> float:
        """One window of truncated BPTT.

        Args:
            ws: made with ``training=True``; refreshed here, its buffers are overwritten.
            ids, targets: (steps, N) of intp in [0, V), steps at most ``ws.T``. A target of
                weight 0 may be -1.
            state: (L, STATES, N, H); advanced in place by ``steps``.
            grads: overwritten with the gradient of ``sum(weight * nats)``.
            weight: of each target in the loss: one factor, or (steps, N).
            rng: draws the masks of activations; None for no dropout.
            places: (steps, N) of intp: the row of the gradient that each id's embedding has, if
                it is not the id. Rows that none has become zero.
            weight_rng: draws the masks of W_h; None for no weight dropout.

        Returns:
            ``sum(weight * nats)`` over the window.
        """
        steps, H = ids.shape[0], self.arch.hidden_size
        rows, dropping = steps * ws.N, rng is not None and bool(ws.masks)
        weight_masks = ws.weight_masks if weight_rng is not None else []
        ws.refresh()
        if weight_rng is not None:
            ws.drop_weights(weight_rng)
        x = self._hidden(ws, ids, state, rng)
        flat_weight = weight.reshape(rows) if isinstance(weight, np.ndarray) else weight
        top = ws.cells[-1].dh[:steps].reshape(rows, H)
        nats = self._output(ws, x, targets.reshape(rows), flat_weight, grads, top)
        loss = float(np.sum(nats * flat_weight, dtype=np.float64))
        for layer in reversed(range(self.arch.num_layers)):
            name, cell = f"layers.{layer}", ws.cells[layer]
            if dropping:
                np.multiply(cell.dh[:steps], ws.masks[layer][:steps], out=cell.dh[:steps])
            W_h = ws.recurrent_weights(layer) if weight_masks else self.params[f"{name}.W_h"]
            cell.backward(W_h, grads, name, steps)
            if weight_masks:
                dW_h = grads[f"{name}.W_h"]
                np.multiply(dW_h, weight_masks[layer], out=dW_h)
            dout = cell.a[:steps].reshape(rows, -1)
            if layer == 0:
                break
            below = ws.cells[layer - 1]
            h = ws.dropped[layer - 1][:steps] if dropping else below.h[1 : steps + 1]
            W, dW, db = self.params[f"{name}.W_x"], grads[f"{name}.W_x"], grads[f"{name}.b"]
            dx = below.dh[:steps].reshape(rows, H)
            linear_backward(dout, h.reshape(rows, H), W, dW, db, dx)
        places = ids if places is None else places
        embedding_backward(dout, places.reshape(rows), grads["layers.0.W_x"])
        np.add.reduce(grads["layers.0.W_x"], axis=0, out=grads["layers.0.b"])
        return loss

    def _output(
        self,
        ws: Workspace,
        x: Array,
        targets: Array,
        weight: Array | float,
        grads: Params,
        dx: Array,
    ) -> Array:
        """The output layer, softmax and loss, forward and backward, block by block.

        With many symbols the logits of a whole window would not fit the cache, or the memory.

        Args:
            x: (rows, H). targets: (rows,). weight: one factor, or (rows,).
            grads: those of the output layer are written. dx: (rows, H), written.

        Returns:
            (rows,) the surprisal of each target.
        """
        W, b, dW, db = (each[f"output.{n}"] for each in (self.params, grads) for n in "Wb")
        nats, size = ws.nats[: len(x)], len(ws.logits)
        for at in range(0, len(x), size):
            block = slice(at, min(at + size, len(x)))
            logits = ws.logits[: block.stop - at]
            linear(x[block], W, b, logits)
            nats[block] = cross_entropy(logits, targets[block])
            each = weight[block] if isinstance(weight, np.ndarray) else weight
            cross_entropy_backward(logits, targets[block], each)
            if at == 0:
                linear_backward(logits, x[block], W, dW, db, dx[block])
            else:
                linear_backward(logits, x[block], W, ws.part[:-1], ws.part[-1], dx[block])
                np.add(dW, ws.part[:-1], out=dW)
                np.add(db, ws.part[-1], out=db)
        return nats
