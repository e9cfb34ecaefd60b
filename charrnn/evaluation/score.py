"""A score: the total surprisal of a text, and the scorers that add it up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from charrnn.nn.params import Array

#: Symbols given to scorers at once: 2,048 for each of 512 streams.
BLOCK = 2**20


@dataclass(frozen=True)
class Evaluation:
    """A text's total surprisal under a model.

    Attributes:
        nats: the total, in natural units. characters: how many symbols were scored.
        unknown: how many symbols the model does not know; they are among ``characters`` only if
            they were scored.
    """

    nats: float
    characters: int
    unknown: int = 0

    @property
    def nats_per_char(self) -> float:
        """Mean surprisal in nats, the cross-entropy that training minimises; 0 for no text."""
        return self.nats / self.characters if self.characters else 0.0

    @property
    def bits_per_char(self) -> float:
        """Mean surprisal in bits."""
        return self.nats_per_char / math.log(2.0)

    @property
    def perplexity(self) -> float:
        """exp(nats per character): the number of equally likely symbols that surprise as much."""
        return math.exp(min(self.nats_per_char, 700.0))  # 700: exp's limit in float64


def total(parts: Iterable[Evaluation]) -> Evaluation:
    """The score of all ``parts`` together."""
    nats, characters, unknown = 0.0, 0, 0
    for part in parts:
        nats += part.nats
        characters += part.characters
        unknown += part.unknown
    return Evaluation(nats, characters, unknown)


class Scorer(Protocol):
    """Reads one text and adds up its surprisal: a network, or a baseline to compare it with."""

    def read(self, ids: Array) -> None:
        """Read the next block of the text, (any length,) of any integer dtype."""

    def total(self) -> float:
        """Nats of all that was read; nothing may be read after this."""


class PartScorer:
    """A :class:`Scorer` of a sum that another one adds up while it reads the same text."""

    def __init__(self, whole: Scorer, nats: Callable[[], float]) -> None:
        self._whole, self._nats = whole, nats

    def read(self, ids: Array) -> None:
        """Nothing: the other scorer reads."""

    def total(self) -> float:
        self._whole.total()
        return self._nats()


def score(
    blocks: Iterable[Array],
    scorers: Sequence[Scorer],
    block_size: int = BLOCK,
    unknown_nats: float | None = None,
) -> list[Evaluation]:
    """Score one text with all of ``scorers``, holding one block of it in memory at a time.

    A symbol that the model does not know is not read, so what follows it is scored as if it were
    not there.

    Args:
        blocks: the text's ids in arrays of (any length,), of any integer dtype; -1 for unknown
            symbols.
        scorers: new ones, in any number.
        block_size: symbols that scorers read at once.
        unknown_nats: the surprisal of an unknown symbol; None to leave them out.

    Returns:
        The score by each of ``scorers``.
    """
    characters = unknown = 0
    for block in regroup(blocks, block_size):
        known = block >= 0
        if not known.all():
            unknown += int(np.count_nonzero(~known))
            block = block[known]
        for scorer in scorers:
            scorer.read(block)
        characters += len(block)
    nats = 0.0
    if unknown_nats is not None:
        nats, characters = unknown * unknown_nats, characters + unknown
    return [Evaluation(scorer.total() + nats, characters, unknown) for scorer in scorers]


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
