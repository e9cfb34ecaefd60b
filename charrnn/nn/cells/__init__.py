"""The three recurrent cells, a page each.

Notation, here and in all of :mod:`charrnn.nn`:

    T  time steps            N  streams in the batch     H  hidden units
    G  gates of the cell     V  vocabulary               L  layers
    a  pre-activations       h  hidden state             c  cell state of an LSTM
    d* gradient of the loss with respect to *
    W_x  (inputs, G*H)       W_h  (H, G*H)               b  (G*H,)

Arrays are row-major with time first: gates (T, N, G*H), states (T+1, N, H),
where ``h[0]`` is the state carried in and ``h[t+1]`` the state after step t.

A cell knows nothing about its input: it is given ``a = x W_x + b`` for all steps at once and
contains only what is serial in time, ``h W_h`` and the elementwise work. Everything else is
one matrix product over all T steps, in :mod:`charrnn.nn.network`.

**Scaled gates.** sigmoid(a) = 1/(1 + exp(-a)) and tanh(a) = 2 sigmoid(2a) - 1. A cell receives the
pre-activations of its sigmoid gates already negated, and those of an LSTM's g times -2 (the
network folds these factors into a working copy of the weights, :attr:`Cell.SCALES`), so that ONE
exp over contiguous rows serves all sigmoids.

**Speed.** Four choices were made by measurement; the figures are in
docs/design/performance.md:

- gates are (T, N, G*H), a row for each stream, rather than (T, G*H, N);
- the backward pass multiplies by a contiguous copy of ``W_h^T``, unless N = 1;
- the rows of ``W_h`` are padded (:func:`~charrnn.nn.params.padded_rows`), unless N = 1;
- the time loops pass NumPy the output array last, by position, not as ``out=``.

**Who owns what.** A cell's constructor allocates its buffers once, for given T and N. The
caller owns the cell and may use the arrays that it exposes:

    ``a``   (T, N, G*H)  in: pre-activations; after forward: gates, if any; after backward: da
    ``h``   (T+1, N, H)  in: ``h[0]``; after forward: all states; unchanged by backward
    ``dh``  (T, N, H)    in: the gradient from above at each step; destroyed by backward
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from numpy.typing import DTypeLike

from charrnn.nn.cells.gru import GRU
from charrnn.nn.cells.lstm import LSTM
from charrnn.nn.cells.rnn import RNN
from charrnn.nn.params import Array, Params, Weights


class Cell(Protocol):
    """What a cell has to provide.

    For training, an object with buffers for T steps of N streams, and the two time loops:
    :meth:`forward` and :meth:`backward`. For inference (:mod:`charrnn.nn.inference`), no object
    but a single step: :meth:`advance`.
    """

    #: Gates, G.
    GATES: ClassVar[int]
    #: Arrays of state that a layer carries: 1 (h), or 2 (h and c).
    STATES: ClassVar[int]
    #: Factor of each gate's pre-activation, (G,): what exp needs for a sigmoid, else 1.
    SCALES: ClassVar[tuple[float, ...]]

    a: Array
    h: Array
    dh: Array

    def __init__(self, T: int, N: int, H: int, dtype: DTypeLike, training: bool) -> None:
        """Allocate for T steps of N streams; without ``training``, for forward only."""

    @staticmethod
    def shapes(H: int) -> dict[str, tuple[int, ...]]:
        """Name -> shape of each parameter other than W_x, W_h and b."""

    @staticmethod
    def initial_bias(b: Array, H: int) -> None:
        """Set the initial bias (G*H,), which is zero unless changed here."""

    def set_state(self, state: Array) -> None:
        """Start from ``state``, (STATES, N, H)."""

    def get_state(self, steps: int, out: Array) -> None:
        """Write the state after ``steps`` steps to ``out``, (STATES, N, H)."""

    def forward(self, weights: Weights, layer: str, steps: int) -> None:
        """Run ``steps`` <= T steps from the state that was set: ``a`` to gates, and ``h``.

        Args:
            weights: of all layers, scaled by :attr:`SCALES`, as is ``a``.
            layer: prefix of this layer's parameters, such as ``layers.0``.
        """

    def activations(self, steps: int) -> dict[str, Array]:
        """States and gates after each step of the last :meth:`forward`, (steps, N, H) views.

        By the names of the cell's equations: ``h``, ``c`` if there is one, then the gates.
        """

    @staticmethod
    def advance(a: Array, u: Array, state: Sequence[Array]) -> None:
        """One step of n streams that keeps nothing but the state.

        Args:
            a: (n, G*H) pre-activations, scaled by :attr:`SCALES`. They include ``h W_h`` if
                the cell has no :meth:`recurrent_bias`; overwritten.
            u: (n, G*H), contiguous: ``h W_h + recurrent_bias`` if the cell has one, else
                scratch memory; overwritten.
            state: STATES arrays (n, H); overwritten with the state after the step.
        """

    @staticmethod
    def recurrent_bias(weights: Weights, layer: str) -> Array | None:
        """(G*H,) added to ``h W_h``, for a cell that needs ``h W_h`` separately from ``x W_x + b``.

        None for a cell that needs only their sum.
        """

    def backward(self, W_h: Array, grads: Params, layer: str, steps: int) -> None:
        """Run ``steps`` steps backwards: ``dh`` to da, in ``a``, and the recurrent gradients.

        Args:
            W_h: (H, G*H), this layer's, not scaled.
            grads: of all layers; those of this layer's W_h and :meth:`shapes` are overwritten.
            layer: prefix of this layer's parameters, such as ``layers.0``.
        """


CELLS: dict[str, type[Cell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
