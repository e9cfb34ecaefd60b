"""Options, environment, config file, checkpoint and defaults -> one Config."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from charrnn.config.schema import BUDGET_SETTINGS, Config, DataConfig
from charrnn.config.sources import Settings, build, find, flatten, from_environment, override, parse
from charrnn.errors import ConfigError


def combine(
    flags: Settings,
    config: str | None,
    overrides: Sequence[str] = (),
    base: Config | None = None,
    sections: Sequence[str] = (),
) -> Config:
    """The config that a command works with.

    Args:
        flags: settings given by dedicated options; these win.
        overrides: assignments given to ``--set``, which win over the environment; the
            environment wins over the file.
        config: a config file or a preset, which wins over ``base``. It is checked as a whole.
        base: the config of the checkpoint, if there is one; else the defaults.
        sections: if given, the only ones whose settings may come from anywhere but ``base``
            and ``flags``.

    Raises:
        ConfigError: a line for each problem in the first source that has any.
    """
    file = parse(*find(config)) if config is not None else {}
    try:
        assigned: Settings = dict(override(text) for text in overrides)
    except ConfigError as error:
        raise ConfigError(f"--set {error.message}", error.hint) from None
    environment = from_environment(os.environ)
    # Options and --set are one layer, so that --steps and --set train.minutes are in conflict.
    typed = _only(sections, assigned) | flags
    lengths = [name for name in BUDGET_SETTINGS if typed.get(name) is not None]
    if len(lengths) > 1:
        options = [f"--{n.partition('.')[2]}" if n in flags else f"--set {n}" for n in lengths]
        raise ConfigError(f"give only one of {' and '.join(options)}")
    layers = [_only(sections, file), _only(sections, environment), typed]
    return build(flatten(base) if base else {}, *layers)


def reading(trained: Config, given: Config) -> DataConfig:
    """How files are read for a model: as in its training, except that their encoding may differ."""
    return replace(trained.data, encoding=given.data.encoding)


def _only(sections: Sequence[str], settings: Settings) -> Settings:
    if not sections:
        return settings
    return {k: v for k, v in settings.items() if k.partition(".")[0] in sections}
