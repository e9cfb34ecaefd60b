"""Writing a checkpoint so that a kill, a full disk or a power cut loses nothing.

The new file grows beside the target under a hidden name. Only when the disk has
confirmed it does one `os.replace` put it in place, and then the folder is confirmed too.
At every instant the target is the whole old file or the whole new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint import format as fmt
from charrnn.checkpoint.failure import Damage, Refusal, reporting
from charrnn.checkpoint.manifest import decode_json, encode_json, encode_manifest

Path = str | os.PathLike[str]
Arrays = Mapping[str, NDArray[Any]]

P = ParamSpec("P")
R = TypeVar("R")

_FAILURE = "cannot be written"
_NEW_FILE = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)
# Python itself repeats calls that a signal interrupted; what still fails this often is a fault.
_ATTEMPTS = 20
_DIVERGED = "try a smaller learning rate or stronger gradient clipping"
# Folders that cannot be confirmed: not readable, or on a file system that does not know how.
_NO_FOLDER_SYNC = {errno.EACCES, errno.EINVAL, errno.ENOTSUP}


def write(path: Path, meta: Mapping[str, Any], arrays: Arrays, program: str = "charrnn") -> None:
    """Replace `path` by a checkpoint of `meta` (what JSON can hold) and `arrays`.

    The file is on the disk when this returns. An existing file keeps its mode, a symbolic
    link stays and its target is replaced. The arrays must not change meanwhile. After an
    error `path` holds what it held before, except where confirming the folder failed:
    then the new file is complete, but a power cut could still bring back the old one.

    Raises:
        CheckpointError: `path` cannot be written, or something in the state cannot be
            kept, such as a weight that is not finite.
    """
    with reporting(path, _FAILURE):
        target, mode = locate(path)
        _replace(target, mode, _pieces(meta, arrays, program))


def check_writable(path: Path) -> None:
    """Find out now, as far as can be known, whether `write` would be able to.

    Makes a temporary file beside `path` and removes it.

    Raises:
        CheckpointError: `path` cannot be written.
    """
    with reporting(path, _FAILURE):
        target, mode = locate(path)
        with _temporary(target) as temporary:
            _fill(temporary, mode, ())
            os.unlink(temporary)  # Some folders let files be made but never removed.


def locate(path: Path) -> tuple[str, int | None]:
    """Follow symbolic links from `path` to the file to replace; return its mode if it exists.

    Raises:
        Refusal: there is something else than a file, or a write-protected file.
        OSError: its folder is missing or cannot be looked into.
    """
    if not os.path.basename(text := os.fsdecode(path)) or "\0" in text:
        raise Refusal("is not the name of a file", "choose a file name")
    target = os.path.realpath(text)
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        if not os.path.isdir(folder := os.path.dirname(target)):
            raise Refusal(f"the folder {folder} does not exist", "create it first") from None
        return target, None
    if not stat.S_ISREG(mode):
        raise Refusal(f"is {kind_of(mode)}", "choose a file name")
    if not os.access(target, os.W_OK):
        raise Refusal("is write-protected", "allow writing (chmod u+w), or choose another name")
    return target, stat.S_IMODE(mode) & 0o777


def kind_of(mode: int) -> str:
    """Name what a mode of `os.stat` describes, if it is no regular file."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
        stat.S_IFLNK: "a symbolic link to itself",
    }
    return kinds.get(stat.S_IFMT(mode), "no regular file")


def _pieces(meta: Mapping[str, Any], arrays: Arrays, program: str) -> Iterator[Any]:
    """Yield all bytes of the file, in order.

    The first come when all digests are known; so each array is read twice, and none is copied.
    """
    if fmt.META in arrays:
        raise Refusal("the array name 'meta' is reserved", "choose another name")
    members = [(fmt.META, np.frombuffer(_text(meta), np.uint8)), *sorted(arrays.items())]
    entries = [_entry(name, array) for name, array in members]
    manifest = encode_manifest(program, entries)
    (first, *slots), tail, _ = fmt.layout(manifest, entries)
    yield first.head
    yield manifest
    for slot, (_, array) in zip(slots, members, strict=True):
        yield slot.head
        yield _flat(array).view(np.uint8).data
    yield tail


def _text(meta: Mapping[str, Any]) -> bytes:
    try:
        text = encode_json(dict(meta))
    except ValueError as exc:
        raise Refusal(
            "not saved, the training state holds a number that is not finite", _DIVERGED
        ) from exc
    if len(text) > fmt.MAX_META:
        raise Refusal("the training state is larger than 32 MiB", "use a smaller vocabulary")
    try:
        decode_json(text)
    except Damage as exc:
        raise Refusal("the training state could not be read again", "make it simpler") from exc
    return text


def _entry(name: str, array: NDArray[Any]) -> fmt.Entry:
    """Describe an array for the manifest; refuse one that must not be kept."""
    blank = fmt.Entry(name, array.dtype.name, array.shape, "", 0)
    if (objection := blank.objection()) is not None:
        raise Refusal(objection, "keep it in another form")
    seal = fmt.Seal(fmt.npy_header(blank.dtype, blank.shape))
    for chunk in fmt.chunks(_flat(array)):
        seal.add(chunk)
    if not seal.finite:
        raise Refusal(f"not saved, {name} holds a number that is not finite", _DIVERGED)
    return fmt.Entry(name, blank.dtype, blank.shape, seal.sha256, seal.crc32)


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """The values in the order of the file: a view, if the array is contiguous."""
    return np.asarray(array, dtype=fmt.DTYPES[array.dtype.name], order="C").reshape(-1)


def _replace(target: str, mode: int | None, pieces: Iterable[Any]) -> None:
    with _temporary(target) as temporary:
        _fill(temporary, mode, pieces)
        _again(os.replace, temporary, target)
        _sync_folder(os.path.dirname(target))


@contextlib.contextmanager
def _temporary(target: str) -> Iterator[str]:
    """A new name beside `target`; on any error, what bears it by then is removed."""
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{os.urandom(8).hex()}.tmp")
    try:
        yield temporary
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _fill(temporary: str, mode: int | None, pieces: Iterable[Any]) -> None:
    """Make the file and have the disk confirm it. There is no buffer to flush: see `os.write`."""
    # The umask applies to this mode, so that a private file is never open to others meanwhile.
    fd = _again(os.open, temporary, _NEW_FILE, 0o666 if mode is None else mode)
    try:
        if mode is not None and sys.platform != "win32":  # pragma: no branch - Windows
            _again(os.fchmod, fd, mode)
        for piece in pieces:
            _write_all(fd, memoryview(piece))
        _again(os.fsync, fd)
    finally:
        _close(fd)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        if (written := _again(os.write, fd, data)) == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        data = data[written:]


def _close(fd: int) -> None:
    # An interrupted close has closed the file on the systems that matter, and what it could
    # report the disk has confirmed already; to repeat it could close somebody else's file.
    with contextlib.suppress(InterruptedError):
        os.close(fd)


def _sync_folder(folder: str) -> None:
    """Have the disk confirm a replacement, where the platform can."""
    if sys.platform == "win32":  # pragma: no cover - folders cannot be opened there
        return
    try:
        fd = _again(os.open, folder, os.O_RDONLY)
        try:
            _again(os.fsync, fd)
        finally:
            _close(fd)
    except OSError as exc:
        if exc.errno not in _NO_FOLDER_SYNC:
            what = f"saved, but the disk did not confirm it ({exc.strerror})"
            raise Refusal(what, "check the disk") from exc


def _again(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call, and call again where a signal interrupted."""
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(InterruptedError):
            return call(*args, **kwargs)
    return call(*args, **kwargs)
