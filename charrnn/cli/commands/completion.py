"""Options, help and checks of ``charrnn completion``."""

from __future__ import annotations

import click

from charrnn.cli.framework import Command, general_options, put


@click.command(
    cls=Command,
    examples=(
        ('eval "$(charrnn completion bash)"', "in ~/.bashrc"),
        ('eval "$(charrnn completion zsh)"', "in ~/.zshrc, after compinit"),
        ("charrnn completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@general_options
def completion(shell: str) -> None:
    """Print a completion script for a shell.

    It completes commands, options, presets, settings and file names.
    """
    from charrnn.cli.completion import script

    put(script(shell))
