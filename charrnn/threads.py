"""Threads: how many NumPy's matrix products use, and work spread over the cores there are.

threadpoolctl does this for every library there is, and more; charrnn depends on four
packages only, and needs one function of one library: the BLAS that NumPy was built with.

That library is asked by name. On Linux and macOS a name looked up in NumPy's own
extension module is also looked for in the libraries it was linked with, so the wheels'
OpenBLAS, a distribution's, conda's MKL and Apple's Accelerate are all found without
knowing where they lie. Windows does not look further than the module, so there the
wheel's ``numpy.libs`` folder is searched. Elsewhere, and for a BLAS without such a
function, the count stays as it is: results are the same, speed may not be.

**Why one thread, wherever charrnn computes.** Products of this size are short, and
OpenBLAS's threads wait for each other by spinning. Within one run, on two cores shared
with other work, two threads scored a text 1.5 times as fast as one (LSTM 256x1) and 17
times slower (128x2: 14,000 characters a second, not 244,000). The other
cores are put to use by worker processes in training, and by threads of our own where
what is computed falls into parts that never meet (:func:`parallel_map`); both wait asleep.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Part = TypeVar("Part")

#: Name of the setter and of the getter: OpenBLAS as NumPy's wheels rename it (64-bit and
#: 32-bit integers), OpenBLAS of distributions and conda, MKL, BLIS.
_NAMES = (
    ("scipy_openblas_set_num_threads64_", "scipy_openblas_get_num_threads64_"),
    ("scipy_openblas_set_num_threads", "scipy_openblas_get_num_threads"),
    ("openblas_set_num_threads64_", "openblas_get_num_threads64_"),
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
)

#: What a process reads its BLAS's thread count from when it starts; for worker processes.
ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


@functools.cache
def _functions() -> tuple[Callable[[int], Any], Callable[[], int]] | None:
    """Setter and getter of NumPy's BLAS, or None if it has none that we know."""
    core = sys.modules.get("numpy._core") or sys.modules["numpy.core"]
    file = Path(core._multiarray_umath.__file__ or "")
    if sys.platform == "win32":
        file = next((Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*.dll"), file)
    try:
        blas = ctypes.CDLL(str(file))
    except OSError:
        return None
    for setter, getter in _NAMES:
        if hasattr(blas, setter) and hasattr(blas, getter):
            return getattr(blas, setter), getattr(blas, getter)
    if hasattr(blas, "BLASSetThreading"):  # Accelerate, macOS 15: one, or its own choice
        return lambda count: blas.BLASSetThreading(int(count == 1)), available_cores
    return None


class blas_thread_limit(contextlib.ContextDecorator):  # lower case: used like a function
    """Let matrix products use ``count`` threads, and then as many as before.

    A class, because a generator takes 3 microseconds, 6% of drawing a character.
    """

    def __init__(self, count: int) -> None:
        self._count = self._before = count

    def __enter__(self) -> None:
        if functions := _functions():
            self._before = functions[1]()
            functions[0](self._count)

    def __exit__(self, *_: object) -> None:
        if functions := _functions():
            functions[0](self._before)


@functools.cache
def available_cores() -> int:
    """Cores this process may use: its affinity, and the share its container was given."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # "max 100000", or microseconds of 100000
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, int(quota) // int(period)))
    return count


def parallel_map(
    work: Callable[[Part], object], parts: Sequence[Part], most: int | None = None
) -> None:
    """Do ``work`` on each of ``parts``: as many at once as there are cores, or ``most``.

    Each thread, this one among them, takes one part after another, its products on that
    thread alone; NumPy lets go of the interpreter while it computes. Where no more threads
    are allowed, by a limit on tasks or on memory, fewer do the work. A part's exception is
    raised here, after the parts that had begun.
    """
    count = min(len(parts), most or available_cores())
    waiting = iter(parts)
    handling = np.geterr()  # threads begin with NumPy's defaults

    def some() -> None:
        try:
            with np.errstate(**handling):
                for part in waiting:
                    work(part)
        finally:
            deque(waiting, maxlen=0)  # after a failure no other part begins

    with blas_thread_limit(1), ThreadPoolExecutor(max(1, count - 1)) as helpers:
        jobs: list[Future[None]] = []
        with contextlib.suppress(RuntimeError):
            for _ in range(count - 1):
                jobs.append(helpers.submit(some))
        some()
        for job in jobs:
            job.result()
