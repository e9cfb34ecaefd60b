"""Memorisation: how much of a text stands in a corpus word for word.

All windows of one width are compared at once: a hash for each, those of the text in a
sorted table, those of the corpus, block by block, looked up there. Every match of hashes
is then compared symbol by symbol, so nothing is ever reported that does not stand in
the corpus. The corpus may be mapped from a file; memory is that of one block of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.nn.params import Array

#: Width of the windows whose share is reported: longer than chance and common phrases.
WINDOW = 30
#: Windows of the corpus that are hashed at once.
BLOCK = 2**20
#: Bits of the table that sifts windows before they are looked up: 1 MB of flags.
SIEVE = 20
#: A symbol that matches nothing.
_NOTHING = np.array([-1])
#: Odd, and of no pattern: 2^64 divided by the golden ratio.
_BASE = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Overlap:
    """What of a text stands in a corpus.

    Attributes:
        longest: symbols in the longest verbatim overlap. at: where in the text it begins.
        found: windows of :data:`WINDOW` symbols that stand in the corpus. windows: of how many.
    """

    longest: int
    at: int
    found: int
    windows: int

    @property
    def share(self) -> float:
        """Share of the windows that stand in the corpus; 0 for a text without any."""
        return self.found / self.windows if self.windows else 0.0


def overlap(text: Array, corpus: Array) -> Overlap:
    """Compare two sequences of ids of one vocabulary, (any length,) each.

    A negative id, of a character that the corpus does not have, matches nothing.
    """
    return overlaps([text], corpus)[0]


def overlaps(texts: Sequence[Array], corpus: Array) -> list[Overlap]:
    """:func:`overlap` of each of several texts, in hardly more time than that of one.

    A few passes over the corpus if little is copied, and about 2 log2(n) for n copied
    symbols; all texts share them.
    """
    # One text, with what matches nothing between the parts.
    joined = np.concatenate([part for text in texts for part in (text, _NOTHING)] or [_NOTHING])
    passes: dict[int, Array] = {}

    def found(width: int) -> Array:
        """Where windows that stand in the corpus begin, sorted."""
        if width not in passes:
            matches = [np.zeros(0, np.intp), *_matches(joined, corpus, width)]
            passes[width] = np.unique(np.concatenate(matches))
        return passes[width]

    results, start = [], 0
    for text in texts:
        results.append(_overlap(start, len(text), found))
        start += len(text) + 1
    return results


def _overlap(start: int, length: int, found: Callable[[int], Array]) -> Overlap:
    """The overlap of the symbols from ``start`` on, by where windows of any width begin."""

    def inside(width: int) -> Array:
        places = found(width)
        return places[np.searchsorted(places, start) : np.searchsorted(places, start + length)]

    whole = inside(WINDOW)
    low, at = (WINDOW, int(whole[0])) if len(whole) else (0, start)
    # Grow until nothing of that width is common, then halve what is between.
    high = length + 1 if low else min(WINDOW, length + 1)
    step = low
    while low + 1 < high:
        middle = min(low + step, high - 1) if step else (low + high) // 2
        places = inside(middle)
        if len(places):
            low, at, step = middle, int(places[0]), 2 * step
        else:
            high, step = middle, 0
    return Overlap(low, at - start, len(whole), max(0, length - WINDOW + 1))


def _matches(text: Array, corpus: Array, width: int) -> Iterator[Array]:
    """For each block of the corpus with any, places of windows of the text that stand in it."""
    if min(len(text), len(corpus)) < width:
        return
    unknown = np.append(0, np.cumsum(text < 0))
    known = unknown[width:] == unknown[:-width]
    hashes = _hashes(text, width)
    order = np.flatnonzero(known)
    order = order[np.argsort(hashes[order], kind="stable")]
    table = hashes[order]
    if not len(table):
        return
    flags = np.zeros(2**SIEVE, bool)
    flags[_top(table)] = True
    for at in range(0, len(corpus) - width + 1, BLOCK):
        block = corpus[at : at + BLOCK + width - 1]
        seen = _hashes(block, width)
        places = np.flatnonzero(flags[_top(seen)])
        ranks = np.minimum(np.searchsorted(table, seen[places]), len(table) - 1)
        same = table[ranks] == seen[places]
        # One window of the corpus for each window of the text is enough.
        ranks, which = np.unique(ranks[same], return_index=True)
        starts = places[same][which]
        if not len(ranks):
            continue
        real = _equal(text, order[ranks], block, starts, width)
        ranks = ranks[real]
        if len(ranks):
            # Equal windows of the text stand side by side in the table.
            ends = np.searchsorted(table, table[ranks], side="right")
            sizes = ends - ranks
            firsts = np.repeat(ranks - np.cumsum(sizes) + sizes, sizes)
            yield order[firsts + np.arange(len(firsts))]


def _hashes(ids: Array, width: int) -> Array:
    """A hash of each window of ``width`` symbols: sum of id * base^(width - 1 - i), mod 2^64.

    Windows of 1, 2, 4, ... symbols make those of any width: two neighbours make a wider one.
    """
    part = (ids.astype(np.int64).view(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    part ^= part >> np.uint64(29)  # so that sums of small ids do not meet
    whole: Array = np.zeros(len(ids) + 1, np.uint64)  # of 0 symbols
    size, done, rest = 1, 0, width
    while rest:
        if rest & 1:  # the symbols of `part` come after those that are done
            count = len(ids) - done - size + 1
            whole = whole[:count] * _power(size) + part[done : done + count]
            done += size
        rest >>= 1
        if rest:
            part = part[:-size] * _power(size) + part[size:]
            size *= 2
    return whole


def _power(exponent: int) -> np.uint64:
    power: np.uint64 = np.uint64(pow(_BASE, exponent, 2**64))
    return power


def _top(hashes: Array) -> Array:
    """The highest bits: products mod 2^64 mix upwards."""
    top: Array = (hashes >> np.uint64(64 - SIEVE)).astype(np.intp)
    return top


def _equal(text: Array, places: Array, corpus: Array, starts: Array, width: int) -> Array:
    """Whether the windows of the text at ``places`` are those of the corpus at ``starts``.

    What is copied is copied in one piece, so that most windows share all but one of their
    symbols with the next: they are compared as stretches, and each symbol once.
    """
    shifts = starts - places
    order = np.lexsort((places, shifts))
    p, d = places[order], shifts[order]
    padded_rows = (np.diff(d) != 0) | (np.diff(p) > width)
    first = np.flatnonzero(np.append(True, padded_rows)[: len(p)])  # window of each stretch
    last = np.append(first[1:], len(p)) - 1
    sizes = p[last] - p[first] + width
    offsets = np.cumsum(sizes) - sizes
    at = np.repeat(p[first] - offsets, sizes) + np.arange(int(sizes.sum()))
    wrong = np.append(0, np.cumsum(text[at] != corpus[at + np.repeat(d[first], sizes)]))
    begin = p + np.repeat(offsets - p[first], last + 1 - first)
    equal = np.empty(len(p), bool)
    equal[order] = wrong[begin + width] == wrong[begin]
    return equal
