"""Records: a corpus of many short texts instead of one long text.

A record is a line, or what ``data.records`` says: a paragraph between blank lines, or what
stands between two delimiters. Empty ones do not count. A symbol follows each record: the newline
where records are lines, else :data:`SEPARATOR`, which replaces the delimiter. A record starts from
the zero state, and its first symbol follows that of an ended record. So a trained model begins a
record when it reads this symbol in the zero state, and a sample ends with the next one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.data.source import BLOCK
from charrnn.data.vocab import Text, Vocab, bytes_of, codepoints, text_of
from charrnn.nn.params import Array

#: The symbol that ends a record of several lines: the record separator of ASCII.
SEPARATOR = 0x1E


def end_point(records: str) -> int:
    """The code point or byte value that ends a record; of one text, a line."""
    return 10 if records in ("none", "line") else SEPARATOR


def end_of(records: str) -> str:
    """What ends a record in a file; of one text, a line."""
    if records == "blank-line":
        return "\n\n"
    return "\n" if end_point(records) == 10 else "\n" + records.strip("\n") + "\n"


def noun_of(records: str) -> str:
    """What a record is called in messages; of one text, a line."""
    if records == "blank-line":
        return "paragraph"
    return "line" if end_point(records) == 10 else "record"


class RecordMarker:
    """Marks the ends of records in texts; the end of a text ends a record, too.

    Args:
        records: none, line, blank-line or a delimiter. unit: of the symbols.

    Attributes:
        found: whether a delimiter occurred.
    """

    def __init__(self, records: str, unit: str) -> None:
        self._records, self._unit, self.found = records, unit, False
        self._delimiter, sought = re.escape(records).encode(), records.encode()
        if records == "blank-line":
            self._delimiter, sought = rb"\r?\n(?:\r?\n)+", b"\r\n\r\n"
        self._overlap = len(sought) - 1  # bytes at the end of a block that may begin a delimiter

    def mark(self, blocks: Iterator[Array]) -> Iterator[Array]:
        """One text with the end of each record marked.

        Newlines at the beginning and the end of a record of several lines do not belong to it.

        Args:
            blocks: code points or byte values, (any length,) each.
        """
        if self._records == "none":
            return blocks
        return self._lines(blocks) if self._records == "line" else self._delimited(blocks)

    def _lines(self, blocks: Iterator[Array]) -> Iterator[Array]:
        last = 10
        for block in blocks:
            last = int(block[-1]) if len(block) else last
            yield block
        if last != 10:
            yield np.array([10], np.uint8)

    def _delimited(self, blocks: Iterator[Array]) -> Iterator[Array]:
        held: list[bytes] = []  # of a record whose end was not found yet
        tail = b""  # the end of that, which may begin a delimiter
        for block in blocks:
            # As bytes, because a text may contain what stands for undecodable ones.
            *whole, last = re.split(self._delimiter, tail + bytes_of(text_of(self._unit, block)))
            if whole:
                self.found = True
                whole[0] = b"".join([*held, whole[0]])
                held = []
                yield self._marked(whole)
            cut = max(0, len(last) - self._overlap)
            held.append(last[:cut])
            tail = last[cut:]
        yield self._marked([b"".join([*held, tail])])

    def _marked(self, records: list[bytes]) -> Array:
        stripped = (record.strip(b"\r\n") for record in records)
        text = b"".join(record + bytes([SEPARATOR]) for record in stripped if record)
        if self._unit == "byte":
            return np.frombuffer(text, np.uint8)
        return codepoints(text.decode("utf-8", "surrogatepass"))


def with_marked_ends(text: Text, records: str) -> Text:
    """A text with the end of each record marked, as :class:`RecordMarker` does."""
    unit = "byte" if isinstance(text, bytes) else "char"
    points = codepoints(text) if isinstance(text, str) else np.frombuffer(text, np.uint8)
    blocks = RecordMarker(records, unit).mark(iter([points]))
    return text_of(unit, np.concatenate(list(blocks)))


def find_symbol(ids: Array, symbol: int) -> Array:
    """Positions of ``symbol`` in ``ids``, (found,) of int64; searched in blocks to save memory."""
    blocks = range(0, len(ids), BLOCK)
    found = [start + np.flatnonzero(ids[start : start + BLOCK] == symbol) for start in blocks]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def record_spans(ids: Array, end: int) -> tuple[Array, Array]:
    """Where the records of ``ids`` are.

    Args:
        ids: (characters,) of any integer dtype; the last record may lack its end.
        end: the id that ends a record.

    Returns:
        The start of each record and its length without its end, (records,) of int64 each.
    """
    ends = find_symbol(ids, end)
    if len(ids) and ids[-1] != end:
        ends = np.append(ends, len(ids))
    starts = np.append(0, ends[:-1] + 1)[: len(ends)]
    nonempty = ends > starts
    return starts[nonempty], (ends - starts)[nonempty]


def without_empty_records(ids: Array, end: int, reads_unknown: bool = False) -> Array:
    """``ids`` without the ends of records of which nothing is read, which are not scored.

    Args:
        ids: (symbols,) of any integer dtype, below 0 for unknown symbols. end: what ends a record.
        reads_unknown: whether unknown symbols are read, too.
    """
    read = np.flatnonzero((ids >= 0) | reads_unknown)
    ends = ids[read] == end
    empty = ends & np.append(True, ends[:-1])[: len(ends)]
    return np.delete(ids, read[empty])


def shuffled(count: int) -> Array:
    """The numbers below ``count`` in an order that looks random and never changes.

    The finaliser of SplitMix64 (Steele, Lea, Flood 2014) is a bijection, so no two are equal; what
    NumPy's generators draw may change with its version, but not what a model has seen.
    """
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(z ^ (z >> np.uint64(31)), kind="stable")


class _Folding(dict[int, int | None]):
    """For ``str.translate``: only letters, marks, digits and symbols are left."""

    def __missing__(self, point: int) -> int | None:
        self[point] = None if unicodedata.category(chr(point))[0] in "PZC" else point
        return self[point]


_FOLDING = _Folding()


def folded(record: Text) -> Text:
    """What a record has in common with its near copies: no case, no spaces, no punctuation.

    A record of which nothing would be left is returned as it is.
    """
    text = record if isinstance(record, str) else record.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFC", text).casefold().translate(_FOLDING) or record


class RecordSet:
    """Which records a corpus contains, at 8 bytes each: ``text in known``.

    Near copies are in it, too: records that are equal once they are :func:`folded`.

    Args:
        hashes: (records,) of int64, sorted and without duplicates: the first 8 bytes of the
            BLAKE2b digest of each folded record's UTF-8, without its newline; in files of version
            0.1, of the record itself. In a set of a million records, a new one is mistaken for a
            known one with a probability of 10^-13.
    """

    def __init__(self, hashes: Array) -> None:
        self.hashes = hashes

    @classmethod
    def of(cls, records: Iterable[Text]) -> RecordSet:
        """The set of ``records``, given without their newlines."""
        return cls(np.unique(np.fromiter(map(_hash, map(folded, records)), np.int64)))

    @classmethod
    def of_ids(cls, ids: Array, vocab: Vocab) -> RecordSet:
        """The set of the records in ``ids``, (characters,) of any integer dtype."""
        starts, lengths = record_spans(ids, vocab.start)
        spans = zip(starts.tolist(), lengths.tolist(), strict=True)
        return cls.of(vocab.decode(ids[start : start + length]) for start, length in spans)

    def union(self, other: RecordSet) -> RecordSet:
        """The records of both."""
        return RecordSet(np.union1d(self.hashes, other.hashes))

    def __len__(self) -> int:
        return len(self.hashes)

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, (str, bytes)):
            return False
        return self._has(_hash(folded(text))) or self._has(_hash(text))

    def _has(self, value: int) -> bool:
        place = int(np.searchsorted(self.hashes, value))
        return place < len(self.hashes) and int(self.hashes[place]) == value


def _hash(record: Text) -> int:
    digest = blake2b(bytes_of(record), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


#: Symbols that are split into lines at once: a line takes 100 bytes, however short it is.
PART = 1 << 16


def split_lines(blocks: Iterator[Array], end: int = 10) -> Iterator[list[Array]]:
    """Split a text into lines, or into records whose ends are marked.

    Args:
        blocks: code points or byte values, (any length,) each; a line may span several.
        end: what ends a line or record.

    Yields:
        The lines, empty ones included and without their newlines, that each part of
        :data:`PART` symbols completes; then the last line, if no newline ends it.
    """
    rest: list[Array] = []
    parts = (block[i : i + PART] for block in blocks for i in range(0, len(block), PART))
    for part in parts:
        *ended, last = np.split(part, np.flatnonzero(part == end) + 1)
        lines = [piece[:-1] for piece in ended]
        if lines:
            lines[0] = np.concatenate([*rest, lines[0]])
            rest = []
        if len(last):
            rest.append(last)
        yield lines
    if rest:
        yield [np.concatenate(rest)]


def split_records(blocks: Iterator[Array], data: DataConfig) -> Iterator[list[Array]]:
    """Split a text into the records that ``data`` describes, or one text into its lines."""
    marked = RecordMarker(data.records, data.unit).mark(blocks)
    return split_lines(marked, end_point(data.records))
