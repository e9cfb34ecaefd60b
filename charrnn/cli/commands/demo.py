"""Options, help and checks of ``charrnn demo``."""

from __future__ import annotations

from typing import Any

import click

from charrnn.cli.commands.shared import TRAINING, force, output, session
from charrnn.cli.framework import Command, general_options, given, setting


@click.command(
    cls=Command,
    examples=(
        ("charrnn demo", "write the model to demo.npz"),
        ("charrnn demo -o fables.npz --seed 1", "another file, another run"),
    ),
)
@output("demo.npz", "model file to write")
@force
@setting(TRAINING, "--seed", name="train.seed", metavar="N")
@general_options
def demo(**options: Any) -> None:
    """Train a small model on fables and show how it learns.

    The text, 86 KB of fables, comes with charrnn. Training uses the preset "tiny" and takes
    half a minute. Samples from before, during and after training go to stdout, progress to
    stderr. Ctrl-C stops without saving.
    """
    from charrnn.cli.demo import Request, demo

    flags = given(options)
    demo(Request(flags=flags, **options), session())
