"""The threshold of ``charrnn eval --above``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # NumPy is not imported to read a command line
    from charrnn.model import CharRNN


@dataclass(frozen=True)
class Threshold:
    """What lines are to exceed: bits per character, or a percentile of held-out lines."""

    value: float
    percentile: bool

    def __str__(self) -> str:
        return f"p{self.value:g}" if self.percentile else f"{self.value:g} bits"

    def bits(self, model: CharRNN) -> float:
        """Bits per character.

        Raises:
            CheckpointError: it is a percentile, and the model has none.
        """
        return model.percentile(self.value) if self.percentile else self.value
