"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn.params import Array, Params, Product, Weights, padded_rows, transposed


class LSTM:
    """Gates in the order i, f, o, g, with ``a_t = x_t W_x + b + h_{t-1} W_h``:

        i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)        g = tanh(a_g)
        c_t = f * c_{t-1} + i * g
        h_t = o * tanh(c_t)

    Equations: Gers, Schmidhuber, Cummins, "Learning to forget" (2000), without
    peepholes; as in Graves, arXiv:1308.0850. Backward, where ``dh_t`` is the gradient from above
    plus ``da_{t+1} W_h^T``, and ``dc_t`` that from step t+1:

        dc_t = dc_t + dh_t * o * (1 - tanh(c_t)^2)
        da_i, da_f, da_o, da_g = (dc_t g, dc_t c_{t-1}, dh_t tanh(c_t), dc_t i) * s'
        dc_{t-1} = dc_t * f

    where s' is ``s - s^2`` for the three sigmoids and ``1 - g^2`` for g.

    Notation, ownership of buffers, scaled gates: :mod:`charrnn.nn.cells`.
    """

    GATES: ClassVar[int] = 4
    STATES: ClassVar[int] = 2
    SCALES: ClassVar[tuple[float, ...]] = (-1.0, -1.0, -1.0, -2.0)

    def __init__(self, T: int, N: int, H: int, dtype: DTypeLike, training: bool) -> None:
        self.a: Array = np.empty((T, N, 4 * H), dtype)
        self.h: Array = np.zeros((T + 1, N, H), dtype)
        self.c: Array = np.zeros((T + 1, N, H), dtype)
        self.tanh_c: Array = np.empty((T, N, H), dtype)
        self.dh: Array = np.empty((T, N, H) if training else (0, N, H), dtype)
        self._wide: Array = np.empty((N, 4 * H), dtype)
        self._da: Array = np.empty((N, 4 * H), dtype)
        self._narrow: Array = np.empty((N, H), dtype)
        self._dc: Array = np.empty((N, H), dtype)
        # The contiguous copy of W_h^T, see :mod:`charrnn.nn.cells`.
        self._W_hT = padded_rows(4 * H if training and N > 1 else 0, H, dtype)
        self._product: Product = np.ndarray.dot if N == 1 else np.matmul
        self._one: Array = np.ones((), dtype)  # faster than the number 1.0
        # Views are made once: making one takes as long as arithmetic on a small array.
        self._a, self._h, self._c = list(self.a), list(self.h), list(self.c)
        self._tanh_c, self._dh = list(self.tanh_c), list(self.dh)
        self._gates = [np.split(a, 4, axis=1) for a in self._a]
        self._sigmoids = [a[:, : 3 * H] for a in self._a]
        self._da_gates = np.split(self._da, 4, axis=1)
        self._wide_sigmoids, self._wide_g = self._wide[:, : 3 * H], self._wide[:, 3 * H :]

    @staticmethod
    def shapes(H: int) -> dict[str, tuple[int, ...]]:
        return {}

    @staticmethod
    def initial_bias(b: Array, H: int) -> None:
        """Forget gates start open (1), so that gradients reach back (Jozefowicz et al. 2015)."""
        b[H : 2 * H] = 1.0

    def set_state(self, state: Array) -> None:
        np.copyto(self.h[0], state[0])
        np.copyto(self.c[0], state[1])

    def get_state(self, steps: int, out: Array) -> None:
        np.copyto(out[0], self.h[steps])
        np.copyto(out[1], self.c[steps])

    def forward(self, weights: Weights, layer: str, steps: int) -> None:
        product, W_h = self._product, weights[f"{layer}.W_h"]
        wide, narrow, one = self._wide, self._narrow, self._one
        for t in range(steps):
            a, c = self._a[t], self._c[t + 1]
            i, f, o, g = self._gates[t]
            product(self._h[t], W_h, wide)
            np.add(a, wide, a)
            np.exp(a, a)
            np.add(a, one, a)
            np.divide(one, a, a)
            np.add(g, g, g)
            np.subtract(g, one, g)
            np.multiply(f, self._c[t], c)
            np.multiply(i, g, narrow)
            np.add(c, narrow, c)
            np.tanh(c, self._tanh_c[t])
            np.multiply(o, self._tanh_c[t], self._h[t + 1])

    def activations(self, steps: int) -> dict[str, Array]:
        gates = np.split(self.a[:steps], 4, axis=2)
        states = {"h": self.h[1 : steps + 1], "c": self.c[1 : steps + 1]}
        return states | dict(zip("ifog", gates, strict=True))

    @staticmethod
    def recurrent_bias(weights: Weights, layer: str) -> None:
        return None

    @staticmethod
    def advance(a: Array, u: Array, state: Sequence[Array]) -> None:
        h, c = state
        H = h.shape[1]
        narrow, tanh_c = u.reshape(4, *h.shape)[:2]  # contiguous, as slices of its rows are not
        # The last sigmoid is half of 1 + g.
        np.exp(a, a)
        np.add(a, 1.0, a)
        np.divide(1.0, a, a)
        i, f, o, half = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
        np.add(half, half, narrow)
        np.subtract(narrow, 1.0, narrow)
        np.multiply(i, narrow, narrow)
        np.multiply(f, c, c)
        np.add(c, narrow, c)
        np.tanh(c, tanh_c)
        np.multiply(o, tanh_c, h)

    def backward(self, W_h: Array, grads: Params, layer: str, steps: int) -> None:
        product, W_hT = self._product, transposed(W_h, self._W_hT)
        dc, da, narrow = self._dc, self._da, self._narrow
        da_i, da_f, da_o, da_g = self._da_gates
        slope, slope_sigmoids, slope_g = self._wide, self._wide_sigmoids, self._wide_g
        one = self._one
        dc.fill(0.0)  # truncated BPTT: no gradient from beyond the window
        for t in reversed(range(steps)):
            a, dh, tanh_c = self._a[t], self._dh[t], self._tanh_c[t]
            i, f, o, g = self._gates[t]
            np.multiply(dh, tanh_c, da_o)
            np.multiply(self._h[t + 1], tanh_c, narrow)
            np.subtract(o, narrow, narrow)  # o (1 - tanh(c)^2)
            np.multiply(narrow, dh, narrow)
            np.add(dc, narrow, dc)
            np.multiply(dc, g, da_i)
            np.multiply(dc, self._c[t], da_f)
            np.multiply(dc, i, da_g)
            np.multiply(dc, f, dc)
            np.multiply(a, a, slope)
            np.subtract(self._sigmoids[t], slope_sigmoids, slope_sigmoids)
            np.subtract(one, slope_g, slope_g)
            np.multiply(da, slope, a)  # the gates are no longer needed, so a becomes da
            if t:
                product(a, W_hT, narrow)
                np.add(self._dh[t - 1], narrow, self._dh[t - 1])
        h, da_all = self.h[:steps], self.a[:steps]
        rows, H = steps * h.shape[1], h.shape[2]
        np.matmul(h.reshape(rows, H).T, da_all.reshape(rows, 4 * H), out=grads[f"{layer}.W_h"])
