"""The command line, the only package that knows click, tqdm, streams, exit codes and signals.

main.py            runs a command line: error lines, exit codes, death by the right signal
app.py             commands, options and their help; imports nothing heavy
framework.py       click's commands with examples first, grouped options and did-you-mean
train.py           one file for each command, imported when the command runs
sample.py
eval.py
info.py
demo.py
completion.py
drawing.py         what sample draws and prints
primes.py          sample's answers to lines, from a file or the keyboard
keyboard.py        single keys of a terminal
temperatures.py    sample at several temperatures
eval_table.py      what eval prints about whole texts
eval_parts.py      what eval prints about lines and characters
settings.py        options, environment, config file and checkpoint -> Config
model.py           file -> model
inputs.py          files and stdin -> texts
corpora.py         corpora to compare texts with
overlap_report.py  how much of a text is copied, in words and in figures
output.py          text -> stdout, for terminals and for pipes
streams.py         messages on stderr, failures of stdout
logs.py            log records -> messages
progress.py        what training reports: a bar, plain lines, a metrics file
signals.py         Ctrl-C and other signals
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
