"""What training reports while it runs: a bar, plain lines or nothing."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from charrnn.cli.streams import say, say_plain
from charrnn.cli.terminal import width
from charrnn.data.vocab import Text
from charrnn.messages import decimal, escape_for_terminal, pluralize, readable
from charrnn.training.step import Step
from charrnn.training.trainer import Trainer

if TYPE_CHECKING:
    from tqdm import tqdm

#: Seconds without a validation after which a plain line is due anyway.
QUIET_SECONDS = 30.0
#: The fewest cells of the bar itself; and those around it: ``100%|`` and ``| ``.
BAR_CELLS, FRAME_CELLS = 3, 7


class Meter:
    """The figures of a run as text, for both the bar and the lines."""

    def __init__(self, trainer: Trainer) -> None:
        self._began, self._from = time.monotonic(), trainer.progress
        self._characters, self._unit = trainer.state.characters, trainer.vocab.unit
        self._classic = trainer.config.train.reduction == "sum"
        self._trainer, self._last = trainer, trainer.best
        self._step: Step | None = None

    def update(self, step: Step) -> None:
        """Take note of a step."""
        self._step = step
        if step.validation:
            self._last = step.validation.nats_per_symbol

    def short(self, room: int) -> str:
        """The figures that fit ``room`` columns, the most important ones first."""
        loss, bits, *others = self.figures
        pace = f"{_thousands(self._pace)} {self._unit}/s"
        text = f"{self._left} left"
        for figure in (loss, bits, pace, *others):
            if len(text) + len(f", {figure}") > room:
                break
            text += f", {figure}"
        return text

    def long(self) -> str:
        """All figures."""
        pace = f"{self._pace:,.0f} {self._unit}/s"
        return ", ".join([*self.figures, pace, f"{self._left} left"])

    @property
    def figures(self) -> list[str]:
        """How good the model is: training loss of late, last and best validation.

        For presets that sum the loss, as min-char-rnn does, also its smooth loss. Nothing before
        the first step of a session.
        """
        if self._step is None:
            return []
        loss, best = self._step.recent_loss, self._trainer.best
        bits = decimal(loss / math.log(2), 2)
        figures = [f"train {decimal(loss, 3)}", f"{bits} bits/{self._unit}"]
        if self._last is not None and best is not None:
            figures += [f"val {decimal(self._last, 3)}", f"best {decimal(best, 3)}"]
            if (alone := self._trainer.history[-1].network) is not None:
                figures.append(f"network alone {decimal(alone, 3)}")
        if self._classic:
            figures.append(f"smooth loss {decimal(self._step.smooth_loss, 2)}")
        return figures

    @property
    def _left(self) -> str:
        """Time that the rest of the run takes at the pace so far."""
        assert self._step
        done = self._step.progress - self._from
        if done <= 0.0:
            return "?"
        return clock((time.monotonic() - self._began) * (1.0 - self._step.progress) / done)

    @property
    def _pace(self) -> float:
        """Characters trained on per second, in this session."""
        assert self._step
        seconds = max(time.monotonic() - self._began, 1e-9)
        return (self._step.characters - self._characters) / seconds


def _thousands(count: float) -> str:
    """``950``, ``1.2k``, ``54k``."""
    if count < 1000:
        return f"{count:.0f}"
    return f"{count / 1000:.{int(count < 9950)}f}k"


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def new_bar(*, known: bool = True, initial: float = 0.0, leave: bool = True) -> tqdm[NoReturn]:
    """A bar on the terminal that is stderr, whose end is at 1.

    Args:
        known: whether it is known how much is done; if not, there are only the figures.
        leave: whether it stays when it is closed.
    """
    import threading

    from tqdm import tqdm

    # No lock between processes and no thread that watches the bar.
    tqdm.set_lock(threading.RLock())
    tqdm.monitor_interval = 0
    return tqdm(
        total=1.0 if known else None,
        initial=initial,
        bar_format="{percentage:3.0f}%|{bar}| {desc}" if known else "{desc}",
        file=sys.stderr,
        ncols=width(sys.stderr),
        nrows=20,  # matters only where there are several bars
        leave=leave,
    )


class Reporter:
    """Reports nothing, as ``-q`` asks for; the base of the others."""

    def note(self, message: str) -> None:
        """Say something about the run."""

    def step(self, step: Step) -> None:
        """A step was made."""

    def sample(self, text: Text) -> None:
        """A sample was drawn: its prime and its text."""

    def close(self) -> None:
        """The run has ended."""


class Lines(Reporter):
    """A plain line at each validation, or every half minute, for a file or a pipe."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._meter = trainer, Meter(trainer)
        self._said = time.monotonic()

    def note(self, message: str) -> None:
        say(message)

    def step(self, step: Step) -> None:
        self._meter.update(step)
        if step.validation or time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            epochs = pluralize(round(self._trainer.epochs, 1), "epoch")
            say(f"step {step.step:,}, {epochs}, {step.progress:.0%}: {self._meter.long()}")

    def sample(self, text: Text) -> None:
        say_plain(f"--- {self._when()}\n{escape_for_terminal(readable(text))}\n---")

    def _when(self) -> str:
        """When a sample is drawn, and how good the model is by then."""
        if not self._trainer.step:
            return "sample before training"
        losses = ", ".join(self._meter.figures)
        return f"sample at step {self._trainer.step:,}" + (f": {losses}" if losses else "")


class Bar(Lines):
    """One bar on a terminal."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer)
        self._bar = new_bar(initial=trainer.progress)

    def note(self, message: str) -> None:
        self._bar.clear()
        say(message)
        self._bar.refresh()

    def step(self, step: Step) -> None:
        self._meter.update(step)
        self._bar.ncols = width(sys.stderr)  # it may change while it runs
        room = self._bar.ncols - FRAME_CELLS - BAR_CELLS
        self._bar.set_description_str(self._meter.short(room), refresh=False)
        self._bar.update(step.progress - self._bar.n)
        if step.validation:
            self._bar.refresh()

    def sample(self, text: Text) -> None:
        self._bar.clear()
        super().sample(text)
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


def reporter(trainer: Trainer, quiet: bool) -> Reporter:
    """The reporter for this stderr."""
    if quiet or sys.stderr is None:
        return Reporter()
    return Bar(trainer) if sys.stderr.isatty() else Lines(trainer)
