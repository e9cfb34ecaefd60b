"""Options, help and checks of ``charrnn report``."""

from __future__ import annotations

import os
from typing import Any

import click

from charrnn.cli.commands.shared import MAIN, OUTPUT, TEXT, encoding, force, output
from charrnn.cli.framework import Command, general_options, given, option, setting


@click.command(
    cls=Command,
    examples=(
        ("charrnn report", "model.npz and its samples"),
        ("charrnn report --corpus corpus.txt", "with its held-out part"),
        ("charrnn report poem.txt -o poem.html", "with a text of your own"),
        ("charrnn report -m a.npz -m b.npz", "compare models"),
    ),
)
@click.argument("text", metavar="[FILE]", required=False, type=click.Path())
@option(
    MAIN,
    "-m",
    "--model",
    "models",
    type=click.Path(),
    metavar="FILE",
    multiple=True,
    help="model file; may be repeated",
    shown="$CHARRNN_MODEL or model.npz",
)
@output("report.html", "page to write, or - for stdout")
@force
@encoding()
@setting(
    TEXT,
    "--unknown",
    name="sample.unknown",
    metavar="",
    help="characters that a model does not know: error, or skip to leave them out",
)
@option(
    TEXT,
    "--corpus",
    type=click.Path(),
    metavar="CORPUS",
    multiple=True,
    help="the training corpus: show its held-out part, and a 6-gram model's score",
)
@setting(TEXT, "--seed", name="sample.seed", metavar="N", help="seed of the samples", shown="0")
@option(
    OUTPUT,
    "--no-play",
    is_flag=True,
    help="leave the model itself out of the page, which makes it smaller",
)
@general_options
def report(**options: Any) -> None:
    """Write a page that shows what a model learned.

    The page is one HTML file. It needs no network, and opens in any browser, on a phone too.
    It shows the training curves, samples at three temperatures, a text coloured by surprisal
    with the model's predictions, the activity of hidden units over that text, and the model
    itself, which continues what you type.

    FILE is the text to colour, or - for stdin; only its beginning is used. Without FILE, the
    page shows the beginning of the held-out part of CORPUS, or a sample from the model.

    With several models, their curves, scores and samples are shown side by side.
    """
    from charrnn.cli.report import Request, write_report

    flags = given(options)
    models = options.pop("models") or (os.environ.get("CHARRNN_MODEL") or "model.npz",)
    play = not options.pop("no_play")
    write_report(Request(models, flags=flags, play=play, **options))
