"""The results table of the README: a corpus, a preset, minutes of training, and the scores.

    make results                                                  # every row of ROWS
    python benchmarks/results.py corpora/fables.txt tiny 0.5      # one row

Trains with `charrnn train CORPUS -c PRESET --minutes MINUTES --seed 1`, a process of its own
whose progress is seen. Then all of the held-out part is scored: by the model as it stands, by
the model while it adapts, and by what needs no network and learned from the same part. A
sample is drawn, and compared with the part that was learned from.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import inside  # noqa: E402
from charrnn import CharRNN, CharRNNError, CheckpointError, ConfigError, Corpus  # noqa: E402
from charrnn.checkpoint import Checkpoint  # noqa: E402
from charrnn.config.schema import SampleConfig  # noqa: E402
from charrnn.config.sources import build, find, parse  # noqa: E402
from charrnn.data.source import Source  # noqa: E402
from charrnn.evaluation.baselines import baselines  # noqa: E402
from charrnn.evaluation.dynamic import dynamic_evaluate, mean_squared_gradients  # noqa: E402
from charrnn.evaluation.overlap import WINDOW, Overlap, overlap  # noqa: E402
from charrnn.evaluation.records import evaluate_records  # noqa: E402
from charrnn.evaluation.score import Evaluation, score  # noqa: E402
from charrnn.messages import printable  # noqa: E402

#: Corpus, preset, minutes; a corpus that is not there is left out, and said so.
ROWS = (
    ("corpora/fables.txt", "tiny", 0.5),
    ("corpora/fables.txt", "default", 2.0),
    ("corpora/stdlib.txt", "default", 2.0),
    ("corpora/names.txt", "default", 2.0),
    ("corpora/tinyshakespeare.txt", "default", 2.0),
    ("corpora/tinyshakespeare.txt", "ten-minutes", 10.0),
    ("corpora/tinyshakespeare.txt", "half-hour", 30.0),
)
SEED, TEMPERATURE = 1, 0.8
#: Drawn to be compared with the corpus: enough for a phrase that was learned by heart to turn up.
LENGTH = 10_000
#: Shown of it.
SHOWN = 300
#: Of a model of items: how many, and where one that does not end is cut.
ITEMS, LONGEST = 1000, 200

COLUMNS = (
    "corpus",
    "preset",
    "parameters",
    "minutes",
    "nats",
    "bits per character",
    "dynamic nats",
    "dynamic bits",
    "5-gram bits",
    "longest overlap",
    f"windows of {WINDOW} in the corpus",
)


@dataclass(frozen=True)
class Result:
    """What a model makes of its corpus's held-out part, and a sample of it.

    Attributes:
        dynamic: None for a model of items, which are no continuous text.
        baselines: bits per character by name. copied: of the sample, from the training part.
    """

    parameters: int
    static: Evaluation
    dynamic: Evaluation | None
    baselines: dict[str, float]
    sample: str
    copied: Overlap


def train(corpus: Path, preset: str, minutes: float, model: Path) -> None:
    """Run ``charrnn train`` to its end; what it has to say goes to stderr.

    Raises:
        CharRNNError: ``model`` exists already, or the preset leaves nothing to score.
        subprocess.CalledProcessError: training failed, and has said why.
    """
    if model.exists():
        raise CheckpointError(f"{model}: exists already; choose another file with --output")
    if not build(parse(*find(preset))).data.val_fraction:
        raise ConfigError(f"{preset}: holds nothing out to score; set data.val_fraction above 0")
    command = [sys.executable, "-m", "charrnn", "train", str(corpus), "-c", preset]
    command += ["--minutes", f"{minutes:g}", "--seed", str(SEED), "-o", str(model)]
    # The row says what made the model: no variable may have a part in it.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHARRNN_")}
    subprocess.run(command, check=True, env=environment | {"PYTHONPATH": str(ROOT)})


def measure(model_path: Path, corpus_path: Path) -> Result:
    """Score a model on the part of its corpus that it did not learn from.

    Raises:
        CharRNNError: the model or the corpus cannot be read.
    """
    checkpoint = Checkpoint.load(model_path, training=True)
    model, vocab = CharRNN.from_checkpoint(checkpoint), checkpoint.vocab
    corpus = Corpus([Source.open(corpus_path)], checkpoint.config.data, vocab)
    network, held_out, dynamic = model.network, corpus.validation, None
    if model.of_records:
        static = evaluate_records(network, held_out, vocab.start)
    else:
        squares = checkpoint.squares()
        if squares is None:  # SGD keeps none
            squares = mean_squared_gradients(network, corpus.train)
        static, dynamic = dynamic_evaluate(network, held_out, vocab.start, squares)
    made = baselines(corpus.train, vocab)
    scores = score([held_out], [scorer() for scorer in made.values()])
    bits = [evaluation.bits_per_char for evaluation in scores]
    sample = draw(model)
    return Result(
        parameters=network.params.flat.size,
        static=static,
        dynamic=dynamic,
        baselines=dict(zip(made, bits, strict=True)),
        sample=sample,
        copied=overlap(vocab.encode(sample), corpus.train),
    )


def draw(model: CharRNN) -> str:
    """A sample of :data:`LENGTH` characters, or of :data:`ITEMS` items on a line each."""
    length, count = (LONGEST, ITEMS) if model.of_records else (LENGTH, 1)
    settings = SampleConfig(length=length, count=count, temperature=TEMPERATURE, seed=SEED)
    texts = [sample.text for sample in model.samples(settings)]
    return "\n".join(t if isinstance(t, str) else t.decode(errors="replace") for t in texts)


def row(corpus: Path, preset: str, minutes: float, result: Result) -> str:
    """A result as a row under :data:`COLUMNS`."""
    static, dynamic, copied = result.static, result.dynamic, result.copied
    cells = (
        corpus.name,
        Path(preset).name,
        f"{result.parameters:,}",
        f"{minutes:g}",
        f"{static.nats_per_char:.4f}",
        f"{static.bits_per_char:.4f}",
        f"{dynamic.nats_per_char:.4f}" if dynamic else "",
        f"{dynamic.bits_per_char:.4f}" if dynamic else "",
        f"{result.baselines['5-gram']:.4f}",
        f"{copied.longest}",
        f"{copied.share:.1%}",
    )
    return f"| {' | '.join(cells)} |"


def details(corpus: Path, preset: str, minutes: float, result: Result) -> str:
    """What has no place in a row: every baseline, and the beginning of the sample."""
    figures = ", ".join(f"{name} {bits:.4f}" for name, bits in result.baselines.items())
    lines = result.sample[:SHOWN].split("\n")
    shown = "\n".join(f"    {printable(line, SHOWN)}".rstrip() for line in lines)
    title = f"{corpus.name}, {preset}, {minutes:g} minutes"
    return f"\n{title}; baselines, bits per character: {figures}; a sample:\n\n{shown}"


def results(rows: Sequence[tuple[Path, str, float]], output: Path | None) -> None:
    """Train and measure each row; print the table, then the details.

    Raises:
        CharRNNError, subprocess.CalledProcessError: as :func:`train` and :func:`measure`.
    """
    machine = inside.machine()
    rest: list[str] = []
    for what in rows:
        with tempfile.TemporaryDirectory() as folder:
            model = output or Path(folder) / "model.npz"
            train(*what, model)
            result = measure(model, what[0])
        if not rest:  # the first to have come so far
            print(f"{machine}\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        print(row(*what, result), flush=True)
        rest.append(details(*what, result))
    print("\n".join(rest))


def present() -> list[tuple[Path, str, float]]:
    """The rows whose corpus is there; of the others it is said."""
    rows = [(ROOT / corpus, preset, minutes) for corpus, preset, minutes in ROWS]
    for corpus, preset, _ in rows:
        if not corpus.exists():
            missing = f"{corpus.name}, {preset}: left out, there is no {corpus}"
            print(f"{missing}; corpora/README.md says where to get it", file=sys.stderr)
    return [what for what in rows if what[0].exists()]


def main() -> int:
    parser = argparse.ArgumentParser(description="Rows of the results table; without one, all.")
    parser.add_argument("corpus", type=Path, nargs="?", help="a text")
    parser.add_argument("preset", nargs="?", help="a preset or a config file")
    parser.add_argument("minutes", type=float, nargs="?", help="of training")
    parser.add_argument("-o", "--output", type=Path, help="keep the row's model in this file")
    arguments = parser.parse_args()
    one = (arguments.corpus, arguments.preset, arguments.minutes)
    if None in one and (any(one) or arguments.output):
        parser.error("give CORPUS, PRESET and MINUTES; or nothing at all, for every row")
    try:
        results(present() if None in one else [one], arguments.output)
    except CharRNNError as error:
        print(f"results: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
