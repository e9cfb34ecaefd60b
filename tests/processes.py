"""The processes that a test starts end with it, except for those that several tests share."""

import contextlib
import os
import signal
from collections.abc import Iterator

#: Processes that are shared; theirs are, too.
shared: set[int] = set()


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Whatever is started within is shared."""
    before = set(children(os.getpid()))
    yield
    shared.update(set(children(os.getpid())) - before)


def kill_descendants(spared: set[int]) -> None:
    """Kill the processes that this one started, and theirs; on Linux, where /proc lists them."""
    for pid in list(_descendants(os.getpid(), spared)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int, spared: set[int]) -> Iterator[int]:
    for child in children(pid):
        if child not in spared:
            yield child
            yield from _descendants(child, spared)


def children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):  # a thread or process that has just ended, or no /proc
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                yield from map(int, file.read().split())
