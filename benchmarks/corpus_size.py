"""Training on 1 MB and on 1 GB of text: the rate, the wait for the first steps, the memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
COPIES = {"1 MB": 1, "1 GB": 1000}

TRAINING = """
import sys, time
started = time.monotonic()
from charrnn.config.schema import Config
from charrnn.config.sources import with_settings
from charrnn.data.corpus import Corpus
from charrnn.data.source import Source
from charrnn.training.trainer import Trainer
sizes = dict(hidden_size=int(sys.argv[2]), steps=160, val_fraction=0.0)
config = with_settings(Config(), sizes)
corpus = Corpus([Source.open(sys.argv[1])], config.data)
for step in Trainer(config, corpus):
    if step.step == 10:
        first_steps = time.monotonic() - started
        since, characters = time.monotonic(), step.characters
rate = (step.characters - characters) / (time.monotonic() - since)
status = open("/proc/self/status").read()
private = sum(int(status.split(key)[1].split()[0]) for key in ("RssAnon:", "RssShmem:"))
print(rate, first_steps, private / 1024)
"""


def measure(corpus: Path, hidden_size: int = 128) -> list[float]:
    """Characters per second, seconds to the tenth step and MiB of private memory."""
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, str(corpus), str(hidden_size)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def table(turns: int = 3) -> None:
    """Print a row of medians for each size; the sizes take turns."""
    print("\n| corpus | characters/s | ten steps after, s | own memory, first process, MiB |")
    print("|---|---|---|---|")
    block = np.random.default_rng(0).integers(32, 97, 1_000_000).astype(np.uint8).tobytes()
    runs: dict[str, list[list[float]]] = {name: [] for name in COPIES}
    with tempfile.TemporaryDirectory() as folder:
        corpora = {name: Path(folder) / f"{copies}.txt" for name, copies in COPIES.items()}
        for name, copies in COPIES.items():
            with corpora[name].open("wb") as file:
                for _ in range(copies):
                    file.write(block)
        for _ in range(turns):
            for name, corpus in corpora.items():
                runs[name].append(measure(corpus))
    for name, figures in runs.items():
        rate, first_steps, mib = (
            statistics.median(column) for column in zip(*figures, strict=True)
        )
        print(f"| {name} | {rate:,.0f} | {first_steps:.1f} | {mib:.0f} |", flush=True)
