"""Compare charrnn's speed with PyTorch, JAX and the classic loop.

    make bench                                     # everything, about 15 minutes
    .venv-bench/bin/python benchmarks/bench.py --rows lstm,sample --turns 9

Every contender is a process that lives as long as the benchmark; only one works at a time. A
row is run in turns, A B C A B C ..., and a ratio is the median of the ratios within each turn,
so that a machine that slows down or is shared slows all of them alike. The two variables that
choose OpenBLAS's kernels are removed from the environment: each library chooses its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import corpus_size, lines, machine, step_profile  # noqa: E402
from benchmarks.contenders import Task  # noqa: E402
from charrnn.limits import ONE_THREAD, available_cores  # noqa: E402

KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
#: Seconds before each turn, in which threads that spin after their work fall asleep.
PAUSE = 0.15
TRAINING = (
    Task("train", "rnn", H=100, L=1, N=1, T=25),
    Task("train", "rnn", H=128, L=2, N=50, T=50),
    Task("train", "rnn", H=512, L=1, N=64, T=64),
    Task("train", "lstm", H=128, L=2, N=50, T=50),
    Task("train", "lstm", H=384, L=1, N=32, T=64),
    Task("train", "lstm", H=512, L=1, N=64, T=64),
    Task("train", "lstm", H=512, L=2, N=64, T=64),
    Task("train", "gru", H=128, L=2, N=50, T=50),
    Task("train", "gru", H=512, L=1, N=64, T=64),
    Task("train", "rnn", H=100, L=1, N=32, T=32, V=8000),
    Task("train", "lstm", H=256, L=1, N=32, T=32, V=8000),
)
INFERENCE = (
    Task("sample", "lstm", H=128, L=2, N=1, T=100),
    Task("sample", "lstm", H=128, L=2, N=64, T=100),
    Task("names", "lstm", H=128, L=2, N=1000),
    Task("eval", "lstm", H=256, L=1, characters=1_000_000),
)
MEMORY = Task("train", "lstm", H=128, L=2, N=50, T=50)


class Contender:
    """A process that works on the tasks of all contenders, when it is its turn."""

    def __init__(
        self, label: str, module: str, threads: int = 1, cpu: bool = False, **options: Any
    ) -> None:
        self.label, self._cpu = label, cpu
        environment = {k: v for k, v in os.environ.items() if k not in KERNEL_VARIABLES}
        if module == "charrnn_":
            environment |= ONE_THREAD  # as the command line has it
        serve = [sys.executable, "-m", "benchmarks.contenders.serve"]
        self._process = subprocess.Popen(
            [*serve, module, str(threads), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def _ask(self, **command: Any) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    def make(self, task: Task) -> None:
        """Prepare for a task and warm up."""
        self._ask(make=asdict(task))

    def rate(self, seconds: float) -> float:
        """Work for about so long; characters per second."""
        return float(self._ask(run=seconds, cpu=self._cpu)["rate"])

    def version(self) -> str:
        return str(self._ask(facts=True)["version"])

    def memory(self) -> float:
        """Peak resident memory of its processes, in MiB; shared pages count in each."""
        facts = self._ask(facts=True)
        return float(facts["mib"] + facts.get("worker_mib", 0.0))

    def close(self) -> None:
        with self._process:  # which closes its pipes and waits
            pass


def installed(module: str) -> bool:
    """Whether a library is there; if not, say that it is left out."""
    found = importlib.util.find_spec(module) is not None
    if not found:
        print(f"{module} is not installed and left out; make bench installs it", file=sys.stderr)
    return found


def all_contenders(cpu: bool) -> list[Contender]:
    if cpu:
        one = [Contender("charrnn", "charrnn_", cpu=True, workers=1)]
        if installed("torch"):
            one.append(Contender("PyTorch 1 thread", "torch_", 1, cpu=True))
        return one
    contenders = [Contender("charrnn", "charrnn_")]
    if installed("torch"):
        contenders += [
            Contender("PyTorch 1 thread", "torch_", 1),
            Contender("PyTorch 2 threads", "torch_", 2),
            Contender("PyTorch cells, 1 thread", "torch_", 1, cells=True),
            Contender("PyTorch cells, 2 threads", "torch_", 2, cells=True),
        ]
    if installed("jax"):
        contenders.append(Contender("JAX", "jax_"))
    return [*contenders, Contender("classic", "classic")]


def supports(label: str, task: Task) -> bool:
    """Whether a contender can do a task."""
    if label == "classic":
        return task.kind == "train" and task.cell == "rnn" and task.N == 1
    if label.startswith("PyTorch cells"):
        return task.kind in ("sample", "names")
    return label != "JAX" or task.kind == "train"


def rates_in_turns(
    contenders: Sequence[Contender], task: Task, turns: int, seconds: float
) -> dict[str, list[float]]:
    """Characters per second by label, one for each turn."""
    able = [contender for contender in contenders if supports(contender.label, task)]
    rates: dict[str, list[float]] = {contender.label: [] for contender in able}
    for contender in able:
        contender.make(task)
    for _ in range(turns):
        for contender in able:
            time.sleep(PAUSE)
            rates[contender.label].append(contender.rate(seconds))
    return rates


def median_ratio(a: Sequence[float], b: Sequence[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def speed(words: Sequence[str], turns: int, seconds: float, cpu: bool = False) -> None:
    """Print a row for each task whose name has one of ``words`` in it; without any, for all.

    With ``cpu``, of one core's time, so that what else the machine does matters little.
    """
    contenders = all_contenders(cpu)
    print("; ".join(sorted({contender.version() for contender in contenders})))
    print("\n| characters per second, medians | charrnn | PyTorch | JAX | classic |", end="")
    print(" / PyTorch | / JAX | / classic |\n|---|---|---|---|---|---|---|---|")
    for task in (*TRAINING, *INFERENCE):
        if words and not any(word in task.name for word in words):
            continue
        rates = rates_in_turns(contenders, task, turns, seconds)
        medians = {label: statistics.median(values) for label, values in rates.items()}
        fastest = max(
            (label for label in medians if "PyTorch" in label),
            key=lambda label: medians[label],
            default="",
        )
        cells, ratios = [f"{medians['charrnn']:,.0f}"], []
        for label in (fastest, "JAX", "classic"):
            if label not in rates:
                cells.append("")
                ratios.append("")
                continue
            variant = f" ({label.removeprefix('PyTorch ')})" if label == fastest else ""
            cells.append(f"{medians[label]:,.0f}{variant}")
            ratios.append(f"{median_ratio(rates['charrnn'], rates[label]):.2f}")
        print(f"| {task.name} | {' | '.join(cells + ratios)} |", flush=True)
    for contender in contenders:
        contender.close()


def scaling(turns: int, seconds: float) -> None:
    """Print what further processes add, for each training task with several streams."""
    counts = [2**n for n in range(5) if 2**n <= max(2, available_cores())]
    print(f"\n| characters per second, by processes | {' | '.join(map(str, counts))} | ratios |")
    print("|---" * (len(counts) + 2) + "|")
    contenders = [Contender(str(n), "charrnn_", workers=n) for n in counts]
    for task in TRAINING:
        if task.N > 1:
            one, *more = rates_in_turns(contenders, task, turns, seconds).values()
            rates = " | ".join(f"{statistics.median(rate):,.0f}" for rate in (one, *more))
            ratios = ", ".join(f"{median_ratio(rate, one):.2f}" for rate in more)
            print(f"| {task.name} | {rates} | {ratios} |", flush=True)
    for contender in contenders:
        contender.close()


def memory() -> None:
    """Print the peak memory of training."""
    print(f"\n| peak resident memory, training {MEMORY.name} | MiB |\n|---|---|")
    for label, module, library in (
        ("charrnn", "charrnn_", "numpy"),
        ("PyTorch", "torch_", "torch"),
    ):
        if installed(library):
            contender = Contender(label, module)
            contender.make(MEMORY)
            contender.rate(2.0)
            print(f"| {label} | {contender.memory():.0f} |", flush=True)
            contender.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compare charrnn's speed with PyTorch, JAX and the classic loop."
    )
    parser.add_argument("--rows", default="", help="only rows with one of these words: lstm,eval")
    parser.add_argument("--turns", type=int, default=7, help="of each row (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn (%(default)s)")
    parser.add_argument(
        "--only",
        choices=("speed", "scaling", "memory", "profile", "lines", "corpus"),
        help="one part; without it all parts but corpus",
    )
    parser.add_argument(
        "--cpu", action="store_true", help="speed in time of one core, for a busy machine"
    )
    parser.add_argument(
        "--large", action="store_true", help="corpus as well: 1 MB against 1 GB of text"
    )
    arguments = parser.parse_args()
    if chosen := [variable for variable in KERNEL_VARIABLES if variable in os.environ]:
        for variable in chosen:
            del os.environ[variable]
        os.execv(sys.executable, [sys.executable, *sys.argv])  # NumPy has read them already

    def selected(part: str) -> bool:
        return arguments.only in (None, part)

    print(machine.describe())
    print(f"`{' '.join(['python', *sys.argv])}`")
    print(machine.describe_product_rates(), flush=True)
    if selected("speed"):
        words = [word for word in arguments.rows.split(",") if word]
        speed(words, arguments.turns, arguments.seconds, arguments.cpu)
    if selected("scaling"):
        scaling(arguments.turns, arguments.seconds)
    if selected("memory"):
        memory()
    if selected("profile"):
        step_profile.table(TRAINING)
    if selected("lines"):
        lines.table(arguments.turns)
    if arguments.large or arguments.only == "corpus":
        corpus_size.table()


if __name__ == "__main__":
    main()
