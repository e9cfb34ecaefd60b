"""A score: the total surprisal of a text, and what adds it up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from charrnn.nn.params import Array

#: Symbols that scorers are given at once: 2,048 for each of 512 streams.
BLOCK = 2**20


@dataclass(frozen=True)
class Evaluation:
    """A text's total surprisal under a model.

    Attributes:
        nats: total, in natural units. characters: how many symbols were scored.
    """

    nats: float
    characters: int

    @property
    def nats_per_char(self) -> float:
        """Mean surprisal in nats: the cross-entropy that training minimises; 0 of no text."""
        return self.nats / self.characters if self.characters else 0.0

    @property
    def bits_per_char(self) -> float:
        """Mean surprisal in bits, log base 2."""
        return self.nats_per_char / math.log(2.0)

    @property
    def perplexity(self) -> float:
        """exp(nats per character): as unsure as among so many equally likely symbols."""
        return math.exp(min(self.nats_per_char, 700.0))  # 700: exp's limit in float64


def total(parts: Iterable[Evaluation]) -> Evaluation:
    """The score of all ``parts`` together."""
    nats, characters = 0.0, 0
    for part in parts:
        nats += part.nats
        characters += part.characters
    return Evaluation(nats, characters)


class Scorer(Protocol):
    """What reads a text and adds up its surprisal: a network, or what it is compared with."""

    def read(self, ids: Array) -> None:
        """Read the next part: (BLOCK,), or what is left of the text."""

    def total(self) -> float:
        """Nats of all that was read; after this nothing is read."""


def score(blocks: Iterable[Array], scorers: Sequence[Scorer]) -> list[Evaluation]:
    """Let all of ``scorers`` read one text, of which only a block is in memory at a time.

    Args:
        blocks: arrays of ids, (any length,), of any integer dtype.
    """
    characters = 0
    for block in _regroup(blocks, BLOCK):
        for scorer in scorers:
            scorer.read(block)
        characters += len(block)
    return [Evaluation(scorer.total(), characters) for scorer in scorers]


def _regroup(blocks: Iterable[Array], size: int) -> Iterator[Array]:
    """The same symbols in blocks of ``size``, but for the last."""
    rest: list[Array] = []
    held = 0
    for block in blocks:
        while len(block):
            piece, block = block[: size - held], block[size - held :]
            rest.append(piece)
            held += len(piece)
            if held == size:
                yield np.concatenate(rest)
                rest, held = [], 0
    if held:
        yield np.concatenate(rest)
