"""Scores of records and of characters, against a step-by-step computation in float64."""

import tracemalloc

import numpy as np
import pytest
from small import surprisals, target_nats

from charrnn.config.schema import Config, ModelConfig
from charrnn.data.vocab import Vocab
from charrnn.errors import VocabError
from charrnn.evaluation.records import LONG, RecordScorer
from charrnn.evaluation.score import Evaluation
from charrnn.evaluation.text import char_scores, evaluate
from charrnn.model import CharRNN
from charrnn.nn.inference import InferencePass
from charrnn.nn.network import Architecture, Network
from charrnn.nn.params import Params

CELLS = ("rnn", "lstm", "gru")


def network(seed: int, V: int = 11, cell: str = "lstm", H: int = 9, layers: int = 2) -> Network:
    arch = Architecture(cell, V, H, layers)
    rng = np.random.default_rng(seed)
    params = arch.initial(rng)
    params.flat += rng.normal(0, 0.5, params.flat.shape).astype(np.float32)
    return Network(arch, params)


def naive(net: Network, line: np.ndarray, start: int) -> float:
    """One step at a time, one line at a time, in float64, with a plain log-softmax."""
    flat = net.params.flat.astype(np.float64)
    exact = Network(net.arch, Params(net.params.shapes, np.float64, flat))
    ws, state = exact.workspace(1, 1), exact.arch.zero_state(1, np.float64)
    before, nats = start, 0.0
    for symbol in line.tolist():
        logits = exact.forward(ws, np.array([[before]]), state)[0]
        nats += float(np.log(np.sum(np.exp(logits - logits.max()))) + logits.max() - logits[symbol])
        before = symbol
    return nats


def lines_of(seed: int, lengths: list[int], V: int = 11) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, V, n) for n in lengths]


@pytest.mark.parametrize("seed", range(10))
def test_the_sum_over_lines_is_that_of_a_naive_computation(seed: int) -> None:
    net = network(seed, cell=CELLS[seed % 3], layers=1 + seed % 2)
    rng = np.random.default_rng(seed)
    lines = lines_of(seed, rng.integers(0, 40, 25).tolist())
    scores = list(RecordScorer(net, 3).score(lines))
    wanted = [naive(net, line, 3) for line in lines]
    assert sum(s.nats for s in scores) == pytest.approx(sum(wanted), rel=1e-4)
    assert [s.nats for s in scores] == pytest.approx(wanted, rel=1e-4, abs=1e-4)
    assert [s.characters for s in scores] == [len(line) for line in lines]


def test_many_batches_and_windows_keep_the_order() -> None:
    net = network(1)

    def score(threads: int) -> list[Evaluation]:
        scorer = RecordScorer(
            net, 0, threads=threads, batch_size=4, steps=5, window_lines=10, part=3
        )
        return list(scorer.score(iter(lines)))

    lines = lines_of(2, [3, 0, 17, 5, 5, 1, 64, 2, 0, 0, 9, 30, 4])
    wanted = [naive(net, line, 0) for line in lines]
    assert [s.nats for s in score(threads=1)] == pytest.approx(wanted, rel=1e-4)
    assert score(threads=3) == score(threads=1)


def test_lines_that_begin_alike_share_what_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network(9)
    rng = np.random.default_rng(10)
    stem = rng.integers(0, 11, 13)
    lines = [np.append(stem[:n], rng.integers(0, 2, k)) for n in range(14) for k in (0, 1, 2, 6)]
    lines += [np.append(line, np.zeros(n, int)) for n, line in enumerate(lines[:9])]  # as padding
    order = [*rng.permutation(len(lines)).tolist(), 3, 3, 3]
    lines = [lines[i] for i in order]
    computed = 0
    forward = InferencePass.forward

    def counting(self: InferencePass, ids: np.ndarray, state: np.ndarray) -> np.ndarray:
        nonlocal computed
        computed += ids.size
        return forward(self, ids, state)

    monkeypatch.setattr(InferencePass, "forward", counting)
    scores = [s.nats for s in RecordScorer(net, 3).score(lines)]
    monkeypatch.undo()
    assert scores == pytest.approx([naive(net, line, 3) for line in lines], rel=1e-4)
    # What has to be: a step for each different beginning that a symbol follows.
    least = len({tuple(line[:n]) for line in lines for n in range(len(line))})
    assert least <= computed < 0.75 * sum(map(len, lines))


def test_one_very_long_line_among_short_ones_is_split() -> None:
    net = network(3, H=4, layers=1)
    lines = lines_of(4, [2, 3000, 7])
    scores = list(RecordScorer(net, 0).score(lines))
    assert scores[1].nats == pytest.approx(naive(net, lines[1], 0), rel=1e-4)
    assert scores[1].nats == pytest.approx(evaluate(net, lines[1], 0).nats, rel=1e-2)


def test_the_rest_of_a_line_that_is_far_longer_is_cut_into_streams(monkeypatch) -> None:
    net = network(4, H=4, layers=1)
    lines = lines_of(4, [2, LONG + 3000, 0, 40, LONG + 5000])
    lines[1][:5], lines[4][:5] = 1, 1  # they share a stream at first
    wanted = [surprisals(net, line, 0).sum() if len(line) else 0.0 for line in lines]
    steps = 0
    forward = InferencePass.forward

    def counting(self: InferencePass, ids: np.ndarray, state: np.ndarray) -> np.ndarray:
        nonlocal steps
        steps += len(ids)
        return forward(self, ids, state)

    monkeypatch.setattr(InferencePass, "forward", counting)
    scores = list(RecordScorer(net, 0).score(lines))
    assert steps < 100
    assert [s.nats for s in scores] == pytest.approx(wanted, rel=2e-3)
    each = list(RecordScorer(net, 0).surprisals(lines))
    assert [len(nats) for nats in each] == [len(line) for line in lines]
    assert [nats.sum() for nats in each] == pytest.approx(wanted, rel=2e-3)
    assert each[1] == pytest.approx(surprisals(net, lines[1], 0), abs=0.05)


def test_unknown_symbols_are_charged_and_not_read() -> None:
    net = network(5)
    lines = [np.array(line) for line in ([-1, 3, -1, 4], [], [-1], [5, 6], [3, 4])]
    known = [naive(net, line[line >= 0], 0) for line in lines]
    for end in (None, 10):
        extra = [0.0] * 5
        if end is not None:
            tails = [np.append(line[line >= 0], end).astype(int) for line in lines]
            extra = [naive(net, tail, 0) - k for tail, k in zip(tails, known, strict=True)]
            extra[1] = extra[2] = 0.0  # nothing known, so no record that ends
        scored = list(RecordScorer(net, 0, end, unknown_nats=7.5).score(lines))
        wanted = [k + e + 7.5 * n for k, e, n in zip(known, extra, (2, 0, 1, 0, 0), strict=True)]
        assert [s.nats for s in scored] == pytest.approx(wanted, rel=1e-4, abs=1e-6)
        counts = [4, 0, 1, 2, 2] if end is None else [5, 0, 1, 3, 3]
        assert [s.characters for s in scored] == counts
        left_out = list(RecordScorer(net, 0, end).score(lines))
        counts = [2, 0, 0, 2, 2] if end is None else [3, 0, 0, 3, 3]
        assert [s.characters for s in left_out] == counts
        assert [s.unknown for s in scored] == [s.unknown for s in left_out] == [2, 0, 1, 0, 0]
        each = list(RecordScorer(net, 0, end, unknown_nats=7.5).surprisals(lines))
        assert [nats.sum() for nats in each] == pytest.approx(wanted, rel=1e-4, abs=1e-6)
        assert [len(nats) for nats in each] == [s.characters for s in scored]
        assert each[0][[0, 2]].tolist() == [7.5, 7.5]
        assert np.isnan(next(RecordScorer(net, 0, end).surprisals(lines))[[0, 2]]).all()


def test_the_newline_counts_where_it_is_asked_for() -> None:
    net = network(5)
    lines = lines_of(6, [4, 0, 12])
    scores = list(RecordScorer(net, 0, end=10).score(lines))
    wanted = [naive(net, np.append(line, 10), 0) if len(line) else 0.0 for line in lines]
    assert [s.nats for s in scores] == pytest.approx(wanted, rel=1e-4)
    assert [s.characters for s in scores] == [5, 0, 13]


def test_no_lines_and_empty_lines() -> None:
    net = network(7)
    assert list(RecordScorer(net, 0).score([])) == []
    assert list(RecordScorer(net, 0).score(lines_of(0, [0, 0]))) == [Evaluation(0.0, 0)] * 2
    assert Evaluation(0.0, 0).bits_per_char == 0.0


def test_memory_does_not_grow_with_the_number_of_lines() -> None:
    net = network(8, H=4, layers=1)

    def peak(count: int) -> int:
        tracemalloc.start()
        scorer = RecordScorer(net, 0, window_lines=1_000)
        for _ in scorer.score(np.arange(8) for _ in range(count)):
            pass
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(7_500) < 1.2 * peak(3_000)


def test_a_model_scores_lines_of_text() -> None:
    vocab = Vocab("char", map(ord, "\nabcé"))
    config = Config(ModelConfig(hidden_size=16, dropout=0.0))
    arch = Architecture("lstm", len(vocab), 16)
    model = CharRNN(config, vocab, arch.initial(np.random.default_rng(0)))
    a, b, c = model.score_lines(["abc", "éx", ""], "skip")
    assert a.nats == pytest.approx(model.evaluate("abc").nats, rel=1e-4)
    assert (b.characters, c.characters) == (1, 0)
    assert next(model.score_lines(["ab"], end=True)).characters == 3
    with pytest.raises(VocabError, match="unknown character 'x'"):
        list(model.score_lines(["abc", "x"]))


def test_characters_are_scored_with_what_was_likeliest() -> None:
    net = network(9)
    ids = lines_of(10, [300])[0]
    scores = list(char_scores(net, [ids[:7], ids[7:7], ids[7:]], 0))
    assert np.array_equal(np.concatenate([s.ids for s in scores]), ids)
    nats = np.concatenate([s.nats for s in scores])
    assert nats == pytest.approx(surprisals(net, ids, 0), abs=1e-2)  # see below
    ws, state, before = net.workspace(1, 1), net.arch.zero_state(1), 0
    likeliest = np.concatenate([s.likeliest for s in scores])
    probs = np.concatenate([s.probs for s in scores])
    assert likeliest.shape == probs.shape == (300, 3)
    for i, symbol in enumerate(ids.tolist()):
        target_nats(net, ws, np.array([[before]]), np.array([[symbol]]), state)
        p = ws.logits[0]
        # The second stream of two starts from a state that is only nearly the same.
        assert probs[i] == pytest.approx(np.sort(p)[::-1][:3], abs=2e-3)
        assert p[likeliest[i]] == pytest.approx(probs[i], abs=2e-3)
        before = symbol


@pytest.mark.parametrize("cut", [1, 3, 7, 40])
def test_unknown_characters_are_where_they_were(cut: int) -> None:
    net = network(14)
    ids = np.array([-1, -1, 3, 4, -1, 5, 6, 7, 8, 9, -1, 1, 2, -1, -1])
    blocks = [ids[at : at + cut] for at in range(0, len(ids), cut)]
    known = list(char_scores(net, [ids[ids >= 0]], 0, block_size=4))
    for cost, wanted in ((None, ids[ids >= 0]), (9.0, ids)):
        scores = list(char_scores(net, blocks, 0, block_size=4, unknown_nats=cost))
        assert np.concatenate([s.ids for s in scores]).tolist() == wanted.tolist()
        nats = np.concatenate([s.nats for s in scores])
        assert nats[wanted < 0].tolist() == [9.0] * int((wanted < 0).sum())
        assert np.array_equal(nats[wanted >= 0], np.concatenate([s.nats for s in known]))
        likeliest = np.concatenate([s.likeliest for s in scores])
        assert (likeliest[wanted < 0] == -1).all()
        assert np.array_equal(likeliest[wanted >= 0], np.concatenate([s.likeliest for s in known]))
    (only,) = char_scores(net, [np.array([-1, -1])], 0, unknown_nats=9.0)
    assert (only.ids.tolist(), only.nats.tolist()) == ([-1, -1], [9.0, 9.0])
    assert list(char_scores(net, [np.array([-1, -1])], 0)) == []


def test_a_small_alphabet_has_fewer_alternatives_and_bits_are_log2() -> None:
    net = network(11, V=2)
    (scores,) = char_scores(net, [np.array([0, 1, 1])], 0)
    assert scores.likeliest.shape == (3, 2)
    assert scores.probs.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    own = scores.probs[scores.likeliest == scores.ids[:, None]]
    assert scores.bits == pytest.approx(-np.log2(own), rel=1e-5)


def test_blocks_of_characters_continue_where_the_last_one_ended() -> None:
    net = network(12)
    ids = lines_of(13, [100])[0]
    scores = list(char_scores(net, [ids], 0, block_size=32))
    assert [len(s.ids) for s in scores] == [32, 32, 32, 4]
    assert sum(float(s.nats.sum()) for s in scores) == pytest.approx(naive(net, ids, 0), rel=1e-4)
    assert list(char_scores(net, [], 0)) == []
