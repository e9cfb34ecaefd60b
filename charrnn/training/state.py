"""RunState: where a run is, and exactly what a checkpoint stores of it as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

#: Fields of :class:`RunState` that are counts, with their keys in a checkpoint.
_COUNTS = ("step", "epoch", "characters", "window", "offset", "streams", "workers")
#: Losses that a run without validations keeps, at most.
POINTS = 200


@dataclass(frozen=True)
class ValidationPoint:
    """One validation of a run.

    Attributes:
        step: steps made by then. characters: trained on by then.
        nats_per_char: mean surprisal of the held-out part.
        loss: of the step's window, in nats per character; None for the score of a model that
            the run started from, which is of step 0.
        network, ngram: if the network is mixed with an n-gram model, the surprisal by each alone.
        weight: of the n-gram model.
    """

    step: int
    characters: int
    nats_per_char: float
    loss: float | None = None
    network: float | None = None
    ngram: float | None = None
    weight: float | None = None

    @property
    def by_network(self) -> float:
        """The surprisal by the network alone."""
        return self.nats_per_char if self.network is None else self.network

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON can hold them; there is no key for one that is None."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> ValidationPoint:
        """Undo :meth:`to_dict`; raises ValueError, TypeError or KeyError for anything else."""
        point = cls(**document)
        _require_count("step", point.step)
        _require_count("characters", point.characters)
        for value in (point.nats_per_char, point.loss, point.network, point.ngram, point.weight):
            if value is not None and not math.isfinite(value):
                raise ValueError("a score in the history is not a finite number")
        if point.weight is not None and not 0.0 <= point.weight <= 1.0:
            raise ValueError("a weight in the history is not a share")
        return point


@dataclass
class RunState:
    """Where a run is between two steps.

    Attributes:
        rng: draws the offsets of epochs and which streams are reset.
        smooth_loss: that of min-char-rnn: nats per window of ``seq_length`` characters, a running
            mean that starts at ``seq_length * ln V`` and moves by 0.001 a step.
        streams: parallel streams of the batch. workers: ranks the run is trained with.
        step: updates made so far. epoch: whole passes over the training part.
        characters: trained on so far.
        offset, window: the position: where the epoch started, and its next window.
        seconds: what the run took up to its last save; None where its budget is not in minutes,
            so that equal runs write equal files.
        history: its validations.
        losses: where nothing is held out, steps and the smooth loss per character after each, at
            most :data:`POINTS` at equal distances.
    """

    rng: np.random.Generator
    smooth_loss: float
    streams: int
    workers: int
    step: int = 0
    epoch: int = 0
    characters: int = 0
    window: int = 0
    offset: int = 0
    seconds: float | None = None
    history: list[ValidationPoint] = field(default_factory=list)
    losses: list[tuple[int, float]] = field(default_factory=list)

    @property
    def best(self) -> float | None:
        """The lowest validation so far, in nats per character."""
        point = self.best_point
        return point.nats_per_char if point else None

    @property
    def best_point(self) -> ValidationPoint | None:
        """The first of the lowest validations so far."""
        return min(self.history, key=lambda point: point.nats_per_char, default=None)

    @property
    def best_network(self) -> float | None:
        """The lowest validation of the network alone so far."""
        return min((point.by_network for point in self.history), default=None)

    @property
    def misses(self) -> int:
        """Validations since the lowest one, or the lowest of the network alone, if that is later.

        At first, n-grams may predict so much better that the mixture does not yet improve as the
        network does.
        """
        scores = [[point.nats_per_char for point in self.history]]
        scores.append([point.by_network for point in self.history])
        lowest = max(each.index(min(each)) for each in scores) if self.history else -1
        return max(0, len(self.history) - 1 - lowest)

    @property
    def start_score(self) -> float | None:
        """The score of the model that the run started from, where it was scored."""
        first = self.history[0] if self.history else None
        return first.nats_per_char if first and first.step == 0 else None

    def keep_loss(self, loss: float) -> None:
        """Add to :attr:`losses` after a step; when there are too many, keep every second one."""
        distance = self.losses[0][0] if self.losses else 1
        if self.step % distance == 0:
            self.losses.append((self.step, loss))
        if len(self.losses) > POINTS:
            self.losses = self.losses[1::2]

    def copy(self) -> RunState:
        """An independent copy."""
        return self.from_dict(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The values as JSON can hold them: the ``training`` document of a checkpoint."""
        document: dict[str, Any] = {name: getattr(self, name) for name in _COUNTS}
        document |= {
            "updates": self.step,
            "smooth_loss": self.smooth_loss,
            "best": self.best,
            "misses": self.misses,
            "generator": self.rng.bit_generator.state,
            "history": [point.to_dict() for point in self.history],
        }
        if self.losses:
            document["losses"] = [list(point) for point in self.losses]
        return document if self.seconds is None else document | {"seconds": self.seconds}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> RunState:
        """Undo :meth:`to_dict`.

        Raises:
            ValueError, TypeError, LookupError, ArithmeticError, AttributeError: the document
                does not hold the state of a run.
        """
        counts = {name: document[name] for name in _COUNTS}
        for name, count in counts.items():
            _require_count(name, count)
        if min(counts["streams"], counts["workers"]) < 1:
            raise ValueError("streams and workers must be at least 1")
        rng = np.random.default_rng()
        rng.bit_generator.state = document["generator"]
        history = [ValidationPoint.from_dict(point) for point in document["history"]]
        seconds = float(document["seconds"]) if "seconds" in document else None
        losses = [(step, loss) for step, loss in document.get("losses", [])]
        for step, loss in losses:
            _require_count("step", step)
            if not math.isfinite(loss):
                raise ValueError("a loss is not a finite number")
        state = cls(
            rng,
            float(document["smooth_loss"]),
            **counts,
            seconds=seconds,
            history=history,
            losses=losses,
        )
        if state.to_dict() != document:
            raise ValueError("its numbers contradict each other")
        return state


def _require_count(name: str, value: object) -> None:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is not a count")
