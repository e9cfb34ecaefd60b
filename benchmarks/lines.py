"""Lines scored together, as ``eval --lines`` does, against one after another."""

from __future__ import annotations

import itertools
import random
import statistics
import string
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from charrnn import CharRNN, Config
from charrnn.config.autosize import architecture
from charrnn.config.schema import ModelConfig
from charrnn.data.vocab import Vocab

SYMBOLS = string.printable[:95]
COUNT, LENGTH = 100_000, 60
#: Lines that are scored one after another in a turn; all of them would take minutes.
SAMPLE = 1000


def letters(rng: random.Random) -> Iterator[str]:
    """Lines with nothing in common but chance."""
    return ("".join(rng.choices(SYMBOLS, k=LENGTH)) for _ in itertools.count())


def prose(rng: random.Random) -> Iterator[str]:
    """What ``help()`` says of Python's topics, from words anywhere in it."""
    from pydoc_data.topics import topics

    text = " ".join(" ".join(topics.values()).split())
    text = "".join(filter(SYMBOLS.__contains__, text))
    starts = [i + 1 for i in range(len(text) - LENGTH - 1) if text[i] == " "]
    rng.shuffle(starts)
    return (text[i : i + LENGTH] for i in starts)


def sources(rng: random.Random) -> Iterator[str]:
    """Long lines of Python's own library, as they come."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        for line in path.read_text("utf-8", "replace").splitlines():
            if len(line) >= LENGTH and set(line) <= set(SYMBOLS):
                yield line[:LENGTH]


def log(rng: random.Random) -> Iterator[str]:
    """What a server might write, some twenty lines a second."""
    for i in itertools.count():
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1.7e9 + i / 20))
        level = rng.choices(["INFO", "WARNING", "ERROR"], [90, 8, 2])[0]
        verb = rng.choice(["answered", "queued", "retried", "refused"])
        line = f"{clock} {level} worker-{rng.randrange(8)}: {verb} request {rng.randrange(10**6)}"
        yield f"{line} after {rng.expovariate(0.01):.3f} ms".ljust(LENGTH)[:LENGTH]


def rate(model: CharRNN, lines: Sequence[str], together: bool) -> float:
    """Characters a second."""
    began = time.perf_counter()
    if together:
        scores = list(model.score_lines(lines))
    else:
        scores = [model.evaluate(line) for line in lines]
    return sum(score.characters for score in scores) / (time.perf_counter() - began)


def table(turns: int) -> None:
    """Median rates, and the median of their ratios within a turn, of an LSTM 128x2."""
    vocab = Vocab("char", map(ord, SYMBOLS + "\n"))
    config = Config(model=ModelConfig(hidden_size=128, num_layers=2, dropout=0.0))
    initial = architecture(config, len(vocab)).initial(np.random.default_rng(0))
    model = CharRNN(config, vocab, initial)
    print(f"\n| {COUNT:,} lines of {LENGTH}, characters/s | one by one | together | ratio |")
    print("|---|---|---|---|")
    for make in (letters, prose, sources, log):
        lines = list(itertools.islice(make(random.Random(1)), COUNT))
        found = [
            (rate(model, lines[:: len(lines) // SAMPLE], False), rate(model, lines, True))
            for _ in range(turns)
        ]
        one, many = (statistics.median(column) for column in zip(*found, strict=True))
        ratio = statistics.median(m / o for o, m in found)
        print(f"| {make.__name__} | {one:,.0f} | {many:,.0f} | {ratio:.1f} |", flush=True)
