"""Softmax and cross-entropy with their gradients, written into given arrays.

Notation as in :mod:`charrnn.nn.cells`; natural logarithms throughout.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from charrnn.nn.params import Array


@functools.lru_cache(maxsize=8)
def rows(count: int) -> Array:
    """0 .. count-1, to pick one element of each row; (count,) of intp, read-only."""
    numbers = np.arange(count)
    numbers.flags.writeable = False
    return numbers


def softmax(logits: Array, out: Array | None = None) -> Array:
    """Probabilities along the last axis; the maximum is subtracted first.

    Args:
        logits: (..., V), finite.
        out: (..., V), written; may be ``logits`` itself. A new array by default.

    Returns:
        ``out``, in the dtype of ``logits``.
    """
    probs: Array = np.subtract(logits, logits.max(axis=-1, keepdims=True), out=out)
    np.exp(probs, out=probs)
    np.divide(probs, probs.sum(axis=-1, keepdims=True), out=probs)
    return probs


def cross_entropy(logits: Array, targets: Array) -> Array:
    """Surprisal of each target in nats; ``logits`` become probabilities in place.

    The surprisal, ``log sum exp(logits) - logits[target]``, is computed without dividing, so it
    is finite even where the probability underflows to 0.

    Args:
        logits: (M, V), finite; overwritten with softmax(logits).
        targets: (M,) integers in [0, V).

    Returns:
        (M,) nats, at least 0, in the dtype of ``logits``.
    """
    np.subtract(logits, logits.max(axis=-1, keepdims=True), out=logits)
    picked = logits[rows(len(logits)), targets]
    np.exp(logits, out=logits)
    total = logits.sum(axis=-1, keepdims=True)
    np.divide(logits, total, out=logits)
    surprisal: Array = np.log(total[:, 0]) - picked
    return surprisal


def log_sum_exp(logits: Array, scratch: Array) -> Array:
    """The logarithm of each row's sum of exponentials: a logit minus it is a log probability.

    The row's maximum is subtracted first only where exp would leave the range of the dtype. The
    decision comes before the matrix product, so that BLAS gets finite numbers only: what it does
    with infinities, and which floating-point flags it raises, differs between kernels.

    Args:
        logits: (M, V), finite. scratch: (M, V), overwritten.

    Returns:
        (M,) in the dtype of ``logits``.
    """
    # A product with ones is a faster sum: docs/design/performance.md.
    limits, ones = np.finfo(logits.dtype), np.ones(logits.shape[1], logits.dtype)
    # The sum of exp stays below the largest number; the 1 is far more than rounding needs.
    most = math.log(float(limits.max) / len(ones)) - 1.0
    if len(logits) and logits.max() <= most:
        total: Array = np.exp(logits, out=scratch) @ ones
        # In such a sum, all that may have underflowed to 0 is less than the last bit.
        if total.min() >= len(ones) * limits.tiny / limits.eps:
            np.log(total, out=total)
            return total
    top: Array = logits.max(axis=-1)
    np.exp(np.subtract(logits, top[:, None], out=scratch), out=scratch)
    np.add(np.log(scratch @ ones), top, out=top)
    return top


def cross_entropy_backward(probs: Array, targets: Array, weight: Array | float) -> Array:
    """Gradient of ``sum(weight * cross_entropy)``: ``weight * (probs - one_hot)``, in place.

    Args:
        probs: (M, V) from :func:`cross_entropy`; overwritten with the gradient with respect
            to the logits.
        targets: (M,) integers in [0, V).
        weight: one factor, or (M,): one for each row.

    Returns:
        ``probs``.
    """
    probs[rows(len(probs)), targets] -= 1.0
    np.multiply(probs, weight if np.isscalar(weight) else np.reshape(weight, (-1, 1)), out=probs)
    return probs
