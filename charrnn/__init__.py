"""Train character-level recurrent networks; generate and score text with them; plain NumPy.

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
    from charrnn.checkpoint import Checkpoint
    from charrnn.classification import Classification, Classifier
    from charrnn.config.schema import Config, SampleConfig
    from charrnn.data.corpus import Corpus
    from charrnn.errors import (
        CharRNNError,
        CheckpointError,
        ConfigError,
        CorpusError,
        TrainingError,
        VocabError,
    )
    from charrnn.evaluation.baselines import Baselines
    from charrnn.evaluation.overlap import Overlap
    from charrnn.evaluation.reference import Reference
    from charrnn.evaluation.score import Evaluation
    from charrnn.evaluation.text import CharScores
    from charrnn.generation import Sample
    from charrnn.model import CharRNN, load
    from charrnn.training.start import train
    from charrnn.training.trainer import Trainer

# The module of each public name. Names are imported when they are first used, so that the
# command line can print its help without importing NumPy.
_MODULES = {
    "Baselines": "evaluation.baselines",
    "CharRNN": "model",
    "CharRNNError": "errors",
    "CharScores": "evaluation.text",
    "Checkpoint": "checkpoint",
    "CheckpointError": "errors",
    "Classification": "classification",
    "Classifier": "classification",
    "Config": "config.schema",
    "ConfigError": "errors",
    "Corpus": "data.corpus",
    "CorpusError": "errors",
    "Evaluation": "evaluation.score",
    "Overlap": "evaluation.overlap",
    "Reference": "evaluation.reference",
    "Sample": "generation",
    "SampleConfig": "config.schema",
    "Trainer": "training.trainer",
    "TrainingError": "errors",
    "VocabError": "errors",
    "load": "model",
    "train": "training.start",
}

__all__ = [
    "Baselines",
    "CharRNN",
    "CharRNNError",
    "CharScores",
    "Checkpoint",
    "CheckpointError",
    "Classification",
    "Classifier",
    "Config",
    "ConfigError",
    "Corpus",
    "CorpusError",
    "Evaluation",
    "Overlap",
    "Reference",
    "Sample",
    "SampleConfig",
    "Trainer",
    "TrainingError",
    "VocabError",
    "__version__",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"charrnn.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'charrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
