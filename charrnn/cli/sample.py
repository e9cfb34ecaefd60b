"""``charrnn sample``: text that a model makes up, to stdout."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, repeat
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.cli.copies import Copies, points_of, together
from charrnn.cli.corpora import Corpora, Files
from charrnn.cli.inputs import read_text
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output, finite
from charrnn.cli.settings import combine
from charrnn.cli.streams import say
from charrnn.config.schema import SampleConfig
from charrnn.config.sources import Settings
from charrnn.data.vocab import Text
from charrnn.errors import CharRNNError, ConfigError, VocabError
from charrnn.messages import pluralize
from charrnn.model import CharRNN, Sample
from charrnn.nn.params import Array
from charrnn.sampling import NoveltyFilter

#: Samples drawn as one batch: enough for the matrix products, few enough for the memory.
BATCH = 256
#: Items drawn as one batch where they come without end: the first ones should come soon.
ENDLESS_BATCH = 32
#: Characters at which an item without end is cut.
ITEM_LENGTH = 500
#: With --novel, draws for each item that is asked for. A model that copies nineteen times
#: of twenty has learnt its corpus by heart, and drawing on would not help.
DRAWS = 20


@dataclass(frozen=True)
class Request:
    """What was asked for; the fields are the command's options."""

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
        CharRNNError: the model, a setting or the prime is not usable; nothing was printed.
    """
    checkpoint = load_checkpoint(request.model)
    model = CharRNN.from_checkpoint(checkpoint)
    config = combine(request.flags, request.config, base=model.config, sections=("sample", "data"))
    settings = config.sample
    if settings.seed is None:
        # Short enough to be remembered, and exact in any reader of JSON.
        settings = replace(settings, seed=secrets.randbits(31))
    copies = _copies(request, checkpoint, settings)
    prime: Text = settings.prime
    if request.prime_file is not None:
        data = replace(model.config.data, encoding=config.data.encoding)
        prime = read_text(request.prime_file, data, "the prime")
    _check_texts(model, settings, prime)
    sieve = _novelty_filter(model, prime) if request.novel else None
    kept: list[Array] | None = [] if copies else None
    output = Output(request.raw, request.line_buffered)
    several = settings.count > 1 or "sample.count" in request.flags
    endless = model.of_records and settings.length is None and not several
    if endless or several or sieve or request.as_json:
        wanted = None if endless else settings.count
        if endless:
            settings = replace(settings, length=ITEM_LENGTH)
        drawn = _draws(model, settings, prime, wanted, sieve)
        if request.as_json:
            printed = _print_records(drawn, settings, prime, output, copies)
        else:
            printed = _print_samples(drawn, prime, output, kept)
        output.end()
        _report(copies, kept)
        if sieve:
            _report_dropped(sieve, printed, wanted)
    else:
        _stream(model, settings, prime, output, kept)
        output.end()
        whole = np.concatenate([points_of(""), *(kept or [])])  # nothing may have been drawn
        _report(copies, [whole])


def _copies(request: Request, checkpoint: Checkpoint, settings: SampleConfig) -> Copies | None:
    """What tells how much is copied, if that was asked for."""
    if not request.report:
        return None
    if settings.length is None:
        raise ConfigError("--report needs samples that end; say how long with --length")
    primes = () if request.prime_file is None else (request.prime_file,)
    data = checkpoint.config.data
    corpora = Corpora(request.model, checkpoint, data, [request.report], primes)
    return Copies.of_corpus(corpora, request.report)


def _novelty_filter(model: CharRNN, prime: Text) -> NoveltyFilter:
    """A filter of known records.

    Raises:
        ConfigError: the model does not know what its corpus contained.
    """
    if model.known_records is None:
        raise ConfigError(
            "--novel needs a model of records",
            "train one with: charrnn train names.txt --set data.records=line",
        )
    if model.vocab.unit == "byte" and isinstance(prime, str):
        prime = prime.encode()
    return NoveltyFilter(model.known_records, prime)


def _report_dropped(novelty: NoveltyFilter, found: int, wanted: int | None) -> None:
    """Say how many known records were left out.

    Raises:
        CharRNNError: fewer new ones were found than wanted.
    """
    if wanted is not None and found < wanted:
        raise CharRNNError(
            f"found {found:,} of {wanted:,} records in {found + novelty.dropped:,} draws; the "
            "others are in the training corpus",
            "a higher --temp copies less",
        )
    if novelty.dropped:
        say(f"left out {pluralize(novelty.dropped, 'record')} found in the training corpus")


def _check_texts(model: CharRNN, settings: SampleConfig, prime: Text) -> None:
    try:
        model.vocab.encode(prime, settings.unknown)
    except VocabError as error:
        raise error.at("prime") from None
    try:
        for stop in settings.stop:
            model.vocab.encode(stop)
    except VocabError as error:  # none can be skipped: what is left is another stop string
        raise VocabError(f"stop: {error.message}", "leave it out") from None


def _stream(
    model: CharRNN, settings: SampleConfig, prime: Text, output: Output, kept: list[Array] | None
) -> None:
    """Print a sample as it is drawn; put the pieces into ``kept``, if that is a list."""
    output.write(prime)
    for piece in model.stream(settings, prime):
        output.write(piece)
        if kept is not None:
            kept.append(points_of(piece))


def _draws(
    model: CharRNN,
    settings: SampleConfig,
    prime: Text,
    wanted: int | None,
    sieve: NoveltyFilter | None,
) -> Iterator[tuple[int, Sample]]:
    """Samples and their numbers: as many as wanted, without end if that is None."""
    size = ENDLESS_BATCH if wanted is None else min(BATCH, wanted)
    limit = wanted if wanted is None or sieve is None else DRAWS * wanted
    drawn = enumerate(_samples(model, replace(settings, count=size), prime, limit))
    return islice((pair for pair in drawn if sieve is None or sieve.passes(pair[1].text)), wanted)


def _samples(
    model: CharRNN, settings: SampleConfig, prime: Text, limit: int | None
) -> Iterator[Sample]:
    """Samples in batches of ``settings.count``, up to ``limit`` of them."""
    first = 0
    while limit is None or first < limit:
        count = settings.count if limit is None else min(settings.count, limit - first)
        yield from model.samples(replace(settings, count=count), prime, first)
        first += count


def _print_samples(
    drawn: Iterator[tuple[int, Sample]], prime: Text, output: Output, kept: list[Array] | None
) -> int:
    """Print the samples, and put them into ``kept``, if it is a list; return how many."""
    printed = 0
    for _, one in drawn:
        for text in (prime, one.text, "\n"):
            output.write(text)
        if kept is not None:
            kept.append(points_of(one.text))
        printed += 1
    return printed


def _print_records(
    drawn: Iterator[tuple[int, Sample]],
    settings: SampleConfig,
    prime: Text,
    output: Output,
    copies: Copies | None,
) -> int:
    """Print the samples as JSON, with what is copied in each; return how many there were."""
    overlaps: Iterator[dict[str, Any]] = repeat({})
    if copies:  # all are compared at once
        samples = list(drawn)
        copied = copies.of([points_of(one.text) for _, one in samples])
        drawn, overlaps = iter(samples), ({"overlap": part.figures()} for part in copied)
    printed = 0
    for (i, one), overlap in zip(drawn, overlaps, strict=False):
        output.json(_record(i, one, settings, prime) | overlap)
        printed += 1
    return printed


def _report(copies: Copies | None, kept: list[Array] | None) -> None:
    """Say how much of all samples is copied."""
    if copies and kept:
        say(together(copies.of(kept)).sentence())


def _record(i: int, drawn: Sample, settings: SampleConfig, prime: Text) -> dict[str, Any]:
    return {
        "index": i,
        **_text("prime", prime),
        **_text("text", drawn.text),
        "nats": finite(drawn.nats),
        "seed": settings.seed,
        "ended": drawn.ended,
    }


def _text(name: str, text: Text) -> dict[str, str]:
    """Text for JSON; bytes that are no UTF-8 are given in base64 as well."""
    if isinstance(text, str):
        return {name: text}
    try:
        return {name: text.decode()}
    except UnicodeDecodeError:
        import base64

        exact = base64.b64encode(text).decode()
        return {name: text.decode("utf-8", "replace"), f"{name}_base64": exact}
