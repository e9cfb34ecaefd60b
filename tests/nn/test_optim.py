"""Optimisers against their formulas in plain Python numbers; clipping."""

import math

import numpy as np
import pytest

from charrnn.nn.optim import (
    OPTIMIZERS,
    Adam,
    RMSprop,
    clip_elements,
    clip_global_norm,
)

# Each function takes (theta, [g1, g2, ...], eta, decay) of one scalar to theta after all updates.


def sgd(theta, gradients, eta, decay):
    for g in gradients:
        theta = theta * (1 - eta * decay) - eta * g
    return theta


def adagrad(theta, gradients, eta, decay):
    total = 0.0
    for g in gradients:
        total += g**2
        theta = theta * (1 - eta * decay) - eta * g / math.sqrt(total + 1e-8)
    return theta


def rmsprop(theta, gradients, eta, decay):
    mean = 0.0
    for g in gradients:
        mean = 0.95 * mean + 0.05 * g**2
        theta = theta * (1 - eta * decay) - eta * g / math.sqrt(mean + 1e-8)
    return theta


def adam(theta, gradients, eta, decay):
    for k in range(1, len(gradients) + 1):
        # The running means, unrolled: the weight of step j is (1 - b) b^(k - j).
        m = sum(0.1 * 0.9 ** (k - j) * gradients[j - 1] for j in range(1, k + 1))
        v = sum(0.001 * 0.999 ** (k - j) * gradients[j - 1] ** 2 for j in range(1, k + 1))
        step = (m / (1 - 0.9**k)) / (math.sqrt(v / (1 - 0.999**k)) + 1e-8)
        theta = theta * (1 - eta * decay) - eta * step
    return theta


FORMULAS = {"sgd": sgd, "adagrad": adagrad, "rmsprop": rmsprop, "adam": adam}


def test_each_optimizer_has_its_formula_here():
    assert set(FORMULAS) == set(OPTIMIZERS)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_follow_their_formulas(name, decay):
    rng = np.random.default_rng(0)
    theta = rng.normal(size=6)
    gradients = rng.normal(size=(7, 6)) * [1e-6, 1e-2, 1.0, 1.0, 10.0, 1e4]  # element by element
    gradients[:, 3] = 0.0  # a symbol that is never seen
    gradients[:3, 2] = 0.0  # and one that is seen late
    expected = [
        FORMULAS[name](value, column, 0.05, decay)
        for value, column in zip(theta.tolist(), gradients.T.tolist(), strict=True)
    ]
    optimizer = OPTIMIZERS[name](theta)
    for g in gradients.copy():
        optimizer.update(theta, g, 0.05, decay)
    np.testing.assert_allclose(theta, expected, rtol=1e-12)
    assert optimizer.count == 7


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_resumes_from_its_slots_and_count(name):
    gradients = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    through, resumed = (np.linspace(-1, 1, 5, dtype=np.float32) for _ in range(2))
    whole, first = OPTIMIZERS[name](through), OPTIMIZERS[name](resumed)
    for g in gradients.copy():
        whole.update(through, g, 0.1)
    for g in gradients[:3].copy():
        first.update(resumed, g, 0.1)
    second = OPTIMIZERS[name](resumed)
    second.count = first.count
    for slot, values in first.slots.items():
        second.slots[slot][:] = values
    for g in gradients[3:].copy():
        second.update(resumed, g, 0.1)
    np.testing.assert_array_equal(resumed, through)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_stay_in_place_and_in_float32(name):
    theta = np.ones(4, np.float32)
    optimizer = OPTIMIZERS[name](theta)
    slots = dict(optimizer.slots)
    for _ in range(2):
        optimizer.update(theta, np.full(4, 0.5, np.float32), 0.1, 0.01)
    assert theta.dtype == np.float32
    assert np.all(theta < 1)
    for slot, values in optimizer.slots.items():
        assert values is slots[slot]
        assert values.dtype == np.float32
        assert values.any()


def test_the_first_step_of_adam_and_rmsprop():
    """Adam's correction makes it eta whatever g; RMSprop, uncorrected, takes eta / sqrt(0.05)."""
    for optimizer, step in ((Adam, 0.1), (RMSprop, 0.1 / math.sqrt(0.05))):
        theta = np.zeros(3)
        optimizer(theta).update(theta, np.array([1e-2, -3.0, 1e5]), 0.1)
        np.testing.assert_allclose(theta, [-step, step, -step], rtol=2e-3)


def test_decay_shrinks_the_parameters_independently_of_the_gradient():
    for name in OPTIMIZERS:
        theta = np.array([2.0, -4.0])
        OPTIMIZERS[name](theta).update(theta, np.zeros(2), 0.1, weight_decay=0.5)
        np.testing.assert_allclose(theta, [1.9, -3.8], rtol=1e-15, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_by_global_norm(dtype):
    g = np.array([3.0, -4.0], dtype)
    clip_global_norm(g, 5.0, 5.0)
    assert g.tolist() == [3.0, -4.0]  # at the limit nothing happens
    clip_global_norm(g, 5.0, 10.0)
    assert g.tolist() == [3.0, -4.0]
    clip_global_norm(g, 5.0, 1.0)
    np.testing.assert_allclose(g, [0.6, -0.8], rtol=1e-6)  # direction kept
    assert g.dtype == dtype


def test_clipping_element_by_element():
    g = np.array([-7.0, -5.0, 0.1, 5.0, 70.0], np.float32)
    clip_elements(g, 5.0)
    np.testing.assert_array_equal(g, np.array([-5, -5, 0.1, 5, 5], np.float32))
