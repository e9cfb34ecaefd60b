"""Strict YAML, assignments and the environment -> settings -> :class:`Config`.

YAML leaves a reader much to guess: ``1e-3`` is a string to it, ``010`` is eight,
``no`` is false, the last of two equal keys wins, and aliases unfold without bound.
Here nothing is guessed. Only nesting, order and raw text are taken from YAML; what
a text means is decided by the type that :mod:`charrnn.config` declares for its key.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from charrnn.config.schema import BUDGETS, SECTIONS, SETTING_TYPES, Config, SettingType
from charrnn.errors import ConfigError
from charrnn.messages import did_you_mean, printable, quoted
from charrnn.resources import folder

#: Values in their declared types, by full name: ``{"train.learning_rate": 0.05}``.
Settings = dict[str, Any]

# A config needs a few kilobytes, three levels and some forty values. These bounds
# leave room to spare and keep the worst of files under half a second.
SIZE_LIMIT = 64 * 1024
DEPTH_LIMIT = 8
NODE_LIMIT = 2000

# Leading zeros are octal to some readers of YAML and decimal to others: refused.
# Ninety-nine digits pass here, to be found out of range rather than misspelt.
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,98})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_PREFIXES = tuple(f"CHARRNN_{section.upper()}_" for section in SECTIONS)
_BUDGETS = tuple(f"train.{unit}" for unit in BUDGETS)
_BOM = "\ufeff"
_NULLS = ("", "~", "null", "none")


class _Loader(yaml.BaseLoader):
    """Composes nodes of raw text, and stops at the first thing no config needs.

    Each event is judged before its node is made, so a bomb costs what stands before it.
    """

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # untyped in the stubs
        self.nodes += 1
        self.depth += 1
        if problem := self._refusal(event, is_key=parent is not None and index is None):
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _refusal(self, event: Any, is_key: bool) -> str | None:
        if isinstance(event, yaml.AliasEvent):
            return "aliases are not allowed here; write the value again"
        if event.anchor is not None:
            return "anchors are not allowed here"
        if event.tag is not None:
            return "tags are not allowed here; each setting has a type of its own"
        if is_key and isinstance(event, yaml.ScalarEvent) and event.value == "<<":
            return "merge keys are not allowed here"
        if self.depth > DEPTH_LIMIT and isinstance(event, yaml.CollectionStartEvent):
            return f"nested more than {DEPTH_LIMIT} levels deep"
        if self.nodes > NODE_LIMIT:
            return f"more than {NODE_LIMIT:,} values"
        return None


def parse(data: bytes, name: str) -> Settings:
    """The settings in a YAML file's bytes; ``name`` is what messages call the file.

    Raises:
        ConfigError: one line, ``name:line:column: what is wrong``, for each problem found.
    """
    settings: Settings = {}
    problems: list[str] = []

    def report(node: yaml.Node, problem: str) -> None:
        mark = node.start_mark
        problems.append(f"{printable(name)}:{mark.line + 1}:{mark.column + 1}: {problem}")

    def entries(parent: yaml.Node | None, path: str) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """The (full name, key, value) of each entry below ``path``, without the repeated."""
        if parent is None or _is_null(parent):
            return
        if not isinstance(parent, yaml.MappingNode):
            what = f"{path}: must hold settings" if path else "must be sections such as 'train:'"
            return report(parent, f"{what}, not {_noun(parent)}")
        lines: dict[str, int] = {}
        for key, value in parent.value:
            if not isinstance(key, yaml.ScalarNode):
                report(key, f"a name must be a word, not {_noun(key)}")
                continue
            full = f"{path}.{key.value}" if path else key.value
            if full in lines:
                report(key, f"{printable(full)}: given twice, first in line {lines[full]}")
            else:
                lines[full] = key.start_mark.line + 1
                yield full, key, value

    for section, section_key, body in entries(_compose(data, printable(name)), ""):
        if section not in SECTIONS:
            report(section_key, f"{printable(section)}: unknown section{_nearest(section)}")
            continue
        for full, key, value in entries(body, section):
            if full not in SETTING_TYPES:
                report(key, f"{printable(full)}: unknown key{_nearest(full)}")
                continue
            try:
                settings[full] = SETTING_TYPES[full].check(_raw(SETTING_TYPES[full], value))
            except ValueError as error:
                report(value, f"{full}: {error}")
            if full in _BUDGETS and (problem := _two_budgets(settings)):
                report(key, problem)
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def _compose(data: bytes, name: str) -> yaml.Node | None:
    """The root node of the one document in ``data``; None if there is nothing in it."""
    if len(data) > SIZE_LIMIT:
        raise ConfigError(f"{name}: larger than {SIZE_LIMIT // 1024} KiB; is this a config file?")
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
        problem = ", ".join(filter(None, (error.context, error.problem)))
    except yaml.reader.ReaderError as error:
        place = _place(text[: error.position])
        problem = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
    # Faults of PyYAML's own come in any kind: OverflowError for an escaped character beyond
    # Unicode's last, ValueError for a version number of thousands of digits.
    except Exception:
        place = f"{loader.line + 1}:{loader.column + 1}" if loader else ""
        problem = "cannot be read as YAML"
    where = f"{name}:{place}" if place else name
    raise ConfigError(f"{where}: {printable(problem)}")


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
    """A node's value, as far as its kind lets the text be something else than text."""
    if isinstance(node, yaml.ScalarNode):
        if node.style is None or kind.base in (str, tuple):
            return _convert(kind, node.value)
        raise ValueError(f"must be {kind.noun}, not the quoted {_noun(node)}")
    if isinstance(node, yaml.SequenceNode) and kind.base is tuple:
        return [_raw(SettingType(str), item) for item in node.value]
    raise ValueError(f"must be {kind.noun}, not {_noun(node)}")


def _convert(kind: SettingType, text: str) -> Any:
    """``text`` in the declared type; where that fails, the text, for the check to refuse."""
    if kind.optional and text in _NULLS:
        return None
    if kind.base is bool and text in ("true", "false"):
        return text == "true"
    if kind.base is int and _INT.fullmatch(text):
        return int(text)
    if kind.base is float and _FLOAT.fullmatch(text):
        return float(text)
    return text


def _nearest(name: str) -> str:
    """``; did you mean 'x'?`` for an unknown section, key or full name; or nothing."""
    section, _, key = name.rpartition(".")
    siblings = [k.partition(".")[2] for k in SETTING_TYPES if k.startswith(f"{section}.")]
    if near := did_you_mean(key, siblings or SECTIONS):
        return near
    # Right key, wrong section; or no section at all, and the key misspelt as well.
    elsewhere = [k for k in SETTING_TYPES if k.endswith(f".{key}")]
    return (
        did_you_mean(elsewhere[0], elsewhere)
        if elsewhere
        else did_you_mean(name, () if siblings else SETTING_TYPES)
    )


def read_value(name: str, text: str) -> Any:
    """The value that ``text`` gives the setting called ``name``.

    Raises:
        ValueError: the text is of the wrong type or out of range; the message says how.
    """
    return SETTING_TYPES[name].check(_convert(SETTING_TYPES[name], text))


def override(text: str) -> tuple[str, Any]:
    """The name and the value in an assignment such as ``train.learning_rate=0.05``.

    Raises:
        ConfigError: the name is unknown, or the value of the wrong type or out of range.
    """
    name, equals, value = text.partition("=")
    try:
        if not equals or name in (*SECTIONS, ""):
            raise ValueError("give it as SECTION.KEY=VALUE")
        if name not in SETTING_TYPES:
            raise ValueError(f"unknown key{_nearest(name)}")
        return name, read_value(name, value)
    except ValueError as error:
        raise ConfigError(f"{printable(name)}: {error}") from None


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings in variables such as ``CHARRNN_TRAIN_LEARNING_RATE``.

    Variables that begin with no section's name, as ``CHARRNN_MODEL``, are left to others,
    unless they look like misspelt ones.

    Raises:
        ConfigError: a line for each variable that is unknown or whose value is wrong.
    """
    names = {f"CHARRNN_{name.replace('.', '_').upper()}": name for name in SETTING_TYPES}
    settings: Settings = {}
    problems: list[str] = []
    for variable, text in sorted(environ.items()):
        if name := names.get(variable):
            try:
                settings[name] = read_value(name, text)
            except ValueError as error:
                problems.append(f"{variable}: {error}")
        elif problem := _misspelt(variable, names):
            problems.append(f"{printable(variable)}: {problem}")
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def _misspelt(variable: str, names: Iterable[str]) -> str | None:
    """What is wrong with a variable that is no setting's, if it seems to be meant as one."""
    before = next((p for p in _PREFIXES if variable.startswith(p)), "CHARRNN_")
    if variable == "CHARRNN_MODEL" or not variable.startswith(before):
        return None
    known = [n[len(before) :] for n in (*names, "CHARRNN_MODEL") if n.startswith(before)]
    # Within a section anything is meant as a setting; elsewhere only what is much like one:
    # two letters changed about, even in a word of five, are 0.8 alike.
    likeness = 0.6 if before in _PREFIXES else 0.8
    near = did_you_mean(variable.removeprefix(before), known, prefix=before, similarity=likeness)
    return f"unknown setting{near}" if near or before in _PREFIXES else None


def _two_budgets(settings: Settings) -> str | None:
    given = [name for name in _BUDGETS if settings.get(name) is not None]
    return f"give only one of {' and '.join(given)}" if len(given) > 1 else None


def build(*layers: Settings) -> Config:
    """The config that the layers make on top of the defaults; later layers win.

    The three budgets are one setting in three units: a layer that gives one
    takes back those of the layers below it.

    Raises:
        ConfigError: a name is unknown, a value is wrong, or two values are at odds.
    """
    merged: Settings = {}
    for layer in layers:
        if problem := _two_budgets(layer):
            raise ConfigError(problem)
        if any(layer.get(name) is not None for name in _BUDGETS):
            merged |= dict.fromkeys(_BUDGETS)
        merged |= layer
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for name, value in merged.items():
        if name not in SETTING_TYPES:
            raise ConfigError(f"{printable(name)}: unknown setting{_nearest(name)}")
        section, _, key = name.partition(".")
        sections[section][key] = value
    made: dict[str, Any] = {name: SECTIONS[name](**given) for name, given in sections.items()}
    return Config(**made)


def with_settings(config: Config, settings: Mapping[str, Any]) -> Config:
    """``config`` with settings of its model, data and train sections, given by bare name.

    Raises:
        ConfigError: a name is in none of the three sections, or a value is wrong.
    """
    sections = ("model.", "data.", "train.")
    full = {name.partition(".")[2]: name for name in SETTING_TYPES if name.startswith(sections)}
    if unknown := [name for name in settings if name not in full]:
        raise ConfigError(
            f"{printable(unknown[0])}: unknown setting{did_you_mean(unknown[0], full)}"
        )
    return build(flatten(config), {full[name]: value for name, value in settings.items()})


def flatten(config: Config) -> Settings:
    """Every setting of a config by its full name."""
    sections = config.to_dict().items()
    return {f"{section}.{key}": value for section, keys in sections for key, value in keys.items()}


def dump(config: Config) -> str:
    """YAML that parses and builds to an equal config, each key with its help.

    Texts too long for a config file make one that :func:`parse` refuses for its size.
    """
    blocks = []
    for section, values in config.to_dict().items():
        block = f"{section}:\n"
        for key, value in values.items():
            kind = SETTING_TYPES[f"{section}.{key}"]
            block += f"  {key}: {_yaml(kind, value)}  # {kind.metadata['help']}\n"
        blocks.append(block)
    return "\n".join(blocks)


def _yaml(kind: SettingType, value: Any) -> str:
    if value is None:
        return "null"
    if kind.base is tuple:
        return f"[{', '.join(_yaml(SettingType(str), item) for item in value)}]"
    if kind.base is str and not kind.choices:
        # Wide enough never to be folded: one setting, one line.
        quoted: str = yaml.safe_dump(
            value, default_style='"', allow_unicode=True, width=sys.maxsize
        )
        return quoted.rstrip("\n")
    return str(value).lower() if kind.base is bool else str(value)


def presets() -> list[str]:
    """The names of the configs that come with charrnn."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder("configs").iterdir()
        if entry.name.endswith(".yaml")
    )


def find(name: str) -> tuple[bytes, str]:
    """The bytes of a config, and what to call it: a file's path, or else a preset's name."""
    try:
        with open(name, "rb") as file:
            # One byte more than allowed is enough to see that a file is too large.
            return file.read(SIZE_LIMIT + 1), name
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        absent = isinstance(error, (FileNotFoundError, IsADirectoryError))
        missing = isinstance(error, FileNotFoundError)
    known = presets()
    if absent and name in known:
        return (folder("configs") / f"{name}.yaml").read_bytes(), f"{name}.yaml"
    if missing and not os.path.dirname(name) and not name.endswith((".yaml", ".yml")):
        reason = f"no such file or preset; presets: {', '.join(known)}{did_you_mean(name, known)}"
    else:
        reason += "; give a YAML file or the name of a preset"
    raise ConfigError(f"{printable(name) or repr(name)}: {reason}")
