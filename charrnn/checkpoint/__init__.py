"""Checkpoints: one ``.npz`` file, written atomically, read distrustfully.

:mod:`~charrnn.checkpoint.format` describes the container, a JSON document and named
arrays; here is what charrnn keeps in it:

    params.*         the model: the best parameters of the run, by name
    last.*           the parameters to go on from
    optimizer.SLOT.* the optimiser's slots, laid out as the parameters
    state            recurrent state (L, STATES, N, H) at the window to come
    items            hashes of the corpus's items, int64, if it is one of records

The document holds the configuration, the vocabulary, the names and digests of the corpus
and of the model that was started from, the versions that wrote it and, for resuming, the
position, counters, random generators and the history. Of the arrays a model saved by
itself has ``params.*`` and ``items`` only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charrnn._version import __version__
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import check_writable, write
from charrnn.config.autosize import architecture
from charrnn.config.schema import Config
from charrnn.config.sources import build
from charrnn.data.vocab import Vocab
from charrnn.nn.optim import OPTIMIZERS
from charrnn.nn.params import Array, Params

__all__ = ["Checkpoint", "Training", "architecture", "check_writable"]

Path = str | os.PathLike[str]
#: What is known of the corpus, and of the model that was started from, if anything is.
_KNOWN: dict[str, dict[str, type]] = {
    "corpus": {"name": str, "size": int, "characters": int, "sha256": str},
    "origin": {"name": str, "sha256": str},
}


@dataclass
class Training:
    """All that the next step depends on, beside the model itself.

    Attributes:
        document: what JSON can hold: counters, position, random generators, history.
        last: parameters to go on from. slots: the optimiser's. state: recurrent state.
    """

    document: dict[str, Any]
    last: Params
    slots: dict[str, Params]
    state: Array


@dataclass
class Checkpoint:
    """A model and, unless it was saved by itself, the run that made it.

    Attributes:
        params: best parameters so far, float32.
        corpus: name, size in bytes, characters and SHA-256 of the corpus.
        origin: name, and SHA-256 of the parameters, of the model that the run started from.
        training: for resuming; None in a model saved by itself or read without it.
        record_hashes: of the corpus's records (:class:`~charrnn.data.records.RecordSet`), or None.
    """

    config: Config
    vocab: Vocab
    params: Params
    corpus: dict[str, Any] = field(default_factory=dict)
    training: Training | None = None
    versions: dict[str, str] = field(default_factory=dict)
    record_hashes: Array | None = None
    origin: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write to ``path``: atomically, durably, equal bytes for equal state.

        Raises:
            CheckpointError: if it cannot be written, or a weight is not finite.
        """
        arrays = _named("params", self.params)
        meta: dict[str, Any] = {
            "config": self.config.to_dict(),
            "vocab": self.vocab.to_dict(),
            "corpus": self.corpus,
            "origin": self.origin,
            "versions": {"charrnn": __version__, "numpy": np.__version__},
            "training": None,
            "items": None if self.record_hashes is None else len(self.record_hashes),
        }
        if self.record_hashes is not None:
            arrays["items"] = self.record_hashes
        if self.training is not None:
            arrays |= _named("last", self.training.last) | {"state": self.training.state}
            for slot, params in self.training.slots.items():
                arrays |= _named(f"optimizer.{slot}", params)
            meta["training"] = self.training.document
        write(path, meta, arrays, f"charrnn {__version__}")

    def squares(self) -> Array | None:
        """Mean squared gradients (P,) of the run, for dynamic evaluation.

        None if this was read or saved without its training state, before the first
        update, or the optimiser keeps no such thing.
        """
        run = self.training
        if run is None or not run.document["updates"]:
            return None
        slots = {name: params.flat for name, params in run.slots.items()}
        optimizer = OPTIMIZERS[self.config.train.optimizer]
        return optimizer.mean_square(slots, run.document["updates"])

    @classmethod
    def load(cls, path: Path, training: bool = False) -> Checkpoint:
        """Read and verify ``path``; what only resuming needs is read if ``training``.

        Raises:
            CheckpointError: if it is missing, damaged or not a checkpoint. A model that
                was saved by itself has no training state, whatever ``training`` asks for.
        """
        meta, arrays = read(path, _expected, None if training else _is_model)
        config, vocab = _config_and_vocab(meta)
        shapes = architecture(config, vocab).shapes()
        run = None
        if training and meta["training"] is not None:
            slots = OPTIMIZERS[config.train.optimizer].SLOTS
            run = Training(
                meta["training"],
                _collected("last", shapes, arrays),
                {slot: _collected(f"optimizer.{slot}", shapes, arrays) for slot in slots},
                arrays["state"],
            )
        return cls(
            config,
            vocab,
            _collected("params", shapes, arrays),
            meta["corpus"],
            run,
            meta["versions"],
            arrays.get("items"),
            meta["origin"],
        )


def _named(prefix: str, params: Params) -> dict[str, Array]:
    return {f"{prefix}.{name}": view for name, view in params.items()}


def _collected(prefix: str, shapes: dict[str, tuple[int, ...]], arrays: dict[str, Array]) -> Params:
    params = Params(shapes)
    for name, view in params.items():
        view[...] = arrays[f"{prefix}.{name}"]
    return params


def _is_model(name: str) -> bool:
    return name.startswith("params.") or name == "items"


def _config_and_vocab(meta: dict[str, Any]) -> tuple[Config, Vocab]:
    sections = meta["config"].items()
    settings = {f"{section}.{key}": v for section, keys in sections for key, v in keys.items()}
    config, vocab = build(settings), Vocab.from_dict(meta["vocab"])
    if vocab.unit != config.data.unit:
        raise ValueError(f"the vocabulary is of {vocab.unit}s, the settings of {config.data.unit}s")
    return config, vocab


def _expected(meta: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The arrays that the document implies; asked before any is allocated."""
    for key in ("versions", *_KNOWN):
        if not isinstance(meta[key], dict):
            raise ValueError(f"{key} is no dict")
    for key, kinds in _KNOWN.items():
        for name, kind in kinds.items() if meta[key] else ():
            if type(meta[key].get(name)) is not kind:
                raise ValueError(f"{key}.{name} is no {kind.__name__}")
    config, vocab = _config_and_vocab(meta)
    arch = architecture(config, vocab)
    prefixes = ["params"]
    expected: dict[str, tuple[str, tuple[int, ...]]] = {}
    if (items := meta.get("items")) is not None:
        if type(items) is not int or items < 0:
            raise ValueError("the number of items is no count")
        expected["items"] = ("int64", (items,))
    if meta["training"] is not None:
        slots = OPTIMIZERS[config.train.optimizer].SLOTS
        prefixes += ["last", *(f"optimizer.{slot}" for slot in slots)]
        streams = meta["training"]["streams"]
        if not isinstance(streams, int) or not 1 <= streams <= config.train.batch_size:
            raise ValueError("the number of streams does not fit the configuration")
        expected["state"] = ("float32", arch.state_shape(streams))
    for prefix in prefixes:
        for name, shape in arch.shapes().items():
            expected[f"{prefix}.{name}"] = ("float32", shape)
    return expected
