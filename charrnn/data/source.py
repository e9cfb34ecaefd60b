"""Files and pipes as blocks of bytes."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from charrnn.errors import CorpusError, lacks_memory
from charrnn.files import open_to_read, temporary_space
from charrnn.messages import path_name, similar_file, system_reason

#: Bytes read at once: large enough for NumPy to run at full speed, small in memory.
BLOCK = 1 << 22
#: Bytes kept in memory of a copied stream or of a corpus's ids; more go to a temporary file.
MAX_IN_MEMORY = 1 << 26


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
            CorpusError: the file is missing, a folder or not readable.
        """
        name = path_name(str(path))
        try:
            file = open_to_read(path)  # closed with the source
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise CorpusError(f"{name}: {_reason(error)}", _remedy(str(path), error)) from None
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
            CorpusError: the stream cannot be read.
            CharRNNError: the temporary folder is full.
        """
        copy = tempfile.SpooledTemporaryFile(max_size=max_in_memory)  # noqa: SIM115
        try:
            while block := _read(name, stream.read, BLOCK):
                with temporary_space():
                    copy.write(block)
            with temporary_space():
                copy.flush()
        except BaseException:
            with contextlib.suppress(OSError):  # it would try again to write the rest
                copy.close()
            raise
        return cls(name, copy)

    def blocks(self) -> Iterator[bytes]:
        """The bytes from the start, at most ``block_size`` at a time, never empty.

        Raises:
            CorpusError: the stream cannot be read.
        """
        read = self.stream.read
        if self.once:
            # A pipe may still be being written to: take what has arrived.
            read = getattr(self.stream, "read1", read)
        else:
            self.stream.seek(0)
        while block := _read(self.name, read, self.block_size):
            yield block

    def close(self) -> None:
        """Close the stream. A temporary copy is deleted."""
        self.stream.close()


def _read(name: str, read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except OSError as error:
        if lacks_memory(error):
            raise MemoryError from None
        raise CorpusError(f"{name}: {_reason(error)}") from None


def _reason(error: OSError | ValueError) -> str:
    """What went wrong, in lower case: ``no such file``."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return system_reason(error)


def _remedy(path: str, error: OSError | ValueError) -> str:
    """What to do about a file that cannot be opened."""
    if re.match(r"[a-z]+://", path):
        return "this is an address: download the text first, or pipe it in with curl"
    if isinstance(error, FileNotFoundError) and (hint := similar_file(path)):
        return hint
    if isinstance(error, PermissionError):
        return "ask its owner for permission, or give another file"
    return "give a text file, or - for stdin"
