"""The training loop: each iteration is one step of truncated BPTT."""

from __future__ import annotations

import functools
import logging
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from charrnn.checkpoint import Checkpoint, CorpusInfo, Training
from charrnn.config.autosize import architecture, resolve_auto
from charrnn.config.schema import Config
from charrnn.data.batches import make_batches
from charrnn.data.corpus import Corpus
from charrnn.data.records import RecordSet
from charrnn.data.vocab import Text
from charrnn.data.words import known_words
from charrnn.errors import CheckpointError, TrainingError
from charrnn.evaluation.norms import measure
from charrnn.limits import available_cores
from charrnn.messages import SettingHint, pluralize
from charrnn.mixing import Mixture
from charrnn.model import CharRNN
from charrnn.nn.network import Network, extend_vocabulary
from charrnn.nn.params import Array, Params
from charrnn.training.advice import (
    doubt_corpus,
    failure,
    log_shrinking,
    log_sizes,
    offer_larger_batch,
    tamer,
)
from charrnn.training.average import Average
from charrnn.training.budget import Budget, Clock
from charrnn.training.data_parallel import DataParallel
from charrnn.training.held_out import HeldOutScore, HeldOutScorer, validated_on
from charrnn.training.inputs import Start, corpus_of, known_records
from charrnn.training.memory import check_memory
from charrnn.training.ngrams import counting_memory, fit
from charrnn.training.schedule import schedule
from charrnn.training.state import RunState, ValidationPoint
from charrnn.training.step import Step
from charrnn.training.validation import PROBE, Validation

#: Share of min-char-rnn's smooth loss that each step keeps.
SMOOTHING = 0.999
#: Steps whose mean loss is shown: enough to be steady, too few to lag behind.
RECENT = 20

log = logging.getLogger("charrnn")


class Trainer:
    """Trains a model; each iteration is a step, up to the end of the budget.

    To resume a run or to start from another model, see :mod:`charrnn.training.start`.

    Args:
        config: every setting; those left open are chosen from the budget and the text.
        text: what to train on, or a :class:`Corpus`; bytes only for a byte model, because
            their encoding is unknown.
        start: what the run starts from, if not from random parameters.
        clock: measures the run.

    Attributes:
        config: the settings, all of them resolved. corpus: the text. vocab: its symbols.
        network: its parameters are those of the last step. average: their running mean, which is
            validated and saved; the parameters themselves if ``train.average`` is 0.
        state: where the run is. progress: share of the budget that is used, 0 to 1.

    Raises:
        ConfigError: if the text does not fit ``data.unit``, or the machine has too little
            memory for these sizes.
        CorpusError: for a text that nothing can be learned from.
        TypeError: if ``config`` or ``text`` is something else.
        TrainingError: while iterating, when the loss is no longer finite.
    """

    def __init__(
        self,
        config: Config,
        text: Text | Corpus,
        start: Start | None = None,
        clock: Clock | None = None,
    ) -> None:
        corpus = corpus_of(text, config, start)
        asked, config = config, resolve_auto(config, len(corpus.train))
        log_sizes(asked, config, corpus)
        self.config, self.corpus, self.vocab = config, corpus, corpus.vocab
        train = config.train
        self._batches = make_batches(corpus, train)
        log_shrinking(train, self._batches, corpus)
        arch = architecture(config, len(self.vocab))
        check_memory(config, arch, self._batches, counting_memory(config, len(corpus.train)))

        resumed = start.training if start else None
        if not resumed:
            doubt_corpus(corpus, fine_tuning=start is not None)
        usual = resumed.state.workers if resumed else 0
        if usual > available_cores():  # those of an MPI job, or of a larger machine
            usual = 0
        self._parallel = DataParallel(arch, self._batches, train, train.workers or 0, usual)
        if not resumed and not corpus.data.of_records:
            streams, ranks = self._batches.batch_size, self._parallel.size
            offer_larger_batch(train, streams, ranks, len(corpus.train))
        if train.workers == "mpi":  # how this session was started, which the next need not be
            self.config = replace(config, train=replace(train, workers=0))
        self.network = self._parallel.network
        self._origin = start.origin if start else None
        self._inherited_records = start.known_records if start else None
        self._inherited_words = start.known_words if start else None
        if resumed:
            self._restore(resumed)
        else:
            self._initialise(start)
        saved = resumed.average if resumed else None
        self.average = Average(self.network.params, train.average, saved)
        best = start.params if start and resumed else self.average.params

        self._budget, self._schedule = Budget.of(train), schedule(train)
        self._clock = clock or Clock(self.state.seconds or 0.0)
        self._mixture = self._ngrams(start)
        self._held_out = HeldOutScorer(
            self.vocab.start,
            config.data.of_records,
            self._mixture,
            config.model.ngram_weight,
            self._parallel,
        )
        self._validated_on = validated_on(corpus)
        self._validation = Validation(
            train,
            self._validated_on,
            self.vocab.unit,
            self._score,
            self.average.params,
            best.copy(),
            now=self._clock.now,
        )
        if train.patience and not self._validation.enabled:
            log.warning("the text is too short to hold out any of it, so patience has no effect")
        self.progress = self._progress()
        self._recent: deque[float] = deque(maxlen=RECENT)

    def _initialise(self, start: Start | None) -> None:
        """Begin a run, from random parameters or from those of a model."""
        config, batches = self.config, self._batches
        rng = np.random.default_rng([config.train.seed, 0])
        params = self.network.arch.initial(rng, config.model.init, config.model.init_scale)
        if start:
            extend_vocabulary(start.params, self.vocab.ids_of(start.vocab.points), params)
        np.copyto(self.network.params.flat, params.flat)
        self.state = RunState(
            rng,
            smooth_loss=batches.seq_length * math.log(len(self.vocab)),
            streams=batches.batch_size,
            workers=self._parallel.size,
        )
        self.state.offset = self._draw_offset()

    def _ngrams(self, start: Start | None) -> Mixture | None:
        """The n-gram model that the network is mixed with: that of the run, or a new one."""
        if start and start.training and start.mixture:
            return start.mixture
        self._clock.start()  # the run's time includes this
        try:
            return fit(self.config, self.corpus, start)
        finally:
            self._clock.stop()

    def _restore(self, run: Training) -> None:
        """Continue a run."""
        self.state = run.state.copy()
        self._check_position()
        self.state.workers = self._parallel.size
        np.copyto(self.network.params.flat, run.last.flat)
        self._parallel.restore(run.slots, run.recurrent_state)

    def __iter__(self) -> Iterator[Step]:
        self._clock.start()
        try:
            self._validation.begin(self.state, self.progress, self._origin is not None)
            while not self.complete:
                yield self._step()
            self._log_end()
        finally:  # also when the caller leaves the loop, to come back later
            self._parallel.stop()
            self._clock.stop()

    def _step(self) -> Step:
        state, batches = self.state, self._batches
        epoch, rate = state.epoch, self._schedule(state, self.progress)
        if self.config.train.reset:
            reset = state.rng.random(batches.batch_size) < self.config.train.reset
            self._parallel.reset(reset)
        loss, norm = self._parallel.step(state.offset, state.window, rate, state.step)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"the loss is no longer finite at step {state.step + 1:,}",
                setting=tamer(self.config.train),
            )
        self._advance(loss)
        self.average.update(state.step)
        self.progress = self._progress()
        step = Step(
            state.step,
            epoch,
            state.characters,
            loss,
            self.recent_loss,
            state.smooth_loss,
            norm,
            rate,
            self.progress,
            self._clock.elapsed,
            unit=self.vocab.unit,
        )
        evaluation, best = self._validation.run_if_due(state, self.progress, loss)
        if evaluation is None:
            return step
        return replace(
            step,
            seconds=self._clock.elapsed,
            validation=evaluation,
            network=state.history[-1].network,
            best=best,
        )

    def _advance(self, loss: float) -> None:
        """Move the state past the window that was trained on."""
        self._recent.append(loss)
        state, batches = self.state, self._batches
        state.step += 1
        state.characters += batches.characters(state.offset, state.window)
        state.smooth_loss *= SMOOTHING
        state.smooth_loss += (1.0 - SMOOTHING) * loss * batches.seq_length
        if not len(self.corpus.validation):
            state.keep_loss(state.smooth_loss / batches.seq_length)
        state.window += 1
        if state.window == batches.windows(state.offset):
            state.epoch, state.window = state.epoch + 1, 0
            state.offset = self._draw_offset()
            # The next epoch starts from zeros anyway; a checkpoint saved now holds them, too.
            self._parallel.reset()

    def _check_position(self) -> None:
        """Refuse a state whose position is not one of these batches."""
        state, batches = self.state, self._batches
        fits = state.offset < batches.offsets and state.streams == batches.batch_size
        if not fits or state.window >= batches.windows(state.offset):
            raise CheckpointError(
                "the training state does not match the text", "resume from another checkpoint"
            )

    def _draw_offset(self) -> int:
        if not self.config.train.random_offset:
            return 0
        return int(self.state.rng.integers(self._batches.offsets))

    def _progress(self) -> float:
        reserved = self._validation.seconds if self._validation.enabled else 0.0
        windows = self._batches.windows(self.state.offset)
        return self._budget.progress(self.state, windows, self._clock.elapsed, reserved)

    def _score(self, ids: Array) -> HeldOutScore:
        """Score held-out text under the mean parameters."""
        with self.average.in_place():
            return self._held_out.score(self.network, ids)

    def _best_mixture(self) -> Mixture | None:
        """The n-gram model with the weight that suits the best parameters.

        Where there is too little time for validations, it is fitted on a part of what is held out.
        """
        ids = self._validated_on[:PROBE]
        if self._mixture and not self.history and not self._validation.enabled and len(ids):
            weight = self._score(ids).weight
            assert weight is not None
            self._mixture = self._mixture.with_weight(weight)
        return self._mixed(self.state.best_point)

    def _mixed(self, point: ValidationPoint | None) -> Mixture | None:
        """The n-gram model, with its weight in a validation if there was one."""
        if self._mixture is None or point is None or point.weight is None:
            return self._mixture
        return self._mixture.with_weight(point.weight)

    def _log_end(self) -> None:
        state = self.state
        if self.progress < 1.0:
            log.info(
                "stopped early: no improvement in %s; to continue anyway, resume with %s",
                pluralize(state.misses, "validation"),
                SettingHint("train.patience=0"),
            )
        if state.step and state.best is not None and state.best == state.start_score:
            log.warning(
                "no validation was better than the initial model's, so its parameters are kept; "
                "try %s",
                SettingHint(tamer(self.config.train)[0]),
            )

    @property
    def step(self) -> int:
        """Steps made so far."""
        return self.state.step

    @property
    def epochs(self) -> float:
        """Passes over the training part so far."""
        return self.state.characters / len(self.corpus.train)

    @property
    def recent_loss(self) -> float:
        """Mean loss of the last steps of this session; NaN before the first."""
        return sum(self._recent) / len(self._recent) if self._recent else math.nan

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to do, so that iterating makes no step."""
        return self.progress >= 1.0 or self._validation.exhausted(self.state)

    @property
    def failure(self) -> TrainingError | None:
        """The error of a run that never predicted better than a uniform guess; else None."""
        symbols, train = len(self.vocab), self.config.train
        return failure(self.state.best_network, self.recent_loss, self.step, symbols, train)

    @property
    def history(self) -> list[ValidationPoint]:
        """The validations so far."""
        return self.state.history

    @property
    def best(self) -> float | None:
        """The lowest validation so far, in nats per character."""
        return self.state.best

    @property
    def seconds(self) -> float:
        """Time the run has taken, over all its sessions."""
        return self._clock.elapsed

    @property
    def _best_params(self) -> Params:
        return self.average.params if self.best is None else self._validation.best

    @property
    def model(self) -> CharRNN:
        """The model so far: the parameters of the best validation, or the current ones."""
        mixture = self._best_mixture()
        return CharRNN(
            self.config,
            self.vocab,
            self._best_params.copy(),
            self.known_records,
            self.known_words,
            corpus=self._corpus_info,
            origin=self._origin,
            squares=self.checkpoint().squares(),
            norms=functools.partial(measure, corpus=self.corpus, mixture=mixture),
            run=self.state.copy(),
            mixture=mixture,
        )

    @property
    def current(self) -> CharRNN:
        """The model as it is now, whatever its validation; it changes with each further step."""
        return CharRNN(
            self.config,
            self.vocab,
            self.average.params,
            corpus=self._corpus_info,
            origin=self._origin,
            run=self.state,
            mixture=self._mixed(self.history[-1] if self.history else None),
        )

    @functools.cached_property
    def known_records(self) -> RecordSet | None:
        """The records of the corpus, or its lines if it is one text; held-out ones included.

        Those of the model that the run started from are included, because it has learned them.
        None if they are too many lines of a text.
        """
        return known_records(self.corpus, self._inherited_records)

    @functools.cached_property
    def known_words(self) -> tuple[str, ...]:
        """The words of the corpus, and of the model that the run started from."""
        words = known_words(self.corpus.ids, self.vocab)
        return tuple(sorted({*words, *(self._inherited_words or ())}))

    @property
    def _corpus_info(self) -> CorpusInfo:
        corpus = self.corpus
        return CorpusInfo(corpus.name, corpus.size, corpus.characters, corpus.sha256)

    def checkpoint(self, norms: bool = False) -> Checkpoint:
        """The run as it is between two steps: all that is needed to resume it.

        It shares memory with the run: save it before the next step.

        Args:
            norms: also measure the statistics of the corpus, and the weight of the n-grams where
                there were no validations, which takes up to a few seconds.
        """
        best = self._best_params
        mixture = self._best_mixture() if norms else self._mixed(self.state.best_point)
        timed = self._budget.unit == "minutes"
        training = Training(
            replace(self.state, seconds=self.seconds if timed else None),
            self.network.params,
            self._parallel.slots,
            self._parallel.recurrent_state,
            self.average.params if self.config.train.average else None,
        )
        network = Network(self.network.arch, best)
        return Checkpoint(
            self.config,
            self.vocab,
            best,
            self._corpus_info,
            training,
            known_records=self.known_records,
            known_words=self.known_words,
            origin=self._origin,
            norms=measure(network, self.corpus, mixture=mixture) if norms else None,
            mixture=mixture,
        )
