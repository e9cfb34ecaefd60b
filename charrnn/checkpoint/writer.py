"""Writing a checkpoint so that a kill, a full disk or a power cut loses nothing.

The new file is written beside the target under a hidden name. Only when it is on the disk
does one ``os.replace`` put it in place, and then the folder is synced too. At every instant
the target is the whole old file or the whole new one.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint import format as fmt
from charrnn.checkpoint.errors import UnstorableError, error_context
from charrnn.checkpoint.manifest import decode_json, encode_json, encode_manifest
from charrnn.checkpoint.paths import Path, resolve_target, temporary_name
from charrnn.errors import CheckpointError

# What fsync does elsewhere is a call of its own on macOS, whose fsync stops at the disk's cache.
_FULL_SYNC: int | None = None
if sys.platform != "win32":
    import fcntl
    import resource

    _FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)

Arrays = Mapping[str, NDArray[Any]]

P = ParamSpec("P")
R = TypeVar("R")

_FAILURE = "cannot be written"
_NEW_FILE = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)
# Python itself repeats calls that a signal interrupted; one that fails this often is a fault.
_ATTEMPTS = 20
_DIVERGED = "try a smaller train.learning_rate or train.max_grad_norm"
# Seconds between attempts on Windows, five in all.
_PAUSES = tuple(0.01 * 2**n for n in range(9)) if sys.platform == "win32" else ()
# What syncing reports for folders that are not readable, and on file systems that cannot do it.
_FOLDER_SYNC_UNSUPPORTED = {errno.EACCES, errno.EINVAL, errno.ENOTSUP}


def write(path: Path, meta: Mapping[str, Any], arrays: Arrays, program: str = "charrnn") -> None:
    """Replace ``path`` with a checkpoint of ``meta`` (a JSON object) and ``arrays``.

    The file is on the disk when this returns. An existing file keeps its mode; if ``path`` is a
    symbolic link, its target is replaced. The arrays must not change meanwhile. After an error
    ``path`` holds what it held before, unless syncing the folder failed: then the new file is
    complete, but a power cut could still bring back the old one.

    Raises:
        CheckpointError: ``path`` cannot be written, or something in the state cannot be
            stored, such as a weight that is not finite.
    """
    write_file(path, _contents(meta, arrays, program))


def write_file(path: Path, contents: Iterable[Any]) -> None:
    """Replace ``path`` with a file of ``contents``, objects with a buffer, as :func:`write` does.

    Raises:
        CheckpointError: ``path`` cannot be written.
    """
    with error_context(path, _FAILURE):
        target, mode = resolve_target(path)
        with _temporary(target) as temporary:
            _write_file(temporary, mode, contents)
            _replace(temporary, target)
            _sync_folder(os.path.dirname(target))


def check_writable(path: Path) -> None:
    """Check, as far as possible, that :func:`write` would succeed.

    Makes a temporary file beside ``path`` and removes it.

    Raises:
        CheckpointError: ``path`` cannot be written.
    """
    with error_context(path, _FAILURE):
        target, mode = resolve_target(path)
        with _temporary(target) as temporary:
            _write_file(temporary, mode, ())
            os.unlink(temporary)  # In some folders files can be created but not removed.


def check_size(path: Path, size: Callable[[], int]) -> None:
    """Check that a file may have so many bytes (``ulimit -f``).

    Args:
        size: tells how many; asked only where there is a limit.

    Raises:
        CheckpointError: ``path`` would be too large.
    """
    largest = _largest_file()
    with error_context(path, _FAILURE):
        if largest < math.inf and size() > largest:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))


def _largest_file() -> float:
    """Bytes of the largest file that this process may write (``ulimit -f``)."""
    if sys.platform != "win32":
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit >= 0:  # RLIM_INFINITY may be -1
            return limit
    return math.inf


def _contents(meta: Mapping[str, Any], arrays: Arrays, program: str) -> Iterator[Any]:
    """Yield all bytes of the file, in order.

    The manifest comes first and needs all checksums, so each array is read twice; it is not
    copied.
    """
    if fmt.META in arrays:
        raise UnstorableError("the array name 'meta' is reserved", "choose another name")
    meta_array = np.frombuffer(_encode_meta(meta), np.uint8)
    stored = [(fmt.META, meta_array), *sorted(arrays.items())]
    entries = [_entry(name, array) for name, array in stored]
    manifest = encode_manifest(program, entries)
    (first, *members), directory, _ = fmt.layout(manifest, entries)
    yield first.headers
    yield manifest
    for member, (_, array) in zip(members, stored, strict=True):
        yield member.headers
        yield _flat(array).view(np.uint8).data
    yield directory


def _encode_meta(meta: Mapping[str, Any]) -> bytes:
    try:
        text = encode_json(dict(meta))
    except ValueError as exc:
        raise UnstorableError(
            "not saved, because the training state holds a number that is not finite",
            _DIVERGED,
        ) from exc
    if len(text) > fmt.MAX_META:
        raise UnstorableError(
            "the training state is larger than 32 MiB", "use a smaller vocabulary"
        )
    try:
        decode_json(text)
    except CheckpointError as exc:
        raise UnstorableError(
            "not saved, because the training state could not be read back",
            "use a smaller vocabulary",
        ) from exc
    return text


def _entry(name: str, array: NDArray[Any]) -> fmt.Entry:
    """Describe an array for the manifest; refuse one that cannot be stored."""
    unchecked = fmt.Entry(name, array.dtype.name, array.shape, "", 0)
    if (problem := unchecked.problem()) is not None:
        raise UnstorableError(problem, "store it in another form")
    checksums = fmt.Checksums(fmt.npy_header(unchecked.dtype, unchecked.shape))
    for chunk in fmt.chunks(_flat(array)):
        checksums.update(chunk)
    if not checksums.finite:
        raise UnstorableError(
            f"not saved, because {name} holds a number that is not finite", _DIVERGED
        )
    return fmt.Entry(name, unchecked.dtype, unchecked.shape, checksums.sha256, checksums.crc32)


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """The values in the order of the file: a view, if the array is contiguous."""
    return np.asarray(array, dtype=fmt.DTYPES[array.dtype.name], order="C").reshape(-1)


@contextlib.contextmanager
def _temporary(target: str) -> Iterator[str]:
    """A new name beside ``target``; on any error, the file of that name is removed."""
    temporary = temporary_name(target)
    try:
        yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _write_file(name: str, mode: int | None, contents: Iterable[Any]) -> None:
    """Create a file and sync it. ``os.write`` has no buffer to flush."""
    # The umask applies to this mode, so that a private file is never open to others meanwhile.
    fd = _retry_interrupted(os.open, name, _NEW_FILE, 0o666 if mode is None else mode)
    try:
        if mode is not None and sys.platform != "win32":  # pragma: no branch - Windows
            _retry_interrupted(os.fchmod, fd, mode)
        for part in contents:
            _write_all(fd, memoryview(part))
        _sync(fd)
    finally:
        _close(fd)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        if (written := _retry_interrupted(os.write, fd, data)) == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        data = data[written:]


def _close(fd: int) -> None:
    # On the systems that matter an interrupted close has closed the file, and any error that
    # it could report would have been reported by fsync. Repeating it could close another file.
    with contextlib.suppress(InterruptedError):
        os.close(fd)


def _replace(source: str, target: str) -> None:
    """Rename a file; Windows refuses to while another process has the target open."""
    for pause in _PAUSES:
        with contextlib.suppress(PermissionError):
            return os.replace(source, target)
        time.sleep(pause)
    return _retry_interrupted(os.replace, source, target)


def _sync(fd: int) -> None:
    """Wait until a file or folder is on the disk."""
    if sys.platform != "win32" and _FULL_SYNC is not None:
        with contextlib.suppress(OSError):  # not every file system knows it
            fcntl.fcntl(fd, _FULL_SYNC)
            return
    _retry_interrupted(os.fsync, fd)


def _sync_folder(folder: str) -> None:
    """Make sure that a replacement is on the disk, where the platform can."""
    if sys.platform == "win32":  # pragma: no cover - folders cannot be opened there
        return
    try:
        fd = _retry_interrupted(os.open, folder, os.O_RDONLY)
        try:
            _sync(fd)
        finally:
            _close(fd)
    except OSError as exc:
        if exc.errno not in _FOLDER_SYNC_UNSUPPORTED:
            raise CheckpointError(
                f"saved, but the disk did not confirm it ({exc.strerror})", "check the disk"
            ) from exc


def _retry_interrupted(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call, and call again where a signal interrupted."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(InterruptedError):
            return call(*args, **kwargs)
    return call(*args, **kwargs)
