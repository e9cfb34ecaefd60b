"""charrnn itself: its training step, its sampler and its evaluation."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contenders import NEWLINE, Task
from charrnn.config.schema import SampleConfig, TrainConfig
from charrnn.data.batches import TextBatches
from charrnn.data.vocab import Vocab
from charrnn.evaluation.text import evaluate
from charrnn.generation import Generator
from charrnn.model import BATCH
from charrnn.nn.network import Architecture, Network
from charrnn.training.data_parallel import DataParallel


def version() -> str:
    return f"charrnn, NumPy {np.__version__}"


def make(task: Task, threads: int, workers: int = 0) -> Callable[[], int]:
    """``workers``: processes of a "train" task; 0 for as many as charrnn chooses."""
    if task.kind == "train":
        return Training(task, workers)
    arch = Architecture(task.cell, task.V, task.H, task.L)
    network = Network(arch, arch.initial(np.random.default_rng(0)))
    if task.kind == "eval":
        ids = np.random.default_rng(1).integers(0, task.V, task.characters)
        return lambda: evaluate(network, ids.astype(np.uint8), 0).characters
    vocab = Vocab("char", [10, *range(33, 32 + task.V)])
    if task.kind == "names":
        network.params["output.b"][0] = NEWLINE
        settings = SampleConfig(length=500, temperature=1.0, seed=0)
        names = Generator(network, vocab, settings, of_records=True)
        return lambda: sum(len(one.text) + 1 for one in names.samples(task.N, BATCH))
    generator = Generator(network, vocab, SampleConfig(length=task.T, seed=0))
    if task.N == 1:
        return lambda: sum(map(len, generator.stream()))
    return lambda: sum(len(one.text) for one in generator.batch(task.N))


class Training:
    """A training step on a window of random text, whenever it is called."""

    def __init__(self, task: Task, workers: int) -> None:
        arch = Architecture(task.cell, task.V, task.H, task.L)
        text = np.random.default_rng(1).integers(0, task.V, 20 * task.T * task.N + 1)
        batches = TextBatches(text.astype(np.min_scalar_type(task.V - 1)), task.N, task.T)
        config = TrainConfig(batch_size=task.N, seq_length=task.T)
        self._characters = task.T * task.N
        self._steps = 0
        self._parallel = DataParallel(arch, batches, config, workers)
        initial = arch.initial(np.random.default_rng(0))
        np.copyto(self._parallel.network.params.flat, initial.flat)
        self.stop = self._parallel.stop

    def __call__(self) -> int:
        self._parallel.step(0, self._steps % 20, 0.01, self._steps)
        self._steps += 1
        return self._characters

    def cells(self) -> list[Any]:
        """The cells of rank 0, for :mod:`benchmarks.step_profile` to count their calls."""
        return list(self._parallel._rank._ws.cells)

    def facts(self) -> dict[str, Any]:
        self.stop()  # the memory of the workers is known when they have ended
        workers = self._parallel.size - 1
        kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if workers else 0
        return {"workers": self._parallel.size, "worker_mib": kib * workers / 1024}
