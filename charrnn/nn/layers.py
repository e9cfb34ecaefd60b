"""The operations that are parallel in time: embedding, linear map, dropout.

Each works on all steps at once, M = T*N rows, and its backward pass follows it.
Notation: :mod:`charrnn.nn.cells`.
"""

from __future__ import annotations

import numpy as np

from charrnn.nn.functional import rows
from charrnn.nn.params import Array

#: Multiplications up to which the gradient of an embedding is computed by a one-hot product.
#: See docs/design/performance.md.
ONE_HOT_LIMIT = 1 << 21


def embedding(table: Array, ids: Array, out: Array) -> None:
    """``out[m] = table[ids[m]]``: (V, D), (M,) -> (M, D).

    This is the product of one-hot rows and ``table``. Ids must lie in [0, V): they are clipped
    rather than checked, because ``mode="raise"`` makes NumPy buffer ``out``.
    """
    np.take(table, ids, axis=0, out=out, mode="clip")


def embedding_backward(dout: Array, ids: Array, dtable: Array) -> None:
    """``dtable[v]`` = the sum of ``dout[m]`` over all m with ``ids[m] == v``.

    Small arrays are summed by one product with a one-hot matrix. For larger ones, sorting brings
    equal ids together, and each run is summed by a product with a row of ones.

    Args:
        dout: (M, D). ids: (M,) of intp in [0, V).
        dtable: (V, D); overwritten.
    """
    if dout.size * len(dtable) <= ONE_HOT_LIMIT:
        one_hot = np.zeros((len(ids), len(dtable)), dout.dtype)
        one_hot[rows(len(ids)), ids] = 1.0
        np.dot(one_hot.T, dout, out=dtable)
        return
    order = np.argsort(ids, kind="stable")
    sorted_rows, found = dout[order], ids[order]
    ends = np.append(np.flatnonzero(np.diff(found)) + 1, len(found)).tolist()
    ones = np.ones(len(found), dout.dtype)
    dtable.fill(0.0)
    start = 0
    for end in ends:
        np.matmul(ones[start:end], sorted_rows[start:end], out=dtable[found[start]])
        start = end


def linear(x: Array, W: Array, b: Array, out: Array) -> None:
    """``out = x W + b``: (M, D_in), (D_in, D_out), (D_out,) -> (M, D_out)."""
    np.matmul(x, W, out=out)
    np.add(out, b, out=out)


def linear_backward(dout: Array, x: Array, W: Array, dW: Array, db: Array, dx: Array) -> None:
    """The gradients of :func:`linear`.

    Args:
        dout: (M, D_out). x: (M, D_in). W: (D_in, D_out).
        dW, db, dx: gradients of ``W``, of ``b`` (D_out,) and of ``x``; overwritten.
    """
    np.matmul(x.T, dout, out=dW)
    np.add.reduce(dout, axis=0, out=db)
    np.matmul(dout, W.T, out=dx)


def dropout_mask(rate: float, rng: np.random.Generator, out: Array) -> None:
    """Fill ``out`` with 0 (probability ``rate``) and 1/(1 - rate): inverted dropout.

    Multiplying by the mask is both the forward and the backward pass. Source: Srivastava et al.
    2014; of activations between layers only: Zaremba et al., arXiv:1409.2329. A mask (1, N, H)
    that the caller broadcasts over the time steps of a window is the locked dropout of Gal &
    Ghahramani, arXiv:1512.05287; a mask of W_h, the weight dropout of Merity et al.,
    arXiv:1708.02182.

    Args:
        rate: probability of dropping an element, in [0, 1).
        out: of any shape, float32 or float64; overwritten.
    """
    rng.random(dtype=out.dtype, out=out)
    np.greater_equal(out, rate, out=out, casting="unsafe")
    np.multiply(out, 1.0 / (1.0 - rate), out=out)
