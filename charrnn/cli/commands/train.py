"""Options, help and checks of ``charrnn train``."""

from __future__ import annotations

from typing import Any

import click

from charrnn.cli.commands.shared import (
    MAIN,
    MODEL,
    OUTPUT,
    TRAINING,
    config,
    force,
    only_one_of,
    output,
    session,
)
from charrnn.cli.framework import Command, general_options, given, option, setting
from charrnn.cli.values import Every, Override


@click.command(
    cls=Command,
    examples=(
        ("charrnn train corpus.txt", "five minutes, to model.npz"),
        ("charrnn train *.txt -o all.npz --minutes 30", "several files as one text"),
        ("charrnn train corpus.txt --resume --minutes 60", "extend the run"),
        ("charrnn train b.txt --init-from a.npz -o b.npz", "fine-tune a.npz on b.txt"),
        ("charrnn train corpus.txt -c min-char-rnn", "use a preset"),
        ("cat *.log | charrnn train - -o logs.npz", "read the text from stdin"),
    ),
)
@click.argument("corpora", metavar="CORPUS...", nargs=-1, type=click.Path())
@output("model.npz", "model file to write")
@config
@option(
    MAIN,
    "--set",
    "overrides",
    type=Override(),
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    help="change one setting, such as train.learning_rate=0.02; may be repeated",
)
@option(MAIN, "--resume", is_flag=True, help="continue the run saved in the output file")
@force
@option(
    MODEL,
    "--init-from",
    type=click.Path(),
    metavar="FILE",
    help="fine-tune: start from the weights of this model, which is only read",
)
@setting(MODEL, "--unit", name="data.unit", metavar="")
@setting(MODEL, "--encoding", name="data.encoding", metavar="NAME")
@setting(TRAINING, "--minutes", name="train.minutes", metavar="NUMBER")
@setting(TRAINING, "--epochs", name="train.epochs", metavar="NUMBER")
@setting(TRAINING, "--steps", name="train.steps", metavar="N")
@setting(TRAINING, "--seed", name="train.seed", metavar="N")
@setting(TRAINING, "--workers", name="train.workers", metavar="N")
@option(
    OUTPUT,
    "--sample-every",
    type=Every(),
    metavar="EVERY",
    help="how often to print a sample to stderr: in steps (500), in time (10s, 2m) or as a share "
    "of the run (5%)",
)
@option(
    OUTPUT,
    "--log",
    type=click.Path(),
    metavar="FILE",
    help="append metrics as JSON lines to a file, or - for stdout, every 50 steps and at each "
    "validation",
)
@option(
    OUTPUT,
    "--report",
    type=click.Path(),
    metavar="FILE",
    help="write an HTML page that shows the training as it runs, and the model afterwards",
)
@option(OUTPUT, "--print-config", is_flag=True, help="print all settings as YAML and exit")
@option(OUTPUT, "-q", "--quiet", is_flag=True, help="print nothing unless something goes wrong")
@general_options
def train(corpora: tuple[str, ...], **options: Any) -> None:
    """Train a model on text.

    CORPUS is a text file, a folder or zip archive of text files, or - for stdin; several are
    read as one text. Text compressed by gzip, bzip2 or xz is unpacked. The last tenth of the
    text is held out, to measure how well the model predicts text it has not seen. The
    other commands use the weights that scored best on it.

    The model is saved about every minute and at the end. Ctrl-C finishes the current step,
    saves and stops; --resume continues from there. A second Ctrl-C stops without saving.
    Only --log - prints to stdout. Progress and samples go to stderr: a progress bar on a
    terminal, otherwise a line from time to time.

    --init-from fine-tunes a model. The new model has the architecture, unit and records
    setting of the old one; of these, only dropout can be changed. All other settings are
    those of a new run, and the optimizer starts from scratch. Characters that are new in
    CORPUS are added to the vocabulary, and those that it lacks are kept; both are reported.
    If the new text is similar to the old one, use a lower learning rate:
    --set train.learning_rate=0.02.

    mpiexec -n 8 charrnn train trains one model in 8 processes, which may run on several
    machines. This needs an MPI, and mpi4py.
    """
    resume, force = options["resume"], options["force"]
    if resume and force:
        only_one_of(["--resume", "--force"])
    if resume and options["init_from"] is not None:
        raise click.UsageError(
            "give only one of --resume and --init-from: the first continues a run, the second "
            "starts a new one"
        )
    if not corpora and not options["print_config"]:
        raise click.UsageError("give a text file to train on, or - for stdin")
    from charrnn.cli.job import run
    from charrnn.cli.train import Request

    flags = given(options)
    run(Request(corpora, flags=flags, **options), session())
