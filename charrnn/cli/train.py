"""``charrnn train``: from texts to a model file, through signals, saves and reports."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace

from charrnn.checkpoint import Checkpoint, check_writable
from charrnn.checkpoint.lock import Lock
from charrnn.cli.inputs import open_sources
from charrnn.cli.logs import noting
from charrnn.cli.output import Output
from charrnn.cli.progress import MetricsFile, Reporter, clock, reporter
from charrnn.cli.settings import combine
from charrnn.cli.signals import Signals
from charrnn.cli.streams import Session, Signalled, command, say
from charrnn.config.autosize import resolve_auto
from charrnn.config.schema import Config
from charrnn.config.sources import Settings, dump
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import NOUNS
from charrnn.errors import CheckpointError, TrainingError
from charrnn.messages import path_name, pluralize
from charrnn.model import CharRNN, load
from charrnn.training.budget import Budget
from charrnn.training.start import fine_tune, fine_tune_config, new, resume, resume_config
from charrnn.training.trainer import Trainer

#: Seconds between saves, where the config gives no number of steps.
SAVE_SECONDS = 60.0
#: Slow saves, as to a network disk, may take at most this share of the time.
SAVE_SHARE = 0.05
#: Characters of a sample during the run: enough to judge by, without filling the screen.
SAMPLE_LENGTH = 200


@dataclass(frozen=True)
class Job:
    """What was asked for: the command's options."""

    corpora: tuple[str, ...]
    output: str
    config: str | None
    overrides: tuple[str, ...]
    flags: Settings
    resume: bool
    force: bool
    init_from: str | None
    sample_every: int | None
    log: str | None
    print_config: bool
    quiet: bool

    @property
    def name(self) -> str:
        """The output as messages call it."""
        return path_name(self.output)


def train(job: Job, session: Session) -> None:
    """Do the job.

    Raises:
        CharRNNError: for all that can be wrong, before any long work where it can be known.
        Signalled: a signal came; the run was saved.
    """
    # Read before anything is written: with --force the output may be the same file.
    model = None if job.init_from is None else load(job.init_from)
    if job.print_config:
        return _print_config(job, model)
    if not job.resume:  # a mistake in the settings is found before anything is touched
        _configure(job, None, model)
    _refuse_overwriting(job)
    check_writable(job.output)
    with Lock(job.output):
        checkpoint = _to_resume(job)
        if not (job.resume or job.force) and os.path.exists(job.output):
            raise CheckpointError(
                f"{job.name}: exists already", "--resume continues its run, --force replaces it"
            )
        _run(job, session, _configure(job, checkpoint, model), checkpoint, model)


def _refuse_overwriting(job: Job) -> None:
    """Refuse to write the model or the log over a text to learn from, or a log over a model."""
    corpora = [path for path in job.corpora if path != "-"]
    if any(_same(path, job.output) for path in corpora):
        raise CheckpointError(
            f"{job.name}: is the text to learn from", "choose another output with -o"
        )
    if job.log is None:
        return
    if any(_same(job.log, path) for path in [*corpora, job.output]) or _is_model(job.log):
        raise CheckpointError(
            f"{path_name(job.log)}: holds a text or a model", "choose another file with --log"
        )


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _is_model(path: str) -> bool:
    """Whether a file begins as model files do: with a member of a zip archive."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _to_resume(job: Job) -> Checkpoint | None:
    if not job.resume:
        return None
    if not os.path.lexists(job.output):
        raise CheckpointError(
            f"{job.name}: no such file to resume", "leave out --resume to start a run"
        )
    return Checkpoint.load(job.output, training=True)


def _configure(job: Job, checkpoint: Checkpoint | None, model: CharRNN | None) -> Config:
    """The run's settings, as far as they are known before its text is read."""
    if checkpoint:
        config = combine(job.flags, job.config, job.overrides, checkpoint.config)
        try:
            return resume_config(checkpoint, config)
        except CheckpointError as error:
            raise CheckpointError(
                f"{job.name}: {error.message}",
                "leave these settings as they were, or start another run from this model: "
                f"--init-from {job.name} -o another.npz",
            ) from None
    base = fine_tune_config(model) if model else None
    config = combine(job.flags, job.config, job.overrides, base)
    return fine_tune_config(model, config) if model else config


def _print_config(job: Job, model: CharRNN | None) -> None:
    config = _configure(job, _to_resume(job), model)
    if job.corpora:  # then its size settles what the settings leave open
        corpus = Corpus(open_sources(job.corpora, "the text to learn from"), config.data)
        config = resolve_auto(config, len(corpus.train))
    output = Output()
    output.write(dump(config))
    output.end()


def _run(
    job: Job,
    session: Session,
    config: Config,
    checkpoint: Checkpoint | None,
    model: CharRNN | None,
) -> None:
    before = checkpoint or model
    known = before.vocab if before else None
    corpus = Corpus(open_sources(job.corpora, "the text to learn from"), config.data, known)
    metrics = MetricsFile(job.log)
    with noting(job.quiet, session) as notes:
        if checkpoint:
            trainer = resume(checkpoint, corpus, config)
        elif model:
            trainer = fine_tune(model, corpus, config)
        else:
            trainer = new(config, corpus)
        if job.sample_every:
            _draw(trainer)  # a prime that the model does not know is found now
        with Signals() as signals:
            if not job.quiet:
                say(_introduction(trainer))
            report = reporter(trainer, job.quiet)
            notes.show_by(report.note)
            if trainer.progress >= 1.0:
                report.note(
                    "this run is complete; to train longer, give more --minutes, --epochs or "
                    "--steps"
                )
            saver = Saver(trainer, job.output, config.train.checkpoint_every)
            try:
                _steps(job, trainer, report, metrics, saver, signals)
            finally:
                report.close()
                metrics.close()
            if trainer.step > saver.step:
                saver.save()
            _finish(job, trainer, signals)


def _introduction(trainer: Trainer) -> str:
    corpus, model, train = trainer.corpus, trainer.config.model, trainer.config.train
    noun, budget = NOUNS[trainer.vocab.unit], Budget.of(train)
    begin = f"resuming at step {trainer.step:,}" if trainer.step else "training"
    return (
        f"{begin}: {model.cell} {model.hidden_size}x{model.num_layers} "
        f"({trainer.network.params.flat.size:,} parameters) on {corpus.name}: "
        f"{pluralize(corpus.characters, noun)}, {len(corpus.points):,} distinct, "
        f"{len(corpus.train):,} to train on, {len(corpus.validation):,} held out; for "
        f"{pluralize(budget.amount, budget.unit.removesuffix('s'))}"
    )


def _steps(
    job: Job,
    trainer: Trainer,
    report: Reporter,
    metrics: MetricsFile,
    saver: Saver,
    signals: Signals,
) -> None:
    try:
        for step in trainer:
            report.step(step)
            metrics.step(step)
            if signals.received is not None:
                break
            if job.sample_every and step.step % job.sample_every == 0:
                report.sample(step.step, _draw(trainer))
            saver.step_done()
    except TrainingError as error:
        if not saver.step:
            raise
        raise TrainingError(
            f"{error.message}, and {job.name} still holds step {saver.step:,}",
            error.hint,
            error.settings,
        ) from None


def _draw(trainer: Trainer) -> str | bytes:
    """A sample of the parameters as they are now; equal runs show equal samples."""
    config = trainer.config.sample
    length = min(config.length or SAMPLE_LENGTH, SAMPLE_LENGTH)
    settings = replace(config, length=length, count=1, seed=trainer.step)
    model = CharRNN(trainer.config, trainer.vocab, trainer.network.params)
    return model.samples(settings, config.prime)[0].text


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
            CheckpointError: it cannot be written; what was there before is intact.
        """
        began = time.monotonic()
        self._trainer.checkpoint().save(self._path)
        self.step = self._trainer.step
        cost = time.monotonic() - began
        self._due = time.monotonic() + max(SAVE_SECONDS, cost / SAVE_SHARE)


def _finish(job: Job, trainer: Trainer, signals: Signals) -> None:
    where = [] if job.output == "model.npz" else ["-o", job.output]
    if signals.received is not None:
        # With its folder, a name that begins with a dash is not an option.
        corpora = [f"./{c}" if c.startswith("-") and c != "-" else c for c in job.corpora]
        again = command("train", *corpora, *where, "--resume")
        say(f"stopped at step {trainer.step:,}; saved in {job.name}; to continue: {again}")
        raise Signalled(signals.received)
    if not job.quiet:
        say(_conclusion(job, trainer))


def _conclusion(job: Job, trainer: Trainer) -> str:
    model = [] if job.output == "model.npz" else ["-m", job.output]
    score = ""
    if trainer.best is not None:
        bits, noun = trainer.best / math.log(2.0), NOUNS[trainer.vocab.unit]
        score = f"best validation {trainer.best:.4f} nats, {bits:.4f} bits per {noun}; "
    elif trainer.config.train.reduction == "sum":
        score = f"smooth loss {trainer.state.smooth_loss:.2f}; "
    took = f"{pluralize(trainer.step, 'step')} in {clock(trainer.seconds)}"
    return f"{job.name}: {score}{took}; try: {command('sample', *model)}"
