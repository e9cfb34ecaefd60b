"""``charrnn eval``: how well a model predicts texts, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.cli.corpora import Corpora, Files
from charrnn.cli.eval_parts import print_chars, print_heat, print_lines
from charrnn.cli.eval_table import Score, print_scores
from charrnn.cli.inputs import TextReader, open_sources
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output, color_wanted
from charrnn.cli.overlap_report import copied_from
from charrnn.cli.overwriting import check_stdout
from charrnn.cli.settings import combine
from charrnn.cli.streams import say
from charrnn.config.schema import Config, DataConfig
from charrnn.config.sources import Settings
from charrnn.data.records import split_lines
from charrnn.data.vocab import NOUNS, text_of
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.evaluation.baselines import Baselines
from charrnn.evaluation.reference import Reference
from charrnn.evaluation.score import Scorer, score
from charrnn.messages import path_name, pluralize
from charrnn.model import CharRNN
from charrnn.nn.params import Array

#: Characters of each text that are compared with a corpus, at most, to bound memory.
COMPARED = 2**20


@dataclass(frozen=True)
class Request:
    """What was asked for: the command's options."""

    files: Files
    model: str
    config: str | None
    flags: Settings
    as_json: bool
    line_buffered: bool
    no_color: bool
    mode: str | None = None  # lines, chars or heat
    held_out: bool = False
    dynamic: bool = False
    baselines: Files = ()
    overlap: Files = ()


def evaluate(request: Request) -> None:
    """Score the files and print the figures.

    Raises:
        CharRNNError: the model or a text is not usable, or a character not known.
    """
    checkpoint = load_checkpoint(request.model, training=request.dynamic)
    model = CharRNN.from_checkpoint(checkpoint, path_name(request.model))
    config = combine(request.flags, request.config, base=model.config, sections=("eval", "data"))
    # The unit is the model's; only how bytes become text may differ.
    data = replace(model.config.data, encoding=config.data.encoding)
    if request.mode == "heat" and not color_wanted(sys.stdout, request.no_color):
        raise ConfigError(
            "--heat needs a terminal with colours", "--chars prints the same figures anywhere"
        )
    if request.dynamic:
        _check_dynamic(model, checkpoint)
    check_stdout(request.files)
    own, others = (request.files, ()) if request.held_out else ((), request.files)
    corpora = Corpora(model, data, [request.baselines, request.overlap, own], others)
    readers = _readers(model, corpora, data, config, request)
    output = Output(line_buffered=request.line_buffered)
    if request.mode:
        for reader in readers:
            _print_parts(model, reader, output, request)
    else:
        baselines = None
        if request.baselines:
            baselines = corpora.compared(request.baselines).baselines()
        reference = corpora.compared(request.overlap) if request.overlap else None
        scores = [
            _score(reader, model, _scorers(model, request.dynamic, baselines), reference)
            for reader in readers
        ]
        print_scores(scores, model.vocab.unit, output, request.as_json)
    output.end()


def _check_dynamic(model: CharRNN, checkpoint: Checkpoint) -> None:
    """Find out, before any text is read, why a model cannot adapt."""
    if model.squares is None and not model.of_records:
        what, hint = (
            "was saved without its training state",
            "give the file that charrnn train wrote",
        )
        if checkpoint.training:
            optimizer = checkpoint.config.train.optimizer
            what = f"was trained with {optimizer}, which keeps none"
            hint = "train with adagrad, rmsprop or adam"
            if not checkpoint.training.state.step:
                what, hint = "is not trained yet", "continue with: charrnn train --resume"
        raise CheckpointError(
            f"{model.name}: --dynamic needs mean squared gradients, but this model {what}", hint
        )
    model.dynamic_scorer()


def _readers(
    model: CharRNN, corpora: Corpora, data: DataConfig, config: Config, request: Request
) -> list[TextReader]:
    """The texts to score."""
    unknown = config.eval.unknown
    if request.held_out:
        return [TextReader(model.vocab, *corpora.held_out(request.files), unknown)]
    for path in request.files:
        if path in (*request.baselines, *request.overlap):
            say(
                f"{path} is compared with itself; --held-out scores only what the model was not "
                "trained on"
            )
    sources = open_sources(request.files, "the text to score", once=True)
    return [TextReader.of(model.vocab, source, data, unknown) for source in sources]


def _scorers(model: CharRNN, dynamic: bool, baselines: Baselines | None) -> dict[str, Scorer]:
    """Scorers of one text, under the names that their figures get."""
    scorers = {"network": model.text_scorer()}
    if dynamic:
        scorers["dynamic"] = model.dynamic_scorer()
    return scorers | (baselines.scorers() if baselines else {})


def _score(
    reader: TextReader, model: CharRNN, scorers: dict[str, Scorer], reference: Reference | None
) -> Score:
    kept = reader.keep(COMPARED) if reference else []
    ids = _records(reader, model.vocab.start) if model.of_records else reader.ids()
    evaluations = score(ids, list(scorers.values()))
    if not evaluations[0].characters:
        raise CorpusError(
            f"{reader.name}: there is no text to score",
            "all of its characters are unknown to the model"
            if reader.skipped
            else "the text is empty",
        )
    copied = None
    if reference:
        text = text_of(model.vocab.unit, np.concatenate(kept))
        if len(text) == COMPARED:
            noun = NOUNS[model.vocab.unit]
            say(f"{reader.name}: only the first {COMPARED:,} {noun}s are compared with the corpus")
        (copied,) = copied_from(reference, [text])
    by_name = dict(zip(scorers, evaluations, strict=True))
    return Score(reader.name, by_name, reader.skipped, copied)


def _records(reader: TextReader, newline: int) -> Iterator[Array]:
    """The ids of each line that is not empty, with its newline: a record, as in training."""
    for line in chain.from_iterable(split_lines(reader.points())):
        ids = reader.encode(line)
        if len(ids):
            yield np.append(ids, newline)


def _print_parts(model: CharRNN, reader: TextReader, output: Output, request: Request) -> None:
    """Print the scores of a text's lines or characters."""
    if request.mode == "lines":
        print_lines(model, reader, output, request.as_json, request.line_buffered)
    elif request.mode == "chars":
        print_chars(model, reader, output, request.as_json)
    else:
        print_heat(model, reader, output)
    if reader.skipped:
        skipped = pluralize(reader.skipped, "character")
        say(f"{reader.name}: skipped {skipped} that the model does not know")
