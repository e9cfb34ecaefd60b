"""Three ways to run the program: called in this process, forked from a server, or started.

:func:`run` calls the entry point, which saves the 0.3 s of CPU time that a new process takes to
import NumPy and the rest. What a script or a terminal runs to its end is a process with descriptors
of its own, whose server has imported all that already (:mod:`warm`); :func:`shell`,
:func:`run_process` and :func:`on_terminal` use it. Tests whose subject is the start, a signal or a
limit on the process start one: :func:`start`, :class:`Terminal`, and the three with ``COLD``.
"""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest
from warm import commands

from charrnn.cli.main import execute
from charrnn.cli.streams import Signalled

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TEXT = (ROOT / "corpora" / "fables.txt").read_text(encoding="utf-8")
#: Settings of a model that takes a second to train.
SMALL = [
    *("--set", "model.hidden_size=24"),
    *("--set", "train.batch_size=8"),
    *("--set", "train.seq_length=16"),
    *("--set", "train.workers=1"),
]
PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
#: Seconds after which a process is killed, so that a test which waits for it fails.
LIMIT = 60.0
#: The program, to be started.
COLD = BIN / "charrnn"


def warm() -> Path:
    """The program, forked from a server."""
    return COLD if os.name == "nt" else commands() / "charrnn"


def environment(**more: str) -> dict[str, str]:
    """The locale is C, and nothing of the caller's changes buffering, colour or settings."""
    drop = ("CHARRNN", "PYTHON", "LC_", "LANG", "NO_COLOR", "COLUMNS", "LINES", "_CHARRNN")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    path = f"{BIN}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "LC_ALL": "C", "TERM": "xterm", "OPENBLAS_NUM_THREADS": "1"} | more


class Result:
    """What the program printed and its exit code."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.out, self.err = code, out, err.decode()

    def __repr__(self) -> str:
        return f"exit {self.code}\nstdout: {self.out!r}\nstderr: {self.err}"


# --- in this process ----------------------------------------------------------------------------


def run(
    *args: str, cwd: Path, stdin: bytes | str = b"", env: Mapping[str, str] | None = None
) -> Result:
    """Call the program with arguments, as if stdin, stdout and stderr were pipes."""
    typed = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)
    out, err = io.BytesIO(), io.BytesIO()
    with _restored_afterwards():
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environment(**env or {}))
        # Text must not go through sys.stdin and sys.stdout, whose encoding is the locale's.
        sys.stdin, sys.stdout = (io.TextIOWrapper(stream, "ascii") for stream in (typed, out))
        sys.stderr = io.TextIOWrapper(err, "utf-8", "backslashreplace")
        try:
            code = execute(args)
            sys.stdout.flush()
            sys.stderr.flush()
        except Signalled:  # Ctrl-C, while a test trains a model
            raise KeyboardInterrupt from None
        return Result(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _restored_afterwards() -> Iterator[None]:
    """Undo what the program may change in the process that it runs in."""
    folder, streams = os.getcwd(), (sys.stdin, sys.stdout, sys.stderr)
    signals = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in signals]
    logger = logging.getLogger("charrnn")
    logging_state = logger.handlers.copy(), logger.level, logger.propagate
    with mock.patch.dict(os.environ), warnings.catch_warnings():
        # The program leaves it to the end of its process to close what it reads.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            os.chdir(folder)
            sys.stdin, sys.stdout, sys.stderr = streams
            for number, handler in zip(signals, handlers, strict=True):
                signal.signal(number, handler)
            logger.handlers[:], level, logger.propagate = logging_state
            logger.setLevel(level)


# --- processes ----------------------------------------------------------------------------------


@contextlib.contextmanager
def start(*args: str, cwd: Path, program: Path = COLD, **options) -> Iterator[subprocess.Popen]:
    """A process of the program, with pipes for what ``options`` do not say otherwise."""
    env = environment(**options.pop("env", {}))
    with limited([program, *args], cwd=cwd, env=env, **PIPES | options) as process:
        yield process


@contextlib.contextmanager
def limited(
    command: list[str | Path], limit: float = LIMIT, **options
) -> Iterator[subprocess.Popen]:
    """A process that is killed at the end, or after ``limit`` seconds, with all that it started."""
    with subprocess.Popen(command, start_new_session=True, **options) as process:

        def kill() -> None:
            if process.poll() is not None:
                return
            if os.name == "nt":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)

        watchdog = threading.Timer(limit, kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            kill()


def run_process(
    *args: str, cwd: Path, stdin: bytes | str = b"", program: Path | None = None, **options
) -> Result:
    """Run the program to its end, in a process of its own."""
    with start(*args, cwd=cwd, program=program or warm(), **options) as process:
        out, err = process.communicate(stdin.encode() if isinstance(stdin, str) else stdin)
        return Result(process.returncode, out or b"", err or b"")


def shell(script: str, cwd: Path, program: Path | None = None, **env: str) -> Result:
    """Run a script in bash, where ``charrnn`` is the program."""
    skip_on_windows("bash")
    command, streams = ["bash", "-c", script], PIPES | {"stdin": subprocess.DEVNULL}
    variables = with_program(program or warm(), env)
    with limited(command, cwd=cwd, env=variables, **streams) as process:
        out, err = process.communicate()
        return Result(process.returncode, out, err)


def with_program(program: Path, env: Mapping[str, str]) -> dict[str, str]:
    """An environment in which ``charrnn`` is a certain program."""
    variables = environment(**env)
    return variables | {"PATH": f"{program.parent}{os.pathsep}{variables['PATH']}"}


def skip_on_windows(what: str) -> None:
    if os.name == "nt":
        pytest.skip(f"Windows has no {what}")


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Terminal:
    """A pseudo-terminal with a program in it: ours, or a shell; killed at the end.

    Args:
        columns: its width; 0 if it is not known.

    Attributes:
        seen: all that was shown so far.
    """

    def __init__(
        self,
        *args: str,
        cwd: Path,
        program: str | Path = COLD,
        columns: int = 0,
        **env: str,
    ) -> None:
        self._command, self._columns = [program, *args], columns
        self._options = {"cwd": cwd, "env": environment(**env)}
        self.seen = b""

    def __enter__(self) -> "Terminal":
        skip_on_windows("pseudo-terminals")
        import fcntl
        import struct
        import termios

        self._master, slave = os.openpty()
        size = struct.pack("HHHH", 40 if self._columns else 0, self._columns, 0, 0)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, size)

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
        self._limited = limited(self._command, preexec_fn=take_terminal, **streams, **self._options)
        self._process = self._limited.__enter__()
        os.close(slave)
        return self

    def __exit__(self, *error) -> None:
        os.close(self._master)
        self._limited.__exit__(*error)

    def type(self, keys: bytes) -> None:
        """Type on its keyboard."""
        os.write(self._master, keys)

    def wait_for(self, text: bytes) -> None:
        """Read until ``text`` was shown."""
        while text not in self.seen:
            assert self._read(), self.seen

    def finish(self) -> tuple[int, bytes]:
        """Read to the end; the exit code and all that was shown, each newline bare."""
        while self._read():
            pass
        return self._process.wait(), self.seen.replace(b"\r\n", b"\n")

    def _read(self) -> bool:
        try:
            block = os.read(self._master, 65536)
        except OSError:  # Linux's way to say that nobody writes any more
            return False
        self.seen += block
        return bool(block)


def on_terminal(
    *args: str, cwd: Path, program: str | Path | None = None, **options
) -> tuple[int, bytes]:
    """Run the program to its end on a terminal; the exit code and all that was shown."""
    path = with_program(warm(), {})["PATH"]
    with Terminal(*args, cwd=cwd, program=program or warm(), PATH=path, **options) as terminal:
        return terminal.finish()
