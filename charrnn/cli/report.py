"""``charrnn report``: a page that shows what models learned."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from charrnn.checkpoint import write_file
from charrnn.cli.corpora import Files
from charrnn.cli.inputs import check_stdin, open_sources
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output
from charrnn.cli.overwriting import check_page
from charrnn.cli.settings import combine, reading
from charrnn.cli.streams import say
from charrnn.config.schema import Config, DataConfig
from charrnn.config.sources import Settings
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import symbol_blocks
from charrnn.data.vocab import Text, text_of
from charrnn.messages import path_name
from charrnn.model import CharRNN
from charrnn.report import report
from charrnn.report.texts import longest_text


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
    check_page(request.output, [*request.models, *texts, *request.corpus], request.force)
    models = [
        CharRNN.from_checkpoint(load_checkpoint(path, training=True), path_name(path))
        for path in request.models
    ]
    config = combine(request.flags, None, base=models[0].config, sections=("sample", "data"))
    name, text = _read(request.text, _as_text(models, config), longest_text(models) + 1)
    page = report(
        models,
        text,
        corpus=_corpus(request.corpus, models[0], config),
        source=name,
        unknown=config.sample.unknown,
        seed=config.sample.seed or 0,
        play=request.play,
    )
    write_page(request.output, page)
    if request.output == "-":
        return
    without = "" if not request.play else "; --no-play leaves out the model, which makes it smaller"
    size = len(page) / 1e6
    say(
        f"{path_name(request.output)}: {size:.1f} MB; open it in a browser"
        f"{without if size > 3.0 else ''}"
    )


def write_page(path: str, page: str) -> None:
    """Write a page, to a file whole, so that a browser never reads half of one; ``-`` is stdout."""
    if path != "-":
        write_file(path, [page.encode()])
        return
    output = Output(raw=True)
    output.write(page)
    output.end()


def _as_text(models: Sequence[CharRNN], config: Config) -> DataConfig:
    """How to read a text: as characters, unless all models are of bytes, who also take those."""
    units = [model.config.data.unit for model in models]
    return replace(config.data, unit="byte" if {*units} == {"byte"} else "char")


def _read(path: str | None, data: DataConfig, longest: int) -> tuple[str, Text | None]:
    """The name of a text, and as much of it as is used."""
    if path is None:
        return "", None
    sources = open_sources([path], "the text to show", once=True, unit=data.unit)
    points = np.zeros(0, np.uint32)
    for block in itertools.chain.from_iterable(symbol_blocks(source, data) for source in sources):
        points = np.append(points, block)
        if len(points) >= longest:
            break
    for source in sources:
        source.close()
    name = sources[0].name if len(sources) == 1 else path_name(path)
    return name, text_of(data.unit, points[:longest])


def _corpus(files: Files, model: CharRNN, config: Config) -> Corpus | None:
    if not files:
        return None
    data = reading(model.config, config)
    return Corpus(open_sources(files, "the corpus", unit=data.unit), data, model.vocab)
