"""A parallel map over processes that are forked from this one.

Threads take turns at the interpreter, so they gain little where NumPy's calls are short. A new
process has to import NumPy first, which takes as long as drawing 3,500 names. A forked one has all
that its parent has, and starts in milliseconds (docs/design/performance.md). But a lock that
another thread held at that moment is held forever in it. So a process is forked only where this one
has no other thread, as at the command line, and only on Linux, which tells how many threads there
are.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from charrnn.threads import blas_settings, parallel_map

Part = TypeVar("Part")
Result = TypeVar("Result")
Results = dict[int, Any]

#: Of Linux's prctl: sets the signal that this process gets when its parent ends.
PR_SET_PDEATHSIG = 1


def forked_map(work: Callable[[Part], Result], parts: Sequence[Part], most: int) -> list[Result]:
    """What ``work`` returns for each of ``parts``, by up to ``most`` processes at once.

    This process is one of them. Where it must not be forked, threads do the same. What another
    process could not do, because of a limit, an error or because it was killed, this one does.

    Args:
        work: its results are pickled; whatever else it does in another process is lost.
    """
    count = min(most, len(parts))
    results: Results = {}

    def do(numbers: Iterable[int]) -> Results:
        return {number: work(parts[number]) for number in numbers}

    if sys.platform == "linux" and count > 1 and may_fork():
        with blas_settings(1), _Children() as children:
            for first in range(1, count):
                children.start(functools.partial(do, range(first, len(parts), count)))
            results.update(do(range(0, len(parts), count)))
            for answer in children.answers():
                results.update(answer)
    rest = [number for number in range(len(parts)) if number not in results]
    parallel_map(lambda number: results.update(do([number])), rest, count)
    return [results[number] for number in range(len(parts))]


def may_fork() -> bool:
    """Whether this is Linux, and this process has one thread."""
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


if sys.platform == "linux":

    class _Children:
        """Forked processes, none of which outlives the block."""

        def __init__(self) -> None:
            self._running: list[tuple[int, int]] = []  # each with its end of a pipe

        def __enter__(self) -> _Children:
            return self

        def __exit__(self, *_: object) -> None:
            for process, answer in self._running:
                os.close(answer)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            for process, _answer in self._running:
                with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored
                    os.waitpid(process, 0)

        def start(self, compute: Callable[[], Results]) -> None:
            """Start one, if a limit allows it."""
            # No handler of a signal runs here before the child is known. In the child they stay
            # blocked, except for Ctrl-Z: it ends with its parent.
            blocked = signal.valid_signals() - {signal.SIGTSTP}
            before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
            try:
                with contextlib.suppress(OSError):
                    self._fork(compute)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

        def _fork(self, compute: Callable[[], Results]) -> None:
            parent, (answer, end) = os.getpid(), os.pipe()
            try:
                process = os.fork()
                if process == 0:
                    _serve(compute, end, parent)
                self._running.append((process, answer))
            except OSError:
                os.close(answer)
            finally:
                os.close(end)

        def answers(self) -> Iterator[Results]:
            """What they have computed; nothing from one that ended early."""
            for _, descriptor in self._running:
                with (
                    open(descriptor, "rb", closefd=False) as answer,
                    contextlib.suppress(EOFError, pickle.UnpicklingError),
                ):
                    yield pickle.load(answer)

    def _serve(compute: Callable[[], Results], end: int, parent: int) -> None:
        """Answer from a forked process, and end it without any of its parent's clean-up."""
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:  # otherwise, no signal will come
                with open(end, "wb") as answer:
                    pickle.dump(compute(), answer)
        finally:
            os._exit(0)
