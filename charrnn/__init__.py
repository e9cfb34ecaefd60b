"""charrnn: learn, score and generate text, one character at a time, in plain NumPy.

import charrnn

text = open("corpora/fables.txt").read()
model = charrnn.train(text, cell="lstm", hidden_size=256, minutes=2)
print(model.sample(400, prime="The fox", temperature=0.8, seed=1))
print(model.evaluate(text).bits_per_char)
model.save("fables.npz")  # later: charrnn.load("fables.npz")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from charrnn._version import __version__

if TYPE_CHECKING:
    from charrnn.config.schema import Config
    from charrnn.data.corpus import Corpus
    from charrnn.errors import (
        CharRNNError,
        CheckpointError,
        ConfigError,
        CorpusError,
        TrainingError,
        VocabError,
    )
    from charrnn.model import CharRNN, load
    from charrnn.training.start import train
    from charrnn.training.trainer import Trainer

# Where each public name lives. They are imported on first use, so that the command line
# can print its help without waiting for NumPy.
_HOMES = {
    "CharRNN": "model",
    "CharRNNError": "errors",
    "CheckpointError": "errors",
    "Config": "config.schema",
    "ConfigError": "errors",
    "Corpus": "data.corpus",
    "CorpusError": "errors",
    "Trainer": "training.trainer",
    "TrainingError": "errors",
    "VocabError": "errors",
    "load": "model",
    "train": "training.start",
}

__all__ = [
    "CharRNN",
    "CharRNNError",
    "CheckpointError",
    "Config",
    "ConfigError",
    "Corpus",
    "CorpusError",
    "Trainer",
    "TrainingError",
    "VocabError",
    "__version__",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"charrnn.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'charrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
