"""Part of a long text that stands for all of it."""

from __future__ import annotations

import numpy as np

from charrnn.nn.params import Array

#: Symbols in a piece, at least: enough that the ends of pieces hardly matter.
SHORTEST = 1024


def excerpt(ids: Array, most: int, pieces: int) -> Array:
    """Up to ``most`` symbols of a text, in up to ``pieces`` pieces evenly spread over it.

    The end of a collection of files, say, may be unlike the rest (docs/design/mixing.md).

    Args:
        ids: (symbols,). most: at least 1.
    """
    if len(ids) <= most:
        return ids
    length = most // max(1, min(pieces, most // SHORTEST))
    # From the end, so that a single piece is the end.
    places = np.linspace(len(ids) - length, 0, most // length).astype(int).tolist()
    return np.concatenate([ids[at : at + length] for at in reversed(places)])
