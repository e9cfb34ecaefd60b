"""What the two parts of a mixed model predict alone."""

from __future__ import annotations

from charrnn.messages import decimal
from charrnn.training.state import RunState


def parts_alone(state: RunState) -> str:
    """The scores of network and n-grams alone in the best validation; empty for one of them."""
    point = state.best_point
    if point is None or point.network is None or point.ngram is None or point.weight is None:
        return ""
    return (
        f"network alone {decimal(point.network, 4)}, n-grams alone {point.ngram:.4f}, mixed with "
        f"{point.weight:.0%} n-grams"
    )
