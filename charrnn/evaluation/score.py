"""A score: the total surprisal of a text, and the scorers that add it up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from charrnn.nn.network import Network
from charrnn.nn.params import Array

#: Symbols given to scorers at once: 2,048 for each of 512 streams.
BLOCK = 2**20


@dataclass(frozen=True)
class Evaluation:
    """A text's total surprisal under a model.

    Attributes:
        nats: the total, in natural units. characters: how many were scored.
        unknown: how many symbols the model does not know; they are among those scored only if
            they were not skipped.
        unknown_nats: what they take of ``nats``; NaN where that was not added up.
        words: how many words were scored, by a model of words; else None.
        spelling: what it takes of ``nats`` to spell unknown words, which the model reads as one
            symbol.
    """

    nats: float
    characters: int
    unknown: int = 0
    unknown_nats: float = 0.0
    words: int | None = None
    spelling: float = 0.0

    @property
    def symbols(self) -> int:
        """How many symbols were scored: words, or else characters."""
        return self.characters if self.words is None else self.words

    @property
    def nats_per_char(self) -> float:
        """Mean surprisal in nats; 0 for no text."""
        return self.nats / self.characters if self.characters else 0.0

    @property
    def bits_per_char(self) -> float:
        """Mean surprisal in bits."""
        return self.nats_per_char / math.log(2.0)

    @property
    def nats_per_symbol(self) -> float:
        """The cross-entropy that training minimises: an unknown word is a symbol like any other."""
        return (self.nats - self.spelling) / self.symbols if self.symbols else 0.0

    @property
    def perplexity(self) -> float:
        """exp(nats per symbol): the number of equally likely symbols that surprise as much."""
        return _exp(self.nats_per_symbol)

    @property
    def known_perplexity(self) -> float:
        """The perplexity of known symbols alone; NaN if it is not known."""
        known = self.symbols - self.unknown
        return _exp((self.nats - self.unknown_nats) / known) if known > 0 else math.nan


def _exp(nats: float) -> float:
    return math.exp(min(nats, 700.0))  # 700: exp's limit in float64


def total(parts: Iterable[Evaluation]) -> Evaluation:
    """The score of all ``parts`` together."""
    whole = Evaluation(0.0, 0)
    for part in parts:
        whole = Evaluation(
            whole.nats + part.nats,
            whole.characters + part.characters,
            whole.unknown + part.unknown,
            whole.unknown_nats + part.unknown_nats,
            None if part.words is None else (whole.words or 0) + part.words,
            whole.spelling + part.spelling,
        )
    return whole


class Scorer(Protocol):
    """Reads one text and adds up its surprisal: a network, or a baseline to compare it with.

    Attributes:
        unknown_nats: once all is read, what the symbol took that stands for unknown ones; NaN if
            it was not added up.
    """

    unknown_nats: float

    def read(self, ids: Array) -> None:
        """Read the next block of the text, (any length,) of any integer dtype."""

    def total(self) -> float:
        """Nats of all that was read; nothing may be read after this."""


class PartScorer:
    """A :class:`Scorer` of a sum that another one adds up while it reads the same text."""

    def __init__(self, whole: Scorer, nats: Callable[[], float]) -> None:
        self._whole, self._nats, self.unknown_nats = whole, nats, math.nan

    def read(self, ids: Array) -> None:
        """Nothing: the other scorer reads."""

    def total(self) -> float:
        self._whole.total()
        return self._nats()


Answer = TypeVar("Answer")
Answer_co = TypeVar("Answer_co", covariant=True)


class Part(Protocol[Answer_co]):
    """A part of a text, as it is sent to a process that scores it."""

    def score(self, network: Network, threads: int | None = None) -> Answer_co:
        """Its score; ``threads`` compute it, or one on each core."""


class ScoringRanks(Protocol):
    """Processes that know the same network, and divide the scoring of a text.

    Attributes:
        scorers: how many they are.
    """

    scorers: int

    def score(self, parts: Sequence[Part[Answer]]) -> list[Answer]:
        """The scores of up to ``scorers`` parts, in their order."""


def characters_of(ids: Array, lengths: Array | None) -> int:
    """How many characters the symbols of ``ids`` have.

    Args:
        lengths: (V,) how many each symbol has, if they are words; an unknown word with the id -n
            has n. None if each symbol is a character.
    """
    if lengths is None:
        return len(ids)
    known = ids >= 0
    return int(lengths[ids[known]].sum()) - int(ids[~known].sum(dtype=np.int64))


def score(
    blocks: Iterable[Array],
    scorers: Sequence[Scorer],
    block_size: int = BLOCK,
    unknown_nats: float | None = None,
    unknown_id: int | None = None,
    lengths: Array | None = None,
) -> list[Evaluation]:
    """Score one text with all of ``scorers``, holding one block of it in memory at a time.

    A symbol that the model does not know is not read, so what follows it is scored as if it were
    not there; or it is read as ``unknown_id``, and ``unknown_nats`` are added to what that takes.

    Args:
        blocks: the text's ids in arrays of (any length,), of any integer dtype; below 0 for
            unknown symbols.
        scorers: new ones, in any number.
        block_size: symbols that scorers read at once.
        unknown_nats: the surprisal of an unknown symbol; None to leave them out.
        unknown_id: what unknown symbols are read as, if they are.
        lengths: as for :func:`characters_of`.

    Returns:
        The score by each of ``scorers``.
    """
    symbols = characters = unknown = 0
    for block in regroup(blocks, block_size):
        known = block >= 0
        unknown += int(np.count_nonzero(~known))
        known_ids = block[known]
        scored = known_ids if unknown_nats is None else block
        symbols += len(scored)
        characters += characters_of(scored, lengths)
        if unknown_id is None:
            block = known_ids
        elif not known.all():
            block = np.where(known, block, unknown_id)
        for scorer in scorers:
            scorer.read(block)
    nats = 0.0 if unknown_nats is None else unknown * unknown_nats
    words = None if lengths is None else symbols
    if unknown_id is None:
        return [Evaluation(s.total() + nats, characters, unknown, nats, words) for s in scorers]
    return [
        Evaluation(s.total() + nats, characters, unknown, s.unknown_nats + nats, words, nats)
        for s in scorers
    ]


def regroup(blocks: Iterable[Array], size: int) -> Iterator[Array]:
    """The same symbols in blocks of ``size``; only the last block may be shorter."""
    pieces: list[Array] = []
    held = 0
    for block in blocks:
        while len(block):
            piece, block = block[: size - held], block[size - held :]
            pieces.append(piece)
            held += len(piece)
            if held == size:
                yield np.concatenate(pieces)
                pieces, held = [], 0
    if held:
        yield np.concatenate(pieces)
