"""Files and pipes as blocks of decoded text."""

from __future__ import annotations

import codecs
import contextlib
import itertools
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
from charrnn.messages import path_name
from charrnn.nn.params import Array

#: Bytes read at once: large enough for NumPy to run at full speed, small in memory.
BLOCK = 1 << 22
#: Bytes kept in memory of a copied stream or of a corpus's ids; more go to a temporary file.
MAX_IN_MEMORY = 1 << 26

#: Byte-order marks of encodings other than UTF-8. UTF-32 comes first, because its
#: little-endian mark begins like that of UTF-16.
_OTHER_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BOM = 0xFEFF


#: Error handler that decodes each undecodable byte as a code point from U+DC00 on, which no text
#: contains, and encodes that as the byte again.
ESCAPE = "charrnn-escape"
_ESCAPED = 0xDC00


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        bad = error.object[error.start : error.end]
        return "".join(chr(_ESCAPED + byte) for byte in bad), error.end
    if isinstance(error, UnicodeEncodeError):
        point = ord(error.object[error.start])
        if is_escaped(point):
            return bytes([point - _ESCAPED]), error.start + 1
    raise error


codecs.register_error(ESCAPE, _escape)


def is_escaped(points: Array | int) -> Any:
    """Whether code points stand for undecodable bytes."""
    return (points >= _ESCAPED) & (points < _ESCAPED + 256)


class UndecodableError(CorpusError):
    """Bytes that are not valid text in the given encoding."""


@dataclass(frozen=True)
class Source:
    """A named stream of bytes, which can be read from its start again unless ``once``.

    Attributes:
        name: for messages; that of a file is its path on one line, unprintable characters
            escaped.
        stream: open for reading in binary mode; closed by :meth:`close`.
        once: the stream can be read only once, from its current position.
        block_size: most bytes read at once.
    """

    name: str
    stream: IO[bytes]
    once: bool = False
    block_size: int = BLOCK

    @classmethod
    def open(cls, path: str | Path, once: bool = False) -> Source:
        """Open a file. A pipe is copied, so that it can be read again, unless ``once``.

        Raises:
            CorpusError: the file is missing, a directory or not readable.
        """
        name = path_name(str(path))
        try:
            file = open(path, "rb")  # noqa: SIM115  (closed with the source)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise CorpusError(
                f"{name}: {_reason(error)}", "give a text file, or - for stdin"
            ) from None
        if once or stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return cls(name, file, once)
        with file:
            return cls.spool(name, file)

    @classmethod
    def spool(cls, name: str, stream: IO[bytes], max_in_memory: int = MAX_IN_MEMORY) -> Source:
        """Copy a stream that can be read only once, such as a pipe.

        Args:
            name: for messages.
            stream: read to its end, not closed.
            max_in_memory: bytes; a longer stream goes to a temporary file.

        Raises:
            CorpusError: the stream cannot be read, or the copy cannot be written.
        """
        copy = tempfile.SpooledTemporaryFile(max_size=max_in_memory)  # noqa: SIM115
        try:
            while block := stream.read(BLOCK):
                copy.write(block)
        except OSError as error:
            copy.close()
            raise CorpusError(f"{name}: {_reason(error)}") from None
        return cls(name, copy)

    def blocks(self) -> Iterator[bytes]:
        """The bytes from the start, at most ``block_size`` at a time, never empty.

        Raises:
            CorpusError: the stream cannot be read.
        """
        read = self.stream.read
        try:
            if self.once:
                # A pipe may still be being written to: take what has arrived.
                read = getattr(self.stream, "read1", read)
            else:
                self.stream.seek(0)
            while block := read(self.block_size):
                yield block
        except OSError as error:
            raise CorpusError(f"{self.name}: {_reason(error)}") from None

    def close(self) -> None:
        """Close the stream. A temporary copy is deleted."""
        self.stream.close()


def _reason(error: OSError | ValueError) -> str:
    """What went wrong, in lower case: ``no such file``."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (getattr(error, "strerror", None) or str(error)).lower()


def symbol_blocks(source: Source, data: DataConfig, errors: str = "strict") -> Iterator[Array]:
    """The symbols of a source, block by block: byte values, or code points.

    Args:
        errors: as for :func:`decode_blocks`.

    Yields:
        (any length,) of uint8 or uint32.

    Raises:
        CorpusError: as :func:`decode_blocks`, or the source cannot be read.
    """
    if data.unit == "byte":
        return (np.frombuffer(block, np.uint8) for block in source.blocks())
    return decode_blocks(source, data.encoding, errors)


def decode_blocks(source: Source, encoding: str, errors: str = "strict") -> Iterator[Array]:
    """The code points of a source, block by block.

    Newlines are kept as they are. A byte-order mark at the start is dropped.

    Args:
        errors: ``strict``, or :data:`ESCAPE`.

    Yields:
        (any length,) code points: uint8 where a block is ASCII, else uint32.

    Raises:
        CorpusError: the source cannot be read, or begins with the byte-order mark of another
            encoding.
        UndecodableError: at the first byte that is invalid in ``encoding``, after everything
            before it has been yielded. It names the byte's offset and what to try.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    utf8 = codecs.lookup(encoding).name == "utf-8"
    fed, at_start = 0, True
    for block in itertools.chain(source.blocks(), [b""]):  # the empty block ends the text
        if utf8 and fed == 0:
            _reject_other_bom(source.name, block)
        fed += len(block)
        if utf8 and block and block.isascii() and not decoder.getstate()[0]:
            at_start = False
            yield np.frombuffer(block, np.uint8)
            continue
        text, fault = _decode(decoder, block, fed)
        points = codepoints(text)
        if len(points) and at_start:
            at_start = False
            points = points[1:] if points[0] == _BOM else points
        yield points
        if fault:
            other = "latin-1" if utf8 else "utf-8"
            raise UndecodableError(
                f"{source.name}: invalid {encoding.upper()} {fault}",
                setting=f"data.encoding={other}",
            )


def _reject_other_bom(name: str, block: bytes) -> None:
    for bom, encoding in _OTHER_BOMS.items():
        if block.startswith(bom):
            raise CorpusError(
                f"{name}: this looks like {encoding.upper()}", setting=f"data.encoding={encoding}"
            )


def _decode(decoder: codecs.IncrementalDecoder, block: bytes, fed: int) -> tuple[str, str]:
    """Decode the next block; an empty one ends the text.

    Args:
        fed: bytes of the source up to the end of ``block``.

    Returns:
        The text up to the first invalid byte, and where that byte is; ``""`` if there is none.
    """
    text, state = "", decoder.getstate()
    try:
        return decoder.decode(block, final=not block), ""
    except UnicodeDecodeError as error:
        # error.object ends with this block and begins with what earlier blocks left undecoded.
        fault = f"at byte {fed - len(error.object) + error.start:,}"
        valid = len(block) - len(error.object) + error.start
        decoder.setstate(state)
        with contextlib.suppress(UnicodeError):  # the byte-order mark may be missing here, too
            text = decoder.decode(block[: max(0, valid)])
        return text, fault
    except UnicodeError:  # UTF-16 without its byte-order mark, before Python 3.13
        return text, "at byte 0"
