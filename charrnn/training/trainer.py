"""Training as an iterator of steps: epochs, budget, schedule, validation, the best so far."""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint, Training
from charrnn.config.autosize import architecture, resolve_auto
from charrnn.config.schema import Config
from charrnn.config.sources import with_settings
from charrnn.data.batches import RecordBatches, TextBatches
from charrnn.data.corpus import Corpus
from charrnn.data.records import RecordSet
from charrnn.data.vocab import NOUNS, Text
from charrnn.errors import CheckpointError, ConfigError, TrainingError
from charrnn.evaluation.records import evaluate_records
from charrnn.evaluation.score import Evaluation
from charrnn.evaluation.text import evaluate
from charrnn.messages import printable, quoted
from charrnn.model import CharRNN, load
from charrnn.nn.network import Architecture, Network, extend_vocabulary
from charrnn.nn.optim import cosine, exponential
from charrnn.nn.params import Array, Params
from charrnn.training.data_parallel import DataParallel
from charrnn.training.memory import check_memory
from charrnn.training.start import check_corpus, fine_tuning, take_over

#: Validations in a run, where they are not too dear.
VALIDATIONS = 20
#: Of these, how many without a better one end a run, where no patience is given.
PATIENCE = 6
#: Share of a run's work that validating may take, and the work of scoring a character
#: relative to training on one: forward only, against forward, backward and update.
VALIDATION_SHARE, SCORING_COST = 0.1, 1 / 3
#: Share of a budget of minutes that one validation may take; where it would take more, there
#: is none, for a run is there to learn.
AFFORDABLE = 0.5
#: Symbols of the held-out part that are scored to see how long all of it would take; fewer
#: are scored in the time of a few steps, so a part of that size is not worth the question.
PROBE = 1 << 14
#: Steps that a warm-up takes at least. Adagrad's first steps are the longest, and 0.02 of a
#: short run is one to six of them. Last validation on corpora/fables.txt with the defaults and
#: --steps 300, seeds 1 and 2: without a least number 2.005, 1.773; 10 steps 1.752, 1.766; 20
#: 1.751, 1.775; 40 1.809, 1.824. With --steps 50: 3.051, 2.910; 2.439, 2.597; 2.542, 2.641;
#: 2.691, 2.647.
WARMUP_STEPS = 10
#: min-char-rnn's smooth loss: what of it stays at each step.
SMOOTHING = 0.999


@dataclass(frozen=True)
class Step:
    """What one step of training did.

    Attributes:
        step: steps made so far. epoch: whole passes over the training part.
        characters: trained on so far.
        loss: mean of this window, nats per character.
        smooth_loss: min-char-rnn's: nats per window of ``seq_length`` characters, a
            running mean that starts at ``seq_length * ln V`` and moves by 0.001 a step.
        grad_norm: before clipping. learning_rate: of this step.
        progress: share of the budget that is used, 0 to 1.
        seconds: the run has taken so far.
        validation: score of the held-out part, at the steps where it was taken.
        best: whether that is the lowest so far.
    """

    step: int
    epoch: int
    characters: int
    loss: float
    smooth_loss: float
    grad_norm: float
    learning_rate: float
    progress: float
    seconds: float
    validation: Evaluation | None = None
    best: bool = False

    @property
    def bits_per_char(self) -> float:
        """The window's loss in bits per character."""
        return self.loss / math.log(2.0)


class Trainer:
    """Trains a model: a new one, a checkpoint's, or another's further; each iteration is a step.

    Args:
        config: every setting. With ``resume``, what its run was started with, but for
            the budget and the intervals.
        corpus: the text, or a :class:`Corpus`; bytes only for a byte model, since what
            they would mean as characters is a matter of encoding.
        resume: a checkpoint loaded with ``training=True``.
        init_from: a model whose parameters a new run starts from, where else they would be
            random; if no validation is better than its own, they are what is kept. Its
            vocabulary grows where the text needs it and loses nothing; a :class:`Corpus` is
            to be made with ``known=init_from.vocab``. The optimiser starts anew.
            :func:`fine_tuning` gives the settings that fit.

    Attributes:
        notes: one line for each thing that was decided for the user.
        progress: share of the budget that is used, 0 to 1.
        history: a dict for each validation: step, characters, loss, nats per character;
            that of a model which was started from is of step 0 and has no loss.

    Raises:
        CheckpointError: if ``resume`` cannot be gone on with, or had another corpus.
        ConfigError: if the text does not fit ``data.unit``, if ``init_from`` has another
            shape than ``config``, or the machine has too little memory for these sizes.
        TypeError: if ``config`` or ``corpus`` is something else.
        TrainingError: while iterating, when the loss is no longer finite.
    """

    def __init__(
        self,
        config: Config,
        corpus: Text | Corpus,
        resume: Checkpoint | None = None,
        init_from: CharRNN | None = None,
    ) -> None:
        _require_config(config)
        _require_text(corpus, config)
        _require_model(init_from)
        config = take_over(config, resume, init_from)
        if not isinstance(corpus, Corpus):
            before = resume or init_from
            corpus = Corpus.of_text(corpus, config.data, known=before.vocab if before else None)
        _reject_other_reading(corpus, config)
        check_corpus(corpus, resume, init_from)
        run = resume.training if resume else None
        asked, config = config, resolve_auto(config, len(corpus.train))
        self.config, self.corpus, self.vocab = config, corpus, corpus.vocab
        self.notes: list[str] = []
        self._note_size(asked)
        self._origin: dict[str, Any] = resume.origin if resume else {}
        self._items_before = init_from.known_records if init_from else None
        if resume and resume.record_hashes is not None:  # with those of what the run started from
            self._items_before = RecordSet(resume.record_hashes)
        self.history: list[dict[str, float]] = []
        self.step = self.epoch = self.characters = 0
        self._window = self._offset = 0
        self._seconds, self._started = 0.0, 0.0
        self._best: float | None = None
        self._misses = self._skipped = 0
        self._validation_seconds = 0.0
        self._validating = len(corpus.validation) > 0

        train = config.train
        self._streams = self._cut()
        self._note_shrinking()
        if train.patience and not self._validating:
            self.notes.append("the text is too short to hold out any of it: patience has no effect")
        self.smooth_loss = self._streams.seq_length * math.log(len(self.vocab))
        self._rng = np.random.default_rng([train.seed, 0])
        arch = architecture(config, self.vocab)
        check_memory(config, arch, self._streams)
        params = run.last.copy() if run else self._initial(arch, init_from)
        self.network = Network(arch, params)
        self._best_params = resume.params.copy() if resume else params.copy()
        # A resumed run keeps its number of ranks, on which the last bits of a sum depend.
        ranks = _ranks(run) if run else 0
        self._team = DataParallel(self.network, self._streams, train, train.workers or ranks)
        if resume and run:
            self._note_differences(resume, run)
            self._restore(run)
        else:
            self._offset = self._draw_offset()
        self.progress = min(1.0, self._used())

    def _cut(self) -> TextBatches | RecordBatches:
        """The training part in batches and windows: as one text, or item by item."""
        train, ids = self.config.train, self.corpus.train
        if self.config.data.records == "line":
            return RecordBatches(ids, self.vocab.start, train.batch_size, train.seq_length)
        return TextBatches(ids, train.batch_size, train.seq_length)

    def _note_size(self, asked: Config) -> None:
        """Say what budget and text decided."""
        names = [n for n in ("hidden_size", "dropout") if getattr(asked.model, n) is None]
        if names:
            chosen = ", ".join(f"{name} {getattr(self.config.model, name):g}" for name in names)
            length = f"{len(self.corpus.train):,} {NOUNS[self.vocab.unit]}s"
            self.notes.append(f"for this budget and {length} to learn from: {chosen}")

    def _note_shrinking(self) -> None:
        train, streams = self.config.train, self._streams
        if isinstance(streams, RecordBatches):  # its windows are as long as its items: no news
            if streams.batch_size < train.batch_size:
                self.notes.append(
                    f"items to train on: {streams.batch_size:,}; "
                    f"batch_size {train.batch_size} becomes {streams.batch_size}"
                )
            return
        noun = NOUNS[self.vocab.unit]
        for name in ("batch_size", "seq_length"):
            wanted, got = getattr(train, name), getattr(streams, name)
            if got < wanted:
                self.notes.append(
                    f"the training part has {len(self.corpus.train):,} {noun}s: "
                    f"{name} {wanted} becomes {got}"
                )

    def _initial(self, arch: Architecture, model: CharRNN | None) -> Params:
        """Random parameters; in their place what ``model`` has, saying what is new to it."""
        init = self.config.model
        params = arch.initial(self._rng, init.init, init.init_scale)
        if model is None:
            return params
        extend_vocabulary(model.network.params, self.vocab.ids_of(model.vocab.points), params)
        self._origin = {"name": model.name, "sha256": model.network.params.digest()}
        note = f"starting from {model.name}"
        if self.vocab.unit == "char":
            added = np.setdiff1d(self.corpus.points, model.vocab.points).tolist()
            unused = np.setdiff1d(model.vocab.points, self.corpus.points).tolist()
            note += f" and its {len(model.vocab):,} characters: {_some(added)} added"
            note += f", {_some(unused)} kept that this text never uses" if unused else ""
        self.notes.append(note)
        return params

    @property
    def model(self) -> CharRNN:
        """The model so far: the parameters of the best validation, before any the last ones."""
        return CharRNN(
            self.config,
            self.vocab,
            self._chosen.copy(),
            self.items,
            corpus=self._source,
            origin=self._origin,
        )

    @functools.cached_property
    def items(self) -> RecordSet | None:
        """The items of the corpus, held-out ones included; None if it is one text.

        With those of the model that was started from: that has learned them, too.
        """
        if self.config.data.records == "none":
            return None
        items = RecordSet.of_ids(self.corpus.ids, self.vocab)
        return items if self._items_before is None else items.union(self._items_before)

    @property
    def _source(self) -> dict[str, Any]:
        """What the corpus was, as a checkpoint keeps it."""
        corpus = self.corpus
        return {
            "name": corpus.name,
            "size": corpus.size,
            "characters": corpus.characters,
            "sha256": corpus.sha256,
        }

    @property
    def _chosen(self) -> Params:
        return self.network.params if self._best is None else self._best_params

    @property
    def best(self) -> float | None:
        """Lowest validation so far, nats per character."""
        return self._best

    @property
    def seconds(self) -> float:
        """Time the run has taken, over all its sittings."""
        return self._seconds + (time.monotonic() - self._started if self._started else 0.0)

    def __iter__(self) -> Iterator[Step]:
        self._started = time.monotonic()
        try:
            if self._validating and self.progress < 1.0:
                self._look_ahead()
                self._skip_missed()
            while self.progress < 1.0:
                if self._out_of_patience():
                    self.notes.append(
                        f"stopped early: no better validation in the last {self._misses}; "
                        "to go on nevertheless, resume with train.patience 0"
                    )
                    break
                yield self._train_step()
            if self._best is not None and self._best == self._start_score and self.step:
                self.notes.append(
                    "no validation was better than the model that was started from, so its "
                    "parameters are kept; try a smaller train.learning_rate"
                )
        finally:  # also when the caller leaves the loop, to come back later
            self._team.stop()
            self._seconds, self._started = self.seconds, 0.0

    def _used(self) -> float:
        """Share of the budget used. Time counts what is left for the last validation as used."""
        train = self.config.train
        if train.steps is not None:
            return self.step / train.steps
        if train.epochs is not None:
            windows = self._streams.windows(self._offset)
            return (self.epoch + self._window / windows) / train.epochs
        assert train.minutes is not None
        reserved = self._validation_seconds if self._validating else 0.0
        return self.seconds / max(1e-9, 60.0 * train.minutes - reserved)

    def _look_ahead(self) -> None:
        """Before the first step: see whether there is time to validate; score what is there."""
        train, held_out = self.config.train, self.corpus.validation
        noun = NOUNS[self.vocab.unit]
        budget = math.inf if train.minutes is None else 60.0 * train.minutes
        if budget < math.inf and not self._validation_seconds and len(held_out) > PROBE:
            began = time.monotonic()
            self._score(held_out[:PROBE])
            cost = (time.monotonic() - began) * len(held_out) / PROBE
            self._validation_seconds = cost
            if cost > AFFORDABLE * budget and self._best is None:
                self._validating = False
                patience = ", whatever the patience" if train.patience else ""
                self.notes.append(
                    f"to score the {len(held_out):,} held-out {noun}s would take about "
                    f"{cost:,.1f} of the run's {budget:,.1f} seconds, so they are not scored and "
                    f"the last parameters are kept{patience}; give it more time, or lower "
                    "data.val_fraction"
                )
                return
        fresh = bool(self._origin) and self.step == 0 and not self.history
        if fresh and self._validation_seconds <= VALIDATION_SHARE * budget:
            score, _ = self._validate()
            self.notes.append(
                f"before training, {score.nats_per_char:.4f} nats per held-out {noun}"
            )

    @property
    def _start_score(self) -> float | None:
        """Nats per held-out character of the model that was started from, if it was scored."""
        first = self.history[0] if self.history else {}
        return first.get("nats_per_char") if first.get("step") == 0 else None

    def _train_step(self) -> Step:
        assert self.config.train.learning_rate is not None  # suited() saw to that
        learning_rate = self.config.train.learning_rate * self._schedule()
        if self.config.train.reset:
            starting = self._rng.random(self._streams.batch_size) < self.config.train.reset
            self._team.state[:, :, starting] = 0.0
        with np.errstate(all="ignore"):  # a diverging run is found by its figures
            loss, norm = self._team.step(self._offset, self._window, learning_rate)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"the loss is no longer finite at step {self.step + 1:,}; "
                "try a smaller train.learning_rate, or clip with train.max_grad_norm"
            )
        self.step += 1
        self.characters += self._streams.characters(self._offset, self._window)
        self.smooth_loss *= SMOOTHING
        self.smooth_loss += (1.0 - SMOOTHING) * loss * self._streams.seq_length
        epoch = self.epoch
        self._window += 1
        if self._window == self._streams.windows(self._offset):
            self.epoch, self._window = self.epoch + 1, 0
            self._offset = self._draw_offset()
            self._team.state.fill(0.0)  # the first window is fresh; a checkpoint shows it
        self.progress = min(1.0, self._used())
        step = Step(
            self.step,
            epoch,
            self.characters,
            loss,
            self.smooth_loss,
            norm,
            learning_rate,
            self.progress,
            self.seconds,
        )
        if self._validating and self._validation_due():
            evaluation, best = self._validate(loss)
            self._skip_missed()
            step = replace(step, seconds=self.seconds, validation=evaluation, best=best)
        return step

    def _draw_offset(self) -> int:
        random = self.config.train.random_offset
        return int(self._rng.integers(self._streams.offsets)) if random else 0

    def _schedule(self) -> float:
        train = self.config.train
        if train.schedule == "cosine":
            factor = cosine(self.progress, train.warmup)
            if train.warmup:
                factor = min(factor, (self.step + 1) / WARMUP_STEPS)
            # The warm-up begins at zero; a thousandth lets the first step count.
            return max(factor, 1e-3)
        if train.schedule == "exponential":
            return exponential(self.epoch, train.decay, train.decay_after)
        return 1.0

    def _validation_due(self) -> bool:
        if self.progress >= 1.0:
            return True
        if self.config.train.eval_every:
            return self.step % self.config.train.eval_every == 0
        planned = self.progress * self._planned_validations()
        return planned >= self._made_validations() + self._skipped + 1

    def _made_validations(self) -> int:
        return len(self.history) - (self._start_score is not None)

    def _skip_missed(self) -> None:
        """Count from here on, where a run goes on with another budget.

        With a smaller one, validations that were due long ago, made up for step upon step, would
        use up the patience in a moment; with a larger one (negative) there would be none for
        long. The number follows from what a checkpoint holds, so that a resumed run validates
        where it would have. A difference of one is how a plan by characters wavers.
        """
        planned = int(self.progress * self._planned_validations())
        gap = planned - self._made_validations()
        self._skipped = 0 if gap == -1 else gap

    def _planned_validations(self) -> float:
        """How many validations the run can afford."""
        train = self.config.train
        if train.minutes is not None:
            share = 60.0 * train.minutes / max(self._validation_seconds, 1e-9)
        else:
            done = self.characters / max(self.progress, 1e-9)
            share = done / (SCORING_COST * len(self.corpus.validation))
        return max(1.0, min(float(VALIDATIONS), VALIDATION_SHARE * share))

    def _score(self, ids: Array) -> Evaluation:
        score = evaluate_records if self.config.data.records == "line" else evaluate
        with np.errstate(all="ignore"):  # a diverged model is found by its score
            return score(self.network, ids, self.vocab.start)

    def _validate(self, loss: float | None = None) -> tuple[Evaluation, bool]:
        """Score the held-out part, and keep the parameters if that is the best score so far."""
        began = time.monotonic()
        evaluation = self._score(self.corpus.validation)
        self._validation_seconds = time.monotonic() - began
        nats = evaluation.nats_per_char
        if not math.isfinite(nats):
            raise TrainingError(
                f"the validation loss is no longer finite at step {self.step:,}; "
                "try a smaller train.learning_rate"
            )
        best = self._best is None or nats < self._best
        if best:
            self._best, self._misses = nats, 0
            np.copyto(self._best_params.flat, self.network.params.flat)
        else:
            self._misses += 1
        record = {"step": self.step, "characters": self.characters, "nats_per_char": nats}
        self.history.append(record if loss is None else record | {"loss": loss})
        return evaluation, best

    def _out_of_patience(self) -> bool:
        train = self.config.train
        patience = train.patience
        if patience is None:
            patience = 0 if train.eval_every else PATIENCE
        return 0 < patience <= self._misses

    def checkpoint(self) -> Checkpoint:
        """The run as it stands between two steps: all that going on needs.

        It shares memory with the run: save it before the next step.
        """
        document: dict[str, Any] = {
            "step": self.step,
            "epoch": self.epoch,
            "characters": self.characters,
            "window": self._window,
            "offset": self._offset,
            "streams": self._streams.batch_size,
            "smooth_loss": self.smooth_loss,
            "best": self._best,
            "misses": self._misses,
            "updates": self._team.updates,
            "workers": self._team.size,
            "generator": self._rng.bit_generator.state,
            "history": self.history,
        }
        # Wall-clock time would make equal runs unequal; only a budget of minutes needs it.
        if self.config.train.minutes is not None:
            document["seconds"] = self.seconds
        params = self.network.params
        slots = {name: params.like(slot) for name, slot in self._team.slots.items()}
        training = Training(document, params, slots, self._team.state)
        return Checkpoint(
            self.config,
            self.vocab,
            self._chosen,
            self._source,
            training,
            record_hashes=None if self.items is None else self.items.hashes,
            origin=self._origin,
        )

    def _note_differences(self, checkpoint: Checkpoint, run: Training) -> None:
        """Say what keeps the run from going on bit for bit as it would have."""
        for name, before, now in (
            ("NumPy", checkpoint.versions.get("numpy"), np.__version__),
            ("worker count", run.document["workers"], self._team.size),
        ):
            if before not in (None, now):
                self.notes.append(
                    f"the run was begun with {name} {before} and goes on with {now}: "
                    "its course may differ in the last digits"
                )

    def _restore(self, run: Training) -> None:
        """Take up a run's state; a file may say anything, so any error here is the file's."""
        document = run.document
        try:
            counters = {name: document[name] for name in (*_COUNTERS, "streams", "updates")}
            if any(type(n) is not int or n < 0 for n in counters.values()):
                raise ValueError("a counter is no count")
            for name in _COUNTERS:
                setattr(self, _COUNTERS[name], counters[name])
            windows = self._streams.windows(self._offset)
            if self._offset >= self._streams.offsets or self._window >= windows:
                raise ValueError("its position lies outside the text")
            if counters["streams"] != self._streams.batch_size:
                raise ValueError("the text gives another number of streams")
            self.smooth_loss = float(document["smooth_loss"])
            self._best = None if document["best"] is None else float(document["best"])
            self.history = [dict(record) for record in document["history"]]
            self._seconds = float(document.get("seconds", 0.0))
            self._rng.bit_generator.state = document["generator"]
            self._team.updates = counters["updates"]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the training state makes no sense ({type(error).__name__}: {error}); "
                "resume from another checkpoint"
            ) from error
        for name, slot in run.slots.items():
            np.copyto(self._team.slots[name], slot.flat)
        np.copyto(self._team.state, run.state)


#: Whole numbers in the document of a checkpoint, and the attributes they are kept in.
_COUNTERS = {
    "step": "step",
    "epoch": "epoch",
    "characters": "characters",
    "window": "_window",
    "offset": "_offset",
    "misses": "_misses",
}


def _ranks(run: Training) -> int:
    """The number of ranks that a run was trained with."""
    ranks = run.document.get("workers")
    if type(ranks) is not int or ranks < 1:
        raise CheckpointError(
            "the training state names no worker count; resume from another checkpoint"
        )
    return ranks


def _some(points: list[int]) -> str:
    """How many characters these are, and some of them: ``2 (ß€)``; ``none``."""
    return f"{len(points):,} ({printable(''.join(map(chr, points)), 40)})" if points else "none"


def _require_config(config: object) -> None:
    if not isinstance(config, Config):
        raise TypeError(f"config must be a charrnn.Config, not {quoted(config)}")


def _require_model(model: object) -> None:
    if not (model is None or isinstance(model, CharRNN)):
        raise TypeError(f"init_from must be a charrnn.CharRNN, not {quoted(model)}")


def _require_text(text: object, config: Config) -> None:
    if not isinstance(text, (str, bytes, Corpus)):
        raise TypeError(f"the text must be str, bytes or a charrnn.Corpus, not {quoted(text)}")
    if isinstance(text, bytes) and config.data.unit == "char":
        raise ConfigError(
            "data.unit is char, but the text is bytes; decode it, or set unit to byte"
        )


def _reject_other_reading(corpus: Corpus, config: Config) -> None:
    for key in ("unit", "records", "val_fraction"):
        read, wanted = getattr(corpus.data, key), getattr(config.data, key)
        if read != wanted:
            raise ConfigError(
                f"data.{key} is {wanted}, but the corpus was made with {read}; "
                "make it with the run's data settings"
            )


def train(
    text: Text | Corpus,
    config: Config | None = None,
    *,
    init_from: CharRNN | str | os.PathLike[str] | None = None,
    **settings: Any,
) -> CharRNN:
    """Train a model to the end of its budget and return the best of the run.

    Args:
        text: to learn from: str, or bytes for a byte model.
        config: settings to start from; if None the defaults, or those of
            :func:`fine_tuning` with ``init_from``.
        init_from: a model, or its file, to start from, as :class:`Trainer` does.
        settings: single settings by name, such as ``cell="gru"`` or ``minutes=2``.

    Raises:
        ConfigError: for a setting that is unknown or out of range, or bytes without
            ``unit="byte"``.
        CheckpointError: if ``init_from`` names no file that a model can be read from.
        CorpusError: for a text that nothing can be learned from.
        TypeError: if ``text`` or ``config`` is something else.
        TrainingError: if the loss does not stay finite.
    """
    if isinstance(init_from, (str, os.PathLike)):
        init_from = load(init_from)
    _require_model(init_from)
    if config is None:
        config = fine_tuning(init_from) if init_from else Config()
    _require_config(config)
    trainer = Trainer(with_settings(config, settings), text, init_from=init_from)
    for _ in trainer:
        pass
    return trainer.model
