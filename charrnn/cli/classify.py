"""``charrnn classify``: the class of each line, by models that were trained on one class each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, tee
from typing import Any

from charrnn.classification import Classification, Classifier, Report
from charrnn.cli.eval_progress import ScoringBar
from charrnn.cli.inputs import open_sources
from charrnn.cli.lines import as_read, for_json
from charrnn.cli.model import load_model
from charrnn.cli.output import Output, deferred_errors, finite
from charrnn.cli.overwriting import check_stdout
from charrnn.cli.settings import combine, reading
from charrnn.config.schema import DataConfig
from charrnn.config.sources import Settings
from charrnn.data.decoding import ESCAPE, symbol_blocks
from charrnn.data.records import split_records
from charrnn.data.source import Source
from charrnn.data.vocab import Text, text_of
from charrnn.errors import CharRNNError, CorpusError
from charrnn.messages import printable, readable

#: Bytes read at once.
BLOCK = 2**18


@dataclass(frozen=True)
class Request:
    """What was asked for: the command's options."""

    files: tuple[str, ...]
    models: tuple[tuple[str, str], ...]
    priors: tuple[tuple[str, float], ...]
    labelled: bool
    as_json: bool
    line_buffered: bool
    flags: Settings


@dataclass(frozen=True)
class Line:
    """A line of a file: its number, its label if it has one, and its text."""

    file: str
    number: int
    text: Text
    label: str = ""


def classify(request: Request) -> None:
    """Classify the lines of files, or report how well that works.

    Raises:
        CharRNNError: a model or a text is not usable, or a label is not known.
    """
    check_stdout(request.files)
    models = {label: load_model(path) for label, path in request.models}
    classifier = Classifier(models, dict(request.priors))
    first = next(iter(models.values()))
    config = combine(request.flags, None, base=first.config, sections=("data",))
    data = reading(first.config, config)
    sources = open_sources(request.files, "the lines to classify", once=True, unit=data.unit)
    output = Output(line_buffered=request.line_buffered)
    bar = ScoringBar(sources, data.unit, printing=not request.labelled)
    try:
        lines = chain.from_iterable(_lines(source, data, bar) for source in sources)
        if request.labelled:
            known = set(classifier.labels)
            report = classifier.report((x.label, x.text) for x in _labelled(lines, known))
            bar.close()
            _print_report(report, output, request.as_json)
        else:
            _print_lines(classifier, lines, output, request)
    finally:
        bar.close()
    output.end()


def _lines(source: Source, data: DataConfig, bar: ScoringBar) -> Iterator[Line]:
    blocks = bar.watch(source, symbol_blocks(source, data, ESCAPE))
    points = chain.from_iterable(split_records(blocks, data))
    for number, line in enumerate(points, 1):
        yield Line(source.name, number, text_of(data.unit, line))
        bar.scored(len(line) + 1)


def _labelled(lines: Iterator[Line], known: set[str]) -> Iterator[Line]:
    """The lines without their labels."""
    for line in lines:
        if not line.text:
            continue
        name, text = _label_and_text(line.text)
        if text is None or name not in known:
            problem = f"the label {printable(name)!r} has no model"
            problem = "there is no label" if text is None else problem
            raise CorpusError(
                f"{line.file} on line {line.number:,}: {problem}",
                "give lines of a label, a tab and the text; labels: " + ", ".join(sorted(known)),
            )
        yield Line(line.file, line.number, text, name)


def _label_and_text(line: Text) -> tuple[str, Text | None]:
    """What is before a line's first tab, and what is after it; None if it has none."""
    if isinstance(line, bytes):
        label, tab, data = line.partition(b"\t")
        return readable(label), data if tab else None
    name, tab_, text = line.partition("\t")
    return name, text if tab_ else None


def _print_lines(
    classifier: Classifier, lines: Iterator[Line], output: Output, request: Request
) -> None:
    errors: list[CharRNNError] = []
    shown, scored = tee(deferred_errors(lines, errors))
    # One line at a time where each is waited for; else thousands.
    parts = ([x.text] for x in scored) if request.line_buffered else [(x.text for x in scored)]
    for part in parts:
        for found in classifier.classify(part):
            line = next(shown)
            if request.as_json:
                output.json(_facts(line, found))
                continue
            figures = f"{found.label}\t{found.bits_per_char:.4f}\t".encode()
            output.write(figures + as_read(line.text) + b"\n")
    if errors:  # the lines before it are printed
        raise errors[0]


def _facts(line: Line, found: Classification) -> dict[str, Any]:
    """A classified line, for JSON."""
    return {
        "file": line.file,
        "line": line.number,
        "label": found.label,
        "runner_up": found.runner_up,
        "log_odds_per_char": finite(found.bits_per_char),
        "probabilities": found.probabilities,
        "bits_per_char": {k: finite(score.bits_per_char) for k, score in found.scores.items()},
        "text": for_json(line.text),
    }


def _print_report(report: Report, output: Output, as_json: bool) -> None:
    if not report.count:
        raise CorpusError("there are no lines to classify", "give lines of a label, a tab and text")
    if as_json:
        output.json(
            {
                "lines": report.count,
                "accuracy": report.accuracy,
                "nats_per_line": report.nats / report.count,
                "confusion": {
                    label: dict(zip(report.labels, row, strict=True))
                    for label, row in zip(report.labels, report.confusion.tolist(), strict=True)
                },
                "calibration_error": report.calibration_error,
                "calibration": [vars(part) for part in report.calibration],
            }
        )
        return
    right = int(report.right.sum())
    output.write(f"accuracy {report.accuracy:.4f} ({right:,} of {report.count:,} lines)\n\n")
    names = max(map(len, report.labels))
    cells = max(names, len(f"{int(report.confusion.max()):,}"))
    output.write(f"{'':{names}}" + "".join(f"  {label:>{cells}}" for label in report.labels))
    output.write("  classified as\n")
    for label, row in zip(report.labels, report.confusion.tolist(), strict=True):
        output.write(f"{label:{names}}" + "".join(f"  {count:{cells},}" for count in row) + "\n")
    output.write("\nconfidence     lines  mean confidence  accuracy\n")
    for c in report.calibration:
        output.write(
            f"{c.low:.1f} to {c.high:.1f}  {c.count:8,}  {c.confidence:15.4f}  {c.accuracy:8.4f}\n"
        )
    output.write(f"calibration error {report.calibration_error:.4f}\n")
