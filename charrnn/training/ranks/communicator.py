"""What a rank knows about the others, and the arrays that it works on.

:class:`~charrnn.training.ranks.single.SingleProcess` and
:class:`~charrnn.training.ranks.processes.MultiProcess` are communicators.

**MPI** would be a third. Every process runs the trainer on the same text with the same
seed, so nothing needs to be broadcast: ``rank`` and ``size`` are Get_rank and Get_size;
``arrays`` and ``gradient`` are its own memory, ``owned`` all of it; ``reduce`` is one Allreduce
of the gradient in place and one of the loss; ``run_together`` only calls the step, and ``stop``
does nothing. The trainer would need changes: only rank 0 writes files, a checkpoint needs
the recurrent state of every rank's streams, and a budget in minutes, on which the learning rate
depends, needs one clock for all.
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
        arrays: those of the task; zero at first. Either the others see what rank 0 writes before
            a step, or each writes the same.
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

    def stop(self) -> None:
        """End the other ranks; the next step starts them again."""


@dataclass(frozen=True)
class Task:
    """What ranks do; pickled for those that are processes.

    Attributes:
        length: elements P of the gradient, float32.
        arrays: what they work on.
        rank_step: given a communicator, returns what its rank calls once for each step.
    """

    length: int
    arrays: Layout
    rank_step: Callable[[Communicator], Callable[[], object]]


def share(length: int, rank: int, size: int) -> slice:
    """The part of ``length`` elements that ``rank`` of ``size`` gets."""
    return slice(length * rank // size, length * (rank + 1) // size)


def arrays_over(memory: Any, layout: Layout) -> dict[str, Array]:
    """The arrays of a layout, as views of ``memory``, each starting on a new page."""
    arrays, at = {}, 0
    for name, (dtype, shape) in layout.items():
        arrays[name] = np.frombuffer(memory, dtype, math.prod(shape), at).reshape(shape)
        at += _whole_pages(arrays[name].nbytes)
    return arrays


def memory_size(layout: Layout) -> int:
    """Bytes of memory that :func:`arrays_over` needs."""
    sizes = (math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in layout.values())
    return sum(map(_whole_pages, sizes))


def _whole_pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
