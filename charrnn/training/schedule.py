"""The learning rate over the course of a run."""

from __future__ import annotations

from collections.abc import Callable

from charrnn.config.schema import TrainConfig
from charrnn.nn.optim import cosine, exponential
from charrnn.training.state import RunState

#: Steps that a warm-up takes at least: see docs/design/tuning.md.
WARMUP_STEPS = 10


def schedule(config: TrainConfig) -> Callable[[RunState, float], float]:
    """The rate of the next step, as a function of the run's state and progress (0 to 1)."""
    peak = config.learning_rate
    assert peak is not None  # resolve_auto() saw to that

    def factor(state: RunState, progress: float) -> float:
        if config.schedule == "cosine":
            rise = cosine(progress, config.warmup)
            if config.warmup:
                rise = min(rise, (state.step + 1) / WARMUP_STEPS)
            # The warm-up begins at zero; a thousandth lets the first step count.
            return max(rise, 1e-3)
        if config.schedule == "exponential":
            return exponential(state.epoch, config.decay, config.decay_after)
        return 1.0

    return lambda state, progress: peak * factor(state, progress)
