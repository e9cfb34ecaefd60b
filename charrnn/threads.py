"""Threads: a limit on those that NumPy's matrix products use, and a parallel map over our own.

threadpoolctl could set the limit for any library. charrnn needs only two functions of one, the
BLAS that NumPy was built with, so it looks them up by name instead of adding a dependency. On
Linux and macOS, looking up a name in NumPy's extension module also searches the libraries that it
is linked with. So the OpenBLAS of the wheels or of a distribution, conda's MKL and Apple's
Accelerate are found wherever they are installed. Windows searches only the module itself, so the
wheel's ``numpy.libs`` folder is searched there. Where nothing is found, the number of threads is
left alone: that affects the speed, not the results.

**Why one thread, wherever charrnn computes.** Products of this size are short, and OpenBLAS's
threads wait for each other by spinning, which on a machine with other work to do can take far
longer than the products (docs/design/performance.md). The other cores are used by worker
processes in training, and where the work falls into independent parts by our own threads
(:func:`parallel_map`) or forked processes (:mod:`charrnn.forks`). All sleep while they wait.

**Why floating-point flags are ignored.** NumPy turns the flags that a matrix product
leaves into warnings, but they say little about the product: kernels for AVX-512 raise them for
numbers that they compute and discard, Apple's at random (NumPy's issues 28687 and 29820). So
results are judged by their values: a loss that is not finite, for example, ends training.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from charrnn.limits import available_cores

Part = TypeVar("Part")

#: Names of the setter and the getter: OpenBLAS as NumPy's wheels rename it (with 64-bit and
#: 32-bit integers), OpenBLAS of distributions and conda, MKL, BLIS.
_NAMES = (
    ("scipy_openblas_set_num_threads64_", "scipy_openblas_get_num_threads64_"),
    ("scipy_openblas_set_num_threads", "scipy_openblas_get_num_threads"),
    ("openblas_set_num_threads64_", "openblas_get_num_threads64_"),
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
)

#: Bytes that must be free before a thread's first matrix product: OpenBLAS in NumPy's wheels
#: takes 32 MB then, to copy the matrices to, and keeps them.
BLAS_BUFFER = 1 << 26


#: Names of the function that says which kernels OpenBLAS has chosen for this processor.
_KERNEL = (
    "scipy_openblas_get_corename64_",
    "scipy_openblas_get_corename",
    "openblas_get_corename64_",
    "openblas_get_corename",
)


@functools.cache
def _library() -> ctypes.CDLL | None:
    """NumPy's BLAS, or a library that is linked with it; None if it cannot be opened."""
    core = sys.modules.get("numpy._core") or sys.modules["numpy.core"]
    file = Path(core._multiarray_umath.__file__ or "")
    if sys.platform == "win32":
        file = next((Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*.dll"), file)
    try:
        return ctypes.CDLL(str(file))
    except OSError:
        return None


@functools.cache
def _functions() -> tuple[Callable[[int], Any], Callable[[], int]] | None:
    """Setter and getter of the threads of NumPy's BLAS, or None if it has none that we know."""
    if (blas := _library()) is None:
        return None
    for setter, getter in _NAMES:
        if hasattr(blas, setter) and hasattr(blas, getter):
            return getattr(blas, setter), getattr(blas, getter)
    if hasattr(blas, "BLASSetThreading"):  # Accelerate, macOS 15: one, or its own choice
        return lambda count: blas.BLASSetThreading(int(count == 1)), available_cores
    return None


@functools.cache
def blas_kernel() -> str | None:
    """The kernels that matrix products run, such as ``Haswell``, which decide the last digits.

    None for a BLAS other than OpenBLAS.
    """
    blas = _library()
    for name in _KERNEL:
        if hasattr(blas, name):
            function = getattr(blas, name)
            function.restype = ctypes.c_char_p
            return str(function().decode("ascii", "replace"))
    return None


def blas_threads() -> int | None:
    """How many threads a matrix product may use; None where that cannot be found out."""
    functions = _functions()
    return functions[1]() if functions else None


class blas_settings:  # lower case: used like a function
    """How charrnn computes: with ``count`` BLAS threads, ignoring floating-point flags.

    Both are restored afterwards. The number of threads applies to the whole process, the flags to
    the calling thread. It is a class because a generator would take a noticeable share of the
    time needed to draw a character.
    """

    def __init__(self, count: int) -> None:
        self._count = self._before = count
        self._flags = np.errstate(all="ignore")

    def __enter__(self) -> None:
        self._flags.__enter__()
        if functions := _functions():
            self._before = functions[1]()
            functions[0](self._count)

    def __exit__(self, *_: object) -> None:
        if functions := _functions():
            functions[0](self._before)
        self._flags.__exit__(None, None, None)


def share(length: int, rank: int, size: int) -> slice:
    """The part of ``length`` elements that ``rank`` of ``size`` gets."""
    return slice(length * rank // size, length * (rank + 1) // size)


def parallel_map(
    work: Callable[[Part], object], parts: Sequence[Part], most: int | None = None
) -> None:
    """Call ``work`` for each of ``parts``, in threads that take one part after another.

    The calling thread is one of them. Each uses one thread for its matrix products, during which
    NumPy lets the other threads run. Where a limit on tasks or memory allows no more threads,
    fewer do the work. If a part raises an exception, no further part is started; the exception
    is raised here once the parts already started have ended.

    Args:
        most: how many threads to use at most; None for one per core.
    """
    count = min(len(parts), most or available_cores())
    waiting = iter(parts)

    def take_parts() -> None:
        try:
            with blas_settings(1):  # each thread has its own flags
                for part in waiting:
                    work(part)
        finally:
            deque(waiting, maxlen=0)  # after a failure, no further part is started

    with blas_settings(1), ThreadPoolExecutor(max(1, count - 1)) as helpers:
        jobs: list[Future[None]] = []
        with contextlib.suppress(RuntimeError, MemoryError):
            for _ in range(count - 1):
                _require_blas_buffer()
                jobs.append(helpers.submit(take_parts))
        take_parts()
        for job in jobs:
            job.result()


def _require_blas_buffer() -> None:
    """Raise MemoryError where a further thread could not have its :data:`BLAS_BUFFER`.

    Refused the memory, some releases of OpenBLAS, such as 0.3.29, ask for it again forever.
    """
    try:
        mmap.mmap(-1, BLAS_BUFFER).close()
    except OSError:
        raise MemoryError from None


# The first product is made here, so that the buffer is there before anything large is allocated.
_require_blas_buffer()
with blas_settings(1):
    np.ones((64, 64), np.float32) @ np.ones((64, 64), np.float32)
