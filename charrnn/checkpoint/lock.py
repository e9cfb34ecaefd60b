"""One output, one writer.

The lock is a hidden file beside the output, ``.NAME.lock``, held by the operating system
on behalf of a process: it ends with the process, however that ends. It cannot be the
output itself, for every save puts another file in its place. Whoever releases the lock
removes the file, so whoever has just got it must look whether the file it has locked is
still the one of that name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from types import TracebackType

from charrnn.checkpoint.failure import Refusal, reporting
from charrnn.checkpoint.writer import Path, locate

# What locking reports on file systems that have no locks, as some shared by many machines.
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}
_BUSY = {errno.EWOULDBLOCK, errno.EACCES}
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
# Each round means that another run ended at that very moment.
_ROUNDS = 100
_STRAY = len(".") + 16 + len(".tmp")

_held: set[int] = set()


def _forget_in_child() -> None:
    """Close the locks that a forked worker inherits: they must not outlive their holder."""
    for fd in _held:
        os.close(fd)
    _held.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_forget_in_child)


class Lock:
    """Hold an output: ``with Lock("model.npz"): ...``.

    Entering also removes the temporary files of writers that were killed. `held` tells
    whether there is a lock: some network file systems know none, and then it stays False.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held = False
        self._fd = -1
        self._file = ""

    def __enter__(self) -> Lock:
        """Take the lock, at once or not at all.

        Raises:
            CheckpointError: another process holds it, or the folder cannot be written to.
        """
        try:
            with reporting(self.path, "cannot be locked"):
                target, _ = locate(self.path)
                folder, name = os.path.split(target)
                self._file = os.path.join(folder, f".{name}.lock")
                self.held = self._acquire()
                if self.held:
                    _remove_strays(folder, name)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the lock and remove its file."""
        if self._fd in _held:  # not so in a forked child
            self._release()
        self.held = False

    def _acquire(self) -> bool:
        for _ in range(_ROUNDS):
            self._fd = os.open(self._file, _FLAGS, 0o666)
            _held.add(self._fd)
            try:
                _lock(self._fd)
            except OSError as exc:
                if exc.errno in _BUSY:
                    raise self._refusal() from exc
                self._release()
                if exc.errno in _NO_LOCKS:
                    return False
                raise
            if self._is_current():
                self._sign()
                return True
            self._close()
        raise Refusal("other runs keep starting on it", "choose another output")

    def _refusal(self) -> Refusal:
        holder = os.read(self._fd, 20)
        process = f" (process {int(holder)})" if holder.isdigit() else ""
        return Refusal(
            f"another charrnn train{process} is writing to it",
            "wait for it, or choose another output",
        )

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self._file))
        except FileNotFoundError:
            return False

    def _sign(self) -> None:
        # The number is for the message alone, so a full disk is no reason to stop.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.write(self._fd, str(os.getpid()).encode("ascii"))

    def _release(self) -> None:
        if sys.platform == "win32":  # pragma: no cover - open files cannot be removed there
            self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._file)
        if sys.platform != "win32":  # pragma: no branch
            self._close()

    def _close(self) -> None:
        if self._fd in _held:
            _held.remove(self._fd)
            with contextlib.suppress(OSError):
                os.close(self._fd)


if sys.platform == "win32":  # pragma: no cover

    def _lock(fd: int) -> None:
        import msvcrt

        # Locked bytes cannot be read there, so it is one far behind the process number.
        os.lseek(fd, 1 << 20, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)

else:

    def _lock(fd: int) -> None:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_strays(folder: str, name: str) -> None:
    """Remove what killed writers of `name` left. It is nobody's: the lock is held."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(folder):
            ours = entry.startswith(f".{name}.") and entry.endswith(".tmp")
            if ours and len(entry) == len(f".{name}") + _STRAY:
                os.unlink(os.path.join(folder, entry))
