"""The model that a command works with."""

from __future__ import annotations

import os

from charrnn.cli.streams import named
from charrnn.errors import CheckpointError
from charrnn.model import CharRNN, load


def require(path: str) -> str:
    """``path``, if there is something there to be read as a model."""
    if not os.path.lexists(path):
        raise CheckpointError(
            f"{named(path)}: no such file; train a model with: charrnn train corpus.txt, "
            "or name one with -m"
        )
    return path


def load_model(path: str) -> CharRNN:
    """The model in a file.

    Raises:
        CheckpointError: it is missing, damaged or no model.
    """
    return load(require(path))
