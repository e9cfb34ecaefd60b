"""Flags, environment, config file, checkpoint and defaults -> one Config."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from charrnn.config.schema import Config
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

    A flag wins over ``--set``, that over the environment, that over the file, and all of
    them over ``base`` (the checkpoint's config) or the defaults. The whole file is checked;
    ``sections``, if any, are those of which it may change something.
    """
    file = parse(*find(config)) if config is not None else {}
    try:
        asked: Settings = dict(override(text) for text in overrides)
    except ConfigError as error:
        raise ConfigError(f"--set {error}") from None
    layers = [_only(sections, layer) for layer in (file, from_environment(os.environ), asked)]
    # One given layer, so that --steps and --set train.minutes= are seen to be at odds.
    given = layers.pop() | flags
    return build(flatten(base) if base else {}, *layers, given)


def _only(sections: Sequence[str], settings: Settings) -> dict[str, Any]:
    if not sections:
        return settings
    return {k: v for k, v in settings.items() if k.partition(".")[0] in sections}
