"""Restrict samples to listed words: rule out symbols that cannot continue any of them.

The words are a trie, whose nodes are made when a sample first comes to them. Each sample is at a
node, or between two words. A word may end where one of the list ends; what separates words is free.
Near the greatest length of a sample, no word is begun that would not be finished.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from charrnn.data.vocab import Vocab, bytes_of
from charrnn.data.words import APOSTROPHES, is_letter
from charrnn.errors import ConfigError
from charrnn.messages import pluralize
from charrnn.nn.params import Array

#: What a symbol is: words consist of letters, may have an apostrophe between two of them, and end
#: before a separator.
LETTER, APOSTROPHE, SEPARATOR = 0, 1, 2


class WordList:
    """Words that can be written with the symbols of a model.

    Args:
        words: the list; each is one word (:func:`~charrnn.data.words.words_of`).
        vocab: of the model. In a byte model, all bytes that are not ASCII count as letters.

    Attributes:
        kinds: (V,) whether each symbol is a LETTER, an APOSTROPHE or a SEPARATOR.
        start: the place between words.

    Raises:
        ConfigError: none of the words can be written.
    """

    def __init__(self, words: Iterable[str], vocab: Vocab) -> None:
        self.kinds: Array = np.array([_kind(p, vocab.unit) for p in vocab.points.tolist()])
        listed = set(words)
        # In the order of code points, which is also that of ids and of UTF-8.
        forms = [bytes_of(form) for form in sorted({f for word in listed for f in _forms(word)})]
        if vocab.unit == "char":
            forms = [form.decode().encode("utf-32-le") for form in forms]
        joined = np.frombuffer(b"".join(forms), "<u4" if vocab.unit == "char" else np.uint8)
        lengths = np.array([len(form) // joined.itemsize for form in forms], np.intp)
        starts, ids = np.cumsum(lengths) - lengths, vocab.ids_of(joined, exact=True)
        if forms:
            known = np.minimum.reduceat(ids, starts) >= 0
            starts, lengths = starts[known], lengths[known]
        if not listed:
            raise ConfigError("words: the list has no words", "give at least one")
        if not len(starts):
            raise ConfigError(
                f"words: none of {pluralize(len(listed), 'word')} can be written with the "
                "characters of the model",
                "give words like those of its corpus",
            )
        self.start = Place(Node(ids, starts, lengths, 0))
        self._between = np.flatnonzero(self.kinds != LETTER)
        self._longest = int(lengths.max())

    def after(self, ids: Array) -> Place:
        """The place of a sample that continues ``ids``, whose own words need not be on the list.

        If no word of the list begins with the last of them, that one may end there, too.
        """
        place = self.start
        for symbol in ids.tolist():
            place = self.next(place, symbol)
        return place if place.node else Place(None, True, place.after_apostrophe)

    def next(self, place: Place, symbol: int) -> Place:
        """The place after ``symbol``."""
        following = place.following.get(symbol)
        if following is None:
            following = place.following[symbol] = self._next(place, symbol)
        return following

    def _next(self, place: Place, symbol: int) -> Place:
        kind = self.kinds[symbol]
        inside = place is not self.start and not place.after_apostrophe
        if kind == SEPARATOR or (kind == APOSTROPHE and not inside):
            return self.start
        node = place.node.child(symbol) if place.node else None
        if kind == APOSTROPHE:  # which may end a quotation as well
            return Place(node, place.may_end, after_apostrophe=True)
        return Place(node, node is not None and node.ends)

    def allowed(self, place: Place, left: int | None = None) -> Array:
        """Which symbols may come next, as ids; none if no word can be continued or ended.

        Args:
            left: how many symbols may come at most; None for no limit.
        """
        if place.allowed is None:
            ending = self._between if place.may_end else self._between[:0]
            node = place.node
            symbols, needed = (node.symbols, node.needed) if node else (ending[:0], ending[:0])
            place.allowed = (
                np.concatenate([ending, symbols]),
                np.concatenate([np.ones_like(ending), needed]),
            )
        symbols, needed = place.allowed
        return symbols if left is None or left >= self._longest else symbols[needed <= left]


class Node:
    """A node of the trie: the words with one beginning.

    Args:
        ids: symbols of all words.
        starts, lengths: (words,) where in ``ids`` those of this node are, in the order of ids.
        depth: length of the beginning.

    Attributes:
        ends: whether it is itself a word.
        symbols: (children,) what may continue it.
        needed: (children,) how many symbols the shortest word takes from here on.
    """

    def __init__(self, ids: Array, starts: Array, lengths: Array, depth: int) -> None:
        self.ends = bool(lengths[0] == depth)
        self._ids, self._depth = ids, depth
        self._starts, self._lengths = starts[self.ends :], lengths[self.ends :]
        following = ids[self._starts + depth]
        self._first: Array = np.flatnonzero(np.diff(following, prepend=-1))
        self.symbols: Array = following[self._first]
        shortest = (
            np.minimum.reduceat(self._lengths, self._first) if len(following) else self._lengths
        )
        self.needed: Array = shortest - depth
        self._children: dict[int, Node] = {}

    def child(self, symbol: int) -> Node | None:
        """The node after ``symbol``; None if no word continues so."""
        if symbol not in self._children:
            place = int(np.searchsorted(self.symbols, symbol))
            if place == len(self.symbols) or self.symbols[place] != symbol:
                return None
            last = self._first[place + 1] if place + 1 < len(self._first) else None
            words = slice(self._first[place], last)
            self._children[symbol] = Node(
                self._ids, self._starts[words], self._lengths[words], self._depth + 1
            )
        return self._children[symbol]


class Place:
    """Where a sample is.

    Attributes:
        node: of the word that it is in; None if none continues; the root between words.
        may_end: whether a word ends here, or none has begun.
        after_apostrophe: whether the last symbol was one that may belong to the word.
        allowed, following: what :class:`WordList` has found out about it.
    """

    def __init__(
        self, node: Node | None, may_end: bool = True, after_apostrophe: bool = False
    ) -> None:
        self.node, self.may_end, self.after_apostrophe = node, may_end, after_apostrophe
        self.allowed: tuple[Array, Array] | None = None
        self.following: dict[int, Place] = {}


class Spelling:
    """Keeps several samples to the words of a list, step by step.

    Args:
        words: the list. start: where all samples begin.
        count: samples n.
        length: greatest number of symbols; None for no limit.

    Attributes:
        stuck: (n,) samples for which nothing was allowed in the last step.
    """

    def __init__(self, words: WordList, start: Place, count: int, length: int | None) -> None:
        self._words, self._places, self._left = words, [start] * count, length
        self.stuck: Array = np.zeros(count, bool)

    def restrict(self, logits: Array) -> None:
        """Set the logits, (n, V), of what is not allowed to minus infinity."""
        allowed = [self._words.allowed(place, self._left) for place in self._places]
        for i, (row, ids) in enumerate(zip(logits, allowed, strict=True)):
            self.stuck[i] = not len(ids)
            kept = row[ids]
            row.fill(-np.inf)
            row[ids] = kept

    def advance(self, ids: Array) -> None:
        """Take the symbols that were drawn, (n,)."""
        step = self._words.next
        self._places = [step(p, i) for p, i in zip(self._places, ids.tolist(), strict=True)]
        if self._left is not None:
            self._left -= 1

    def keep(self, rows: Array) -> None:
        """Keep only these rows, (rows left,) of intp, in their order."""
        self._places = [self._places[row] for row in rows.tolist()]
        self.stuck = self.stuck[rows]


def _kind(point: int, unit: str) -> int:
    char = chr(point)
    if (unit == "byte" and point > 127) or is_letter(char):
        return LETTER
    return APOSTROPHE if char in APOSTROPHES else SEPARATOR


def _forms(word: str) -> set[str]:
    """A word as it may be written.

    As in spelling checkers, it may be capitalised or in capitals, but its own capitals stay. An
    apostrophe may be straight or curly.
    """
    straight, curly = APOSTROPHES[0], APOSTROPHES[1]
    forms = {word, word[:1].upper() + word[1:], word.upper()}
    forms |= {form.replace(curly, straight) for form in forms}
    return forms | {form.replace(straight, curly) for form in forms}
