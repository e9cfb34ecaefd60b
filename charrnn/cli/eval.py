"""``charrnn eval``: how well a model foretells texts, in bounded memory."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.cli.copies import COMPARED, Copies
from charrnn.cli.corpora import Corpora, Files
from charrnn.cli.inputs import Reader, open_sources
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output, color_wanted
from charrnn.cli.scores import Score, print_scores
from charrnn.cli.scoring import print_chars, print_heat, print_lines
from charrnn.cli.settings import combine
from charrnn.cli.streams import say
from charrnn.config.schema import Config, DataConfig
from charrnn.config.sources import Settings
from charrnn.data.records import split_lines
from charrnn.data.vocab import NOUNS, Vocab
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.evaluation.baselines import baselines
from charrnn.evaluation.dynamic import DynamicScorer
from charrnn.evaluation.records import RecordTextScorer
from charrnn.evaluation.score import Scorer, score
from charrnn.evaluation.text import TextScorer
from charrnn.messages import pluralize
from charrnn.model import CharRNN
from charrnn.ngram import LIMIT
from charrnn.nn.params import Array

#: What makes a scorer of a text, by the name that its figures get.
Scorers = dict[str, Callable[[], Scorer]]


@dataclass(frozen=True)
class Request:
    """What was asked for; the fields are the command's options."""

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
    model = CharRNN.from_checkpoint(checkpoint)
    config = combine(request.flags, request.config, base=model.config, sections=("eval", "data"))
    # The unit is the model's; only how bytes become text may be another.
    data = replace(model.config.data, encoding=config.data.encoding)
    if request.mode == "heat" and not color_wanted(sys.stdout, request.no_color):
        raise ConfigError("--heat needs a terminal with colours; --chars has the same figures")
    scorers = _networks(model, checkpoint, request)
    own, others = (request.files, ()) if request.held_out else ((), request.files)
    corpora = Corpora(
        request.model, checkpoint, data, [request.baselines, request.overlap, own], others
    )
    readers = _readers(model.vocab, corpora, data, config, request)
    output = Output(line_buffered=request.line_buffered)
    if request.mode:
        _print_parts(model, readers, output, request)
    else:
        if request.baselines:
            scorers |= _baselines(model.vocab, corpora, request.baselines)
        copies = Copies.of_corpus(corpora, request.overlap) if request.overlap else None
        scores = [_score(model, reader, scorers, copies) for reader in readers]
        print_scores(scores, model.vocab.unit, output, request.as_json)
    output.end()


def _readers(
    vocab: Vocab, corpora: Corpora, data: DataConfig, config: Config, request: Request
) -> list[Reader]:
    unknown = config.eval.unknown
    if request.held_out:
        blocks, name = corpora.held_out(request.files), corpora.read(request.files).name
        return [Reader(vocab, f"held-out part of {name}", blocks, unknown)]
    for path in request.files:
        if path in (*request.baselines, *request.overlap):
            say(f"{path} is compared with itself; --held-out scores what was not learned from")
    sources = open_sources(request.files, "the text to score", once=True)
    return [Reader.of(vocab, source, data, unknown) for source in sources]


def _networks(model: CharRNN, checkpoint: Checkpoint, request: Request) -> Scorers:
    """The network as it is and, if asked for, as it adapts."""
    network, start = model.network, model.vocab.start
    kind = RecordTextScorer if model.of_records else TextScorer
    scorers: Scorers = {"network": functools.partial(kind, network, start)}
    if request.dynamic:
        if model.of_records:
            raise ConfigError(
                f"{request.model}: is a model of records, and --dynamic needs one of one text; "
                "leave it out"
            )
        squares = _squares(checkpoint, request.model)
        scorers["dynamic"] = functools.partial(DynamicScorer, network, start, squares)
    return scorers


def _squares(checkpoint: Checkpoint, path: str) -> Array:
    """The run's mean squared gradients.

    Raises:
        CheckpointError: the file has none.
    """
    squares = checkpoint.squares()
    if squares is not None:
        return squares
    if checkpoint.training is None:
        what = "was saved without its training; give the file that charrnn train wrote"
    elif not checkpoint.training.state.step:
        what = "was not trained yet; go on with: charrnn train --resume"
    else:
        name = checkpoint.config.train.optimizer
        what = f"was trained with {name}, which keeps none; train with adagrad, rmsprop or adam"
    raise CheckpointError(f"{path}: --dynamic needs mean squares of gradients, and this {what}")


def _baselines(vocab: Vocab, corpora: Corpora, files: Files) -> Scorers:
    corpus, learned = corpora.read(files), corpora.learned(files)
    # In the model's alphabet: of a corpus that is not its own, some characters may be left out.
    ids = vocab.ids_of(corpus.vocab.points)[learned[-LIMIT:]]
    return baselines(ids[ids >= 0], vocab)


def _score(model: CharRNN, reader: Reader, scorers: Scorers, copies: Copies | None) -> Score:
    kept = reader.keep(COMPARED) if copies else []
    made = [make() for make in scorers.values()]
    ids = _items(reader, model.vocab.start) if model.of_records else reader.ids()
    evaluations = score(ids, made)
    if not evaluations[0].characters:
        raise CorpusError(f"{reader.name}: there is no text to score")
    if sum(map(len, kept)) == COMPARED:
        noun = NOUNS[model.vocab.unit]
        say(f"{reader.name}: the first {COMPARED:,} {noun}s were compared with the corpus")
    copied = copies.of([np.concatenate(kept)])[0] if copies else None
    by_name = dict(zip(scorers, evaluations, strict=True))
    return Score(reader.name, by_name, reader.skipped, copied)


def _items(reader: Reader, newline: int) -> Iterator[Array]:
    """The ids of each line that is not empty, with its newline: an item, as in training."""
    for line in chain.from_iterable(split_lines(reader.points())):
        ids = reader.encode(line)
        if len(ids):
            yield np.append(ids, newline)


def _print_parts(model: CharRNN, readers: list[Reader], output: Output, request: Request) -> None:
    for reader in readers:
        if request.mode == "lines":
            print_lines(model, reader, output, request.as_json, request.line_buffered)
        elif request.mode == "chars":
            print_chars(model, reader, output, request.as_json)
        else:
            print_heat(model, reader, output)
        if reader.skipped:
            left_out = pluralize(reader.skipped, "character")
            say(f"{reader.name}: left out {left_out} the model does not know")
