"""What the system does to the program: descriptors, disks, links, folders it should not trust."""

import contextlib
import errno
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from shell import (
    BIN,
    COLD,
    PIPES,
    SMALL,
    Terminal,
    environment,
    limited,
    run,
    run_process,
    shell,
    start,
    wait_until,
    warm,
)

from charrnn.checkpoint.errors import UnstorableError
from charrnn.checkpoint.lock import Lock
from charrnn.cli.metrics import MetricsFile
from charrnn.cli.saver import Saver
from charrnn.errors import CheckpointError
from charrnn.training.step import Step

if os.name != "nt":
    import fcntl

posix = pytest.mark.posix
TRAIN = ["train", "corpus.txt", "-o", "new.npz", *SMALL]


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# --- descriptors that do not block --------------------------------------------------------------


def small_pipe() -> tuple[int, int]:
    """The ends of a pipe that is soon full."""
    ends = os.pipe()
    if sys.platform == "linux":
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    return ends


def not_blocking() -> tuple[int, int]:
    """The ends of a small pipe that does not block."""
    ends = small_pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends


def wait_until_full(into: int) -> None:
    """Wait until nothing can be written to a small pipe, and give its writer time to try it."""
    if sys.platform != "linux":  # where the pipe may have room for all
        time.sleep(1.0)
        return
    wait_until(lambda: not select.select([], [into], [], 0)[1])
    time.sleep(0.05)


def wait_until_empty(out: int) -> None:
    """Wait until all of a pipe is read, and give its reader time to ask for more."""
    wait_until(lambda: not select.select([out], [], [], 0)[0])
    time.sleep(0.05)


def fed_slowly(text: bytes, into: int, out: int) -> threading.Thread:
    """A thread that writes a text in three parts, each when the last was read; then it closes."""

    def feed() -> None:
        third = -(-len(text) // 3)
        for at in range(0, len(text), third):
            wait_until_empty(out)
            assert os.write(into, text[at : at + third]) == len(text[at : at + third])
        os.close(into)

    thread = threading.Thread(target=feed)
    thread.start()
    return thread


@posix
@pytest.mark.parametrize(
    ("args", "check"),
    [
        (["eval", "--json", "-"], lambda out: json.loads(out)["characters"] == 3000),
        (["eval", "--lines", "-"], lambda out: out.count(b"\n") == 300),
        (["sample", "-n", "0", "--prime-file", "-"], lambda out: len(out) == 3000),
        (["train", "-", "-o", "new.npz", "--steps", "1", *SMALL], lambda out: out == b""),
    ],
)
def test_all_of_a_stdin_that_does_not_block_is_read(folder, args, check):
    out, into = not_blocking()
    feeder = fed_slowly(b"The fox ru\n"[1:] * 300, into, out)
    with start(*args, cwd=folder, program=warm(), stdin=out) as process:
        found, err = process.communicate()
    feeder.join()
    os.close(out)
    assert process.returncode == 0, err
    assert check(found)
    if args[0] == "train":
        assert b": 3,000 characters" in err


@posix
@pytest.mark.parametrize(
    "args", ["sample --count 200", "sample --count 200 --json", "eval --lines corpus.txt"]
)
def test_all_is_written_to_a_stdout_that_does_not_block(folder, args):
    command = [*args.split(), *(["--seed", "1", "-n", "60"] if "sample" in args else [])]
    expected = run(*command, cwd=folder).out
    out, into = not_blocking()
    found = bytearray()
    with start(*command, cwd=folder, program=warm(), stdout=into) as process:
        wait_until_full(into)
        os.close(into)
        while block := select.select([out], [], [])[0] and os.read(out, 1 << 16):
            found += block
        assert process.wait() == 0
        assert process.stderr.read() == b""
    os.close(out)
    assert found == expected


@posix
def test_messages_are_written_to_a_stderr_that_does_not_block(folder):
    out, into = not_blocking()
    with contextlib.suppress(BlockingIOError):
        while True:  # as much as it holds
            os.write(into, b"x" * 4096)
    with start("sample", "-m", "none.npz", cwd=folder, program=warm(), stderr=into) as process:
        os.close(into)
        time.sleep(0.2)
        os.set_blocking(out, True)
        with os.fdopen(out, "rb") as stream:
            assert stream.read().lstrip(b"x").startswith(b"charrnn: none.npz: no such file")
        assert process.wait() == 1


# --- who does not read, does not stop a run -----------------------------------------------------

#: The program, which soon gives up on a reader once it is to stop.
IMPATIENT = """
import charrnn.cli.streams
from charrnn.cli import main
charrnn.cli.streams.PATIENCE = 0.2
main()
"""


@posix
def test_a_stderr_that_nobody_reads_does_not_keep_a_run_from_stopping(folder):
    out, into = small_pipe()
    args = ["-c", IMPATIENT, *TRAIN, "--steps", "100000000", "--sample-every", "1"]
    with start(*args, cwd=folder, program=sys.executable, stderr=into) as process:
        os.set_blocking(out, False)
        with os.fdopen(out, "rb", 0) as stream:
            wait_until(lambda: b"sample at step 2" in (stream.read() or b""))
            wait_until_full(into)
            os.close(into)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == -signal.SIGTERM
    assert json.loads(run("info", "-m", "new.npz", "--json", cwd=folder).out)["steps"] > 1


@posix
def test_a_stdout_that_nobody_reads_does_not_keep_the_demo_from_stopping(folder):
    out, into = os.pipe()
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, b"x" * 4096)
    os.set_blocking(into, True)
    args = ["-c", IMPATIENT, "demo", "-o", "new.npz"]
    with start(*args, cwd=folder, program=sys.executable, stdout=into) as process:
        os.close(into)
        said = process.stderr
        wait_until(lambda: b"before training" in said.readline())
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
    os.close(out)


@posix
def test_a_log_that_nobody_reads_does_not_stop_a_run(folder, monkeypatch):
    monkeypatch.setattr("charrnn.cli.metrics.PATIENCE", 0.05)
    os.mkfifo(folder / "fifo")
    reader = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    result = run(*TRAIN, "--steps", "100", "--log", "fifo", cwd=folder)
    assert (result.code, result.out) == (0, b"")
    lines = os.read(reader, 1 << 16).splitlines()
    assert {1, 50, 100} <= {json.loads(line)["step"] for line in lines}
    os.close(reader)
    quiet = run(*TRAIN, "-q", "--steps", "2", "--force", "--log", "fifo", cwd=folder)
    assert quiet.code == 0
    assert quiet.err == "charrnn: fifo: logging stopped (nothing reads it); 2 lines not written\n"


def step(number: int) -> Step:
    return Step(number, 0, number, 1.0, 1.0, 1.0, 1.0, 0.1, 0.5, 1.0)


@posix
def test_a_log_waits_for_room_without_holding_up_the_run(tmp_path, monkeypatch):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with MetricsFile(str(path)) as metrics:  # nobody reads yet
        metrics.step(step(50))
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        for number in range(100, 50_000, 50):  # more than a pipe holds
            metrics.step(step(number))
        found = bytearray(os.read(reader, 1 << 20))
        assert found.endswith(b"}\n") or len(found) > 60_000
        metrics.step(step(50_000))
        found += os.read(reader, 1 << 20)
        thread = threading.Thread(target=lambda: [time.sleep(0.1), found.extend(rest(reader))])
        thread.start()
    thread.join()
    os.close(reader)
    assert [json.loads(line)["step"] for line in found.splitlines()] == [*range(50, 50_001, 50)]


def rest(reader: int) -> bytes:
    os.set_blocking(reader, True)
    return b"".join(iter(lambda: os.read(reader, 1 << 16), b""))


@posix
def test_a_log_whose_reader_never_reads_is_given_up(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("charrnn.cli.metrics.MOST_KEPT", 2000)
    monkeypatch.setattr("charrnn.cli.metrics.PATIENCE", 0.05)
    os.mkfifo(tmp_path / "fifo")
    with MetricsFile(str(tmp_path / "fifo")) as metrics:
        for number in range(50, 5000, 50):
            metrics.step(step(number))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "fifo: logging stopped (nothing reads it); " in said


@posix
def test_a_log_on_a_full_disk_says_so_once_and_is_completed_later(tmp_path, monkeypatch, capsys):
    write, full = os.write, True

    def fail_at_first(fd, data):
        if full:
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr(os, "write", fail_at_first)
    path = tmp_path / "log"
    with MetricsFile(str(path)) as metrics:
        for number in (50, 100, 150):
            metrics.step(step(number))
        full = False
        metrics.step(step(200))
    steps = [json.loads(line)["step"] for line in path.read_text().splitlines()]
    assert steps == [50, 100, 150, 200]
    assert capsys.readouterr().err == (
        f"charrnn: {path}: cannot be written (no space left on device); trying again later\n"
    )


@posix
def test_a_log_on_a_disk_that_stays_full_is_given_up(tmp_path, monkeypatch, capsys):
    def fail(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    monkeypatch.setattr("charrnn.cli.metrics.PATIENCE", 0.0)
    path = tmp_path / "log"
    with MetricsFile(str(path)) as metrics:
        metrics.step(step(50))
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"charrnn: {path}: logging stopped (no space left on device); 1 line not written"
    ]


def test_the_log_may_be_stdout(folder):
    result = run_process(*TRAIN, "-q", "--steps", "2", "--log", "-", cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert [json.loads(line)["step"] for line in result.out.splitlines()] == [1, 2]
    assert not (folder / "-").exists()
    stopped = shell(f"charrnn {' '.join(TRAIN)} -q --force --steps 60 --log - | true", folder)
    assert stopped.code == 0
    assert "logging stopped (broken pipe)" in stopped.err


# --- what is written to is not what is read -----------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("train - -o corpus.txt --force < corpus.txt", "corpus.txt: is the text to train on"),
        ("train - -o hard.txt --force < corpus.txt", "hard.txt: is the text to train on"),
        ("train hard.txt -o corpus.txt --force", "corpus.txt: is the text to train on"),
        ("train link.txt -o hard.txt --force", "hard.txt: is the text to train on"),
        ("train corpus.txt -o notes.txt --force", "notes.txt: exists and is not a charrnn model"),
        ("train corpus.txt -o notes.txt", "notes.txt: exists and is not a charrnn model"),
        ("train corpus.txt -c hard.yaml -o my.yaml --force", "my.yaml: is the config file"),
        ("train corpus.txt -o -", "-: a model cannot be written to stdout; name a file with -o"),
        ("demo -o notes.txt --force", "notes.txt: exists and is not a charrnn model"),
        ("demo -o - --force", "-: a model cannot be written to stdout; name a file with -o"),
        ("train corpus.txt -o n.npz --log hard.txt", "hard.txt: is a text or a model"),
        ("train - -o n.npz --log hard.txt < corpus.txt", "hard.txt: is a text or a model"),
        ("train - -o n.npz --log - < corpus.txt >> hard.txt", "-: is a text or a model"),
        ("train corpus.txt --force --log hard.npz", "hard.npz: is a text or a model"),
        ("train corpus.txt -o n.npz --log notes.txt", "notes.txt: is a text or a model"),
        ("train corpus.txt -o n.npz -c hard.yaml --log my.yaml", "my.yaml: is a text or a model"),
        ("eval corpus.txt >> hard.txt", "corpus.txt: is also the output"),
        ("eval --lines - < corpus.txt >> corpus.txt", "stdin: is also the output"),
        ("eval --lines texts >> texts/a.txt", "texts/a.txt: is also the output"),
        ("classify -m a=model.npz -m b=model.npz hard.txt >> hard.txt", "hard.txt: is also the"),
    ],
)
def test_files_are_the_same_whatever_they_are_called(folder, script, words):
    (folder / "notes.txt").write_text("not to be lost\n")
    (folder / "my.yaml").write_text("train: {steps: 1}\n")
    for name in ("corpus.txt", "model.npz", "my.yaml"):
        os.link(folder / name, folder / f"hard{Path(name).suffix}")
    os.symlink("corpus.txt", folder / "link.txt")
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("The fox ran.\n")
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    script = script.replace("train ", "train --steps 1 ")  # soon over, should it begin
    redirected = "<" in script or ">" in script
    result = shell(f"charrnn {script}", folder) if redirected else run(*script.split(), cwd=folder)
    assert (result.code, result.out) == (1, b""), result
    assert result.err.startswith(f"charrnn: {words}")
    assert result.err.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


@posix
def test_what_may_be_replaced_still_is(folder):
    (folder / "empty.npz").touch()
    damaged = (folder / "model.npz").read_bytes()[:5000]
    (folder / "damaged.npz").write_bytes(damaged)
    os.link(folder / "model.npz", folder / "hard.npz")
    for name, *more in (("empty.npz",), ("damaged.npz",), ("hard.npz", "--init-from", "model.npz")):
        args = ["train", "corpus.txt", "-o", name, "--force", "--steps", "1", *SMALL[2:], *more]
        result = run(*args, cwd=folder)
        assert result.code == 0, result
        assert run("info", "-m", name, cwd=folder).code == 0


# --- saves that fail ----------------------------------------------------------------------------


class Run:
    """Stands for a trainer whose saves fail at some steps."""

    def __init__(self, failing: set[int], error: Exception) -> None:
        self.step, self.failing, self.error = 0, failing, error
        self.saved: list[int] = []

    def checkpoint(self, norms):
        return self

    def save(self, path: str) -> None:
        if self.step in self.failing:
            raise self.error
        self.saved.append(self.step)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (CheckpointError("m.npz: full", "free space"), "m.npz: full"),
        (MemoryError(), "m.npz: out of memory for saving"),
    ],
)
def test_a_save_that_fails_is_tried_again_at_the_next(folder, error, why):
    run, notes = Run({3, 4, 7}, error), []
    saver = Saver(run, "m.npz", 1, notes.append)
    for run.step in range(1, 10):
        saver.step_done()
    assert run.saved == [1, 2, 5, 6, 8, 9]
    again = f"{why}; training continues and will try to save again"
    assert notes == [again, "saved again, at step 5", again, "saved again, at step 8"]
    run.failing = {10}
    run.step = 10
    with pytest.raises(type(error)):
        saver.save()  # the last must succeed
    assert saver.step == 9


def test_what_can_never_be_saved_ends_the_run(folder):
    run = Run({1}, UnstorableError("m.npz: not saved, because W holds a number that is not finite"))
    run.step = 1
    with pytest.raises(UnstorableError):
        Saver(run, "m.npz", 1, lambda note: None).step_done()


def test_a_disk_that_is_full_for_a_while_loses_nothing(folder, monkeypatch):
    """Three saves fail; at the end, the file holds the whole run, as if nothing had happened."""
    args = [*TRAIN, "--steps", "6", "--set", "train.checkpoint_every=1"]
    assert run(*args, cwd=folder).code == 0
    expected = (folder / "new.npz").read_bytes()
    sync, calls = os.fsync, 0

    def full_for_a_while(fd):
        nonlocal calls
        calls += 1
        if calls in range(4, 7):  # the first is a trial, and each save makes two
            raise OSError(28, "No space left on device")
        sync(fd)

    monkeypatch.setattr(os, "fsync", full_for_a_while)
    result = run(*args, "--force", cwd=folder)
    assert result.code == 0, result
    assert "new.npz: cannot be written (No space left on device); training continues" in result.err
    assert "charrnn: saved again, at step " in result.err
    assert (folder / "new.npz").read_bytes() == expected


@posix
def test_a_file_that_may_not_be_as_large_as_the_model_is_an_error_before_training(folder):
    # Python 3.11 and older would leave truncated bytecode.
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    script = f"ulimit -f 20; exec charrnn {' '.join(TRAIN)} --steps 100000000"
    result = shell(script, folder, program=COLD, **env)
    assert (result.code, names(folder)) == (1, ["corpus.txt", "model.npz", "train.err"])
    assert result.err == (
        "charrnn: new.npz: cannot be written (File too large); "
        "raise the limit on the size of files (ulimit -f), or choose another folder\n"
    )


# --- who was first ------------------------------------------------------------------------------


@posix
def test_the_loser_of_two_starts_is_told_of_the_winner(folder, monkeypatch):
    """It must not even look whether it could write, because the winner may be cleaning up."""

    def meddle(path):
        raise AssertionError("the output is not locked")

    for module in ("charrnn.cli.train", "charrnn.cli.demo"):
        monkeypatch.setattr(f"{module}.check_writable", meddle)
    with Lock(folder / "new.npz"):
        for args in (TRAIN, ["demo", "-o", "new.npz"]):
            result = run(*args, cwd=folder)
            assert result.code == 1
            assert "another charrnn train (process " in result.err


@posix
def test_a_worker_killed_before_the_first_save_gets_advice_that_is_true(folder, monkeypatch):
    args = ["train", "corpus.txt", "-o", "new.npz", *SMALL[:-1], "train.workers=2"]
    for more, said in (
        ([], "killed by signal 9); if memory is short, --workers 1 needs less\n"),
        (
            ["--set", "train.checkpoint_every=1"],
            "), but new.npz holds step 2, for --resume; if memory is short, --workers 1 needs less",
        ),
    ):
        monkeypatch.setattr("charrnn.cli.train.draw", kill_a_worker)
        result = run(*args, "--steps", "9", "--sample-every", "2", *more, cwd=folder)
        assert result.code == 1
        assert said in result.err.splitlines(keepends=True)[-1]
        assert (folder / "new.npz").exists() == bool(more)


def kill_a_worker(trainer) -> str:
    for worker in trainer._parallel._communicator.workers:
        worker.kill()
        worker.wait()
    return ""


@posix
@pytest.mark.parametrize("megabytes", [30, 90, 120])
def test_too_little_memory_to_start_is_one_line(folder, megabytes):
    """Found before NumPy is imported, whose libraries would say it at length, or in their way."""
    script = f"ulimit -v {megabytes * 1000}; exec charrnn sample -n 5"
    result = shell(script, folder, program=COLD)
    assert (result.code, result.out) == (1, b""), result
    assert result.err.startswith("charrnn: out of memory; raise the limit")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("what", ["read the model", "read the text", "map the ids", "save"])
def test_too_little_memory_is_one_line_whoever_says_it(folder, monkeypatch, what):
    """The system says it by an error number, where it looks like trouble with a file."""

    def refuse(*_):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    where, args = {
        "read the model": ("charrnn.checkpoint.reader._open", ["info"]),
        "read the text": ("charrnn.files.PatientFile.readinto", ["eval", "corpus.txt"]),
        "map the ids": ("charrnn.data.corpus._allocate", [*TRAIN, "--steps", "1"]),
        "save": ("charrnn.checkpoint.writer._write_all", [*TRAIN, "--steps", "1"]),
    }[what]
    monkeypatch.setattr(where, refuse)
    result = run(*args, cwd=folder)
    assert (result.code, result.out) == (1, b"")
    assert result.err.splitlines()[-1].startswith("charrnn: out of memory; try a smaller model.")


def test_a_library_that_cannot_be_loaded_is_named_in_one_line(folder, monkeypatch):
    """NumPy answers with a page about what may be wrong, of which the last line counts."""

    def fail(path):
        try:
            raise ImportError("_multiarray_umath.so: cannot open shared object file: Too many open")
        except ImportError as error:
            raise ImportError("\n\nIMPORTANT: PLEASE READ THIS\n\nand this\n") from error

    monkeypatch.setattr("charrnn.checkpoint.reader._open", fail)
    result = run("info", cwd=folder)
    assert (result.code, result.out) == (1, b"")
    assert result.err == (
        "charrnn: cannot load a library: _multiarray_umath.so: cannot open shared object file: "
        "Too many open\n"
    )


def test_what_libraries_log_is_not_printed(folder):
    """hashlib logs a traceback if it cannot load one of many digests, and goes on without it."""
    program = (
        "import logging, sys; from charrnn.cli import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'charrnn.cli.info': logging.exception('a digest was not found')\n"
        "sys.meta_path.insert(0, Finder()); main()"
    )
    command = [sys.executable, "-c", program, "info"]
    with limited(command, cwd=folder, env=environment(), **PIPES) as process:
        _, err = process.communicate()
    assert (process.returncode, err) == (0, b"")


def test_a_digest_that_cannot_be_loaded_ends_training_before_it_begins(folder):
    """hashlib goes on without it; the model would be lost when it is saved."""
    program = "import sys; sys.modules['_blake2'] = None; from charrnn.cli import main; main()"
    command = [sys.executable, "-c", program, "train", "corpus.txt", "-o", "new.npz", *SMALL]
    with limited(command, cwd=folder, env=environment(), **PIPES) as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith(b"charrnn: cannot load a library: cannot import name 'blake2b'")
    assert err.count(b"\n") == 1


# --- surroundings -------------------------------------------------------------------------------


@posix
def test_no_code_beside_a_text_is_run(folder):
    trap = "import pathlib; pathlib.Path(__file__).with_name('sprung').touch()"
    for name in ("pickle", "struct", "numpy", "click", "tempfile", "yaml", "tqdm", "random"):
        (folder / f"{name}.py").write_text(trap)
    workers = [*SMALL[:-1], "train.workers=2"]
    train = ["train", "corpus.txt", "-o", "new.npz", "--steps", "2", *workers]
    for command in ([BIN / "charrnn", *train], [sys.executable, "-m", "charrnn", "sample"]):
        with limited(command, cwd=folder, env=environment(), **PIPES) as process:
            _, err = process.communicate()
        assert process.returncode == 0, err
        assert not (folder / "sprung").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_every_process_computes_in_one_thread(folder):
    """Without the variables that the tests set for every program they start."""
    env = {n: v for n, v in environment().items() if not n.endswith("_NUM_THREADS")}

    def threads(pid: int) -> int:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("Threads:")[2].split()[0])

    sample = [BIN / "charrnn", "sample", "--forever", "--line-buffered"]
    with limited(sample, cwd=folder, env=env, **PIPES) as process:
        assert process.stdout.readline()
        assert threads(process.pid) == 1
    train = [BIN / "charrnn", *TRAIN[:-1], "train.workers=2", "--log", "log", "--steps", "1000000"]
    with limited(train, cwd=folder, env=env, **PIPES) as process:
        log = folder / "log"
        wait_until(lambda: log.exists() and log.read_bytes())
        (worker,) = map(
            int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        )
        assert (threads(process.pid), threads(worker)) == (1, 1)


@functools.cache
def no_namespaces() -> str:
    """Why a script cannot be run in a namespace."""
    if not shutil.which("unshare"):
        return "unshare is not installed"
    allowed = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"], check=False)
    return "this system allows no mounts in a namespace" if allowed.returncode else ""


def in_a_namespace(script: str, folder: Path):
    """Run a script as root of a mount namespace of its own, or skip the test."""
    if why := no_namespaces():
        pytest.skip(why)
    return shell(f"unshare -rm bash -c '{script}'", folder, program=COLD)


@posix
def test_a_closed_stdin_without_a_null_device(folder):
    script = "mount -t tmpfs x /dev && exec charrnn {} <&-"
    assert len(in_a_namespace(script.format("sample -n 9"), folder).out) == 9
    result = in_a_namespace(script.format("eval -"), folder)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "stdin is closed" in result.err


@posix
def test_a_read_only_file_system_is_called_that(folder):
    (folder / "disk").mkdir()
    mount = "cp model.npz disk && mount --bind disk disk && mount -o remount,ro,bind disk && "
    (folder / "thrice.py").write_text(
        "from charrnn.cli.main import execute\n"
        "for args in ('model.npz --force', 'model.npz --resume', 'new.npz'):\n"
        "    print(execute(f'train corpus.txt -o disk/{args}'.split()))\n"
    )
    result = in_a_namespace(f"{mount} exec {sys.executable} thrice.py", folder)
    assert (result.code, result.out) == (0, b"1\n1\n1\n"), result
    lines = result.err.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.lower().count("read-only file system") == 1
        assert line.endswith("; choose another folder")
        assert "chmod" not in line


@posix
def test_ctrl_s_on_a_terminal_does_not_keep_a_run_from_stopping(folder):
    args = ["-c", IMPATIENT, *TRAIN, "--steps", "100000000"]
    with Terminal(*args, cwd=folder, program=sys.executable) as terminal:
        terminal.wait_for(b"train ")
        terminal.type(b"\x13")
        time.sleep(0.3)  # the bar is due, and waits
        os.kill(terminal._process.pid, signal.SIGTERM)
        assert terminal._process.wait(20) == -signal.SIGTERM
    assert (folder / "new.npz").exists()
