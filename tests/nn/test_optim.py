"""Optimisers against their formulas in plain Python numbers; clipping."""

import math

import numpy as np
import pytest

from charrnn.nn.network import Architecture
from charrnn.nn.optim import (
    OPTIMIZERS,
    Adam,
    RMSprop,
    clip_elements,
    clip_global_norm,
    update_limits,
)
from charrnn.nn.params import Params
from charrnn.threads import share

# Each function takes (theta, [g1, g2, ...], eta, decay, limit) of one scalar to theta after all
# updates.


def bounded(update, limit, k):
    """Update ``k``, but no further than its limit."""
    return max(-limit * math.sqrt(k), min(update, limit * math.sqrt(k)))


def sgd(theta, gradients, eta, decay, limit=math.inf):
    for k, g in enumerate(gradients, 1):
        theta = theta * (1 - eta * decay) - bounded(eta * g, limit, k)
    return theta


def adagrad(theta, gradients, eta, decay, limit=math.inf):
    total = 0.0
    for k, g in enumerate(gradients, 1):
        total += g**2
        step = eta * g / math.sqrt(total + 1e-8)
        theta = theta * (1 - eta * decay) - bounded(step, limit, k)
    return theta


def rmsprop(theta, gradients, eta, decay, limit=math.inf):
    mean = 0.0
    for k, g in enumerate(gradients, 1):
        mean = 0.95 * mean + 0.05 * g**2
        step = eta * g / math.sqrt(mean + 1e-8)
        theta = theta * (1 - eta * decay) - bounded(step, limit, k)
    return theta


def adam(theta, gradients, eta, decay, limit=math.inf):
    for k in range(1, len(gradients) + 1):
        # The running means, unrolled: the weight of step j is (1 - b) b^(k - j).
        m = sum(0.1 * 0.9 ** (k - j) * gradients[j - 1] for j in range(1, k + 1))
        v = sum(0.001 * 0.999 ** (k - j) * gradients[j - 1] ** 2 for j in range(1, k + 1))
        step = (m / (1 - 0.9**k)) / (math.sqrt(v / (1 - 0.999**k)) + 1e-8)
        theta = theta * (1 - eta * decay) - bounded(eta * step, limit, k)
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
def test_updates_stay_within_limits_that_grow(name):
    rng = np.random.default_rng(1)
    theta = rng.normal(size=5)
    gradients = rng.normal(size=(9, 5))
    gradients[:, 4] *= 1e-3
    limits = [math.inf, 0.02, 0.02, 0.005, 0.001]
    expected = [
        FORMULAS[name](value, column, 0.05, 0.3, limit)
        for value, column, limit in zip(theta.tolist(), gradients.T.tolist(), limits, strict=True)
    ]
    parts = [(slice(1, 3), 0.02), (slice(3, 4), 0.005), (slice(4, 5), 0.001)]
    optimizer = OPTIMIZERS[name](theta, parts)
    for g in gradients.copy():
        optimizer.update(theta, g, 0.05, 0.3)
    np.testing.assert_allclose(theta, expected, rtol=1e-12)


def test_limits_of_each_parameter():
    """Between 4 units 1 / 4, shared by the layers."""

    def limits(num_layers):
        arch = Architecture("gru", 3, 4, num_layers)
        limits = np.zeros(arch.size)
        for part, limit in update_limits(arch, 1.0, slice(None)):
            limits[part] = limit
        return {name: set(v.flat) for name, v in Params(arch.shapes(), flat=limits).items()}

    assert limits(1) == {
        "layers.0.W_x": {0.25},
        "layers.0.W_h": {0.25},
        "layers.0.b": {0.25},
        "layers.0.b_n": {0.25},
        "output.W": {2.0},
        "output.b": {0.25},
    }
    between = 0.25 / 2**1.25
    assert limits(2) == {
        "layers.0.W_x": {0.125},
        "layers.0.W_h": {between},
        "layers.0.b": {0.03125},
        "layers.0.b_n": {0.125},
        "layers.1.W_x": {between},
        "layers.1.W_h": {between},
        "layers.1.b": {0.125},
        "layers.1.b_n": {0.125},
        "output.W": {1.0},
        "output.b": {0.125},
    }


@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 50])
def test_parts_have_the_limits_of_the_whole(ranks):
    arch = Architecture("lstm", 3, 2, 2)

    def limits(owned):
        vector = np.zeros(arch.size)[owned]
        for part, limit in update_limits(arch, 0.25, owned):
            vector[part] = limit
        return vector

    parts = [limits(share(arch.size, rank, ranks)) for rank in range(ranks)]
    np.testing.assert_array_equal(np.concatenate(parts), limits(slice(None)))
    assert min(limits(slice(None))) > 0


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
