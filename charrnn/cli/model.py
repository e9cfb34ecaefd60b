"""The model that a command works with."""

from __future__ import annotations

import os

from charrnn.checkpoint import Checkpoint
from charrnn.errors import CheckpointError
from charrnn.messages import path_name, similar_file
from charrnn.model import CharRNN


def load_checkpoint(path: str, training: bool = False) -> Checkpoint:
    """The checkpoint in a file; what only its training needs is read if ``training``.

    Raises:
        CheckpointError: it is missing, damaged or not a checkpoint.
    """
    if not os.path.lexists(path):
        raise CheckpointError(
            f"{path_name(path)}: no such file",
            similar_file(path)
            or "train a model with: charrnn train corpus.txt, or name one with -m",
        )
    return Checkpoint.load(path, training)


def load_model(path: str) -> CharRNN:
    """The model in a file. Errors as :func:`load_checkpoint`."""
    return CharRNN.from_checkpoint(load_checkpoint(path), path_name(path))
