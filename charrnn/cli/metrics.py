"""The metrics file of ``train --log``, which never holds up the run."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time
from types import TracebackType
from typing import Any

from charrnn.cli.output import finite
from charrnn.cli.streams import PIPE_BUF, say
from charrnn.data.vocab import FIELDS
from charrnn.errors import CharRNNError
from charrnn.files import has_room
from charrnn.messages import path_name, pluralize, system_reason
from charrnn.training.step import Step

#: Steps between two lines of the metrics file, where no validation falls.
LOG_EVERY = 50
#: Bytes kept for a reader that does not read, or a disk that is full, before logging stops.
MOST_KEPT = 1 << 20
#: Seconds that the end of the run waits for such a reader.
PATIENCE = 2.0


class MetricsFile:
    """JSON lines: the first step, every :data:`LOG_EVERY` steps, and each validation.

    Lines are appended to a file that exists: a resumed run continues its log. Lines that a pipe
    does not take, or a full disk, are kept and written later.

    Args:
        path: ``-`` for stdout, None for no file.

    Raises:
        CharRNNError: it cannot be opened.
    """

    def __init__(self, path: str | None) -> None:
        self._path, self._name = path, "stdout" if path == "-" else path_name(path or "")
        self._fd: int | None = None
        self._kept = bytearray()
        self._failure = ""
        if path is not None:
            try:
                self._open()
            except OSError as error:
                raise CharRNNError(
                    f"{self._name}: cannot be written ({system_reason(error)})",
                    "choose another log file",
                ) from None

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def step(self, step: Step) -> None:
        """Write a line, if one is due."""
        if self._path is not None and (
            step.validation or step.step == 1 or step.step % LOG_EVERY == 0
        ):
            self._kept += json.dumps(_record(step), allow_nan=False).encode() + b"\n"
            self._write()
            if len(self._kept) > MOST_KEPT:
                self._stop()

    def close(self) -> None:
        """Write what was kept, and close the file."""
        end = time.monotonic() + PATIENCE
        while self._kept and time.monotonic() < end:
            self._write()
            time.sleep(0.01 if self._kept else 0.0)
        if self._kept:
            self._stop()
        elif self._fd is not None:
            self._close()

    def _open(self) -> None:
        if self._path == "-":
            self._fd = os.dup(1)
            return
        assert self._path is not None
        # Opening a pipe must not wait for its reader.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
        try:
            self._fd = os.open(self._path, flags, 0o666)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(self._path).st_mode):
                raise

    def _write(self) -> None:
        """Write what can be written now."""
        try:
            if self._fd is None:
                self._open()
            while self._fd is not None and self._kept and has_room(self._fd):
                # Even where it may wait, a pipe that has room takes so much without waiting.
                del self._kept[: os.write(self._fd, self._kept[:PIPE_BUF])]
        except BlockingIOError:
            pass
        except BrokenPipeError as error:
            self._failure = system_reason(error)
            self._stop()
        except OSError as error:  # such as a disk that is full for a while
            if not self._failure:
                self._failure = system_reason(error)
                say(f"{self._name}: cannot be written ({self._failure}); trying again later")

    def _stop(self) -> None:
        """Give up: the run is worth more than its log."""
        why = self._failure or "nothing reads it"
        lines = pluralize(self._kept.count(b"\n"), "line")
        say(f"{self._name}: logging stopped ({why}); {lines} not written")
        self._path = None
        self._kept.clear()
        self._close()

    def _close(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = None


def _record(step: Step) -> dict[str, Any]:
    each = FIELDS[step.unit]
    symbols = "words" if step.unit == "word" else "characters"
    record: dict[str, Any] = {
        "step": step.step,
        "epoch": step.epoch,
        symbols: step.characters,
        "seconds": round(step.seconds, 3),
        "progress": step.progress,
        "learning_rate": step.learning_rate,
        "loss": step.loss,
        f"bits_per_{each}": step.bits_per_char,
        "recent_loss": step.recent_loss,
        "smooth_loss": step.smooth_loss,
        "grad_norm": step.grad_norm,
    }
    if step.validation:
        record["validation"] = {
            f"nats_per_{each}": step.validation.nats_per_char,
            f"bits_per_{each}": step.validation.bits_per_char,
            symbols: step.validation.characters,
            "best": step.best,
        }
        if step.network is not None:
            record["validation"][f"network_nats_per_{each}"] = step.network
    return {key: finite(value) for key, value in record.items()}
