"""What charrnn's own step is made of, and what the machine could do at most."""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import __version__
from charrnn.threads import blas_thread_limit


def processor() -> str:
    """The CPU as the system names it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.*)", info.read_text()) if info.exists() else None
    return found.group(1) if found else "unknown processor"


def machine() -> str:
    """What figures depend on: the day, the processor, the versions, and who else was at work."""
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, charrnn {__version__}"
    where = f"{datetime.date.today()}, {os.cpu_count()} cores, {processor()}"
    return f"{where}; {versions}; load average {os.getloadavg()[0]:.1f}"


def product_rate(count: int, size: int = 2048) -> float:
    """float32 operations a second of a large product on ``count`` BLAS threads."""
    a = np.ones((size, size), np.float32)
    out, times = np.empty_like(a), []
    with blas_thread_limit(count):
        for _ in range(6):
            began = time.perf_counter()
            np.dot(a, a, out=out)
            times.append(time.perf_counter() - began)
    return 2.0 * size**3 / statistics.median(times[1:])


def products() -> str:
    """A line on the machine's own rate; in a process that reads the environment afresh."""
    code = (
        "from benchmarks.inside import product_rate as r; "
        "print(f'{r(1) / 1e9:.0f} with one thread, {r(2) / 1e9:.0f} with two')"
    )
    here = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here)
    return f"float32 products of 2048 x 2048, GFLOP/s: {done.stdout.strip()}"


class _Counting:
    """Stands in for ``numpy`` in a module and counts calls, time in products, and bytes."""

    def __init__(self) -> None:
        self.calls, self.bytes, self.in_products = 0, 0, 0.0

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
            began = time.perf_counter()
            result = function(*args, **kwargs)
            if product:
                self.in_products += time.perf_counter() - began
            return result

        return call


def table(tasks: list[dict[str, Any]]) -> None:
    """NumPy calls a time step, bytes touched, share of time in products: one process."""
    from benchmarks.contenders import charrnn_
    from charrnn.nn import functional, layers, network, optim
    from charrnn.nn.cells import CELLS, gru, lstm, rnn

    modules: list[Any] = [functional, layers, network, optim, rnn, lstm, gru]
    print("\n| one process, one thread | calls a time step | MB a step | in products | GFLOP/s |")
    print("|---|---|---|---|---|")
    for task in tasks:
        work = charrnn_.make({**task, "workers": 1}, 1)
        work()
        plain = []
        for _ in range(5):
            began = time.perf_counter()
            work()
            plain.append(time.perf_counter() - began)
        counter: Any = _Counting()
        for cell in work.cells():  # whose product was chosen when they were made
            cell._product = counter.counted(cell._product, product=True)
        for module in modules:
            module.np = counter
        try:
            for _ in range(3):
                work()
        finally:
            for module in modules:
                module.np = np
        seconds = statistics.median(plain)
        share = counter.in_products / 3 / seconds
        name = "{cell} {H}x{L}, {N}x{T}".format(**task)
        gates = CELLS[task["cell"]].GATES
        H, L, V, T, N = (task[k] for k in ("H", "L", "V", "T", "N"))
        # Multiply and add; forward and twice that for backward; look-ups are no product.
        flops = 6.0 * T * N * (gates * H * H * (2 * L - 1) + H * V)
        print(
            f"| {name} | {counter.calls / 3 / T:.0f} | {counter.bytes / 3 / 1e6:.1f} "
            f"| {min(share, 1.0):.0%} | {flops / seconds / 1e9:.0f} |",
            flush=True,
        )


_TRAINING = """
import resource, sys, time
began = time.monotonic()
from charrnn.config.schema import Config
from charrnn.config.sources import with_settings
from charrnn.data.corpus import Corpus
from charrnn.data.source import Source
from charrnn.training.trainer import Trainer
config = with_settings(Config(), dict(hidden_size=128, steps=160, val_fraction=0.0))
corpus = Corpus([Source.open(sys.argv[1])], config.data)
first = None
for step in Trainer(config, corpus):
    if step.step == 10:
        first, at, done = time.monotonic() - began, time.monotonic(), step.characters
rate = (step.characters - done) / (time.monotonic() - at)
text = open("/proc/self/status").read()
private = sum(int(text.split(k)[1].split()[0]) for k in ("RssAnon:", "RssShmem:"))
print(rate, first, private / 1024)
"""


def corpora() -> None:
    """The training rate, the wait for the first steps and the memory at 1 MB and at 1 GB."""
    print("\n| corpus | characters/s | ten steps after, s | own memory, first process, MiB |")
    print("|---|---|---|---|")
    block = np.random.default_rng(0).integers(32, 97, 1_000_000).astype(np.uint8).tobytes()
    results: dict[str, list[list[float]]] = {"1 MB": [], "1 GB": []}
    with tempfile.TemporaryDirectory() as folder:
        files = {"1 MB": Path(folder) / "small.txt", "1 GB": Path(folder) / "large.txt"}
        for name, copies in (("1 MB", 1), ("1 GB", 1000)):
            with files[name].open("wb") as file:
                for _ in range(copies):
                    file.write(block)
        here = Path(__file__).parents[1]
        for _ in range(3):
            for name, path in files.items():
                command = [sys.executable, "-c", _TRAINING, str(path)]
                environment = os.environ | {"PYTHONPATH": str(here)}
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                results[name].append([float(word) for word in done.stdout.split()])
    for name, runs in results.items():
        rate, first, mib = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"| {name} | {rate:,.0f} | {first:.1f} | {mib:.0f} |", flush=True)
