"""The learning rate over the course of a run."""

from __future__ import annotations

import math
from collections.abc import Callable

from charrnn.config.schema import TrainConfig
from charrnn.training.state import RunState

#: The fewest steps that a warm-up takes: see docs/design/tuning.md.
WARMUP_STEPS = 10


def schedule(config: TrainConfig) -> Callable[[RunState, float], float]:
    """The rate of the next step, as a function of the run's state and progress (0 to 1)."""
    peak = config.learning_rate
    assert peak is not None  # set by resolve_auto()

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


def cosine(progress: float, warmup: float) -> float:
    """Factor of the learning rate at ``progress``: linear warm-up, then half a cosine to 0.

    Source: Loshchilov & Hutter, arXiv:1608.03983.

    Args:
        progress: fraction of the run that is done, in [0, 1].
        warmup: fraction of the run in which the factor rises from 0 to 1, in [0, 1).
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (progress - warmup) / (1.0 - warmup)))


def exponential(epoch: int, decay: float, after: int) -> float:
    """Factor of the learning rate in ``epoch``: ``decay`` once for each epoch past ``after``.

    Args:
        epoch: counted from 0.
    """
    return float(decay ** max(0, epoch - after))
