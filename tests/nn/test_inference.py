"""The inference pass: equal to the forward pass of training, and independent of it."""

import numpy as np
import pytest
from problems import CELLS, H, N, T, V, problem

from charrnn.nn.functional import cross_entropy
from charrnn.nn.inference import InferencePass

CLOSE = {
    np.float32: {"rtol": 1e-4, "atol": 1e-6},
    np.float64: {"rtol": 1e-12, "atol": 1e-14},
}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_logits_and_state_are_those_of_training(cell, num_layers, dtype):
    p = problem(cell, num_layers, dtype=dtype)
    inference = InferencePass(p.network, 99, N + 3)  # room for more than there is
    for streams in (slice(None), slice(1), slice(1, 3)):
        ids, kept = p.ids[:, streams], p.start[:, :, streams].copy()
        alone = kept.copy()
        wanted = p.network.forward(p.network.workspace(T, ids.shape[1]), ids, kept)
        logits = inference.forward(ids, alone)
        np.testing.assert_allclose(logits, wanted, **CLOSE[dtype])
        np.testing.assert_allclose(alone, kept, **CLOSE[dtype])
        assert logits.dtype == alone.dtype == dtype


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_is_carried_from_pass_to_pass(cell):
    p = problem(cell, 2)
    inference, whole, cut = InferencePass(p.network, T * N, N), p.start.copy(), p.start.copy()
    wanted = inference.forward(p.ids, whole).copy()
    pieces = [inference.forward(p.ids[t : t + 1], cut).copy() for t in range(T)]
    np.testing.assert_array_equal(cut, whole)
    # The logits are one product of all rows, and BLAS may sum its H terms, with |h| <= 1, in an
    # order that depends on their number: two orders differ by eps/2 a term each, at most.
    most = H * np.finfo(wanted.dtype).eps * np.abs(p.network.params["output.W"]).sum(axis=0).max()
    np.testing.assert_allclose(np.concatenate(pieces), wanted, rtol=0, atol=most)


@pytest.mark.parametrize("cell", CELLS)
def test_a_part_of_a_larger_state_is_advanced_in_place(cell):
    p = problem(cell, 2)
    wanted, state = p.start[:, :, :2].copy(), p.start.copy()
    inference = InferencePass(p.network, T * N, N)
    inference.forward(p.ids[:, :2], wanted)
    inference.forward(p.ids[:, :2], state[:, :, :2])
    np.testing.assert_array_equal(state[:, :, :2], wanted)
    np.testing.assert_array_equal(state[:, :, 2], p.start[:, :, 2])


@pytest.mark.parametrize("cell", CELLS)
def test_surprisal_of_any_symbols_after_any_streams(cell):
    p = problem(cell, 2)
    logits = p.network.forward(p.network.workspace(T, N), p.ids, p.start.copy())
    every = np.repeat(logits, V, axis=0)  # each symbol after each step of each stream
    nats = cross_entropy(every, np.tile(np.arange(V), T * N)).reshape(T, N, V)
    inference = InferencePass(p.network, T * N, N)
    own = inference.surprisal(p.ids, p.targets, p.start.copy())
    np.testing.assert_allclose(own, np.take_along_axis(nats, p.targets[..., None], 2)[..., 0])
    streams = np.array([2, 0, 2, 1, 2])
    targets = np.random.default_rng(0).integers(0, V, (T, 5))
    shared = inference.surprisal(p.ids, targets, p.start.copy(), streams)
    wanted = np.take_along_axis(nats[:, streams], targets[..., None], 2)[..., 0]
    np.testing.assert_allclose(shared, wanted)


@pytest.mark.parametrize("cell", CELLS)
def test_streams_that_share_no_product_do_not_affect_each_other(cell):
    p = problem(cell, 2, dtype=np.float32)
    ids, start = np.repeat(p.ids, 2, axis=1), np.repeat(p.start, 2, axis=2)
    together = InferencePass(p.network, T * 2 * N, 2 * N, N)
    state = start.copy()
    logits = together.forward(ids, state).reshape(T, 2 * N, V).copy()
    for half in (slice(N), slice(N, None)):
        alone = start[:, :, half].copy()
        found = InferencePass(p.network, T * N, N, N).forward(ids[:, half], alone)
        assert found.tobytes() == logits[:, half].tobytes()
        assert alone.tobytes() == state[:, :, half].tobytes()


@pytest.mark.parametrize("cell", CELLS)
def test_a_certain_symbol_costs_nothing_and_an_impossible_one_is_finite(cell):
    p = problem(cell, dtype=np.float32)
    p.network.params["output.b"][:] = np.linspace(-3000, 3000, V)
    nats = InferencePass(p.network, T * N, N).surprisal(
        p.ids, np.where(p.targets > 3, V - 1, 0), p.start.copy()
    )
    assert np.all((nats == 0.0) == (p.targets > 3))
    np.testing.assert_allclose(nats[nats > 0], 6000, rtol=1e-2)


@pytest.mark.parametrize("cell", CELLS)
def test_training_and_inference_do_not_affect_each_other(cell):
    p = problem(cell, 2, dropout=0.4)
    ws = p.network.workspace(T, N, training=True)
    loss, grads, state = p.run(ws, 1.0, seed=1)
    inference, found = InferencePass(p.network, T * N, N), p.start.copy()
    before = inference.forward(p.ids, found).copy()
    again = p.run(ws, 1.0, seed=1)
    assert again[0] == loss
    np.testing.assert_array_equal(again[1].flat, grads.flat)
    np.testing.assert_array_equal(again[2], state)
    p.network.params.flat += 1.0  # without effect on the copy
    np.testing.assert_array_equal(inference.forward(p.ids, p.start.copy()), before)
