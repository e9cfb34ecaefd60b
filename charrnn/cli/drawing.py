"""Samples as the options of ``charrnn sample`` ask for them, printed as text or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from charrnn.cli.output import Output, deferred_errors, finite
from charrnn.cli.overlap_report import copied_from, total_copied
from charrnn.cli.streams import say
from charrnn.config.schema import SampleConfig
from charrnn.data.records import end_of
from charrnn.data.vocab import Text
from charrnn.errors import CharRNNError
from charrnn.evaluation.reference import Reference
from charrnn.generation import Sample
from charrnn.messages import pluralize
from charrnn.model import CharRNN, Words
from charrnn.novelty import KNOWN, REPEATED, Selection


@dataclass(frozen=True)
class Drawing:
    """What is to be drawn.

    Attributes:
        prime: the text that each sample continues.
        several: whether there may be more than one sample, each followed by a newline.
        words, lines, novel, unique, endless: as for :meth:`CharRNN.iter_samples`.
    """

    model: CharRNN
    settings: SampleConfig
    prime: Text
    several: bool
    words: Words | None = None
    lines: int | None = None
    novel: bool = False
    unique: bool = False
    endless: bool = False

    @property
    def end(self) -> str:
        """What follows each of several samples."""
        return end_of(self.model.config.data.records)

    def at(self, temperature: float) -> Drawing:
        """The same at another temperature."""
        return replace(self, settings=replace(self.settings, temperature=temperature))

    def stream(self) -> Iterator[Text]:
        """The pieces of the only sample."""
        return self.model.stream(self.settings, self.prime, words=self.words)

    def samples(self) -> Selection:
        """The samples, one by one."""
        return self.model.iter_samples(
            self.settings,
            self.prime,
            lines=self.lines,
            words=self.words,
            novel=self.novel,
            unique=self.unique,
            endless=self.endless,
        )


class Report:
    """Tells how much of the samples is copied from a corpus."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    def tell(self, texts: list[Text]) -> None:
        """Say how much of all samples is copied."""
        if texts:
            say(total_copied(copied_from(self._reference, texts)).sentence())

    def figures(self, texts: list[Text]) -> list[dict[str, Any]]:
        """How much of each sample is copied, for JSON."""
        return [part.figures() for part in copied_from(self._reference, texts)]


def print_drawing(
    drawing: Drawing, output: Output, as_json: bool, report: Report | None = None
) -> None:
    """Print all samples.

    Raises:
        CharRNNError: after the samples before it.
    """
    if not (drawing.several or as_json):
        _print_stream(drawing, output, report)
        return
    errors: list[CharRNNError] = []
    samples = drawing.samples()
    drawn = deferred_errors(samples, errors)
    if as_json:
        _print_records(drawn, drawing, output, report)
    else:
        _print_texts(drawn, drawing, output, report)
    output.end()
    if errors:
        raise errors[0]
    if reasons := samples.reasons(KNOWN, REPEATED):
        say(f"left out {reasons}")


def _print_stream(drawing: Drawing, output: Output, report: Report | None) -> None:
    """Print one sample as it is drawn."""
    pieces = drawing.stream()
    output.write(drawing.prime)
    kept, written = [], 0
    for piece in pieces:
        output.write(piece)
        written += len(piece)
        if report:
            kept.append(piece)
    output.end()
    if drawing.words is not None and not drawing.settings.stop:
        _say_stuck(int(written < (drawing.settings.length or 0)))
    if report:
        whole = kept[0][:0].join(kept) if kept else ""  # type: ignore[arg-type]  # of one type
        report.tell([whole])


def _print_texts(
    drawn: Iterator[Sample], drawing: Drawing, output: Output, report: Report | None
) -> None:
    """Print samples, each followed by a newline, or by what ends a record."""
    kept, stuck = [], 0
    for one in drawn:
        for text in (drawing.prime, one.text, drawing.end):
            output.write(text)
        stuck += one.ended == "words"
        if report:
            kept.append(one.text)
    output.end()
    _say_stuck(stuck)
    if report:
        report.tell(kept)


def _say_stuck(count: int) -> None:
    """Say how many samples ended because of the list of words, if any did."""
    if count:
        say(f"{pluralize(count, 'sample')} ended early: no listed word could continue")


def _print_records(
    drawn: Iterator[Sample], drawing: Drawing, output: Output, report: Report | None
) -> None:
    """Print samples as JSON, with what is copied in each."""
    if report:  # all are compared at once
        samples = list(drawn)
        copied = report.figures([one.text for one in samples])
        for one, figures in zip(samples, copied, strict=True):
            output.json(record(one, drawing, drawing.prime) | {"overlap": figures})
        return
    for one in drawn:
        output.json(record(one, drawing, drawing.prime))


def record(drawn: Sample, drawing: Drawing, prime: Text) -> dict[str, Any]:
    """A sample for JSON."""
    return {
        "index": drawn.index,
        **_text("prime", prime),
        **_text("text", drawn.text),
        "nats": finite(drawn.nats),
        "temperature": drawing.settings.temperature,
        "seed": drawing.settings.seed,
        "ended": drawn.ended,
    }


def _text(name: str, text: Text) -> dict[str, str]:
    """Text for JSON; bytes that are not UTF-8 are given in base64 as well."""
    if isinstance(text, str):
        return {name: text}
    try:
        return {name: text.decode()}
    except UnicodeDecodeError:
        import base64

        exact = base64.b64encode(text).decode()
        return {name: text.decode("utf-8", "replace"), f"{name}_base64": exact}
