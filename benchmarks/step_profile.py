"""What a training step consists of: NumPy calls, bytes, and the share of time in products."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.contenders import Task, charrnn_
from charrnn.nn import functional, layers, network, optim
from charrnn.nn.cells import CELLS, gru, lstm, rnn

MODULES: tuple[Any, ...] = (functional, layers, network, optim, rnn, lstm, gru)
TIMED, COUNTED = 5, 3


class CountingNumPy:
    """Takes the place of ``numpy`` in a module and counts calls, bytes and time in products."""

    def __init__(self) -> None:
        self.calls, self.bytes, self.product_seconds = 0, 0, 0.0

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if isinstance(function, type) or not callable(function):
            return function
        return self.counted(function, name in ("dot", "matmul"))

    def counted(self, function: Callable[..., Any], product: bool) -> Callable[..., Any]:
        """``function``, counted whenever it is called."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            arrays = [v for v in (*args, *kwargs.values()) if isinstance(v, np.ndarray)]
            self.bytes += sum(v.nbytes for v in arrays)
            started = time.perf_counter()
            result = function(*args, **kwargs)
            if product:
                self.product_seconds += time.perf_counter() - started
            return result

        if isinstance(function, np.ufunc):
            counted: Any = call
            counted.reduce = self.counted(function.reduce, product=False)
        return call


def count(training: charrnn_.Training) -> CountingNumPy:
    """Count COUNTED steps."""
    counting: Any = CountingNumPy()
    for cell in training.cells():  # they chose their product function when they were created
        cell._product = counting.counted(cell._product, product=True)
    for module in MODULES:
        module.np = counting
    try:
        for _ in range(COUNTED):
            training()
    finally:
        for module in MODULES:
            module.np = np
    result: CountingNumPy = counting
    return result


def median_seconds(training: charrnn_.Training) -> float:
    """The median time of TIMED steps, without counting."""
    times = []
    for _ in range(TIMED):
        started = time.perf_counter()
        training()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def operations(task: Task) -> float:
    """Floating-point operations of the products of a step.

    A multiplication and an addition for each weight, and twice that for the backward pass.
    Embeddings, which take the place of layer 0's input projection, are not products.
    """
    gates = CELLS[task.cell].GATES
    weights = gates * task.H**2 * (2 * task.L - 1) + task.H * task.V
    return 6.0 * task.T * task.N * weights


def table(tasks: Sequence[Task]) -> None:
    """Print a row for each task, in one process with one thread."""
    print("\n| one process, one thread | calls a time step | MB a step | in products | GFLOP/s |")
    print("|---|---|---|---|---|")
    for task in tasks:
        training = charrnn_.Training(task, workers=1)
        training()
        seconds = median_seconds(training)
        counted = count(training)
        share = counted.product_seconds / COUNTED / seconds
        print(
            f"| {task.name} | {counted.calls / COUNTED / task.T:.0f} "
            f"| {counted.bytes / COUNTED / 1e6:.1f} "
            f"| {min(share, 1.0):.0%} | {operations(task) / seconds / 1e9:.0f} |",
            flush=True,
        )
