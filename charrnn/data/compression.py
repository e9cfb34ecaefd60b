"""Compressed text, read as if it were not: gzip, bzip2 and xz, recognised by its first bytes."""

from __future__ import annotations

import bz2
import itertools
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from charrnn.errors import CorpusError

#: Most bytes that are unpacked at once, and to what size.
STEP, PIECE = 1 << 16, 1 << 22


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def pieces(self, data: bytes) -> Iterator[bytes]: ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data and not self.eof:
            yield self._inner.decompress(data, PIECE)
            data = self._inner.unconsumed_tail


class _Other:
    """bzip2 or xz, which have one interface."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(data, PIECE)
        while not (self.eof or self._inner.needs_input):
            yield self._inner.decompress(b"", PIECE)


#: By the first bytes: the name, and what unpacks one stream.
_FORMATS: dict[bytes, tuple[str, Callable[[], _Decompressor]]] = {
    b"\x1f\x8b\x08": ("gzip", _Gzip),
    b"BZh": ("bzip2", lambda: _Other(bz2.BZ2Decompressor())),
    b"\xfd7zXZ\0": ("xz", lambda: _Other(lzma.LZMADecompressor())),
}


def may_be_compressed(head: bytes) -> bool:
    """Whether more bytes after ``head`` could make it the beginning of a compressed file."""
    return any(start.startswith(head) for start in _FORMATS)


def compression(head: bytes) -> str | None:
    """``gzip``, ``bzip2`` or ``xz`` for bytes that begin like one; else None."""
    return next((name for start, (name, _) in _FORMATS.items() if head.startswith(start)), None)


def unpacked(name: str, head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The text of a compressed file, block by block.

    Args:
        name: of the file, for messages. head: its first bytes. blocks: the others.

    Raises:
        CorpusError: it is damaged or cut short.
    """
    kind, make = next(value for start, value in _FORMATS.items() if head.startswith(start))
    unpacker, ended = make(), False
    try:
        for block in itertools.chain([head], blocks):
            for at in range(0, len(block), STEP):
                data = block[at : at + STEP]
                while data:
                    if ended:  # files that were compressed one by one and joined are read as one
                        unpacker = make()
                    yield from filter(None, unpacker.pieces(data))
                    ended = unpacker.eof
                    data = unpacker.unused_data.lstrip(b"\0") if ended else b""
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise CorpusError(
            f"{name}: the {kind} data are damaged ({error})", "get an intact copy"
        ) from None
    if not ended:
        raise CorpusError(f"{name}: the {kind} data are cut short", "get a complete copy")
