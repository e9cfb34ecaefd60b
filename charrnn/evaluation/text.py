"""Scores of one continuous text: the surprisal of each of its symbols, and their sum.

The network reads a block of the text in parallel streams (:mod:`charrnn.evaluation.streams`); an
n-gram model that is mixed in reads the text as one stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.data.vocab import Vocab
from charrnn.evaluation.notebook import colored_html
from charrnn.evaluation.score import BLOCK, Evaluation, regroup, score
from charrnn.evaluation.streams import StreamScorer
from charrnn.mixing import Mixture
from charrnn.nn.network import Network
from charrnn.nn.params import Array

#: Symbols scored at once where each is shown with its alternatives: some ten Python objects each.
ROWS = 2**17


class TextScorer:
    """A :class:`~charrnn.evaluation.score.Scorer`: a network's score of one continuous text.

    Args:
        network: not changed; the text is scored in its dtype.
        start: the id that the text is taken to follow.
        block_size: symbols that are cut into streams together, a power of two; ``read`` takes
            arrays of any length.
        unknown_id: the symbol that stands for unknown ones.
        mixture: what the network is mixed with, if anything.
    """

    def __init__(
        self,
        network: Network,
        start: int,
        block_size: int = BLOCK,
        unknown_id: int | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._scorer = StreamScorer(network, start, mixture=mixture)
        self._block_size = block_size
        self._rest: Array = np.zeros(0, np.intp)
        self._nats = self.unknown_nats = 0.0
        self._unknown_id = unknown_id

    def read(self, ids: Array) -> None:
        blocks, self._rest = [self._rest, ids], self._rest[:0]
        for block in regroup(blocks, self._block_size):
            if len(block) < self._block_size:
                self._rest = block
            else:
                self._score(block)

    def total(self) -> float:
        rest, self._rest = self._rest, self._rest[:0]
        if len(rest):
            self._score(rest)
        return self._nats

    def _score(self, block: Array) -> None:
        nats = self._scorer.score(block)
        self._nats += float(np.sum(nats, dtype=np.float64))
        if self._unknown_id is not None:
            self.unknown_nats += float(np.sum(nats[block == self._unknown_id], dtype=np.float64))


def evaluate(network: Network, ids: Array, start: int) -> Evaluation:
    """Score ``ids``, (characters,) of any integer dtype, as a text that follows ``start``."""
    (evaluation,) = score([ids], [TextScorer(network, start)])
    return evaluation


@dataclass(frozen=True)
class CharScores:
    """Scores of each of M consecutive symbols.

    Attributes:
        ids: (M,) the symbols, below 0 for an unknown one.
        nats: (M,) their surprisal, in the network's dtype.
        likeliest: (M, k) of intp, the likeliest symbols at each place, the most likely first;
            the symbol itself may be among them.
        probs: (M, k) their probabilities.
        vocab: what the ids stand for, if that is known.
    """

    ids: Array
    nats: Array
    likeliest: Array
    probs: Array
    vocab: Vocab | None = None

    def _repr_html_(self) -> str:
        """The text coloured by surprisal, for a notebook."""
        return colored_html(self)

    @property
    def bits(self) -> Array:
        """(M,) surprisal in bits."""
        return self.nats / math.log(2.0)


def char_scores(
    network: Network,
    blocks: Iterable[Array],
    start: int,
    k: int = 3,
    block_size: int = ROWS,
    unknown_nats: float | None = None,
    unknown_id: int | None = None,
    mixture: Mixture | None = None,
) -> Iterator[CharScores]:
    """Surprisal of each symbol of a text, and the likeliest symbols at its place.

    Args:
        blocks: the text's ids in arrays of (any length,), of any integer dtype; below 0 for unknown
            symbols, for which there are no likeliest ones (id -1, probability 0) if they are not
            read.
        start: the id that the text is taken to follow.
        k: how many of the likeliest symbols; all of them if the alphabet is smaller.
        block_size: symbols that are scored together, a power of two.
        unknown_nats, unknown_id: as for :func:`~charrnn.evaluation.score.score`.
        mixture: what the network is mixed with, if anything.

    Yields:
        The scores of each ``block_size`` symbols, then of what is left. Memory is that of one.
    """
    scorer = StreamScorer(network, start, min(k, network.arch.vocab_size), mixture=mixture)
    if unknown_id is not None:
        for block in regroup(blocks, block_size):
            unknown = block < 0
            nats = scorer.score(np.where(unknown, unknown_id, block))
            nats[unknown] += unknown_nats or 0.0
            yield CharScores(block, nats, scorer.likeliest, scorer.probs)
        return
    gaps = _Gaps()
    for block in regroup(gaps.known(blocks), block_size):
        nats = scorer.score(block)
        scores = CharScores(block, nats, scorer.likeliest, scorer.probs)
        yield scores if unknown_nats is None else gaps.filled(scores, unknown_nats)
    if unknown_nats is not None and gaps.left:
        ids, nats = np.zeros(0, np.intp), np.zeros(0, network.params.flat.dtype)
        none = CharScores(ids, nats, scorer.likeliest[:0], scorer.probs[:0])
        yield gaps.filled(none, unknown_nats, last=True)


class _Gaps:
    """Where a text has unknown symbols."""

    def __init__(self) -> None:
        self._read = self._given = 0
        self._places: list[Array] = []  # how many known symbols are before each unknown one

    def known(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """The known symbols of each block."""
        for block in blocks:
            known = block >= 0
            if not known.all():
                block, before = block[known], np.cumsum(known)[~known]
                self._places.append(self._read + before)
            self._read += len(block)
            yield block

    @property
    def left(self) -> bool:
        """Whether there are unknown symbols that were not given back yet."""
        return any(map(len, self._places))

    def filled(self, scores: CharScores, nats: float, last: bool = False) -> CharScores:
        """The next scores, with those of the unknown symbols before each, and after the last."""
        if not self._places:
            return scores
        end = self._given + len(scores.ids)
        places = np.concatenate(self._places)
        here = places[: None if last else int(np.searchsorted(places, end))]
        self._places = [places[len(here) :]]
        at = here - self._given
        self._given = end
        return CharScores(
            np.insert(scores.ids.astype(np.intp), at, -1),
            np.insert(scores.nats, at, nats),
            np.insert(scores.likeliest, at, -1, axis=0),
            np.insert(scores.probs, at, 0.0, axis=0),
        )
