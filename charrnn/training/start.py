"""Going on: with a run from its checkpoint, or from a trained model to another text.

What was fixed when the parameters were made stays as it was; here it is said what that is,
what else is refused, and what a run takes over where its settings leave it open.
"""

from __future__ import annotations

from collections.abc import Iterable

from charrnn.checkpoint import Checkpoint, Training
from charrnn.config.autosize import AUTO_SETTINGS
from charrnn.config.schema import BUDGETS, SETTING_TYPES, Config, DataConfig
from charrnn.config.sources import build, flatten
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import Vocab
from charrnn.errors import CheckpointError, ConfigError
from charrnn.model import CharRNN

#: What may change between the sittings of a run: how long it is, and what is reported.
CHANGEABLE = {*BUDGETS, "eval_every", "checkpoint_every", "patience", "workers"}
#: What the parameters of a model were made for: a run that starts from them has no choice.
SHAPE = ("model.cell", "model.hidden_size", "model.num_layers", "data.unit", "data.records")


def take_over(config: Config, resume: Checkpoint | None, init_from: CharRNN | None) -> Config:
    """``config``, with what it leaves open as it was in what the run goes on with, if anything.

    Raises:
        CheckpointError: as :func:`resumable`.
        ConfigError: as :func:`reject_other_shape`, or if both are given.
    """
    if resume and init_from:
        raise ConfigError("a run goes on with a checkpoint or starts from a model, not both")
    if resume:
        resumable(resume, config)
        return _taking_over(config, resume.config, AUTO_SETTINGS)
    if init_from:  # how fast to learn is for the new run to choose
        reject_other_shape(init_from, config)
        sizes = [name for name in AUTO_SETTINGS if name.startswith("model.")]
        return _taking_over(config, init_from.config, sizes)
    return config


def resumable(checkpoint: Checkpoint, now: Config) -> Training:
    """The run that a checkpoint holds, if it can be gone on with under the settings ``now``.

    Raises:
        CheckpointError: there is none, or settings differ that a resumed run may not change.
    """
    if checkpoint.training is None:
        raise CheckpointError(
            "this model was saved without its training state and cannot be resumed; start a new run"
        )
    sections = ("model.", "data.", "train.")
    fixed = [
        name
        for name in SETTING_TYPES
        if name.startswith(sections) and name.partition(".")[2] not in CHANGEABLE
    ]
    if changes := _changes(checkpoint.config, now, fixed):
        raise CheckpointError(
            f"in the run to resume, {'; '.join(changes)}; "
            "leave these settings as they were, or start a new run"
        )
    return checkpoint.training


def fine_tuning(model: CharRNN) -> Config:
    """The settings of a run that starts from ``model``, where none are given.

    Its ``model`` section, unit and records. How to learn is a matter of the new text and
    of the time there is for it: there the defaults of any new run hold.

    The rate's default suits a text that is unlike the old one, and a tenth of it one that is
    like it. Best held-out loss after 300 steps, LSTM of 128 first trained on 60 KB of
    corpora/fables.txt, two seeds:

        then on                        from nothing  rate 0.2      0.02          squares kept
        26 KB more of the fables       1.883, 1.902  1.814, 1.818  1.738, 1.738  1.740, 1.742
        the same in Cyrillic letters   1.916, 1.909  1.910, 1.896  2.506, 2.499  1.965, 1.970
        24 KB of charrnn's own pages   2.527, 2.544  2.442, 2.455  2.641, 2.647  2.528, 2.523

    (1.789 before training on more of the fables.) "Squares kept" are those that Adagrad had
    summed, at rate 0.2: no better than the lower rate, and in the way of what is new. So the
    optimiser starts anew.
    """
    data = model.config.data
    return Config(model.config.model, DataConfig(unit=data.unit, records=data.records))


def reject_other_shape(model: CharRNN, config: Config) -> None:
    """Raise :class:`ConfigError` naming the settings in which ``config`` does not fit ``model``."""
    if changes := _changes(model.config, config, SHAPE):
        raise ConfigError(
            f"in {model.name}, which is to be started from, {'; '.join(changes)}; "
            "leave these settings out, or train a new model"
        )


def check_corpus(corpus: Corpus, resume: Checkpoint | None, init_from: CharRNN | None) -> None:
    """Refuse a corpus that what the run goes on with does not fit.

    Raises:
        CheckpointError: naming both texts, if it is not the one of the run to resume.
        ConfigError: if it was read without the symbols of the model.
    """
    if resume and resume.corpus["sha256"] != corpus.sha256:
        raise CheckpointError(
            f"the run to resume was trained on {resume.corpus['name']} "
            f"({resume.corpus['size']:,} bytes), and {corpus.name} "
            f"({corpus.size:,} bytes) is another text; give the same corpus"
        )
    before = resume or init_from
    if before and not _spans(corpus.vocab, before.vocab, exactly=resume is not None):
        raise ConfigError(
            "the corpus was read without the symbols of the model; make it with known=model.vocab"
        )


def _changes(before: Config, now: Config, names: Iterable[str]) -> list[str]:
    """``model.cell is lstm, not gru``, for each of ``names`` that is set to something else."""
    old, new = flatten(before), flatten(now)
    differing = [name for name in names if new[name] not in (None, old[name])]
    return [f"{name} is {old[name]}, not {new[name]}" for name in differing]


def _taking_over(config: Config, before: Config, names: Iterable[str]) -> Config:
    """``config`` with those of ``names`` that it leaves open as they were in ``before``."""
    now, then = flatten(config), flatten(before)
    return build(now, {name: then[name] for name in names if now[name] is None})


def _spans(vocab: Vocab, other: Vocab, exactly: bool) -> bool:
    """Whether ``vocab`` has all symbols of ``other``, and no more if ``exactly``."""
    return vocab == other if exactly else vocab == vocab.union(other)
