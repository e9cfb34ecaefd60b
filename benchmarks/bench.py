"""charrnn beside PyTorch, JAX and the classic loop: all take turns, ratios are of neighbours.

    make bench                                     # everything, about 15 minutes
    .venv-bench/bin/python benchmarks/bench.py --rows lstm,sample --turns 9

Every contender is a process that lives as long as the bench; only one works at a time. A
row is run in turns, A B C A B C ..., and a ratio is the median of the ratios within each
turn, so that a machine that slows down or is shared slows all alike. Two variables that
would choose OpenBLAS's kernels are taken out of the environment: each library picks its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import inside, lines  # noqa: E402

CHOOSING_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
#: Let threads that spin after their work fall asleep before the next contender's turn.
SETTLE = 0.15
SHAPES = (
    ("rnn", 100, 1, 1, 25),
    ("rnn", 128, 2, 50, 50),
    ("rnn", 512, 1, 64, 64),
    ("lstm", 128, 2, 50, 50),
    ("lstm", 512, 1, 64, 64),
    ("lstm", 512, 2, 64, 64),
    ("gru", 128, 2, 50, 50),
    ("gru", 512, 1, 64, 64),
)


def rows() -> dict[str, dict[str, Any]]:
    """Name -> task, in the order of the table."""
    tasks = {}
    for cell, H, L, N, T in SHAPES:
        task = {"kind": "train", "cell": cell, "H": H, "L": L, "N": N, "T": T, "V": 65}
        tasks[f"{cell} {H}x{L}, {N}x{T}"] = task
    lstm = {"cell": "lstm", "V": 65}
    small = {**lstm, "kind": "sample", "H": 128, "L": 2}
    tasks["sample 1 stream, lstm 128x2"] = {**small, "N": 1, "steps": 100}
    tasks["sample 64 streams, lstm 128x2"] = {**small, "N": 64, "steps": 20}
    tasks["eval 1 MB, lstm 256x1"] = {
        **lstm, "kind": "eval", "H": 256, "L": 1, "characters": 1_000_000
    }  # fmt: skip
    return tasks


class Contender:
    """A process that does what the others do, when it is its turn."""

    def __init__(self, label: str, module: str, threads: int = 1, **extra: Any) -> None:
        self.label, self._extra, self._threads = label, extra, threads
        environment = {k: v for k, v in os.environ.items() if k not in CHOOSING_KERNELS}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.contenders.serve", module, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        pipes = self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        pipes.stdin.write(json.dumps(command) + "\n")
        pipes.stdin.flush()
        answer: dict[str, Any] = json.loads(pipes.stdout.readline())
        return answer

    def make(self, task: dict[str, Any]) -> None:
        self.ask(make={**task, **self._extra})

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def takes_part(label: str, task: dict[str, Any]) -> bool:
    if label == "classic":
        return bool(task["cell"] == "rnn" and task["N"] == 1)
    if "cells" in label:
        return bool(task["kind"] == "sample")
    return label != "JAX" or bool(task["kind"] == "train")


def race(contenders: list[Contender], task: dict[str, Any], turns: int, seconds: float) -> Any:
    """Rates by label, one for each turn."""
    runners = [c for c in contenders if takes_part(c.label, task)]
    rates: dict[str, list[float]] = {c.label: [] for c in runners}
    for runner in runners:
        runner.make(task)
    for _ in range(turns):
        for runner in runners:
            time.sleep(SETTLE)
            rates[runner.label].append(runner.ask(run=seconds)["rate"])
    return rates


def ratio(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def speed(contenders: list[Contender], wanted: list[str], turns: int, seconds: float) -> None:
    print("\n| characters per second, medians | charrnn | PyTorch | JAX | classic |", end="")
    print(" / PyTorch | / JAX | / classic |\n|---|---|---|---|---|---|---|---|")
    for name, task in rows().items():
        if wanted and not any(word in name for word in wanted):
            continue
        rates = race(contenders, task, turns, seconds)
        medians = {label: statistics.median(values) for label, values in rates.items()}
        torch = max((k for k in medians if k.startswith("PyTorch")), key=lambda k: medians[k])
        cells, ratios = [f"{medians['charrnn']:,.0f}"], []
        for label in (torch, "JAX", "classic"):
            if label in rates:
                detail = f" ({label.removeprefix('PyTorch ')})" if label == torch else ""
                cells.append(f"{medians[label]:,.0f}{detail}")
                ratios.append(f"{ratio(rates['charrnn'], rates[label]):.2f}")
            else:
                cells.append("")
                ratios.append("")
        print(f"| {name} | {' | '.join(cells + ratios)} |", flush=True)


def scaling(turns: int, seconds: float) -> None:
    print("\n| one process against two | 1 | 2 | ratio | efficiency |\n|---|---|---|---|---|")
    pair = [Contender(str(n), "charrnn_", workers=n) for n in (1, 2)]
    for name, task in rows().items():
        if task["kind"] == "train" and task["N"] > 1:
            one, two = race(pair, task, turns, seconds).values()
            gain = ratio(two, one)
            figures = f"{statistics.median(one):,.0f} | {statistics.median(two):,.0f}"
            print(f"| {name} | {figures} | {gain:.2f} | {gain / 2:.0%} |", flush=True)
    for contender in pair:
        contender.close()


def memory() -> None:
    task = rows()["lstm 128x2, 50x50"]
    print("\n| peak resident memory, training lstm 128x2, 50x50 | MiB |\n|---|---|")
    for label, module in (("charrnn", "charrnn_"), ("PyTorch", "torch_")):
        contender = Contender(label, module)
        contender.make(task)
        contender.ask(run=2.0)
        facts = contender.ask(facts=True)
        print(f"| {label} | {facts['mib'] + facts.get('worker_mib', 0.0):.0f} |", flush=True)
        contender.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare charrnn's speed with its peers'.")
    parser.add_argument("--rows", default="", help="only rows with one of these words in them")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    parser.add_argument(
        "--only", choices=("speed", "scaling", "memory", "inside", "lines", "corpus")
    )
    parser.add_argument("--large", action="store_true", help="also 1 MB against 1 GB of text")
    arguments = parser.parse_args()
    if chosen := [variable for variable in CHOOSING_KERNELS if variable in os.environ]:
        for variable in chosen:
            del os.environ[variable]
        os.execv(sys.executable, [sys.executable, *sys.argv])  # NumPy has read them already

    def due(part: str) -> bool:
        return arguments.only in (None, part)

    print(inside.machine())
    print(f"`{' '.join(['python', *sys.argv])}`")
    print(inside.products(), flush=True)
    if due("speed"):
        contenders = [
            Contender("charrnn", "charrnn_"),
            Contender("PyTorch 1 thread", "torch_", 1),
            Contender("PyTorch 2 threads", "torch_", 2),
            Contender("PyTorch cells", "torch_", 1, cells=True),
            Contender("JAX", "jax_"),
            Contender("classic", "classic"),
        ]
        print("; ".join(sorted({c.ask(facts=True)["version"] for c in contenders})))
        words = [word for word in arguments.rows.split(",") if word]
        speed(contenders, words, arguments.turns, arguments.seconds)
        for contender in contenders:
            contender.close()
    if due("scaling"):
        scaling(arguments.turns, arguments.seconds)
    if due("memory"):
        memory()
    if due("inside"):
        inside.table([task for task in rows().values() if task["kind"] == "train"])
    if due("lines"):
        lines.table(arguments.turns)
    if arguments.large or arguments.only == "corpus":
        inside.corpora()


if __name__ == "__main__":
    main()
