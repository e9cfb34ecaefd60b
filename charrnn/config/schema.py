"""Every setting with its default, its range and the reason for its value.

The dataclasses are frozen: a configuration is a value. They check themselves
when made, so a :class:`Config` that exists is one that can be trained. Reading
YAML into them is the business of :mod:`charrnn.configfile`.
"""

# Fields are made by number() and setting(), which do nothing but call dataclasses.field.
# ruff: noqa: RUF009
from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from charrnn.errors import ConfigError
from charrnn.messages import did_you_mean, quoted

Cell = Literal["rnn", "lstm", "gru"]
Init = Literal["uniform", "normal"]
Unit = Literal["char", "byte"]
Optimizer = Literal["sgd", "adagrad", "rmsprop", "adam"]
Schedule = Literal["constant", "cosine", "exponential"]
Reduction = Literal["mean", "sum"]
Unknown = Literal["error", "skip"]
Items = Literal["none", "line"]

#: The three units in which the length of a run may be given; one at a time.
BUDGETS = ("minutes", "epochs", "steps")


def number(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """A dataclass field that is a number in [low, high], strict with above/below."""
    limits = {"low": low, "high": high, "above": above, "below": below}
    return field(default=default, metadata={"help": help, "limits": limits})


def setting(default: Any, help: str, *, check: Callable[[str], str | None] | None = None) -> Any:
    """A dataclass field that is no number; its type and ``check`` say what it may be."""
    return field(default=default, metadata={"help": help, "check": check})


def out_of_range(value: float, limits: Mapping[str, float | None]) -> str | None:
    """Say how ``value`` breaks ``limits``, or None. NaN and infinity break any."""
    # Only floats can be infinite, and an int may be too large to ask.
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    low, high, above, below = (limits[k] for k in ("low", "high", "above", "below"))
    if low is not None and value < low:
        return f"must be at least {_limit(low)}"
    if high is not None and value > high:
        return f"must be at most {_limit(high)}"
    if above is not None and value <= above:
        return f"must be greater than {_limit(above)}"
    if below is not None and value >= below:
        return f"must be less than {_limit(below)}"
    return None


def _limit(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:,.15g}"


def unknown_encoding(name: str) -> str | None:
    """Say that Python has no text encoding called ``name``, or None."""
    try:
        "".encode(name)  # unlike codecs.lookup, refuses base64 and its like
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
    """What one setting may be: its declared type and range, in a form to check values by."""

    base: type
    optional: bool = False
    choices: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, hint: Any, metadata: Mapping[str, Any]) -> SettingType:
        """Take apart a declared type: ``int | None``, ``Literal[...]``, ``tuple[str, ...]``."""
        args = typing.get_args(hint)
        if type(None) in args:
            return dataclasses.replace(cls.of(args[0], metadata), optional=True)
        if typing.get_origin(hint) is Literal:
            return cls(str, choices=args, metadata=metadata)
        return cls(typing.get_origin(hint) or hint, metadata=metadata)

    @property
    def values(self) -> tuple[str, ...]:
        """All that it may be, as it is written, where that is a short list; else nothing."""
        return ("true", "false") if self.base is bool else self.choices

    @property
    def noun(self) -> str:
        """The type in words."""
        words = "one of " + ", ".join(self.choices) if self.choices else _NOUNS[self.base]
        return "null or " + words if self.optional else words

    def check(self, value: Any) -> Any:
        """``value`` as a plain instance of the declared type.

        Raises:
            ValueError: the type or the range is wrong; the message says what it must be.
        """
        if value is None and self.optional:
            return None
        if self.base is tuple:
            return self._strings(value)
        accepted = (int, float) if self.base is float else self.base
        # bool is a subclass of int, yet `hidden_size: true` is a mistake.
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.base is not bool):
            raise ValueError(f"must be {self.noun}, not {quoted(value)}")
        if self.choices and value not in self.choices:
            near = did_you_mean(str(value), self.choices)
            raise ValueError(f"must be {self.noun}, not {quoted(value)}{near}")
        if problem := self._problem(value):
            raise ValueError(f"{problem}, not {quoted(value)}")
        # A NumPy float or an int for a float would print and compare in ways of its own.
        return self.base(value)

    def _problem(self, value: Any) -> str | None:
        if limits := self.metadata.get("limits"):
            return out_of_range(value, limits)
        if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
            return "must be text that UTF-8 can hold"
        check = self.metadata.get("check")
        return check(value) if check else None

    def _strings(self, value: Any) -> tuple[str, ...]:
        """One string stands for a list of it; the empty one for no strings at all."""
        if isinstance(value, str):
            value = [value] if value else []
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"must be {self.noun}, not {quoted(value)}")
        if "" in value:
            raise ValueError("must not hold an empty string")
        return tuple(SettingType(str).check(item) for item in value)


@dataclass(frozen=True)
class _Section:
    """Type and range checks shared by the sections; raises :class:`ConfigError` naming the key."""

    def __post_init__(self) -> None:
        name = type(self).__name__.removesuffix("Config").lower()
        for f in dataclasses.fields(self):
            plain = SETTING_TYPES[f"{name}.{f.name}"].check
            try:
                # The one moment at which a frozen value may still be put in its plain form.
                object.__setattr__(self, f.name, plain(getattr(self, f.name)))
            except ValueError as error:
                raise ConfigError(f"{name}.{f.name}: {error}") from None
        self.check()

    def check(self) -> None:
        """Checks between the fields of one section."""


@dataclass(frozen=True)
class ModelConfig(_Section):
    """What is learned: the cell, its sizes and where its weights start."""

    cell: Cell = setting("lstm", "recurrent cell")
    # 384 for two minutes, 512 for ten: charrnn.scale has the rule and its reasons.
    hidden_size: int | None = number(
        None, "units in each layer; none: as many as suit budget and text", low=1, high=65536
    )
    # One LSTM layer of 256 learns more in the same minutes on a CPU than two of 128.
    num_layers: int = number(1, "recurrent layers, one above the other", low=1, high=64)
    # Only many passes over the text make it worth while: charrnn.scale.
    dropout: float | None = number(
        None,
        "share of activations dropped between layers and before the output; none: as suits "
        "budget and text",
        low=0.0,
        below=1.0,
    )
    # Of Gal & Ghahramani's masks (2016) those between layers and before the output.
    locked_dropout: bool = setting(
        False, "drop the same units at all steps of a window, anew in each stream and window"
    )
    init: Init = setting("uniform", "initial weights: uniform in +-1/sqrt(fan-in), or normal")
    # 0.01 is min-char-rnn's; only read when init is normal.
    init_scale: float = number(0.01, "standard deviation when init is normal", above=0.0, high=10.0)


@dataclass(frozen=True)
class DataConfig(_Section):
    """How text becomes symbols, and which part of it is held out."""

    unit: Unit = setting("char", "what a symbol is: a Unicode code point, or a byte")
    encoding: str = setting(
        "utf-8", "encoding of the text; bytes need none", check=unknown_encoding
    )
    # The contiguous last tenth: the split that published figures can be compared on.
    val_fraction: float = number(
        0.1, "share of the text, at its end, held out for validation", low=0.0, high=0.9
    )
    records: Items = setting(
        "none", "one text, or an item a line: names, titles, each learned by itself"
    )


@dataclass(frozen=True)
class TrainConfig(_Section):
    """How it is learned: batches, optimiser, budget and what is recorded on the way."""

    # 32 streams fill the matrix products of two cores; more streams mean fewer updates a minute.
    batch_size: int = number(32, "parallel streams of text", low=1, high=65536)
    # Gradients of character models rarely reach further back than a line or so.
    seq_length: int = number(64, "time steps of truncated BPTT", low=1, high=65536)
    optimizer: Optimizer = setting("adagrad", "update rule")
    # 0.2 or 0.3 for Adagrad, and it belongs to the low max_grad_norm below: charrnn.scale.
    learning_rate: float | None = number(
        None,
        "learning rate at its peak; none: as suits optimizer, cell and size",
        above=0.0,
        high=1000.0,
    )
    # Adagrad already shrinks its steps; the cosine to zero settles the last tenth of the loss.
    schedule: Schedule = setting("cosine", "course of the learning rate over the run")
    warmup: float = number(
        0.02,
        "share of the run, 10 steps at least, in which the rate rises to its peak (cosine)",
        low=0.0,
        high=0.5,
    )
    # char-rnn multiplies by 0.97 an epoch after the tenth.
    decay: float = number(0.97, "factor an epoch (exponential)", above=0.0, high=1.0)
    decay_after: int = number(10, "epochs before the decay begins (exponential)", low=0, high=10**9)
    # Just above the norm of a run that is under way. Adagrad never forgets a gradient, and those
    # of the first steps are many times as large: unclipped, they would shrink all later steps.
    max_grad_norm: float = number(0.1, "clip the global gradient norm; 0 is off", low=0.0, high=1e9)
    clip_value: float = number(
        0.0, "clip each gradient element to +-this; 0 is off", low=0.0, high=1e9
    )
    weight_decay: float = number(0.0, "decoupled weight decay", low=0.0, below=1.0)
    # mean: the learning rate does not depend on batch_size and seq_length.
    reduction: Reduction = setting("mean", "loss over a window: mean or sum of its characters")
    random_offset: bool = setting(True, "start each epoch at a random offset")
    # Training meets the zero state only where an epoch starts, but each sample and each text to
    # score begins with it: without this, some primes led a trained model into noise.
    reset: float = number(
        0.01, "share of the streams whose state is zeroed before a window", low=0.0, high=1.0
    )
    # Long enough for readable text, short enough to wait for.
    minutes: float | None = number(5.0, "length of the run in minutes", above=0.0, high=1e6)
    epochs: float | None = number(None, "length of the run in epochs", above=0.0, high=1e9)
    steps: int | None = number(None, "length of the run in steps", low=1, high=10**12)
    # Held-out scoring costs about a thirtieth of training at this interval on a 1 MB text.
    eval_every: int | None = number(
        None, "steps between validations; none: about twenty over the run", low=1, high=10**12
    )
    checkpoint_every: int | None = number(
        None, "steps between saves; none: about every minute", low=1, high=10**12
    )
    # Where a third of a run brought nothing better, the text is being learned by heart. With
    # intervals of the user's own, what a third is cannot be known.
    patience: int | None = number(
        None,
        "validations without a new best before stopping; 0 is off; none: 6, or off if eval_every "
        "is given",
        low=0,
        high=10**9,
    )
    seed: int = number(0, "seed of every random number in the run", low=0, high=2**63 - 1)
    workers: int = number(0, "worker processes; 0: as many as help here", low=0, high=1024)

    def check(self) -> None:
        given = [name for name in BUDGETS if getattr(self, name) is not None]
        if len(given) != 1:
            what = " and ".join(f"train.{name}" for name in given) or "none"
            raise ConfigError(
                f"give one of train.minutes, train.epochs and train.steps; given: {what}"
            )


@dataclass(frozen=True)
class SampleConfig(_Section):
    """How text is drawn from a model."""

    length: int | None = number(
        500, "characters to generate; none: without end", low=0, high=10**15
    )
    # 0.8 trades a little variety for fewer broken words.
    temperature: float = number(0.8, "below 1 safer, above 1 wilder, 0 greedy", low=0.0, high=1e6)
    top_k: int = number(0, "draw from the k likeliest; 0 is off", low=0, high=10**9)
    top_p: float = number(
        1.0, "draw from the likeliest that make up this probability", above=0.0, high=1.0
    )
    min_p: float = number(
        0.0, "leave out what is less likely than this share of the likeliest", low=0.0, high=1.0
    )
    prime: str = setting("", "text to start from")
    stop: tuple[str, ...] = setting((), "texts at which a sample ends")
    count: int = number(1, "samples to draw, as one batch", low=1, high=10**6)
    seed: int | None = number(None, "seed; none: a new one each time", low=0, high=2**63 - 1)
    unknown: Unknown = setting("error", "prime characters the model does not know")


@dataclass(frozen=True)
class EvalConfig(_Section):
    """How text is scored."""

    unknown: Unknown = setting("error", "characters the model does not know")


@dataclass(frozen=True)
class Config:
    """One configuration for all commands; each reads its own sections.

    Raises:
        ConfigError: from any section, naming the key, the value and its range.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        for name, section in SECTIONS.items():
            if not isinstance(value := getattr(self, name), section):
                raise ConfigError(f"{name}: must be a {section.__name__}, not {quoted(value)}")
        if self.train.patience and not self.data.val_fraction:
            raise ConfigError(
                "train.patience needs held-out text: set data.val_fraction above 0 or patience to 0"
            )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The settings as plain nested dicts, in the order of declaration."""
        return dataclasses.asdict(self)


#: The sections by name, in the order of declaration.
SECTIONS: dict[str, type[_Section]] = typing.get_type_hints(Config)

#: What each setting may be, by its full name: ``KINDS["train.learning_rate"]``.
SETTING_TYPES: dict[str, SettingType] = {
    f"{name}.{f.name}": SettingType.of(typing.get_type_hints(section)[f.name], f.metadata)
    for name, section in SECTIONS.items()
    for f in dataclasses.fields(section)
}
