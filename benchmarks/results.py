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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import inside  # noqa: E402
from charrnn import CharRNN, CharRNNError, CheckpointError, Corpus  # noqa: E402
from charrnn.baselines import baselines  # noqa: E402
from charrnn.checkpoint import Checkpoint  # noqa: E402
from charrnn.config import SampleConfig  # noqa: E402
from charrnn.corpus import Source  # noqa: E402
from charrnn.dynamic import dynamic_evaluate, mean_squared_gradients  # noqa: E402
from charrnn.evaluation import Evaluation  # noqa: E402
from charrnn.overlap import WINDOW, Overlap, overlap  # noqa: E402
from charrnn.records import evaluate_items  # noqa: E402
from charrnn.vocab import Text  # noqa: E402

#: Corpus, preset, minutes; a corpus that is not there is left out, and said so.
ROWS = (
    ("corpora/fables.txt", "tiny", 0.5),
    ("corpora/stdlib.txt", "default", 2.0),
    ("corpora/tinyshakespeare.txt", "default", 2.0),
)
SEED, TEMPERATURE = 1, 0.8
#: Drawn to be compared with the corpus: enough for a phrase that was learned by heart to turn up.
LENGTH = 10_000
#: Shown of it.
SHOWN = 300
#: Of a sample by a model of items, none of which comes near to it.
LONGEST_ITEM = 1000

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
    sample: Text
    copied: Overlap


def train(corpus: str, preset: str, minutes: float, model: Path) -> None:
    """Run ``charrnn train`` to its end; what it has to say goes to stderr.

    Raises:
        CharRNNError: ``model`` exists already.
        subprocess.CalledProcessError: training failed, and has said why.
    """
    if model.exists():
        raise CheckpointError(f"{model}: exists already; choose another file with --output")
    command = [sys.executable, "-m", "charrnn", "train", corpus, "-c", preset]
    command += ["--minutes", f"{minutes:g}", "--seed", str(SEED), "-o", str(model)]
    # The row says what made it: nothing else may have a part in it.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CHARRNN_")}
    subprocess.run(command, check=True, env=environment | {"PYTHONPATH": str(ROOT)})


def measure(path: Path, corpus_path: str, length: int = LENGTH) -> Result:
    """Score the model at ``path`` on the part of its corpus that it did not learn from.

    Raises:
        CharRNNError: the model or the corpus cannot be read.
    """
    checkpoint = Checkpoint.load(path, training=True)
    model, vocab = CharRNN.from_checkpoint(checkpoint), checkpoint.vocab
    corpus = Corpus([Source.open(corpus_path)], checkpoint.config.data, vocab)
    network, held_out = model.network, corpus.validation
    dynamic = None
    if model.of_records:
        static = evaluate_items(network, held_out, vocab.start)
    else:
        squares = checkpoint.squares()
        if squares is None:
            squares = mean_squared_gradients(network, corpus.train)
        static, dynamic = dynamic_evaluate(network, held_out, vocab.start, squares)

    def encode(ids):
        text = vocab.decode(ids)
        return text.encode() if isinstance(text, str) else text

    figures = baselines(corpus.train, held_out, len(vocab), encode)
    sample = draw(model, length)
    copied = overlap(vocab.encode(sample), corpus.train)
    return Result(network.params.flat.size, static, dynamic, figures, sample, copied)
