"""``charrnn demo``: half a minute of training on a text that comes with charrnn."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace

from tqdm import tqdm

from charrnn.checkpoint import check_writable
from charrnn.checkpoint.lock import Lock
from charrnn.cli.logs import show_notes
from charrnn.cli.output import Output
from charrnn.cli.overwriting import check_output
from charrnn.cli.progress import reporter
from charrnn.cli.signals import Signals
from charrnn.cli.streams import Session, Signalled, command, say, say_plain
from charrnn.cli.terminal import commented, width
from charrnn.config.schema import Config
from charrnn.config.sources import Settings, build, from_environment, parse
from charrnn.errors import CheckpointError
from charrnn.messages import HARD_SPACE, path_name, pluralize
from charrnn.model import CharRNN
from charrnn.resources import folder
from charrnn.training.budget import Budget
from charrnn.training.trainer import Trainer

#: When to show a sample, as shares of the run; spelling is learned early.
SHOW_AT = (0.1, 0.4)
#: What each sample starts with, and how many characters follow: about five lines.
PRIME, LENGTH = "The fox ", 280


@dataclass(frozen=True)
class Request:
    """What was asked for; the fields are the command's options."""

    output: str
    force: bool
    flags: Settings


def demo(request: Request, session: Session) -> None:
    """Train on the fables, print samples meanwhile, save the model, suggest what to try next.

    Raises:
        CharRNNError: a setting from the environment is wrong; or the output exists and may not
            be replaced, or cannot be written.
        Signalled: a signal came; nothing was saved.
    """
    preset = folder("configs") / "tiny.yaml"
    environment = from_environment(os.environ)
    config = build(parse(preset.read_bytes(), preset.name), environment, request.flags)
    check_output(request.output, ())
    with Lock(request.output):
        check_writable(request.output)
        if os.path.exists(request.output) and not request.force:
            raise CheckpointError(
                f"{path_name(request.output)}: already exists",
                "replace it with --force, or choose another file with -o",
            )
        _train(config, request.output, session)
    _suggest(request.output)


def _train(config: Config, path: str, session: Session) -> None:
    corpus = folder("corpora") / "fables.txt"
    text, budget = corpus.read_text("utf-8"), Budget.of(config.train)
    say(f"training on {corpus.name}, {pluralize(len(text), 'character')}, for {budget}")
    with show_notes(False, session) as notes, Signals() as signals:
        trainer, output = Trainer(config, text), Output()
        report = reporter(trainer, quiet=False)
        notes.show_by(report.note)
        try:
            _show(trainer.current, output, "before training")
            due = list(SHOW_AT)
            for step in trainer:
                report.step(step)
                if signals.received is not None:
                    break
                if due and due[0] <= step.progress < 1.0:
                    due.pop(0)
                    _show(trainer.current, output, f"after {pluralize(step.step, 'step')}")
        finally:
            report.close()
        if signals.received is not None:
            say("stopped; nothing was saved")
            raise Signalled(signals.received)
        trainer.checkpoint(norms=True).save(path)
        _show(trainer.model, output, "after training")


def _show(model: CharRNN, output: Output, when: str) -> None:
    """Print what a model writes, with the same seed each time."""
    settings = replace(model.config.sample, length=LENGTH, count=1, seed=0)
    text = model.samples(settings, PRIME)[0].text
    with tqdm.external_write_mode():  # hides the bar, if there is one, and shows it again
        say(f"{when}, it writes:")
        for part in ("\n", PRIME, text, "\n\n"):
            output.write(part)
    output.end()


def _suggest(path: str) -> None:
    model = ("-m", path)
    sample = command("sample", *model)
    say(f"the model is in {path_name(path)}; try next:")
    suggestions = (
        (f"{sample} --temp 0.5", "more of it"),
        (f"{sample} | {command('eval', *model)} --heat -", "in colour"),
        (command("report", *model), "look inside"),
        (command("info", *model), "its details"),
        (command("train", "YOUR.txt"), "your text"),
    )
    columns = width(sys.stderr) if sys.stderr else 80
    say_plain("\n".join(commented(suggestions, columns)).replace(HARD_SPACE, " "))
