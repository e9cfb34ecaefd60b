"""What this process may use: cores and memory, as the machine and its control groups allow.

A container, a batch job or a systemd service is a control group, perhaps nested in others, each of
which may limit it. Version 2 has one tree of groups, version 1 one for each kind of limit, and a
machine may use both.

NumPy is not imported here: BLAS reads :data:`ONE_THREAD` when NumPy is imported.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

#: Variables from which a BLAS takes its number of threads when a process starts.
ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


@functools.cache
def available_cores() -> int:
    """Cores that this process may use, given its affinity and its control groups."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, int(min(count, cpu_quota())))


def installed_memory() -> float:
    """Bytes of physical memory; infinite where the system does not say."""
    if sys.platform == "win32":
        return math.inf
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def allowed_memory() -> float:
    """Bytes that this process may use of it: what its groups and ``ulimit -v`` allow."""
    limit = memory_limit()
    if sys.platform != "win32":
        import resource

        space, _ = resource.getrlimit(resource.RLIMIT_AS)
        if space >= 0:  # RLIM_INFINITY may be -1
            limit = min(limit, space)
    return limit


def cpu_quota(root: Path = Path("/")) -> float:
    """Cores' worth of time that the control groups grant; infinite without a quota.

    Args:
        root: where /proc and /sys are.
    """
    quota = math.inf
    for group in _groups("cpu", root):
        # "max 100000" or "150000 100000": microseconds in each period.
        words = _words(group / "cpu.max")
        if not words:
            words = _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        with contextlib.suppress(ValueError):
            granted, period = map(int, words)
            if granted > 0 and period > 0:  # -1 in version 1: no quota
                quota = min(quota, granted / period)
    return quota


def memory_limit(root: Path = Path("/")) -> float:
    """Bytes that the control groups allow; infinite without a limit. ``root``: as above."""
    limit = math.inf
    for group in _groups("memory", root):
        for name in ("memory.max", "memory.limit_in_bytes"):
            for word in _words(group / name):
                with contextlib.suppress(ValueError):  # "max"
                    limit = min(limit, int(word))
    return limit


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (OSError, ValueError):
        return []


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of this process's groups for ``controller``, and of those around them."""
    # Lines such as "0::/user.slice/run.scope", or "4:memory:/docker/1f" in version 1.
    own = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        own.update(dict.fromkeys(names.split(","), path))
    # "30 23 0:26 /docker/1f /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory": a
    # container may see only a part of the tree, mounted as if it were all.
    for line in _lines(root / "proc/self/mountinfo"):
        place, _, kind = line.partition(" - ")
        fields, kinds = place.split(" "), kind.split(" ")
        if len(fields) < 5 or len(kinds) < 3:
            continue
        if kinds[0] == "cgroup2":
            name = ""
        elif kinds[0] == "cgroup" and controller in kinds[2].split(","):
            name = controller
        else:
            continue
        top = root / fields[4].lstrip("/")
        path, shown = own.get(name, "/"), fields[3].rstrip("/")
        # Outside the part that is mounted there is nothing to see, but its top.
        inside = path[len(shown) :] if path.startswith(shown + "/") else ""
        group = top / inside.strip("/")
        while True:
            yield group
            if group == top:
                break
            group = group.parent


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
