"""Overlap with a corpus, against Python's own ``in``."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charrnn.evaluation.overlap as module
from charrnn.evaluation.overlap import WINDOW, Overlap, overlaps, total_overlap

RNG = np.random.default_rng(0)


def ids(text: str) -> np.ndarray:
    return np.array([ord(c) for c in text], np.int64)


def overlap(text: np.ndarray, corpus: np.ndarray) -> Overlap:
    return overlaps([text], corpus)[0]


def naive(text: str, corpus: str, window: int) -> tuple[int, int, int]:
    longest = max(
        (
            n
            for i in range(len(text))
            for n in range(1, len(text) - i + 1)
            if text[i : i + n] in corpus
        ),
        default=0,
    )
    windows = [text[i : i + window] for i in range(len(text) - window + 1)]
    return longest, sum(w in corpus for w in windows), len(windows)


@given(st.text("ab", max_size=25), st.text("ab", max_size=40), st.integers(1, 9), st.integers(1, 8))
def test_it_is_what_python_finds(text: str, corpus: str, window: int, block: int) -> None:
    (result,) = overlaps([ids(text)], ids(corpus), window, block)
    assert (result.longest, result.found, result.windows) == naive(text, corpus, window)
    assert text[result.at : result.at + result.longest] in corpus


@given(st.lists(st.text("ab", max_size=20), max_size=5), st.text("ab", max_size=40))
def test_several_texts_are_compared_each_by_itself(texts: list[str], corpus: str) -> None:
    found = overlaps([ids(text) for text in texts], ids(corpus), window=4)
    assert [(o.longest, o.found, o.windows) for o in found] == [
        naive(text, corpus, 4) for text in texts
    ]
    for text, one in zip(texts, found, strict=True):
        assert text[one.at : one.at + one.longest] in corpus


@pytest.mark.parametrize("width", [1, 2, 3, 7, 30, 64, 100])
def test_windows_have_equal_hashes_where_they_are_equal(width: int) -> None:
    a = RNG.integers(0, 4, 300)
    b = np.concatenate([a[100:], a])
    h, g = module._hashes(a, width), module._hashes(b, width)
    assert len(h) == 300 - width + 1
    assert np.array_equal(h, g[200:])
    naive = {tuple(a[i : i + width].tolist()) for i in range(len(h))}
    assert len(set(h.tolist())) == len(naive)


def test_a_copied_passage_among_new_text() -> None:
    corpus = RNG.integers(0, 60, 50_000).astype(np.uint8)
    text = RNG.integers(0, 60, 3_000)
    text[700:1_212] = corpus[20_000:20_512]
    text[699], text[1_212] = (int(corpus[19_999]) + 1) % 60, (int(corpus[20_512]) + 1) % 60
    assert overlap(text, corpus) == Overlap(512, 700, 512 - WINDOW + 1, 3_000 - WINDOW + 1)
    assert overlap(text, corpus).share == pytest.approx(483 / 2971)


def test_a_passage_across_blocks() -> None:
    corpus = RNG.integers(0, 60, 1_000)
    (result,) = overlaps([corpus[37:601]], corpus, block_size=64)
    assert (result.longest, result.at, result.share) == (564, 0, 1.0)


def test_a_long_copy_takes_few_passes_and_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = RNG.integers(0, 60, 60_000).astype(np.uint8)
    hashes, hashed = module._hashes, 0

    def counting(ids: np.ndarray, width: int) -> np.ndarray:
        nonlocal hashed
        hashed += len(ids)
        return hashes(ids, width)

    monkeypatch.setattr(module, "_hashes", counting)
    tracemalloc.start()
    result = overlap(corpus[1_000:], corpus)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (result.longest, result.share) == (59_000, 1.0)
    # Not n passes; nor n * width comparisons, which would be as many numbers in memory.
    assert hashed < (2 * math.log2(60_000) + 2) * 2 * 60_000
    assert peak < 300 * 60_000


def test_the_overlap_of_several_texts_together() -> None:
    parts = [Overlap(5, 2, 0, 0), Overlap(40, 9, 11, 50), Overlap(33, 0, 4, 4)]
    assert total_overlap(parts) == Overlap(40, 9, 15, 54)
    assert total_overlap(parts[:1]) == parts[0]


def test_unknown_characters_match_nothing() -> None:
    corpus = np.arange(100)
    text = np.concatenate([corpus[:40], [-1], corpus[41:75]])
    assert overlap(text, corpus) == Overlap(40, 0, 11 + 5, 46)
    assert overlap(np.full(50, -1), corpus) == Overlap(0, 0, 0, 21)


def test_texts_of_one_symbol() -> None:
    result = overlap(np.zeros(5_000, int), np.zeros(3_000, np.uint8))
    assert (result.longest, result.share) == (3_000, 1.0)


def test_equal_hashes_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    # All windows hash alike: whatever is reported has been compared.
    monkeypatch.setattr(module, "_hashes", lambda x, w: np.zeros(len(x) - w + 1, np.uint64))
    result = overlap(np.arange(60), np.arange(100, 200))
    assert (result.longest, result.found) == (0, 0)


def test_nothing_to_compare() -> None:
    empty = np.zeros(0, np.uint8)
    assert overlap(empty, np.arange(50)) == Overlap(0, 0, 0, 0)
    assert overlap(np.arange(50), empty) == Overlap(0, 0, 0, 21)
    assert overlap(empty, empty).share == 0.0
