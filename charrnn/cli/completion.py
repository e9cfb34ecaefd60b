"""Scripts that teach a shell to complete the command line; they ask the program itself."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from charrnn.cli.streams import COMPLETE_VARIABLE


def script(cli: click.Command, shell: str) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    kind = get_completion_class(shell)
    assert kind is not None  # the command offers only shells that click knows
    return kind(cli, {}, "charrnn", COMPLETE_VARIABLE).source()
