"""Memorisation: how much of a text stands in a corpus word for word.

All windows of one width are compared at once: a hash for each, those of the text in a
sorted table, those of the corpus, block by block, looked up there. Every match of hashes
is then compared symbol by symbol, so nothing is ever reported that does not stand in
the corpus. The corpus may be mapped from a file; memory is that of one block of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.nn.params import Array

#: Width of the windows whose share is reported: longer than chance and common phrases.
WINDOW = 30
#: Windows of the corpus that are hashed at once.
BLOCK = 2**20
#: Bits of the table that sifts windows before they are looked up: 1 MB of flags.
SIEVE = 20
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

    A negative id, of a character that the corpus does not have, matches nothing. A few
    passes over the corpus if little is copied, and about 2 log2(n) for n copied symbols.
    """
    found = np.zeros(max(0, len(text) - WINDOW + 1), bool)
    for places in _matches(text, corpus, WINDOW):
        found[places] = True
    width, at = WINDOW if found.any() else 0, int(np.argmax(found)) if found.any() else 0
    # Grow until nothing of that width is common, then halve what is between.
    low, high = width, WINDOW if not width else len(text) + 1
    step = WINDOW
    while low + 1 < high:
        middle = min(low + step, high - 1) if step else (low + high) // 2
        place = next((int(p[0]) for p in _matches(text, corpus, middle)), None)
        if place is None:
            high, step = middle, 0
        else:
            low, at, step = middle, place, 2 * step
    return Overlap(low, at, int(np.count_nonzero(found)), len(found))


def _matches(text: Array, corpus: Array, width: int) -> Iterator[Array]:
    """For each block of the corpus with any, places of windows of the text that stand in it."""
    if min(len(text), len(corpus)) < width:
        return
    known = np.lib.stride_tricks.sliding_window_view(text, width).min(axis=1) >= 0
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
    """Whether the windows of the text at ``places`` are those of the corpus at ``starts``."""
    equal = np.ones(len(places), bool)
    for i in range(width) if width < len(places) else ():  # whichever is the shorter loop
        equal &= text[places + i] == corpus[starts + i]
    for n in range(len(places)) if width >= len(places) else ():
        a, b = int(places[n]), int(starts[n])
        equal[n] = np.array_equal(text[a : a + width], corpus[b : b + width])
    return equal
