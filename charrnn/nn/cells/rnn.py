"""The simple recurrent network (Elman 1990), with tanh units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn.params import Array, Params, Product, Weights, padded_rows, transposed


class RNN:
    """``h_t = tanh(a_t + h_{t-1} W_h)`` where ``a_t = x_t W_x + b``.

    Equations: Elman, "Finding structure in time" (1990), with tanh as in
    Karpathy's min-char-rnn. Backward, where ``dh_t`` is the gradient from above plus
    ``da_{t+1} W_h^T``:

        da_t = dh_t * (1 - h_t^2)

    Notation and ownership of buffers: :mod:`charrnn.nn.cells`.
    """

    GATES: ClassVar[int] = 1
    STATES: ClassVar[int] = 1
    SCALES: ClassVar[tuple[float, ...]] = (1.0,)

    def __init__(self, T: int, N: int, H: int, dtype: DTypeLike, training: bool) -> None:
        self.a: Array = np.empty((T, N, H), dtype)
        self.h: Array = np.zeros((T + 1, N, H), dtype)
        self.dh: Array = np.empty((T, N, H) if training else (0, N, H), dtype)
        self._carry: Array = np.empty((N, H), dtype)
        # The contiguous copy of W_h^T, see :mod:`charrnn.nn.cells`.
        self._W_hT = padded_rows(H if training and N > 1 else 0, H, dtype)
        self._product: Product = np.ndarray.dot if N == 1 else np.matmul
        # Views are made once: making one takes as long as arithmetic on a small array.
        self._a, self._h, self._dh = list(self.a), list(self.h), list(self.dh)

    @staticmethod
    def shapes(H: int) -> dict[str, tuple[int, ...]]:
        return {}

    @staticmethod
    def initial_bias(b: Array, H: int) -> None:
        """All zero."""

    def set_state(self, state: Array) -> None:
        np.copyto(self.h[0], state[0])

    def get_state(self, steps: int, out: Array) -> None:
        np.copyto(out[0], self.h[steps])

    def forward(self, weights: Weights, layer: str, steps: int) -> None:
        product, W_h = self._product, weights[f"{layer}.W_h"]
        for t in range(steps):
            h = self._h[t + 1]
            product(self._h[t], W_h, h)
            np.add(h, self._a[t], h)
            np.tanh(h, h)

    def activations(self, steps: int) -> dict[str, Array]:
        return {"h": self.h[1 : steps + 1]}

    @staticmethod
    def recurrent_bias(weights: Weights, layer: str) -> None:
        return None

    @staticmethod
    def advance(a: Array, u: Array, state: Sequence[Array]) -> None:
        np.tanh(a, state[0])

    def backward(self, W_h: Array, grads: Params, layer: str, steps: int) -> None:
        product, W_hT = self._product, transposed(W_h, self._W_hT)
        carry = self._carry
        da, h = self.a[:steps], self.h[1 : steps + 1]
        np.multiply(h, h, out=da)
        np.subtract(1.0, da, out=da)  # the derivative of tanh, for all steps at once
        carry.fill(0.0)  # truncated BPTT: no gradient from beyond the window
        for t in reversed(range(steps)):
            np.add(carry, self._dh[t], carry)
            np.multiply(self._a[t], carry, self._a[t])
            product(self._a[t], W_hT, carry)
        rows, H = steps * h.shape[1], h.shape[2]
        np.matmul(self.h[:steps].reshape(rows, H).T, da.reshape(rows, H), out=grads[f"{layer}.W_h"])
