"""The network against the plain second version of its equations in ``reference.py``."""

import numpy as np
import pytest
import reference
from problems import CELLS, DROPOUTS, H, N, T, V, problem
from small import target_nats

# Sums of a few dozen products of order 1, in a different order: an error of a few 2e-16 each.
CLOSE = {"rtol": 1e-12, "atol": 1e-13}


@pytest.mark.parametrize(("dropout", "locked", "weights"), DROPOUTS)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_forward_and_backward_agree(cell, num_layers, dropout, locked, weights):
    p = problem(cell, num_layers, dropout, locked=locked, weight_dropout=weights)
    arch, theta, weight = p.network.arch, p.network.params.flat, np.linspace(0.2, 1.7, T * N)
    weight = weight.reshape(T, N)
    ws = p.network.workspace(T, N, training=True)
    loss, grads, end = p.run(ws, weight, seed=5)
    masks = np.broadcast_to(ws.masks, (num_layers, T, N, H)) if dropout else None
    kept = p.network.params.like(np.ones_like(theta))
    for layer, mask in enumerate(ws.weight_masks):
        kept[f"layers.{layer}.W_h"][:] = mask

    expected, gradient, state = reference.loss_and_gradient(
        arch, theta * kept.flat, p.ids, p.targets, p.start, weight, masks
    )
    np.testing.assert_allclose(loss, expected, **CLOSE)
    np.testing.assert_allclose(end, state, **CLOSE)
    for name, ours in grads.items():
        np.testing.assert_allclose(
            ours, grads.like(gradient * kept.flat)[name], err_msg=name, **CLOSE
        )

    logits = p.network.forward(p.network.workspace(T, N), p.ids, p.start.copy())
    plain, _ = reference.forward(arch, theta, p.ids, p.start)
    np.testing.assert_allclose(logits.reshape(T, N, V), plain, **CLOSE)


@pytest.mark.parametrize("cell", CELLS)
def test_surprisals_and_probabilities_agree(cell):
    p = problem(cell, 2)
    ws = p.network.workspace(T, N)
    nats = target_nats(p.network, ws, p.ids, p.targets, p.start.copy())
    logits, _ = reference.forward(p.network.arch, p.network.params.flat, p.ids, p.start)
    np.testing.assert_allclose(nats, reference.nats(logits, p.targets), **CLOSE)
    each = [reference.nats(logits, np.full((T, N), v)) for v in range(V)]
    np.testing.assert_allclose(
        ws.logits.reshape(T, N, V), np.exp(-np.stack(each, axis=-1)), **CLOSE
    )


def test_the_complex_step_gives_the_slope_of_a_known_function():
    """A complex step on tanh(2x), whose slope is 2(1 - tanh^2)."""
    x = np.array([0.3])
    p = {"W_h": np.array([[2.0]]), "U_h": np.zeros((1, 1)), "b_h": np.zeros(1)}
    value, _ = reference.rnn(p, x + 1e-30j, np.zeros(1), None)
    np.testing.assert_allclose(value.imag / 1e-30, 2 * (1 - np.tanh(0.6) ** 2), rtol=1e-15)
