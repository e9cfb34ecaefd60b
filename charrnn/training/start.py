"""The three ways to start a run: new, resumed, or from the parameters of another model.

Each checks what it starts from, resolves the settings and returns a
:class:`~charrnn.training.trainer.Trainer`.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint, Origin
from charrnn.config.autosize import AUTO_SETTINGS
from charrnn.config.schema import BUDGETS, SETTING_TYPES, Config, DataConfig
from charrnn.config.sources import build, flatten, with_settings
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import NOUNS, Text, Vocab, named_symbols
from charrnn.errors import CheckpointError, ConfigError
from charrnn.messages import path_name, quoted
from charrnn.model import CharRNN, load
from charrnn.nn.params import Array
from charrnn.threads import blas_kernel
from charrnn.training.inputs import Start
from charrnn.training.trainer import Trainer

#: What may change from session to session: how long a run is, and what is reported.
CHANGEABLE = {*BUDGETS, "eval_every", "checkpoint_every", "patience", "workers"}
#: What a resumed run keeps although null has a meaning of its own.
INHERITED = ("data.val_split", "model.ngram_weight")
#: What determines the parameters of a model: a run that starts from them cannot change it.
SHAPE = ("model.cell", "model.hidden_size", "model.num_layers", "data.unit", "data.records")

log = logging.getLogger("charrnn")


def new(config: Config, text: Text | Corpus) -> Trainer:
    """A run from random parameters. Errors as :class:`Trainer`."""
    return Trainer(config, text)


def resume(checkpoint: Checkpoint, text: Text | Corpus, config: Config | None = None) -> Trainer:
    """The run of a checkpoint, to be continued on the same text.

    Args:
        checkpoint: loaded with ``training=True``.
        config: the settings of the run, of which only those in :data:`CHANGEABLE` may differ
            from the checkpoint's; None for the checkpoint's own.

    Raises:
        CheckpointError: as :func:`resume_config`; or if the text is not the run's.
        Others as :class:`Trainer`.
    """
    config = resume_config(checkpoint, config or checkpoint.config)
    start = Start(
        checkpoint.vocab,
        checkpoint.params,
        checkpoint.origin,
        checkpoint.known_records,
        checkpoint.known_words,
        checkpoint.training,
        checkpoint.mixture,
    )
    corpus = _corpus(text, config, start.vocab)
    before = checkpoint.corpus
    if before and before.sha256 != corpus.sha256:
        raise CheckpointError(
            f"the run to resume was trained on {before.name} ({before.size:,} bytes), but "
            f"{corpus.name} ({corpus.size:,} bytes) is a different text",
            "give the same corpus",
        )
    if corpus.vocab != start.vocab:
        raise _other_symbols()
    trainer = Trainer(config, corpus, start)
    assert checkpoint.training  # resume_config() requires it
    for name, then, now in (
        ("NumPy", checkpoint.versions.get("numpy"), np.__version__),
        ("BLAS kernels", checkpoint.versions.get("blas"), blas_kernel()),
        ("worker count", checkpoint.training.state.workers, trainer.state.workers),
    ):
        if then not in (None, now) and now is not None:
            log.warning(
                "the run was started with %s %s and continues with %s: its results may differ "
                "in the last digits",
                name,
                then,
                now,
            )
    return trainer


def fine_tune(model: CharRNN, text: Text | Corpus, config: Config | None = None) -> Trainer:
    """A new run that starts from the parameters of a model.

    The model's vocabulary grows where the text needs it and loses nothing; a :class:`Corpus`
    must be made with ``known=model.vocab``. The optimiser starts from zero. If no validation is
    better than the model's own, its parameters are kept.

    Args:
        config: if None, :func:`fine_tune_config` of the model alone.

    Raises:
        ConfigError: as :func:`fine_tune_config`. Others as :class:`Trainer`.
    """
    config = fine_tune_config(model, config)
    origin = Origin(model.name, model.network.params.digest())
    start = Start(
        model.vocab,
        model.network.params,
        origin,
        model.known_records,
        model.known_words,
        mixture=model.mixture,
        sha256=model.corpus.sha256 if model.corpus else None,
    )
    corpus = _corpus(text, config, start.vocab)
    if corpus.vocab != corpus.vocab.union(start.vocab):
        raise _other_symbols()
    _log_origin(model, corpus)
    return Trainer(config, corpus, start)


def resume_config(checkpoint: Checkpoint, config: Config) -> Config:
    """The settings of a resumed run: what ``config`` leaves open keeps its value.

    Raises:
        CheckpointError: the checkpoint holds no run, or ``config`` changes a setting that may
            not change.
    """
    if checkpoint.training is None:
        raise CheckpointError(
            "this model was saved without its training state, so there is no run to resume",
            "start a new run from it instead",
        )
    fixed = [
        name
        for name in SETTING_TYPES
        if name.startswith(("model.", "data.", "train."))
        and name.partition(".")[2] not in CHANGEABLE
    ]
    if changes := _changes(checkpoint.config, config, fixed):
        raise CheckpointError(
            f"in the run to resume, {'; '.join(changes)}",
            "leave these settings as they were, or start a new run",
        )
    return _inherit(config, checkpoint.config, (*AUTO_SETTINGS, *INHERITED))


def fine_tune_config(model: CharRNN, config: Config | None = None) -> Config:
    """The settings of a run that starts from ``model``.

    The sizes, unit and records are the model's. How to train depends on the new text and on the
    budget, so all other settings have the defaults of any new run. The default learning rate
    suits a text unlike the old one; a tenth of it suits a similar text (docs/design/tuning.md
    has the measurements).

    Raises:
        ConfigError: ``config`` asks for a shape other than the model's.
    """
    before = model.config
    if config is None:
        read = before.data
        data = DataConfig(unit=read.unit, vocab_size=read.vocab_size, records=read.records)
        return Config(before.model, data)
    if changes := _changes(before, config, SHAPE):
        raise ConfigError(
            f"in {model.name}, the model to start from, {'; '.join(changes)}",
            "leave these settings out, or train a new model",
        )
    order = config.model.ngram_order
    if model.mixture and order and order != before.model.ngram_order:
        raise ConfigError(
            f"in {model.name}, the model to start from, model.ngram_order is "
            f"{before.model.ngram_order}, not {order}",
            "leave it out, or use {setting} for the network alone",
            "model.ngram_order=0",
        )
    # The learning rate is chosen anew.
    return _inherit(config, before, [n for n in AUTO_SETTINGS if n.startswith("model.")])


def train(
    text: Text | Corpus,
    config: Config | None = None,
    *,
    init_from: CharRNN | str | os.PathLike[str] | None = None,
    **settings: Any,
) -> CharRNN:
    """Train a model to the end of its budget and return the best of the run.

    Args:
        text: to train on: str, or bytes for a byte model.
        config: settings to start from; if None the defaults, or those of
            :func:`fine_tune_config` with ``init_from``.
        init_from: a model, or its file, to start from, as in :func:`fine_tune`.
        settings: single settings by name, such as ``cell="gru"`` or ``minutes=2``.

    Raises:
        ConfigError: for a setting that is unknown or out of range, or bytes without
            ``unit="byte"``.
        CheckpointError: if no model can be read from the file ``init_from``.
        CorpusError: for a text that nothing can be learned from.
        TypeError: if ``text`` or ``config`` is something else.
        TrainingError: if the loss does not stay finite.
    """
    if isinstance(text, str) and "\n" not in text and os.path.isfile(text):
        warnings.warn(
            f"training on the {len(text)} characters {quoted(text)}, which is also the name of a "
            "file; to train on the file's text, pass open(path).read()",
            stacklevel=2,
        )
    if isinstance(init_from, (str, os.PathLike)):
        init_from = load(init_from)
    if not (init_from is None or isinstance(init_from, CharRNN)):
        raise TypeError(f"init_from must be a charrnn.CharRNN or its file, not {quoted(init_from)}")
    if not (config is None or isinstance(config, Config)):
        raise TypeError(f"config must be a charrnn.Config, not {quoted(config)}")
    if init_from:
        base = config or fine_tune_config(init_from)
        trainer = fine_tune(init_from, text, with_settings(base, settings))
    else:
        trainer = new(with_settings(config or Config(), settings), text)
    for _ in trainer:
        pass
    if failure := trainer.failure:
        log.warning("%s", failure)
    return trainer.model


def _corpus(text: Text | Corpus, config: Config, known: Vocab) -> Corpus:
    return text if isinstance(text, Corpus) else Corpus.of_text(text, config.data, known=known)


def _other_symbols() -> ConfigError:
    return ConfigError(
        "the corpus was read without the symbols of the model", "make it with known=model.vocab"
    )


def _changes(before: Config, now: Config, names: Iterable[str]) -> list[str]:
    """``model.cell is lstm, not gru``, for each of ``names`` that is set to something else."""
    old, new = flatten(before), flatten(now)
    differing = [name for name in names if new[name] not in (None, old[name])]
    return [f"{name} is {old[name]}, not {new[name]}" for name in differing]


def _inherit(config: Config, before: Config, names: Iterable[str]) -> Config:
    """``config``, with those of ``names`` that it leaves open as they are in ``before``."""
    now, then = flatten(config), flatten(before)
    return build(now, {name: then[name] for name in names if now[name] is None})


def _log_origin(model: CharRNN, corpus: Corpus) -> None:
    """Log what the run starts from, and which characters the text adds to it."""
    note = f"starting from {path_name(model.name)}"
    unit = corpus.vocab.unit
    if unit != "byte":
        added = np.setdiff1d(corpus.points, model.vocab.points)
        unused = np.setdiff1d(model.vocab.points, corpus.points)
        note += f" and its {len(model.vocab):,} {NOUNS[unit]}s: {_some(unit, added)} added"
        if len(unused):
            note += f", {_some(unit, unused)} kept although this text lacks them"
    log.info("%s", note)


def _some(unit: str, symbols: Array) -> str:
    """How many symbols these are, and some of them: ``2 (ß€)``; ``none``."""
    if not len(symbols):
        return "none"
    return f"{len(symbols):,} ({named_symbols(unit, symbols)})"
