"""Samples during a run: how often, and of what."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace

from charrnn.data.vocab import Text, bytes_of
from charrnn.errors import ConfigError
from charrnn.messages import quoted
from charrnn.training.trainer import Trainer

#: Characters of a sample: enough to judge by, without filling the screen.
LENGTH = 200
_UNITS = {"": ("steps", 1.0), "s": ("seconds", 1.0), "m": ("seconds", 60.0), "%": ("share", 0.01)}


@dataclass(frozen=True)
class Interval:
    """An interval: a number of steps, of seconds, or a share of the run."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Interval:
        """From ``500``, ``10s``, ``2m`` or ``5%``.

        Raises:
            ConfigError: it is none of these, or zero.
        """
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|%|)", text)
        steps = bool(match) and not match[2]  # type: ignore[index]  # of a match
        if not match or not float(match[1]) or (steps and "." in match[1]):
            raise ConfigError(
                "must be a number of steps like 500, a time like 10s or 2m, or a share of the run "
                f"like 5%, not {quoted(text)}"
            )
        unit, factor = _UNITS[match[2]]
        return cls(float(match[1]) * factor, unit)


class Timer:
    """Tells when a sample of a run is due."""

    def __init__(self, trainer: Trainer, interval: Interval) -> None:
        self._trainer, self._interval = trainer, interval
        self._next = self._now() + interval.amount

    def due(self) -> bool:
        """Whether it is time for a sample; the next one is then due an interval later."""
        if self._interval.unit == "steps":
            return self._trainer.step % self._interval.amount == 0
        if (now := self._now()) < self._next:
            return False
        self._next = max(self._next, now - self._interval.amount) + self._interval.amount
        return True

    def _now(self) -> float:
        return time.monotonic() if self._interval.unit == "seconds" else self._trainer.progress


def draw(trainer: Trainer) -> Text:
    """The prime and its continuation by the parameters as they are now.

    Equal runs draw equal samples.

    Raises:
        VocabError: the model does not know a character of the prime.
    """
    config = trainer.config.sample
    length = min(config.length or LENGTH, LENGTH)
    settings = replace(config, length=length, count=1, seed=trainer.step)
    text = trainer.current.samples(settings, config.prime)[0].text
    return config.prime + text if isinstance(text, str) else bytes_of(config.prime) + text
