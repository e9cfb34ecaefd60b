"""Checkpoint: what a model file holds, and how it is saved and loaded.

:mod:`~charrnn.checkpoint.format` describes the container, a JSON document and named
arrays; here is what charrnn keeps in it:

    params.*         the model: the best parameters of the run, by name
    last.*           the parameters to continue from
    average.*        the running mean of the parameters, if there is one
    optimizer.SLOT.* the optimiser's slots, laid out as the parameters
    state            recurrent state (L, STATES, N, H) before the next window
    items            hashes of the corpus's records, or of its lines, int64
    words            the corpus's words in UTF-8, a newline between them
    ngram.*          the n-gram model that is mixed in: see :mod:`charrnn.ngram.stored`

The document holds the configuration, the vocabulary, the names and digests of the corpus
and of the model that was started from, the versions that wrote it and, for resuming, the
position, counters, random generators and the history. A model saved by itself has only the
arrays ``params.*``, ``items``, ``words`` and ``ngram.*``. The statistics of the corpus are kept as
``norms``, unless training was interrupted.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

import numpy as np

from charrnn._version import __version__
from charrnn.checkpoint.errors import damaged, error_context
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.config.autosize import architecture
from charrnn.config.schema import Config
from charrnn.config.sources import from_document, to_document
from charrnn.data.records import RecordSet, end_point
from charrnn.data.vocab import Vocab
from charrnn.data.word_vocab import read_vocab
from charrnn.data.words import pack_words, unpack_words
from charrnn.mixing import Mixture
from charrnn.ngram import stored
from charrnn.nn.optim import OPTIMIZERS
from charrnn.nn.params import Array, Params
from charrnn.norms import Norms
from charrnn.threads import blas_kernel
from charrnn.training.state import RunState

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class CorpusInfo:
    """What a corpus was: its name, size in bytes, number of characters and SHA-256."""

    name: str
    size: int
    characters: int
    sha256: str


@dataclass(frozen=True)
class Origin:
    """The model that a run started from: its name, and the SHA-256 of its parameters."""

    name: str
    sha256: str


@dataclass
class Training:
    """All that the next step depends on, besides the model itself.

    Attributes:
        state: where the run is. last: parameters to continue from. slots: the optimiser's.
        recurrent_state: (L, STATES, N, H), float32.
        average: the running mean of the parameters, if there is one.
    """

    state: RunState
    last: Params
    slots: dict[str, Params]
    recurrent_state: Array
    average: Params | None = None


@dataclass
class Checkpoint:
    """A model and, unless it was saved by itself, the run that made it.

    Attributes:
        params: best parameters so far, float32.
        corpus: what it was trained on. origin: what its run started from. Both None if unknown.
        training: for resuming; None in a model saved by itself or read without it.
        versions: of charrnn and NumPy that wrote it; of a run, also the BLAS kernels.
        known_records: those of its corpus, or its lines; None if it has too many.
        known_words: those of its corpus; None in files of version 0.1.
        norms: statistics of the corpus, where they were measured.
        mixture: the n-gram model that the network is mixed with, if there is one.
    """

    config: Config
    vocab: Vocab
    params: Params
    corpus: CorpusInfo | None = None
    training: Training | None = None
    versions: dict[str, str] = field(default_factory=dict)
    known_records: RecordSet | None = None
    known_words: tuple[str, ...] | None = None
    origin: Origin | None = None
    norms: Norms | None = None
    mixture: Mixture | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays, and so, roughly, of its file."""
        return sum(array.nbytes for array in self._arrays().values())

    def _arrays(self) -> dict[str, Array]:
        arrays = _named("params", self.params)
        if self.known_records is not None:
            arrays["items"] = self.known_records.hashes
        if self.known_words is not None:
            arrays["words"] = pack_words(self.known_words)
        if self.mixture is not None:
            arrays |= stored.to_arrays(self.mixture.ngram.counts)
        if run := self.training:
            arrays |= _named("last", run.last) | {"state": run.recurrent_state}
            for slot, params in run.slots.items():
                arrays |= _named(f"optimizer.{slot}", params)
            if run.average:
                arrays |= _named("average", run.average)
        return arrays

    def save(self, path: Path) -> None:
        """Write to ``path``: atomically, durably, equal bytes for equal state.

        Raises:
            CheckpointError: if it cannot be written, or a weight is not finite.
        """
        records, training = self.known_records, self.training
        meta: dict[str, Any] = {
            "config": to_document(self.config),
            "vocab": self.vocab.to_dict(),
            "corpus": asdict(self.corpus) if self.corpus else {},
            "origin": asdict(self.origin) if self.origin else {},
            "versions": _versions(training is not None),
            "training": training.state.to_dict() if training else None,
            "items": None if records is None else len(records),
        }
        arrays = self._arrays()
        if "words" in arrays:
            meta["words"] = len(arrays["words"])
        if self.mixture:
            ngram = stored.to_document(self.mixture.ngram.counts)
            meta["ngram"] = ngram | {"weight": self.mixture.weight}
        if self.norms:
            meta["norms"] = self.norms.to_dict()
        write(path, meta, arrays, f"charrnn {__version__}")

    def squares(self) -> Array | None:
        """Mean squared gradients (P,) of the run, for dynamic evaluation.

        None if this was read or saved without its training state, before the first
        update, or the optimiser does not keep them.
        """
        run = self.training
        if run is None or not run.state.step:
            return None
        slots = {name: params.flat for name, params in run.slots.items()}
        return OPTIMIZERS[self.config.train.optimizer].mean_square(slots, run.state.step)

    @classmethod
    def load(cls, path: Path, training: bool = False) -> Checkpoint:
        """Read and verify ``path``; the training state, if it has one, only if ``training``.

        Raises:
            CheckpointError: if it is missing, damaged or not a checkpoint.
        """
        meta, arrays = read(path, _expected, None if training else _is_model)
        config, vocab = _config_and_vocab(meta)
        shapes = architecture(config, len(vocab)).shapes()
        run = None
        if training and meta["training"] is not None:
            slots = OPTIMIZERS[config.train.optimizer].SLOTS
            run = Training(
                RunState.from_dict(meta["training"]),
                _collected("last", shapes, arrays),
                {slot: _collected(f"optimizer.{slot}", shapes, arrays) for slot in slots},
                arrays["state"],
                _collected("average", shapes, arrays) if config.train.average else None,
            )
        return cls(
            config,
            vocab,
            _collected("params", shapes, arrays),
            CorpusInfo(**meta["corpus"]) if meta["corpus"] else None,
            run,
            meta["versions"],
            RecordSet(arrays["items"]) if "items" in arrays else None,
            _words(path, arrays["words"]) if "words" in arrays else None,
            Origin(**meta["origin"]) if meta["origin"] else None,
            _norms(meta),
            _mixture(path, meta["ngram"], arrays, config, vocab) if "ngram" in meta else None,
        )


def _versions(of_run: bool) -> dict[str, str]:
    versions = {"charrnn": __version__, "numpy": np.__version__}
    if of_run and (kernel := blas_kernel()):
        versions["blas"] = kernel  # another one may change the last digits of what follows
    return versions


def _named(prefix: str, params: Params) -> dict[str, Array]:
    return {f"{prefix}.{name}": view for name, view in params.items()}


def _collected(prefix: str, shapes: dict[str, tuple[int, ...]], arrays: dict[str, Array]) -> Params:
    params = Params(shapes)
    for name, view in params.items():
        view[...] = arrays[f"{prefix}.{name}"]
    return params


def _is_model(name: str) -> bool:
    return name.startswith(("params.", "ngram.")) or name in ("items", "words")


def _words(path: Path, packed: Array) -> tuple[str, ...]:
    with error_context(path, "cannot be read"):
        try:
            return unpack_words(packed)
        except ValueError as error:  # such as a UnicodeDecodeError
            raise damaged(str(error)) from None


def _mixture(
    path: Path, document: dict[str, Any], arrays: dict[str, Array], config: Config, vocab: Vocab
) -> Mixture:
    with error_context(path, "cannot be read"):
        try:
            counts = stored.from_arrays(document, arrays, len(vocab))
        except ValueError as error:
            raise damaged(str(error)) from None
    return Mixture.of(counts, document["weight"], vocab.start, config.data.of_records)


def _config_and_vocab(meta: dict[str, Any]) -> tuple[Config, Vocab]:
    config = from_document(meta["config"])
    vocab = read_vocab(meta["vocab"], end_point(config.data.records))
    if vocab.unit != config.data.unit:
        raise ValueError(f"the vocabulary is of {vocab.unit}s, the settings of {config.data.unit}s")
    return config, vocab


def _norms(meta: dict[str, Any]) -> Norms | None:
    return Norms.from_dict(meta["norms"]) if "norms" in meta else None


def _check_fields(kind: type, document: dict[str, Any]) -> None:
    """Raise unless ``document`` is empty or has the fields of ``kind``, each of its type."""
    found = {name: type(value) for name, value in document.items()}
    if found and found != get_type_hints(kind):
        raise ValueError(f"{kind.__name__} does not have its fields")


def _expected(meta: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The arrays that the document implies; called before any is allocated."""
    if any(type(value) is not str for value in meta["versions"].values()):
        raise ValueError("a version is not text")
    _check_fields(CorpusInfo, meta["corpus"])
    _check_fields(Origin, meta["origin"])
    _norms(meta)
    config, vocab = _config_and_vocab(meta)
    arch = architecture(config, len(vocab))
    prefixes = ["params"]
    expected: dict[str, tuple[str, tuple[int, ...]]] = {}
    if (items := meta.get("items")) is not None:
        if type(items) is not int or items < 0:
            raise ValueError("the number of records is not a count")
        expected["items"] = ("int64", (items,))
    if (words := meta.get("words")) is not None:
        if type(words) is not int or words < 0:
            raise ValueError("the length of the words is not a count")
        expected["words"] = ("uint8", (words,))
    if (ngram := meta.get("ngram")) is not None:
        if ngram["order"] != config.model.ngram_order:
            raise ValueError("the order of the n-grams does not fit the configuration")
        if type(ngram["weight"]) is not float or not 0.0 <= ngram["weight"] <= 1.0:
            raise ValueError("the weight of the n-grams is not a share")
        expected |= stored.shapes(ngram, len(vocab))
    if meta["training"] is not None:
        slots = OPTIMIZERS[config.train.optimizer].SLOTS
        prefixes += ["last", *(f"optimizer.{slot}" for slot in slots)]
        prefixes += ["average"] if config.train.average else []
        streams = RunState.from_dict(meta["training"]).streams
        if streams > (config.train.batch_size or 0):
            raise ValueError("the number of streams does not fit the configuration")
        expected["state"] = ("float32", arch.state_shape(streams))
    for prefix in prefixes:
        for name, shape in arch.shapes().items():
            expected[f"{prefix}.{name}"] = ("float32", shape)
    return expected
