"""Statistics of a corpus: how rare unknown characters are, and how surprising lines are.

**Unknown characters.** The network has no probability for a character that is not in its
vocabulary, so one is estimated from the corpus. Of N characters trained on, n occurred once;
n/N estimates how often the next character is one that never occurred (Good 1953, "The population
frequencies of species and the estimation of population parameters"). This probability is shared
equally by all characters of Unicode that the model does not know. Characters that were too rare for
the vocabulary (``data.min_count``) are unknown, too, and their number is added to n.

**Lines.** The percentiles of the bits per character of held-out lines, each scored by itself.

**Characters.** A character is surprising if it takes more bits than 99 of 100 in these lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from charrnn.nn.params import Array

#: Characters of Unicode: its code points without the surrogates.
UNICODE = 0x110000 - 0x800
#: The probability of an unknown character where no corpus is known: as if one in a million
#: characters had occurred only once.
UNKNOWN = 1e-6
#: The percentiles that are kept; those in between are interpolated.
PERCENTILES = np.concatenate(
    [np.arange(0, 99, 1.0), np.linspace(99, 99.9, 9, endpoint=False), np.linspace(99.9, 100, 11)]
)


@dataclass(frozen=True)
class Norms:
    """Statistics of the training corpus, stored with the model.

    Attributes:
        unknown: the probability that the next character is one that the model does not know.
        lines: how many held-out lines the percentiles are of.
        bits: their bits per character at :data:`PERCENTILES`; empty if there are no lines.
        surprising: bits that only one in a hundred of their characters exceeds; 0 without lines.
    """

    unknown: float = UNKNOWN
    lines: int = 0
    bits: tuple[float, ...] = ()
    surprising: float = 0.0

    @classmethod
    def of(
        cls,
        counts: Array,
        nats: Sequence[Array],
        rare: int = 0,
        lengths: Sequence[int] | None = None,
        known: Sequence[Array] | None = None,
    ) -> Norms:
        """From what training saw and what it held out.

        Args:
            counts: how often each character occurred; if none occurred only once, it is assumed
                that one did.
            nats: of each symbol of each held-out line.
            rare: total occurrences of symbols that were too rare for the vocabulary.
            lengths: how many characters each line has, where symbols are words.
            known: of each known word of each line, where symbols are words.
        """
        once, total = int(np.count_nonzero(counts == 1)), int(counts.sum())
        unknown = min(1.0, (max(once, 1) + rare) / (total + 1))
        if not nats:
            return cls(unknown)
        means = [float(np.mean(each, dtype=np.float64)) / math.log(2.0) for each in nats]
        if lengths is not None:
            means = [m * len(e) / n for m, e, n in zip(means, nats, lengths, strict=True)]
        bits = tuple(map(_rounded_up, np.percentile(means, PERCENTILES).tolist()))
        ordinary = np.concatenate(nats if known is None else known)
        surprising = float(np.percentile(ordinary, 99.0)) / math.log(2.0) if len(ordinary) else 0.0
        return cls(unknown, len(nats), bits, math.ceil(surprising * 1e4 - 1e-6) / 1e4)

    def unknown_nats(self, known: int) -> float:
        """The surprisal of one unknown character, for a model that knows ``known`` characters."""
        return math.log(max(1, UNICODE - known)) - math.log(self.unknown)

    def percentile(self, percent: float) -> float:
        """The bits per character that ``percent`` of the held-out lines do not exceed."""
        return float(np.interp(percent, PERCENTILES, self.bits))

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON can hold them."""
        return asdict(self) | {"bits": list(self.bits)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Norms:
        """Undo :meth:`to_dict`; raises ValueError, TypeError or KeyError for anything else."""
        unknown, lines, bits = document["unknown"], document["lines"], document["bits"]
        surprising = document["surprising"]
        if type(lines) is not int or lines < 0 or len(bits) != len(PERCENTILES) * (lines > 0):
            raise ValueError("the percentiles of lines do not fit their number")
        if not all(type(b) is float and b >= 0.0 for b in (unknown, surprising, *bits)):
            raise ValueError("a probability or a percentile is not a number from 0 on")
        if not 0.0 < unknown <= 1.0:
            raise ValueError("a probability is out of range")
        return cls(unknown, lines, tuple(bits), surprising)


def _rounded_up(bits: float) -> float:
    """With four decimals; a line just like a held-out one is not above it by the last digit."""
    return math.ceil((bits + 1e-6) * 1e4) / 1e4
