"""Options, help and checks of ``charrnn classify``."""

from __future__ import annotations

from typing import Any

import click

from charrnn.cli.commands.shared import (
    MAIN,
    SCORING,
    as_json,
    encoding,
    files,
    line_buffered,
    only_one_of,
)
from charrnn.cli.framework import Command, general_options, given, option
from charrnn.cli.values import Labelled


@click.command(
    cls=Command,
    examples=(
        ("charrnn classify -m ham=ham.npz -m spam=spam.npz mail.txt", "label each line"),
        ("charrnn classify -m a=a.npz -m b=b.npz --prior a=9 x.txt", "a is 9 times as common"),
        ("charrnn classify -m a=a.npz -m b=b.npz --labelled test.tsv", "how well it works"),
    ),
)
@files
@option(
    MAIN,
    "-m",
    "--model",
    "models",
    type=Labelled("model file"),
    metavar="LABEL=MODEL",
    multiple=True,
    help="a label, and the model of its texts; give at least two",
)
@option(
    MAIN,
    "--prior",
    "priors",
    type=Labelled("number above 0", number=True),
    metavar="LABEL=NUMBER",
    multiple=True,
    help="how common texts with this label are, compared with the others  [default: 1]",
)
@encoding(shown="the first model's")
@option(
    SCORING,
    "--labelled",
    is_flag=True,
    help="read lines of a label, a tab and a text, and report how well they are classified",
)
@as_json
@line_buffered("classify each line as soon as it arrives")
@general_options
def classify(files: tuple[str, ...], **options: Any) -> None:
    """Classify lines, with one model for each class.

    Train one model on the texts of each class, such as a language, an author or a sentiment.
    FILE, or - for stdin, is the text to classify. For each line, classify prints three columns,
    separated by tabs: the most probable label, its log odds against the second most probable
    one in bits per character (the lower, the less certain), and the line.

    The most probable label has the highest product of its prior and the probability that its
    model gives to the line. Unknown characters, and bytes that cannot be decoded, count as very
    rare characters. All models must have the same data.unit and data.records.

    --labelled compares the labels in FILE with the predicted ones. It prints the accuracy; the
    confusion matrix, with a row for each label in FILE and a column for each predicted label;
    and the accuracy by confidence. The confidence tends to be too high. The calibration error
    is the mean difference between confidence and accuracy.

    With --json, each line is an object with the probability of each label; with --labelled,
    the report is one object.
    """
    if not files:
        raise click.UsageError("give a text file to classify, or - for stdin")
    for kind in ("models", "priors"):
        labels = [label for label, _ in options[kind]]
        if twice := next((label for label in labels if labels.count(label) > 1), None):
            name = "-m" if kind == "models" else "--prior"
            raise click.UsageError(f"{name}: the label {twice!r} is given twice")
    if len(options["models"]) < 2:
        raise click.UsageError("give a model for each of at least two labels: -m LABEL=MODEL")
    if options["labelled"] and options["line_buffered"]:
        only_one_of(["--labelled", "--line-buffered"])
    from charrnn.cli.classify import Request, classify

    flags = given(options)
    classify(Request(files, flags=flags, **options))
