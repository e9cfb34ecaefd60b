"""A contender in a process of its own: a line of JSON in, a line of JSON out.

    python -m benchmarks.contenders.serve MODULE THREADS [OPTIONS AS JSON]

``{"make": task}`` prepares and warms up; ``{"run": seconds}`` works for about that long and
answers with characters per second, of the CPU's time with ``"cpu": true``; ``{"facts": true}`` asks
for the version and the memory.
The options are further arguments of the contender's ``make``.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from typing import Any

from benchmarks.contenders import Task


def cpu_seconds() -> float:
    """Of this process and those it has waited for."""
    spent = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def main(name: str, threads: int, options: dict[str, Any]) -> None:
    contender: Any = importlib.import_module(f"benchmarks.contenders.{name}")
    work: Any = None
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {}
        if task := command.get("make"):
            if work is not None and hasattr(work, "stop"):
                work.stop()
            work = contender.make(Task(**task), threads, **options)
            for _ in range(3):  # compile, fault pages in, fill caches
                work()
        elif seconds := command.get("run"):
            now = cpu_seconds if command.get("cpu") else time.perf_counter
            started, characters = now(), 0
            while (spent := now() - started) < seconds:
                characters += work()
            answer["rate"] = characters / spent
        else:
            kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer = {"version": contender.version(), "mib": kib / 1024}
            if hasattr(work, "facts"):
                answer |= work.facts()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
