"""The command line: the only room that knows click, tqdm, streams, exit codes and signals.

process.py     from start to exit: error lines, exit codes, death by the right signal
commands.py    what can be typed: commands, options, help; imports nothing heavy
framework.py   click's commands with examples first, did-you-mean and settings as options
train.py       one file for what each command does, imported when it is asked for
sample.py
eval.py
info.py
completion.py
settings.py    flags, environment, config file and checkpoint -> Config
inputs.py      files and stdin -> texts
output.py      text -> stdout, for terminals and for pipes
progress.py    what training reports: a bar, plain lines, a metrics file
signals.py     Ctrl-C; a first signal asks training to stop, a second one stops it
"""

from __future__ import annotations

from typing import NoReturn

from charrnn.cli.signals import end_at_ctrl_c

__all__ = ["main"]


def main() -> NoReturn:
    """The program ``charrnn``."""
    end_at_ctrl_c()
    from charrnn.cli.main import run

    run()
