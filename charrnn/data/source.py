"""Files and pipes as blocks of decoded text."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.data.vocab import codepoints
from charrnn.errors import CorpusError
from charrnn.messages import printable
from charrnn.nn.params import Array

#: Bytes read at once: large enough for NumPy to be at full speed, small in memory.
BLOCK = 1 << 22
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
            raise CorpusError(
                f"{name}: this looks like {other.upper()}", setting=f"data.encoding={other}"
            )


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
        raise _Undecodable(f"{name}: {place}", setting=f"data.encoding={other}")


def symbol_blocks(source: Source, data: DataConfig) -> Iterator[Array]:
    """The symbols of a source, block by block: byte values, or code points."""
    if data.unit == "byte":
        return (np.frombuffer(block, np.uint8) for block in source.blocks())
    return decode_blocks(source, data.encoding)
