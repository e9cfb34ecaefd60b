"""Two runs on one output: one holds it, the other stops at once and says so."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkpoint_tools import ROOT, run_script, tiny

from charrnn.checkpoint import lock as module
from charrnn.checkpoint.lock import Lock
from charrnn.checkpoint.writer import write
from charrnn.errors import CheckpointError

HOLD = """
import sys, time
from charrnn.checkpoint.lock import Lock
with Lock(sys.argv[1]) as lock:
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.npz"


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_stops_at_once_and_a_dead_ones_lock_is_no_obstacle(path: Path) -> None:
    with holder(path) as process:
        started = time.perf_counter()
        with pytest.raises(CheckpointError) as caught, Lock(path):
            pass
        assert time.perf_counter() - started < 30  # not when the first one ends
        assert str(caught.value) == (
            f"{path}: another charrnn train (process {process.pid}) is writing to it; "
            "wait for it, or choose another output"
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert os.listdir(path.parent) == [".model.npz.lock"]
    with Lock(path) as lock:
        assert lock.held
    assert os.listdir(path.parent) == []


def test_one_process_cannot_hold_it_twice(path: Path) -> None:
    with Lock(path):
        write(path, *tiny())  # replaces the file, not the lock
        os.symlink(path, path.with_name("link"))
        for name in (path, path.with_name("link")):
            with pytest.raises(CheckpointError, match=rf"process {os.getpid()}\) is"), Lock(name):
                pass
        with Lock(path.with_name("other.npz")):
            pass
    with Lock(path):
        pass


def test_it_is_released_after_an_error(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Lock(path):
        raise KeyboardInterrupt
    assert os.listdir(path.parent) == []


def test_a_holder_without_a_number(path: Path) -> None:
    with Lock(path):
        path.with_name(".model.npz.lock").write_text("\x1b[2J")
        with pytest.raises(CheckpointError, match="another charrnn train is writing to it"):
            Lock(path).__enter__()


def test_what_killed_writers_left_is_removed(path: Path) -> None:
    stray = ".model.npz.0123456789abcdef.tmp"
    others = [".model.npz.tmp", ".model.npz.0123456789abcdef.tmp.gz", "model.npz", ".other.npz.tmp"]
    for name in (stray, *others):
        path.with_name(name).touch()
    with Lock(path):
        assert not path.with_name(stray).exists()
    assert sorted(os.listdir(path.parent)) == sorted(others)


def test_a_lock_removed_between_opening_and_locking(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run ends at that instant: what was locked is no longer the lock."""
    real, rounds = module._lock, []

    def late(fd: int) -> None:
        real(fd)
        rounds.append(fd)
        if len(rounds) == 1:
            os.unlink(path.with_name(".model.npz.lock"))
        elif len(rounds) == 2:  # and a third run has made another one
            os.unlink(path.with_name(".model.npz.lock"))
            path.with_name(".model.npz.lock").touch()

    monkeypatch.setattr(module, "_lock", late)
    with Lock(path):
        assert len(rounds) == 3
        with pytest.raises(CheckpointError, match="is writing to it"):
            Lock(path).__enter__()
    assert os.listdir(path.parent) == []


def test_it_does_not_try_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lock, "_is_current", lambda self: False)
    with pytest.raises(CheckpointError, match="other runs keep starting on it"):
        Lock(path).__enter__()
    assert module._held == set()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EIO])
def test_file_systems_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, "_lock", fail)
    if code == errno.EIO:
        with pytest.raises(CheckpointError, match=r"cannot be locked \(Input/output error\)"):
            Lock(path).__enter__()
    else:
        with Lock(path) as lock:
            assert not lock.held
    assert os.listdir(path.parent) == []
    assert module._held == set()


FORKED = """
import os, sys
from charrnn.checkpoint.lock import Lock
path = sys.argv[1]
with Lock(path):
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        assert os.listdir(os.path.dirname(path)) == [".model.npz.lock"]
        try:
            Lock(path).__enter__()
        except Exception as error:
            assert f"process {os.getpid()})" in str(error)
        else:
            raise SystemExit("the worker released its master's lock")
        ready, go = os.pipe()
        orphan = os.fork()
        if orphan == 0:
            os.read(ready, 1)
            os._exit(0)
if child:
    with Lock(path):  # although the orphan has inherited it
        pass
    os.write(go, b"x")
    assert os.waitpid(orphan, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_forked_workers_neither_keep_nor_release_it(path: Path) -> None:
    run_script(FORKED, path)
    assert os.listdir(path.parent) == []


def test_a_forked_worker_lets_go(path: Path) -> None:
    """What `os.fork` makes the child do, done here: the lock's file is not its to remove."""
    with Lock(path):
        module._forget_in_child()
    assert os.listdir(path.parent) == [".model.npz.lock"]
    with Lock(path):
        pass
    assert os.listdir(path.parent) == []
