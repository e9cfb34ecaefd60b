"""Dynamic evaluation against a plain transcription of its equations; what it is for."""

import tracemalloc

import numpy as np
import pytest
from small import trained

from charrnn.checkpoint import Checkpoint
from charrnn.data.batches import TextBatches
from charrnn.evaluation.baselines import NGramScorer
from charrnn.evaluation.dynamic import (
    SEGMENT,
    Adaptation,
    DynamicScorer,
    mean_squared_gradients,
)
from charrnn.evaluation.score import Evaluation, score
from charrnn.evaluation.text import TextScorer, evaluate
from charrnn.ngram import ngrams
from charrnn.nn.network import Architecture, Network
from charrnn.nn.params import Params
from charrnn.threads import blas_settings, blas_threads


def network(dtype: type = np.float64) -> Network:
    arch = Architecture("lstm", 6, 5, 2)
    return Network(arch, arch.initial(np.random.default_rng(0), dtype=dtype))


def dynamic_evaluate(
    net: Network,
    ids: np.ndarray,
    start: int,
    squares: np.ndarray,
    adaptation: Adaptation | None = None,
    segment: int = SEGMENT,
) -> list[Evaluation]:
    adapting = DynamicScorer(net, start, squares, adaptation, segment)
    return score([ids], [TextScorer(net, start), adapting])


IDS = np.random.default_rng(1).integers(0, 6, 70)


def test_it_is_the_update_of_the_paper() -> None:
    net, how = network(), Adaptation(rate=0.01, decay=0.7, epsilon=0.25)
    squares = mean_squared_gradients(net, IDS)
    rms = np.sqrt(squares)
    theta0 = net.params.flat.copy()
    theta = theta0.copy()
    state, nats, before = net.arch.zero_state(1, np.float64), 0.0, 2
    for at in range(0, 70, 16):
        part = IDS[at : at + 16]
        now = Network(net.arch, Params(net.params.shapes, np.float64, theta.copy()))
        ws, grads = now.workspace(16, 1, training=True), now.params.like()
        x = np.append(before, part[:-1])[:, None]
        loss = now.loss_and_gradients(ws, x, part[:, None], state, grads, 1 / len(part))
        nats += loss * len(part)
        for i, g in enumerate(grads.flat):  # one weight at a time
            pull = min(how.decay * rms[i] / rms.mean(), 1.0)
            theta[i] += pull * (theta0[i] - theta[i]) - how.rate * g / (
                rms[i] + how.epsilon * rms.mean()
            )
        before = int(part[-1])
    static, dynamic = dynamic_evaluate(net, IDS, 2, squares, how, segment=16)
    assert dynamic.nats == pytest.approx(nats, rel=1e-9)
    assert static == evaluate(net, IDS, 2)
    assert static.characters == dynamic.characters == 70
    assert abs(static.nats - dynamic.nats) > 1e-3
    assert np.array_equal(net.params.flat, theta0)


def test_without_steps_it_is_the_static_score() -> None:
    net = network()
    squares = np.ones_like(net.params.flat)
    static, dynamic = dynamic_evaluate(net, IDS, 0, squares, Adaptation(rate=0.0))
    assert dynamic.nats == pytest.approx(static.nats, rel=1e-9)


def test_squares_are_those_of_the_windows() -> None:
    net = network()
    streams = TextBatches(IDS, 16, 64)
    found = mean_squared_gradients(net, IDS)
    assert found.shape == net.params.flat.shape
    ws = net.workspace(streams.seq_length, streams.batch_size, training=True)
    x, y = np.empty((2, streams.seq_length, streams.batch_size), np.intp)
    streams.window(0, 0, x, y)
    grads, state = net.params.like(), net.arch.zero_state(streams.batch_size, np.float64)
    net.loss_and_gradients(ws, x, y, state, grads, 1 / x.size)
    assert found == pytest.approx(grads.flat**2)


def test_a_text_that_repeats_itself_is_learned_on_the_way() -> None:
    net = network(np.float32)
    squares = mean_squared_gradients(net, IDS)
    text = np.tile([0, 1, 2, 3, 4, 5, 5, 3], 150)
    static, dynamic = dynamic_evaluate(net, text, 0, squares, Adaptation(0.005), segment=16)
    assert dynamic.nats_per_char < static.nats_per_char - 0.3


def test_a_text_may_come_in_parts() -> None:
    net, squares = network(), np.ones(len(network().params.flat))
    scorer = DynamicScorer(net, 0, squares, Adaptation(0.01), segment=8)
    for part in (IDS[:32], IDS[32:40], IDS[40:]):
        scorer.read(part.astype(np.uint8))
    _, dynamic = dynamic_evaluate(net, IDS, 0, squares, Adaptation(0.01), segment=8)
    assert scorer.total() == dynamic.nats


def test_all_scorers_of_a_text_hold_one_block_of_it() -> None:
    net, squares = network(np.float32), np.ones(len(network().params.flat), np.float32)
    block, model = np.random.default_rng(2).integers(0, 6, 1024), ngrams(IDS, 6)[-1]

    def peak(blocks: int) -> int:
        network_scorer = TextScorer(net, 0, block_size=1024)
        scorers = [network_scorer, DynamicScorer(net, 0, squares), NGramScorer(model)]
        tracemalloc.start()
        try:
            found = score((block for _ in range(blocks)), scorers, block_size=1024)
            assert [e.characters for e in found] == [1024 * blocks] * 3
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8) < 1.1 * peak(2)


def test_it_keeps_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    if blas_threads() is None:
        pytest.skip("this BLAS's threads cannot be set")
    seen = []  # what BLAS was told, as seen from within
    real = Network.loss_and_gradients

    def watched(*args):
        seen.append(blas_threads())
        return real(*args)

    monkeypatch.setattr(Network, "loss_and_gradients", watched)
    net = network()
    with blas_settings(2):
        dynamic_evaluate(net, IDS, 0, mean_squared_gradients(net, IDS))
        assert set(seen) == {1}
        assert blas_threads() == 2


def test_gradients_that_are_all_zero_change_nothing_for_the_worse() -> None:
    net = network(np.float32)
    squares = np.zeros_like(net.params.flat)
    _, dynamic = dynamic_evaluate(net, IDS, 0, squares, Adaptation(rate=1e-4))
    assert np.isfinite(dynamic.nats)


def test_an_empty_text_scores_nothing() -> None:
    net = network()
    ones = np.ones_like(net.params.flat)
    static, dynamic = dynamic_evaluate(net, IDS[:0], 0, ones)
    assert (static.characters, dynamic.characters) == (0, 0)


@pytest.mark.parametrize("optimizer", ["adagrad", "rmsprop", "adam", "sgd"])
def test_the_optimisers_squares_are_kept_with_the_run(optimizer: str, tmp_path) -> None:
    changes = {"dropout": 0.0, "val_fraction": 0.0, "ngram_order": 0}
    run = trained(optimizer=optimizer, learning_rate=0.01, **changes)
    run.checkpoint().save(tmp_path / "m.npz")
    squares = Checkpoint.load(tmp_path / "m.npz", training=True).squares()
    assert Checkpoint.load(tmp_path / "m.npz").squares() is None
    if optimizer == "sgd":
        assert squares is None
        return
    assert squares is not None
    # Of another stage and another batch than those at the end, but of the same weights.
    now = mean_squared_gradients(run.network, run.corpus.train)
    assert np.corrcoef(np.sqrt(squares), np.sqrt(now))[0, 1] > 0.5
    static, dynamic = run.model.dynamic_evaluate("\ufeff" + "The ox said so. " * 20, squares)
    assert dynamic.nats < static.nats
    assert static == run.model.evaluate("The ox said so. " * 20)
