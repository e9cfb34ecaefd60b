"""The three recurrent cells, a page each.

Notation, here and in all of :mod:`charrnn.nn`:

    T  time steps            N  streams in the batch     H  hidden units
    G  gates of the cell     V  vocabulary               L  layers
    a  pre-activations       h  hidden state             c  LSTM's cell state
    d* gradient of the loss with respect to *
    W_x  (inputs, G*H)       W_h  (H, G*H)               b  (G*H,)

Arrays are row-major with time first: gates (T, N, G*H), states (T+1, N, H),
where ``h[0]`` is the state carried in and ``h[t+1]`` the state after step t.

A cell knows nothing of its input: it receives ``a = x W_x + b`` for all steps at
once and contains only what is serial in time, ``h W_h`` and the elementwise work.
Everything else is one matrix product over all T steps, in the network.

**Half-scaled gates.** sigmoid(a) = (tanh(a/2) + 1)/2. A cell receives its sigmoid
gates' pre-activations already halved (the network folds the half into a working
copy of the weights, :attr:`Cell.SCALES`), so that ONE tanh over the contiguous
(N, G*H) block serves all gates; ``a*scale + shift`` then makes the sigmoids.

**Why rows, (T, N, G*H), and not (T, G*H, N).** Measured on two cores with
OpenBLAS, float32, one thread, microseconds a forward step of an LSTM:

    H, N       rows  columns      rows: look-up of the layer's input
    128, 50     104       89      3 (rows are copied whole)
    512, 32     763      683      9

Columns win a tenth in the loop (contiguous gates, cheaper packing in the product),
but their look-up gathers single elements (25 to 130 us a step), and their weight
gradients need a transposing copy before they can be one product. Rows lose less in
total and keep ``dW_h = h[:-1].T @ da`` a line of the textbook. Scaling the whole
(N, G*H) block, rather than a strided slab of it, wins back a third.

**Why W_h is copied, transposed, before going back.** OpenBLAS multiplies few rows by a
transposed matrix slowly: at H = 512 and 32 rows 675 us for ``da W_h^T`` of an LSTM with
a transposed view, 420 us with a contiguous copy (128 and 25: 41 and 24 us). The copy
costs 2.3 ms (73 us), once for all T steps. A single row gains nothing and is spared it.

**Why W_h's rows lie apart.** OpenBLAS repacks the matrix for every product, 16 rows at a
time; where rows are a power of two long their beginnings meet in one set of the cache.
With 64 bytes more from row to row (:func:`~charrnn.nn.params.padded_rows`) a product of an LSTM
of 256 with 16, 64 and 128 rows took 1/1.38, 1/1.28 and 1/1.16 of the time, of 512 with 32
rows between 1/1.05 and 1/1.6, by where the memory happened to lie. ``np.matmul`` takes such
a matrix as it is, ``dot`` would copy it; a single row gains nothing, and ``dot`` starts sooner.

**Why the loops give the result's place last, by position.** A keyword costs a call 0.08 us:
``np.add(x, y, x)`` of 100 numbers takes 0.23 us, with ``out=x`` 0.31. A product of one row
by a matrix of 100 x 100 takes 0.55 us as ``x.dot(W, y)``, 0.75 as ``np.dot(x, W, out=y)``,
1.06 as ``np.matmul``. A step of a small network is hundreds of such calls.

**Who owns what.** A cell's buffers are allocated once, for given T and N, by its
constructor; the caller owns the object and the arrays it exposes:

    ``a``   (T, N, G*H)  in: pre-activations; after forward: gates; after backward: da
    ``h``   (T+1, N, H)  in: ``h[0]``; after forward: all states; backward leaves it alone
    ``dh``  (T, N, H)    in: the gradient from above at each step; backward destroys it
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
    """What is asked of a cell: for training buffers for T steps and N streams, and two loops.

    For reading, :mod:`charrnn.nn.reading`, it needs no object: :meth:`advance` is one step.
    """

    GATES: ClassVar[int]
    #: Arrays of state a layer carries: 1 (h), or 2 (h and c).
    STATES: ClassVar[int]
    #: Factor of each gate's pre-activation, 0.5 where the gate is a sigmoid.
    SCALES: ClassVar[tuple[float, ...]]

    a: Array
    h: Array
    dh: Array

    def __init__(self, T: int, N: int, H: int, dtype: DTypeLike, training: bool) -> None:
        """Allocate for T steps of N streams; without ``training`` there is no backward."""

    @staticmethod
    def shapes(H: int) -> dict[str, tuple[int, ...]]:
        """Recurrent parameters beyond W_x, W_h and b: name -> shape."""

    @staticmethod
    def initial_bias(b: Array, H: int) -> None:
        """Set the bias (G*H,) that training starts from, which is zero unless set here."""

    def set_state(self, state: Array) -> None:
        """Start from ``state``, (STATES, N, H)."""

    def get_state(self, steps: int, out: Array) -> None:
        """Write the state after ``steps`` steps to ``out``, (STATES, N, H)."""

    def forward(self, weights: Weights, layer: str, steps: int) -> None:
        """Run ``steps`` <= T steps on ``a``, whose rows come in scaled; ``weights`` are scaled."""

    @staticmethod
    def advance(a: Array, u: Array, state: Sequence[Array]) -> None:
        """One step of which nothing is kept but ``state``: STATES arrays (n, H), overwritten.

        Args:
            a: (n, G*H) scaled pre-activations, with ``h W_h`` in them where the cell has no
                :meth:`inner_bias`; overwritten.
            u: (n, G*H), contiguous: ``h W_h + inner_bias`` where it has one, else of any
                content; overwritten.
        """

    @staticmethod
    def inner_bias(weights: Weights, layer: str) -> Array | None:
        """(G*H,) what is added to ``h W_h`` before the cell looks at it.

        None for a cell that looks at nothing but the sum of ``h W_h`` and ``x W_x + b``.
        """

    def backward(self, params: Params, grads: Params, layer: str, steps: int) -> None:
        """From ``dh`` to da (in ``a``) and the gradients of what :meth:`shapes` names and W_h."""


CELLS: dict[str, type[Cell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
