"""The running mean of a run's weights, which is what it validates and saves.

The weights of a single step carry the noise of the last few windows, the more so the higher the
rate; their mean does not. Source: Polyak & Juditsky 1992. Measurements:
docs/design/tuning.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from charrnn.nn.params import Params

#: In the beginning, after k steps, the mean is over about the last 1 + k / FORGOTTEN.
FORGOTTEN = 20


class Average:
    """The exponential mean of parameters that change from step to step.

    Args:
        params: the current ones; changed only by :meth:`in_place`, for a time.
        keep: share of the mean that a step keeps; 0 for the current parameters themselves.
        saved: the mean so far, of a run that is resumed.

    Attributes:
        params: the mean.
    """

    def __init__(self, params: Params, keep: float, saved: Params | None = None) -> None:
        self._current, self._keep = params, keep
        self.params = (saved or params).copy() if keep else params
        self._work = np.empty_like(params.flat[: params.flat.size if keep else 0])

    def update(self, steps: int) -> None:
        """Move the mean towards the current parameters, which ``steps`` updates made.

        At first it keeps less, so that it does not lag behind weights that change fast.
        """
        if self._keep:
            keep = min(self._keep, steps / (FORGOTTEN + steps))
            with np.errstate(all="ignore"):  # of a run that diverges, whose loss tells
                np.subtract(self._current.flat, self.params.flat, out=self._work)
                np.multiply(self._work, 1.0 - keep, out=self._work)
                np.add(self.params.flat, self._work, out=self.params.flat)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block, the current parameters have the values of the mean."""
        if not self._keep:
            yield
            return
        np.copyto(self._work, self._current.flat)
        np.copyto(self._current.flat, self.params.flat)
        try:
            yield
        finally:
            np.copyto(self._current.flat, self._work)
