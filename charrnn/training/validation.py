"""When to score the held-out part, when to stop, and the best parameters so far."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import numpy as np

from charrnn.config.schema import TrainConfig
from charrnn.data.vocab import NOUNS
from charrnn.errors import TrainingError
from charrnn.evaluation.score import Evaluation
from charrnn.messages import pluralize
from charrnn.nn.params import Array, Params
from charrnn.training.advice import tamer
from charrnn.training.budget import Budget
from charrnn.training.held_out import HeldOutScore
from charrnn.training.state import RunState, ValidationPoint

#: Validations in a run, unless they are too expensive for that.
VALIDATIONS = 20
#: Validations without improvement after which a run stops, where no patience is given.
PATIENCE = 6
#: Share of a run's work that validation may take.
VALIDATION_SHARE = 0.1
#: Work of scoring a character relative to training on one: only the forward pass, not the
#: backward pass and the update.
SCORING_COST = 1 / 3
#: Share of a budget in minutes that one validation may take; if it would take more, it is
#: skipped, because the time is better spent on training.
AFFORDABLE_SHARE = 0.5
#: Symbols that are scored to estimate how long a whole validation takes. A held-out part that is
#: no longer takes the time of a few steps, and is not estimated.
PROBE = 1 << 14

log = logging.getLogger("charrnn")


class Validation:
    """The held-out part of a run's corpus, and the parameters that predict it best.

    Args:
        ids: (characters,) held out; there is no validation if it is empty.
        unit: of the vocabulary. score: scores ids under the current parameters.
        params: the current ones; read, not changed.
        best: (P,) the best ones so far; overwritten whenever better ones are found.
        probe: how many of ``ids`` to score for an estimate of what a validation costs.
        now: a monotonic clock.

    Attributes:
        enabled: whether there are validations. seconds: what one takes; 0 until that is known.
        best: as given.
    """

    def __init__(
        self,
        config: TrainConfig,
        ids: Array,
        unit: str,
        score: Callable[[Array], HeldOutScore],
        params: Params,
        best: Params,
        probe: int = PROBE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._budget, self._ids, self._unit = config, Budget.of(config), ids, unit
        self._score, self._params, self.best = score, params, best
        self._probe, self._now = probe, now
        self.enabled = len(ids) > 0
        self.seconds = 0.0
        self._skipped = 0

    def begin(self, state: RunState, progress: float, fine_tuning: bool) -> None:
        """Find out, before the first step of a session, what a validation costs.

        A new run that starts from a model also scores the model, so that worse parameters never
        replace it.
        """
        if not self.enabled or progress >= 1.0:
            return
        if not self._affordable(state):
            self.enabled = False
            return
        cheap = self.seconds <= VALIDATION_SHARE * self._budget.seconds
        if fine_tuning and cheap and state.step == 0 and not state.history:
            evaluation, _ = self.run(state)
            log.info(
                "before training, %.4f nats per held-out %s",
                evaluation.nats_per_symbol,
                NOUNS[self._unit],
            )
        self._skip_missed(state, progress)

    def _affordable(self, state: RunState) -> bool:
        """Whether there is time to validate, judging by the time that a part of it takes."""
        budget, count = self._budget.seconds, len(self._ids)
        if budget == math.inf or self.seconds or count <= self._probe:
            return True
        began = self._now()
        self._score(self._ids[: self._probe])
        self.seconds = (self._now() - began) * count / self._probe
        if self.seconds <= AFFORDABLE_SHARE * budget or state.best is not None:
            return True
        log.warning(
            "validation skipped: scoring %s would take about %.1f s of a %.1f s budget, so the "
            "last parameters are kept%s; allow more time or lower data.val_fraction",
            pluralize(count, NOUNS[self._unit]),
            self.seconds,
            budget,
            " and patience has no effect" if self._config.patience else "",
        )
        return False

    def due(self, state: RunState, progress: float) -> bool:
        """Whether it is time for a validation."""
        if not self.enabled:
            return False
        if progress >= 1.0:
            return True
        if self._config.eval_every:
            return state.step % self._config.eval_every == 0
        planned = progress * self._planned(state, progress)
        return planned >= _made(state) + self._skipped + 1

    def run(self, state: RunState, loss: float | None = None) -> tuple[Evaluation, bool]:
        """Score the held-out part, and keep the parameters if that is the best score so far.

        Args:
            state: its history grows by this validation. loss: of the last step.

        Returns:
            The score, and whether it is the best so far.

        Raises:
            TrainingError: if the score is not finite.
        """
        began = self._now()
        score = self._score(self._ids)
        self.seconds = self._now() - began
        evaluation, nats = score.evaluation, score.evaluation.nats_per_symbol
        network, ngram = (
            each.nats_per_symbol if each else None for each in (score.network, score.ngram)
        )
        point = ValidationPoint(
            state.step, state.characters, nats, loss, network, ngram, score.weight
        )
        if not math.isfinite(point.by_network):
            raise TrainingError(
                f"the validation loss is no longer finite at step {state.step:,}",
                setting=tamer(self._config),
            )
        best = state.best is None or nats < state.best
        if best:
            np.copyto(self.best.flat, self._params.flat)
        state.history.append(point)
        return evaluation, best

    def run_if_due(
        self, state: RunState, progress: float, loss: float
    ) -> tuple[Evaluation | None, bool]:
        """What :meth:`run` returns if a validation is :meth:`due`, else None and False."""
        if not self.due(state, progress):
            return None, False
        evaluation, best = self.run(state, loss)
        self._skip_missed(state, progress)
        return evaluation, best

    def exhausted(self, state: RunState) -> bool:
        """Whether the patience is used up."""
        patience = self._config.patience
        if patience is None:
            patience = 0 if self._config.eval_every else PATIENCE
        return 0 < patience <= state.misses

    def _planned(self, state: RunState, progress: float) -> float:
        """How many validations the whole run can afford."""
        if self._budget.unit == "minutes":
            affordable = self._budget.seconds / max(self.seconds, 1e-9)
        else:
            characters = state.characters / max(progress, 1e-9)
            affordable = characters / (SCORING_COST * len(self._ids))
        return max(1.0, min(float(VALIDATIONS), VALIDATION_SHARE * affordable))

    def _skip_missed(self, state: RunState, progress: float) -> None:
        """Leave out validations that the plan says should have been made by now.

        They exist where a run continues with another budget. With a smaller one they would be
        made up for, one at each step, and exhaust the patience at once. With a larger one there
        are too many already (the gap is negative), and there would be none for a long time. The
        gap depends only on what a checkpoint holds, so that a resumed run validates at the same
        steps. A gap of -1 is none: a plan by characters fluctuates by one.
        """
        gap = int(progress * self._planned(state, progress)) - _made(state)
        self._skipped = 0 if gap == -1 else gap


def _made(state: RunState) -> int:
    """How many validations the run has made, without the score of the model it started from."""
    return len(state.history) - (state.start_score is not None)
