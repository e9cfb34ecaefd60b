"""What is reported of each step of training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from charrnn.evaluation.score import Evaluation


@dataclass(frozen=True)
class Step:
    """What one step of training did.

    Attributes:
        step: steps made so far. epoch: whole passes over the training part before this step.
        characters: trained on so far.
        loss: mean of this window, nats per character.
        recent_loss: mean of the last few windows of this session.
        smooth_loss: min-char-rnn's, in nats per window of ``seq_length`` characters.
        grad_norm: before clipping. learning_rate: of this step.
        progress: share of the budget that is used, 0 to 1.
        seconds: the run has taken so far.
        unit: of the symbols: per character, the losses are those of characters or bytes.
        validation: score of the held-out part; None at a step without a validation.
        network: nats per held-out character by the network alone, if it is mixed with n-grams.
        best: whether that is the best score so far.
    """

    step: int
    epoch: int
    characters: int
    loss: float
    recent_loss: float
    smooth_loss: float
    grad_norm: float
    learning_rate: float
    progress: float
    seconds: float
    validation: Evaluation | None = None
    network: float | None = None
    best: bool = False
    unit: str = "char"

    @property
    def bits_per_char(self) -> float:
        """The window's loss in bits per symbol."""
        return self.loss / math.log(2.0)
