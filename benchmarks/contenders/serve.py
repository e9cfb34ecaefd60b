"""A contender as a persistent process: a line of JSON in, a line of JSON out.

``{"make": task}`` prepares and warms up; ``{"run": seconds}`` works for about that long
and answers with characters per second; ``{"facts": true}`` asks for what else it knows.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from typing import Any


def main(name: str, threads: int) -> None:
    contender: Any = importlib.import_module(f"benchmarks.contenders.{name}")
    work: Any = None
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {}
        if task := command.get("make"):
            if work is not None and hasattr(work, "stop"):
                work.stop()
            work = contender.make(task, threads)
            for _ in range(3):  # compile, fault pages in, fill caches
                work()
        elif seconds := command.get("run"):
            began, characters = time.perf_counter(), 0
            while (spent := time.perf_counter() - began) < seconds:
                characters += work()
            answer["rate"] = characters / spent
        else:
            kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer = {"version": contender.version(), "mib": kib / 1024}
            if hasattr(work, "facts"):
                answer |= work.facts()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
