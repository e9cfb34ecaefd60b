"""What several commands share: the headings of their options, and some options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from charrnn.cli.framework import Decorator, only_one, option, setting
from charrnn.cli.streams import Session
from charrnn.cli.values import ConfigName, ModelPath

# The headings under which options are listed, besides framework.GENERAL.
MAIN = "Main options"
MODEL = "Model options"
TRAINING = "Training options"
TEXT = "Text options"
SELECTION = "Selection options"
SAMPLING = "Sampling options"
SCORING = "Scoring options"
OUTPUT = "Output options"

#: What ``-m FILE`` takes.
MODEL_FILE: dict[str, Any] = {
    "type": ModelPath(),
    "metavar": "FILE",
    "default": ("model.npz",),
    "multiple": True,
    "envvar": "CHARRNN_MODEL",
    "shown": "$CHARRNN_MODEL or model.npz",
}

files = click.argument("files", metavar="FILE...", nargs=-1, type=click.Path())
model = option(MAIN, "-m", "--model", help="model file", callback=only_one, **MODEL_FILE)
config = option(
    MAIN,
    "-c",
    "--config",
    type=ConfigName(),
    metavar="FILE|PRESET",
    help="settings: a YAML file or the name of a preset",
)
force = option(MAIN, "--force", is_flag=True, help="overwrite an existing output file")
as_json = option(OUTPUT, "--json", "as_json", is_flag=True, help="print JSON")


def encoding(help: str = "encoding of the files", shown: str = "the model's") -> Decorator:
    """``--encoding`` of what is read for a model."""
    return setting(TEXT, "--encoding", name="data.encoding", metavar="NAME", help=help, shown=shown)


def line_buffered(help: str) -> Decorator:
    """``--line-buffered``."""
    return option(OUTPUT, "--line-buffered", is_flag=True, help=help)


def only_one_of(names: Iterable[str]) -> None:
    """Raise UsageError if there are several of the options called ``names``."""
    first, *others = [*names] or [""]
    if others:
        raise click.UsageError(f"give only one of {first} and {others[0]}")


def output(default: str, help: str) -> Decorator:
    """``-o FILE``."""
    return option(
        MAIN,
        "-o",
        "--output",
        type=click.Path(),
        metavar="FILE",
        default=default,
        help=help,
        shown=default,
    )


def session() -> Session:
    """The session of the command that runs."""
    return click.get_current_context().ensure_object(Session)
