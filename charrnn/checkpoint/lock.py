"""One output, one writer.

The lock is a hidden file beside the output, ``.NAME.lock``, which the operating system
locks on behalf of a process, so the lock ends when the process does, for whatever reason. It
cannot be the output itself, because every save replaces that file. Whoever releases the
lock removes its file, so whoever has just locked a file must check that it still has that
name. What else may be in its place, such as a link to another file, is neither written nor removed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from types import TracebackType

from charrnn.checkpoint.errors import error_context
from charrnn.checkpoint.paths import Path, is_temporary_name, resolve_target
from charrnn.errors import CheckpointError
from charrnn.messages import path_name

# What locking reports on file systems that do not support it, such as some network ones.
_UNSUPPORTED = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}
_BUSY = {errno.EWOULDBLOCK, errno.EACCES}
# Opening a pipe that somebody put there must not block.
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
# Another run must end at exactly the wrong moment for an attempt to fail.
_ATTEMPTS = 100

_held_fds: set[int] = set()


def _close_in_child() -> None:
    """Close the locks that a forked worker inherits: they must not outlive their holder."""
    for fd in _held_fds:
        os.close(fd)
    _held_fds.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_close_in_child)


class Lock:
    """Lock an output: ``with Lock("model.npz"): ...``.

    Entering also removes the temporary files of writers that were killed.

    Attributes:
        held: whether there is a lock. It stays False on file systems without locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held = False
        self._fd = -1
        self._file = ""

    def __enter__(self) -> Lock:
        """Take the lock, without waiting for it.

        Raises:
            CheckpointError: another process holds it, or the folder cannot be written to.
        """
        try:
            with error_context(self.path, "cannot be locked"):
                target, _ = resolve_target(self.path)
                folder, name = os.path.split(target)
                self._file = os.path.join(folder, f".{name}.lock")
                self.held = self._acquire()
                if self.held:
                    _remove_temporary_files(folder, name)
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
        if self._fd in _held_fds:  # false in a forked child
            self._release()
        self.held = False

    def _acquire(self) -> bool:
        for _ in range(_ATTEMPTS):
            self._fd = self._open()
            _held_fds.add(self._fd)
            try:
                _lock(self._fd)
            except OSError as exc:
                if exc.errno in _BUSY:
                    raise self._busy() from exc
                if exc.errno == errno.EBADF:  # some network file systems lock no read-only file
                    raise self._in_the_way("belongs to another user") from exc
                self._release()
                if exc.errno in _UNSUPPORTED:
                    return False
                raise
            self._check()
            if self._is_current():
                self._write_process_id()
                return True
            self._close()
        raise CheckpointError("other runs keep starting to write to it", "choose another output")

    def _open(self) -> int:
        """Open the lock file, or create it."""
        try:
            return os.open(self._file, _OPEN_FLAGS, 0o666)
        except PermissionError as exc:
            # Perhaps another user's run was killed: its file can be locked if it can be read.
            with contextlib.suppress(OSError):
                return os.open(self._file, _OPEN_FLAGS & ~(os.O_RDWR | os.O_CREAT) | os.O_RDONLY)
            if os.path.lexists(self._file):
                raise self._in_the_way("belongs to another user") from exc
            raise
        except OSError as exc:
            if os.path.islink(self._file) or os.path.isdir(self._file):
                raise self._in_the_way("is not a charrnn lock") from exc
            raise

    def _check(self) -> None:
        """Refuse a file that is more than a lock: it is not to be overwritten or removed."""
        status = os.fstat(self._fd)
        if stat.S_ISREG(status.st_mode) and status.st_nlink <= 1:
            holder = os.read(self._fd, 21)
            if not holder or (holder.isdigit() and len(holder) <= 20):
                return
        raise self._in_the_way("is not a charrnn lock")

    def _in_the_way(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"its lock file, {path_name(self._file)}, {why}",
            "remove that file if no run uses it, or choose another output",
        )

    def _busy(self) -> CheckpointError:
        holder = os.read(self._fd, 20)
        process = f" (process {int(holder)})" if holder.isdigit() else ""
        return CheckpointError(
            f"another charrnn train{process} is writing to it",
            "wait for it to finish, or choose another output",
        )

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self._file))
        except FileNotFoundError:
            return False

    def _write_process_id(self) -> None:
        # Only the message above needs it, so a full disk is no reason to stop.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, str(os.getpid()).encode("ascii"))

    def _release(self) -> None:
        if sys.platform == "win32":  # pragma: no cover - open files cannot be removed there
            self._close()
        with contextlib.suppress(OSError):
            os.unlink(self._file)
        if sys.platform != "win32":  # pragma: no branch
            self._close()

    def _close(self) -> None:
        if self._fd in _held_fds:
            _held_fds.remove(self._fd)
            with contextlib.suppress(OSError):
                os.close(self._fd)


if sys.platform == "win32":  # pragma: no cover

    def _lock(fd: int) -> None:
        import msvcrt

        # Locked bytes cannot be read there, so lock one far behind the process id.
        os.lseek(fd, 1 << 20, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)

else:

    def _lock(fd: int) -> None:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_temporary_files(folder: str, name: str) -> None:
    """Remove what killed writers of ``name`` left. Nobody is writing: the lock is held."""
    with contextlib.suppress(OSError):
        for entry in os.listdir(folder):
            if is_temporary_name(entry, name):
                os.unlink(os.path.join(folder, entry))
