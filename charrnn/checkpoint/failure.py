"""How this package fails: with one line that says what is wrong and what to do.

Code below the public functions raises ``Refusal`` or lets an ``OSError`` rise; it need
not know the path. ``reporting`` stands around each public function, adds the path, and
makes either of them the ``CheckpointError`` that users see. MemoryError and
KeyboardInterrupt pass through: they say nothing about the file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from charrnn.errors import CheckpointError

# Some messages quote the file that they are about, and a hostile one can hold megabytes.
_LONGEST_MESSAGE = 600

_NO_ROOM = "free some space, or choose another place"
_NOT_ALLOWED = "check the permissions, or choose another place"
_REMEDIES = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: _NO_ROOM,
    errno.EACCES: _NOT_ALLOWED,
    errno.EPERM: _NOT_ALLOWED,
    errno.EROFS: _NOT_ALLOWED,
    errno.ENOENT: "check the name and its folder",
    errno.ENOTDIR: "check the name and its folder",
    errno.ELOOP: "check the name and its folder",
    errno.ENXIO: "check the name and its folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class Refusal(ValueError):
    """Something that is refused, and the remedy; the path is added by ``reporting``."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class Damage(Refusal):
    """A checkpoint that is not as it was written."""

    def __init__(self, what: str) -> None:
        super().__init__(f"damaged: {what}", "restore it from a copy, or train it again")


@contextmanager
def reporting(path: str | os.PathLike[str], failure: str) -> Iterator[None]:
    """Turn whatever goes wrong with `path` into one CheckpointError of one line.

    `failure` says what an error of the operating system prevented: "cannot be read".
    """
    try:
        yield
    except Refusal as exc:
        raise CheckpointError(_line(path, exc.what, exc.remedy)) from exc
    except OSError as exc:
        remedy = _REMEDIES.get(exc.errno or 0, "check the disk, or choose another place")
        why = exc.strerror or type(exc).__name__
        raise CheckpointError(_line(path, f"{failure} ({why})", remedy)) from exc


def _line(path: str | os.PathLike[str], what: str, remedy: str) -> str:
    """One printable line; a newline or an escape sequence in a name is spelt out."""
    if len(what) > _LONGEST_MESSAGE:
        what = what[:_LONGEST_MESSAGE] + "..."
    text = f"{os.fsdecode(path) or repr('')}: {what}; {remedy}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
