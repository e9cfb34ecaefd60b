"""Make the results table: train on a corpus for some minutes, then score the model.

    make results                                                  # every row of ROWS
    python benchmarks/results.py corpora/fables.txt tiny 0.5      # one row
    python benchmarks/results.py corpora/fables.txt tiny 0.5 --cpu   # minutes of one core

Every figure comes from charrnn's own commands. ``train`` has its usual progress bar; ``eval``
scores the whole held-out part with the model, with a copy that adapts to it, and with n-gram
models, gzip and xz; then a sample is compared with the training part.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PROGRAM = (sys.executable, "-m", "charrnn")
sys.path.insert(0, str(ROOT))

from benchmarks import machine  # noqa: E402
from charrnn.config.sources import build, find, parse, with_settings  # noqa: E402
from charrnn.data.corpus import Corpus  # noqa: E402
from charrnn.data.source import Source  # noqa: E402
from charrnn.messages import printable  # noqa: E402
from charrnn.training.budget import Clock  # noqa: E402
from charrnn.training.trainer import Trainer  # noqa: E402


@dataclass(frozen=True)
class Row:
    """What to train: a corpus, a preset or config file, and minutes."""

    corpus: Path
    preset: str
    minutes: float

    @property
    def title(self) -> str:
        return f"{self.corpus.name}, {Path(self.preset).name}, {self.minutes:g} minutes"


CORPORA = ROOT / "corpora"
ROWS = (
    Row(CORPORA / "fables.txt", "tiny", 0.5),
    Row(CORPORA / "fables.txt", "default", 2.0),
    Row(CORPORA / "stdlib.txt", "default", 2.0),
    Row(CORPORA / "names.txt", "default", 2.0),
    Row(CORPORA / "tinyshakespeare.txt", "default", 2.0),
    Row(CORPORA / "tinyshakespeare.txt", "ten-minutes", 10.0),
    Row(CORPORA / "tinyshakespeare.txt", "half-hour", 30.0),
    *(
        Row(CORPORA / name, preset, 1.0)
        for name in ("tinyshakespeare.txt", "stdlib.txt")
        for preset in ("default", "words", "wildml")
    ),
)
SEED, TEMPERATURE = 1, 0.8
#: Characters of the sample: enough for a memorised phrase to occur.
LENGTH = 10_000
#: Of a model of records: how many are sampled, and how long one may get.
RECORDS, RECORD_LENGTH = 1000, 200
#: Characters of the sample that are printed.
SHOWN = 300

COLUMNS = (
    "corpus",
    "preset",
    "parameters",
    "minutes",
    "nats",
    "bits per character",
    "network nats",
    "n-gram nats",
    "dynamic nats",
    "dynamic bits",
    "6-gram bits",
    "longest overlap",
    "windows of 30 in the corpus",
)


@dataclass(frozen=True)
class Result:
    """Scores of the held-out part, and a sample.

    Attributes:
        characters: of the held-out part. nats: per character.
        network_nats, ngram_nats: by each part of the model alone; None where nothing is mixed.
        dynamic_nats: of a copy of the model that adapts; None where ``eval`` cannot do that, and
            for words, where it takes too long.
        baselines: bits per character by name.
        longest_overlap: characters of the longest passage of the sample that occurs in the
            training part. overlap: share of the sample's windows of 30 characters that do. None
            for words.
    """

    parameters: int
    characters: int
    nats: float
    network_nats: float | None
    ngram_nats: float | None
    dynamic_nats: float | None
    baselines: dict[str, float]
    sample: str
    longest_overlap: int | None
    overlap: float | None


class UnusableRow(Exception):
    """A row that cannot be trained or scored, in one line."""


def charrnn(*arguments: object) -> str:
    """The output of a command; stderr is passed through.

    Raises:
        subprocess.CalledProcessError: it failed, and has printed why.
    """
    # The row says what the model was trained with, so no variable may change a setting.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHARRNN_")}
    command = [*PROGRAM, *map(str, arguments)]
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env=environment, encoding="utf-8"
    )
    return done.stdout


def check(row: Row, model: Path) -> None:
    """Find out before training what would make it useless.

    Raises:
        UnusableRow: ``model`` already exists, or the preset holds nothing out.
        subprocess.CalledProcessError: there is no such preset.
    """
    if model.exists():
        raise UnusableRow(f"{model}: already exists; choose another file with --output")
    config = yaml.safe_load(charrnn("train", "-c", row.preset, "--print-config"))
    if not config["data"]["val_fraction"]:
        raise UnusableRow(f"{row.preset}: holds nothing out; set data.val_fraction above 0")


def train(row: Row, model: Path, cpu: bool) -> None:
    """Train a row's model; with ``cpu``, by one process, which has used so many minutes of CPU.

    So what other programs do meanwhile does not matter.
    """
    if cpu:
        config = build(parse(*find(row.preset)))
        config = with_settings(config, {"minutes": row.minutes, "seed": SEED, "workers": 1})
        corpus = Corpus([Source.open(row.corpus)], config.data)
        trainer = Trainer(config, corpus, clock=Clock(now=time.process_time))
        deque(trainer, maxlen=0)
        trainer.checkpoint().save(model)
        return
    budget = ("--minutes", f"{row.minutes:g}", "--seed", SEED)
    charrnn("train", row.corpus, "-c", row.preset, *budget, "-o", model)


def measure(model: Path, corpus: Path) -> Result:
    """Score a model on the part of its corpus that it was not trained on, and sample from it."""
    about = json.loads(charrnn("info", "-m", model, "--json"))
    of_records = about["config"]["data"]["records"] != "none"
    of_words = about["config"]["data"]["unit"] == "word"
    sgd = about["config"]["train"]["optimizer"] == "sgd"
    adapts = not (of_records or of_words or sgd)
    dynamic = ["--dynamic"] if adapts else []
    scores = evaluate(model, corpus, "--held-out", "--baselines", corpus, *dynamic)
    sample = sample_from(model, of_records)
    overlap: dict[str, Any] = {"longest": None, "share": None}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sample.txt"
        file.write_text(sample, "utf-8", newline="")
        if not of_words:
            overlap = evaluate(model, file, "--overlap", corpus)["overlap"]
    return Result(
        parameters=about["parameters"],
        characters=scores["characters"],
        nats=scores["nats_per_char"],
        network_nats=scores["network"]["nats_per_char"] if "network" in scores else None,
        ngram_nats=scores["ngram"]["nats_per_char"] if "ngram" in scores else None,
        dynamic_nats=scores["dynamic"]["nats_per_char"] if adapts else None,
        baselines={name: score["bits_per_char"] for name, score in scores["baselines"].items()},
        sample=sample,
        longest_overlap=overlap["longest"],
        overlap=overlap["share"],
    )


def evaluate(model: Path, text: Path, *options: object) -> dict[str, Any]:
    """The JSON of ``charrnn eval``."""
    scores: dict[str, Any] = json.loads(charrnn("eval", "-m", model, text, *options, "--json"))
    return scores


def sample_from(model: Path, of_records: bool) -> str:
    """A sample of LENGTH characters, or of RECORDS records, one a line."""
    length = (RECORD_LENGTH, "--count", RECORDS) if of_records else (LENGTH,)
    options = ("--temp", TEMPERATURE, "--seed", SEED, "--json")
    lines = charrnn("sample", "-m", model, "-n", *length, *options).splitlines()
    return "\n".join(json.loads(line)["text"] for line in lines)


def table_row(row: Row, result: Result) -> str:
    """A result as a row under COLUMNS."""
    dynamic, parts = result.dynamic_nats, (result.network_nats, result.ngram_nats)
    figures = (
        row.corpus.name,
        Path(row.preset).name,
        f"{result.parameters:,}",
        f"{row.minutes:g}",
        f"{result.nats:.4f}",
        f"{result.nats / math.log(2.0):.4f}",
        *("" if part is None else f"{part:.4f}" for part in parts),
        "" if dynamic is None else f"{dynamic:.4f}",
        "" if dynamic is None else f"{dynamic / math.log(2.0):.4f}",
        f"{result.baselines['6-gram']:.4f}",
        "" if result.longest_overlap is None else f"{result.longest_overlap}",
        "" if result.overlap is None else f"{result.overlap:.1%}",
    )
    return f"| {' | '.join(figures)} |"


def details(row: Row, result: Result) -> str:
    """What does not fit in the table: every baseline, and the beginning of the sample."""
    figures = ", ".join(f"{name} {bits:.4f}" for name, bits in result.baselines.items())
    lines = result.sample[:SHOWN].split("\n")
    shown = "\n".join(f"    {printable(line, SHOWN)}".rstrip() for line in lines)
    return f"\n{row.title}; baselines, bits per character: {figures}; a sample:\n\n{shown}"


def results(rows: Sequence[Row], output: Path | None, cpu: bool = False) -> None:
    """Train and measure each row; print the table, then the details.

    Raises:
        UnusableRow, subprocess.CalledProcessError: as :func:`check` and :func:`charrnn`.
    """
    started = machine.describe()
    after_table: list[str] = []
    for row in rows:
        with tempfile.TemporaryDirectory() as folder:
            model = output or Path(folder) / "model.npz"
            check(row, model)
            train(row, model, cpu)
            result = measure(model, row.corpus)
        if not after_table:  # the first row that has come this far
            print(f"{started}\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        print(table_row(row, result), flush=True)
        after_table.append(details(row, result))
    print("\n".join(after_table))


def available_rows() -> list[Row]:
    """The rows of ROWS whose corpus exists; say which are left out."""
    for row in ROWS:
        if not row.corpus.exists():
            missing = f"{row.title}: left out, because there is no {row.corpus}"
            print(f"{missing}; corpora/README.md says where to get it", file=sys.stderr)
    return [row for row in ROWS if row.corpus.exists()]


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Make rows of the results table; without arguments, all of them."
    )
    parser.add_argument("corpus", type=Path, nargs="?", help="a text")
    parser.add_argument("preset", nargs="?", help="a preset or a config file")
    parser.add_argument("minutes", type=float, nargs="?", help="of training")
    parser.add_argument("-o", "--output", type=Path, help="keep the model in this file")
    parser.add_argument("--cpu", action="store_true", help="minutes of one core's time")
    arguments = parser.parse_args()
    if arguments.minutes is not None:
        rows = [Row(arguments.corpus, arguments.preset, arguments.minutes)]
    elif arguments.corpus or arguments.output:
        parser.error("give CORPUS, PRESET and MINUTES, or nothing at all for every row")
    else:
        rows = available_rows()
    try:
        results(rows, arguments.output, arguments.cpu)
    except UnusableRow as error:
        print(f"results: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
