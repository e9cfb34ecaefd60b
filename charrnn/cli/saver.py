"""Saving a run from time to time; a save that fails is tried again at the next one."""

from __future__ import annotations

import time
from collections.abc import Callable

from charrnn.checkpoint.errors import UnstorableError
from charrnn.errors import CheckpointError
from charrnn.messages import path_name
from charrnn.training.trainer import Trainer

#: Seconds between saves, where the config gives no number of steps.
SAVE_SECONDS = 60.0
#: Share of the time that slow saves, such as to a network disk, may take.
SAVE_SHARE = 0.05


class Saver:
    """Saves a run at intervals of steps, or about every minute.

    Args:
        every: steps between saves; None for about a minute.
        note: called with a message when a save fails, and when the next one succeeds.

    Attributes:
        step: the last one in the file.
        unfinished: whether the statistics of the corpus have yet to be measured and saved.
    """

    def __init__(
        self, trainer: Trainer, path: str, every: int | None, note: Callable[[str], None]
    ) -> None:
        self._trainer, self._path, self._every, self._note = trainer, path, every, note
        self._due = time.monotonic() + SAVE_SECONDS
        self._failure = ""
        self.step, self.unfinished = trainer.step, False

    def step_done(self) -> None:
        """Save if it is time to. A disk may be full for a while: only the last save must succeed.

        Raises:
            UnstorableError: the state itself cannot be stored, now or later.
        """
        if self._every:
            due = self._trainer.step % self._every == 0
        else:
            due = time.monotonic() >= self._due
        if not due:
            return
        try:
            self.save()
        except UnstorableError:
            raise
        except (CheckpointError, MemoryError) as error:
            why = getattr(error, "message", f"{path_name(self._path)}: out of memory for saving")
            self._due = time.monotonic() + SAVE_SECONDS
            if self._failure != why:
                self._note(f"{why}; training continues and will try to save again")
            self._failure = why
        else:
            if self._failure:
                self._note(f"saved again, at step {self.step:,}")
            self._failure = ""

    def save(self, norms: bool = False) -> None:
        """Save now.

        Args:
            norms: also measure and save the statistics of the corpus.

        Raises:
            CheckpointError: it cannot be written; an existing file is left intact.
        """
        began = time.monotonic()
        self._trainer.checkpoint(norms).save(self._path)
        self.step, self.unfinished = self._trainer.step, not norms
        cost = time.monotonic() - began
        self._due = time.monotonic() + max(SAVE_SECONDS, cost / SAVE_SHARE)
