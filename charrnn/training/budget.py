"""How long a run is, in minutes, epochs or steps, and how much of that is used."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from charrnn.config.schema import BUDGETS, TrainConfig
from charrnn.messages import pluralize
from charrnn.training.state import RunState


@dataclass(frozen=True)
class Budget:
    """The length of a run: ``amount`` of ``unit``, which is minutes, epochs or steps."""

    unit: str
    amount: float

    @classmethod
    def of(cls, config: TrainConfig) -> Budget:
        """The budget that the settings give: the one of the three units that is set."""
        unit = next(unit for unit in BUDGETS if getattr(config, unit) is not None)
        return cls(unit, getattr(config, unit))

    def __str__(self) -> str:
        """``1 minute``, ``2,000 steps``."""
        return pluralize(self.amount, self.unit.removesuffix("s"))

    @property
    def seconds(self) -> float:
        """The length in seconds; infinite unless it is in minutes."""
        return 60.0 * self.amount if self.unit == "minutes" else math.inf

    def progress(
        self, state: RunState, windows: int, elapsed: float, reserved: float = 0.0
    ) -> float:
        """Share of the budget that is used, 0 to 1.

        Args:
            windows: in the current epoch.
            elapsed: seconds that the run has taken.
            reserved: seconds to set aside for the last validation.
        """
        if self.unit == "steps":
            used = state.step / self.amount
        elif self.unit == "epochs":
            used = (state.epoch + state.window / windows) / self.amount
        else:
            used = elapsed / max(1e-9, self.seconds - reserved)
        return min(1.0, used)


class Clock:
    """Elapsed time of a run, over all its sessions.

    Args:
        before: seconds that earlier sessions took. now: a monotonic clock.
    """

    def __init__(self, before: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._before = before
        self._started: float | None = None

    def start(self) -> None:
        """Begin a session."""
        self._started = self.now()

    def stop(self) -> None:
        """End the session."""
        self._before, self._started = self.elapsed, None

    @property
    def elapsed(self) -> float:
        """Seconds of all sessions so far."""
        return self._before + (0.0 if self._started is None else self.now() - self._started)
