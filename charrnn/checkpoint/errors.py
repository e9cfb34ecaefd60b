"""Errors about a checkpoint: one line that names the file, what is wrong and what to do.

The code inside this package raises a CheckpointError that does not name the file, or lets
an OSError propagate; ``error_context`` around each public function adds the name.
MemoryError and KeyboardInterrupt pass through, because they say nothing about the file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from charrnn.checkpoint.paths import Path
from charrnn.errors import CheckpointError, lacks_memory
from charrnn.messages import path_name, similar_file

_FREE_SPACE = "free some space, or choose another folder"
_CHECK_PERMISSIONS = "check the permissions, or choose another folder"
_CHECK_NAME = "check the name and its folder"
_CHOOSE_FOLDER = "choose another folder"
_HINTS = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or choose another folder",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EACCES: _CHECK_PERMISSIONS,
    errno.EPERM: _CHECK_PERMISSIONS,
    errno.EROFS: _CHOOSE_FOLDER,
    errno.ENOENT: _CHECK_NAME,
    errno.ENOTDIR: _CHECK_NAME,
    errno.ELOOP: _CHECK_NAME,
    errno.ENXIO: _CHECK_NAME,
    errno.ENAMETOOLONG: "choose a shorter name",
}


class UnstorableError(CheckpointError):
    """A state that cannot be stored, on whichever disk and however often it is tried."""


def damaged(what: str) -> CheckpointError:
    """The error for a file that is not as it was written."""
    return CheckpointError(f"damaged: {what}", "restore it from a backup, or train the model again")


@contextmanager
def error_context(path: Path, failure: str) -> Iterator[None]:
    """Raise any CheckpointError or OSError inside as a CheckpointError that names ``path``.

    ``failure`` says what an OSError prevented: "cannot be read".
    """
    name = path_name(os.fsdecode(path))
    try:
        yield
    except CheckpointError as exc:
        raise exc.at(name) from exc
    except OSError as exc:
        if lacks_memory(exc):
            raise MemoryError from exc
        hint = _HINTS.get(exc.errno or 0, "check the disk, or choose another folder")
        if isinstance(exc, FileNotFoundError):
            hint = similar_file(os.fsdecode(path)) or hint
        reason = exc.strerror or type(exc).__name__
        raise CheckpointError(f"{name}: {failure} ({reason})", hint) from exc
