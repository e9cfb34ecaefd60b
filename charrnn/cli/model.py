"""The model that a command works with."""

from __future__ import annotations

import os

from charrnn.checkpoint import Checkpoint
from charrnn.errors import CheckpointError
from charrnn.messages import path_name


def require(path: str) -> str:
    """``path``, if there is something there to be read as a model."""
    if not os.path.lexists(path):
        raise CheckpointError(
            f"{path_name(path)}: no such file; train a model with: charrnn train corpus.txt, "
            "or name one with -m"
        )
    return path


def load_checkpoint(path: str, training: bool = False) -> Checkpoint:
    """The model in a file; what only its training needs is read if ``training``.

    Raises:
        CheckpointError: it is missing, damaged or no model.
    """
    return Checkpoint.load(require(path), training)
