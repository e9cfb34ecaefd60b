"""Bytes to code points: strict, block by block, and with advice where it fails."""

from __future__ import annotations

import codecs
import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.config.schema import DataConfig
from charrnn.data.compression import compression, may_be_compressed, unpacked
from charrnn.data.encodings import SAMPLE, guess
from charrnn.data.filetypes import file_type
from charrnn.data.source import Source
from charrnn.data.vocab import codepoints
from charrnn.errors import CorpusError
from charrnn.messages import pluralize
from charrnn.nn.params import Array

#: Byte-order marks of encodings other than UTF-8. UTF-32 comes first, because its
#: little-endian mark begins like that of UTF-16.
_OTHER_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BOM = "\ufeff"
#: First bytes in which the zeros of UTF-16 and UTF-32 are looked for, at least and at most.
_FEWEST, _MOST = 32, 4096
#: Bytes before an invalid one that are looked at, too.
BEFORE = 1000

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
    """Bytes that are not valid text in the given encoding, or no text at all."""


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

    What is compressed by gzip, bzip2 or xz is unpacked. Newlines are kept as they are. A
    byte-order mark at the start of a line is dropped: there was one at the start of each of
    several files that were joined.

    Args:
        errors: ``strict``, or :data:`ESCAPE`.

    Yields:
        (any length,) code points: uint8 where a block is ASCII, else uint32.

    Raises:
        CorpusError: the source cannot be read, or begins with the byte-order mark of another
            encoding.
        UndecodableError: the file is known to be no text; or at the first byte that is invalid
            in ``encoding``, after everything before it has been yielded. It names the byte's
            offset and line, and what to try.
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    utf8 = codecs.lookup(encoding).name == "utf-8"
    fed, newlines, line_starts = 0, 0, True
    for block in itertools.chain(_text_bytes(source), [b""]):  # the empty block ends the text
        if fed == 0:
            _check_start(source.name, block, encoding)
        fed += len(block)
        if utf8 and block and block.isascii() and not decoder.getstate()[0]:
            line_starts = block.endswith(b"\n")
            newlines += block.count(b"\n")
            yield np.frombuffer(block, np.uint8)
            continue
        text, fault = _decode(decoder, block, fed)
        if text:
            begins, line_starts = line_starts, text.endswith("\n")
            text = _without_marks(text, begins)
        yield codepoints(text)
        if fault:
            line = newlines + fault.data[: fault.start].count(b"\n") + 1
            raise _undecodable(source, encoding, fault, line)
        newlines += block.count(b"\n")


def _without_marks(text: str, line_starts: bool) -> str:
    """``text`` without byte-order marks at the start of lines, of which it may be the first."""
    if _BOM not in text:
        return text
    text = text.replace(f"\n{_BOM}", "\n")
    return text.removeprefix(_BOM) if line_starts else text


def _text_bytes(source: Source) -> Iterator[bytes]:
    """The bytes of a source, unpacked if they are compressed."""
    blocks = source.blocks()
    head = next(blocks, b"")
    # No more is waited for than is needed: a pipe may still be being written to.
    while may_be_compressed(head) and (more := next(blocks, b"")):
        head += more
    if compression(head):
        yield from unpacked(source.name, head, blocks)
    elif head:
        yield head
        yield from blocks


def _check_start(name: str, block: bytes, encoding: str) -> None:
    """Refuse what is no text, or is in another encoding, by its first bytes."""
    if kind := file_type(block):
        raise UndecodableError(
            f"{name}: is {kind.name}, not plain text", kind.remedy or "give a text file"
        )
    if _is_wide(encoding):
        return
    if found := next((e for bom, e in _OTHER_BOMS.items() if block.startswith(bom)), None):
        raise CorpusError(
            f"{name}: this looks like {found.upper()}", setting=f"data.encoding={found}"
        )
    if found := _wide_encoding(block):
        raise CorpusError(
            f"{name}: this looks like {found.upper()} without a byte-order mark",
            setting=f"data.encoding={found}",
        )


def _is_wide(encoding: str) -> bool:
    """Whether a character takes several bytes, so that a newline is not the byte 10."""
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _wide_encoding(block: bytes) -> str | None:
    """UTF-16 or UTF-32 by where the zeros are; None if they are in neither pattern."""
    head = block[:_MOST]
    if len(head) < _FEWEST:
        return None
    zeros = [head[i::4].count(0) / len(head[i::4]) for i in range(4)]
    if zeros[3] > 0.9 and zeros[2] > 0.9 and zeros[0] < 0.1:
        return "utf-32-le"
    if zeros[0] > 0.9 and zeros[1] > 0.9 and zeros[3] < 0.1:
        return "utf-32-be"
    even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
    if odd > 0.1 and even < 0.01:
        return "utf-16-le"
    if even > 0.1 and odd < 0.01:
        return "utf-16-be"
    return None


@dataclass(frozen=True)
class _Fault:
    """An invalid byte: its offset in the source, and its position in the bytes around it."""

    offset: int
    data: bytes
    start: int
    end: int
    final: bool

    @property
    def bad(self) -> bytes:
        return self.data[self.start : self.end]


def _decode(
    decoder: codecs.IncrementalDecoder, block: bytes, fed: int
) -> tuple[str, _Fault | None]:
    """Decode the next block; an empty one ends the text.

    Args:
        fed: bytes of the source up to the end of ``block``.

    Returns:
        The text up to the first invalid byte, and where that byte is; None if there is none.
    """
    text, state = "", decoder.getstate()
    try:
        return decoder.decode(block, final=not block), None
    except UnicodeDecodeError as error:
        # error.object ends with this block and begins with what earlier blocks left undecoded.
        offset = fed - len(error.object) + error.start
        fault = _Fault(offset, bytes(error.object), error.start, error.end, final=not block)
        valid = len(block) - len(error.object) + error.start
        decoder.setstate(state)
        with contextlib.suppress(UnicodeError):  # the byte-order mark may be missing here, too
            text = decoder.decode(block[: max(0, valid)])
        return text, fault
    except UnicodeError:  # UTF-16 without its byte-order mark, before Python 3.13
        return text, _Fault(0, block, 0, 1, final=False)


def _undecodable(source: Source, encoding: str, fault: _Fault, line: int) -> UndecodableError:
    """The error for a fault, with what the bytes look like and what to do about it."""
    where = f"{source.name}: invalid {encoding.upper()} at byte {fault.offset:,}"
    if _is_wide(encoding):  # its lines are not counted
        other = _wide_encoding(fault.data) or "utf-8"
        return UndecodableError(where, setting=f"data.encoding={other}")
    where += f" (line {line:,})"
    if codecs.lookup(encoding).name != "utf-8":
        return UndecodableError(where, setting="data.encoding=utf-8")
    if fault.final:
        size = pluralize(len(fault.data), "byte").removeprefix("1 ")
        return UndecodableError(
            f"{where}: the file ends inside a character", f"remove its last {size}"
        )
    if (
        fault.bad[:1] == b"\xed"
        and 0xA0 <= fault.data[fault.start + 1 : fault.start + 2][0] <= 0xBF
    ):
        return UndecodableError(
            f"{where}: half of a surrogate pair, as in CESU-8", "convert the text to UTF-8"
        )
    count, characters, around = _survey(source, fault)
    if characters > count:  # it is UTF-8, but for these
        these, them = f"the first of {count:,} invalid bytes", "them"
        if count == 1:
            these, them = "the only invalid byte", "it"
        return UndecodableError(
            f"{where}: {these} in otherwise valid UTF-8",
            f"remove {them}, for instance with iconv -c -f utf-8 -t utf-8",
        )
    if candidate := guess(around):
        return UndecodableError(
            f"{where}: this looks like {candidate.words}",
            setting=f"data.encoding={candidate.encoding}",
        )
    return UndecodableError(f"{where}: this does not look like text", "give a text file")


def _survey(source: Source, fault: _Fault) -> tuple[int, int, bytes]:
    """How many bytes are not UTF-8, how many characters are beyond ASCII, and what is around.

    Covers the whole source if it can be read again, otherwise only the bytes already read.
    """
    bad = characters = 0
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    at, blocks = 0, _text_bytes(source)
    if source.once:
        at, blocks = fault.offset - fault.start, iter([fault.data])
    around = b""
    for block in itertools.chain(blocks, [b""]):
        points = codepoints(decoder.decode(block, final=not block))
        escaped = int(np.count_nonzero(is_escaped(points)))
        bad += escaped
        characters += int(np.count_nonzero(points >= 0x80)) - escaped
        first = max(0, fault.offset - BEFORE - at)
        around += block[first : first + SAMPLE - len(around)]
        at += len(block)
    return bad, characters, around
