"""The errors charrnn raises for things a user can mend.

Each message is one line: what is wrong, where, and what to do about it. The
command line prints it after ``charrnn: `` and exits with ``exit_code``.
"""

from __future__ import annotations


class CharRNNError(Exception):
    """Base of all errors that are meant for the user rather than for a programmer."""

    exit_code = 1


class ConfigError(CharRNNError):
    """A setting that is unknown, of the wrong type, out of range or at odds with another."""

    exit_code = 2


class CorpusError(CharRNNError):
    """A text that cannot be read, decoded or used."""


class VocabError(CharRNNError):
    """A character that the model does not know."""


class CheckpointError(CharRNNError):
    """A model file that cannot be written, or cannot be trusted."""


class TrainingError(CharRNNError):
    """A run that cannot go on, such as one whose loss is no longer finite."""
