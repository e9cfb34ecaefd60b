"""What can be typed after ``charrnn report``."""

from __future__ import annotations

import os
from typing import Any

import click

from charrnn.cli.commands.shared import MAIN, OUTPUT, TEXT, encoding, force, output
from charrnn.cli.framework import Command, general_options, given, option, setting


@click.command(
    cls=Command,
    examples=(
        ("charrnn report", "about model.npz and a sample"),
        ("charrnn report --corpus corpus.txt", "and text it was not trained on"),
        ("charrnn report poem.txt -o poem.html", "and a text of your own"),
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
@encoding
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
    help="the training corpus: show the part that was held out, and a 6-gram model's score",
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
    It shows the curves of the training, samples at three temperatures, a text coloured by
    surprisal with what the model expected in its place, hidden units over that text, and the
    model itself: type a beginning, and watch it continue.

    FILE is the text to colour, or - for stdin; its beginning is used. Without it, the page
    shows the beginning of what training held out of CORPUS, or a sample of the model.

    With several models, their curves, scores and samples are shown side by side.
    """
    from charrnn.cli.report import Request, write_report

    flags = given(options)
    models = options.pop("models") or (os.environ.get("CHARRNN_MODEL") or "model.npz",)
    play = not options.pop("no_play")
    write_report(Request(models, flags=flags, play=play, **options))
