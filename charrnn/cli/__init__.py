"""The command line, the only package that knows click, tqdm, streams, exit codes and signals.

main.py            runs a command line: error lines, exit codes, death by the right signal
app.py             the program and its commands; imports nothing heavy
commands/          options, help and checks of each command
framework.py       click's commands with examples first, grouped options and did-you-mean
values.py          parameter types: check values, suggest corrections
train.py           what each command does, imported when the command runs
job.py             train as an MPI job
launcher.py        whether mpiexec has started this process
sample.py
eval.py
classify.py
info.py
report.py
demo.py
completion.py
drawing.py         what sample draws and prints
primes.py          sample's answers to lines, from a file or the keyboard
keyboard.py        single keys of a terminal
temperatures.py    sample at several temperatures
eval_table.py      what eval prints about whole texts
eval_lines.py      what eval prints about lines
lines.py           lines as eval and classify print them
eval_parts.py      what eval prints about characters
eval_task.py       what eval was asked for
eval_progress.py   the progress bar of eval
threshold.py       the threshold of eval --above
settings.py        options, environment, config file and checkpoint -> Config
model.py           file -> model
inputs.py          files and stdin -> texts
corpora.py         corpora to compare texts with
overlap_report.py  how much of a text is copied, in words and in figures
output.py          text -> stdout, for terminals and for pipes
streams.py         messages on stderr, failures of stdout
terminal.py        the width of the terminal
logs.py            log records -> messages
progress.py        what training reports: a bar or plain lines
metrics.py         the metrics file of training
live_page.py       the page that train --report keeps up to date
samples.py         samples during a run
chart.py           charts of block characters
saver.py           when training saves, and what happens if a save fails
overwriting.py     checks that an output overwrites no input or foreign file
signals.py         Ctrl-C and other signals
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

from charrnn.cli.signals import end_at_ctrl_c

__all__ = ["main"]

#: Bytes of memory that every command takes, most of them for NumPy and its BLAS.
LEAST_MEMORY = 1 << 27


def main() -> NoReturn:
    """The program ``charrnn``."""
    end_at_ctrl_c()
    _check_memory()
    from charrnn.cli.main import run

    run()


def _check_memory() -> None:
    """End the program if it has not the memory to start: libraries would say so in long ways."""
    try:
        import mmap

        mmap.mmap(-1, LEAST_MEMORY).close()
    except (ImportError, OSError, MemoryError):
        with contextlib.suppress(OSError):
            os.write(2, b"charrnn: out of memory; raise the limit on it (ulimit -v) to 250 MB\n")
        sys.exit(1)
