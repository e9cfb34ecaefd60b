"""Updates of the rows of an embedding that a window uses equal those of all rows."""

import itertools

import numpy as np
import pytest

from charrnn.config.schema import TrainConfig
from charrnn.data.batches import TextBatches
from charrnn.nn.network import Architecture, Network
from charrnn.nn.optim import OPTIMIZERS, update_limits
from charrnn.training.data_parallel import DataParallel
from charrnn.training.sparse import sparse_gradient

V, T, N = 60, 4, 3
IDS = np.random.default_rng(3).integers(0, V, 400)
#: Some of its symbols are in every window, as in a text.
IDS[::3] = 7


def arch_of(cell):
    return Architecture(cell, V, 5)


def config_of(**settings):
    return TrainConfig(batch_size=N, seq_length=T, **settings)


def reference(cell, config, steps, rate):
    """The same updates, of all parameters, by one rank."""
    arch, batches = arch_of(cell), TextBatches(IDS, N, T)
    network = Network(arch, arch.initial(np.random.default_rng(1)))
    ws, grads = network.workspace(T, N, training=True), network.params.like()
    limits = update_limits(arch, config.max_update, slice(None))
    state, updater = arch.zero_state(N), OPTIMIZERS[config.optimizer](network.params.flat, limits)
    ids, targets = np.empty((2, T, N), np.intp)
    for k in range(steps):
        batches.window(0, k, ids, targets)
        network.loss_and_gradients(ws, ids, targets, state, grads, 1.0 / (T * N))
        updater.update(network.params.flat, grads.flat, rate, config.weight_decay)
    return network.params.flat, updater.slots


@pytest.mark.parametrize(
    ("cell", "optimizer", "size"),
    [
        *itertools.product(["lstm", "rnn"], ["sgd", "adagrad", "adam"], [1]),
        # Each cell and each optimiser with every size; Adam updates all rows.
        *(("lstm", "sgd", 3), ("lstm", "adagrad", 2), ("lstm", "adam", 2)),
        *(("rnn", "sgd", 2), ("rnn", "adagrad", 3)),
    ],
)
def test_a_run_equals_one_that_updates_all_rows(cell, optimizer, size):
    # The limits are low enough for all kinds of weights to meet them.
    config = config_of(optimizer=optimizer, max_grad_norm=0.0, max_update=0.01)
    ranks = DataParallel(arch_of(cell), TextBatches(IDS, N, T), config, size)
    initial = arch_of(cell).initial(np.random.default_rng(1))
    np.copyto(ranks.network.params.flat, initial.flat)
    for k in range(6):
        ranks.step(0, k, 0.05, k)
    ranks.stop()
    params, slots = reference(cell, config, 6, 0.05)
    np.testing.assert_allclose(ranks.network.params.flat, params, rtol=0, atol=2e-5)
    for name, slot in slots.items():
        np.testing.assert_allclose(ranks.slots[name].flat, slot, rtol=1e-3, atol=1e-7)
    changed = ranks.network.params["layers.0.W_x"] != initial["layers.0.W_x"]
    assert np.flatnonzero(changed.any(axis=1)).tolist() == used_ids(6).tolist()


def used_ids(steps):
    batches, ids = TextBatches(IDS, N, T), np.empty((T, N), np.intp)
    seen = []
    for k in range(steps):
        batches.window(0, k, ids, np.empty_like(ids))
        seen.append(ids.copy())
    return np.unique(seen)


def test_it_is_used_only_where_an_update_leaves_other_rows_as_they_are():
    arch = arch_of("lstm")
    assert sparse_gradient(arch, config_of(), T, N).size == arch.size - (V - T * N) * 20
    assert sparse_gradient(arch, config_of(optimizer="sgd"), T, N)
    assert sparse_gradient(arch, config_of(optimizer="adam"), T, N) is None
    assert sparse_gradient(arch, config_of(optimizer="rmsprop"), T, N) is None
    assert sparse_gradient(arch, config_of(weight_decay=0.01), T, N) is None
    assert sparse_gradient(arch, config_of(), 10, N) is None  # half of the symbols fit a window
