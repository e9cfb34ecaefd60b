"""``train --report``: the page of a run, kept up to date while it trains."""

from __future__ import annotations

import time
from collections.abc import Callable

from charrnn.cli.report import write_page
from charrnn.cli.samples import draw
from charrnn.errors import CheckpointError
from charrnn.messages import path_name, readable
from charrnn.report import Milestone, progress_report, report
from charrnn.training.trainer import Trainer

#: Shares of the run at which a sample is added to the page; most is learned early.
MILESTONES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
#: Seconds after which the page is written anew, and the share of the time that this may take.
WRITE_SECONDS, WRITE_SHARE = 3.0, 0.05


class LivePage:
    """Writes the page of a run at its milestones, and every few seconds.

    A page that cannot be written is no reason to end a run: that is said, and it stays as it is.

    Args:
        path: of the page. name: of the model.
        note: called with a message if the page cannot be written.
    """

    def __init__(self, trainer: Trainer, path: str, name: str, note: Callable[[str], None]) -> None:
        self._trainer, self._path, self._name, self._note = trainer, path, name, note
        self._milestones: list[Milestone] = []
        self._due = [share for share in MILESTONES if share >= self._progress]
        self._next = 0.0
        self._failed = False

    @property
    def _progress(self) -> float:
        """The progress of the run; 0 before its first step, though its clock may be running."""
        return self._trainer.progress if self._trainer.step else 0.0

    def begin(self) -> None:
        """The run begins.

        Raises:
            VocabError: the model does not know a character of the prime.
        """
        self._draw_milestone()
        self._write_progress(running=True)

    def step(self) -> None:
        """A step was made."""
        if self._draw_milestone() or time.monotonic() >= self._next:
            self._write_progress(running=True)

    def stop(self) -> None:
        """The run stops before its end: the page shows how far it came."""
        self._write_progress(running=False)

    def finish(self) -> None:
        """The run has ended: the page shows all that there is to see in the model."""
        self._due = self._due[-1:]
        self._draw_milestone(last=True)
        trainer, model = self._trainer, self._trainer.model
        model.name = self._name
        corpus = trainer.corpus if len(trainer.corpus.validation) else None
        self._write(report([model], corpus=corpus, milestones=self._milestones))

    def _draw_milestone(self, last: bool = False) -> bool:
        """Add a sample if one is due."""
        progress = self._progress
        reached = [share for share in self._due if share <= progress or last]
        if not reached:
            return False
        del self._due[: len(reached)]
        text = readable(draw(self._trainer))
        share = reached[-1] if not last else progress
        self._milestones.append(Milestone(share, self._trainer.step, text))
        return True

    def _write_progress(self, running: bool) -> None:
        began = time.monotonic()
        model = self._trainer.current
        model.name = self._name
        progress = self._progress if running else None
        self._write(progress_report(model, self._milestones, progress))
        now = time.monotonic()
        self._next = now + max(WRITE_SECONDS, (now - began) / WRITE_SHARE)

    def _write(self, page: str) -> None:
        try:
            write_page(self._path, page)
        except CheckpointError as error:
            if not self._failed:
                self._note(f"{path_name(self._path)}: no longer up to date: {error.message}")
            self._failed = True
