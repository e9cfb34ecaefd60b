"""A corpus: the ids of a whole text, its vocabulary, and what is held out for validation.

Memory stays bounded whatever the size of the text, which is read block by block: ids are
stored in the smallest integer type that holds them, and large ones in an unnamed temporary
file that is mapped into memory.
"""

from __future__ import annotations

import functools
import io
import math
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from charrnn.config.schema import SETTING_TYPES, DataConfig
from charrnn.data.decoding import UndecodableError, symbol_blocks
from charrnn.data.records import RecordMarker, find_symbol, noun_of, shuffled
from charrnn.data.source import BLOCK, MAX_IN_MEMORY, Source
from charrnn.data.survey import Survey, WordSurvey
from charrnn.data.tokens import symbol_arrays
from charrnn.data.vocab import NOUNS, Text, Vocab
from charrnn.errors import CorpusError
from charrnn.files import temporary_descriptor
from charrnn.messages import did_you_mean, printable, quoted
from charrnn.nn.params import Array

#: Files of a corpus that its name lists, at most.
NAMED_FILES = 8


#: Records that are moved at once.
RECORDS = 1 << 16


class Corpus:
    """The ids of a whole text, its vocabulary, and where it came from.

    Args:
        sources: read one after the other, as if they were one file, and closed; the end of each
            ends a record.
        data: unit, encoding, records and the held-out fraction.
        known: symbols that get an id even if the text does not use them: those of the model
            to start from, or of the run to resume.
        max_in_memory: bytes; ids that take more go to a temporary file.

    Attributes:
        ids: (characters,) of uint8, uint16 or uint32; perhaps mapped from a file. Records held
            out that are scattered over the corpus come last.
        points: the symbols that the text uses, sorted: code points, byte values or words.
        counts: how often each of ``points`` occurs.
        rare: those that ``data.min_count`` or ``data.vocab_size`` leaves out; they are not among
            ``points``.
        vocab: of ``points`` and the ``known`` symbols; of all 256 values for bytes.
        name: of the files, for messages.
        data: as given.
        size: bytes. sha256: of these bytes.
        characters: how many symbols, as many as ids.

    Raises:
        CorpusError: the text cannot be read or decoded, is empty, has only one distinct
            symbol, or is only one record.
        VocabError: ``known`` is of another unit.
        CharRNNError: the temporary folder is full.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        data: DataConfig,
        known: Vocab | None = None,
        max_in_memory: int = MAX_IN_MEMORY,
    ) -> None:
        self.name, self.data = _joined_names(sources), data
        self._unknown_lengths: Array = np.zeros(0, np.uint16)
        self._marker = RecordMarker(data.records, data.unit)
        try:
            survey = self._survey(sources)
            self.characters, self.size, self.sha256 = survey.characters, survey.size, survey.sha256
            self.points, self.rare = survey.kept(data, known)
            self.counts = survey.counts_of(self.points)
            if not len(self.points):
                raise CorpusError(
                    f"{self.name}: no {NOUNS[data.unit]} occurs {data.min_count:,} times",
                    "lower data.min_count",
                )
            self.vocab = survey.vocab(self.points, self.rare, data)
            if known is not None:
                self.vocab = self.vocab.union(known)
            self.ids = _allocate(self.characters, len(self.vocab), max_in_memory)
            self._encode(sources)
        finally:
            for source in sources:
                source.close()
        if data.of_records:
            self._check_records()
        if data.scattered:
            self._scatter(max_in_memory)

    @classmethod
    def of_text(
        cls,
        text: Text,
        data: DataConfig | None = None,
        name: str = "text",
        known: Vocab | None = None,
        max_in_memory: int = MAX_IN_MEMORY,
    ) -> Corpus:
        """A corpus of a text in memory; ``str`` is taken as its UTF-8 bytes.

        Raises:
            CorpusError: as for :class:`Corpus`, or ``text`` contains half of a surrogate pair.
        """
        data = data or DataConfig()
        if isinstance(text, str):
            data = replace(data, encoding="utf-8")
            try:
                text = text.encode()
            except UnicodeEncodeError as error:
                raise CorpusError(
                    f"{name}: {text[error.start]!a} at character {error.start + 1:,} is half of "
                    "a surrogate pair",
                    "leave it out",
                ) from None
        return cls([Source(name, io.BytesIO(text))], data, known, max_in_memory)

    @property
    def train(self) -> Array:
        """Ids of the first part: all that training may see."""
        return self.ids[: self._split]

    @property
    def validation(self) -> Array:
        """Ids of the held-out part; empty if nothing is held out."""
        return self.ids[self._split :]

    @functools.cached_property
    def train_counts(self) -> Array:
        """How often each symbol occurs in the first part, (V,) of int64."""
        return self._counts(self.train)

    @functools.cached_property
    def validation_counts(self) -> Array:
        """How often each symbol occurs in the held-out part, (V,) of int64."""
        return self._counts(self.validation)

    @functools.cached_property
    def validation_lengths(self) -> Array:
        """How many characters each symbol held out has, (held out,) of uint16."""
        ids = self.validation
        if self.vocab.lengths is None:
            return np.ones(len(ids), np.uint16)
        lengths = self.vocab.lengths.astype(np.uint16)[ids]
        if len(self._unknown_lengths):
            unknown = np.flatnonzero(ids == self.vocab.rare_id)
            first = len(self._unknown_lengths) - len(unknown)
            lengths[unknown] = self._unknown_lengths[first:]
        return lengths

    def bits_per_char(self, nats: float) -> float:
        """What a score of the held-out part, in mean nats per symbol, is in bits per character.

        Unknown words, which are one symbol, are spelled.
        """
        ids, spelling = self.validation, 0.0
        if self.vocab.reads_unknown:
            spelling = self.vocab.spelling * int(self.validation_counts[self.vocab.rare_id])
        characters = int(self.validation_lengths.sum(dtype=np.int64))
        return (nats * len(ids) + spelling) / characters / math.log(2.0)

    def _counts(self, ids: Array) -> Array:
        counts = np.zeros(len(self.vocab), np.int64)
        for at in range(0, len(ids), BLOCK):
            counts += np.bincount(ids[at : at + BLOCK], minlength=len(counts))
        return counts

    @functools.cached_property
    def _split(self) -> int:
        """Where the held-out part begins: a symbol, or the start of a record."""
        if not self.data.of_records:
            # A tenth of 1,115,394 characters is 111,540, as in published results. Two symbols
            # must remain to train on: one to read, one to predict.
            return max(2, len(self.ids) - self._share(len(self.ids)))
        ends = find_symbol(self.ids, self.vocab.start) + 1
        kept = max(1, len(ends) - self._share(len(ends)))
        return int(ends[kept - 1])

    def _share(self, count: int) -> int:
        """The held-out share of ``count``, rounded up."""
        # Exact, as the setting is written: in binary, 0.07 of 100 is a little more than 7.
        return math.ceil(count * Fraction(repr(self.data.val_fraction)))

    def _check_records(self) -> None:
        records = self.data.records
        if not self._marker.found and records not in ("line", "blank-line"):
            known = SETTING_TYPES["data.records"].suggested
            raise CorpusError(
                f"{self.name}: the record delimiter {quoted(records)} (data.records) does not "
                "occur",
                did_you_mean(records, known)
                or f"give {', '.join(known)}, or a delimiter that occurs",
            )
        if len(find_symbol(self.ids, self.vocab.start)) > 1:
            return
        noun = noun_of(records)
        raise CorpusError(
            f"{self.name}: there is only one {noun}, but data.records is {printable(records)}",
            f"give a text of several {noun}s, or use {{setting}}",
            "data.records=none",
        )

    def _scatter(self, max_in_memory: int) -> None:
        """Move the records that are held out to the end; all others keep their order."""
        ends = find_symbol(self.ids, self.vocab.start) + 1
        lengths = np.diff(ends, prepend=0)
        held = np.zeros(len(ends), bool)
        nonempty = np.flatnonzero(lengths > 1)
        wanted = min(self._share(len(nonempty)), max(0, len(nonempty) - 1))
        held[nonempty[shuffled(len(nonempty))[:wanted]]] = True
        self._split = int(lengths[~held].sum())
        if len(self._unknown_lengths):
            unknown = find_symbol(self.ids, self.vocab.rare_id or 0)
            out = held[np.searchsorted(ends, unknown, side="right")]
            parts = self._unknown_lengths[~out], self._unknown_lengths[out]
            self._unknown_lengths = np.concatenate(parts)
        ids = _allocate(len(self.ids), len(self.vocab), max_in_memory)
        kept_end, held_end = 0, self._split
        for at in range(0, len(ends), RECORDS):
            some = slice(at, at + RECORDS)
            first = int(ends[at - 1]) if at else 0
            part = self.ids[first : int(ends[some][-1])]
            out = np.repeat(held[some], lengths[some])
            count = int(np.count_nonzero(out))
            ids[held_end : held_end + count] = part[out]
            ids[kept_end : kept_end + len(part) - count] = part[~out]
            held_end, kept_end = held_end + count, kept_end + len(part) - count
        self.ids = ids

    def _survey(self, sources: Sequence[Source]) -> Survey:
        """First reading: find out what the text consists of."""
        survey = WordSurvey() if self.data.unit == "word" else Survey()
        try:
            for source in sources:
                survey.add(source, self._symbols(source))
        except UndecodableError as error:
            hint = error.hint if error.settings else f"{error.hint}, or use {{setting}}"
            settings = (*error.settings, "data.unit=byte")
            raise CorpusError(error.message, hint, settings) from None
        if survey.characters == 0:
            raise CorpusError(f"{self.name}: the corpus is empty", "give a text to train on")
        if (only := survey.only()) is not None:
            raise CorpusError(
                f"{self.name}: {only!r} is the only {NOUNS[self.data.unit]}, so there is nothing "
                "to learn",
                "give a text with at least two different ones",
            )
        return survey

    def _symbols(self, source: Source) -> Iterator[Array]:
        """The symbols of a source, block by block."""
        return symbol_arrays(self._marker.mark(symbol_blocks(source, self.data)), self.data.unit)

    def _encode(self, sources: Sequence[Source]) -> None:
        """Second reading: write the ids."""
        start, unknown = 0, self.vocab.rare_id if self.vocab.reads_unknown else None
        for source in sources:
            for points in self._symbols(source):
                ids, end = self.vocab.ids_of(points), start + len(points)
                # Such as a log that is being written to; the digest would be of another text.
                if end > self.characters or (len(ids) and ids.min() < 0):
                    raise _changed(source.name)
                self.ids[start:end] = ids
                start = end
                if unknown is not None:
                    words = points[ids == unknown].tolist()
                    lengths = np.array([len(word) for word in words], np.uint16)
                    self._unknown_lengths = np.append(self._unknown_lengths, lengths)
        if start < self.characters:
            raise _changed(self.name)


def _joined_names(sources: Sequence[Source]) -> str:
    """The names of the files; of many, only some and their number."""
    names = [source.name for source in sources]
    if len(names) > NAMED_FILES:
        names = [names[0], names[1], "...", names[-1], f"({len(names):,} files)"]
    return " ".join(names)


def _changed(name: str) -> CorpusError:
    return CorpusError(
        f"{name}: the file changed while it was read", "try again when nothing writes to it"
    )


def _allocate(count: int, symbols: int, max_in_memory: int) -> Array:
    """An array for ``count`` ids below ``symbols``, in memory or in a temporary file."""
    dtype: np.dtype[Any] = np.min_scalar_type(symbols - 1)
    if count * dtype.itemsize <= max_in_memory:
        return np.empty(count, dtype)
    descriptor = temporary_descriptor(count * dtype.itemsize)
    try:
        return np.frombuffer(mmap.mmap(descriptor, 0), dtype)
    finally:
        os.close(descriptor)
