"""What a rank knows about the others, and the arrays that it works on.

:class:`~charrnn.training.ranks.single.SingleProcess`,
:class:`~charrnn.training.ranks.processes.MultiProcess` and
:class:`~charrnn.training.ranks.mpi.MPIRanks` are communicators.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from charrnn.evaluation.score import Answer, Part
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
        scorers: ranks that divide the scoring of a text: one where its threads use all cores.
        threads: of a rank that scores; None for one on each core.
    """

    rank: int
    size: int
    scorers: int
    threads: int | None
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

    def divide(
        self, score: Callable[[Part[Answer]], Answer], parts: Sequence[Part[Answer]]
    ) -> list[Answer]:
        """The scores of up to ``scorers`` parts under rank 0's array ``params``, in their order.

        Args:
            score: that of rank 0.

        Raises: as :meth:`run_together`.
        """

    def collect(self) -> None:
        """Complete rank 0's arrays with what the other ranks have computed, between two steps."""

    def stop(self) -> None:
        """Leave the other ranks, with all arrays complete; the next step calls them again."""


class Rank(Protocol):
    """A rank's part of the work."""

    def step(self) -> object:
        """Its part of a step."""

    def score(self, part: Part[Answer]) -> Answer:
        """The score of a part of a text, under the parameters as they are."""


@dataclass(frozen=True)
class Task:
    """What ranks do; pickled for those that are processes.

    Attributes:
        length: elements P of the gradient, float32.
        kept: arrays that last from step to step, and are the same on all ranks after each.
        divided: kept arrays of which each rank knows only its share, and the axis of the shares.
        sent: arrays that rank 0 fills before each step.
        rank: makes a rank's part, given its communicator.
    """

    length: int
    kept: Layout
    divided: Mapping[str, int]
    sent: Layout
    rank: Callable[[Communicator], Rank]

    @property
    def arrays(self) -> Layout:
        """All that ranks work on, beside their gradients."""
        return {**self.kept, **self.sent}


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
