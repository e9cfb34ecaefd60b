"""Every command where the system refuses something: it ends by itself, in one line, soon.

Descriptors that do not block, limits on files, processes and memory, full disks, and system calls
that fail one by one (with strace). Nobody is left waiting, no signal ends a command that nobody
sent, no library speaks, nothing is reported done that is not.
"""

import contextlib
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from shell import BIN, PIPES, SMALL, TEXT, Result, environment, limited

from charrnn.checkpoint import Checkpoint

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="limits and strace as on Linux"),
]

#: Seconds in which every command must end, on a busy machine.
LIMIT = 20.0
WORKERS = [*SMALL[:-1], "train.workers=2"]
TRAIN = ["--steps", "12", "--set", "train.checkpoint_every=5", "--set", "train.eval_every=5"]
COMMANDS = {
    "train": ["train", "corpus.txt", "-o", "new.npz", "--log", "log", *TRAIN, *SMALL],
    "train, workers": ["train", "corpus.txt", "-o", "new.npz", *TRAIN, *WORKERS],
    "train, automatic": ["train", "corpus.txt", "-o", "new.npz", "--steps", "3"],
    "train -": ["train", "-", "-o", "new.npz", "--sample-every", "4", *TRAIN, *SMALL],
    "train --resume": ["train", "corpus.txt", "--resume", "--steps", "155", *SMALL],
    "train --init-from": ["train", "corpus.txt", "--init-from", "model.npz", "-o", "b.npz", *TRAIN],
    "sample": ["sample", "-n", "300", "--seed", "1"],
    "sample --count": ["sample", "--count", "50", "-n", "90", "--seed", "1", "--json"],
    "sample --prime-file -": ["sample", "--prime-file", "-", "-n", "40", "--seed", "1"],
    "sample --report": ["sample", "-n", "300", "--seed", "1", "--report", "corpus.txt"],
    "eval": ["eval", "corpus.txt", "--json"],
    "eval -": ["eval", "-"],
    "eval --lines": ["eval", "--lines", "corpus.txt"],
    "eval --chars -": ["eval", "--chars", "-"],
    "eval --held-out": ["eval", "--held-out", "corpus.txt"],
    "eval, all": ["eval", "--dynamic", "--baselines", "corpus.txt", "short.txt"],
    "eval --overlap": ["eval", "--overlap", "corpus.txt", "short.txt"],
    "eval, folder": ["eval", "--lines", "texts"],
    "classify": ["classify", "-m", "a=model.npz", "-m", "b=model.npz", "-"],
    "report": ["report", "-o", "page.html", "--corpus", "corpus.txt"],
    "report -o -": ["report", "-o", "-", "short.txt"],
    "info": ["info"],
    "demo": ["demo", "-o", "demo.npz"],
    "completion": ["completion", "bash"],
    "--help": ["--help"],
}
#: Python before 3.13 leaves truncated bytecode where a file may not be large enough.
ENVIRONMENT = {"CHARRNN_TRAIN_MINUTES": "0.01", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def place(trained_folder):
    """Fills a folder anew for each command; another user, too, may write to it."""
    with tempfile.TemporaryDirectory() as temporary:
        os.chmod(temporary, 0o777)

        def fill(name: str = "place") -> Path:
            folder = Path(temporary) / name
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(trained_folder, folder)
            os.chmod(folder, 0o777)
            (folder / "short.txt").write_text(TEXT[:2000], encoding="utf-8")
            (folder / "texts").mkdir()
            (folder / "texts" / "a.txt").write_bytes(gzip.compress(TEXT[:2000].encode()))
            (folder / "texts" / "b.txt").write_text(TEXT[:1000], encoding="utf-8")
            for path in folder.iterdir():
                path.chmod(0o777 if path.is_dir() else 0o666)
            return folder

        yield fill


def variables(name: str) -> dict[str, str]:
    env = environment(**ENVIRONMENT)
    del env["OPENBLAS_NUM_THREADS"]
    if name != "demo":
        del env["CHARRNN_TRAIN_MINUTES"]
    return env


def shell_run(name: str, before: str, folder: Path, user: str = "") -> Result:
    """Run a command of the table in bash, after ``before``, with a text as its stdin."""
    command = f"exec {user} {BIN / 'charrnn'} {' '.join(COMMANDS[name])}"
    with (
        open(folder / "short.txt" if "sample" in name else folder / "corpus.txt", "rb") as stdin,
        limited(
            ["bash", "-c", f"{before} {command}"],
            limit=LIMIT,
            cwd=folder,
            env=variables(name),
            **PIPES | {"stdin": stdin},
        ) as process,
    ):
        out, err = process.communicate()
    return Result(process.returncode, out, err)


def ended_well(result: Result) -> bool:
    """Done, or failed with a line that is ours; nothing else was said."""
    unwanted = ("Traceback", "Warning", "OpenBLAS", "internal error", "Exception ignored")
    if result.code not in (0, 1) or any(word in result.err for word in unwanted):
        return False
    return all(line.startswith(("charrnn: ", "---", "  ")) for line in lines_of(result))


def lines_of(result: Result) -> list[str]:
    """Lines of messages; samples during training are text of the model."""
    return re.sub(r"(?ms)^--- sample.*?^---\n", "", result.err).split("\n")[:-1]


def python_starts(before: str, folder: Path) -> bool:
    """Whether a limit lets Python read a script, and find charrnn."""
    script = folder / "start.py"
    script.write_text("import charrnn, mmap, contextlib, signal\n")
    command = ["bash", "-c", f"{before} exec {sys.executable} {script}"]
    done = subprocess.run(command, capture_output=True, env=variables(""), check=False)
    return done.returncode == 0


# --- slow readers and writers -------------------------------------------------------------------


def feed(into: int, data: bytes, size: int, pause: float) -> None:
    with contextlib.suppress(BrokenPipeError):
        for at in range(0, len(data), size):
            while not write_some(into, data[at : at + size]):
                time.sleep(pause)
            time.sleep(pause)
    os.close(into)


def write_some(into: int, data: bytes) -> bool:
    try:
        assert os.write(into, data) == len(data)
    except BlockingIOError:
        return False
    return True


def drain(out: int, found: bytearray, size: int, pause: float) -> None:
    while True:
        try:
            if not (block := os.read(out, size)):
                break
            found += block
        except BlockingIOError:
            pass
        time.sleep(pause)
    os.close(out)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("name", COMMANDS)
def test_slow_readers_and_writers(place, name, blocking):
    """The same bytes arrive as through files, whoever is slow, and whatever the descriptors."""
    folder = place("reference")
    expected = shell_run(name, "", folder)
    assert expected.code == 0, expected
    folder = place()
    text = (folder / ("short.txt" if "sample" in name else "corpus.txt")).read_bytes()
    ends = [os.pipe() for _ in range(3)]
    for end in [end for pair in ends for end in pair]:
        os.set_blocking(end, blocking)
    (stdin, into), (out, stdout), (err, stderr) = ends
    found, said = bytearray(), bytearray()
    jobs = [(feed, into, text, 997, 0.005), (drain, out, found, 4096, 0.01)]
    jobs.append((drain, err, said, 64, 0.001))
    threads = [threading.Thread(target=job, args=args) for job, *args in jobs]
    command = [BIN / "charrnn", *COMMANDS[name]]
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    with limited(command, cwd=folder, env=variables(name), **streams) as process:
        for end in (stdin, stdout, stderr):
            os.close(end)
        for thread in threads:
            thread.start()
        process.wait()
        for thread in threads:
            thread.join()
    result = Result(process.returncode, bytes(found), bytes(said))
    assert result.code == 0, result
    assert ended_well(result)
    if name != "demo":  # whose steps are those of half a second
        assert result.out == expected.out
        for model in (*folder.glob("*.npz"),):
            if "automatic" not in name:
                assert model.read_bytes() == (folder.parent / "reference" / model.name).read_bytes()


# --- limits -------------------------------------------------------------------------------------

LADDERS = {
    "-n": [4, 5, 6, 7, 8, 10, 12, 16, 20, 32],
    "-u": [0, 1, 2, 4],
    "-v": [12_000, 30_000, 60_000, 90_000, *range(120_000, 260_000, 20_000), 400_000, 1_600_000],
    "-f": [0, 1, 16, 64, 200, 1000, 16_000],
}


@pytest.mark.parametrize("option", LADDERS)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_limit_ends_in_success_or_one_line(place, name, option):
    outcomes: Counter[str] = Counter()
    user = ""
    if option == "-u" and not os.getuid() and shutil.which("setpriv"):  # root has no such limit
        user = "setpriv --reuid=65534 --clear-groups --bounding-set=-all"
    for value in LADDERS[option]:
        folder = place()
        before = f"ulimit {option} {value};"
        if not python_starts(before, folder):
            outcomes["Python itself does not start"] += 1
            continue
        result = shell_run(name, before, folder, user)
        assert ended_well(result), (value, result)
        if result.code:
            assert result.err.splitlines()[-1].startswith("charrnn: ")
        assert "damaged" not in result.err  # it is not the file's fault
        for path in folder.glob("*.npz"):
            Checkpoint.load(path, training=True)
        outcomes["done" if result.code == 0 else result.err.splitlines()[-1][9:40]] += 1
    print(f"ulimit {option}: {name}: {dict(outcomes)}")
    # Workers that were asked for are not done without.
    assert outcomes["done"] or (option, name) == ("-u", "train, workers")


# --- full disks ---------------------------------------------------------------------------------


def namespaces() -> bool:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(command, check=False).returncode


LARGE = {
    "train": "train large.txt -o new.npz --steps 2",
    "train -": "train - -o new.npz --steps 2 < large.txt",
    "eval --held-out": "eval --held-out large.txt --encoding latin-1",
    "eval --baselines": "eval --baselines large.txt short.txt",
    "eval --overlap": "eval --overlap large.txt short.txt",
    "sample --report": "sample -n 50 --report large.txt",
}


@pytest.mark.parametrize("name", LARGE)
def test_a_full_temporary_folder(place, name):
    """The ids of a corpus of 80 MB go to a temporary file, and so does a stdin of that size."""
    if not namespaces():
        pytest.skip("this system allows no mounts in a namespace")
    folder = place()
    with open(folder / "large.txt", "wb") as file:
        for _ in range(80):
            file.write((TEXT.encode() * 20)[:1_000_000])
    (folder / "tmp").mkdir()
    mount = "mount -t tmpfs -o size=1m x tmp && export TMPDIR=$PWD/tmp"
    command = f"{BIN / 'charrnn'} {LARGE[name]}"
    script = ["unshare", "-rm", "bash", "-c", f"{mount} && exec {command}"]
    with limited(script, cwd=folder, env=variables(""), **PIPES) as process:
        out, err = process.communicate()
    result = Result(process.returncode, out, err)
    print(f"{name}: {result.err.splitlines()[-1]}")
    assert result.code == 1, result
    assert ended_well(result)
    assert "set TMPDIR to a folder that has room" in result.err


@pytest.mark.parametrize("name", [name for name in COMMANDS if "train" in name or name == "demo"])
def test_a_full_output_folder(place, name):
    """Disks of every size up to the one that is large enough: no model is damaged."""
    if not namespaces():
        pytest.skip("this system allows no mounts in a namespace")
    outcomes: Counter[str] = Counter()
    for kilobytes in [*range(4, 400, 36), 20_000]:
        folder = place()
        (folder / "disk").mkdir()
        before = f"mount -t tmpfs -o size={kilobytes}k x disk && cp model.npz corpus.txt disk; "
        before += f"cp short.txt disk; cd disk; {BIN / 'charrnn'} {' '.join(COMMANDS[name])}"
        before += " < ../corpus.txt; code=$?; cp *.npz ../after 2> /dev/null; exit $code"
        (folder / "after").mkdir()
        script = ["unshare", "-rm", "bash", "-c", before]
        with limited(script, cwd=folder, env=variables(name), **PIPES) as process:
            out, err = process.communicate()
        lines = [line for line in err.decode().splitlines(True) if not line.startswith("cp: ")]
        result = Result(process.returncode, out, "".join(lines).encode())
        if result.code == 1 and "truncated" in result.err:
            outcomes["no room for the files themselves"] += 1
            continue
        assert ended_well(result), (kilobytes, result)
        if result.code == 0:
            for path in (folder / "after").glob("*.npz"):
                Checkpoint.load(path, training=True)
        outcomes["done" if result.code == 0 else result.err.splitlines()[-1][-40:]] += 1
    print(f"full disk: {name}: {dict(outcomes)}")
    assert outcomes["done"]


# --- system calls that fail ---------------------------------------------------------------------

CALLS = {
    "fsync": "EIO",
    "rename": "EIO",
    "write": "ENOSPC",
    "openat": "EMFILE",
    "mmap": "ENOMEM",
    "?clone,?clone3,?vfork,?fork": "EAGAIN",
}
#: Most calls of a kind that fail, one in each run.
MOST = int(os.environ.get("CHARRNN_SOAK_CALLS", "10"))


def strace(name: str, folder: Path, *options: str) -> Result:
    command = ["strace", "-f", "-qq", "-o", str(folder / "trace"), *options]
    command += [str(BIN / "charrnn"), *COMMANDS[name]]
    with (
        open(folder / "short.txt" if "sample" in name else folder / "corpus.txt", "rb") as stdin,
        limited(command, cwd=folder, env=variables(name), **PIPES | {"stdin": stdin}) as process,
    ):
        out, err = process.communicate()
    return Result(process.returncode, out, err)


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["train", "train, workers", "sample", "eval --lines", "info"])
def test_every_system_call_fails_once(place, name, call):
    """From where the command itself begins; before, Python is on its own."""
    folder, traced = place("trace"), f"{call},openat"
    result = strace(name, folder, "-e", f"trace={traced}")
    if "ptrace" in result.err.lower():
        pytest.skip("strace is not allowed here")
    assert result.code == 0, result
    lines = (folder / "trace").read_text(errors="replace").splitlines()
    main = lines[0].split(maxsplit=1)[0]
    own = [line for line in lines if line.split(maxsplit=1)[0] == main]
    kind = re.compile(rf"\b({call.replace('?', '').replace(',', '|')})\(")
    app = re.compile(r"charrnn/cli/(__pycache__/)?app\.")
    begun = next(n for n, line in enumerate(own) if app.search(line))
    first = 1 + sum(bool(kind.search(line)) for line in own[:begun])
    last = sum(bool(kind.search(line)) for line in own)
    numbers = range(first, last + 1, max(1, (last + 1 - first) // MOST))
    outcomes: Counter[str] = Counter()
    for number in numbers:
        folder = place()
        before = (folder / "model.npz").read_bytes()
        inject = f"inject={call}:error={CALLS[call]}:when={number}"
        result = strace(name, folder, "-e", f"trace={call}", "-e", inject)
        assert ended_well(result), (number, result, (folder / "trace").read_text()[-2000:])
        assert (folder / "model.npz").read_bytes() == before
        for path in folder.glob("*.npz"):
            Checkpoint.load(path, training=True)
        outcomes["done" if result.code == 0 else "one line"] += 1
        assert not [entry for entry in os.listdir(folder) if entry.endswith(".tmp")] or result.code
    calls = f"{len(numbers)} of {last + 1 - first}"
    print(f"{call} fails: {name}: {calls} calls: {dict(outcomes)}")
