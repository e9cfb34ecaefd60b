"""charrnn itself: the trainer's own step, the sampler, the evaluation."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.data.batches import TextBatches
from charrnn.evaluation.text import evaluate
from charrnn.nn.network import Architecture, Network
from charrnn.sampling import Choice, Sampler
from charrnn.training.data_parallel import DataParallel


def version() -> str:
    return f"charrnn, NumPy {np.__version__}"


def make(task: dict[str, Any], threads: int) -> Callable[[], int]:
    arch = Architecture(task["cell"], task["V"], task["H"], task["L"])
    network = Network(arch, arch.initial(np.random.default_rng(0)))
    if task["kind"] == "train":
        return Training(task, network)
    if task["kind"] == "eval":
        ids = np.random.default_rng(1).integers(0, task["V"], task["characters"])
        return lambda: evaluate(network, ids.astype(np.uint8), 0).characters
    sampler = Sampler(network, task["N"], 0, Choice(temperature=0.8))

    def sample() -> int:
        for _ in range(task["steps"]):
            sampler.step().tolist()  # each character goes out as it is drawn
        return int(task["N"] * task["steps"])

    return sample


class Training:
    """The trainer's step on windows of random text; ``task["workers"]``: 0 is auto."""

    def __init__(self, task: dict[str, Any], network: Network) -> None:
        T, N = int(task["T"]), int(task["N"])
        ids = np.random.default_rng(1).integers(0, task["V"], 20 * T * N + 1).astype(np.uint8)
        config = TrainConfig(batch_size=N, seq_length=T, workers=task.get("workers", 0))
        self._characters: int = T * N
        self._k = 0
        self._team = DataParallel(network, TextBatches(ids, N, T), config)
        self.stop = self._team.stop

    def __call__(self) -> int:
        self._team.step(0, self._k % 20, 0.01)
        self._k += 1
        return self._characters

    def cells(self) -> list[Any]:
        """The cells of rank 0, for :mod:`benchmarks.inside` to look into."""
        return list(self._team._rank._ws.cells)

    def facts(self) -> dict[str, Any]:
        self.stop()  # so that the workers' memory is known
        workers = self._team.size - 1
        kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if workers else 0
        return {"workers": self._team.size, "worker_mib": kib * workers / 1024}
