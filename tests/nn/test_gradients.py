"""Every gradient against finite differences, parameter by parameter."""

import numpy as np
import pytest
from problems import CELLS, DROPOUTS, problem, weight_rng
from small import target_nats

from charrnn.nn.functional import cross_entropy

# All different. Every parameter takes two forward passes.
T, N, H, V = SHAPE = 4, 2, 3, 5
TOLERANCE = 1e-6
# The error of a central difference is eps^2 f'''/6, about 1e-11 here, plus rounding, about
# 1e-16 / eps for a surprisal of order 1: 1e-11 as well. A smaller or larger eps is worse.
EPS = 1e-5
# Differences with an error of 1e-10 (12 targets) cannot give six digits of elements far below a
# gradient's typical 0.1; the error of such an element is compared with this instead.
FLOOR = 1e-3
SEED = 42

#: The two scalings of the loss that training uses, and a weight for each target.
WEIGHTS = {
    "mean": 1.0 / (T * N),
    "sum": 1.0,
    "each": np.random.default_rng(9).uniform(0.1, 2.0, (T, N)),
}


def surprisals(p, ws, seed):
    """Of each target, (T*N,), with the parameters as they are now; from a forward pass."""
    ws.refresh()
    rng = None if seed is None else np.random.default_rng(seed)
    if rng:
        ws.drop_weights(weight_rng(seed))
    logits = p.network.forward(ws, p.ids, p.start.copy(), rng)
    return cross_entropy(logits, p.targets.reshape(-1))


def numeric_gradients(p, seed):
    """Central differences of each loss in WEIGHTS, (P,) each, from forward passes only."""
    theta, ws = p.network.params.flat, p.network.workspace(T, N, training=True)
    gradients = {name: np.empty_like(theta) for name in WEIGHTS}

    for k, value in enumerate(theta.tolist()):
        theta[k] = value + EPS
        above = surprisals(p, ws, seed)
        theta[k] = value - EPS
        # Before summing, to lose fewer digits.
        slope = (above - surprisals(p, ws, seed)) / (2 * EPS)
        theta[k] = value
        for name, weight in WEIGHTS.items():
            gradients[name][k] = np.sum(slope.reshape(T, N) * weight)
    return gradients


def mistakes(label, analytic, numeric, scale):
    """A line for each named parameter whose gradient is off, by its norm or in one element."""
    for name, ours in analytic.items():
        theirs = analytic.like(numeric)[name]
        gap = np.abs(ours - theirs)
        size = np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), FLOOR * scale)
        worst = np.unravel_index(np.argmax(np.nan_to_num(gap / size, nan=np.inf)), gap.shape)
        by_norm = np.linalg.norm(gap) / np.linalg.norm(theirs)
        if not (by_norm < TOLERANCE and gap[worst] / size[worst] < TOLERANCE):
            yield (
                f"{label}: {name} is off by {by_norm:.1e} of its norm; at {[*map(int, worst)]} "
                f"it is {ours[worst]:.9g}, by differences {theirs[worst]:.9g}"
            )


#: One and two layers of each cell with each dropout; three of each cell with one of them.
NETWORKS = [
    pytest.param(
        cell,
        num_layers,
        *dropout,
        marks=[pytest.mark.soak] if num_layers == 3 and number != place else [],
    )
    for number, cell in enumerate(CELLS)
    for num_layers in (1, 2, 3)
    for place, dropout in enumerate(DROPOUTS)
]


@pytest.mark.parametrize(("cell", "num_layers", "dropout", "locked", "weights"), NETWORKS)
def test_gradients_equal_central_differences(cell, num_layers, dropout, locked, weights):
    dropped = {"dropout": dropout, "locked": locked, "weight_dropout": weights}
    p = problem(cell, num_layers, shape=SHAPE, **dropped)
    seed = SEED if dropout else None
    numeric = numeric_gradients(p, seed)
    roomy = p.network.workspace(T + 2, N, training=True)
    longer = problem(cell, num_layers, shape=(T + 2, N, H, V), seed=5, **dropped)
    found = []
    for name, weight in WEIGHTS.items():
        _, grads, _ = p.run(p.network.workspace(T, N, training=True), weight, seed)
        found += mistakes(name, grads, numeric[name], np.max(weight))
        # A window shorter than the workspace has room for, after a longer one was in it.
        _, grads, _ = longer.run(roomy, 1.0, SEED)
        _, grads, _ = p.run(roomy, weight, seed, grads)
        found += mistakes(f"{name}, {T} of {T + 2} steps", grads, numeric[name], np.max(weight))
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("cell", CELLS)
def test_the_loss_is_the_weighted_sum_of_surprisals(cell):
    p = problem(cell, 2, shape=SHAPE)
    nats = target_nats(p.network, p.network.workspace(T, N), p.ids, p.targets, p.start.copy())
    assert nats.shape == (T, N)
    for weight in WEIGHTS.values():
        loss, _, _ = p.run(p.network.workspace(T, N, training=True), weight)
        assert loss == pytest.approx(np.sum(weight * nats), rel=1e-14)


@pytest.mark.parametrize(("dropout", "locked", "weights"), DROPOUTS)
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_along_random_directions_at_a_real_size(cell, dropout, locked, weights):
    """One dot product for each parameter, because differencing each element would take hours.

    Along a standard normal direction d the slope g.d has the standard deviation |g|. The error is
    compared with that, because a slope may be near 0 by chance.
    """
    steps, streams = 25, 4
    shape = (steps, streams, 128, 40)
    p = problem(cell, 2, dropout, shape=shape, seed=3, locked=locked, weight_dropout=weights)
    network, theta, seed = p.network, p.network.params.flat, SEED if dropout else None
    ws, weight = network.workspace(steps, streams, training=True), 1.0 / (steps * streams)
    _, grads, _ = p.run(ws, weight, seed)
    rng, found = np.random.default_rng(7), []

    for name, gradient in [("all", grads.flat), *grads.items()]:
        d, start = network.params.like(), theta.copy()
        part = d.flat if name == "all" else d[name]
        part[...] = rng.standard_normal(part.shape)
        eps = 1e-3 / np.linalg.norm(part)  # the same step length for any number of elements
        theta[:] = start + eps * d.flat
        above = surprisals(p, ws, seed)
        theta[:] = start - eps * d.flat
        slope = np.sum(above - surprisals(p, ws, seed)) * weight / (2 * eps)
        theta[:] = start
        error = abs(slope - np.sum(part * gradient)) / np.linalg.norm(gradient)
        if not error < TOLERANCE:
            found.append(f"{name}: along a random direction off by {error:.1e}")
    assert not found, "\n" + "\n".join(found)
