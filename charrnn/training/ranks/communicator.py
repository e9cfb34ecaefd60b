"""How the ranks that train one network together meet."""

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
Layout = Mapping[str, tuple[DTypeLike, tuple[int, ...]]]


class Communicator(Protocol):
    """What a rank knows of the others.

    Attributes:
        rank: which one this is, of ``size``.
        arrays: those of the task; zero at first. What rank 0 writes before a step reaches
            the others, or else each writes the same.
        gradient: (P,), this rank's to fill before :meth:`sum`.
        mine: the slice of (P,) that this rank updates: where ranks share parameters
            each has a part of them, where they do not each has all.
    """

    rank: int
    size: int
    arrays: dict[str, Array]
    gradient: Array
    mine: slice

    def sum(self, loss: float) -> tuple[Array, float, float]:
        """Add up over all ranks, in an order that is the same in every step; each must call.

        Returns:
            The sum of the gradients in ``mine``, to be overwritten at will until the next
            step; the sum of the losses; and the norm of the whole gradient's sum.
        """

    def together(self, step: Callable[[], Result]) -> Result:
        """What ``step`` returns, once the other ranks have taken theirs as well.

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
        arrays: dtype and shape of what they work on.
        part: makes of a world what its rank calls once for each step.
    """

    length: int
    arrays: Layout
    part: Callable[[Communicator], Callable[[], object]]


def share(length: int, rank: int, size: int) -> slice:
    """The part of ``length`` things that falls to ``rank`` of ``size``."""
    return slice(length * rank // size, length * (rank + 1) // size)


def lay(layout: Layout, memory: Any) -> dict[str, Array]:
    """The arrays over ``memory``, each from a page of its own."""
    arrays, at = {}, 0
    for name, (dtype, shape) in layout.items():
        arrays[name] = np.frombuffer(memory, dtype, math.prod(shape), at).reshape(shape)
        at += _pages(arrays[name].nbytes)
    return arrays


def mapped(layout: Layout) -> int:
    """Bytes of memory that :func:`lay` needs."""
    return sum(_pages(math.prod(s) * np.dtype(kind).itemsize) for kind, s in layout.values())


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
