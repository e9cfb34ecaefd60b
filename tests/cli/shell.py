"""The program as a shell sees it: real processes, pipes, files, signals and terminals."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

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


def environment(**more: str) -> dict[str, str]:
    """The locale is C, and nothing of the caller's changes buffering, colour or settings."""
    drop = ("CHARRNN", "PYTHON", "LC_", "LANG", "NO_COLOR", "COLUMNS", "LINES", "_CHARRNN")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    path = f"{BIN}{os.pathsep}{kept.get('PATH', '')}"
    return kept | {"PATH": path, "LC_ALL": "C", "TERM": "xterm", "OPENBLAS_NUM_THREADS": "1"} | more


def start(*args: str, cwd: Path, **options) -> subprocess.Popen:
    """A process of the program, with pipes for what is not said otherwise."""
    env = environment(**options.pop("env", {}))
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | options
    return subprocess.Popen([BIN / "charrnn", *args], cwd=cwd, env=env, **streams)


class Result:
    """What a process said and how it ended."""

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code, self.out, self.err = code, out, err.decode()

    def __repr__(self) -> str:
        return f"exit {self.code}\nstdout: {self.out!r}\nstderr: {self.err}"


def run(*args: str, cwd: Path, stdin: bytes | str = b"", **options) -> Result:
    """Run the program to its end."""
    process = start(*args, cwd=cwd, **options)
    data = stdin.encode() if isinstance(stdin, str) else stdin
    out, err = process.communicate(data, timeout=60)
    return Result(process.returncode, out or b"", err or b"")


def shell(script: str, cwd: Path, **env: str) -> Result:
    """Run a script in bash, where ``charrnn`` is the program."""
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Terminal:
    """A pseudo-terminal with a program in it: ours, or a shell."""

    def __init__(
        self, *args: str, cwd: Path, program: str | Path = BIN / "charrnn", **env: str
    ) -> None:
        self._master, slave = pty.openpty()

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [program, *args],
            cwd=cwd,
            env=environment(**env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=take_terminal,
        )
        os.close(slave)
        self.seen = b""

    def type(self, keys: bytes) -> None:
        """Type on its keyboard."""
        os.write(self._master, keys)

    def wait_for(self, text: bytes, seconds: float = 30.0) -> None:
        """Read until ``text`` was shown."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen

    def finish(self) -> tuple[int, bytes]:
        """Read to the end; the exit code and all that was shown, each newline bare."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(30), self.seen.replace(b"\r\n", b"\n")

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 30.0)[0]:
            self.process.send_signal(signal.SIGKILL)
            raise AssertionError(f"nothing more is shown after {self.seen!r}")
        try:
            block = os.read(self._master, 65536)
        except OSError:  # Linux's way to say that nobody writes any more
            return False
        self.seen += block
        return bool(block)
