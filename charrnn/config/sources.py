"""YAML files, assignments and the environment -> settings -> :class:`Config`.

YAML readers guess: ``1e-3`` is a string, ``010`` is eight, ``no`` is false, the last of two
equal keys wins, and aliases expand without limit. Here nothing is guessed: YAML only provides
nesting and raw text, and the type that :mod:`charrnn.config.schema` declares for a key decides
what its text means.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from charrnn.config.schema import (
    ALWAYS,
    BUDGET_SETTINGS,
    SECTIONS,
    SETTING_TYPES,
    Config,
    SettingType,
    budget_conflict,
    suggestion,
)
from charrnn.errors import CharRNNError, ConfigError
from charrnn.messages import did_you_mean, path_name, printable, quoted, similar_file, system_reason
from charrnn.resources import folder

#: Values in their declared types, by full name: ``{"train.learning_rate": 0.05}``.
Settings = dict[str, Any]

# A config needs a few kilobytes, three levels and about forty values. These limits leave ample
# room, and any file that is given by mistake is rejected at once.
SIZE_LIMIT = 64 * 1024
DEPTH_LIMIT = 8
NODE_LIMIT = 2000

# A leading zero means octal to some YAML readers and nothing to others, so it is rejected.
# Up to 99 digits are read, so that a number too large is reported as such.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,98})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_PREFIXES = tuple(f"CHARRNN_{section.upper()}_" for section in SECTIONS)
_BOM = "\ufeff"
_NULLS = ("", "~", "null", "none")

# Mistakes in YAML: what PyYAML says of them, and what is probably wrong.
_SYNTAX = (
    ("found character '\\t'", "a tab; indent with spaces"),
    ("mapping values", "an unexpected ':'; check the indentation, and quote text that has a ': '"),
    ("could not find expected ':'", "a ':' with a space after it is missing on the line above"),
    ("unknown escape", "an unknown escape; use single quotes where a backslash is meant"),
    ("while scanning a quoted scalar", "a quote that is not closed"),
    ("while parsing a flow sequence", "a list that is not closed with ']', or a missing ','"),
    ("while parsing a flow mapping", "a mapping that is not closed with '}', or a missing ','"),
    ("while parsing a block", "this does not fit what is above it; check the indentation"),
    ("expected a single document", "a second document; put all settings into one"),
    ("cannot start any token", "a value cannot begin like this; put it in quotes"),
)

# Layout of a written config: comments begin in this column, and end before that one.
_COMMENT_COLUMN = 26
_WIDTH = 100


class _Loader(yaml.BaseLoader):
    """Composes nodes of raw text, and stops at the first thing that no config needs.

    Each event is checked before its node is made, so that nothing is ever expanded.
    """

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # untyped in the stubs
        self.nodes += 1
        self.depth += 1
        if problem := self._problem(event, is_key=parent is not None and index is None):
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _problem(self, event: Any, is_key: bool) -> str | None:
        if isinstance(event, yaml.AliasEvent):
            return "aliases are not allowed here; write the value again"
        if event.anchor is not None:
            return "anchors are not allowed here"
        if event.tag is not None:
            return "tags are not allowed here; each setting has a fixed type"
        if is_key and isinstance(event, yaml.ScalarEvent) and event.value == "<<":
            return "merge keys are not allowed here"
        if self.depth > DEPTH_LIMIT and isinstance(event, yaml.CollectionStartEvent):
            return f"nested more than {DEPTH_LIMIT} levels deep"
        if self.nodes > NODE_LIMIT:
            return f"more than {NODE_LIMIT:,} values"
        return None


class _Reader:
    """Turns the nodes of a config file into settings, and collects what is wrong with it.

    Args:
        name: what messages call the file.
    """

    def __init__(self, name: str) -> None:
        self._name = printable(name)
        self.settings: Settings = {}
        self.problems: list[ConfigError] = []

    def read(self, root: yaml.Node | None) -> None:
        """Read all sections."""
        for name, key, body in self._entries(root, ""):
            if name in SECTIONS:
                self._section(name, body)
            else:
                unknown = ConfigError(f"{printable(name)}: unknown section", suggestion(name))
                self._report(key, unknown)

    def _section(self, section: str, body: yaml.Node) -> None:
        for name, key, node in self._entries(body, section):
            if name not in SETTING_TYPES:
                unknown = ConfigError(f"{printable(name)}: unknown key", suggestion(name))
                self._report(key, unknown)
                continue
            kind = SETTING_TYPES[name]
            try:
                self.settings[name] = kind.check(_raw(kind, node))
            except ConfigError as error:
                self._report(node, error.at(name))
            if name in BUDGET_SETTINGS and (problem := budget_conflict(self.settings)):
                self._report(key, ConfigError(problem))

    def _entries(
        self, parent: yaml.Node | None, path: str
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """The (full name, key, value) of each entry below ``path``; the first of equal ones."""
        if parent is None or _is_null(parent):
            return
        if not isinstance(parent, yaml.MappingNode):
            what = (
                f"{path}: must hold settings" if path else "must contain sections such as 'train:'"
            )
            return self._report(parent, ConfigError(f"{what}, not {_noun(parent)}"))
        lines: dict[str, int] = {}
        for key, value in parent.value:
            if not isinstance(key, yaml.ScalarNode):
                self._report(key, ConfigError(f"a name must be a word, not {_noun(key)}"))
                continue
            name = f"{path}.{key.value}" if path else key.value
            if name in lines:
                twice = f"{printable(name)}: given twice, first on line {lines[name]}"
                self._report(key, ConfigError(twice))
            else:
                lines[name] = key.start_mark.line + 1
                yield name, key, value

    def _report(self, node: yaml.Node, problem: CharRNNError) -> None:
        mark = node.start_mark
        where = f"{self._name}:{mark.line + 1}:{mark.column + 1}"
        self.problems.append(ConfigError(f"{where}: {problem.message}", problem.hint))


def parse(data: bytes, name: str) -> Settings:
    """The settings in a YAML file's bytes; ``name`` is what messages call the file.

    Raises:
        ConfigError: a line for each problem: ``name:line:column: what is wrong``.
    """
    reader = _Reader(name)
    reader.read(_compose(data, printable(name)))
    _raise_all(reader.problems)
    return reader.settings


def _raise_all(problems: list[ConfigError]) -> None:
    """Raise one error with a line for each of ``problems``, if there are any."""
    if problems:
        raise ConfigError("\n".join(map(str, problems)))


def _compose(data: bytes, name: str) -> yaml.Node | None:
    """The root node of the one document in ``data``; None if it is empty."""
    if len(data) > SIZE_LIMIT:
        raise ConfigError(
            f"{name}: larger than {SIZE_LIMIT // 1024} KiB", "is this really a config file?"
        )
    try:
        text = data.decode().removeprefix(_BOM)
    except UnicodeDecodeError as error:
        place = _place(data[: error.start].decode().removeprefix(_BOM))
        raise ConfigError(f"{name}:{place}: invalid UTF-8 at byte {error.start:,}") from None
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = _in_our_words(", ".join(filter(None, (error.context, error.problem))))
    except yaml.reader.ReaderError as error:
        place = _place(text[: error.position])
        problem = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
    # PyYAML has bugs that raise anything: OverflowError for an escape beyond the last code point
    # of Unicode, ValueError for a version number of thousands of digits.
    except Exception:
        place = f"{loader.line + 1}:{loader.column + 1}" if loader else ""
        problem = "cannot be read as YAML"
    where = f"{name}:{place}" if place else name
    raise ConfigError(f"{where}: {printable(problem)}")


def _in_our_words(problem: str) -> str:
    """What is wrong with YAML, as somebody who wrote a config would say it."""
    return next((ours for theirs, ours in _SYNTAX if theirs in problem), problem)


def _place(before: str) -> str:
    """``line:column`` of what follows the text ``before``."""
    lines = (before + "|").splitlines()
    return f"{len(lines)}:{len(lines[-1])}"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS


def _noun(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return quoted(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _raw(kind: SettingType, node: yaml.Node) -> Any:
    """The value of a node: converted if its text can be, else for ``kind.check`` to reject."""
    if isinstance(node, yaml.ScalarNode):
        if node.style is None or kind.base in (str, tuple):
            return _convert(kind, node.value)
        raise ConfigError(f"must be {kind.noun}, not the quoted {_noun(node)}")
    if isinstance(node, yaml.SequenceNode) and kind.base is tuple:
        return [_raw(SettingType(str), item) for item in node.value]
    raise ConfigError(f"must be {kind.noun}, not {_noun(node)}")


def _convert(kind: SettingType, text: str) -> Any:
    """``text`` in the declared type; as it is, if it cannot be converted."""
    if kind.optional and text in _NULLS:
        return None
    if kind.base is bool and text in ("true", "false"):
        return text == "true"
    if kind.base is int and _INT.fullmatch(text):
        return int(text)
    if kind.base is float and _FLOAT.fullmatch(text):
        return float(text)
    return text


def read_value(kind: SettingType, text: str) -> Any:
    """The value that ``text`` is written for.

    Raises:
        ConfigError: it has the wrong type or is out of range.
    """
    return kind.check(_convert(kind, text))


def override(text: str) -> tuple[str, Any]:
    """The name and the value in an assignment such as ``train.learning_rate=0.05``.

    Raises:
        ConfigError: the name is unknown, or the value has the wrong type or is out of range.
    """
    name, equals, value = text.partition("=")
    if not equals or name in (*SECTIONS, ""):
        raise ConfigError(f"{printable(name)}: give it as SECTION.KEY=VALUE")
    if name not in SETTING_TYPES:
        raise ConfigError(f"{printable(name)}: unknown key", suggestion(name))
    try:
        return name, read_value(SETTING_TYPES[name], value)
    except ConfigError as error:
        raise error.at(name) from None


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings in variables such as ``CHARRNN_TRAIN_LEARNING_RATE``.

    Variables without the name of a section, such as ``CHARRNN_MODEL``, are ignored, unless
    they look like misspelt settings.

    Raises:
        ConfigError: a line for each variable that is unknown or has a wrong value.
    """
    names = {f"CHARRNN_{name.replace('.', '_').upper()}": name for name in SETTING_TYPES}
    settings: Settings = {}
    problems: list[ConfigError] = []
    for variable, text in sorted(environ.items()):
        if name := names.get(variable):
            try:
                settings[name] = read_value(SETTING_TYPES[name], text)
            except ConfigError as error:
                problems.append(ConfigError(f"{variable}: {error.message}", error.hint))
        elif problem := _unknown_variable(variable, names):
            problems.append(problem)
    _raise_all(problems)
    return settings


def _unknown_variable(variable: str, names: Iterable[str]) -> ConfigError | None:
    """The error for a variable that is not a setting but seems to be meant as one."""
    prefix = next((p for p in _PREFIXES if variable.startswith(p)), "CHARRNN_")
    if variable == "CHARRNN_MODEL" or not variable.startswith(prefix):
        return None
    known = [n[len(prefix) :] for n in (*names, "CHARRNN_MODEL") if n.startswith(prefix)]
    # With the name of a section, a variable must be meant as a setting; without it, it must be
    # very close to one: swapping two of five letters leaves a similarity of 0.8.
    in_section = prefix in _PREFIXES
    similarity = 0.6 if in_section else 0.8
    hint = did_you_mean(variable.removeprefix(prefix), known, prefix=prefix, similarity=similarity)
    if not (hint or in_section):
        return None
    return ConfigError(f"{printable(variable)}: unknown setting", hint)


def build(*layers: Settings) -> Config:
    """The config that layers of settings make on top of the defaults; later layers win.

    Minutes, epochs and steps are one setting in three units: a layer that gives one of them
    replaces what the layers below it give.

    Raises:
        ConfigError: a name is unknown, a value is wrong, or two settings contradict each other.
    """
    merged: Settings = {}
    for layer in layers:
        if problem := budget_conflict(layer):
            raise ConfigError(problem)
        if any(layer.get(name) is not None for name in BUDGET_SETTINGS):
            merged |= dict.fromkeys(BUDGET_SETTINGS)
        merged |= layer
    sections: dict[str, Settings] = {}
    for name, value in merged.items():
        section, _, key = name.partition(".")
        if not key:
            raise ConfigError(f"{printable(name)}: unknown setting", suggestion(name))
        sections.setdefault(section, {})[key] = value
    return Config(**sections)


def with_settings(config: Config, settings: Mapping[str, Any]) -> Config:
    """``config`` with settings of its model, data and train sections changed.

    Args:
        settings: by their names without the section, such as ``{"hidden_size": 64}``.

    Raises:
        ConfigError: a name is in none of the three sections, or a value is wrong.
    """
    sections = ("model.", "data.", "train.")
    full = {name.partition(".")[2]: name for name in SETTING_TYPES if name.startswith(sections)}
    for name in settings:
        if name not in full:
            raise ConfigError(f"{printable(name)}: unknown setting", did_you_mean(name, full))
    return build(flatten(config), {full[name]: value for name, value in settings.items()})


def flatten(config: Config) -> Settings:
    """Every setting of a config by its full name."""
    sections = config.to_dict().items()
    return {f"{section}.{key}": value for section, keys in sections for key, value in keys.items()}


def to_document(config: Config) -> dict[str, dict[str, Any]]:
    """A config as a model file holds it, so that older settings make the same file as ever."""
    return {
        section: {k: v for k, v in keys.items() if v != SETTING_TYPES[f"{section}.{k}"].absent}
        for section, keys in config.to_dict().items()
    }


def from_document(document: Mapping[str, Mapping[str, Any]]) -> Config:
    """Undo :func:`to_document`.

    Raises:
        ConfigError: as :func:`build`.
    """
    absent = {n: kind.absent for n, kind in SETTING_TYPES.items() if kind.absent is not ALWAYS}
    sections = document.items()
    stored = {f"{section}.{key}": v for section, keys in sections for key, v in keys.items()}
    return build(absent, stored)


def dump(config: Config) -> str:
    """YAML that parses and builds to an equal config, each setting with its explanation.

    If the strings in a config take more than :data:`SIZE_LIMIT` bytes, :func:`parse` rejects
    the result.
    """
    return "\n".join(
        f"{section}:\n"
        + "".join(_entry(key, SETTING_TYPES[f"{section}.{key}"], values[key]) for key in values)
        for section, values in config.to_dict().items()
    )


def _entry(key: str, kind: SettingType, value: Any) -> str:
    """The lines of one setting: its value at the left, what it is and why at the right."""
    null = f"; null: {kind.null}" if kind.null else ""
    comments = [*_wrapped(f"{kind.help}{null}"), *_wrapped(kind.why)]
    entry = f"  {key}: {_yaml(kind, value)}"
    if len(entry) > _COMMENT_COLUMN - 2:  # too long for a comment beside it
        comments.insert(0, "")
    entries = [entry, *[""] * (len(comments) - 1)]
    return "".join(
        f"{left:<{_COMMENT_COLUMN}}# {comment}\n" if comment else f"{left}\n"
        for left, comment in zip(entries, comments, strict=True)
    )


def _wrapped(comment: str) -> list[str]:
    return textwrap.wrap(comment, _WIDTH - _COMMENT_COLUMN - 2, break_on_hyphens=False)


def _yaml(kind: SettingType, value: Any) -> str:
    if value is None:
        return "null"
    if kind.base is tuple:
        return f"[{', '.join(_yaml(SettingType(str), item) for item in value)}]"
    if kind.base is str and not kind.choices:
        # Wide enough never to be folded: one setting, one line.
        text: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=sys.maxsize)
        return text.rstrip("\n")
    return str(value).lower() if kind.base is bool else str(value)


def presets() -> list[str]:
    """The names of the configs that come with charrnn."""
    names = (entry.name for entry in folder("configs").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def find(name: str) -> tuple[bytes, str]:
    """The bytes of a config, and what messages call it: a file, or else a preset.

    Raises:
        ConfigError: there is no such file or preset, or it cannot be read.
    """
    try:
        with open(name, "rb") as file:
            # One byte more than allowed is enough to see that a file is too large.
            return file.read(SIZE_LIMIT + 1), name
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = system_reason(error)
        absent = isinstance(error, (FileNotFoundError, IsADirectoryError))
        missing = isinstance(error, FileNotFoundError)
    known = presets()
    if absent and name in known:
        return (folder("configs") / f"{name}.yaml").read_bytes(), f"{name}.yaml"
    if missing and not os.path.dirname(name) and not name.endswith((".yaml", ".yml")):
        hint = did_you_mean(name, known) or f"presets: {', '.join(known)}"
        raise ConfigError(f"{path_name(name)}: no such file or preset", hint)
    hint = (similar_file(name) if missing else None) or "give a YAML file or the name of a preset"
    raise ConfigError(f"{path_name(name)}: {reason}", hint)
