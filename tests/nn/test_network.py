"""Carried state, independent workspaces, memory, and initial values."""

import functools
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from problems import CELLS, H, N, T, V, problem
from small import target_nats

from charrnn.nn.network import Architecture, Network, Workspace, extend_vocabulary
from charrnn.nn.params import Params

FLOATS = [np.float32, np.float64]
LAYERS = [1, 2, 3]
# The rounding of products depends on the number of rows; hidden states are at most 1.
CLOSE = {np.float32: {"rtol": 1e-5, "atol": 2e-6}, np.float64: {"rtol": 1e-12, "atol": 1e-14}}
# Sizes at which BLAS was seen to round the rows of a 48-row product differently from those
# of a 16-row one (float32); at toy sizes it may not.
SIZES = (12, 4, 16, 11)


@pytest.fixture
def plain_products(monkeypatch):
    """Matrix products whose rounding does not depend on how many rows are multiplied at once.

    BLAS chooses its kernels, and with them the order of the sums, by the number of rows. So upper
    layers and the output, which multiply all steps at once, may differ in the last bit between
    one window of 12 steps and three of 4. That has nothing to do with carried state; with these
    products equality can be exact.
    """

    def matmul(x, W, out):
        total = np.zeros_like(out)
        for k in range(len(W)):
            total += x[:, k : k + 1] * W[k]
        out[...] = total

    monkeypatch.setattr(np, "matmul", matmul)


def logits_and_state(p, chunk, streams=slice(None)):
    """Forward over the whole of ``p`` in windows of ``chunk`` steps: (steps, N, V) and state."""
    ids, state = p.ids[:, streams], p.start[:, :, streams].copy()
    steps, count = ids.shape
    ws = p.network.workspace(chunk, count)
    windows = [
        p.network.forward(ws, ids[t : t + chunk], state).reshape(chunk, count, -1).copy()
        for t in range(0, steps, chunk)
    ]
    return np.concatenate(windows), state


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_layers", LAYERS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("chunk", [4, 1])
def test_twelve_steps_equal_windows_with_carried_state(
    cell, num_layers, chunk, dtype, plain_products
):
    p = problem(cell, num_layers, dtype=dtype, shape=SIZES)
    logits, state = logits_and_state(p, 12)
    in_windows, carried = logits_and_state(p, chunk)
    np.testing.assert_array_equal(in_windows, logits)
    np.testing.assert_array_equal(carried, state)
    assert logits.dtype == state.dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("num_layers", LAYERS)
@pytest.mark.parametrize("cell", CELLS)
def test_carried_state_with_ordinary_products(cell, num_layers, dtype):
    p = problem(cell, num_layers, dtype=dtype, shape=SIZES)
    logits, state = logits_and_state(p, 12)
    in_windows, carried = logits_and_state(p, 4)
    np.testing.assert_allclose(in_windows, logits, **CLOSE[dtype])
    np.testing.assert_allclose(carried, state, **CLOSE[dtype])
    if num_layers == 1:  # the state depends on products of N rows only: the same in both
        np.testing.assert_array_equal(carried, state)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("cell", CELLS)
def test_the_order_of_streams_does_not_matter(cell, dtype, plain_products):
    p = problem(cell, 2, dtype=dtype, shape=SIZES)
    logits, state = logits_and_state(p, 12)
    order = [2, 0, 3, 1]
    reordered, carried = logits_and_state(p, 12, order)
    np.testing.assert_array_equal(reordered, logits[:, order])
    np.testing.assert_array_equal(carried, state[:, :, order])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_alone_equals_the_same_stream_in_a_batch(cell, dtype):
    p = problem(cell, 2, dtype=dtype, shape=SIZES)
    logits, state = logits_and_state(p, 12)
    for n in range(4):
        alone, carried = logits_and_state(p, 1, [n])
        np.testing.assert_allclose(alone[:, 0], logits[:, n], **CLOSE[dtype])
        np.testing.assert_allclose(carried[:, :, 0], state[:, :, n], **CLOSE[dtype])


@pytest.mark.parametrize("cell", CELLS)
def test_training_advances_the_state_as_evaluation_does(cell):
    p = problem(cell, 2)
    _, _, trained = p.run(p.network.workspace(T, N, training=True), 1.0)
    evaluated, sampled = p.start.copy(), p.start.copy()
    target_nats(p.network, p.network.workspace(T, N), p.ids, p.targets, evaluated)
    p.network.forward(p.network.workspace(T, N), p.ids, sampled)
    np.testing.assert_array_equal(trained, evaluated)
    np.testing.assert_array_equal(trained, sampled)
    # Every layer of every stream has moved.
    assert np.all(np.any(trained != p.start, axis=-1))


@pytest.mark.parametrize("cell", CELLS)
def test_a_window_may_be_shorter_than_the_workspace(cell):
    p, long = problem(cell, 2), problem(cell, 2, shape=(T + 3, N, H, V))
    roomy, state = p.network.workspace(T + 3, N, training=True), p.start.copy()
    p.network.forward(roomy, long.ids, long.start.copy())  # leaves values beyond step T
    logits = p.network.forward(roomy, p.ids, state).reshape(T, N, V)
    expected, end = logits_and_state(p, T)
    np.testing.assert_array_equal(logits, expected)
    np.testing.assert_array_equal(state, end)
    _, _, trained = p.run(roomy, 1.0)
    np.testing.assert_array_equal(trained, end)


@pytest.mark.parametrize("cell", CELLS)
def test_inputs_and_parameters_are_not_changed(cell):
    p = problem(cell, 2, dropout=0.3, weight_dropout=0.3)
    ids, targets, theta = p.ids.copy(), p.targets.copy(), p.network.params.flat.copy()
    weight = np.ones((T, N))
    p.run(p.network.workspace(T, N, training=True), weight, seed=1)
    np.testing.assert_array_equal(p.ids, ids)
    np.testing.assert_array_equal(p.targets, targets)
    np.testing.assert_array_equal(p.network.params.flat, theta)
    np.testing.assert_array_equal(weight, 1.0)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("cell", CELLS)
def test_sampling_and_evaluating_between_steps_do_not_change_training_by_a_bit(cell, dropout):
    def three_steps(disturb):
        p = problem(cell, 2, dropout, np.float32)
        network, state, trail = p.network, p.start.copy(), []
        ws, rng = network.workspace(T, N, training=True), np.random.default_rng(8)
        one, many = network.workspace(1, 1), network.workspace(T, N)
        grads = network.params.like()
        for _ in range(3):
            loss = network.loss_and_gradients(ws, p.ids, p.targets, state, grads, 0.1, rng)
            if disturb:
                for other, ids in ((one, p.ids[:1, :1]), (many, p.ids)):
                    other.refresh()
                    network.forward(other, ids, network.arch.zero_state(ids.shape[1]))
                target_nats(network, many, p.ids, p.targets, p.start.copy())
            trail += [loss, grads.flat.copy(), state.copy()]
            network.params.flat[:] -= 0.1 * grads.flat
        return trail

    for alone, disturbed in zip(three_steps(False), three_steps(True), strict=True):
        np.testing.assert_array_equal(alone, disturbed)


@pytest.mark.parametrize("cell", CELLS)
def test_a_workspace_keeps_nothing_of_the_window_before(cell):
    p, other = problem(cell, 2, 0.3), problem(cell, 2, 0.3, seed=4)
    used = p.network.workspace(T, N, training=True)
    other.run(used, 1.0, seed=2)
    _, fresh, _ = p.run(p.network.workspace(T, N, training=True), 1.0, seed=3)
    _, again, _ = p.run(used, 1.0, seed=3)
    np.testing.assert_array_equal(again.flat, fresh.flat)


@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"weight_dropout": 0.5}])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_draws_only_from_the_given_generator(cell, rates):
    p = problem(cell, 2, **rates)
    ws = p.network.workspace(T, N, training=True)
    same = [p.run(ws, 1.0, seed=1)[0] for _ in range(2)]
    assert same[0] == same[1]
    assert p.run(ws, 1.0, seed=2)[0] != same[0]
    without = problem(cell, 2, 0.0)  # the same seed: the same parameters
    plain = without.run(without.network.workspace(T, N, training=True), 1.0)
    none_dropped = p.run(ws, 1.0)  # without a generator, whatever masks the last run left
    assert none_dropped[0] == plain[0] != same[0]
    np.testing.assert_array_equal(none_dropped[1].flat, plain[1].flat)
    evaluating = p.network.workspace(T, N)  # which has no masks at all
    assert evaluating.masks == evaluating.weight_masks == []


@pytest.mark.parametrize("cell", CELLS)
def test_a_third_of_the_recurrent_weights_is_dropped(cell):
    p = problem(cell, 2, shape=(T, N, 60, V), weight_dropout=1 / 3)
    ws = p.network.workspace(T, N, training=True)
    _, grads, _ = p.run(ws, 1.0, seed=1)
    for layer, mask in enumerate(ws.weight_masks):
        dropped = mask == 0.0
        assert dropped.mean() == pytest.approx(1 / 3, abs=0.02)
        np.testing.assert_allclose(mask[~dropped], 1.5)
        np.testing.assert_array_equal(grads[f"layers.{layer}.W_h"][dropped], 0.0)
    assert np.any(ws.weight_masks[0] != ws.weight_masks[1])


@pytest.mark.parametrize("locked", [False, True])
def test_a_locked_mask_is_the_same_for_all_steps_of_one_window(locked):
    p = problem("gru", 2, 0.5, shape=(T, N, 40, V), locked=locked)
    ws, rng, found = p.network.workspace(T, N, training=True), np.random.default_rng(3), []
    for _ in range(2):
        p.network.forward(ws, p.ids, p.start.copy(), rng)
        for cell, dropped in zip(ws.cells, ws.dropped, strict=True):
            factors = dropped / cell.h[1:]
            assert set(np.unique(factors.round(9))) == {0.0, 2.0}
            assert np.array_equal(factors[0] > 1, factors[-1] > 1) == locked
            found.append(factors[0] > 1)  # (N, H)
    for a in range(len(found)):  # each window, layer and stream drops different units
        assert not np.array_equal(found[a][0], found[a][1])
        assert not any(np.array_equal(found[a], other) for other in found[a + 1 :])


@pytest.mark.parametrize("cell", CELLS)
def test_float32_stays_float32(cell):
    p = problem(cell, 2, 0.3, np.float32)
    ws = p.network.workspace(T, N, training=True)
    for weight in (1.0 / (T * N), np.float64(0.5), np.ones((T, N)), np.ones((T, N), np.float32)):
        _, grads, state = p.run(ws, weight, seed=1)
        assert grads.flat.dtype == state.dtype == ws.logits.dtype == np.float32
    assert p.network.forward(ws, p.ids, p.start.copy()).dtype == np.float32
    ours = target_nats(p.network, ws, p.ids, p.targets, p.start.copy())
    assert ours.dtype == np.float32
    buffers = [vars(cell).items() for cell in ws.cells]
    for name, buffer in (item for items in buffers for item in items):
        if isinstance(buffer, np.ndarray):
            assert buffer.dtype == np.float32, name


@pytest.mark.parametrize("cell", CELLS)
def test_saturated_units_keep_loss_and_gradients_finite(cell):
    """Weights a thousand times too large: gates at 0 and 1 to the last bit."""
    p = problem(cell, 2, dtype=np.float32)
    p.network.params.flat[:] *= 1e3
    loss, grads, state = p.run(p.network.workspace(T, N, training=True), 1.0)
    assert np.isfinite(loss)
    assert np.all(np.isfinite(grads.flat))
    assert np.all(np.isfinite(state))


# --- refresh: a workspace takes the parameters when it is told to ------------------------------


@pytest.mark.parametrize("cell", CELLS)
def test_refresh_takes_the_parameters_as_they_are(cell):
    p = problem(cell, 2)
    ws = p.network.workspace(T, N)
    before = p.network.forward(ws, p.ids, p.start.copy()).copy()
    p.network.params.flat[:] *= 1.5
    fresh = p.network.forward(p.network.workspace(T, N), p.ids, p.start.copy())
    ws.refresh()
    after = p.network.forward(ws, p.ids, p.start.copy())
    np.testing.assert_array_equal(after, fresh)
    assert not np.allclose(after, before)


@pytest.mark.parametrize("cell", CELLS)
def test_refresh_does_not_warn_of_weights_that_overflow(cell):
    p = problem(cell)
    ws = p.network.workspace(T, N)
    p.network.params.flat[:] = np.finfo(p.network.params.flat.dtype).max
    ws.refresh()
    embedded = np.empty((1, p.network.params["layers.0.b"].size), p.network.params.flat.dtype)
    ws.embed(np.zeros(1, np.intp), embedded)
    assert np.isinf(embedded).any()


@pytest.mark.parametrize("cell", CELLS)
def test_without_refresh_a_workspace_keeps_its_snapshot(cell):
    p = problem(cell, 2)
    ws = p.network.workspace(T, N)
    before = p.network.forward(ws, p.ids, p.start.copy()).copy()
    p.network.params.flat[:] *= 1.5
    stale = p.network.forward(ws, p.ids, p.start.copy())
    np.testing.assert_array_equal(stale, before)


@pytest.mark.parametrize("cell", CELLS)
def test_training_refreshes_its_own_workspace(cell):
    p = problem(cell, 2)
    ws = p.network.workspace(T, N, training=True)
    p.network.params.flat[:] *= 1.5
    ours, fresh = (p.run(w, 1.0) for w in (ws, p.network.workspace(T, N, training=True)))
    assert ours[0] == fresh[0]
    np.testing.assert_array_equal(ours[1].flat, fresh[1].flat)


# --- memory ------------------------------------------------------------------------------------


def peak(work):
    """Most bytes held at once during ``work()`` beyond what was held before."""
    work()  # first calls fill caches
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_allocated_in_the_time_loops(cell):
    """Not even one (N, H) array that is freed at once, which would take time at every step.

    NumPy itself uses a buffer of at most 8192 elements for each operand of a call that
    broadcasts or strides. The arrays here are larger than three of these buffers.
    """
    steps, streams, hidden = 3, 64, 512
    one_array = streams * hidden * 4
    assert one_array > 3 * np.getbufsize() * 4
    p = problem(cell, 1, dtype=np.float32, shape=(steps, streams, hidden, V))
    network, grads = p.network, p.network.params.like()
    ws = network.workspace(steps, streams, training=True)
    (loops,) = ws.cells
    loops.a.fill(0.1)
    loops.set_state(p.start[0])
    assert peak(lambda: loops.forward(ws.weights, "layers.0", steps)) < one_array
    loops.dh.fill(0.1)
    W_h = network.params["layers.0.W_h"]
    assert peak(lambda: loops.backward(W_h, grads, "layers.0", steps)) < one_array


@pytest.mark.parametrize("cell", CELLS)
def test_memory_does_not_grow_with_the_steps_of_a_window(cell):
    """Same rows, other shape: what is allocated outside the loops depends on T*N alone."""
    peaks, hidden = [], 64
    for steps, streams in ((8, 32), (64, 4)):
        p = problem(cell, 2, dtype=np.float32, shape=(steps, streams, hidden, V))
        network, grads = p.network, p.network.params.like()
        ws = network.workspace(steps, streams, training=True)
        arguments = (ws, p.ids, p.targets, p.start, grads, 1.0)
        peaks.append(peak(functools.partial(network.loss_and_gradients, *arguments)))
    # One (N, H) array kept at each of 56 more steps would be 56 KiB.
    assert peaks[1] - peaks[0] < 4096


@pytest.mark.parametrize("cell", CELLS)
def test_forward_writes_into_the_workspace(cell):
    p = problem(cell, 2)
    ws = p.network.workspace(T + 1, N)
    logits = p.network.forward(ws, p.ids, p.start.copy())
    assert logits.shape == (T * N, V)
    assert np.shares_memory(logits, ws.logits)


# --- shapes and initial values -----------------------------------------------------------------


@pytest.mark.parametrize(("cell", "gates", "extra"), [("rnn", 1, 0), ("lstm", 4, 0), ("gru", 3, H)])
def test_the_layout_of_the_parameters(cell, gates, extra):
    arch = Architecture(cell, V, H, 2)
    params = arch.initial(np.random.default_rng(0))
    layer = (H + 1) * gates * H + extra
    assert arch.size == (V + H) * gates * H + 2 * layer + H * V + V == len(params.flat)
    assert list(params)[:3] == ["layers.0.W_x", "layers.0.W_h", "layers.0.b"]
    assert params["layers.0.W_x"].shape == (V, gates * H)
    assert params["layers.1.W_x"].shape == params["layers.1.W_h"].shape == (H, gates * H)
    assert list(params)[-2:] == ["output.W", "output.b"]


@pytest.mark.parametrize("cell", CELLS)
def test_uniform_start(cell):
    hidden = 64
    params = Architecture(cell, 20, hidden, 2).initial(np.random.default_rng(0))
    for name, view in params.items():
        if view.ndim == 2:
            assert 0.95 / 8 < np.max(np.abs(view)) <= 1 / 8, name  # 1/sqrt(64), and filled
            assert np.std(view) == pytest.approx(1 / 8 / np.sqrt(3), rel=0.06), name
        elif cell == "lstm" and name.startswith("layers"):
            np.testing.assert_array_equal(view, np.repeat([0, 1, 0, 0], hidden))  # i f o g
        else:
            np.testing.assert_array_equal(view, 0.0, err_msg=name)
    assert params.flat.dtype == np.float32


def test_normal_start():
    params = Architecture("gru", 20, 64, 2).initial(np.random.default_rng(0), "normal", 0.03)
    for name, view in params.items():
        if view.ndim == 2:
            assert np.std(view) == pytest.approx(0.03, rel=0.06), name
        else:
            np.testing.assert_array_equal(view, 0.0, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_a_larger_vocabulary_keeps_what_was_learned(cell):
    """The new symbols get at most k / (V + k); the old ones share the rest as before."""
    p, places = problem(cell, 2), np.array([0, 2, 3, 5, 6, 8, 9])  # of V = 7 among 10
    arch = Architecture(cell, 10, H, 2)
    params = arch.initial(np.random.default_rng(4), dtype=np.float64)
    rows = params["layers.0.W_x"].copy()
    extend_vocabulary(p.network.params, places, params)
    new = [1, 4, 7]
    np.testing.assert_array_equal(params["layers.0.W_x"][new], rows[new])

    def probabilities(network, ids):
        logits = network.forward(network.workspace(T, N), ids, p.start.copy())
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    before = probabilities(p.network, p.ids)
    after = probabilities(Network(arch, params), places[p.ids])
    share = after[:, new].sum(axis=1)
    assert np.all(share > 0)
    assert np.all(share <= 3 / 10)
    np.testing.assert_allclose(after[:, places], before * (1 - share)[:, None], rtol=1e-12)


def test_the_same_seed_starts_the_same_and_layers_differ():
    arch = Architecture("lstm", V, H, 3)
    first, again, other = (arch.initial(np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.flat, again.flat)
    assert not np.array_equal(first.flat, other.flat)
    for a, b in pairwise(f"layers.{k}.W_h" for k in range(3)):
        assert not np.array_equal(first[a], first[b])


@pytest.mark.parametrize(("cell", "states"), [("rnn", 1), ("lstm", 2), ("gru", 1)])
def test_zero_state(cell, states):
    state = Architecture(cell, V, H, 3).zero_state(N)
    assert state.shape == (3, states, N, H)
    assert state.dtype == np.float32
    assert not state.any()


def test_parameters_of_another_architecture_are_refused():
    params = Architecture("gru", V, H).initial(np.random.default_rng(0))
    with pytest.raises(ValueError, match="do not fit the architecture"):
        Network(Architecture("lstm", V, H), params)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_softmax_may_be_computed_in_blocks(cell, dropout):
    case = problem(cell, num_layers=2, dropout=dropout)
    weight = np.linspace(0.1, 1.0, T * N).reshape(T, N)
    whole = case.run(Workspace(case.network, T, N, training=True), weight, seed=4)
    for rows in (1, 5, 11):
        ws = Workspace(case.network, T, N, training=True, block=rows * V)
        assert ws.logits.shape == (rows, V)
        loss, grads, state = case.run(ws, weight, seed=4)
        assert loss == pytest.approx(whole[0], rel=1e-13)
        np.testing.assert_allclose(grads.flat, whole[1].flat, rtol=1e-10, atol=1e-14)
        np.testing.assert_array_equal(state, whole[2])


@pytest.mark.parametrize("cell", CELLS)
def test_an_embedding_of_many_symbols_is_read_row_by_row(cell):
    case = problem(cell, shape=(2, 3, 5, 40))
    by_table = case.run(Workspace(case.network, 20, 3, training=True), 0.5)
    by_row = case.run(Workspace(case.network, 2, 3, training=True), 0.5)
    assert by_row[0] == by_table[0]
    np.testing.assert_array_equal(by_row[1].flat, by_table[1].flat)


def test_the_gradient_of_an_embedding_may_have_few_rows():
    case = problem("gru", shape=(2, 3, 5, 40))
    _, whole, _ = case.run(Workspace(case.network, 2, 3, training=True), 0.5)
    symbols = np.unique(case.ids)
    shapes = case.network.arch.shapes() | {"layers.0.W_x": (6, 15)}
    few = Params(shapes, np.float64)
    few.flat.fill(np.nan)
    case.network.loss_and_gradients(
        Workspace(case.network, 2, 3, training=True),
        case.ids,
        case.targets,
        case.start.copy(),
        few,
        0.5,
        places=np.searchsorted(symbols, case.ids),
    )
    rows = few["layers.0.W_x"]
    np.testing.assert_allclose(rows[: len(symbols)], whole["layers.0.W_x"][symbols], rtol=1e-12)
    assert not rows[len(symbols) :].any()
    for name in list(shapes)[1:]:
        np.testing.assert_allclose(few[name], whole[name], rtol=1e-12)
