"""Which samples are kept: only new ones, no repeats, no empty ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from charrnn.data.records import RecordSet
from charrnn.data.vocab import Text
from charrnn.errors import CharRNNError
from charrnn.generation import Sample

#: Draws for each sample that is wanted. Where nineteen samples in twenty are left out, further
#: draws would not help.
DRAWS = 20
#: How many samples in a row that are left out end the search for another one.
MAX_LEFT_OUT_IN_A_ROW = 10_000

#: Why a sample is left out.
KNOWN, REPEATED, EMPTY = "in the training corpus", "repeated", "empty"


class Selection(Iterator[Sample]):
    """An iterator over the samples that are kept, in order.

    Args:
        samples: to choose from. wanted: how many to keep at most; None for all.
        prime: text before each sample; it is part of it.
        temperature: of the samples; an error suggests a higher one.
        known: leave out what is in it: the records of the training corpus, and near copies.
        unique: leave out what came before.
        empty: whether to keep empty ones.
        most_left_out: how many may be left out in a row.

    Attributes:
        left_out: how many samples were left out so far, by the reason.

    Raises:
        CharRNNError: while iterating, if there are fewer than ``wanted``, or too many in a row are
            left out.
    """

    def __init__(
        self,
        samples: Iterable[Sample],
        wanted: int | None,
        prime: Text = "",
        temperature: float = 1.0,
        *,
        known: RecordSet | None = None,
        unique: bool = False,
        empty: bool = False,
        most_left_out: int = MAX_LEFT_OUT_IN_A_ROW,
    ) -> None:
        self._prime, self._known, self._unique, self._empty = prime, known, unique, empty
        self._higher = f"sample.temperature={max(1.0, temperature + 0.5):g}"
        self._seen: set[int] = set()
        self.left_out: Counter[str] = Counter()
        self._kept = self._select(samples, wanted, most_left_out)

    def __next__(self) -> Sample:
        return next(self._kept)

    def _select(
        self, samples: Iterable[Sample], wanted: int | None, most_left_out: int
    ) -> Iterator[Sample]:
        found = in_a_row = 0
        for sample in samples:
            if reason := self._reason(sample.text):
                self.left_out[reason] += 1
                in_a_row += 1
                if in_a_row == most_left_out:
                    raise self._error(f"left out {most_left_out:,} samples in a row")
            else:
                found, in_a_row = found + 1, 0
                yield sample
                if found == wanted:
                    return
        if wanted is not None:
            drawn = found + sum(self.left_out.values())
            raise self._error(f"found {found:,} of {wanted:,} in {drawn:,} samples")

    def _reason(self, text: Text) -> str | None:
        """Why the sample that ``text`` completes is left out; None if it is kept."""
        whole = self._prime + text  # type: ignore[operator]  # both are str, or both bytes
        if not whole and not self._empty:
            return EMPTY
        if self._known is not None and whole in self._known:
            return KNOWN
        if self._unique:
            if hash(whole) in self._seen:
                return REPEATED
            self._seen.add(hash(whole))
        return None

    def _error(self, message: str) -> CharRNNError:
        return CharRNNError(
            f"{message} ({self.reasons()})",
            "a higher temperature repeats and copies less: {setting}",
            self._higher,
        )

    def reasons(self, *which: str) -> str:
        """How many samples were left out: ``3 repeated, 2 empty``; empty if none were.

        Args:
            which: the reasons to name; by default all.
        """
        named = which or (KNOWN, REPEATED, EMPTY)
        counts = [(self.left_out[reason], reason) for reason in named]
        return ", ".join(f"{count:,} {reason}" for count, reason in counts if count)
