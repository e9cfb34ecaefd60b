"""What a rank knows about the others, and the arrays that it works on.

:class:`~charrnn.training.ranks.single.SingleProcess`,
:class:`~charrnn.training.ranks.processes.MultiProcess` and
:class:`~charrnn.training.ranks.mpi.MPIRanks` are communicators.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from charrnn.nn.params import Array

Result = TypeVar("Result")
#: Dtype and shape of arrays, by name.
Layout = Mapping[str, tuple[DTypeLike, tuple[int, ...]]]


class Communicator(Protocol):
    """What a rank needs in order to train together with others.

    Attributes:
        rank: which one this is, of ``size``.
        arrays: those of the task, kept ones and sent ones; zero at first. All ranks see what
            rank 0 writes: to sent ones before each step, to others before the first step and
            after :meth:`stop`.
        gradient: (P,), filled by this rank before :meth:`reduce`.
        owned: the slice of (P,) that this rank updates: a part where ranks share parameters,
            else all.
    """

    rank: int
    size: int
    arrays: dict[str, Array]
    gradient: Array
    owned: slice

    def reduce(self, loss: float) -> tuple[Array, float, float]:
        """Sum over all ranks, in the same order at every step; every rank must call it.

        Returns:
            The sum of the gradients in ``owned``, which may be overwritten until the next
            step; the sum of the losses; and the norm of the whole gradient's sum.
        """

    def run_together(self, step: Callable[[], Result]) -> Result:
        """Run ``step`` while the other ranks run theirs, and return its result once all are done.

        Raises:
            TrainingError: if another rank cannot be started, or died.
        """

    def collect(self) -> None:
        """Complete rank 0's arrays with what the other ranks have computed, between two steps."""

    def stop(self) -> None:
        """Leave the other ranks, with all arrays complete; the next step calls them again."""


@dataclass(frozen=True)
class Task:
    """What ranks do; pickled for those that are processes.

    Attributes:
        length: elements P of the gradient, float32.
        kept: arrays that last from step to step, and are the same on all ranks after each.
        divided: kept arrays of which each rank knows only its share, and the axis of the shares.
        sent: arrays that rank 0 fills before each step.
        rank_step: given a communicator, returns what its rank calls once for each step.
    """

    length: int
    kept: Layout
    divided: Mapping[str, int]
    sent: Layout
    rank_step: Callable[[Communicator], Callable[[], object]]

    @property
    def arrays(self) -> Layout:
        """All that ranks work on, beside their gradients."""
        return {**self.kept, **self.sent}


def share(length: int, rank: int, size: int) -> slice:
    """The part of ``length`` elements that ``rank`` of ``size`` gets."""
    return slice(length * rank // size, length * (rank + 1) // size)


def arrays_over(memory: Any, layout: Layout, unit: int = mmap.PAGESIZE) -> dict[str, Array]:
    """The arrays of a layout, as views of ``memory``, each starting at a multiple of ``unit``."""
    arrays, at = {}, 0
    for name, (dtype, shape) in layout.items():
        arrays[name] = np.frombuffer(memory, dtype, math.prod(shape), at).reshape(shape)
        at += _whole_units(arrays[name].nbytes, unit)
    return arrays


def memory_size(layout: Layout, unit: int = mmap.PAGESIZE) -> int:
    """Bytes of memory that :func:`arrays_over` needs."""
    sizes = (math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in layout.values())
    return sum(_whole_units(size, unit) for size in sizes)


def _whole_units(size: int, unit: int) -> int:
    return -(-size // unit) * unit
