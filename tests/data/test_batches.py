"""Windows of truncated BPTT: of one text, against a loop that a reader can check; of records."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.data.batches import PADDING, RecordBatches, TextBatches, loss_weights
from charrnn.data.corpus import Corpus
from charrnn.errors import CorpusError
from charrnn.nn.network import Architecture, Network

# --- one text ----------------------------------------------------------------------------------


def naive_windows(text, N, T, offset):
    """Inputs and targets of every window of an epoch, as nested lists [window][t][n]."""
    windows = (len(text) - 1 - offset) // (N * T)
    return [
        [
            [(text[at := offset + n * windows * T + k * T + t], text[at + 1]) for n in range(N)]
            for t in range(T)
        ]
        for k in range(windows)
    ]


SIZES = st.tuples(st.integers(2, 120), st.integers(1, 9), st.integers(1, 12), st.data())


@given(SIZES)
def test_windows_are_those_of_the_loop(sizes):
    n, N, T, data = sizes
    batches = TextBatches(np.arange(n), N, T)
    offset = data.draw(st.integers(0, batches.offsets - 1))
    N, T = batches.batch_size, batches.seq_length
    ids, targets = np.empty((T, N), np.intp), np.empty((T, N), np.intp)
    expected = naive_windows(range(n), N, T, offset)
    assert batches.windows(offset) == len(expected) >= 1
    seen, last = [], []
    for k, window in enumerate(expected):
        batches.window(offset, k, ids, targets)
        assert [
            list(zip(*rows, strict=True))
            for rows in zip(ids.tolist(), targets.tolist(), strict=True)
        ] == window
        if k:  # each stream continues where it ended
            assert ids[0].tolist() == last
        assert batches.fresh(offset, k) == (k == 0)
        assert batches.characters(offset, k) == targets.size
        last = targets[-1].tolist()
        seen += targets.ravel().tolist()
    assert len(seen) == len(set(seen))  # nothing is predicted twice in an epoch
    left_over = n - 1 - len(seen)
    assert left_over < offset + N * T


@given(SIZES)
def test_every_offset_has_windows_and_every_character_is_predicted_in_some_epoch(sizes):
    n, N, T, _ = sizes
    batches = TextBatches(np.arange(n), N, T)
    N, T = batches.batch_size, batches.seq_length
    counts = [batches.windows(offset) for offset in range(batches.offsets)]
    assert min(counts) >= max(1, counts[0] - 1)
    # Windows can be cut at any step, unless there is text for only one window.
    assert batches.offsets >= min(T, n - N * T)
    reached = {
        target
        for offset in range(batches.offsets)
        for window in naive_windows(range(n), N, T, offset)
        for row in window
        for _, target in row
    }
    assert reached == set(range(1, n))


@pytest.mark.parametrize(
    ("n", "wanted", "got"),
    [
        (2, (32, 64), (1, 1)),
        (50, (32, 64), (1, 49)),
        (65, (32, 64), (1, 64)),
        (129, (32, 64), (2, 64)),
        (10_000, (32, 64), (32, 64)),
        (32 * 64 + 1, (32, 64), (32, 64)),
        (32 * 64, (32, 64), (31, 64)),
    ],
)
def test_a_short_text_shrinks_the_batch_and_then_the_window(n, wanted, got):
    batches = TextBatches(np.zeros(n, np.uint8), *wanted)
    assert (batches.batch_size, batches.seq_length) == got


# --- records -----------------------------------------------------------------------------------

NAMES = "anna\nbo\n\ncecilia\nda\nemmeline\nfay\ngeorgina\nhal\nida\njo\nkatharina\nlea\n"


def record_corpus(text):
    return Corpus.of_text(text, DataConfig(records="line", val_fraction=0.0))


def records_of_epoch(batches, offset):
    """Every record of an epoch, put together from its windows as the network sees it."""
    T, N = batches.seq_length, batches.batch_size
    ids, targets = np.empty((T, N), np.intp), np.empty((T, N), np.intp)
    records, current = [], []
    for k in range(batches.windows(offset)):
        batches.window(offset, k, ids, targets)
        assert batches.characters(offset, k) == np.count_nonzero(targets != PADDING) > 0
        if batches.fresh(offset, k):
            assert (ids[0] == batches.newline).all()
            records += current
            current = [[] for _ in range(N)]
        for n, record in enumerate(current):
            for x, y in zip(ids[:, n].tolist(), targets[:, n].tolist(), strict=True):
                if y != PADDING:
                    assert x == (record[-1] if record else batches.newline)
                    record.append(y)
    return [record for record in records + current if record]


@pytest.mark.parametrize("text", [NAMES, NAMES[:-1], "\n\n" + NAMES])
@pytest.mark.parametrize(("batch_size", "seq_length"), [(3, 4), (5, 64), (100, 1), (1, 9)])
def test_an_epoch_has_every_record_once_with_its_newline(text, batch_size, seq_length):
    corpus = record_corpus(text)
    batches = RecordBatches(corpus.train, corpus.vocab.start, batch_size, seq_length)
    wanted = sorted(line + "\n" for line in NAMES.split("\n") if line)
    for offset in (0, 7):
        found = [corpus.vocab.decode(np.array(r)) for r in records_of_epoch(batches, offset)]
        assert sorted(found) == wanted
    assert records_of_epoch(batches, 0) == records_of_epoch(batches, 0)
    if batch_size < 12:
        assert records_of_epoch(batches, 0) != records_of_epoch(batches, 7)


def test_records_of_similar_length_share_a_batch():
    rng = np.random.default_rng(0)
    text = "".join("x" * n + "\n" for n in rng.integers(1, 30, 4000).tolist())
    corpus = record_corpus(text)
    batches = RecordBatches(corpus.train, corpus.vocab.start, 32, 64)
    ids, targets = np.empty((2, batches.seq_length, 32), np.intp)
    computed = 0
    for k in range(batches.windows(5)):
        batches.window(5, k, ids, targets)
        computed += loss_weights(targets, True)[0] * 32
    assert computed < 1.05 * len(text)  # only shuffled, it would be 1.9 times as much


def test_no_record_at_all_is_an_error():
    corpus = Corpus.of_text("\n\nab", DataConfig(records="line", val_split="end", val_fraction=0.3))
    with pytest.raises(CorpusError, match="all records to train on are empty; give a text of"):
        RecordBatches(corpus.train, corpus.vocab.start, 2, 4)


# --- the weight of each target in the loss -----------------------------------------------------


def test_loss_weights():
    targets = np.array([[1, 0], [2, PADDING], [PADDING, PADDING]])
    steps, count, weight = loss_weights(targets, mean=True)
    assert (steps, count) == (2, 3)
    assert np.allclose(weight, [[1 / 3, 1 / 3], [1 / 3, 0]])
    assert loss_weights(targets[:1], mean=True) == (1, 2, 0.5)
    assert loss_weights(targets[:1], mean=False) == (1, 2, 1.0)


def test_padding_has_no_gradient():
    arch = Architecture("gru", 5, 4, 2)
    network = Network(arch, arch.initial(np.random.default_rng(0), dtype=np.float64))
    ids, targets = np.zeros((2, 6, 2), np.intp)
    targets[:] = [[1, 2], [3, 4], [4, 0], [0, -1], [1, -1], [-1, -1]]
    grads = [network.params.like() for _ in range(3)]
    steps, _, weight = loss_weights(targets, mean=False)
    ws, state = network.workspace(6, 2, training=True), arch.zero_state(2, np.float64)
    network.loss_and_gradients(ws, ids[:steps], targets[:steps], state, grads[0], weight)
    for n, length in enumerate((5, 3)):
        ws, state = network.workspace(6, 1, training=True), arch.zero_state(1, np.float64)
        x, y = ids[:length, n : n + 1].copy(), targets[:length, n : n + 1].copy()
        network.loss_and_gradients(ws, x, y, state, grads[1 + n], 1.0)
    assert grads[0].flat == pytest.approx(grads[1].flat + grads[2].flat, rel=1e-9, abs=1e-12)
