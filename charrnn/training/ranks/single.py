"""A world: all that the ranks which train one network together know of each other.

A rank needs little (:class:`Communicator`): who it is among how many, arrays to work on, the sum
of all gradients, and an end. :class:`SingleProcess` is a world of one rank; that of several worker
processes, over memory that they share, is :mod:`~charrnn.processes`.

**An MPI world** would be a third class. Every process runs the trainer on the same text
with the same seed, so nobody has to be told anything: ``rank`` and ``size`` are Get_rank
and Get_size; ``arrays`` and ``gradient`` its own memory, ``mine`` all of it; ``sum`` one
Allreduce of the gradient in place and one of the loss; ``together`` just calls, and
``stop`` has nothing to stop. The trainer would have more to learn: only rank 0 writes
files, a checkpoint needs the recurrent state of every rank's streams, and a budget in
minutes, which sets the learning rate, goes by one clock.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable

import numpy as np

from charrnn.nn.params import Array
from charrnn.training.ranks.communicator import Result, Task, lay, mapped


class SingleProcess:
    """A world of one rank, which needs no process."""

    rank, size, mine = 0, 1, slice(None)

    def __init__(self, task: Task) -> None:
        layout = {**task.arrays, "gradient": (np.float32, (task.length,))}
        self.arrays = lay(layout, mmap.mmap(-1, mapped(layout)))
        self.gradient = self.arrays.pop("gradient")

    def sum(self, loss: float) -> tuple[Array, float, float]:
        g = self.gradient
        return g, loss, math.sqrt(np.dot(g, g))

    def together(self, step: Callable[[], Result]) -> Result:
        return step()

    def stop(self) -> None:
        """There is nothing to stop."""
