"""One rank, in this process."""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Sequence

import numpy as np

from charrnn.evaluation.score import Answer, Part
from charrnn.nn.params import Array
from charrnn.training.ranks.communicator import Result, Task, arrays_over, memory_size


class SingleProcess:
    """A :class:`~charrnn.training.ranks.communicator.Communicator` of one rank."""

    rank, size, owned = 0, 1, slice(None)
    scorers = 1
    threads: int | None = None

    def __init__(self, task: Task) -> None:
        layout = {**task.arrays, "gradient": (np.float32, (task.length,))}
        self.arrays = arrays_over(mmap.mmap(-1, memory_size(layout)), layout)
        self.gradient = self.arrays.pop("gradient")

    def reduce(self, loss: float) -> tuple[Array, float, float]:
        g = self.gradient
        return g, loss, math.sqrt(np.dot(g, g))

    def run_together(self, step: Callable[[], Result]) -> Result:
        return step()

    def divide(
        self, score: Callable[[Part[Answer]], Answer], parts: Sequence[Part[Answer]]
    ) -> list[Answer]:
        return [score(part) for part in parts]

    def collect(self) -> None:
        """All is here."""

    def stop(self) -> None:
        """There is nothing to stop."""
