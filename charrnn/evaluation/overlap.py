"""Overlap: how much of a text is copied word for word from a corpus.

All windows of one width are compared at once: those of the text are hashed into a sorted
table, and those of the corpus are looked up there, block by block. Every match of hashes is
then verified symbol by symbol, so that nothing is reported that is not in the corpus. The
corpus may be mapped from a file; only a block of it is in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from charrnn.nn.params import Array

#: Width of the windows whose share is reported: longer than chance and common phrases explain.
WINDOW = 30
#: Windows of the corpus that are hashed at once.
BLOCK = 2**20
#: Bits of a hash, by which most windows are ruled out with a table of 1 MB before the search.
FILTER_BITS = 20
#: A symbol that matches nothing.
_NOTHING = np.array([-1])
#: An odd number without a pattern: 2^64 divided by the golden ratio.
_BASE = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Overlap:
    """How much of a text is copied from a corpus.

    Attributes:
        longest: symbols in the longest passage that is also in the corpus.
        at: where in the text it begins.
        found: windows of :data:`WINDOW` symbols that are also in the corpus.
        windows: windows in the text.
    """

    longest: int
    at: int
    found: int
    windows: int

    @property
    def share(self) -> float:
        """Share of the windows that are also in the corpus; 0 for a text without windows."""
        return self.found / self.windows if self.windows else 0.0


def total_overlap(parts: Sequence[Overlap]) -> Overlap:
    """The overlap of one or more texts together: the longest passage, and the sums of windows.

    ``at`` refers to the text that has the longest passage.
    """
    longest = max(parts, key=lambda part: part.longest)
    found, windows = sum(part.found for part in parts), sum(part.windows for part in parts)
    return replace(longest, found=found, windows=windows)


def overlaps(
    texts: Sequence[Array], corpus: Array, window: int = WINDOW, block_size: int = BLOCK
) -> list[Overlap]:
    """The overlap of each of several texts with a corpus, in little more time than that of one.

    It takes a few passes over the corpus if little is copied, and about 2 log2(n) for n copied
    symbols. All texts share them.

    Args:
        texts: ids of one vocabulary, (any length,) each, of any integer dtype; a negative id
            is a character that the corpus does not have, and matches nothing.
        corpus: (any length,), ids of the same vocabulary.
        window: symbols in each of the windows that are counted.
        block_size: windows of the corpus that are hashed at once.
    """
    # As one text, separated by symbols that match nothing.
    joined = np.concatenate([part for text in texts for part in (text, _NOTHING)] or [_NOTHING])
    passes: dict[int, Array] = {}

    def found(width: int) -> Array:
        """Where windows of ``width`` that are in the corpus begin, sorted."""
        if width not in passes:
            matches = [np.zeros(0, np.intp), *_matches(joined, corpus, width, block_size)]
            passes[width] = np.unique(np.concatenate(matches))
        return passes[width]

    results, start = [], 0
    for text in texts:
        results.append(_overlap(start, len(text), window, found))
        start += len(text) + 1
    return results


def _overlap(start: int, length: int, window: int, found: Callable[[int], Array]) -> Overlap:
    """The overlap of the text at ``start``, given where windows of any width are found."""

    def inside(width: int) -> Array:
        places = found(width)
        return places[np.searchsorted(places, start) : np.searchsorted(places, start + length)]

    copied = inside(window)
    low, at = (window, int(copied[0])) if len(copied) else (0, start)
    # Double the growth while windows of that width are found, then halve the interval.
    high = length + 1 if low else min(window, length + 1)
    step = low
    while low + 1 < high:
        middle = min(low + step, high - 1) if step else (low + high) // 2
        places = inside(middle)
        if len(places):
            low, at, step = middle, int(places[0]), 2 * step
        else:
            high, step = middle, 0
    return Overlap(low, at - start, len(copied), max(0, length - window + 1))


def _matches(text: Array, corpus: Array, width: int, block_size: int) -> Iterator[Array]:
    """For each block of the corpus, where windows of the text begin that are in it, if any are."""
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
    flags = np.zeros(2**FILTER_BITS, bool)
    flags[_top(table)] = True
    for at in range(0, len(corpus) - width + 1, block_size):
        block = corpus[at : at + block_size + width - 1]
        seen = _hashes(block, width)
        places = np.flatnonzero(flags[_top(seen)])
        ranks = np.minimum(np.searchsorted(table, seen[places]), len(table) - 1)
        same = table[ranks] == seen[places]
        # One window of the corpus for each entry of the table is enough.
        ranks, which = np.unique(ranks[same], return_index=True)
        starts = places[same][which]
        if not len(ranks):
            continue
        real = _equal(text, order[ranks], block, starts, width)
        ranks = ranks[real]
        if len(ranks):
            # Equal windows of the text are neighbours in the table.
            ends = np.searchsorted(table, table[ranks], side="right")
            sizes = ends - ranks
            firsts = np.repeat(ranks - np.cumsum(sizes) + sizes, sizes)
            yield order[firsts + np.arange(len(firsts))]


def _hashes(ids: Array, width: int) -> Array:
    """A hash of each window of ``width`` symbols: sum of id * base^(width - 1 - i), mod 2^64.

    Hashes of windows of 1, 2, 4, ... symbols are combined into those of any width: two
    neighbours make a wider one.
    """
    part = (ids.astype(np.int64).view(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    part ^= part >> np.uint64(29)  # so that sums of small ids do not collide
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
    """The highest bits, which products mod 2^64 mix best."""
    top: Array = (hashes >> np.uint64(64 - FILTER_BITS)).astype(np.intp)
    return top


def _equal(text: Array, places: Array, corpus: Array, starts: Array, width: int) -> Array:
    """Whether the windows of the text at ``places`` equal those of the corpus at ``starts``.

    A copied passage gives many windows, each of which shares all but one of its symbols with
    the next. They are joined to stretches, so that each symbol is compared once.
    """
    shifts = starts - places
    order = np.lexsort((places, shifts))
    p, d = places[order], shifts[order]
    separate = (np.diff(d) != 0) | (np.diff(p) > width)
    first = np.flatnonzero(np.append(True, separate)[: len(p)])  # window of each stretch
    last = np.append(first[1:], len(p)) - 1
    sizes = p[last] - p[first] + width
    offsets = np.cumsum(sizes) - sizes
    at = np.repeat(p[first] - offsets, sizes) + np.arange(int(sizes.sum()))
    wrong = np.append(0, np.cumsum(text[at] != corpus[at + np.repeat(d[first], sizes)]))
    begin = p + np.repeat(offsets - p[first], last + 1 - first)
    equal = np.empty(len(p), bool)
    equal[order] = wrong[begin + width] == wrong[begin]
    return equal
