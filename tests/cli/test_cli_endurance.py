"""Signals at random instants, too little memory, endless texts: nothing is lost, nothing grows.

The large text of the long campaign has 200 MB. For another size, such as a whole gigabyte:
CHARRNN_SOAK_MB=1000 pytest -m soak tests/cli/test_cli_endurance.py -k large
"""

import errno
import json
import os
import random
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest
from shell import COLD, PIPES, ROOT, TEXT, environment, limited, shell, start, wait_until
from small import model

from charrnn.checkpoint import Checkpoint
from charrnn.errors import lacks_memory

CORPUS = ROOT / "corpora" / "names.txt"
TRAIN = ["train", str(CORPUS), "-q", "-o", "model.npz"]
SMALL = ["--workers", "1", "--set", "model.hidden_size=16", "--set", "train.checkpoint_every=3"]
LARGE = int(os.environ.get("CHARRNN_SOAK_MB", "200"))


def signalled_at_random(folder: Path, count: int) -> None:
    """Stop a run ``count`` times at random instants, and resume it each time.

    Every other instant is counted from the first step that is logged, so that a slow start does
    not move all of them before the training.
    """
    rng, saved, before = random.Random(7), 0, 0
    path, log = folder / "model.npz", folder / "log"
    for n in range(count):
        number = rng.choice([signal.SIGINT, signal.SIGTERM])
        resume = ["--resume"] if path.exists() else []
        args = [*TRAIN, *SMALL, "--steps", "100000000", "--log", "log", *resume]
        log.unlink(missing_ok=True)
        with start(*args, cwd=folder) as process:
            if n % 2 == 0:
                wait_until(
                    lambda: process.poll() is not None or (log.exists() and log.read_bytes())
                )
                time.sleep(rng.uniform(0.0, 0.2))
            else:
                time.sleep(rng.uniform(0.2, 1.4))
            process.send_signal(number)
            stderr = process.communicate()[1]
        if b"KeyboardInterrupt" in stderr and b"charrnn/cli/" not in stderr:
            continue  # a slow machine: Python was still starting, and had not come to charrnn
        assert process.returncode == -number, stderr
        assert b"Traceback" not in stderr
        if b"saved in" in stderr:
            saved += 1
            step = Checkpoint.load(path, training=True).training.state.step
            assert step > before  # every session resumed the one before
            before = step
    print(f"signals sent: {count}, of these during training: {saved}, files lost: 0")
    assert saved >= (count + 1) // 2
    # A run that ends while it loads leaves its lock file, which does not stop the next run.
    names = {entry.name for entry in folder.iterdir()}
    assert names <= {"model.npz", "log", ".model.npz.lock"}


@pytest.mark.posix
def test_a_few_signals(tmp_path):
    signalled_at_random(tmp_path, 3)


@pytest.mark.posix
@pytest.mark.soak
def test_signals_campaign(tmp_path):
    signalled_at_random(tmp_path, 200)


@pytest.fixture
def one_unit(tmp_path):
    """A folder with the smallest model, because the subject is how eval reads the text."""
    model("".join(sorted(set(TEXT))), hidden_size=1).save(tmp_path / "one.npz")
    return tmp_path


#: The program, which tells at its end what Linux tells of its memory. The maximum that wait4()
#: gives would not do, because it counts the memory of the process that forked this one.
WITH_MEMORY = """
import sys
from pathlib import Path
from charrnn.cli.main import execute
code = execute(sys.argv[1:])
print(Path("/proc/self/status").read_text(), file=sys.stderr)
sys.exit(code)
"""


def peaks_of_eval(folder: Path, few: int, many: int) -> tuple[int, int]:
    """Peak memory of ``eval -`` in KiB: after a few MB of text, and at the end of many."""
    block = (TEXT.encode() * (1 + 1_000_000 // len(TEXT)))[:1_000_000]
    command = [sys.executable, "-c", WITH_MEMORY, "eval", "-m", "one.npz", "--json", "-"]
    options = {"cwd": folder, "env": environment(), **PIPES}
    with limited(command, 10.0 * many, **options) as process:
        began = time.monotonic()
        with process.stdin as stdin:
            for _ in range(few):
                stdin.write(block)
            early = memory_in(Path(f"/proc/{process.pid}/status").read_text(), "VmHWM")
            for _ in range(many - few):
                stdin.write(block)
        score = json.loads(process.stdout.read())
        late = memory_in(process.stderr.read().decode(), "VmHWM")
        assert process.wait() == 0
    assert score["characters"] == many * len(block.decode())
    print(f"{many} MB scored in {time.monotonic() - began:.0f} s: {early:,} KiB, then {late:,} KiB")
    return early, late


def memory_in(status: str, figure: str) -> int:
    """A figure in KiB of /proc/PID/status: VmRSS is the memory in use, VmHWM the most so far."""
    return int(status.partition(f"{figure}:")[2].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere")
def test_a_text_is_scored_in_bounded_memory(one_unit):
    early, late = peaks_of_eval(one_unit, 2, 4)
    # A number of four bytes for each character would be 8,000 KiB more.
    assert late < early + 6_000


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere")
def test_a_large_text_is_scored_in_bounded_memory(one_unit):
    early, late = peaks_of_eval(one_unit, 20, LARGE)
    assert late < 300_000
    assert late < early + 16_000  # ten times the text, and no more memory for it


def endless_sampling(folder: Path, count: int) -> None:
    """``sample --forever`` takes no more memory for ``count`` characters than for a tenth."""
    model(" abcdefghijklm\n", hidden_size=4).save(folder / "model.npz")
    # A small pipe, so that the program does not run far ahead.
    limit = 60 + count / 1000
    with start("sample", "--forever", cwd=folder, pipesize=4096, limit=limit) as process:

        def memory_after(wanted: int) -> int:
            assert len(process.stdout.read(wanted)) == wanted
            return memory_in(Path(f"/proc/{process.pid}/status").read_text(), "VmRSS")

        early = memory_after(count // 10)
        late = memory_after(count - count // 10)
        process.stdout.close()
        assert process.wait() == -signal.SIGPIPE
        assert process.stderr.read() == b""
    print(f"{count:,} characters: {early:,} KiB after a tenth of them, {late:,} KiB at the end")
    assert late < early + min(200, count // 50)  # 20 bytes a character, or less
    assert late < 150_000


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere")
def test_endless_sampling_takes_no_more_memory(tmp_path):
    endless_sampling(tmp_path, 5_000)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere")
def test_a_million_characters_take_no_more_memory(tmp_path):
    endless_sampling(tmp_path, 1_000_000)


def memory_limited(folder: Path, step: int, *sizes: str) -> None:
    """Train within limits of MiB, from one at which Python barely starts to one that is enough."""
    args = [*TRAIN, "--workers", "1", "--set", "model.hidden_size=600", "--force", "--steps", "2"]
    args += sizes
    model("abc\n").save(folder / "model.npz")
    before, outcomes = (folder / "model.npz").read_bytes(), set()
    limited = shlex.join(["charrnn", *args, "--seed", "1"])
    for limit in range(120, 800, step):
        done = shell(f"ulimit -v {limit * 1024}; exec {limited}", folder, program=COLD)
        outcomes.add(done.code)
        if done.code == 0:
            break
        assert done.code == 1
        assert done.err.startswith("charrnn: out of memory")
        assert done.err.count("\n") == 1
        assert (folder / "model.npz").read_bytes() == before
    assert outcomes == {0, 1}


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS does what it says on Linux only")
def test_too_little_memory_is_one_line_and_the_file_is_intact(tmp_path):
    memory_limited(tmp_path, 80, "--set", "train.seq_length=16", "--set", "data.val_fraction=0")


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS does what it says on Linux only")
def test_too_little_memory_campaign(tmp_path):
    memory_limited(tmp_path, 8)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ImportError("libopenblas.so: failed to map segment from shared object"), True),
        (ImportError("x.so: cannot create shared object: Cannot allocate memory"), True),
        (ImportError("No module named 'numpy'"), False),
        (SystemError("error return without exception set"), True),
        (SystemError("bad argument to internal function"), False),
        (ValueError(), False),
    ],
)
def test_too_little_memory_has_many_names(error, expected):
    assert lacks_memory(error) == expected
