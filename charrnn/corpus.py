"""Text of any size to ids; the held-out part; contiguous windows for truncated BPTT.

A corpus is read twice, in blocks: once to collect its alphabet, once to write the
ids in the smallest integer that holds them. Memory is bounded: ids beyond
:data:`IN_MEMORY` live in an unnamed temporary file that is mapped, not read.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import mmap
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from charrnn.config import DataConfig
from charrnn.errors import CorpusError, VocabError
from charrnn.nn.params import Array
from charrnn.vocab import Text, Vocab, codepoints

#: Bytes read at once: large enough for NumPy to be at full speed, small in memory.
BLOCK = 1 << 22
#: Bytes of ids kept in memory; larger ones go to a mapped temporary file.
IN_MEMORY = 1 << 26

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Source:
    """A named stream of bytes that can be read from its start again."""

    name: str
    stream: IO[bytes]

    @classmethod
    def open(cls, path: str | Path) -> Source:
        """Open a file; what cannot be rewound (a pipe) is copied to a temporary file.

        Raises:
            CorpusError: if it is missing, a directory or not readable.
        """
        try:
            file = open(path, "rb")  # noqa: SIM115  (closed with the source)
            regular = stat.S_ISREG(Path(path).stat().st_mode)
        except OSError as error:
            raise CorpusError(f"{path}: {_reason(error)}; give a text file, or - for stdin") from None
        return cls(str(path), file) if regular else cls.spool(str(path), file)

    @classmethod
    def spool(cls, name: str, stream: IO[bytes]) -> Source:
        """Copy a stream that can be read only once; large ones go to a temporary file."""
        spooled = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        while block := stream.read(BLOCK):
            spooled.write(block)
        return cls(name, spooled)  # type: ignore[arg-type]

    def blocks(self) -> Iterator[bytes]:
        """The bytes from the start, :data:`BLOCK` at a time."""
        self.stream.seek(0)
        try:
            while block := self.stream.read(BLOCK):
                yield block
        except OSError as error:
            raise CorpusError(f"{self.name}: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or str(error)).lower()


def decode_blocks(source: Source, encoding: str) -> Iterator[Array]:
    """The code points of a source, block by block: uint8 for ASCII, else uint32.

    Newlines are kept as they are; a byte-order mark at the start is dropped.

    Raises:
        CorpusError: at the first undecodable byte, naming its offset and what to try.
    """
    decoder, fed = codecs.getincrementaldecoder(encoding)("strict"), 0
    utf8 = codecs.lookup(encoding).name == "utf-8"
    for block in source.blocks():
        if fed == 0 and utf8 and block.startswith(_UTF16_MARKS):
            raise CorpusError(f"{source.name}: this looks like UTF-16; try --encoding utf-16")
        fed += len(block)
        if utf8 and block.isascii() and not decoder.getstate()[0]:
            yield np.frombuffer(block, np.uint8)
        else:
            points = codepoints(_decode(decoder, block, False, source.name, encoding, fed))
            first = fed == len(block) and len(points) and points[0] == 0xFEFF
            yield points[1:] if first else points
    yield codepoints(_decode(decoder, b"", True, source.name, encoding, fed))


def _decode(decoder: Any, block: bytes, final: bool, name: str, encoding: str, fed: int) -> str:
    try:
        return str(decoder.decode(block, final))
    except UnicodeDecodeError as error:
        offset = fed - len(error.object) + error.start
        other = "latin-1, or --unit byte" if encoding != "latin-1" else "utf-8"
        raise CorpusError(
            f"{name}: invalid {encoding.upper()} at byte {offset:,}; try --encoding {other}"
        ) from None


def symbol_blocks(source: Source, data: DataConfig) -> Iterator[Array]:
    """The symbols of a source, block by block: byte values, or code points."""
    if data.unit == "byte":
        return (np.frombuffer(block, np.uint8) for block in source.blocks())
    return decode_blocks(source, data.encoding)


class Corpus:
    """Ids of a whole text, its vocabulary, and where it came from.

    Attributes:
        ids: (characters,) of uint8, uint16 or uint32; perhaps mapped from a file.
        vocab: sorted symbols of the text, unless one was given.
        name: of the files, for reports. size: bytes. sha256: of those bytes.

    Args:
        sources: read one after the other, as if they were one file.
        data: unit, encoding and the held-out share.
        vocab: of an earlier run; by default the text's own symbols.

    Raises:
        CorpusError: for text that cannot be read or decoded, is empty, or has only
            one distinct symbol.
        VocabError: if the text has symbols that ``vocab`` does not know.
    """

    def __init__(
        self, sources: Sequence[Source], data: DataConfig, vocab: Vocab | None = None
    ) -> None:
        self.name = " ".join(source.name for source in sources)
        self._data = data
        seen, self.characters, self.size, self.sha256 = _survey(sources, data)
        if self.characters == 0:
            raise CorpusError(f"{self.name}: the corpus is empty; give a text to learn from")
        if np.count_nonzero(seen) == 1:
            only = ascii(chr(int(np.argmax(seen))))
            raise CorpusError(
                f"{self.name}: {only} is the only character, so there is nothing to learn; "
                "give a text with at least two"
            )
        self.vocab = vocab or Vocab(data.unit, np.flatnonzero(seen).tolist())
        self._reject_unknown(np.flatnonzero(seen))
        self.ids = _allocate(self.characters, np.min_scalar_type(len(self.vocab) - 1))
        at = 0
        for source in sources:
            for points in symbol_blocks(source, data):
                self.ids[at : at + len(points)] = self.vocab.ids_of(points)
                at += len(points)

    def _reject_unknown(self, points: Array) -> None:
        unknown = points[self.vocab.ids_of(points) < 0]
        if len(unknown):
            some = " ".join(f"{ascii(chr(p))} (U+{p:04X})" for p in unknown[:5].tolist())
            raise VocabError(
                f"{self.name}: {len(unknown)} characters that the model does not know: {some}"
            )

    @classmethod
    def of_text(
        cls, text: Text, data: DataConfig | None = None, name: str = "text", vocab: Vocab | None = None
    ) -> Corpus:
        """A corpus of a text in memory; ``str`` is taken as its UTF-8 bytes."""
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        return cls([Source(name, io.BytesIO(raw))], data or DataConfig(), vocab)

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
        # Rounded up: a tenth of 1,115,394 characters is the 111,540 others report on.
        held_out = -int(-len(self.ids) * self._data.val_fraction // 1)
        # Two symbols must remain to train on: one to read, one to predict.
        return max(0, min(held_out, len(self.ids) - 2))


def _survey(sources: Sequence[Source], data: DataConfig) -> tuple[Array, int, int, str]:
    """First reading: symbols seen (a flag each), characters, bytes and digest."""
    counts = np.zeros(0x110000, bool)
    digest, characters, size = hashlib.sha256(), 0, 0
    for source in sources:
        for points in symbol_blocks(source, data):
            if points.dtype == np.uint8:
                counts[:256] |= np.bincount(points, minlength=256) > 0
            else:
                counts[points] = True
            characters += len(points)
        for block in source.blocks():
            digest.update(block)
            size += len(block)
    return counts, characters, size, digest.hexdigest()


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
        """How many start offsets there are: those that cost an epoch less than a window."""
        spare = len(self.ids) - 1 - self.batch_size * self.seq_length
        return 1 + min(spare, self.seq_length - 1)

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
