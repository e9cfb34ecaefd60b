"""``charrnn sample``: text that a model makes up, to stdout."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from charrnn.cli import keyboard
from charrnn.cli.corpora import Corpora, Files
from charrnn.cli.drawing import Drawing, Report, print_drawing
from charrnn.cli.inputs import check_stdin, open_sources, read_text
from charrnn.cli.model import load_model
from charrnn.cli.output import Output
from charrnn.cli.primes import Conversation, one_line_each, print_answers
from charrnn.cli.settings import combine, reading
from charrnn.cli.streams import say
from charrnn.cli.temperatures import print_columns, print_in_turn
from charrnn.config.schema import Config, DataConfig, SampleConfig
from charrnn.config.sources import Settings
from charrnn.data.decoding import symbol_blocks
from charrnn.data.records import split_lines
from charrnn.data.vocab import NOUNS, Text, bytes_of, codepoints, text_of
from charrnn.data.words import words_of
from charrnn.errors import ConfigError
from charrnn.evaluation.reference import check_overlap
from charrnn.messages import pluralize
from charrnn.model import CharRNN, Words

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
    lines: int | None = None
    words: str | None = None
    novel: bool = False
    unique: bool = False
    temperatures: tuple[float, ...] = ()
    interactive: bool = False
    primes: str | None = None
    report: Files = ()


def sample(request: Request) -> None:
    """Print samples.

    Raises:
        CharRNNError: the model, a setting, the prime or the words are not usable, and nothing was
            printed; or too few samples could be kept.
    """
    model = load_model(request.model)
    config = combine(request.flags, request.config, base=model.config, sections=("sample", "data"))
    primes = request.primes or ("-" if request.interactive else None)
    check_stdin([p for p in (request.prime_file, request.words, primes) if p])
    with _seed(config.sample) as settings:
        drawing = _drawing(request, model, config, settings)
        if primes is None:
            _say_unread(drawing)
        output = Output(request.raw, request.line_buffered)
        if primes is not None:
            drawing = one_line_each(drawing, RECORD_LENGTH)
            if request.interactive and _at_keyboard():
                Conversation(drawing, output).run()
            else:
                lines = _lines(primes, reading(model.config, config))
                print_answers(drawing, lines, output, request.as_json)
        elif not request.temperatures:
            print_drawing(drawing, output, request.as_json, _report(request, model, drawing))
        elif output.terminal and not request.as_json:
            print_columns(drawing, request.temperatures, output)
        else:
            print_in_turn(drawing, request.temperatures, output, request.as_json)


@contextmanager
def _seed(settings: SampleConfig) -> Iterator[SampleConfig]:
    """Settings with a seed. On a terminal, one that was drawn is told when all is printed."""
    if settings.seed is not None:
        yield settings
        return
    # Short enough to be remembered, and exact in any reader of JSON.
    seed = secrets.randbits(31)

    def tell() -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            say(f"repeat with: --seed {seed}")

    if settings.length is None:  # which ends by Ctrl-C, and that ends the program
        tell()
    yield replace(settings, seed=seed)
    if settings.length is not None:
        tell()


def _drawing(request: Request, model: CharRNN, config: Config, settings: SampleConfig) -> Drawing:
    """What to draw, with the texts that the options name."""
    data = reading(model.config, config)
    prime: Text = settings.prime
    if request.prime_file is not None:
        prime = read_text(request.prime_file, data, "the prime")
    words: Words | None = request.words
    if words is not None and words != "known":
        text = read_text(str(words), data, "the words")
        words = tuple(words_of(bytes_of(text).decode("utf-8", "replace")))
    of_lines = model.of_records or request.lines is not None or "\n" in settings.stop
    if request.novel and not of_lines:
        raise ConfigError("--novel compares lines", "give --lines N")
    several = settings.count > 1 or "sample.count" in request.flags or request.lines is not None
    endless = model.of_records and settings.length is None and not several
    if endless:
        settings = replace(settings, length=RECORD_LENGTH)
    several = several or endless or request.novel or request.unique
    return Drawing(
        model,
        settings,
        prime,
        several,
        words=words,
        lines=request.lines,
        novel=request.novel,
        unique=request.unique,
        endless=endless,
    )


def _say_unread(drawing: Drawing) -> None:
    """Say which part of the prime the model does not read as it is, unless that is an error."""
    vocab, prime = drawing.model.vocab, drawing.prime
    if not isinstance(prime, str) or vocab.unit == "byte":
        return
    unknown = np.flatnonzero(vocab.encode(prime, "score") < 0)
    if len(unknown) and drawing.settings.unknown == "skip":
        noun = NOUNS[vocab.unit]
        say(f"prime: skipped {pluralize(len(unknown), noun)} that the model does not know")
    elif len(unknown) and vocab.reads_unknown:
        words = vocab.symbols_of(codepoints(prime))[unknown]
        message = vocab.unknown_error(words, int(unknown[0])).message
        say(f"prime: {message}; read as the symbol that stands for all unknown words")
    if vocab.unit == "word" and vocab.symbols_of(codepoints(prime))[-1:].tolist() == [" "]:
        say("prime: ends with a space, which would belong to the next word; leave it out")


def _at_keyboard() -> bool:
    return keyboard.AVAILABLE and sys.stdin is not None and sys.stdin.isatty()


def _lines(path: str, data: DataConfig) -> Iterator[Text]:
    """The lines to continue, each as soon as it has been read; without a Windows line's \\r."""
    for source in open_sources([path], "a beginning on each line", once=True, unit=data.unit):
        for lines in split_lines(symbol_blocks(source, data)):
            for line in lines:
                yield text_of(data.unit, line[:-1] if len(line) and line[-1] == 13 else line)


def _report(request: Request, model: CharRNN, drawing: Drawing) -> Report | None:
    """The corpus to find copies from, if that was asked for."""
    if not request.report:
        return None
    if drawing.settings.length is None:
        raise ConfigError("--report needs samples of limited length", "set --length")
    check_overlap(model.vocab.unit, model.name)
    read = tuple(p for p in (request.prime_file, request.words) if p)
    return Report(
        Corpora(model, model.config.data, [request.report], read).compared(request.report)
    )
