"""The network: ids and state in; loss, gradients and the next state out.

    ids -> rows of W_x -> cell -> [dropout -> W_x -> cell]* -> dropout -> output -> softmax

Only the cells' loops are serial in time; each other arrow is one operation over all
T steps. Notation: :mod:`charrnn.nn.cells`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn.cells import CELLS
from charrnn.nn.functional import cross_entropy, cross_entropy_backward
from charrnn.nn.layers import dropout_mask, embedding, embedding_backward, linear, linear_backward
from charrnn.nn.params import Array, Params, Weights, padded_rows


@dataclass(frozen=True)
class Architecture:
    """What fixes every array and what is dropped: cell, V, H, L; rate and kind of dropout."""

    cell: str
    vocab_size: int
    hidden_size: int
    num_layers: int = 1
    dropout: float = 0.0
    locked_dropout: bool = False

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
        """Parameters to start from.

        ``uniform``: every matrix in +-1/sqrt(H); H is the fan-in of W_h, of the upper
        layers' W_x and of the output, and the look-up of layer 0 is given the same range
        because its row is added to h W_h. ``normal``: every matrix normal with standard
        deviation ``init_scale``. Biases are zero, but where the cell says otherwise.
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
        """The state of ``N`` streams at their start: zeros, of :meth:`state_shape`."""
        return np.zeros(self.state_shape(N), dtype)


def extend_vocabulary(old: Params, ids: Array, params: Params) -> None:
    """Carry a network over to a larger vocabulary: what it knew stays as it was.

    The logit of a new symbol starts as the mean of the V old ones in every context. So it is
    rare where the network is sure of itself, k new ones take k / (V + k) of the probability
    at most, and the old ones share the rest as before; a column of random weights promises
    nothing of the kind. Source: Hewitt, "Initializing new word embeddings for pretrained
    language models" (2021). The row of its look-up stays as initialised. What follows from
    training hardly depends on it: after 300 steps on two texts, one of them in another
    alphabet, fresh columns with a bias of 0, or of the smallest of the old ones, ended within
    0.02 nats of this, above and below it.

    Args:
        old: the parameters to carry over.
        ids: (V_old,) the place of each old symbol in the larger vocabulary.
        params: initial parameters for the larger vocabulary, else of the shapes of
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


class Workspace:
    """Every buffer that a pass over T steps of N streams writes, allocated once.

    Also holds a working copy of the weights with the sigmoid gates' columns halved
    (see :mod:`charrnn.nn.cells`), a snapshot taken by :meth:`refresh`: whoever changes
    the parameters refreshes the workspaces that are to follow.

    Args:
        network: whose sizes and parameters it serves.
        T, N: most steps in one pass; streams.
        training: False leaves out what only the backward pass needs.
    """

    def __init__(self, network: Network, T: int, N: int, training: bool = False) -> None:
        arch, dtype = network.arch, network.params.flat.dtype
        H, V, L = arch.hidden_size, arch.vocab_size, arch.num_layers
        cell = CELLS[arch.cell]
        self.T, self.N = T, N
        self.cells = [cell(T, N, H, dtype, training) for _ in range(L)]
        self.logits: Array = np.empty((T * N, V), dtype)
        # One mask above each layer, a locked one for all steps; absent where nothing is dropped.
        dropping, drawn = training and arch.dropout > 0.0, 1 if arch.locked_dropout else T
        self.masks: list[Array] = [np.empty((drawn, N, H), dtype) for _ in range(L * dropping)]
        self.dropped: list[Array] = [np.empty((T, N, H), dtype) for _ in self.masks]
        self._network = network
        self._scale = gate_scales(network)
        self._scaled = network.params.like()
        # A single stream multiplies by W_h as it lies in the vector.
        names = [f"layers.{layer}.W_h" for layer in range(L if N > 1 else 0)]
        self._apart = {name: padded_rows(H, cell.GATES * H, dtype) for name in names}
        self.weights: Weights = dict(self._scaled.items()) | self._apart
        self.table: Array = np.empty((V, cell.GATES * H), dtype)
        self.refresh()

    def refresh(self) -> None:
        """Take the network's parameters as they are now."""
        np.multiply(self._network.params.flat, self._scale, out=self._scaled.flat)
        for name, weights in self._apart.items():
            np.copyto(weights, self._scaled[name])
        np.add(self.weights["layers.0.W_x"], self.weights["layers.0.b"], out=self.table)


def gate_scales(network: Network) -> Array:
    """The factor of every parameter, (P,): 0.5 in the columns of sigmoid gates, else 1."""
    arch, cell = network.arch, CELLS[network.arch.cell]
    factors = network.params.like()
    factors.flat.fill(1.0)
    columns = np.repeat(cell.SCALES, arch.hidden_size)
    for layer in range(arch.num_layers):
        for name in ("W_x", "W_h", "b"):
            factors[f"layers.{layer}.{name}"][...] = columns
    return factors.flat


class Network:
    """Architecture and parameters; the passes over them.

    State is a value of the caller's: (L, STATES, N, H), read at the start of a pass
    and overwritten with the state at its end.
    """

    def __init__(self, arch: Architecture, params: Params) -> None:
        if params.shapes != arch.shapes():
            raise ValueError("the parameters do not fit the architecture")
        self.arch, self.params = arch, params

    def workspace(self, T: int, N: int, training: bool = False) -> Workspace:
        """Buffers for passes of up to ``T`` steps over ``N`` streams."""
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
            ws: buffers; every one is overwritten.
            ids: (steps, N) of intp in [0, V), steps at most ``ws.T``.
            state: (L, STATES, N, H); advanced in place by ``steps``.
            rng: draws the dropout masks; None for no dropout.

        Returns:
            (steps*N, V), row t*N + n for stream n at step t: a view into ``ws``.
        """
        steps, H = ids.shape[0], self.arch.hidden_size
        rows = steps * ws.N
        x: Array = ids.reshape(rows)  # the layer's input: symbols first, then rows of h
        for layer, cell in enumerate(ws.cells):
            a = cell.a[:steps].reshape(rows, -1)
            if layer == 0:
                embedding(ws.table, x, a)
            else:
                name = f"layers.{layer}"
                linear(x, ws.weights[f"{name}.W_x"], ws.weights[f"{name}.b"], a)
            cell.set_state(state[layer])
            cell.forward(ws.weights, f"layers.{layer}", steps)
            cell.get_state(steps, state[layer])
            h = cell.h[1 : steps + 1]
            if rng is not None and ws.masks:
                mask = ws.masks[layer][:steps]
                dropout_mask(self.arch.dropout, rng, mask)
                h = np.multiply(h, mask, out=ws.dropped[layer][:steps])
            x = h.reshape(rows, H)
        logits = ws.logits[:rows]
        linear(x, ws.weights["output.W"], ws.weights["output.b"], logits)
        return logits

    def surprisal(self, ws: Workspace, ids: Array, targets: Array, state: Array) -> Array:
        """Nats of each of ``targets`` (steps, N) given ``ids`` (steps, N) and the state.

        ``state`` is advanced in place; ``ws.logits`` holds the probabilities afterwards.

        Returns:
            (steps, N) nats.
        """
        logits = self.forward(ws, ids, state)
        return cross_entropy(logits, targets.reshape(-1)).reshape(targets.shape)

    def loss_and_gradients(
        self,
        ws: Workspace,
        ids: Array,
        targets: Array,
        state: Array,
        grads: Params,
        weight: Array | float,
        rng: np.random.Generator | None = None,
    ) -> float:
        """One window of truncated BPTT.

        Args:
            ws: buffers made with ``training=True``; refreshed here.
            ids, targets: (steps, N) of intp in [0, V).
            state: (L, STATES, N, H); advanced in place by ``steps``.
            grads: overwritten with the gradient of ``sum(weight * nats)``.
            weight: of each target in the loss: one factor, or (steps, N).
            rng: draws the dropout masks; None for no dropout.

        Returns:
            ``sum(weight * nats)`` over the window.
        """
        steps, H = ids.shape[0], self.arch.hidden_size
        rows, dropping = steps * ws.N, rng is not None and bool(ws.masks)
        ws.refresh()
        logits, flat_targets = self.forward(ws, ids, state, rng), targets.reshape(rows)
        nats = cross_entropy(logits, flat_targets)
        flat_weight = weight.reshape(rows) if isinstance(weight, np.ndarray) else weight
        loss = float(np.sum(nats * flat_weight, dtype=np.float64))

        dout = cross_entropy_backward(logits, flat_targets, flat_weight)
        name, W = "output", self.params["output.W"]
        for layer in reversed(range(self.arch.num_layers)):  # undo what stands above this layer
            cell = ws.cells[layer]
            x = (ws.dropped[layer][:steps] if dropping else cell.h[1 : steps + 1]).reshape(rows, H)
            dh = cell.dh[:steps]
            weights = "W" if name == "output" else "W_x"
            dW, db = grads[f"{name}.{weights}"], grads[f"{name}.b"]
            linear_backward(dout, x, W, dW, db, dh.reshape(rows, H))
            if dropping:
                np.multiply(dh, ws.masks[layer][:steps], out=dh)
            name = f"layers.{layer}"
            cell.backward(self.params, grads, name, steps)
            dout, W = cell.a[:steps].reshape(rows, -1), self.params[f"{name}.W_x"]
        embedding_backward(dout, ids.reshape(rows), grads["layers.0.W_x"])
        np.sum(grads["layers.0.W_x"], axis=0, out=grads["layers.0.b"])
        return loss
