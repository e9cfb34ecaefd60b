"""Every setting: its type, its range, its default and the reason for it.

The dataclasses are frozen: a configuration is a value. They check themselves when they are
made, so a :class:`Config` that exists can be trained. ``configs/default.yaml`` and the help of
the command line are written from the texts here; measurements behind the defaults are in
``docs/design/tuning.md``. Reading YAML is the job of :mod:`charrnn.config.sources`.
"""

# Fields are made by number() and setting(), which only call dataclasses.field.
# ruff: noqa: RUF009
from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from charrnn.errors import ConfigError
from charrnn.messages import did_you_mean, printable, quoted

Cell = Literal["rnn", "lstm", "gru"]
Init = Literal["uniform", "normal"]
Unit = Literal["char", "byte", "word"]
Optimizer = Literal["sgd", "adagrad", "rmsprop", "adam"]
Schedule = Literal["constant", "cosine", "exponential"]
Reduction = Literal["mean", "sum"]
Unknown = Literal["error", "skip"]
ScoredUnknown = Literal["error", "skip", "score"]
Errors = Literal["strict", "replace", "skip"]
HeldOut = Literal["end", "scattered"]

#: In place of what its absence means, for a setting that every model file holds.
ALWAYS: Any = object()

#: The three units in which the length of a run can be given; one at a time.
BUDGETS = ("minutes", "epochs", "steps")
#: Their full names.
BUDGET_SETTINGS = tuple(f"train.{unit}" for unit in BUDGETS)


@dataclass(frozen=True)
class Range:
    """The numbers that a setting accepts: from ``low`` to ``high``, or between open ends."""

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def problem(self, value: float) -> str | None:
        """What is wrong with ``value``, or None. NaN and infinity are in no range."""
        # An int may be too large for isfinite.
        if isinstance(value, float) and not math.isfinite(value):
            return "must be a finite number"
        if self.low is not None and value < self.low:
            return f"must be at least {_bound(self.low)}"
        if self.high is not None and value > self.high:
            return f"must be at most {_bound(self.high)}"
        if self.above is not None and value <= self.above:
            return f"must be greater than {_bound(self.above)}"
        if self.below is not None and value >= self.below:
            return f"must be less than {_bound(self.below)}"
        return None


def _bound(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:,.15g}"


def setting(
    default: Any,
    help: str,
    why: str,
    *,
    null: str = "",
    range: Range | None = None,
    validate: Callable[[str], str | None] | None = None,
    suggested: tuple[str, ...] = (),
    absent: Any = ALWAYS,
) -> Any:
    """A field of a section; the arguments become those of its :class:`SettingType`."""
    metadata: dict[str, Any] = {"help": help, "why": why, "null": null, "range": range}
    metadata |= {"validate": validate, "suggested": suggested, "absent": absent}
    return field(default=default, metadata=metadata | {"default": default})


def number(
    default: Any,
    help: str,
    why: str,
    *,
    null: str = "",
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    absent: Any = ALWAYS,
) -> Any:
    """A field that is a number in a :class:`Range`."""
    between = Range(low, high, above, below)
    return setting(default, help, why, null=null, range=between, absent=absent)


def unknown_encoding(name: str) -> str | None:
    """What is wrong with an encoding called ``name``, or None if Python has it."""
    try:
        "".encode(name)  # unlike codecs.lookup, this rejects base64 and other non-text codecs
    except (LookupError, ValueError):  # ValueError: a NUL or a lone surrogate in the name
        return "must be an encoding that Python knows, such as utf-8 or latin-1"
    return None


_NOUNS = {
    int: "a whole number like 64",
    float: "a number",
    bool: "true or false",
    str: "a string",
    tuple: "a list of strings",
}


@dataclass(frozen=True)
class SettingType:
    """What one setting accepts, and its documentation.

    Attributes:
        base: int, float, bool, str, or tuple for a list of strings.
        optional: whether it may be None (``null`` in YAML).
        choices: the strings that it accepts, if there are only a few.
        words: strings that it accepts in place of a number.
        default: its value if nobody gives one.
        help: what it is, in a phrase.
        why: the reason for its default, in sentences.
        null: what None means.
        range: the numbers that it accepts.
        validate: says what is wrong with a string, or returns None.
        suggested: strings with a meaning of their own, where it accepts any string.
        absent: its value in a model file that lacks it, for a setting that is younger than the
            first model files. It is stored only where it differs.
    """

    base: type
    optional: bool = False
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    default: Any = None
    help: str = ""
    why: str = ""
    null: str = ""
    range: Range | None = None
    validate: Callable[[str], str | None] | None = None
    suggested: tuple[str, ...] = ()
    absent: Any = ALWAYS

    @classmethod
    def of(cls, hint: Any, metadata: Mapping[str, Any]) -> SettingType:
        """From a declared type.

        That is ``int | None``, ``int | Literal[...]``, ``Literal[...]`` or ``tuple[str, ...]``.
        """
        args = typing.get_args(hint)
        if type(None) in args:
            return dataclasses.replace(cls.of(args[0], metadata), optional=True)
        if typing.get_origin(hint) is Literal:
            return cls(str, choices=args, **metadata)
        if args and typing.get_origin(args[-1]) is Literal:
            return dataclasses.replace(cls.of(args[0], metadata), words=typing.get_args(args[-1]))
        return cls(typing.get_origin(hint) or hint, **metadata)

    @property
    def values(self) -> tuple[str, ...]:
        """The values to offer while one is typed; nothing where there are too many."""
        if self.base is bool:
            return ("true", "false")
        return self.choices or self.words or self.suggested

    @property
    def noun(self) -> str:
        """The type in words."""
        noun = "one of " + ", ".join(self.choices) if self.choices else _NOUNS[self.base]
        noun = " or ".join((noun, *self.words))
        return "null or " + noun if self.optional else noun

    def check(self, value: Any) -> Any:
        """``value`` as a plain instance of the declared type.

        Raises:
            ConfigError: the type or the range is wrong; the message says what it must be.
        """
        if value is None and self.optional:
            return None
        if self.base is tuple:
            return self._strings(value)
        if isinstance(value, str) and value in self.words:
            return value
        accepted = (int, float) if self.base is float else self.base
        # bool is a subclass of int, but `hidden_size: true` is a mistake.
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.base is not bool):
            raise ConfigError(f"must be {self.noun}, not {quoted(value)}")
        if self.choices and value not in self.choices:
            hint = did_you_mean(str(value), self.choices)
            raise ConfigError(f"must be {self.noun}, not {quoted(value)}", hint)
        if problem := self._problem(value):
            shown = f"{value:.15g}" if isinstance(value, float) else quoted(value)
            raise ConfigError(f"{problem}, not {shown}")
        # NumPy numbers, and ints given for floats, print and compare differently.
        return self.base(value)

    def _problem(self, value: Any) -> str | None:
        if self.range:
            return self.range.problem(value)
        if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
            return "must be text that can be encoded as UTF-8"
        return self.validate(value) if self.validate else None

    def _strings(self, value: Any) -> tuple[str, ...]:
        """A list of strings; a single string is a list of one, an empty string an empty list."""
        if isinstance(value, str):
            value = [value] if value else []
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"must be {self.noun}, not {quoted(value)}")
        if "" in value:
            raise ConfigError("must not contain an empty string")
        return tuple(SettingType(str).check(item) for item in value)


@dataclass(frozen=True)
class _Section:
    """Checks the types and ranges of a section's settings.

    Raises:
        ConfigError: naming the setting, its value and what it must be.
    """

    def __post_init__(self) -> None:
        name = type(self).__name__.removesuffix("Config").lower()
        for f in dataclasses.fields(self):
            try:
                value = SETTING_TYPES[f"{name}.{f.name}"].check(getattr(self, f.name))
            except ConfigError as error:
                raise error.at(f"{name}.{f.name}") from None
            object.__setattr__(self, f.name, value)  # frozen from here on
        self.check()

    def check(self) -> None:
        """Check that the settings of the section fit together."""


@dataclass(frozen=True)
class ModelConfig(_Section):
    """The network, and the n-gram model that it is mixed with."""

    cell: Cell = setting(
        "lstm",
        "recurrent cell: rnn, lstm or gru",
        "The gates of an LSTM let it remember across words and lines.",
    )
    hidden_size: int | None = number(
        None,
        "units per layer",
        "The rule and the measurements behind it: docs/design/tuning.md.",
        null="chosen from the cell, the budget and the length of the text",
        low=1,
        high=65536,
    )
    num_layers: int = number(
        1,
        "recurrent layers, stacked",
        "One wide layer learns more per minute on a CPU than two narrow ones.",
        low=1,
        high=64,
    )
    dropout: float | None = number(
        None,
        "share of activations dropped",
        "Between layers and before the output; helps if the text is read many times.",
        null="chosen from the cell, the budget and the length of the text",
        low=0.0,
        below=1.0,
    )
    locked_dropout: bool = setting(
        False,
        "drop the same units at all time steps of a window (Gal & Ghahramani)",
        "Off: plain dropout chooses new units at each time step.",
    )
    weight_dropout: float | None = number(
        None,
        "share of the recurrent weights dropped (weight-dropped LSTM, Merity et al.)",
        "Drawn anew for each window; helps if the text is read many times.",
        null="chosen with the dropout; none if that is given",
        low=0.0,
        below=1.0,
        absent=0.0,
    )
    init: Init = setting(
        "uniform",
        "initial weights: uniform (in +-1/sqrt(fan-in)) or normal",
        "With uniform, activations have the same scale at any width.",
    )
    init_scale: float = number(
        0.01,
        "standard deviation of normal initial weights",
        "The value of min-char-rnn. Only used if init is normal.",
        above=0.0,
        high=10.0,
    )
    ngram_order: int | None = number(
        None,
        "longest n-grams of the model that the network is mixed with; 0: the network alone",
        "The two together predict better than either: docs/design/mixing.md.",
        null="chosen",
        low=0,
        high=32,
        absent=0,
    )
    ngram_weight: float | None = number(
        None,
        "share of the n-gram model in the mixed probability",
        "What predicts the held-out part best depends on the text and on the network.",
        null="fitted on the held-out part",
        low=0.0,
        high=1.0,
        absent=None,
    )


@dataclass(frozen=True)
class DataConfig(_Section):
    """How text becomes symbols, and which part of it is held out."""

    unit: Unit = setting(
        "char",
        "unit that the model reads and writes: char (a Unicode code point), byte or word",
        "Use byte for text in a mixed or unknown encoding. Words: docs/words.md.",
    )
    vocab_size: int = number(
        8000,
        "words that a model of words knows, the most frequent ones; all others are one symbol",
        "As in most tutorials. More know more names, and take time in proportion.",
        low=10,
        high=500_000,
        absent=8000,
    )
    encoding: str = setting(
        "utf-8",
        "encoding of text files; ignored if unit is byte",
        "Invalid bytes are an error; they are never silently replaced.",
        validate=unknown_encoding,
    )
    val_fraction: float = number(
        0.1,
        "share of the text held out for validation",
        "A tenth, as in most published results.",
        low=0.0,
        high=0.9,
    )
    val_split: HeldOut | None = setting(
        None,
        "which part is held out: the end of the text, or records scattered over it",
        "A list is often sorted; its end is then unlike the rest.",
        null="scattered for records, the end of one text",
        absent="end",
    )
    min_count: int = number(
        1,
        "characters, or words, that occur fewer times than this are replaced by one symbol, U+FFFD",
        "1 keeps all. Raise it for texts with thousands of different characters.",
        low=1,
        high=10**9,
        absent=1,
    )
    records: str = setting(
        "none",
        "what ends a record, a separate text: line, blank-line or a string such as <|endoftext|>; "
        "none: one text",
        "In most texts, a line continues the one before it.",
        validate=lambda text: None if text else "must not be empty",
        suggested=("none", "line", "blank-line"),
    )

    @property
    def of_records(self) -> bool:
        """Whether a corpus is many separate texts."""
        return self.records != "none"

    @property
    def scattered(self) -> bool:
        """Whether the records held out are scattered over the corpus."""
        return self.of_records and self.val_split != "end"

    def check(self) -> None:
        if self.val_split == "scattered" and not self.of_records:
            raise ConfigError(
                "data.val_split=scattered needs records", "see data.records, or leave it out"
            )


@dataclass(frozen=True)
class TrainConfig(_Section):
    """How the network is trained: batches, optimiser, length of the run."""

    batch_size: int | None = number(
        None,
        "streams of text read in parallel",
        "More are faster; fewer make more updates, which suits a text that is read many times.",
        null="16 for one short text, else 32",
        low=1,
        high=65536,
    )
    seq_length: int = number(
        64,
        "time steps in a window of truncated backpropagation (BPTT)",
        "About a line of text; gradients rarely reach further back.",
        low=1,
        high=65536,
    )
    optimizer: Optimizer = setting(
        "adagrad",
        "update rule: sgd, adagrad, rmsprop or adam",
        "Adagrad takes larger steps for rare characters and is easy to tune.",
    )
    learning_rate: float | None = number(
        None,
        "peak learning rate",
        "The values chosen assume max_grad_norm 0.1: docs/design/tuning.md.",
        null="chosen from optimizer, cell and size",
        above=0.0,
        high=1000.0,
    )
    schedule: Schedule = setting(
        "cosine",
        "schedule of the learning rate: constant, cosine or exponential",
        "The cosine falls to zero at the end, which lowers the final loss.",
    )
    warmup: float = number(
        0.0,
        "share of the run, at least 10 steps, in which the rate rises (cosine); 0: none",
        "None: max_update is what keeps the first updates small.",
        low=0.0,
        high=0.5,
    )
    decay: float = number(
        0.97,
        "factor on the learning rate after each epoch (exponential)",
        "The value of char-rnn.",
        above=0.0,
        high=1.0,
    )
    decay_after: int = number(
        10,
        "epochs before the decay begins (exponential)",
        "The value of char-rnn.",
        low=0,
        high=10**9,
    )
    max_grad_norm: float = number(
        0.1,
        "limit on the norm of the whole gradient; 0: off",
        "Just above the usual norm. Adagrad never forgets a gradient: without a limit, the "
        "very large first ones would shrink all later steps.",
        low=0.0,
        high=1e9,
    )
    clip_value: float = number(
        0.0,
        "limit on each element of the gradient; 0: off",
        "Off: limiting the norm keeps the gradient's direction.",
        low=0.0,
        high=1e9,
    )
    max_update: float = number(
        0.2,
        "limit on the change of each weight in the first update, times hidden_size; 0: off",
        "Without it, the first updates make the network far worse than a guess. The limit grows "
        "with the square root of the step, so it soon has no effect.",
        low=0.0,
        high=1e9,
        absent=0.0,
    )
    average: float = number(
        0.98,
        "share of the weights' running mean that is kept in each step; 0: no mean",
        "The mean over about the last fifty steps predicts better than the weights of any one "
        "step. It is what is validated and saved.",
        low=0.0,
        below=1.0,
        absent=0.0,
    )
    weight_decay: float = number(
        0.0,
        "decoupled weight decay; 0: off",
        "Off: dropout is what prevents overfitting here.",
        low=0.0,
        below=1.0,
    )
    reduction: Reduction = setting(
        "mean",
        "loss of a window: mean or sum over its characters",
        "With the mean, the rate need not change with batch_size or seq_length.",
    )
    random_offset: bool = setting(
        True,
        "start each epoch at a random offset",
        "So that the windows differ from epoch to epoch.",
    )
    reset: float = number(
        0.01,
        "share of the streams whose state is zeroed before each window",
        "Sampling and scoring start from the zero state, which training would otherwise meet "
        "only once per epoch.",
        low=0.0,
        high=1.0,
    )
    minutes: float | None = number(
        5.0,
        "length of the run in minutes",
        "Long enough for readable text, and short enough to wait for.",
        above=0.0,
        high=1e6,
    )
    epochs: float | None = number(
        None,
        "length of the run in epochs (passes over the text)",
        "Set one of minutes, epochs and steps; it replaces the default.",
        above=0.0,
        high=1e9,
    )
    steps: int | None = number(
        None,
        "length of the run in steps (updates of the weights)",
        "See epochs.",
        low=1,
        high=10**12,
    )
    eval_every: int | None = number(
        None,
        "steps between validations",
        "Twenty take about 3% of the training time on 1 MB of text.",
        null="about twenty over the run",
        low=1,
        high=10**12,
    )
    checkpoint_every: int | None = number(
        None,
        "steps between saves",
        "A crash then loses little more than a minute of work.",
        null="a save about every minute",
        low=1,
        high=10**12,
    )
    patience: int | None = number(
        None,
        "stop after this many validations without improvement; 0: never",
        "Six of about twenty: a third of a run without improvement means overfitting.",
        null="6, or 0 if eval_every is given",
        low=0,
        high=10**9,
    )
    seed: int = number(
        0,
        "random seed",
        "Fixed, so that the same command trains the same model.",
        low=0,
        high=2**63 - 1,
    )
    workers: int | Literal["mpi"] = number(
        0,
        "worker processes; 0: as many as speed up training; mpi: those of mpiexec",
        "How many help depends on the model and on the machine. Under mpiexec, it is mpi.",
        low=0,
        high=1024,
    )

    @property
    def resolved_batch_size(self) -> int:
        """``batch_size``, once :func:`~charrnn.config.autosize.resolve_auto` has set it."""
        assert self.batch_size is not None
        return self.batch_size

    def check(self) -> None:
        given = {name: getattr(self, name.partition(".")[2]) for name in BUDGET_SETTINGS}
        if problem := budget_conflict(given):
            raise ConfigError(problem)
        if not any(given.values()):
            raise ConfigError(f"give one of {', '.join(BUDGET_SETTINGS)}")


@dataclass(frozen=True)
class SampleConfig(_Section):
    """How text is generated."""

    length: int | None = number(
        500,
        "characters to generate, or words of a model of words",
        "About a screenful.",
        null="no limit",
        low=0,
        high=10**15,
    )
    temperature: float = number(
        0.8,
        "randomness: below 1 is safer, above 1 wilder, 0 always takes the likeliest",
        "0.8 gives up a little variety for fewer misspelt words.",
        low=0.0,
        high=1e6,
    )
    top_k: int = number(
        0,
        "choose among the K likeliest characters; 0: all",
        "Off: temperature alone is easier to understand.",
        low=0,
        high=10**9,
    )
    top_p: float = number(
        1.0,
        "choose among the likeliest characters that together have probability P",
        "Off, like top_k.",
        above=0.0,
        high=1.0,
    )
    min_p: float = number(
        0.0,
        "skip characters less than P times as likely as the likeliest; 0: none",
        "Off, like top_k.",
        low=0.0,
        high=1.0,
    )
    prime: str = setting(
        "",
        "text to start from; it is printed before its continuation",
        "Without it, the text begins as if at the start of a line.",
    )
    stop: tuple[str, ...] = setting(
        (),
        "strings that end a sample; they are not printed",
        "None: only the length ends a sample.",
    )
    count: int = number(
        1,
        "number of samples",
        "Several are generated together, as one batch.",
        low=1,
        high=10**6,
    )
    seed: int | None = number(
        None,
        "random seed",
        "So that the text is different each time.",
        null="a new one each time",
        low=0,
        high=2**63 - 1,
    )
    unknown: Unknown = setting(
        "error",
        "characters of the prime that the model does not know: error or skip",
        "An unknown character is usually a mistake.",
    )


@dataclass(frozen=True)
class EvalConfig(_Section):
    """How text is scored."""

    unknown: ScoredUnknown | None = setting(
        None,
        "characters that the model does not know: error, skip, or score as very rare",
        "In a text they are usually a mistake; in a line they are what makes it unusual.",
        null="score for lines and replaced bytes, else error",
    )
    errors: Errors | None = setting(
        None,
        "bytes that cannot be decoded: strict (an error), replace (each is an unknown character) "
        "or skip",
        "One invalid byte must not end a stream of lines.",
        null="replace for lines, else strict",
        absent=None,
    )


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, init=False)
class Config:
    """The settings of all commands; each command reads its own sections.

    Args:
        model, data, train, sample, eval: a section, or its settings by name, such as
            ``train={"steps": 200}``; what is left out has its default. Giving one of minutes,
            epochs and steps replaces the default length of a run.

    Raises:
        ConfigError: a section or a setting is unknown, or has a wrong value.
    """

    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    sample: SampleConfig
    eval: EvalConfig

    def __init__(
        self,
        /,
        model: ModelConfig | Mapping[str, Any] = _NOTHING,
        data: DataConfig | Mapping[str, Any] = _NOTHING,
        train: TrainConfig | Mapping[str, Any] = _NOTHING,
        sample: SampleConfig | Mapping[str, Any] = _NOTHING,
        eval: EvalConfig | Mapping[str, Any] = _NOTHING,
        **unknown: object,
    ) -> None:
        for name in unknown:
            raise ConfigError(f"{printable(name)}: unknown section", suggestion(name))
        given = {"model": model, "data": data, "train": train, "sample": sample, "eval": eval}
        for name, value in given.items():
            object.__setattr__(self, name, _section(name, value))
        if self.train.patience and not self.data.val_fraction:
            raise ConfigError(
                "train.patience needs held-out text",
                "raise data.val_fraction above 0 or use {setting}",
                "train.patience=0",
            )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The settings as plain nested dicts, in the order of declaration."""
        return dataclasses.asdict(self)


def _section(name: str, value: object) -> _Section:
    """The section called ``name``, from itself or from a mapping of its settings."""
    section = SECTIONS[name]
    if isinstance(value, section):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{name}: must be {section.__name__} or a mapping of settings, not {quoted(value)}"
        )
    for key in value:
        if (full := f"{name}.{key}") not in SETTING_TYPES:
            raise ConfigError(f"{printable(full)}: unknown key", suggestion(full))
    if any(value.get(unit) is not None for unit in BUDGETS):
        value = {**dict.fromkeys(BUDGETS), **value}  # in place of the default length
    return section(**value)


#: The sections by name, in the order of declaration.
SECTIONS: dict[str, type[_Section]] = typing.get_type_hints(Config)

#: Every setting by its full name: ``SETTING_TYPES["train.learning_rate"]``.
SETTING_TYPES: dict[str, SettingType] = {
    f"{name}.{f.name}": SettingType.of(hints[f.name], f.metadata)
    for name, section in SECTIONS.items()
    for hints in (typing.get_type_hints(section),)  # once for each section: it takes 1 ms
    for f in dataclasses.fields(section)
}


def suggestion(name: str) -> str | None:
    """``did you mean 'x'?`` for an unknown section or setting; None if nothing is close."""
    section, _, key = name.rpartition(".")
    siblings = [
        known.partition(".")[2] for known in SETTING_TYPES if known.startswith(f"{section}.")
    ]
    if hint := did_you_mean(key, siblings or SECTIONS):
        return hint
    # The right key in the wrong section, or without one; there it may be misspelt as well.
    if elsewhere := [known for known in SETTING_TYPES if known.endswith(f".{key}")]:
        return did_you_mean(elsewhere[0], elsewhere)
    return None if siblings else did_you_mean(name, SETTING_TYPES)


def budget_conflict(settings: Mapping[str, Any]) -> str | None:
    """What is wrong with settings that give the length of a run more than once, or None."""
    given = [name for name in BUDGET_SETTINGS if settings.get(name) is not None]
    return f"give only one of {' and '.join(given)}" if len(given) > 1 else None
