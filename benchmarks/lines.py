"""Lines scored together, as by ``eval --lines``, against one after another."""

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
#: Lines, and characters of each.
COUNT, LENGTH = 100_000, 60
#: Lines that are scored one after another in a turn, because all would take minutes.
ONE_BY_ONE = 1000


def letters(rng: random.Random) -> Iterator[str]:
    """Random letters: lines that begin alike only by chance."""
    return ("".join(rng.choices(SYMBOLS, k=LENGTH)) for _ in itertools.count())


def prose(rng: random.Random) -> Iterator[str]:
    """Python's help texts, cut at random words."""
    from pydoc_data.topics import topics

    text = " ".join(" ".join(topics.values()).split())
    text = "".join(filter(SYMBOLS.__contains__, text))
    starts = [i + 1 for i in range(len(text) - LENGTH - 1) if text[i] == " "]
    rng.shuffle(starts)
    return (text[i : i + LENGTH] for i in starts)


def sources(rng: random.Random) -> Iterator[str]:
    """Lines of Python's own library that are long enough, in order."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        for line in path.read_text("utf-8", "replace").splitlines():
            if len(line) >= LENGTH and set(line) <= set(SYMBOLS):
                yield line[:LENGTH]


def log(rng: random.Random) -> Iterator[str]:
    """What a server might log, with twenty lines a second."""
    for i in itertools.count():
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1.7e9 + i / 20))
        level = rng.choices(["INFO", "WARNING", "ERROR"], [90, 8, 2])[0]
        verb = rng.choice(["answered", "queued", "retried", "refused"])
        line = f"{clock} {level} worker-{rng.randrange(8)}: {verb} request {rng.randrange(10**6)}"
        yield f"{line} after {rng.expovariate(0.01):.3f} ms".ljust(LENGTH)[:LENGTH]


def rate(model: CharRNN, lines: Sequence[str], together: bool) -> float:
    """Characters per second."""
    started = time.perf_counter()
    if together:
        scores = list(model.score_lines(lines))
    else:
        scores = [model.evaluate(line) for line in lines]
    return sum(score.characters for score in scores) / (time.perf_counter() - started)


def untrained_model() -> CharRNN:
    """An LSTM 128x2."""
    vocab = Vocab("char", map(ord, SYMBOLS + "\n"))
    config = Config(model=ModelConfig(hidden_size=128, num_layers=2, dropout=0.0))
    initial = architecture(config, len(vocab)).initial(np.random.default_rng(0))
    return CharRNN(config, vocab, initial)


def table(turns: int) -> None:
    """Print median rates, and the median of the ratios within each turn."""
    model = untrained_model()
    print(f"\n| {COUNT:,} lines of {LENGTH}, characters/s | one by one | together | ratio |")
    print("|---|---|---|---|")
    for make in (letters, prose, sources, log):
        lines = list(itertools.islice(make(random.Random(1)), COUNT))
        rates = [
            (rate(model, lines[:: COUNT // ONE_BY_ONE], False), rate(model, lines, True))
            for _ in range(turns)
        ]
        one_by_one, together = (statistics.median(column) for column in zip(*rates, strict=True))
        ratio = statistics.median(together / single for single, together in rates)
        print(
            f"| {make.__name__} | {one_by_one:,.0f} | {together:,.0f} | {ratio:.1f} |", flush=True
        )
