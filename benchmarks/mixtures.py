"""Network, n-grams and mixture on ten small corpora: is the mixture ever worse than a part of it?

    python benchmarks/mixtures.py

The last tenth of a corpus is not read until the model is finished. A tenth of the rest is held
out: on it, the weight of the mixture is fitted and the best parameters are chosen.
"""

from __future__ import annotations

import math
import random
import string
import struct
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from charrnn import Config  # noqa: E402
from charrnn.config.sources import with_settings  # noqa: E402
from charrnn.data.vocab import Text  # noqa: E402
from charrnn.evaluation.score import score  # noqa: E402
from charrnn.training.trainer import Trainer  # noqa: E402

#: Characters of a corpus, at most.
SIZE = 20_000
#: Of each run.
SETTINGS = {"hidden_size": 64, "steps": 300, "batch_size": 16, "seq_length": 32, "workers": 1}


def fables(rng: random.Random) -> Text:
    return (ROOT / "corpora" / "fables.txt").read_text("utf-8")


def names(rng: random.Random) -> Text:
    return (ROOT / "corpora" / "names.txt").read_text("utf-8")


def source(rng: random.Random) -> Text:
    """Python: this package."""
    files = sorted((ROOT / "charrnn").rglob("*.py"))
    return "".join(file.read_text("utf-8") for file in files)


def dates(rng: random.Random) -> Text:
    """Two columns that agree."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    days = ((rng.randrange(1950, 2030), rng.randrange(12), rng.randrange(1, 29)) for _ in _lines())
    return "".join(f"{y}-{m + 1:02}-{d:02} is {d} {months[m]} {y}\n" for y, m, d in days)


def log(rng: random.Random) -> Text:
    """Times ascend; the rest is random."""
    clock, lines = 0, []
    for _ in _lines():
        clock += rng.randrange(30)
        job, level = rng.randrange(100, 999), rng.choice(["INFO", "INFO", "INFO", "WARN"])
        what = rng.choice(["started", "finished", "retried after a timeout", "cancelled"])
        lines.append(
            f"{clock // 3600:02}:{clock // 60 % 60:02}:{clock % 60:02} {level} job {job} {what}\n"
        )
    return "".join(lines)


def sums(rng: random.Random) -> Text:
    """What n-grams cannot do."""
    pairs = ((rng.randrange(100), rng.randrange(100)) for _ in _lines())
    return "".join(f"{a}+{b}={a + b}\n" for a, b in pairs)


def words(rng: random.Random) -> Text:
    """Words in any order: what n-grams do best."""
    known = ["".join(rng.choices(string.ascii_lowercase, k=rng.randrange(2, 9))) for _ in range(60)]
    return " ".join(rng.choices(known, k=SIZE // 4))


def letters(rng: random.Random) -> Text:
    """Nothing to learn."""
    return "".join(rng.choices(string.ascii_lowercase, k=SIZE))


def repetition(rng: random.Random) -> Text:
    """Nothing left to learn."""
    return "The same line, again and again.\n" * (SIZE // 30)


def samples(rng: random.Random) -> Text:
    """Bytes: a wave and noise, in numbers of 16 bits."""
    values = (4000 * math.sin(0.1 * at) + rng.gauss(0, 200) for at in range(SIZE // 2))
    return b"".join(struct.pack("<h", round(value)) for value in values)


def _lines() -> range:
    return range(SIZE // 8)


CORPORA: dict[str, Callable[[random.Random], Text]] = {
    each.__name__: each
    for each in (fables, names, source, dates, log, sums, words, letters, repetition, samples)
}


@dataclass(frozen=True)
class Figures:
    """Nats per character of one text."""

    network: float
    ngrams: float
    mixed: float

    @property
    def excess(self) -> float:
        """By how much the mixture is worse than the better of its parts; negative if better."""
        return self.mixed - min(self.network, self.ngrams)


@dataclass(frozen=True)
class Result:
    """The scores of a corpus: of its held-out part, and of text on which nothing was chosen."""

    weight: float
    held_out: Figures
    unseen: Figures


def run(name: str, **settings: Any) -> Result:
    """Train on one of CORPORA, with SETTINGS changed by ``settings``."""
    text = CORPORA[name](random.Random(0))[:SIZE]
    cut = len(text) * 9 // 10
    shape = {"records": "line"} if name == "names" else {}
    shape |= {"unit": "byte"} if isinstance(text, bytes) else {}
    trainer = Trainer(with_settings(Config(), {**SETTINGS, **shape, **settings}), text[:cut])
    deque(trainer, maxlen=0)
    model, best = trainer.model, trainer.state.best_point
    assert model.mixture
    assert best
    assert best.network is not None
    assert best.ngram is not None
    ids = model.vocab.encode(text[cut:], "skip")
    scorers = model.part_scorers()
    found = dict(zip(scorers, score([ids], list(scorers.values())), strict=True))
    return Result(
        model.mixture.weight,
        Figures(best.network, best.ngram, best.nats_per_char),
        Figures(*(found[part].nats_per_char for part in ("network", "n-gram", "mixed"))),
    )


def main() -> int:
    parts = "network | n-grams | mixed"
    print(f"| corpus | held out: {parts} | weight | unseen: {parts} |")
    print(f"|{'---|' * 8}")
    for name in CORPORA:
        result = run(name)
        held_out, unseen = (
            f"{each.network:.4f} | {each.ngrams:.4f} | {each.mixed:.4f}"
            for each in (result.held_out, result.unseen)
        )
        print(f"| {name} | {held_out} | {result.weight:.2f} | {unseen} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
