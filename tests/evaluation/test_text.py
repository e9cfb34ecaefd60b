"""Scores: those of one stream read step by step, whatever the blocks."""

import math
import tracemalloc

import numpy as np
import pytest
from small import CELLS, PARAGRAPH, network, surprisals, trained

from charrnn.evaluation.score import Evaluation, regroup, score
from charrnn.evaluation.streams import MIN_BATCH, WARM_UP, Streams
from charrnn.evaluation.text import ROWS, TextScorer, char_scores, evaluate
from charrnn.nn.functional import softmax
from charrnn.nn.network import Architecture, Network
from charrnn.nn.params import Params

RNG = np.random.default_rng(5)


def quick(cell, dtype=np.float64, V=11):
    """A network that forgets within a few dozen steps."""
    return network(cell, V=V, spread=0.3, dtype=dtype)


def nats(net, blocks, start, block_size=ROWS):
    """Surprisal of each symbol."""
    scores = char_scores(net, blocks, start, block_size=block_size)
    return np.concatenate([some.nats for some in scores])


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 127, 128, 1023, 2048, 2049, 5000])
@pytest.mark.parametrize("cell", CELLS)
def test_the_score_is_that_of_one_stream(cell, length):
    net, ids = quick(cell), RNG.integers(0, 11, length)
    found = nats(net, [ids], 4)
    np.testing.assert_allclose(found, surprisals(net, ids, 4), rtol=0, atol=1e-10)
    evaluation = evaluate(net, ids, 4)
    assert evaluation.characters == length
    assert evaluation.nats == pytest.approx(found.sum(), rel=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_single_precision_is_close(cell):
    net, ids = quick(cell, np.float32), RNG.integers(0, 11, 3000)
    expected = surprisals(net, ids, 4).mean()
    assert evaluate(net, ids, 4).nats_per_char == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_trained_model_scores_as_one_stream(cell):
    quick = {"hidden_size": 24, "steps": 250, "learning_rate": 0.1, "eval_every": 250}
    trainer = trained(PARAGRAPH * 4, cell=cell, ngram_order=0, **quick)
    net, vocab = trainer.network, trainer.vocab
    lines = PARAGRAPH.splitlines(keepends=True)
    ids = vocab.encode("".join(RNG.choice(lines, 60)))
    assert len(ids) > 4 * 8 * WARM_UP  # several streams
    expected = surprisals(net, ids, vocab.start).mean()
    assert expected < 2.5  # it has learned something that could be scored wrongly
    assert evaluate(net, ids, vocab.start).nats_per_char == pytest.approx(expected, abs=3e-4)


def test_a_state_that_zeros_do_not_lead_to_is_found():
    """A unit that only the start of the text sets: a stream that begins with zeros lacks it."""
    arch = Architecture("rnn", 3, 2)
    params = Params(arch.shapes(), np.float64)
    params["layers.0.W_h"][0, 0] = 3.0
    params["layers.0.W_x"][:, 0] = [5.0, -0.1, -0.1]  # symbol 0 is the start
    params["output.W"][0] = [0.0, 2.0, -2.0]
    net, ids = Network(arch, params), RNG.integers(1, 3, 4096)
    expected = surprisals(net, ids, 0)
    found = nats(net, [ids], 0)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("batches", [1, 3, 4])
@pytest.mark.parametrize("cell", CELLS)
def test_scores_do_not_depend_on_the_number_of_threads(cell, batches):
    N, net = batches * (MIN_BATCH + 7), network(cell, V=11, H=17, spread=0.3, dtype=np.float32)
    ids, typical = RNG.integers(0, 11, (3, N, 19)), net.arch.zero_state(1)
    streams = Streams(ids[0], ids[1], ids[2], typical, typical, batches)
    looks = np.empty((4, N, 19, 11), np.float32)

    def scored(threads):
        def look(probs, span):
            each = looks[threads - 1][span]
            each[:] = probs.reshape(each.shape[1], len(each), 11).swapaxes(0, 1)

        return streams.score(net, threads, look)

    wanted, end = scored(1)
    for threads in (2, 3, 4):
        nats, state = scored(threads)
        assert nats.tobytes() == wanted.tobytes()
        assert state.tobytes() == end.tobytes()
        assert looks[threads - 1].tobytes() == looks[0].tobytes()


@pytest.fixture(scope="module")
def whole():
    """A network, ids, the surprisal of each in one block, and their score."""
    net, ids = quick("gru", np.float32), np.random.default_rng(6).integers(0, 11, 6_000)
    found = nats(net, [ids], 3, 4096)
    np.testing.assert_allclose(found, surprisals(net, ids, 3), atol=2e-5)
    (evaluation,) = score([ids], [TextScorer(net, 3, 4096)])
    assert evaluation.nats == pytest.approx(found.sum(dtype=np.float64), rel=1e-9)
    return net, ids, found, evaluation


@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [
        *(([1, 300, 2, 0, 5000], dtype) for dtype in (np.uint8, np.uint16, np.int64)),
        *((sizes, np.uint8) for sizes in ([7], [999], [64 * 64], [10**6])),
    ],
)
def test_blocks_of_any_size_give_the_same_figures(sizes, dtype, whole):
    net, ids, expected, evaluation = whole
    ids = ids.astype(dtype)
    blocks = np.split(ids, np.cumsum(sizes * (1 + len(ids) // sum(sizes))))
    np.testing.assert_array_equal(nats(net, blocks, 3, 4096), expected)
    for block_size in (100, 4096, 10**6):
        assert score(blocks, [TextScorer(net, 3, 4096)], block_size) == [evaluation]
    assert score(blocks, [TextScorer(net, 3)]) == [evaluate(net, ids, 3)]


def test_regrouped_blocks_have_one_size_and_the_same_symbols():
    ids = np.arange(100, dtype=np.uint8)
    for sizes in ([100], [1, 0, 30, 69], [7] * 14 + [2], [48, 48, 4]):
        blocks = list(regroup(np.split(ids, np.cumsum(sizes)), 16))
        assert [len(block) for block in blocks] == [16] * 6 + [4]
        np.testing.assert_array_equal(np.concatenate(blocks), ids)
        assert {block.dtype for block in blocks} == {ids.dtype}
    assert list(regroup([], 16)) == list(regroup([ids[:0]], 16)) == []


def test_a_total_may_be_asked_for_twice():
    net, ids = quick("rnn"), RNG.integers(0, 11, 300)
    scorer = TextScorer(net, 0)
    scorer.read(ids)
    assert scorer.total() == scorer.total() == evaluate(net, ids, 0).nats


def test_the_first_symbol_follows_the_start():
    net = quick("lstm")
    for start in range(11):
        ws, state = net.workspace(1, 1), net.arch.zero_state(1, np.float64)
        probs = softmax(net.forward(ws, np.array([[start]]), state))[0]
        for symbol in range(11):
            evaluation = evaluate(net, np.array([symbol]), start)
            assert math.exp(-evaluation.nats) == pytest.approx(probs[symbol], rel=1e-12)


@pytest.mark.parametrize("k", [1, 3, 15, 40])
def test_of_equally_likely_symbols_the_first_is_named_first(k):
    net = network(V=40, spread=0.0, dtype=np.float32)
    net.params["output.b"][:] = bias = np.random.default_rng(5).permutation(
        np.repeat([0.0, 1.0, 2.0, 3.0], 10)
    )
    (scores,) = char_scores(net, [np.array([1, 2])], 0, k)
    likeliest = sorted(range(40), key=lambda symbol: (-bias[symbol], symbol))[:k]
    assert scores.likeliest.tolist() == [likeliest] * 2
    chances = np.exp(bias[likeliest]) / np.exp(bias).sum()
    np.testing.assert_allclose(scores.probs, [chances] * 2, rtol=1e-6)


def test_nothing_gives_nothing():
    empty = np.zeros(0, np.uint8)
    for blocks in ([], [empty]):
        assert list(char_scores(quick("rnn"), blocks, 0)) == []
    assert evaluate(quick("rnn"), empty, 0) == Evaluation(0.0, 0)


def test_units():
    evaluation = Evaluation(20 * math.log(8.0), 20)
    assert evaluation.nats_per_char == pytest.approx(math.log(8))
    assert evaluation.bits_per_char == pytest.approx(3)
    assert evaluation.perplexity == pytest.approx(8)
    assert math.isfinite(Evaluation(1e9, 1).perplexity)


def test_memory_is_that_of_one_block():
    net, block = quick("rnn", np.float32), RNG.integers(0, 11, 16384)

    def peak(blocks):
        tracemalloc.start()
        try:
            for _ in char_scores(net, (block for _ in range(blocks)), 0, block_size=16384):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(12) < 1.1 * peak(3)


def test_a_large_alphabet_takes_no_more_memory():
    net, ids = network(V=10_000, dtype=np.float32, spread=0.1), np.arange(10_000)
    tracemalloc.start()
    try:
        evaluate(net, ids, 0)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
