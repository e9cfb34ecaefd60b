"""``charrnn sample``: text that a model makes up, to stdout."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from charrnn.cli.corpora import Corpora, Files
from charrnn.cli.inputs import read_text
from charrnn.cli.model import load_model
from charrnn.cli.output import Output, deferred_errors, finite
from charrnn.cli.overlap_report import copied_from, total_copied
from charrnn.cli.settings import combine
from charrnn.cli.streams import say
from charrnn.config.schema import SampleConfig
from charrnn.config.sources import Settings
from charrnn.data.records import end_of
from charrnn.data.vocab import Text
from charrnn.errors import CharRNNError, ConfigError
from charrnn.evaluation.reference import Reference
from charrnn.generation import Sample
from charrnn.messages import pluralize
from charrnn.model import CharRNN

#: Characters after which a record that does not end is cut.
RECORD_LENGTH = 500


@dataclass(frozen=True)
class Request:
    """What was asked for: the command's options."""

    model: str
    config: str | None
    flags: Settings
    prime_file: str | None
    raw: bool
    line_buffered: bool
    as_json: bool
    novel: bool = False
    report: Files = ()


def sample(request: Request) -> None:
    """Print samples.

    Raises:
        CharRNNError: the model, a setting or the prime is not usable, and nothing was printed;
            or too few new records were found.
    """
    model = load_model(request.model)
    config = combine(request.flags, request.config, base=model.config, sections=("sample", "data"))
    settings = config.sample
    if settings.seed is None:
        # Short enough to be remembered, and exact in any reader of JSON.
        settings = replace(settings, seed=secrets.randbits(31))
    reference = _reference(request, model, settings)
    prime: Text = settings.prime
    if request.prime_file is not None:
        data = replace(model.config.data, encoding=config.data.encoding)
        prime = read_text(request.prime_file, data, "the prime")
    output = Output(request.raw, request.line_buffered)
    several = settings.count > 1 or "sample.count" in request.flags
    endless = model.of_records and settings.length is None and not several
    if endless:
        settings = replace(settings, length=RECORD_LENGTH)
    if not (endless or several or request.novel or request.as_json):
        _print_stream(model, settings, prime, output, reference)
        return
    errors: list[CharRNNError] = []
    drawn = deferred_errors(
        model.iter_samples(settings, prime, novel=request.novel, endless=endless), errors
    )
    if request.as_json:
        last = _print_records(drawn, settings, prime, output, reference)
    else:
        end = end_of(model.config.data.records)
        last = _print_samples(drawn, prime, end, output, reference)
    if errors:
        raise errors[0]
    if last and (known := last.index + 1 - settings.count):
        say(f"left out {pluralize(known, 'record')} found in the training corpus")


def _reference(request: Request, model: CharRNN, settings: SampleConfig) -> Reference | None:
    """The corpus to find copies from, if that was asked for."""
    if not request.report:
        return None
    if settings.length is None:
        raise ConfigError("--report needs samples of limited length", "set --length")
    primes = () if request.prime_file is None else (request.prime_file,)
    corpora = Corpora(model, model.config.data, [request.report], primes)
    return corpora.compared(request.report)


def _print_stream(
    model: CharRNN, settings: SampleConfig, prime: Text, output: Output, reference: Reference | None
) -> None:
    """Print one sample as it is drawn."""
    pieces = model.stream(settings, prime)
    output.write(prime)
    kept = []
    for piece in pieces:
        output.write(piece)
        if reference:
            kept.append(piece)
    output.end()
    if reference:
        whole = kept[0][:0].join(kept) if kept else ""  # type: ignore[arg-type]  # of one type
        _report(reference, [whole])


def _print_samples(
    drawn: Iterator[Sample], prime: Text, end: str, output: Output, reference: Reference | None
) -> Sample | None:
    """Print samples, each followed by ``end``; return the last one."""
    last = None
    kept = []
    for last in drawn:
        for text in (prime, last.text, end):
            output.write(text)
        if reference:
            kept.append(last.text)
    output.end()
    if reference and kept:
        _report(reference, kept)
    return last


def _print_records(
    drawn: Iterator[Sample],
    settings: SampleConfig,
    prime: Text,
    output: Output,
    reference: Reference | None,
) -> Sample | None:
    """Print samples as JSON, with what is copied in each; return the last one."""
    last = None
    if reference:  # all are compared at once
        samples = list(drawn)
        copied = copied_from(reference, [one.text for one in samples])
        for last, part in zip(samples, copied, strict=True):
            output.json(_record(last, settings, prime) | {"overlap": part.figures()})
    else:
        for last in drawn:
            output.json(_record(last, settings, prime))
    output.end()
    return last


def _report(reference: Reference, texts: list[Text]) -> None:
    """Say how much of all samples is copied."""
    say(total_copied(copied_from(reference, texts)).sentence())


def _record(drawn: Sample, settings: SampleConfig, prime: Text) -> dict[str, Any]:
    return {
        "index": drawn.index,
        **_text("prime", prime),
        **_text("text", drawn.text),
        "nats": finite(drawn.nats),
        "seed": settings.seed,
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
