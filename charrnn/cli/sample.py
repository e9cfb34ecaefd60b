"""``charrnn sample``: text that a model makes up, to stdout."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from typing import Any

from charrnn.cli.inputs import read_text
from charrnn.cli.model import load_model
from charrnn.cli.output import Output
from charrnn.cli.settings import combine
from charrnn.config import SampleConfig
from charrnn.configfile import Settings
from charrnn.errors import VocabError
from charrnn.model import CharRNN, Sample
from charrnn.vocab import Text

#: Samples drawn as one batch: enough for the matrix products, few enough for the memory.
BATCH = 256


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


def sample(request: Request) -> None:
    """Print samples.

    Raises:
        CharRNNError: the model, a setting or the prime is not usable; nothing was printed.
    """
    model = load_model(request.model)
    config = combine(request.flags, request.config, base=model.config, sections=("sample",))
    settings = config.sample
    if settings.seed is None:
        # Short enough to be remembered, and exact in any reader of JSON.
        settings = replace(settings, seed=secrets.randbits(31))
    prime: Text = settings.prime
    if request.prime_file is not None:
        prime = read_text(request.prime_file, model.config.data, "the prime")
    _check_texts(model, settings, prime)
    output = Output(request.raw, request.line_buffered)
    if request.as_json or settings.count > 1 or "sample.count" in request.flags:
        _print_batches(model, settings, prime, output, request.as_json)
    else:
        _stream(model, settings, prime, output)
    output.end()


def _check_texts(model: CharRNN, settings: SampleConfig, prime: Text) -> None:
    texts = [("prime", prime, settings.unknown), *(("stop", s, "error") for s in settings.stop)]
    for name, text, unknown in texts:
        try:
            model.vocab.encode(text, unknown)
        except VocabError as error:
            raise VocabError(f"{name}: {error}") from None


def _stream(model: CharRNN, settings: SampleConfig, prime: Text, output: Output) -> None:
    output.write(prime)
    for piece in model.stream(settings, prime):
        output.write(piece)


def _print_batches(
    model: CharRNN, settings: SampleConfig, prime: Text, output: Output, as_json: bool
) -> None:
    for first in range(0, settings.count, BATCH):
        batch = replace(settings, count=min(BATCH, settings.count - first))
        for i, drawn in enumerate(model.samples(batch, prime, first), first):
            if as_json:
                output.json(_record(i, drawn, settings, prime))
            else:
                for text in (prime, drawn.text, "\n"):
                    output.write(text)


def _record(i: int, drawn: Sample, settings: SampleConfig, prime: Text) -> dict[str, Any]:
    record = {
        "index": i,
        **_text("prime", prime),
        **_text("text", drawn.text),
        "nats": drawn.nats if math.isfinite(drawn.nats) else None,
        "seed": settings.seed,
        "ended": drawn.ended,
    }
    return record


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
