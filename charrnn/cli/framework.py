"""click's commands, with our manners: examples first, did-you-mean, settings as options."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from charrnn.cli.output import Output
from charrnn.cli.streams import Session
from charrnn.config.schema import SECTIONS, SETTING_TYPES
from charrnn.messages import did_you_mean

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage or config, 130 interrupted (SIGINT), "
    "141 broken pipe, 143 terminated (SIGTERM)."
)

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # older versions of click have no type arguments
    _ParamType = click.ParamType

Examples = tuple[tuple[str, str], ...]
Decorator = Callable[[Any], Any]


class _Helpful(click.Command):
    """Help in the order in which it is wanted: what for, examples, usage, options."""

    def __init__(self, *args: Any, examples: Examples = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def get_help_option(self, ctx: click.Context) -> click.Option:
        return click.Option(
            ["-h", "--help"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_help,
            help="show this help",
        )

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        summary, _, details = inspect.cleandoc(self.help or "").partition("\n\n")
        formatter.write_text(" ".join(summary.split()))
        with formatter.section("Examples"):
            for command, comment in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{command:<47} # {comment}\n")
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        if details:
            formatter.write_paragraph()
            formatter.write_text(details)
        self.format_options(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(EXIT_CODES)


def _show_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        put(ctx.get_help() + "\n")
        ctx.exit()


def put(text: str) -> None:
    """Print text. Unlike click's echo, complain if stdout is closed or full."""
    output = Output()
    output.write(text)
    output.end()


class Command(_Helpful):
    """A command whose help shows examples first, and whose errors name its own options."""

    def invoke(self, ctx: click.Context) -> Any:
        if session := ctx.find_object(Session):
            session.option_for = self.option_for
        return super().invoke(ctx)

    def option_for(self, assignment: str) -> str:
        """How to type an assignment such as ``data.encoding=latin-1``: ``--encoding latin-1``.

        The section may be missing, where each command has a setting of that name.
        """
        name, _, value = assignment.partition("=")
        override = ""
        for param in self.params:
            if isinstance(param.type, Setting):
                setting = param.type.setting
                if name in (setting, setting.partition(".")[2]):
                    return f"{param.opts[0]} {shlex.quote(value)}"
            elif isinstance(param.type, Override):
                override = param.opts[0]
        return f"{override} {shlex.quote(assignment)}" if override else assignment


class Group(_Helpful, click.Group):
    """The program: its commands in the order of their use, and a guess at misspelt ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and name not in self.commands:
            known = ", ".join(self.commands)
            near = did_you_mean(name, self.commands)
            raise click.UsageError(f"unknown command {name!r}{near or f'; commands: {known}'}", ctx)
        return super().resolve_command(ctx, args)


class Setting(_ParamType):
    """The value of one setting, checked as a config file's would be."""

    def __init__(self, setting: str) -> None:
        self.setting = setting
        self.kind = SETTING_TYPES[setting]
        self.name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from charrnn.config.sources import read_value

        try:
            return read_value(self.setting, value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return [CompletionItem(v) for v in self.kind.values if v.startswith(incomplete)]


class Strings(Setting):
    """One of several strings for a setting that is a list of them; kept as typed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("must not be empty", param, ctx)
        return value


def setting(
    flag: str, *more: str, name: str, metavar: str, note: str = "", default: str = ""
) -> Decorator:
    """An option for the setting called ``name``, with its help and default.

    Args:
        note: added to the setting's help. default: shown in place of the setting's own.
    """
    kind = SETTING_TYPES[name]
    section, _, key = name.partition(".")
    field = next(f for f in dataclasses.fields(SECTIONS[section]) if f.name == key)
    several = kind.base is tuple
    help = f"{kind.metadata['help']}{f'; {note}' if note else ''}"
    help += f"  [default: {default or _written(field.default)}]"
    return click.option(
        flag,
        *more,
        name.replace(".", "_"),
        type=Strings(name) if several else Setting(name),
        multiple=several,
        metavar="|".join(kind.choices) if kind.choices else metavar,
        help=help,
    )


def _written(value: Any) -> str:
    """A default as a person would write it."""
    if value in (None, (), ""):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def given(values: dict[str, Any]) -> dict[str, Any]:
    """The settings among a command's parameters, by full name, that were given; they are removed.

    What else stands in ``values`` is left there. ``--length none`` gives a setting, too.
    """
    ctx = click.get_current_context()
    keys = {name: name.replace(".", "_") for name in SETTING_TYPES}
    found = {name: values.pop(key) for name, key in keys.items() if key in values}
    typed = ParameterSource.COMMANDLINE
    return {n: v for n, v in found.items() if ctx.get_parameter_source(keys[n]) is typed}


class ConfigName(_ParamType):
    """A config file or the name of a preset."""

    name = "config"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        from charrnn.config.sources import presets

        # bash forgets what was offered before "file", and offers files where nothing else is.
        names = [CompletionItem(name) for name in presets() if name.startswith(incomplete)]
        return [CompletionItem(incomplete, type="file"), *names]


class Override(_ParamType):
    """SECTION.KEY=VALUE; what it means is read with the other settings."""

    name = "override"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        name, equals, value = incomplete.partition("=")
        if not equals:
            names = [name for name in SETTING_TYPES if name.startswith(incomplete)]
            return [CompletionItem(f"{n}=", help=SETTING_TYPES[n].metadata["help"]) for n in names]
        values = SETTING_TYPES[name].values if name in SETTING_TYPES else ()
        return [CompletionItem(f"{name}={v}") for v in values if v.startswith(value)]


def for_all(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command has; they set the session, not a parameter."""

    def keep(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        session = ctx.find_object(Session)
        if value and session and param.name:
            setattr(session, param.name, True)

    options = (
        ("--no-color", "no colours on a terminal; so does NO_COLOR"),
        ("--debug", "show where in the program an error arose"),
    )
    for flag, help in options:
        command = click.option(
            flag, is_flag=True, is_eager=True, expose_value=False, callback=keep, help=help
        )(command)
    return command
