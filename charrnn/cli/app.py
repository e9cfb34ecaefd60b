"""The program: its commands, in the order in which help lists them."""

from __future__ import annotations

import click

from charrnn._version import __version__
from charrnn.cli.commands.classify import classify
from charrnn.cli.commands.completion import completion
from charrnn.cli.commands.demo import demo
from charrnn.cli.commands.eval import evaluate
from charrnn.cli.commands.info import info
from charrnn.cli.commands.report import report
from charrnn.cli.commands.sample import sample
from charrnn.cli.commands.train import train
from charrnn.cli.framework import GENERAL, Group, general_options, option, put


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        put(f"charrnn {__version__}\n")
        ctx.exit()


@click.group(
    cls=Group,
    subcommand_metavar="COMMAND ...",
    invoke_without_command=True,
    examples=(
        ("charrnn train corpus.txt", "train for five minutes, write model.npz"),
        ("charrnn sample --temp 0.8", "generate text"),
        ("charrnn eval other.txt", "measure how well the model predicts it"),
        ("charrnn info", "show what model.npz contains"),
        ("charrnn train --help", "explain a command"),
    ),
)
@option(
    GENERAL,
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="show the version and exit",
)
@general_options
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Train character-level language models; generate and score text with them."""
    if ctx.invoked_subcommand is None:
        put(ctx.get_help() + "\n")


for command in (train, sample, evaluate, classify, info, report, demo, completion):
    cli.add_command(command)
