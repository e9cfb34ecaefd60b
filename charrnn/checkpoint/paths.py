"""Names and types of the files that checkpoints are written to and read from."""

from __future__ import annotations

import os
import re
import stat
import sys

from charrnn.errors import CheckpointError
from charrnn.messages import path_name

Path = str | os.PathLike[str]

_FILE_TYPES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link to itself",
}


def file_type(mode: int) -> str:
    """Name what a mode of ``os.stat`` describes, other than a regular file."""
    return _FILE_TYPES.get(stat.S_IFMT(mode), "not a regular file")


def resolve_target(path: Path) -> tuple[str, int | None]:
    """Follow symbolic links to the file to replace; return its name, and its mode if it exists.

    Raises:
        CheckpointError: there is something other than a file, or a write-protected file.
        OSError: its folder cannot be searched.
    """
    text = os.fsdecode(path)
    if not os.path.basename(text) or "\0" in text:
        raise CheckpointError("is not a file name", "give the name of a file")
    target = os.path.realpath(text)
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        folder = os.path.dirname(target)
        if not os.path.isdir(folder):
            raise CheckpointError(
                f"the folder {path_name(folder)} does not exist", "create it first"
            ) from None
        return target, None
    if not stat.S_ISREG(mode):
        raise CheckpointError(f"is {file_type(mode)}", "choose a file name")
    if not os.access(target, os.W_OK):
        if _is_read_only(target):
            raise CheckpointError("is on a read-only file system", "choose another folder")
        raise CheckpointError(
            "is write-protected", "make it writable (chmod u+w), or choose another name"
        )
    return target, stat.S_IMODE(mode) & 0o777


def _is_read_only(path: str) -> bool:
    """Whether nothing can be written to the file system of ``path``, whatever its mode."""
    if sys.platform == "win32":  # pragma: no cover
        return False
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def temporary_name(target: str) -> str:
    """A new hidden name beside ``target``."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.{os.urandom(8).hex()}.tmp")


def is_temporary_name(entry: str, name: str) -> bool:
    """Whether a file called ``entry`` is a temporary file for the target called ``name``."""
    return re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.tmp", entry) is not None
