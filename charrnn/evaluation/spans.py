"""The part of a line that makes it unusual."""

from __future__ import annotations

import math

import numpy as np

from charrnn.nn.params import Array

#: Nats that each ordinary symbol in a span subtracts from the excess of the surprising ones: one
#: bit, so that a long ordinary stretch splits a span in two.
ORDINARY = math.log(2.0)


def surprising_span(nats: Array, level: float) -> tuple[int, int] | None:
    """The most surprising part of a line.

    It is the part in which surprising symbols exceed ``level`` by most in total, less one bit for
    each ordinary symbol among them.

    Args:
        nats: (symbols,) of each symbol; NaN counts as 0.
        level: nats that an ordinary symbol takes at most.

    Returns:
        Where the part begins and ends, the longest if several are equal; None if all symbols are
        ordinary.
    """
    gain = np.nan_to_num(nats.astype(np.float64)) - level
    gain[gain <= 0.0] = -ORDINARY
    sums = np.append(0.0, np.cumsum(gain))
    # The best part that ends at a place begins where the sum before it was lowest.
    lowest = np.minimum.accumulate(sums)
    end = len(sums) - 1 - int(np.argmax((sums - lowest)[::-1]))
    begin = int(np.argmin(sums[: end + 1]))
    return (begin, end) if sums[end] > sums[begin] else None
