"""click's commands in our style: examples first, grouped options, did-you-mean, settings."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from charrnn.cli.output import Output
from charrnn.cli.streams import Session
from charrnn.config.schema import SETTING_TYPES, SettingType
from charrnn.errors import ConfigError
from charrnn.messages import did_you_mean

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage or config, 130 interrupted (SIGINT), "
    "141 broken pipe, 143 terminated (SIGTERM)."
)
#: The heading of the options that every command has.
GENERAL = "General options"

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # older versions of click have no type arguments
    _ParamType = click.ParamType

Examples = tuple[tuple[str, str], ...]
Decorator = Callable[[Any], Any]


class Option(click.Option):
    """An option that is listed under a heading of its command's help."""

    def __init__(self, *args: Any, heading: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


#: A space at which help texts are not wrapped.
_HARD_SPACE = "\N{NO-BREAK SPACE}"


def option(heading: str, *flags: str, help: str, shown: str = "", **kwargs: Any) -> Decorator:
    """An option listed under ``heading``.

    Args:
        shown: what the help shows as its default.
        kwargs: as for ``click.option``.
    """
    if shown:
        help += f"  [default: {shown}]".replace(": ", f":{_HARD_SPACE}")
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
        return super().get_help(ctx).replace(_HARD_SPACE, " ")

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        summary, _, details = inspect.cleandoc(self.help or "").partition("\n\n")
        formatter.write_text(" ".join(summary.split()))
        with formatter.section("Examples"):
            width = max(len(command) for command, _ in self.examples)
            for command, comment in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{command:<{width}}  # {comment}\n")
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
    """A command that knows which of its options changes a setting."""

    def invoke(self, ctx: click.Context) -> Any:
        if session := ctx.find_object(Session):
            session.option_for = self.option_for
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
                    return f"{param.opts[0]} {shlex.quote(value)}"
            elif isinstance(param.type, Override):
                override = param.opts[0]
        return f"{override} {shlex.quote(assignment)}" if override else assignment


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
            raise click.UsageError(f"unknown command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


class Value(_ParamType):
    """A value that is checked like a setting in a config file."""

    name = "value"

    def __init__(self, kind: SettingType) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from charrnn.config.sources import read_value

        try:
            return read_value(self.kind, value) if isinstance(value, str) else value
        except ConfigError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return [CompletionItem(v) for v in self.kind.values if v.startswith(incomplete)]


class Setting(Value):
    """The value of a setting, by its full name."""

    def __init__(self, setting: str) -> None:
        super().__init__(SETTING_TYPES[setting])
        self.setting = setting


class OneOfSeveral(Setting):
    """One string for a setting that is a list of them, with escapes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("must not be empty", param, ctx)
        return _unescaped(self, value, param, ctx)


class EscapedText(Setting):
    """A string with escapes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(_unescaped(self, value, param, ctx), param, ctx)


#: What may be typed for characters that are hard to type.
ESCAPES = {"n": "\n", "t": "\t", "\\": "\\"}


def _unescaped(
    kind: _ParamType, value: str, param: click.Parameter | None, ctx: click.Context | None
) -> str:
    """``value`` with its escapes replaced: a newline for backslash and n."""
    if value.startswith("$\\"):
        kind.fail("this shell does not know $'...'; leave out the $", param, ctx)

    def character(escape: re.Match[str]) -> str:
        if escape[1] not in ESCAPES:
            known = r"the escapes are \n, \t and \\ (a backslash)"
            kind.fail(f"'{escape[0]}' is no escape; {known}", param, ctx)
        return ESCAPES[escape[1]]

    return re.sub(r"\\(.?)", character, value, flags=re.DOTALL)


class SeveralNumbers(Setting):
    """One value for a setting, or several with commas between them, as a tuple."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and "," in value:
            return tuple(
                super(SeveralNumbers, self).convert(v, param, ctx) for v in value.split(",")
            )
        return super().convert(value, param, ctx)


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


class ConfigName(_ParamType):
    """A config file or the name of a preset."""

    name = "config"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        from charrnn.config.sources import presets

        # "file" comes first: bash forgets what was offered before it.
        names = [CompletionItem(name) for name in presets() if name.startswith(incomplete)]
        return [CompletionItem(incomplete, type="file"), *names]


class Override(_ParamType):
    """SECTION.KEY=VALUE; it is read together with the other settings."""

    name = "override"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        name, equals, value = incomplete.partition("=")
        if not equals:
            names = [name for name in SETTING_TYPES if name.startswith(incomplete)]
            return [CompletionItem(f"{n}=", help=SETTING_TYPES[n].help) for n in names]
        values = SETTING_TYPES[name].values if name in SETTING_TYPES else ()
        return [CompletionItem(f"{name}={v}") for v in values if v.startswith(value)]


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
