"""Softmax, cross-entropy, embedding and dropout at ordinary and at extreme values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from charrnn.nn.functional import cross_entropy, cross_entropy_backward, log_sum_exp, softmax
from charrnn.nn.layers import dropout_mask, embedding, embedding_backward, linear, linear_backward

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)
LOGITS = hnp.arrays(np.float64, SHAPES, elements=st.floats(-1e4, 1e4))
FLOATS = [np.float32, np.float64]


def exact_surprisal(row, target):
    """log sum exp(row - row[target]), with the largest exponent subtracted, summed exactly."""
    gaps = [value - row[target] for value in row]
    return max(gaps) + math.log(math.fsum(math.exp(gap - max(gaps)) for gap in gaps))


def of_a_sum(terms, dtype):
    """Tolerances for the log of a sum of exponentials, in whatever order BLAS adds them up.

    Each exponential is off by up to 4 eps, each addition by eps/2; of what the sum is off by,
    relative to it, the log is off by as much, and then itself rounded.
    """
    eps = float(np.finfo(dtype).eps)
    return {"rtol": 2 * eps, "atol": (4 + terms / 2) * eps}


@given(LOGITS, st.data())
def test_cross_entropy_is_the_log_of_a_sum(logits, data):
    M, V = logits.shape
    targets = data.draw(hnp.arrays(np.intp, M, elements=st.integers(0, V - 1)))
    expected = [
        exact_surprisal(row, target)
        for row, target in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    probs = softmax(logits)
    nats = cross_entropy(logits, targets)
    np.testing.assert_allclose(nats, expected, rtol=1e-12, atol=1e-15)
    assert np.all(nats >= 0)
    np.testing.assert_array_equal(logits, probs)  # overwritten with the probabilities
    np.testing.assert_allclose(probs.sum(axis=1), 1.0, rtol=1e-14)


@given(LOGITS, st.sampled_from([0.0, 0.01, 1.0]))
def test_log_sum_exp_is_the_surprisal_of_a_zero(logits, size):
    logits *= size  # without the largest values, exp stays within its range
    logits[:, -1] = 0.0
    before, last = logits.copy(), logits.shape[1] - 1
    expected = [exact_surprisal(row, last) for row in logits.tolist()]
    found = log_sum_exp(logits, np.full_like(logits, np.nan))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(logits, before)


@given(LOGITS)
def test_softmax_ignores_a_constant_and_may_write_over_its_input(logits):
    probs = softmax(logits)
    assert np.all((probs >= 0) & (probs <= 1))
    np.testing.assert_allclose(softmax(logits + 64.0), probs, rtol=1e-9, atol=1e-300)
    assert softmax(logits, out=logits) is logits
    np.testing.assert_array_equal(logits, probs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shift", [-1e4, -95.0, 0.0, 85.0, 1e4])
def test_log_sum_exp_anywhere_in_the_range(dtype, shift):
    logits = np.array([[0.0, -1.0, -2.0], [3.0, 3.0, 3.0]], dtype) + dtype(shift)
    expected = [shift + math.log(1 + math.exp(-1) + math.exp(-2)), shift + 3 + math.log(3)]
    found = log_sum_exp(logits, np.empty_like(logits))
    np.testing.assert_allclose(found, expected, **of_a_sum(3, dtype))
    assert found.dtype == dtype


class FiniteProducts(np.ndarray):
    """An array that refuses to be multiplied as a matrix unless all numbers are finite."""

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        plain = [np.asarray(x) for x in inputs]
        assert ufunc is not np.matmul or all(np.isfinite(x).all() for x in plain)
        if "out" in keywords:
            keywords["out"] = tuple(np.asarray(x) for x in keywords["out"])
        return getattr(ufunc, method)(*plain, **keywords).view(FiniteProducts)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shift", [-1e4, 0.0, 85.0, 88.0, 88.6, 89.0, 708.9, 709.7, 710.0, 1e4])
@pytest.mark.parametrize("width", [1, 3, 300])
def test_log_sum_exp_multiplies_finite_numbers_only(width, shift, dtype):
    """What BLAS makes of an infinity, flags included, depends on the kernel."""
    logits = np.full((5, width), shift, dtype)
    found = log_sum_exp(logits, np.empty_like(logits).view(FiniteProducts))
    np.testing.assert_allclose(found, logits[:, 0] + math.log(width), **of_a_sum(width, dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_extreme_logits_stay_finite(dtype):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]], dtype)
    targets = np.array([1, 2, 0])
    nats = cross_entropy(logits, targets)
    np.testing.assert_allclose(nats, [2e4, math.log(3), math.log(2)], rtol=1e-6)
    gradient = cross_entropy_backward(logits, targets, 1.0)
    # A target whose probability has underflowed to 0 still has its full gradient.
    expected = [[1, -1, 0], [1 / 3, 1 / 3, -2 / 3], [-0.5, 0.5, 0]]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert nats.dtype == gradient.dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_gradient_of_cross_entropy_is_weight_times_probs_minus_one_hot(dtype):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(5, 4)).astype(dtype), np.array([0, 3, 3, 1, 2])
    probs = softmax(logits)
    for weight in (1.0, 0.25, np.float64(0.5), rng.uniform(size=5)):
        ours = probs.copy()
        assert cross_entropy_backward(ours, targets, weight) is ours
        expected = np.reshape(weight, (-1, 1)) * (probs - np.eye(4)[targets])
        np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-7)
        assert ours.dtype == dtype


@given(
    ids=hnp.arrays(np.intp, st.integers(1, 40), elements=st.integers(0, 8)),
    width=st.one_of(st.integers(1, 5), st.just(12_000)),  # the largest are summed by sorting
    seed=st.integers(0, 99),
)
def test_embedding_backward_sums_the_rows_of_each_id(ids, width, seed):
    dout = np.random.default_rng(seed).normal(size=(len(ids), width))
    expected, dtable = np.zeros((9, width)), np.full((9, width), np.nan)
    np.add.at(expected, ids, dout)
    embedding_backward(dout, ids, dtable)
    np.testing.assert_allclose(dtable, expected, rtol=1e-13, atol=1e-14)


def test_embedding_is_the_product_with_one_hot_rows():
    table, ids = np.random.default_rng(0).normal(size=(6, 4)), np.array([5, 0, 0, 3])
    out = np.empty((4, 4))
    embedding(table, ids, out)
    np.testing.assert_array_equal(out, np.eye(6)[ids] @ table)


def test_linear_and_its_gradients_element_by_element():
    rng = np.random.default_rng(0)
    x, W, b, dout = (rng.normal(size=s) for s in [(5, 2), (2, 3), (3,), (5, 3)])
    out, dW, db, dx = (np.full(s, np.nan) for s in [(5, 3), (2, 3), (3,), (5, 2)])
    linear(x, W, b, out)
    linear_backward(dout, x, W, dW, db, dx)
    close = {"rtol": 1e-13, "atol": 1e-14}
    np.testing.assert_allclose(out, np.einsum("mi,io->mo", x, W) + b, **close)
    np.testing.assert_allclose(dW, np.einsum("mi,mo->io", x, dout), **close)
    np.testing.assert_allclose(db, np.einsum("mo->o", dout), **close)
    np.testing.assert_allclose(dx, np.einsum("mo,io->mi", dout, W), **close)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(dtype, rate):
    mask = np.empty((400, 500), dtype)
    dropout_mask(rate, np.random.default_rng(0), mask)
    kept = dtype(1.0 / (1.0 - rate))
    assert np.unique(mask).tolist() == [0.0, kept]
    # 200,000 draws: the share of zeros has a standard deviation of sqrt(p (1-p) / 200,000).
    deviation = math.sqrt(rate * (1 - rate) / mask.size)
    assert abs(np.mean(mask == 0) - rate) < 4 * deviation
    # Rows and columns are independent: no unit and no step is always kept.
    for axis, count in ((0, 400), (1, 500)):
        share = np.mean(mask == 0, axis=axis)
        assert np.max(np.abs(share - rate)) < 5.5 * math.sqrt(rate * (1 - rate) / count)


def test_dropout_masks_depend_on_the_seed():
    masks = np.empty((3, 20, 30), np.float32)
    for mask, seed in zip(masks, (1, 1, 2), strict=True):
        dropout_mask(0.5, np.random.default_rng(seed), mask)
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
