"""The n-gram model against its equations, written out with dicts; compressors."""

import lzma
import math
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import charrnn.baselines as module
from charrnn.baselines import NGram, baselines, compressed_bits

TEXT = "the ox and the axe stood on the box; the fox sat on the ox. " * 3 + "so the end came then"


def encode(text: str) -> tuple[np.ndarray, int]:
    symbols = sorted(set(TEXT + "zq"))
    return np.array([symbols.index(c) for c in text]), len(symbols)


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
        p = NGram(train, V, order).probabilities(ids)
        wanted = [
            kneser_ney(train.tolist(), V, order, tuple(ids[max(0, i - order + 1) : i].tolist()), w)
            for i, w in enumerate(ids.tolist())
        ]
        assert p == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("history", ["", "t", "the o", "came then", "zzz", "en"])
def test_probabilities_sum_to_one(history: str) -> None:
    train, V = encode(TEXT)
    for order in (1, 3, 6):
        model = NGram(train, V, order)
        before, _ = encode(history)
        p = [float(model.probabilities(np.append(before, w).astype(int))[-1]) for w in range(V)]
        assert sum(p) == pytest.approx(1.0, abs=1e-9)
        assert min(p) > 0.0


def test_blocks_do_not_matter() -> None:
    train, V = encode(TEXT)
    text, _ = encode("and then the box stood on the axe")
    model = NGram(train, V)
    assert model.evaluate(text, block=4).nats == pytest.approx(model.evaluate(text).nats)
    assert model.evaluate(text).characters == len(text)


@pytest.mark.parametrize("train", [[], [0], [0, 0], [0, 1], list(range(9)) * 2])
def test_hardly_any_text(train: list[int]) -> None:
    for order in (1, 6):
        model = NGram(np.array(train, np.uint8), 300, order)
        p = model.probabilities(np.array([0, 1, 299], np.uint16))
        assert np.all(p > 0.0)
        assert np.all(p <= 1.0)


def test_large_alphabets_do_not_overflow() -> None:
    V = 0x110000
    ids = np.random.default_rng(0).integers(0, V, 3000)
    text = np.tile(ids, 3)
    bits = NGram(text, V).evaluate(ids).bits_per_char
    assert bits < 3.0  # it has read that very text


def test_more_history_helps_until_there_is_too_little_text() -> None:
    ids = np.frombuffer(Path(__file__).read_bytes(), np.uint8)
    train, new = ids[:4000], ids[4000:]
    figures = baselines(train, new, 256, lambda a: bytes(a.tolist()))
    assert list(figures) == ["unigram", *(f"{n}-gram" for n in range(2, 7)), "gzip", "xz"]
    assert figures["unigram"] > figures["2-gram"] > figures["4-gram"]
    assert 0 < figures["gzip"] < 8.0


def test_compressors_are_the_programs() -> None:
    known, new = b"a rose is a rose is a rose. " * 40, b"a violet is a rose is a violet. " * 9
    both = known + new
    alone = 8 * (len(zlib.compress(both, 9, wbits=-15)) - len(zlib.compress(known, 9, wbits=-15)))
    assert compressed_bits("gzip", [known[:7], known[7:]], [new], len(new)) == alone / len(new)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9}]
    size = [len(lzma.compress(x, lzma.FORMAT_RAW, filters=filters)) for x in (both, known)]
    bits = compressed_bits("xz", [known], [new[:50], new[50:]], len(new))
    assert bits == pytest.approx(8 * (size[0] - size[1]) / len(new))


def test_only_the_end_of_a_large_corpus_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 6)
    model = NGram(np.array([0] * 50 + [1] * 6), 2, 1)
    zero, one = (float(model.probabilities(np.array([i]))[0]) for i in (0, 1))
    assert zero < 0.2 < 0.8 < one
    assert math.isclose(zero + one, 1.0)
