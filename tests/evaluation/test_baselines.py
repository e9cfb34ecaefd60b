"""The n-gram model against its equations, written out with dicts; compressors."""

import lzma
import math
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from charrnn.data.vocab import Vocab
from charrnn.evaluation.baselines import (
    Baselines,
    CompressorScorer,
    NGramScorer,
    compressed_size,
)
from charrnn.evaluation.score import score
from charrnn.ngram import NGram, ngrams

TEXT = "the ox and the axe stood on the box; the fox sat on the ox. " * 3 + "so the end came then"


def encode(text: str) -> tuple[np.ndarray, int]:
    symbols = sorted(set(TEXT + "zq"))
    return np.array([symbols.index(c) for c in text]), len(symbols)


def probabilities(model: NGram, ids: np.ndarray) -> np.ndarray:
    """Of each symbol of a text that follows nothing."""
    return model.read(ids, model.context())[0]


def discounts(counts: Counter) -> list[float]:
    n = [sum(1 for c in counts.values() if c == k) for k in range(1, 5)]
    if not all(n):
        return [0.0, 0.5, 0.75, 1.0]
    y = n[0] / (n[0] + 2 * n[1])
    return [0.0, *(max(c - (c + 1) * y * n[c] / n[c - 1], 0.1) for c in (1, 2, 3))]


def kneser_ney(train: list[int], V: int, order: int, history: tuple[int, ...], w: int) -> float:
    """The equations of the module, one n-gram at a time."""
    p = 1.0 / V
    for n in range(1, order + 1):
        grams = [tuple(train[i : i + n]) for i in range(len(train) - n + 1)]
        counts = Counter(grams)
        if n < order:
            longer = {tuple(train[i : i + n + 1]) for i in range(len(train) - n)}
            counts = Counter(gram[1:] for gram in longer)
        if len(history) < n - 1:
            break
        h = history[len(history) - n + 1 :]
        following = {g: c for g, c in counts.items() if g[:-1] == h}
        if not following:
            break
        D = discounts(counts)
        own = following.get((*h, w), 0)
        left = sum(D[min(c, 3)] for c in following.values())
        p = (own - D[min(own, 3)] + left * p) / sum(following.values())
    return p


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_it_is_kneser_ney(order: int) -> None:
    train, V = encode(TEXT)
    for new in ("the fox then", "quite a box", "zz", "o"):
        ids, _ = encode(new.replace("u", "o").replace("i", "e"))
        p = probabilities(ngrams(train, V, order)[-1], ids)
        wanted = [
            kneser_ney(train.tolist(), V, order, tuple(ids[max(0, i - order + 1) : i].tolist()), w)
            for i, w in enumerate(ids.tolist())
        ]
        assert p == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("history", ["", "t", "the o", "came then", "zzz", "en"])
def test_probabilities_sum_to_one(history: str) -> None:
    train, V = encode(TEXT)
    for order in (1, 3, 6):
        model = ngrams(train, V, order)[-1]
        before, _ = encode(history)
        p = [float(probabilities(model, np.append(before, w).astype(int))[-1]) for w in range(V)]
        assert sum(p) == pytest.approx(1.0, abs=1e-9)
        assert min(p) > 0.0


@pytest.mark.parametrize("order", [1, 2, 6])
def test_blocks_do_not_matter(order: int) -> None:
    train, V = encode(TEXT)
    text, _ = encode("and then the box stood on the axe")
    model = ngrams(train, V, order)[-1]
    (whole,) = score([text], [NGramScorer(model)])
    assert whole.nats == pytest.approx(-np.log(probabilities(model, text)).sum())
    assert whole.characters == len(text)
    (pieces,) = score([text[:9], text[9:]], [NGramScorer(model)], block_size=4)
    assert pieces.nats == pytest.approx(whole.nats)


@pytest.mark.parametrize("train", [[], [0], [0, 0], [0, 1], list(range(9)) * 2])
def test_hardly_any_text(train: list[int]) -> None:
    for order in (1, 6):
        model = ngrams(np.array(train, np.uint8), 300, order)[-1]
        p = probabilities(model, np.array([0, 1, 299], np.uint16))
        assert np.all(p > 0.0)
        assert np.all(p <= 1.0)


def test_large_alphabets_do_not_overflow() -> None:
    V = 0x110000
    ids = np.random.default_rng(0).integers(0, V, 3000)
    text = np.tile(ids, 3)
    (found,) = score([ids], [NGramScorer(ngrams(text, V)[-1])])
    assert found.bits_per_char < 3.0  # it has read that very text


def test_more_history_helps_until_there_is_too_little_text() -> None:
    ids = np.frombuffer(Path(__file__).read_bytes(), np.uint8)
    train, new = ids[:4000], ids[4000:]
    baselines = Baselines(train, Vocab("byte"))
    scorers = baselines.scorers()
    scores = score([new[:999], new[999:]], list(scorers.values()))
    figures = {name: s.bits_per_char for name, s in zip(scorers, scores, strict=True)}
    assert list(figures) == ["unigram", *(f"{n}-gram" for n in range(2, 7)), "gzip", "xz"]
    assert tuple(figures) == baselines.names
    assert figures["unigram"] > figures["2-gram"] > figures["4-gram"]
    assert 0 < figures["gzip"] < 8.0
    again = score([new], list(baselines.scorers().values()))  # new ones, for another text
    assert [s.nats for s in again] == pytest.approx([s.nats for s in scores])
    for text in (new, new.tobytes()):
        evaluated = baselines.evaluate(text)
        assert tuple(evaluated) == baselines.names
        assert [s.nats for s in evaluated.values()] == pytest.approx([s.nats for s in scores])


def test_compressors_are_the_programs() -> None:
    known, new = b"a rose is a rose is a rose. " * 40, b"a violet is a rose is a violet. " * 9
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
    programs = {
        # A gzip file without its 18 bytes of frame, or a zlib one without its 6.
        "gzip": lambda data: zlib.compress(data, 9)[2:-4],
        "xz": lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=filters),
    }
    for name, compress in programs.items():
        alone = compressed_size(name, known)
        assert alone == len(compress(known))
        scorer = CompressorScorer(name, known, alone, bytes)
        (found,) = score([np.frombuffer(new, np.uint8)], [scorer])
        bits = 8 * (len(compress(known + new)) - alone)
        assert found.bits_per_char == pytest.approx(bits / len(new))


def test_only_the_end_of_a_large_corpus_is_read() -> None:
    model = ngrams(np.array([0] * 50 + [1] * 6), 2, 1, limit=6)[-1]
    zero, one = (float(probabilities(model, np.array([i]))[0]) for i in (0, 1))
    assert zero < 0.2 < 0.8 < one
    assert math.isclose(zero + one, 1.0)
