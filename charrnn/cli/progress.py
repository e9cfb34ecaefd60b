"""What training reports while it runs: a bar, plain lines or nothing."""

from __future__ import annotations

import math
import sys
import time

from charrnn.cli.output import width
from charrnn.cli.streams import say, say_plain
from charrnn.data.vocab import Text
from charrnn.messages import escape_for_terminal, readable
from charrnn.training.trainer import Step, Trainer

#: Seconds without a validation after which a plain line is due anyway.
QUIET_SECONDS = 30.0
#: The displayed loss is a running mean over this many steps.
MEAN_OF = 50


class Meter:
    """The figures of a run as text, for both the bar and the lines."""

    def __init__(self, trainer: Trainer) -> None:
        self._began, self._from = time.monotonic(), trainer.progress
        self._characters, self._unit = trainer.state.characters, trainer.vocab.unit
        self._classic = trainer.config.train.reduction == "sum"
        self._trainer, self._last = trainer, trainer.best
        self._loss, self._steps = 0.0, 0
        self._step: Step | None = None

    def update(self, step: Step) -> None:
        """Take note of a step."""
        self._step = step
        self._steps += 1
        self._loss += (step.loss - self._loss) / min(self._steps, MEAN_OF)
        if step.validation:
            self._last = step.validation.nats_per_char

    @property
    def left(self) -> str:
        """Time that the rest of the run takes at the pace so far."""
        assert self._step
        done = self._step.progress - self._from
        if done <= 0.0:
            return "?"
        return clock((time.monotonic() - self._began) * (1.0 - self._step.progress) / done)

    @property
    def pace(self) -> str:
        """Characters trained on per second, in this session."""
        assert self._step
        seconds = max(time.monotonic() - self._began, 1e-9)
        return f"{(self._step.characters - self._characters) / seconds:,.0f} {self._unit}/s"

    @property
    def loss(self) -> str:
        """Nats and bits per symbol, after the smooth loss for presets that sum the loss."""
        text = f"loss {self._loss:.3f}, {self._loss / math.log(2):.2f} bits/{self._unit}"
        if self._classic:
            assert self._step
            text = f"smooth loss {self._step.smooth_loss:.2f}, {text}"
        return text

    @property
    def validation(self) -> str:
        """The last validation and the best, after a comma; empty if there is none."""
        best = self._trainer.best
        if self._last is None or best is None:
            return ""
        return f", val {self._last:.3f}, best {best:.3f}"


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class Reporter:
    """Reports nothing, as ``-q`` asks for; the base of the others."""

    def note(self, message: str) -> None:
        """Say something about the run."""

    def step(self, step: Step) -> None:
        """A step was made."""

    def sample(self, step: int, text: Text) -> None:
        """A sample was drawn during the run."""

    def close(self) -> None:
        """The run has ended."""


class Lines(Reporter):
    """A plain line at each validation, or every half minute, for a file or a pipe."""

    def __init__(self, trainer: Trainer) -> None:
        self._meter = Meter(trainer)
        self._said = time.monotonic()

    def note(self, message: str) -> None:
        say(message)

    def step(self, step: Step) -> None:
        self._meter.update(step)
        if step.validation or time.monotonic() - self._said > QUIET_SECONDS:
            self._said = time.monotonic()
            m = self._meter
            say(
                f"step {step.step:,}, epoch {step.epoch + 1}, {step.progress:.0%}: "
                f"{m.loss}{m.validation}, {m.pace}, {m.left} left"
            )

    def sample(self, step: int, text: Text) -> None:
        say_plain(f"--- sample at step {step:,}\n{escape_for_terminal(readable(text))}\n---")


class Bar(Lines):
    """One bar on a terminal."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer)
        import threading

        from tqdm import tqdm

        # No lock between processes and no thread that watches the bar.
        tqdm.set_lock(threading.RLock())
        tqdm.monitor_interval = 0
        self._bar = tqdm(
            total=1.0,
            initial=trainer.progress,
            bar_format="{percentage:3.0f}%|{bar}| {desc}",
            file=sys.stderr,
            ncols=width(sys.stderr),
            nrows=20,  # matters only where there are several bars
        )

    def note(self, message: str) -> None:
        self._bar.clear()
        say(message)
        self._bar.refresh()

    def step(self, step: Step) -> None:
        self._meter.update(step)
        m = self._meter
        self._bar.ncols = width(sys.stderr)  # it may change while it runs
        # What matters less is further right, where a narrow terminal cuts it off.
        self._bar.set_description_str(
            f"{m.left} left, {m.loss}, {m.pace}{m.validation}", refresh=False
        )
        self._bar.update(step.progress - self._bar.n)
        if step.validation:
            self._bar.refresh()

    def sample(self, step: int, text: Text) -> None:
        self._bar.clear()
        super().sample(step, text)
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


def reporter(trainer: Trainer, quiet: bool) -> Reporter:
    """The reporter for this stderr."""
    if quiet or sys.stderr is None:
        return Reporter()
    return Bar(trainer) if sys.stderr.isatty() else Lines(trainer)
