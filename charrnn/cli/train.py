"""``charrnn train``: from texts to a model file, through signals, saves and reports."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace

from charrnn.checkpoint import Checkpoint, check_writable
from charrnn.checkpoint.lock import Lock
from charrnn.cli.inputs import open_sources
from charrnn.cli.output import Output
from charrnn.cli.progress import MetricsFile, Reporter, clock, reporter
from charrnn.cli.settings import combine
from charrnn.cli.signals import Signals
from charrnn.cli.streams import Signalled, command, say
from charrnn.config.autosize import resolve_auto
from charrnn.config.schema import BUDGETS, Config
from charrnn.config.sources import Settings, dump
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import NOUNS
from charrnn.errors import CheckpointError, TrainingError
from charrnn.messages import path_name, pluralize
from charrnn.model import CharRNN, load
from charrnn.training.start import fine_tuning, take_over
from charrnn.training.trainer import Trainer

#: Seconds between saves, where the config gives no number of steps.
SAVE_SECONDS = 60.0
#: A save that is slow, as to a far disk, may take at most this share of the time.
SAVE_SHARE = 0.05
#: Characters of a sample on the way: enough to judge by, not enough to scroll away the rest.
SAMPLE_LENGTH = 200


@dataclass(frozen=True)
class Job:
    """What was asked for; the fields are the command's options."""

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


def train(job: Job) -> None:
    """Do the job.

    Raises:
        CharRNNError: for all that can be wrong, before any long work where it can be known.
        Signalled: a signal came; the run was saved.
    """
    # Read before anything is written: with --force the output may be the same file.
    start = None if job.init_from is None else load(job.init_from)
    if job.print_config:
        output = Output()
        output.write(dump(_printed(job, _configure(job, _to_resume(job), start))))
        return output.end()
    if not job.resume:  # a mistake in the settings is found before anything is touched
        _configure(job, None, start)
    _keep_apart(job)
    check_writable(job.output)
    with Lock(job.output):
        checkpoint = _to_resume(job)
        if not (job.resume or job.force) and os.path.exists(job.output):
            raise CheckpointError(
                f"{job.name}: exists already; --resume goes on with it, --force replaces it"
            )
        _run(job, _configure(job, checkpoint, start), checkpoint, start)


def _keep_apart(job: Job) -> None:
    """Refuse to write the model or the log over a text to learn from, or a log over a model."""
    corpora = [path for path in job.corpora if path != "-"]
    if any(_same(path, job.output) for path in corpora):
        raise CheckpointError(
            f"{job.name}: is the text to learn from; choose another output with -o"
        )
    if job.log is None:
        return
    if any(_same(job.log, path) for path in [*corpora, job.output]) or _is_model(job.log):
        raise CheckpointError(
            f"{path_name(job.log)}: holds a text or a model; choose another file with --log"
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
            f"{job.name}: no such file to resume; leave out --resume to start a run"
        )
    return Checkpoint.load(job.output, training=True)


def _configure(job: Job, checkpoint: Checkpoint | None, start: CharRNN | None) -> Config:
    base = checkpoint.config if checkpoint else fine_tuning(start) if start else None
    config = combine(job.flags, job.config, job.overrides, base)
    try:
        return take_over(config, checkpoint, start)
    except CheckpointError as error:  # ends with: start a new run
        raise CheckpointError(f"{job.name}: {error} with --force") from None


def _printed(job: Job, config: Config) -> Config:
    """``config`` with the sizes that it leaves to the text, where a text is given."""
    if not job.corpora:
        return config
    corpus = Corpus(open_sources(job.corpora, "the text to learn from"), config.data)
    return resolve_auto(config, len(corpus.train))


def _run(job: Job, config: Config, checkpoint: Checkpoint | None, start: CharRNN | None) -> None:
    before = checkpoint or start
    known = before.vocab if before else None
    corpus = Corpus(open_sources(job.corpora, "the text to learn from"), config.data, known)
    metrics = MetricsFile(job.log)
    trainer = Trainer(config, corpus, checkpoint, start)
    if job.sample_every:
        _draw(trainer)  # a prime that the model does not know is found now
    with Signals() as signals:
        report = _start(trainer, job)
        saver = Saver(trainer, job.output, config.train.checkpoint_every)
        try:
            _steps(job, trainer, report, metrics, saver, signals)
        finally:
            report.close()
            metrics.close()
        if trainer.step > saver.step:
            saver.save()
        _finish(job, trainer, signals)


def _start(trainer: Trainer, job: Job) -> Reporter:
    """Say what is about to happen."""
    if not job.quiet:
        say(_introduction(trainer))
    report = reporter(trainer, job.quiet)
    _report_notes(trainer, report, 0)
    if trainer.progress >= 1.0:
        report.note("this run is complete; give more --minutes, --epochs or --steps to go on")
    return report


def _introduction(trainer: Trainer) -> str:
    corpus, model, train = trainer.corpus, trainer.config.model, trainer.config.train
    held_out, noun = len(corpus.validation), NOUNS[trainer.vocab.unit]
    length = next(
        pluralize(value, name.removesuffix("s"))
        for name in BUDGETS
        if (value := getattr(train, name)) is not None
    )
    return (
        f"{f'going on at step {trainer.step:,}' if trainer.step else 'training'}: "
        f"{model.cell} {model.hidden_size}x{model.num_layers} "
        f"({trainer.network.params.flat.size:,} parameters) on {corpus.name}: "
        f"{pluralize(corpus.characters, noun)}, {len(corpus.points):,} distinct, "
        f"{len(corpus.train):,} to learn from, {held_out:,} held out; for {length}"
    )


def _steps(
    job: Job,
    trainer: Trainer,
    report: Reporter,
    metrics: MetricsFile,
    saver: Saver,
    signals: Signals,
) -> None:
    said = len(trainer.notes)
    try:
        for step in trainer:
            report.step(step)
            metrics.step(step)
            said = _report_notes(trainer, report, said)
            if signals.received is not None:
                break
            if job.sample_every and step.step % job.sample_every == 0:
                report.sample(step.step, _draw(trainer))
            saver.step_done()
    except TrainingError as error:
        kept = f"; {job.name} still holds step {saver.step:,}" if saver.step else ""
        raise TrainingError(f"{error}{kept}") from None
    _report_notes(trainer, report, said)


def _report_notes(trainer: Trainer, report: Reporter, said: int) -> int:
    """Say what was noted since the first ``said`` notes; how many there are now."""
    for note in trainer.notes[said:]:
        report.note(note)
    return len(trainer.notes)


def _draw(trainer: Trainer) -> str | bytes:
    """A sample of the parameters as they are now; the same run shows the same ones."""
    config = trainer.config.sample
    length = min(config.length or SAMPLE_LENGTH, SAMPLE_LENGTH)
    settings = replace(config, length=length, count=1, seed=trainer.step)
    model = CharRNN(trainer.config, trainer.vocab, trainer.network.params)
    return model.samples(settings, config.prime)[0].text


class Saver:
    """Saves a run every so many steps, or about every minute.

    Attributes:
        step: the last one that is in the file.
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
            CheckpointError: it cannot be written; what stood there before is intact.
        """
        began = time.monotonic()
        self._trainer.checkpoint().save(self._path)
        self.step = self._trainer.step
        cost = time.monotonic() - began
        self._due = time.monotonic() + max(SAVE_SECONDS, cost / SAVE_SHARE)


def _finish(job: Job, trainer: Trainer, signals: Signals) -> None:
    where = [] if job.output == "model.npz" else ["-o", job.output]
    if signals.received is not None:
        # With its folder a name is no option, whatever it begins with.
        corpora = [f"./{c}" if c.startswith("-") and c != "-" else c for c in job.corpora]
        again = command("train", *corpora, *where, "--resume")
        say(f"stopped at step {trainer.step:,}; saved in {job.name}; go on with: {again}")
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
        score = f"smooth loss {trainer.smooth_loss:.2f}; "
    took = f"{pluralize(trainer.step, 'step')} in {clock(trainer.seconds)}"
    return f"{job.name}: {score}{took}; try: {command('sample', *model)}"
