"""click's commands in our style: examples first, grouped options, did-you-mean, settings."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from charrnn.cli.launcher import launched
from charrnn.cli.output import Output
from charrnn.cli.streams import Session, say
from charrnn.cli.terminal import commented
from charrnn.cli.values import OneOfSeveral, Override, Setting
from charrnn.config.schema import SETTING_TYPES, SettingType
from charrnn.messages import HARD_SPACE, did_you_mean, quoted, shell_word

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage or config, 130 interrupted (SIGINT), "
    "141 broken pipe, 143 terminated (SIGTERM)."
)
#: The heading of the options that every command has.
GENERAL = "General options"

Examples = tuple[tuple[str, str], ...]
Decorator = Callable[[Any], Any]


class Option(click.Option):
    """An option that is listed under a heading of its command's help."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


def option(heading: str, *flags: str, help: str, shown: str = "", **kwargs: Any) -> Decorator:
    """An option listed under ``heading``.

    Args:
        shown: what the help shows as its default.
        kwargs: as for ``click.option``.
    """
    if shown:
        help += f"  [default: {shown}]".replace(": ", f":{HARD_SPACE}")
    return click.option(*flags, cls=Option, heading=heading, help=help, **kwargs)


class _Helpful(click.Command):
    """A command whose help says what it is for, then shows examples, usage and options."""

    def __init__(self, *args: Any, examples: Examples = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return Option(
            ["-h", "--help"],
            heading=GENERAL,
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_help,
            help="show this help and exit",
        )

    def get_help(self, ctx: click.Context) -> str:
        return super().get_help(ctx).replace(HARD_SPACE, " ")

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        summary, _, details = inspect.cleandoc(self.help or "").partition("\n\n")
        formatter.write_text(" ".join(summary.split()))
        with formatter.section("Examples"):
            # click leaves two columns free at the right.
            lines = commented(self.examples, formatter.width + 2)
            formatter.write("".join(f"{line}\n" for line in lines))
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        if details:
            formatter.write_paragraph()
            formatter.write_text(details)
        self.format_options(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(EXIT_CODES)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, Option) and (record := param.get_help_record(ctx)):
                sections.setdefault(param.heading, []).append(record)
        # All sections have the same two columns.
        width = max(len(flags) for records in sections.values() for flags, _ in records)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl([(flags.ljust(width), help) for flags, help in records])


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        put(ctx.get_help() + "\n")
        ctx.exit()


def put(text: str) -> None:
    """Print text. Unlike click's echo, this fails if stdout is closed or full."""
    output = Output()
    output.write(text)
    output.end()


class Command(_Helpful):
    """A command that knows which of its options changes a setting, or was meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True  # for an error of our own
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            hint = self._meant_by(rest[0])
            raise click.UsageError(f"unexpected argument {quoted(rest[0])}{hint}", ctx)
        return rest

    def _meant_by(self, argument: str) -> str:
        """Which option an argument was perhaps meant for."""
        flags = {flag for param in self.params for flag in param.opts}
        is_file = argument.endswith(".npz") or os.path.isfile(argument)
        for flag, fits in (("-m", is_file), ("-o", is_file), ("--prime", not is_file)):
            if fits and flag in flags:
                return f"; did you mean {flag} {shell_word(argument)}?"
        return ""

    def suggestion(self, name: str, value: str) -> str | None:
        """``did you mean --set train.learning_rate=0.1?`` for an unknown option ``--lr 0.1``."""
        import difflib

        flags = [flag for param in self.params for flag in param.opts if flag.startswith("--")]
        offers = {flag: flag for flag in flags}
        if "--set" in flags:
            for setting in SETTING_TYPES:
                section, _, key = setting.partition(".")
                if section in ("model", "data", "train"):
                    spelled = f"--{key.replace('_', '-')}"
                    given = shell_word(value) if value else "..."
                    offers.setdefault(spelled, f"--set {setting}={given}")
        name = _ALIASES.get(name, name)
        close = difflib.get_close_matches(name, offers, 1)
        return f"did you mean {offers[close[0]]!r}?" if close else None

    def invoke(self, ctx: click.Context) -> Any:
        import logging

        if session := ctx.find_object(Session):
            session.option_for = self.option_for
        launch = launched()
        if launch and launch.rank == 0 and self.name != "train":
            say(
                f"each of the {launch.size:,} processes runs all of {ctx.command_path!r}: "
                "only train divides its work among them"
            )
        if not logging.root.handlers:  # what libraries log is not for the user
            logging.root.addHandler(logging.NullHandler())
        return super().invoke(ctx)

    def option_for(self, assignment: str) -> str:
        """What is typed for an assignment: ``--encoding latin-1`` for ``data.encoding=latin-1``.

        The section may be missing from the name if each command has a setting of that name.
        """
        name, _, value = assignment.partition("=")
        override = ""
        for param in self.params:
            if isinstance(param.type, Setting):
                setting = param.type.setting
                if name in (setting, setting.partition(".")[2]):
                    return f"{param.opts[0]} {shell_word(value)}"
            elif isinstance(param.type, Override):
                override = param.opts[0]
        return f"{override} {shell_word(assignment)}" if override else assignment


#: What other programs call an option.
_ALIASES = {
    "--lr": "--learning-rate",
    "--layers": "--num-layers",
    "--hidden": "--hidden-size",
    "--rnn-size": "--hidden-size",
    "--optimiser": "--optimizer",
    "--max-iters": "--steps",
    "--iters": "--steps",
    "--iterations": "--steps",
    "--num-samples": "--count",
    "--max-new-tokens": "--length",
    "--tokens": "--length",
}


class Group(_Helpful, click.Group):
    """The program: its commands in the order of declaration, and did-you-mean for others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # What git and cargo also accept.
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        elif args == ["version"]:
            args = ["--version"]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and name not in self.commands:
            hint = did_you_mean(name, self.commands) or f"commands: {', '.join(self.commands)}"
            if os.path.isfile(name):
                verb = "sample -m" if name.endswith(".npz") else "train"
                hint = f"did you mean: charrnn {verb} {shell_word(name)}"
            raise click.UsageError(f"unknown command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


def setting(
    heading: str,
    *flags: str,
    name: str,
    metavar: str,
    help: str = "",
    shown: str = "",
    kind: type[Setting] | None = None,
) -> Decorator:
    """An option for the setting called ``name``.

    Args:
        kind: how it is read, if not in the usual way.
        metavar: the placeholder for the value, unless there are choices to show.
        help, shown: replace the setting's own help and default.
    """
    setting_type = SETTING_TYPES[name]
    several = setting_type.base is tuple
    reader = kind or (OneOfSeveral if several else Setting)
    return option(
        heading,
        *flags,
        name.replace(".", "_"),
        type=reader(name),
        multiple=several,
        metavar="|".join(setting_type.choices) or metavar,
        help=help or setting_type.help,
        shown=shown or _written(setting_type),
    )


def _written(kind: SettingType) -> str:
    """A default as a person would write it; empty if there is none."""
    if kind.default is None:
        return kind.null
    if kind.default in ("", ()):
        return ""
    return f"{kind.default:g}" if isinstance(kind.default, float) else str(kind.default)


def given(values: dict[str, Any]) -> dict[str, Any]:
    """Remove the settings from a command's parameters; return the typed ones by full name.

    A typed value may be None: ``--length none``.
    """
    ctx = click.get_current_context()
    keys = {name: name.replace(".", "_") for name in SETTING_TYPES}
    found = {name: values.pop(key) for name, key in keys.items() if key in values}
    typed = ParameterSource.COMMANDLINE
    return {n: v for n, v in found.items() if ctx.get_parameter_source(keys[n]) is typed}


def only_one(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str:
    """The value of an option that may be repeated in other commands; the last must not win."""
    if len(values) > 1:
        raise click.UsageError(f"give only one {param.opts[0]}", ctx)
    return values[0]


def general_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command has; they change the session, not the parameters."""

    def keep(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        session = ctx.find_object(Session)
        if value and session and param.name:
            setattr(session, param.name, True)

    flags = {
        "--debug": "show a traceback if something goes wrong",
        "--no-color": "do not use colours; the same as NO_COLOR=1",
    }
    for flag, help in flags.items():
        command = option(
            GENERAL,
            flag,
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=keep,
            help=help,
        )(command)
    return command
