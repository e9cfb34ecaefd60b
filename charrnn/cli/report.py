"""``charrnn report``: a page that shows what models learned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from charrnn.checkpoint import check_writable, write_file
from charrnn.cli.corpora import Files
from charrnn.cli.inputs import check_stdin, open_sources
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output
from charrnn.cli.settings import combine
from charrnn.cli.streams import say
from charrnn.config.schema import Config, DataConfig
from charrnn.config.sources import Settings
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import symbol_blocks
from charrnn.data.vocab import Text, text_of
from charrnn.errors import CharRNNError
from charrnn.messages import path_name
from charrnn.model import CharRNN
from charrnn.report import report
from charrnn.report.search import LONGEST


@dataclass(frozen=True)
class Request:
    """What was asked for: the command's options."""

    models: Files
    text: str | None
    output: str
    corpus: Files
    flags: Settings
    play: bool
    force: bool


def write_report(request: Request) -> None:
    """Write the page.

    Raises:
        CharRNNError: a model, a text or the output is not usable; nothing was written.
    """
    texts = [] if request.text is None else [request.text]
    check_stdin([*texts, *request.corpus])
    to_stdout = request.output == "-"
    if not to_stdout:
        check_output(request.output, [*request.models, *texts, *request.corpus], request.force)
    models = [
        CharRNN.from_checkpoint(load_checkpoint(path, training=True), path_name(path))
        for path in request.models
    ]
    config = combine(request.flags, None, base=models[0].config, sections=("sample", "data"))
    name, text = _read(request.text, _reading(models, config))
    page = report(
        models,
        text,
        corpus=_corpus(request.corpus, models[0], config),
        source=name,
        unknown=config.sample.unknown,
        seed=config.sample.seed or 0,
        play=request.play,
    )
    if to_stdout:
        output = Output(raw=True)
        output.write(page)
        output.end()
        return
    write_page(request.output, page)
    without = "" if not request.play else "; --no-play makes it smaller, without the model"
    size = len(page) / 1e6
    say(
        f"{path_name(request.output)}: {size:.1f} MB, to be opened in a browser"
        f"{without if size > 5.0 else ''}"
    )


def check_output(path: str, inputs: Sequence[str], force: bool) -> None:
    """Find out before any work whether a page may be written.

    Raises:
        CharRNNError: it exists and may not be replaced, is an input, or cannot be written.
    """
    name = path_name(path)
    if os.path.exists(path):
        if any(os.path.exists(other) and os.path.samefile(path, other) for other in inputs):
            raise CharRNNError(f"{name}: is also read", "choose another output with -o")
        if not force:
            raise CharRNNError(
                f"{name}: already exists", "replace it with --force, or choose another with -o"
            )
    check_writable(path)


def write_page(path: str, page: str) -> None:
    """Write a page whole, so that a browser never reads half of one."""
    write_file(path, [page.encode()])


def _reading(models: Sequence[CharRNN], config: Config) -> DataConfig:
    """How to read a text: as characters, unless all models are of bytes, who also take those."""
    units = [model.config.data.unit for model in models]
    return replace(config.data, unit="char" if "char" in units else "byte")


def _read(path: str | None, data: DataConfig) -> tuple[str, Text | None]:
    """The name of a text, and as much of it as is used."""
    if path is None:
        return "", None
    (source,) = open_sources([path], "the text to show", once=True)
    blocks, count = [], 0
    for block in symbol_blocks(source, data):
        blocks.append(block.astype(np.uint32))
        count += len(block)
        if count > LONGEST:
            break
    points = np.concatenate(blocks)[: LONGEST + 1] if blocks else np.zeros(0, np.uint32)
    return source.name, text_of(data.unit, points)


def _corpus(files: Files, model: CharRNN, config: Config) -> Corpus | None:
    if not files:
        return None
    data = replace(model.config.data, encoding=config.data.encoding)
    return Corpus(open_sources(files, "the corpus"), data, model.vocab)
