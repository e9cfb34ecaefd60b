"""``charrnn train``: from texts to a model file, through signals, saves and reports."""

from __future__ import annotations

import logging
import math
import os
import time
from dataclasses import dataclass

from charrnn.checkpoint import Checkpoint, check_writable
from charrnn.checkpoint.lock import Lock
from charrnn.cli.inputs import kind_of, open_sources
from charrnn.cli.logs import show_notes
from charrnn.cli.output import Output
from charrnn.cli.progress import MetricsFile, Reporter, clock, reporter
from charrnn.cli.samples import Interval, Sampler
from charrnn.cli.settings import combine
from charrnn.cli.signals import Signals
from charrnn.cli.streams import Session, Signalled, command, say
from charrnn.config.autosize import resolve_auto
from charrnn.config.schema import Config
from charrnn.config.sources import Settings, dump
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import NOUNS, Vocab
from charrnn.errors import CheckpointError, TrainingError
from charrnn.messages import path_name, pluralize
from charrnn.model import CharRNN, load
from charrnn.training.budget import Budget
from charrnn.training.start import fine_tune, fine_tune_config, new, resume, resume_config
from charrnn.training.trainer import Trainer

#: Seconds between saves, where the config gives no number of steps.
SAVE_SECONDS = 60.0
#: Share of the time that slow saves, such as to a network disk, may take.
SAVE_SHARE = 0.05
#: Said at the first signal: the step may take a while, and so may the save.
STOPPING = "stopping after this step, then saving"


@dataclass(frozen=True)
class Request:
    """What was asked for: the command's options."""

    corpora: tuple[str, ...]
    output: str
    config: str | None
    overrides: tuple[str, ...]
    flags: Settings
    resume: bool
    force: bool
    init_from: str | None
    sample_every: Interval | None
    log: str | None
    print_config: bool
    quiet: bool

    @property
    def name(self) -> str:
        """The output as messages call it."""
        return path_name(self.output)


def train(request: Request, session: Session) -> None:
    """Carry out a request.

    Raises:
        CharRNNError: for anything that can be wrong; before any long work where possible.
        Signalled: a signal came; the run was saved.
    """
    # Read before anything is written: with --force the output may be the same file.
    model = None if request.init_from is None else load(request.init_from)
    if request.print_config:
        return _print_config(request, model)
    if not request.resume:  # a mistake in the settings is found before anything is touched
        _configure(request, None, model)
    _refuse_overwriting(request)
    check_writable(request.output)
    with Lock(request.output):
        checkpoint = _to_resume(request)
        if not (request.resume or request.force) and os.path.exists(request.output):
            raise CheckpointError(
                f"{request.name}: already exists", "--resume continues its run, --force replaces it"
            )
        _run(request, session, _configure(request, checkpoint, model), checkpoint, model)


def _refuse_overwriting(request: Request) -> None:
    """Refuse to write the model or the log over a text to learn from, or a log over a model."""
    corpora = [path for path in request.corpora if path != "-"]
    if any(_same(path, request.output) for path in corpora):
        raise CheckpointError(
            f"{request.name}: is the text to train on", "choose another output with -o"
        )
    if request.config is not None and _same(request.config, request.output):
        raise CheckpointError(
            f"{request.name}: is the config file", "choose another output with -o"
        )
    if request.log is None:
        return
    log, in_use = request.log, [*corpora, request.output]
    if any(_same(log, path) for path in in_use) or kind_of(log):
        raise CheckpointError(
            f"{path_name(log)}: is a text or a model", "choose another file with --log"
        )


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _to_resume(request: Request) -> Checkpoint | None:
    if not request.resume:
        return None
    if not os.path.lexists(request.output):
        raise CheckpointError(
            f"{request.name}: no such file, so there is no run to resume",
            "leave out --resume to start one",
        )
    return Checkpoint.load(request.output, training=True)


def _configure(request: Request, checkpoint: Checkpoint | None, model: CharRNN | None) -> Config:
    """The run's settings, as far as they are known before its text is read."""
    if checkpoint:
        config = combine(request.flags, request.config, request.overrides, checkpoint.config)
        try:
            return resume_config(checkpoint, config)
        except CheckpointError as error:
            raise CheckpointError(
                f"{request.name}: {error.message}",
                "leave these settings as they were, or start a new run from this model: "
                f"--init-from {request.name} -o another.npz",
            ) from None
    base = fine_tune_config(model) if model else None
    config = combine(request.flags, request.config, request.overrides, base)
    return fine_tune_config(model, config) if model else config


def _print_config(request: Request, model: CharRNN | None) -> None:
    config = _configure(request, _to_resume(request), model)
    if request.corpora:  # then its size settles what the settings leave open
        corpus = _read(request, config)
        config = resolve_auto(config, len(corpus.train))
    output = Output()
    output.write(dump(config))
    output.end()


def _read(request: Request, config: Config, known: Vocab | None = None) -> Corpus:
    """The text to train on."""
    sources = open_sources(
        request.corpora,
        "the text to train on",
        unit=config.data.unit,
        note=logging.getLogger("charrnn").info,
        model_hint="to start from it, give it with --init-from",
    )
    return Corpus(sources, config.data, known)


def _resume(request: Request, checkpoint: Checkpoint, corpus: Corpus, config: Config) -> Trainer:
    try:
        return resume(checkpoint, corpus, config)
    except CheckpointError as error:
        raise CheckpointError(
            f"{request.name}: {error.message}",
            "give the same text, or fine-tune this model on the other one: "
            f"--init-from {request.name} -o another.npz",
        ) from None


def _run(
    request: Request,
    session: Session,
    config: Config,
    checkpoint: Checkpoint | None,
    model: CharRNN | None,
) -> None:
    before = checkpoint or model
    known = before.vocab if before else None
    with show_notes(request.quiet, session) as notes:
        corpus = _read(request, config, known)
        if checkpoint:
            trainer = _resume(request, checkpoint, corpus, config)
        elif model:
            trainer = fine_tune(model, corpus, config)
        else:
            trainer = new(config, corpus)
        if trainer.complete:
            if not request.quiet:
                say(f"{request.name}: {_completion(trainer, session)}")
            return
        metrics = MetricsFile(request.log)
        samples = Sampler(trainer, request.sample_every) if request.sample_every else None
        with Signals("" if request.quiet else STOPPING) as signals:
            if not request.quiet:
                say(_introduction(trainer))
            report = reporter(trainer, request.quiet)
            notes.show_by(report.note)
            saver = Saver(trainer, request.output, config.train.checkpoint_every)
            try:
                _steps(request, trainer, report, metrics, samples, saver, signals)
            finally:
                report.close()
                metrics.close()
            if trainer.step > saver.step:
                saver.save()
            _finish(request, trainer, signals)


def _completion(trainer: Trainer, session: Session) -> str:
    """Why a run that is resumed has nothing left to do."""
    if trainer.progress < 1.0:
        anyway = session.option_for("train.patience=0")
        return f"this run has stopped early; to continue anyway, resume with {anyway}"
    unit = Budget.of(trainer.config.train).unit
    return f"this run is complete; to train longer, raise --{unit}"


def _introduction(trainer: Trainer) -> str:
    corpus, model, train = trainer.corpus, trainer.config.model, trainer.config.train
    noun = NOUNS[trainer.vocab.unit]
    begin = f"resuming at step {trainer.step:,}" if trainer.step else "training"
    return (
        f"{begin}: {model.cell} {model.hidden_size}x{model.num_layers} "
        f"({trainer.network.params.flat.size:,} parameters) on {corpus.name}: "
        f"{pluralize(corpus.characters, noun)}, {len(corpus.points):,} distinct, "
        f"{len(corpus.train):,} to train on, {len(corpus.validation):,} held out; for "
        f"{Budget.of(train)}"
    )


def _steps(
    request: Request,
    trainer: Trainer,
    report: Reporter,
    metrics: MetricsFile,
    samples: Sampler | None,
    saver: Saver,
    signals: Signals,
) -> None:
    try:
        if samples:  # a prime that the model does not know is found now
            report.sample(samples.draw())
        for step in trainer:
            report.step(step)
            metrics.step(step)
            if signals.received is not None:
                break
            if samples and samples.due():
                report.sample(samples.draw())
            saver.step_done()
    except TrainingError as error:
        if not saver.step:
            raise
        raise TrainingError(
            f"{error.message}, but {request.name} still holds step {saver.step:,}",
            error.hint,
            error.settings,
        ) from None


class Saver:
    """Saves a run every so many steps, or about every minute.

    Attributes:
        step: the last one in the file.
    """

    def __init__(self, trainer: Trainer, path: str, every: int | None) -> None:
        self._trainer, self._path, self._every = trainer, path, every
        self._due = time.monotonic() + SAVE_SECONDS
        self.step = trainer.step

    def step_done(self) -> None:
        """Save if it is time to."""
        if self._every:
            due = self._trainer.step % self._every == 0
        else:
            due = time.monotonic() >= self._due
        if due:
            self.save()

    def save(self) -> None:
        """Save now.

        Raises:
            CheckpointError: it cannot be written; an existing file is left intact.
        """
        began = time.monotonic()
        self._trainer.checkpoint().save(self._path)
        self.step = self._trainer.step
        cost = time.monotonic() - began
        self._due = time.monotonic() + max(SAVE_SECONDS, cost / SAVE_SHARE)


def _finish(request: Request, trainer: Trainer, signals: Signals) -> None:
    where = [] if request.output == "model.npz" else ["-o", request.output]
    if signals.received is not None:
        # With its folder, a name that begins with a dash is not an option.
        corpora = [f"./{c}" if c.startswith("-") and c != "-" else c for c in request.corpora]
        again = command("train", *corpora, *where, "--resume")
        say(f"stopped at step {trainer.step:,}; saved in {request.name}; to continue: {again}")
        raise Signalled(signals.received)
    if failure := trainer.failure:
        raise failure.at(request.name)
    if not request.quiet:
        say(_conclusion(request, trainer))


def _conclusion(request: Request, trainer: Trainer) -> str:
    model = [] if request.output == "model.npz" else ["-m", request.output]
    score = ""
    if trainer.best is not None:
        bits, noun = trainer.best / math.log(2.0), NOUNS[trainer.vocab.unit]
        score = f"best validation {trainer.best:.4f} nats, {bits:.4f} bits per {noun}; "
    elif trainer.config.train.reduction == "sum":
        score = f"smooth loss {trainer.state.smooth_loss:.2f}; "
    took = f"{pluralize(trainer.step, 'step')} in {clock(trainer.seconds)}"
    return f"{request.name}: {score}{took}; try: {command('sample', *model)}"
