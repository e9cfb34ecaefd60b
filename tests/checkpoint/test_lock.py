"""Two runs on one output: one holds it, the other stops at once and says so."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoint_tools import ROOT, run_script, tiny_state

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


@pytest.mark.posix
def test_a_second_run_stops_at_once_and_the_lock_ends_with_its_process(path: Path) -> None:
    with holder(path) as process:
        with pytest.raises(CheckpointError) as caught, Lock(path):
            pass
        assert process.poll() is None  # the second did not wait for the first to end
        assert str(caught.value) == (
            f"{path}: another charrnn train (process {process.pid}) is writing to it; "
            "wait for it to finish, or choose another output"
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert os.listdir(path.parent) == [".model.npz.lock"]
    with Lock(path) as lock:
        assert lock.held
    assert os.listdir(path.parent) == []


@pytest.mark.posix
def test_one_process_cannot_lock_it_twice(path: Path) -> None:
    with Lock(path):
        write(path, *tiny_state())  # replaces the output, not the lock
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


def test_a_holder_that_wrote_no_process_id(path: Path) -> None:
    with Lock(path):
        path.with_name(".model.npz.lock").write_text("\x1b[2J")
        with pytest.raises(CheckpointError, match="another charrnn train is writing to it"):
            Lock(path).__enter__()


def refuse_to_open(monkeypatch: pytest.MonkeyPatch, flags: int) -> None:
    """Lock files cannot be opened with any of ``flags``; root may open everything."""
    real = os.open

    def refuse(path: str, how: int, mode: int = 0o777) -> int:
        if os.fspath(path).endswith(".lock") and (how & flags or flags == os.O_RDONLY):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, how, mode)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.posix
@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_CREAT])  # Linux refuses the second in /tmp
def test_what_another_users_killed_run_left_is_no_obstacle(
    path: Path, monkeypatch: pytest.MonkeyPatch, flags: int
) -> None:
    path.with_name(".model.npz.lock").write_text("4711")
    refuse_to_open(monkeypatch, flags)
    with Lock(path) as lock:
        assert lock.held
        with pytest.raises(CheckpointError, match="another charrnn train "):
            Lock(path).__enter__()


@pytest.mark.posix
def test_another_users_lock_is_named_if_it_cannot_be_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = path.with_name(".model.npz.lock")
    lock.write_text("4711")
    refuse_to_open(monkeypatch, os.O_RDONLY)
    with pytest.raises(CheckpointError) as caught:
        Lock(path).__enter__()
    assert str(caught.value) == (
        f"{path}: its lock file, {lock}, belongs to another user; "
        "remove that file if no run uses it, or choose another output"
    )


@pytest.mark.parametrize(
    "kind", ["text", "number", "hard", "symbolic", "dangling", "fifo", "folder"]
)
def test_what_is_in_the_place_of_a_lock_is_left_as_it_is(path: Path, kind: str) -> None:
    lock, other = path.with_name(".model.npz.lock"), path.with_name("other")
    if kind in ("text", "number"):
        lock.write_text("not to be lost" if kind == "text" else "1" * 21)
    elif kind == "hard":
        other.write_text("1234")
        os.link(other, lock)
    elif kind == "symbolic":
        other.write_text("1234")
        os.symlink(other, lock)
    elif kind == "dangling":
        os.symlink(other, lock)
    elif kind == "fifo":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    before = {entry.name: entry.is_file() and entry.read_text() for entry in path.parent.iterdir()}
    with pytest.raises(CheckpointError) as caught:
        Lock(path).__enter__()
    assert str(caught.value) == (
        f"{path}: its lock file, {lock}, is not a charrnn lock; "
        "remove that file if no run uses it, or choose another output"
    )
    after = {entry.name: entry.is_file() and entry.read_text() for entry in path.parent.iterdir()}
    assert after == before
    assert module._held_fds == set()


def test_temporary_files_of_killed_writers_are_removed(path: Path) -> None:
    left = ".model.npz.0123456789abcdef.tmp"
    others = [
        ".model.npz.0123456789abcdef.tmp.gz",
        ".model.npz.tmp",
        ".model_npz.0123456789abcdef.tmp",
        ".other.npz.0123456789abcdef.tmp",
        "model.npz",
    ]
    for name in (left, *others):
        path.with_name(name).touch()
    with Lock(path):
        assert not path.with_name(left).exists()
    assert sorted(os.listdir(path.parent)) == others


def test_a_lock_removed_between_opening_and_locking(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run ends at that moment: the locked file is no longer the lock."""
    real, locked = module._lock, []

    def remove_after_locking(fd: int) -> None:
        real(fd)
        locked.append(fd)
        if len(locked) == 1:
            os.unlink(path.with_name(".model.npz.lock"))
        elif len(locked) == 2:  # and a third run has created a new one
            os.unlink(path.with_name(".model.npz.lock"))
            path.with_name(".model.npz.lock").touch()

    monkeypatch.setattr(module, "_lock", remove_after_locking)
    with Lock(path):
        assert len(locked) == 3
        with pytest.raises(CheckpointError, match="is writing to it"):
            Lock(path).__enter__()
    assert os.listdir(path.parent) == []


def test_it_does_not_try_forever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lock, "_is_current", lambda self: False)
    with pytest.raises(CheckpointError, match="other runs keep starting to write to it"):
        Lock(path).__enter__()
    assert module._held_fds == set()


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
    assert module._held_fds == set()


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
            raise SystemExit("the worker released its parent's lock")
        ready, go = os.pipe()
        orphan = os.fork()
        if orphan == 0:
            os.read(ready, 1)
            os._exit(0)
if child:
    with Lock(path):  # although the orphan inherited the first lock
        pass
    os.write(go, b"x")
    assert os.waitpid(orphan, 0)[1] == 0
"""


@pytest.mark.posix
def test_forked_workers_neither_hold_nor_release_it(path: Path) -> None:
    run_script(FORKED, path)
    assert os.listdir(path.parent) == []


def test_a_forked_worker_does_not_remove_the_lock(path: Path) -> None:
    """What ``os.fork`` calls in the child, called in this process."""
    with Lock(path):
        module._close_in_child()
    assert os.listdir(path.parent) == [".model.npz.lock"]
    with Lock(path):
        pass
    assert os.listdir(path.parent) == []
