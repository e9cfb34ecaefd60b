"""Parameter types: check the values of options, and suggest corrections."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from charrnn.cli.threshold import Threshold
from charrnn.config.schema import SETTING_TYPES, Range, SettingType
from charrnn.errors import ConfigError
from charrnn.messages import quoted

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # older versions of click have no type arguments
    _ParamType = click.ParamType


class Value(_ParamType):
    """A value that is checked like a setting in a config file."""

    name = "value"

    def __init__(self, kind: SettingType) -> None:
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from charrnn.config.sources import read_value

        try:
            return read_value(self.kind, value) if isinstance(value, str) else value
        except ConfigError:
            pass
        try:
            # Null is not what was meant, so the message leaves it out.
            return read_value(dataclasses.replace(self.kind, optional=False), value)
        except ConfigError as error:
            meant = self.meant_by(value)
            hint = f"; did you mean {meant}?" if meant and not error.hint else ""
            self.fail(f"{error}{hint}", param, ctx)

    def meant_by(self, text: str) -> str | None:
        """The number that ``10k``, ``1,000``, ``1e5`` or ``0,5`` was meant for, if it is one."""
        number, factor = text, 1
        if re.fullmatch(r"\d{1,3}([,_]\d{3})+", text):
            number = re.sub("[,_]", "", text)
        elif re.fullmatch(r"\d+,\d+", text):
            number = text.replace(",", ".")
        elif text[-1:] in ("k", "K"):
            number, factor = text[:-1], 1000
        with contextlib.suppress(ValueError, OverflowError, ConfigError):
            meant = f"{float(number) * factor:.15g}"
            self.kind.check(self.kind.base(meant))
            return meant if meant != text else None
        return None

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return [CompletionItem(v) for v in self.kind.values if v.startswith(incomplete)]


class Setting(Value):
    """The value of a setting, by its full name."""

    def __init__(self, setting: str) -> None:
        super().__init__(SETTING_TYPES[setting])
        self.setting = setting

    def meant_by(self, text: str) -> str | None:
        units = {"s": 1 / 60, "m": 1.0, "h": 60.0}
        match = re.fullmatch(r"([\d.]+) ?(s|m|h)[a-z]*", text)
        if match and self.setting == "train.minutes":
            with contextlib.suppress(ValueError):
                return f"{float(match[1]) * units[match[2]]:.3g}"
        return super().meant_by(text)


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
            kind.fail(f"'{escape[0]}' is not an escape; {known}", param, ctx)
        return ESCAPES[escape[1]]

    return re.sub(r"\\(.?)", character, value, flags=re.DOTALL)


class SeveralNumbers(Setting):
    """One value for a setting, or several with commas between them, as a tuple."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and "," in value:
            convert = super().convert
            return tuple(convert(number, param, ctx) for number in value.split(","))
        return super().convert(value, param, ctx)


class Every(_ParamType):
    """How often something is due: in steps, in time or in shares of the run."""

    name = "every"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from charrnn.cli.samples import Interval

        try:
            return Interval.parse(value) if isinstance(value, str) else value
        except ConfigError as error:
            self.fail(str(error), param, ctx)


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


class ModelPath(click.Path):
    """A model file; one may be named in the environment, even if its name contains a colon."""

    def split_envvar_value(self, rv: str) -> list[str]:
        return [rv]


class Labelled(_ParamType):
    """LABEL=VALUE: a label and a file, or a number above 0."""

    name = "labelled"

    def __init__(self, what: str, number: bool = False) -> None:
        self._what = what
        self._kind = SettingType(float, range=Range(above=0.0, high=1e9)) if number else None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from charrnn.config.sources import read_value

        label, _, text = value.partition("=")
        if not (label.isprintable() and label and text):
            self.fail(f"must be a label, = and a {self._what}, not {quoted(value)}", param, ctx)
        try:
            return label, read_value(self._kind, text) if self._kind else text
        except ConfigError as error:
            self.fail(f"{label}: {error}", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        return []


class Level(_ParamType):
    """A threshold for lines: bits per character, or a percentile of held-out lines."""

    name = "threshold"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from charrnn.config.sources import read_value

        percentile = value.startswith("p")
        top = 100.0 if percentile else 1000.0
        kind = SettingType(float, range=Range(low=0.0, high=top))
        try:
            return Threshold(read_value(kind, value.removeprefix("p")), percentile)
        except ConfigError:
            self.fail(
                f"must be bits per character, such as 6, or a percentile, such as p99.9, not "
                f"{quoted(value)}",
                param,
                ctx,
            )


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
