"""Options, help and checks of ``charrnn info``."""

from __future__ import annotations

from typing import Any

import click

from charrnn.cli.commands.shared import as_json, model
from charrnn.cli.framework import Command, general_options


@click.command(
    cls=Command,
    examples=(
        ("charrnn info", "about model.npz"),
        ("charrnn info -m poems.npz --json", "for scripts"),
    ),
)
@model
@as_json
@general_options
def info(**options: Any) -> None:
    """Show what a model file contains.

    This includes its size, vocabulary, corpus and versions, and a chart of the validation
    loss. The date is that of the file: models store no date, so that identical runs write
    identical files.
    """
    from charrnn.cli.info import info

    info(**options)
