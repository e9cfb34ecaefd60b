"""Files and the operating system: non-blocking descriptors, allocated space, file identity.

Nothing slow is imported here, because the command line needs it before anything else.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from charrnn.errors import CharRNNError
from charrnn.messages import path_name

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

#: What file systems that cannot allocate space in advance report.
_CANNOT_ALLOCATE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class PatientFile(io.FileIO):
    """A descriptor that is read and written as if it blocked, even where it is set not to.

    The flag O_NONBLOCK belongs to a pipe or a terminal rather than to a process, so another
    program may have set it, and may need it: it is left as it is. Without waiting, Python would
    take "nothing yet" for the end of the text, and lose what a full pipe does not take at once.
    """

    def readinto(self, buffer: WriteableBuffer) -> int:
        while (count := super().readinto(buffer)) is None:
            select.select([self], [], [])
        return count

    def write(self, data: ReadableBuffer) -> int:
        while (count := super().write(data)) is None:
            select.select([], [self], [])
        return count

    # FileIO's own read without calling readinto().
    def read(self, size: int | None = -1) -> bytes | Any:
        return io.RawIOBase.read(self, -1 if size is None else size)

    def readall(self) -> bytes | Any:
        return io.RawIOBase.readall(self)


def open_to_read(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a file for reading bytes; one that does not block is waited for."""
    return io.BufferedReader(PatientFile(path, "rb"))


def has_room(descriptor: int, seconds: float = 0.0) -> bool:
    """Whether something can be written without waiting, now or within so many seconds."""
    # Windows tells it of sockets only.
    return os.name == "nt" or bool(select.select([], [descriptor], [], seconds)[1])


def same_file(one: str | int, other: str | int) -> bool:
    """Whether two paths, or descriptors, are the same file, whatever it is called."""
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except OSError:  # one does not exist yet
        if isinstance(one, int) or isinstance(other, int):
            return False
        return os.path.realpath(one) == os.path.realpath(other)


def unnamed_memory(size: int) -> int:
    """A descriptor of zeros that processes can map: memory, or else a deleted file.

    Raises:
        OSError, CharRNNError: there is no room for it.
    """
    try:
        create: Callable[[str], int] = os.memfd_create  # type: ignore[attr-defined,unused-ignore]
        descriptor = create("charrnn")
    except (AttributeError, OSError):  # a system without it, or a sandbox that refuses it
        return temporary_descriptor(size)
    try:
        allocate(descriptor, size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def temporary_descriptor(size: int) -> int:
    """A temporary file without a name: ``size`` bytes of zeros, all of them allocated.

    Raises:
        CharRNNError: there is no room for it.
    """
    import tempfile

    with temporary_space(size), tempfile.TemporaryFile() as file:
        allocate(file.fileno(), size)
        return os.dup(file.fileno())


def allocate(descriptor: int, size: int) -> None:
    """Make a new file ``size`` bytes long, and allocate all of them.

    If it were only made longer, the system would kill the process with SIGBUS when it writes to
    a mapping of the file and the disk is full.
    """
    if fallocate := getattr(os, "posix_fallocate", None):  # macOS has none
        try:
            fallocate(descriptor, 0, size)
            return
        except OSError as error:
            if error.errno not in _CANNOT_ALLOCATE:
                raise
    zeros = bytes(1 << 20)
    while size:
        size -= os.write(descriptor, zeros[:size])


@contextlib.contextmanager
def temporary_space(size: int = 0) -> Iterator[None]:
    """Raise an OSError of a temporary file of ``size`` bytes as an error that names its folder."""
    import tempfile

    try:
        yield
    except OSError as error:
        what = f"{size / 1e6:,.0f} MB of temporary files" if size else "temporary files"
        try:
            where = f"{what} in {path_name(tempfile.gettempdir())}"
            why = (error.strerror or str(error)).lower()
        except FileNotFoundError as missing:
            where, why = what, (missing.strerror or str(missing)).lower()
        raise CharRNNError(
            f"{where}: {why}", "set TMPDIR to a folder that has room for them"
        ) from error
