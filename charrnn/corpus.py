"""Text of any size to ids; the held-out part; contiguous windows for truncated BPTT.

A corpus is read twice, in blocks: once to collect its alphabet, once to write the
ids in the smallest integer that holds them. Memory is bounded: ids beyond
:data:`IN_MEMORY` live in an unnamed temporary file that is mapped, not read.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import hashlib
import io
import math
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from charrnn.config import DataConfig, printable
from charrnn.errors import CorpusError
from charrnn.nn.params import Array
from charrnn.vocab import NOUNS, Text, Vocab, codepoints

#: Bytes read at once: large enough for NumPy to be at full speed, small in memory.
BLOCK = 1 << 22
#: A target that does not count: beyond the end of an item.
PADDING = -1
#: Bytes of ids kept in memory; larger ones go to a mapped temporary file.
IN_MEMORY = 1 << 26

#: Byte-order marks that are no UTF-8; those of UTF-32 begin like those of UTF-16.
_FOREIGN_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BOM = 0xFEFF


class _Undecodable(CorpusError):
    """Bytes that are no text in the encoding that was named."""


@dataclass(frozen=True)
class Source:
    """A named stream of bytes that can be read from its start again, unless ``once``.

    The name of a file is its path on one line: what is not printable is spelt out.
    """

    name: str
    stream: IO[bytes]
    once: bool = False

    @classmethod
    def open(cls, path: str | Path, once: bool = False) -> Source:
        """Open a file; what cannot be rewound (a pipe) is copied to a temporary file.

        Nothing is copied for a source that is to be read only ``once``.

        Raises:
            CorpusError: if it is missing, a directory or not readable.
        """
        name = printable(str(path), 1000) or "''"
        try:
            file = open(path, "rb")  # noqa: SIM115  (closed with the source)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = f"{_reason(error)}; give a text file, or - for stdin"
            raise CorpusError(f"{name}: {reason}") from None
        if once or stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return cls(name, file, once)
        with file:
            return cls.spool(name, file)

    @classmethod
    def spool(cls, name: str, stream: IO[bytes]) -> Source:
        """Copy a stream that can be read only once; large ones go to a temporary file.

        Raises:
            CorpusError: if it cannot be read, or not be copied.
        """
        spooled = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        try:
            while block := stream.read(BLOCK):
                spooled.write(block)
        except OSError as error:
            spooled.close()
            raise CorpusError(f"{name}: {_reason(error)}") from None
        return cls(name, spooled)

    def blocks(self) -> Iterator[bytes]:
        """The bytes from the start, :data:`BLOCK` at a time; of a pipe, what has come by then."""
        try:
            if not self.once:
                self.stream.seek(0)
            # Who reads only once may be following something that is still being written.
            read = (
                getattr(self.stream, "read1", self.stream.read) if self.once else self.stream.read
            )
            while block := read(BLOCK):
                yield block
        except OSError as error:
            raise CorpusError(f"{self.name}: {_reason(error)}") from None

    def close(self) -> None:
        """Close the stream; a temporary file is gone with it."""
        self.stream.close()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (getattr(error, "strerror", None) or str(error)).lower()


def decode_blocks(source: Source, encoding: str) -> Iterator[Array]:
    """The code points of a source, block by block: uint8 for ASCII, else uint32.

    Newlines are kept as they are; a byte-order mark at the start is dropped.

    Raises:
        CorpusError: at the first undecodable byte, after what stands before it was given;
            naming its offset and what to try.
    """
    decoder, fed, started = codecs.getincrementaldecoder(encoding)("strict"), 0, False
    utf8 = codecs.lookup(encoding).name == "utf-8"
    for block in source.blocks():
        if utf8 and fed == 0:
            _reject_foreign_mark(source.name, block)
        fed += len(block)
        if utf8 and block.isascii() and not decoder.getstate()[0]:
            started = True
            yield np.frombuffer(block, np.uint8)
            continue
        for text in _decode(decoder, block, False, source.name, encoding, fed):
            points = codepoints(text)
            if len(points) and not started:
                started = True
                points = points[1:] if points[0] == _BOM else points
            yield points
    for text in _decode(decoder, b"", True, source.name, encoding, fed):
        yield codepoints(text)


def _reject_foreign_mark(name: str, block: bytes) -> None:
    for mark, other in _FOREIGN_MARKS.items():
        if block.startswith(mark):
            raise CorpusError(f"{name}: this looks like {other.upper()}; try encoding={other}")


def _decode(
    decoder: Any, block: bytes, final: bool, name: str, encoding: str, fed: int
) -> Iterator[str]:
    """The text of a block, in one piece.

    Raises:
        CorpusError: at an undecodable byte, after the text before it was given.
    """
    text, place, state = "", "", decoder.getstate()
    try:
        text = decoder.decode(block, final)
    except UnicodeDecodeError as error:
        # The error's bytes end with the block; they begin with what earlier ones left over.
        offset = fed - len(error.object) + error.start
        good = len(block) - len(error.object) + error.start
        decoder.setstate(state)
        with contextlib.suppress(UnicodeError):  # a missing byte-order mark, here too
            text = decoder.decode(block[: max(0, good)])
        place = f"invalid {encoding.upper()} at byte {offset:,}"
    except UnicodeError as error:  # such as a missing byte-order mark
        place = f"invalid {encoding.upper()} ({error})"
    yield text
    if place:
        other = "latin-1" if codecs.lookup(encoding).name == "utf-8" else "utf-8"
        raise _Undecodable(f"{name}: {place}; try encoding={other}")


def symbol_blocks(source: Source, data: DataConfig) -> Iterator[Array]:
    """The symbols of a source, block by block: byte values, or code points."""
    if data.unit == "byte":
        return (np.frombuffer(block, np.uint8) for block in source.blocks())
    return decode_blocks(source, data.encoding)


class Corpus:
    """Ids of a whole text, its vocabulary, and where it came from.

    Attributes:
        ids: (characters,) of uint8, uint16 or uint32; perhaps mapped from a file.
        points: the text's own symbols, sorted: code points or byte values.
        vocab: of these symbols and the ``known`` ones; of all 256 byte values.
        name: of the files, for reports. size: bytes. sha256: of those bytes.
        characters: symbols, as many as ids. data: how it was read and is split.

    Args:
        sources: read one after the other, as if they were one file, and closed.
        data: unit, encoding and the held-out share.
        known: symbols to have an id beside the text's own: those of a model to start from,
            or of the run to go on with.

    Raises:
        CorpusError: for text that cannot be read or decoded, is empty, or has only
            one distinct symbol.
        VocabError: if ``known`` is of another unit.
    """

    def __init__(
        self, sources: Sequence[Source], data: DataConfig, known: Vocab | None = None
    ) -> None:
        self.name, self.data = " ".join(source.name for source in sources), data
        try:
            self._read(sources, known)
        finally:
            for source in sources:
                source.close()

    def _read(self, sources: Sequence[Source], known: Vocab | None) -> None:
        data = self.data
        try:
            seen, self.characters, self.size, self.sha256 = _survey(sources, data)
        except _Undecodable as error:
            raise CorpusError(f"{error}, or unit=byte") from None
        if self.characters == 0:
            raise CorpusError(f"{self.name}: the corpus is empty; give a text to learn from")
        if np.count_nonzero(seen) == 1:
            only, noun = ascii(chr(int(np.argmax(seen)))), NOUNS[data.unit]
            raise CorpusError(
                f"{self.name}: {only} is the only {noun}, so there is nothing to learn; "
                "give a text with at least two"
            )
        self.points = np.flatnonzero(seen)
        self.vocab = Vocab(data.unit, self.points.tolist())
        if known is not None:
            self.vocab = self.vocab.union(known)
        self.ids = _allocate(self.characters, np.min_scalar_type(len(self.vocab) - 1))
        at = 0
        for source in sources:
            for points in symbol_blocks(source, data):
                ids, end = self.vocab.ids_of(points), at + len(points)
                # A log that is still being written, say: its digest would not be the text's.
                if end > self.characters or (len(ids) and ids.min() < 0):
                    raise CorpusError(f"{source.name}: the file changed while it was read")
                self.ids[at:end] = ids
                at = end
        if at < self.characters:
            raise CorpusError(f"{self.name}: the file changed while it was read")
        if data.records == "line" and not self._has_newline:
            raise CorpusError(
                f"{self.name}: there is only one line, and data.records wants an item a line; "
                "give a text with several, or set data.records to none"
            )

    @classmethod
    def of_text(
        cls,
        text: Text,
        data: DataConfig | None = None,
        name: str = "text",
        known: Vocab | None = None,
    ) -> Corpus:
        """A corpus of a text in memory; ``str`` is taken as its UTF-8 bytes."""
        data = data or DataConfig()
        if isinstance(text, str):
            data = replace(data, encoding="utf-8")
            try:
                text = text.encode()
            except UnicodeEncodeError as error:
                raise CorpusError(
                    f"{name}: {text[error.start]!a} at character {error.start + 1:,} is half of a "
                    "surrogate pair; leave it out"
                ) from None
        return cls([Source(name, io.BytesIO(text))], data, known)

    @property
    def train(self) -> Array:
        """Ids of the first part: all that training may see."""
        return self.ids[: len(self.ids) - self._held_out]

    @property
    def validation(self) -> Array:
        """Ids of the held-out end; empty if nothing is held out."""
        return self.ids[len(self.ids) - self._held_out :]

    @property
    def _held_out(self) -> int:
        if self.data.records == "line":
            return self._held_out_lines
        # Rounded up: a tenth of 1,115,394 characters is the 111,540 others report on. Exactly
        # as the setting is written: in binary, 0.07 of 100 is a little more than 7.
        held_out = math.ceil(len(self.ids) * Fraction(repr(self.data.val_fraction)))
        # Two symbols must remain to train on: one to read, one to predict.
        return max(0, min(held_out, len(self.ids) - 2))

    @functools.cached_property
    def _held_out_lines(self) -> int:
        """Characters of the last lines, as many as make up the held-out share of the lines."""
        ends = newlines(self.ids, self.vocab.start) + 1
        lines = len(ends) + int(ends[-1] < len(self.ids))
        kept = max(1, lines - math.ceil(lines * Fraction(repr(self.data.val_fraction))))
        return len(self.ids) - int(ends[kept - 1]) if kept < lines else 0

    @property
    def _has_newline(self) -> bool:
        """Whether there is a newline at all."""
        return 10 in self.vocab.points and bool(np.any(self.ids == self.vocab.start))


def newlines(ids: Array, newline: int) -> Array:
    """Where the symbol ``newline`` stands in ``ids``, int64; block by block, to save memory."""
    blocks = range(0, len(ids), BLOCK)
    found = [at + np.flatnonzero(ids[at : at + BLOCK] == newline) for at in blocks]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _survey(sources: Sequence[Source], data: DataConfig) -> tuple[Array, int, int, str]:
    """First reading: symbols seen (a flag each), characters, bytes and digest."""
    seen = np.zeros(0x110000, bool)
    digest, characters, size = hashlib.sha256(), 0, 0
    for source in sources:
        for points in symbol_blocks(source, data):
            if points.dtype == np.uint8:
                seen[:256] |= np.bincount(points, minlength=256) > 0
            else:
                seen[points] = True
            characters += len(points)
        for block in source.blocks():
            digest.update(block)
            size += len(block)
    return seen, characters, size, digest.hexdigest()


def _allocate(count: int, dtype: np.dtype[Any]) -> Array:
    if count * dtype.itemsize <= IN_MEMORY:
        return np.empty(count, dtype)
    with tempfile.TemporaryFile() as file:
        file.truncate(count * dtype.itemsize)
        return np.frombuffer(mmap.mmap(file.fileno(), 0), dtype)


class Streams:
    """``batch_size`` contiguous streams through the ids, cut into windows of ``seq_length``.

    Truncated BPTT walks the windows in order, so that window k+1 goes on, stream by
    stream, where window k ended. A text too short for the batch shrinks it first, then
    the window: :attr:`batch_size` and :attr:`seq_length` are what is left.

    Args:
        ids: (characters,), at least 2.
    """

    def __init__(self, ids: Array, batch_size: int, seq_length: int) -> None:
        self.ids = ids
        self.seq_length = min(seq_length, len(ids) - 1)
        self.batch_size = max(1, min(batch_size, (len(ids) - 1) // self.seq_length))

    @property
    def offsets(self) -> int:
        """How many start offsets there are.

        A window's steps at least, where the text allows, so that windows are cut anywhere;
        and enough for the last one to reach the end, so that no part is never trained on.
        """
        window = self.batch_size * self.seq_length
        spare, left_over = len(self.ids) - 1 - window, (len(self.ids) - 1) % window
        return 1 + max(left_over, min(spare, self.seq_length - 1))

    def windows(self, offset: int) -> int:
        """Windows in an epoch that starts at ``offset``."""
        return (len(self.ids) - 1 - offset) // (self.batch_size * self.seq_length)

    def window(self, offset: int, k: int, ids: Array, targets: Array) -> None:
        """Copy window ``k``: inputs to ``ids`` and the symbols after them to ``targets``.

        Args:
            ids, targets: (seq_length, batch_size) of intp; written.
        """
        T, N = self.seq_length, self.batch_size
        length = self.windows(offset) * T
        text = self.ids[offset : offset + N * length + 1]
        at = k * T
        np.copyto(ids, text[:-1].reshape(N, length)[:, at : at + T].T)
        np.copyto(targets, text[1:].reshape(N, length)[:, at : at + T].T)

    def characters(self, offset: int, k: int) -> int:
        """Targets in window ``k`` that count: here all of them."""
        return self.batch_size * self.seq_length

    def fresh(self, offset: int, k: int) -> bool:
        """Whether window ``k`` starts from the zero state: the first of an epoch."""
        return k == 0


def counted(targets: Array, mean: bool) -> tuple[int, int, Array | float]:
    """How the targets of a window enter the loss.

    Args:
        targets: (T, N), :data:`PADDING` where nothing is to be foretold.
        mean: whether weights are to add up to 1, or be 1 each.

    Returns:
        Steps up to the last one with a target that counts; how many count; the weight of
        each in the loss: one factor if all count, else (steps, N) of float32.
    """
    counts = targets >= 0
    count = int(np.count_nonzero(counts))
    weight = 1.0 / count if mean else 1.0
    if count == targets.size:
        return len(targets), count, weight
    steps = int(np.flatnonzero(counts.any(axis=1))[-1]) + 1
    return steps, count, counts[:steps] * np.float32(weight)
