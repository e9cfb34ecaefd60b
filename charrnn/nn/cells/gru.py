"""The gated recurrent unit (Cho et al. 2014), in its reset-after form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn.params import Array, Params, Product, Weights, padded_rows, transposed


class GRU:
    """Gates in the order r, z, n, with ``a_t = x_t W_x + b`` and ``u_t = h_{t-1} W_h``:

        r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
        q = u_n + b_n
        n = tanh(a_n + r * q)
        h_t = n + z * (h_{t-1} - n)

    Equations: Cho et al., arXiv:1406.1078, with the reset gate applied after the
    product as in cuDNN and PyTorch, so that the recurrent part is one product.
    Backward, where ``dh`` is the gradient from above plus that from step t+1:

        da_n = dh * (1 - z) * (1 - n^2)            dq = da_n * r
        da_z = dh * (h_{t-1} - n) * (z - z^2)      da_r = da_n * q * (r - r^2)
        dh_{t-1} = dh * z + [da_r, da_z, dq] W_h^T

    Notation, ownership of buffers, scaled gates: :mod:`charrnn.nn.cells`.
    """

    GATES: ClassVar[int] = 3
    STATES: ClassVar[int] = 1
    SCALES: ClassVar[tuple[float, ...]] = (-1.0, -1.0, 1.0)

    def __init__(self, T: int, N: int, H: int, dtype: DTypeLike, training: bool) -> None:
        self.a: Array = np.empty((T, N, 3 * H), dtype)
        self.h: Array = np.zeros((T + 1, N, H), dtype)
        self.q: Array = np.empty((T, N, H), dtype)
        self.dh: Array = np.empty((T, N, H) if training else (0, N, H), dtype)
        self._wide: Array = np.empty((N, 3 * H), dtype)
        self._narrow: Array = np.empty((N, H), dtype)
        self._carry: Array = np.empty((N, H), dtype)
        # The contiguous copy of W_h^T, see :mod:`charrnn.nn.cells`.
        self._W_hT = padded_rows(3 * H if training and N > 1 else 0, H, dtype)
        self._product: Product = np.ndarray.dot if N == 1 else np.matmul
        self._one: Array = np.ones((), dtype)  # faster than the number 1.0
        # Views are made once: making one takes as long as arithmetic on a small array.
        self._h, self._q, self._dh = list(self.h), list(self.q), list(self.dh)
        self._a = list(self.a)
        self._rz = [a[:, : 2 * H] for a in self._a]
        self._gates = [np.split(a, 3, axis=1) for a in self._a]
        self._wide_rz, self._wide_n = self._wide[:, : 2 * H], self._wide[:, 2 * H :]

    @staticmethod
    def shapes(H: int) -> dict[str, tuple[int, ...]]:
        return {"b_n": (H,)}

    @staticmethod
    def initial_bias(b: Array, H: int) -> None:
        """All zero."""

    def set_state(self, state: Array) -> None:
        np.copyto(self.h[0], state[0])

    def get_state(self, steps: int, out: Array) -> None:
        np.copyto(out[0], self.h[steps])

    def forward(self, weights: Weights, layer: str, steps: int) -> None:
        product, W_h = self._product, weights[f"{layer}.W_h"]
        b_n, one = weights[f"{layer}.b_n"], self._one
        wide, wide_rz, wide_n, narrow = self._wide, self._wide_rz, self._wide_n, self._narrow
        for t in range(steps):
            h_prev, h, q, rz = self._h[t], self._h[t + 1], self._q[t], self._rz[t]
            product(h_prev, W_h, wide)
            np.add(wide_n, b_n, q)
            self._step(rz, self._gates[t], wide_rz, q, h_prev, narrow, h, one)

    def activations(self, steps: int) -> dict[str, Array]:
        gates = np.split(self.a[:steps], 3, axis=2)
        return {"h": self.h[1 : steps + 1]} | dict(zip("rzn", gates, strict=True))

    @staticmethod
    def recurrent_bias(weights: Weights, layer: str) -> Array:
        b_n = weights[f"{layer}.b_n"]
        return np.concatenate([np.zeros(2 * len(b_n), b_n.dtype), b_n])

    @staticmethod
    def advance(a: Array, u: Array, state: Sequence[Array]) -> None:
        (h,) = state
        H = h.shape[1]
        rz, gates, q = a[:, : 2 * H], (a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]), u[:, 2 * H :]
        GRU._step(rz, gates, u[:, : 2 * H], q, h, q, h, 1.0)

    @staticmethod
    def _step(
        rz: Array,
        gates: Sequence[Array],
        u_rz: Array,
        q: Array,
        h_prev: Array,
        scratch: Array,
        h: Array,
        one: Array | float,
    ) -> None:
        """The equations in order: pre-activations become gates, and ``h`` is written.

        Args:
            rz: (N, 2*H) pre-activations of r and z.
            gates: views r, z and n, (N, H) each; r and z are the halves of ``rz``.
            u_rz: (N, 2*H): ``h_prev W_h`` of r and z.
            q: (N, H): ``h_prev W_h + b_n`` of n.
            h_prev: (N, H), the state before the step.
            scratch: (N, H); may be ``q`` if that is not needed afterwards.
            h: (N, H), the state after the step; may be ``h_prev``.
            one: the number 1.
        """
        r, z, n = gates
        np.add(rz, u_rz, rz)
        np.exp(rz, rz)
        np.add(rz, one, rz)
        np.divide(one, rz, rz)
        np.multiply(r, q, scratch)
        np.add(n, scratch, n)
        np.tanh(n, n)
        np.subtract(h_prev, n, scratch)
        np.multiply(z, scratch, scratch)
        np.add(n, scratch, h)

    def backward(self, W_h: Array, grads: Params, layer: str, steps: int) -> None:
        product, W_hT = self._product, transposed(W_h, self._W_hT)
        carry, narrow, one = self._carry, self._narrow, self._one
        slope_rz, slope_n = self._wide_rz, self._wide_n
        carry.fill(0.0)  # truncated BPTT: no gradient from beyond the window
        for t in reversed(range(steps)):
            dh, q, rz = self._dh[t], self._q[t], self._rz[t]
            r, z, n = self._gates[t]
            np.add(dh, carry, dh)
            np.multiply(dh, z, carry)
            np.subtract(one, rz, slope_rz)
            np.multiply(slope_rz, rz, slope_rz)
            np.multiply(n, n, slope_n)
            np.subtract(one, slope_n, slope_n)
            np.subtract(self._h[t], n, narrow)
            np.multiply(narrow, dh, narrow)  # dz, kept here until z is no longer needed
            np.subtract(dh, carry, dh)  # dh * (1 - z)
            np.multiply(dh, slope_n, dh)  # da_n
            np.multiply(dh, r, n)  # dq takes the place of n, beside da_r and da_z
            np.multiply(dh, q, r)
            np.copyto(z, narrow)
            np.multiply(rz, slope_rz, rz)
            np.copyto(q, dh)  # and da_n that of q, until the products are done
            product(self._a[t], W_hT, narrow)
            np.add(carry, narrow, carry)
        h, da_all = self.h[:steps], self.a[:steps]
        rows, H = steps * h.shape[1], h.shape[2]
        np.matmul(h.reshape(rows, H).T, da_all.reshape(rows, 3 * H), out=grads[f"{layer}.W_h"])
        np.sum(da_all[:, :, 2 * H :], axis=(0, 1), out=grads[f"{layer}.b_n"])
        np.copyto(da_all[:, :, 2 * H :], self.q[:steps])
