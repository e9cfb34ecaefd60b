"""``charrnn eval``: how well a model predicts texts, in bounded memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from charrnn.cli.corpora import Corpora
from charrnn.cli.eval_lines import LineCounts, LineOptions, LinePrinter
from charrnn.cli.eval_parts import print_chars, print_heat, write_html
from charrnn.cli.eval_progress import ProgressScorer, ScoringBar
from charrnn.cli.eval_table import Score, print_scores
from charrnn.cli.eval_task import Request, Task, check_comparison
from charrnn.cli.inputs import TextReader, open_sources
from charrnn.cli.output import Output, color_wanted
from charrnn.cli.overlap_report import copied_from
from charrnn.cli.overwriting import check_page, check_stdout
from charrnn.cli.progress import clock
from charrnn.cli.streams import say
from charrnn.cli.threshold import Threshold
from charrnn.data.records import noun_of, split_records
from charrnn.data.source import Source
from charrnn.data.vocab import NOUNS, text_of
from charrnn.errors import ConfigError, CorpusError
from charrnn.evaluation.baselines import Baselines
from charrnn.evaluation.reference import Reference, check_overlap
from charrnn.evaluation.score import Scorer, score
from charrnn.messages import CONVERT_CRLF, pluralize
from charrnn.model import CharRNN
from charrnn.nn.params import Array

#: Characters of each text that are compared with a corpus, at most, to bound memory.
COMPARED = 2**20
#: Bytes read at once, so that the bar moves while a file of a few megabytes is scored.
BLOCK = 2**18


def evaluate(request: Request) -> None:
    """Score the files and print the figures.

    Raises:
        CharRNNError: the model or a text is not usable, or a character not known.
    """
    tasks = [Task.of(request, path) for path in request.models]
    check_comparison(request, [task.model for task in tasks])
    if request.overlap:
        check_overlap(tasks[0].model.vocab.unit, tasks[0].model.name)
    if request.mode == "heat" and not color_wanted(sys.stdout, request.color):
        raise ConfigError(
            "--heat needs a terminal with colours",
            "to colour anything else, add --color always; --html writes a page",
        )
    check_stdout(request.files)
    if request.html is not None:
        check_page(request.html, [*request.files, *request.models], request.force)
    own, others = (request.files, ()) if request.held_out else ((), request.files)
    wanted = [request.baselines, request.overlap, own]
    corpora = [Corpora(task.model, task.data, wanted, others) for task in tasks]
    sources = _open(request, once=len(tasks) == 1)
    unit = tasks[0].model.vocab.unit
    output = Output(line_buffered=request.line_buffered)
    bar = ScoringBar(sources * len(tasks), unit, printing=request.mode is not None)
    try:
        scores: list[list[Score]] = []
        for task, compared in zip(tasks, corpora, strict=True):
            readers = _readers(task, request, compared, sources, bar)
            if request.mode:
                _print_parts(task, readers, output, request, bar)
            else:
                scores.append(_scores(task, request, compared, readers, bar))
    finally:
        bar.close()
    if scores:
        print_scores(scores, unit, output, request.as_json)
    output.end()


def _open(request: Request, once: bool) -> list[Source]:
    """The files to score, unless that is the held-out part of a corpus."""
    if request.held_out:
        return []
    for path in request.files:
        if path in (*request.baselines, *request.overlap):
            say(
                f"{path} is compared with itself; --held-out scores only what the model was not "
                "trained on"
            )
    sources = open_sources(request.files, "the text to score", once)
    return [replace(source, block_size=BLOCK) for source in sources]


def _readers(
    task: Task, request: Request, corpora: Corpora, sources: list[Source], bar: ScoringBar
) -> list[TextReader]:
    """The texts to score."""
    if request.held_out:
        name, blocks, hidden = corpora.held_out(request.files)
        strict = not task.model.vocab.reads_unknown
        return [TextReader(task.model.vocab, name, bar.watch(None, blocks), strict, hidden)]
    readers = [task.reader(source) for source in sources]
    for source, reader in zip(sources, readers, strict=True):
        reader.watch(partial(bar.watch, source))
    return readers


def _scores(
    task: Task, request: Request, corpora: Corpora, readers: list[TextReader], bar: ScoringBar
) -> list[Score]:
    """The scores of each text by one model."""
    baselines = None
    if request.baselines:
        baselines = corpora.compared(request.baselines).baselines()
    reference = corpora.compared(request.overlap) if request.overlap else None
    return [
        _score(reader, task, _scorers(task.model, request.dynamic, baselines), reference, bar)
        for reader in readers
    ]


def _scorers(model: CharRNN, dynamic: bool, baselines: Baselines | None) -> dict[str, Scorer]:
    """Scorers of one text, under the names that their figures get."""
    scorers = model.part_scorers()
    if dynamic:
        scorers["dynamic"] = model.dynamic_scorer()
    return scorers | (baselines.scorers() if baselines else {})


def _score(
    reader: TextReader,
    task: Task,
    scorers: dict[str, Scorer],
    reference: Reference | None,
    bar: ScoringBar,
) -> Score:
    model = task.model
    kept = reader.keep(COMPARED) if reference else []
    ids = _records(reader, model) if model.of_records else reader.ids()
    all_scorers = [*scorers.values(), ProgressScorer(bar)]
    how = model.treatment(task.unknown)
    *evaluations, _ = score(
        ids,
        all_scorers,
        unknown_nats=how.nats,
        unknown_id=how.read_as,
        lengths=model.vocab.lengths,
    )
    if task.unknown != "skip":
        evaluations = [replace(e, characters=e.characters + reader.hidden) for e in evaluations]
    if not evaluations[0].symbols:
        raise CorpusError(
            f"{reader.name}: there is no text to score",
            "all of its characters are unknown to the model"
            if evaluations[0].unknown
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
    _say_dropped(reader)
    return Score(reader.name, model.name, by_name, task.unknown == "skip", copied)


def _records(reader: TextReader, model: CharRNN) -> Iterator[Array]:
    """The ids of each record that is not empty, with what ends it, as in training."""
    data, first = model.config.data, 1
    for records in split_records(reader.points(), data):
        for ids in reader.encode_lines(records, first, noun_of(data.records)):
            if not len(ids):
                continue
            # The end of a record is scored only if something else of it is.
            if model.vocab.reads_unknown or ids.max() >= 0:
                ids = np.append(ids, model.vocab.start)
            yield ids
        first += len(records)


def _print_parts(
    task: Task, readers: list[TextReader], output: Output, request: Request, bar: ScoringBar
) -> None:
    """Print the scores of the texts' lines or characters."""
    if request.mode == "lines":
        _print_lines(task, readers, output, request, bar)
        return
    for reader in readers:
        if request.html is not None:
            write_html(task.model, reader, task.unknown, request.html)
        elif request.mode == "chars":
            print_chars(task.model, reader, task.unknown, output, request.as_json, bar)
        else:
            print_heat(task.model, reader, task.unknown, output)
        _say_dropped(reader)


def _print_lines(
    task: Task, readers: list[TextReader], output: Output, request: Request, bar: ScoringBar
) -> None:
    model = task.model
    options = LineOptions(
        task.unknown,
        request.as_json,
        request.line_buffered,
        request.line_number,
        request.with_filename,
        request.count_unknown,
        None if request.above is None else request.above.bits(model),
        request.mark,
        color_wanted(sys.stdout, request.color),
    )
    printer = LinePrinter(model, output, options)
    for reader in readers:
        before = replace(printer.counts)
        printer.print(reader, bar)
        if returns := printer.counts.carriage_returns - before.carriage_returns:
            say(
                f"{reader.name}: {pluralize(returns, 'line')} with the line end of Windows (CR "
                f"LF), whose CR the model does not know; {CONVERT_CRLF}"
            )
        if task.unknown == "skip" and (skipped := printer.counts.unknown - before.unknown):
            noun = NOUNS[model.vocab.unit]
            say(f"{reader.name}: skipped {pluralize(skipped, noun)} that the model does not know")
        _say_dropped(reader)
    bar.close()
    if sys.stderr is not None and sys.stderr.isatty():
        say(_conclusion(printer.counts, request.above, options.above, time.monotonic() - bar.began))


def _conclusion(
    counts: LineCounts, above: Threshold | None, bits: float | None, seconds: float
) -> str:
    """What was done, for a person who waited for it."""
    text = f"{pluralize(counts.lines, 'line')} in {clock(seconds)}"
    text += f", {counts.lines / max(seconds, 1e-3):,.0f} lines/s"
    if above:
        level = f" ({bits:.4f} bits)" * above.percentile
        text += f"; {counts.above:,} above {above}{level}"
    if counts.unknown:
        text += f"; {pluralize(counts.unknown, 'unknown character')}"
    return text


def _say_dropped(reader: TextReader) -> None:
    if reader.dropped:
        say(f"{reader.name}: skipped {pluralize(reader.dropped, 'byte')} that cannot be decoded")
