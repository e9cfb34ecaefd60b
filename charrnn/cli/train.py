"""``charrnn train``: from texts to a model file, through signals, saves and reports."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass

from charrnn.checkpoint import Checkpoint, check_size, check_writable
from charrnn.checkpoint.lock import Lock
from charrnn.cli.inputs import open_sources
from charrnn.cli.live_page import LivePage
from charrnn.cli.logs import show_notes
from charrnn.cli.metrics import MetricsFile
from charrnn.cli.output import Output
from charrnn.cli.overwriting import check_log, check_output, check_page
from charrnn.cli.parts import parts_alone
from charrnn.cli.progress import Reporter, clock, reporter
from charrnn.cli.samples import Interval, Timer, draw
from charrnn.cli.saver import Saver
from charrnn.cli.settings import combine
from charrnn.cli.signals import Signals
from charrnn.cli.streams import Session, Signalled, command, say
from charrnn.config.autosize import resolve_auto
from charrnn.config.schema import Config
from charrnn.config.sources import Settings, dump
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import NOUNS, Vocab
from charrnn.errors import CheckpointError, TrainingError
from charrnn.messages import decimal, path_name, pluralize
from charrnn.model import CharRNN, load
from charrnn.training.budget import Budget
from charrnn.training.ranks.mpi import World
from charrnn.training.start import fine_tune, fine_tune_config, new, resume, resume_config
from charrnn.training.trainer import Trainer

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
    report: str | None
    print_config: bool
    quiet: bool
    #: The MPI job that this process trains in, as its rank 0.
    job: World | None = None

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
    _check_targets(request)
    with Lock(request.output):  # first, because whoever holds it removes temporary files
        check_writable(request.output)
        checkpoint = _to_resume(request)
        if not (request.resume or request.force) and os.path.exists(request.output):
            raise CheckpointError(
                f"{request.name}: already exists", "--resume continues its run, --force replaces it"
            )
        _run(request, session, _configure(request, checkpoint, model), checkpoint, model)


def _check_targets(request: Request) -> None:
    check_output(request.output, request.corpora, request.config)
    if request.log is not None:
        others = [path for path in (request.config, request.init_from) if path is not None]
        check_log(request.log, request.output, [*request.corpora, *others])
    if request.report is not None:
        files = [request.output, request.config, request.init_from, request.log]
        read = [*request.corpora, *(path for path in files if path is not None)]
        if request.report == "-":
            raise CheckpointError(
                "-: a page that is kept up to date cannot be written to stdout",
                "name a file with --report",
            )
        check_page(request.report, read, request.resume or request.force)


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
            hint = f"start a new run from this model: --init-from {request.name} -o another.npz"
            if checkpoint.training:
                hint = f"leave these settings as they were, or {hint}"
            raise CheckpointError(f"{request.name}: {error.message}", hint) from None
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
    with MetricsFile(request.log) as metrics, show_notes(request.quiet, session) as notes:
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
        check_size(request.output, lambda: trainer.checkpoint().nbytes)
        timer = Timer(trainer, request.sample_every) if request.sample_every else None
        with Signals("" if request.quiet else STOPPING, request.job) as signals:
            if not request.quiet:
                say(_introduction(request, trainer))
            report = reporter(trainer, request.quiet)
            notes.show_by(report.note)
            every = config.train.checkpoint_every
            # Unlike a note, a failed save is reported even if the run is to be quiet.
            note = say if request.quiet else report.note
            saver = Saver(trainer, request.output, every, note)
            page = LivePage(trainer, request.report, request.name, note) if request.report else None
            try:
                _steps(request, trainer, report, metrics, timer, page, saver, signals)
            finally:
                report.close()
            if signals.received is not None and trainer.step > saver.step:
                saver.save()  # at once: whoever stops a run may not wait for it to be measured
            if trainer.step > saver.step or saver.unfinished:
                saver.save(norms=True)
            if page:
                (page.stop if signals.received is not None else page.finish)()
            _finish(request, trainer, signals)


def _completion(trainer: Trainer, session: Session) -> str:
    """Why a run that is resumed has nothing left to do."""
    if trainer.progress < 1.0:
        anyway = session.option_for("train.patience=0")
        return f"this run has stopped early; to continue anyway, resume with {anyway}"
    unit = Budget.of(trainer.config.train).unit
    return f"this run is complete; to train longer, raise --{unit}"


def _introduction(request: Request, trainer: Trainer) -> str:
    corpus, model, train = trainer.corpus, trainer.config.model, trainer.config.train
    noun = NOUNS[trainer.vocab.unit]
    begin = f"resuming at step {trainer.step:,}" if trainer.step else "training"
    ranks = f" on {pluralize(trainer.state.workers, 'rank')}" if request.job else ""
    return (
        f"{begin}: {model.cell} {model.hidden_size}x{model.num_layers} "
        f"({trainer.network.params.flat.size:,} parameters) on {corpus.name}: "
        f"{pluralize(corpus.characters, noun)}, {len(corpus.points):,} distinct, "
        f"{len(corpus.train):,} to train on, {len(corpus.validation):,} held out; for "
        f"{Budget.of(train)}{ranks}"
    )


def _steps(
    request: Request,
    trainer: Trainer,
    report: Reporter,
    metrics: MetricsFile,
    timer: Timer | None,
    page: LivePage | None,
    saver: Saver,
    signals: Signals,
) -> None:
    try:
        if timer:  # a prime that the model does not know is found now
            report.sample(draw(trainer))
        if page:
            page.begin()
            report.note(f"{path_name(request.report or '')}: open it in a browser to watch")
        for step in trainer:
            report.step(step)
            metrics.step(step)
            if page:
                page.step()
            if signals.received is not None:
                break
            if timer and timer.due():
                report.sample(draw(trainer))
            saver.step_done()
    except TrainingError as error:
        if not saver.step:
            raise
        raise TrainingError(
            f"{error.message}, but {request.name} holds step {saver.step:,}, for --resume",
            error.hint,
            error.settings,
        ) from None


def _finish(request: Request, trainer: Trainer, signals: Signals) -> None:
    where = [] if request.output == "model.npz" else ["-o", request.output]
    if signals.received is not None:
        # With its folder, a name that begins with a dash is not an option.
        corpora = [f"./{c}" if c.startswith("-") and c != "-" else c for c in request.corpora]
        page = [] if request.report is None else ["--report", request.report]
        again = command("train", *corpora, *where, "--resume", *page)
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
        noun = NOUNS[trainer.vocab.unit]
        nats, bits = decimal(trainer.best, 4), decimal(trainer.best / math.log(2.0), 4)
        facts = [parts_alone(trainer.state)]
        if noun == "word":
            facts.insert(0, f"{trainer.corpus.bits_per_char(trainer.best):.4f} per character")
        score = f"best validation {nats} nats, {bits} bits per {noun}"
        if more := "; ".join(filter(None, facts)):
            score += f" ({more})"
        score += "; "
    elif trainer.config.train.reduction == "sum":
        score = f"smooth loss {decimal(trainer.state.smooth_loss, 2)}; "
    took = f"{pluralize(trainer.step, 'step')} in {clock(trainer.seconds)}"
    return f"{request.name}: {score}{took}; try: {command('sample', *model)}"
