"""Only new records: samples that the training corpus does not contain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from charrnn.data.records import RecordSet
from charrnn.data.vocab import Text
from charrnn.errors import CharRNNError
from charrnn.generation import Sample

#: Draws for each new record that is wanted. A model that draws a known one nineteen times out of
#: twenty has memorised its corpus, and further draws would not help.
DRAWS = 20
#: How many known records in a row end the search for a new one.
MAX_KNOWN_IN_A_ROW = 10_000


class NoveltyFilter:
    """Keeps only the samples that are new: records that the training corpus does not contain.

    Args:
        known: the records of the training corpus.
        prime: text before each sample; it is part of the record.
        temperature: of the samples; an error suggests a higher one.
    """

    def __init__(self, known: RecordSet, prime: Text, temperature: float) -> None:
        self._known, self._prime = known, prime
        self._higher = f"sample.temperature={max(1.0, temperature + 0.5):g}"

    def is_new(self, text: Text) -> bool:
        """Whether the record that ``text`` completes is not in the training corpus."""
        record = self._prime + text  # type: ignore[operator]  # both are str, or both bytes
        return record not in self._known

    def select(
        self,
        samples: Iterable[Sample],
        wanted: int | None,
        most_known: int = MAX_KNOWN_IN_A_ROW,
    ) -> Iterator[Sample]:
        """The new ones among ``samples``: as many as ``wanted``, or all if that is None.

        Raises:
            CharRNNError: there are fewer than ``wanted``, or ``most_known`` samples in a row are
                known.
        """
        drawn = found = in_a_row = 0
        for sample in samples:
            drawn += 1
            if self.is_new(sample.text):
                found, in_a_row = found + 1, 0
                yield sample
                if found == wanted:
                    return
            else:
                in_a_row += 1
                if in_a_row == most_known:
                    raise self._error(f"{most_known:,} records in a row are in the training corpus")
        if wanted is not None:
            raise self._error(
                f"found {found:,} of {wanted:,} new records in {drawn:,} samples (the others are "
                "in the training corpus)"
            )

    def _error(self, message: str) -> CharRNNError:
        return CharRNNError(message, "a higher temperature copies less: {setting}", self._higher)
