"""Unusual outputs and inputs: each gives one clear line, and nothing is left behind."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkpoint_tools import equal_states, random_state, tiny_state

from charrnn.checkpoint.lock import Lock
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import check_writable, write
from charrnn.errors import CheckpointError


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    here = os.getcwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(here)


def error(call: Any, *args: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        call(*args)
    text = str(caught.value)
    assert text.isprintable()
    assert "; " in text
    return text


@pytest.mark.posix
def test_outputs_that_are_not_files(folder: Path) -> None:
    os.mkdir("folder")
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    (folder / "file").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    messages = {
        "folder": "is a folder; choose a file name",
        ".": "is a folder",
        "": "'': is not a file name",
        "new/": "is not a file name",
        "a\0b": r"a\x00b: is not a file name",
        "pipe": "is a pipe",
        "socket": "is a socket",
        "loop": "is a symbolic link to itself",
        "/dev/null": "is a device",
        "missing/x.npz": f"the folder {folder}/missing does not exist; create it first",
        "file/x.npz": "cannot be written (Not a directory); check the name",
        "x" * 250: "cannot be written (File name too long); choose a shorter name",
    }
    before = sorted(os.listdir())
    for name, message in messages.items():
        for call in (check_writable, lambda path: write(path, *tiny_state())):
            assert message in error(call, name), name
    locked = error(Lock("folder").__enter__)
    assert locked == "folder: is a folder; choose a file name"
    assert sorted(os.listdir()) == before


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_a_file_system_without_new_files() -> None:
    assert "cannot be written (" in error(check_writable, "/proc/model.npz")


def test_a_folder_without_permission(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, because root may do everything."""

    def refuse(*args: Any) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        message = "x.npz: cannot be written (Permission denied); check the permissions"
        assert message in error(check_writable, "x.npz")
        assert "x.npz: cannot be read (Permission denied)" in error(read, "x.npz")
        assert "x.npz: cannot be locked (Permission denied)" in error(Lock("x.npz").__enter__)
    real = os.unlink
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        assert "cannot be written (Permission denied)" in error(check_writable, "x.npz")
    for name in os.listdir():
        real(name)
    write("x.npz", *tiny_state())
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *args: False)
        assert "x.npz: is write-protected; make it writable" in error(check_writable, "x.npz")
        assert "is write-protected" in error(lambda: write("x.npz", *random_state(1)))
    assert equal_states(read("x.npz"), tiny_state())


def test_check_writable_leaves_nothing_and_changes_nothing(folder: Path) -> None:
    check_writable("x.npz")
    assert os.listdir() == []
    write("x.npz", *tiny_state())
    before = os.stat("x.npz")
    check_writable("x.npz")
    after = os.stat("x.npz")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert os.listdir() == ["x.npz"]


@pytest.mark.posix
def test_a_symbolic_link_stays_and_its_target_is_replaced(folder: Path) -> None:
    os.mkdir("there")
    os.symlink("there/x.npz", "link")
    for state in (tiny_state(), random_state(1)):  # at first the target does not exist
        write("link", *state)
        assert os.readlink("link") == "there/x.npz"
        assert equal_states(read("there/x.npz"), state)
    assert os.listdir("there") == ["x.npz"]


@pytest.mark.posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_mode_is_the_umasks_or_the_old_files(folder: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        write("x.npz", *tiny_state())
        assert stat.S_IMODE(os.stat("x.npz").st_mode) == 0o666 & ~umask
        for mode in (0o600, 0o664):
            os.chmod("x.npz", mode)
            write("x.npz", *tiny_state())
            assert stat.S_IMODE(os.stat("x.npz").st_mode) == mode
    finally:
        os.umask(old)


def test_names_are_used_as_they_are(folder: Path) -> None:
    names: list[Any] = [b"plain", Path("a b.model"), "line\nbreak", os.fsdecode(b"\xff")]
    for name in names:
        write(name, *tiny_state())
        assert equal_states(read(name), tiny_state())
    assert len(os.listdir()) == 4
    (folder / "line\nbreak").write_bytes(b"no")
    (folder / os.fsdecode(b"\xff")).write_bytes(b"no")
    assert r"line\nbreak: is not a charrnn checkpoint" in error(read, "line\nbreak")
    assert r"\udcff: is not a charrnn checkpoint" in error(read, os.fsdecode(b"\xff"))


@pytest.mark.posix
def test_inputs_that_are_not_checkpoints(folder: Path) -> None:
    import numpy as np

    os.mkdir("folder")
    os.mkfifo("pipe")
    (folder / "empty").touch()
    (folder / "text").write_text("The fox and the grapes\n" * 10)
    np.savez("other.npz", manifest=np.zeros(300, np.uint8), W=np.zeros(3))
    np.savez("legacy.npz", W=np.zeros(3), vocab=np.array(["a", "b"]))
    messages = {
        "none.npz": "cannot be read (No such file or directory); check the name",
        "folder": "is a folder; give a file that charrnn train wrote",
        "pipe": "is a pipe",
        "/dev/zero": "is a device",
        "a\0b": "is not a file name",
        "empty": "is not a charrnn checkpoint",
        "text": "is not a charrnn checkpoint",
        "legacy.npz": "is not a charrnn checkpoint",
        "other.npz": "; ",
    }
    for name, message in messages.items():
        assert message in error(read, name), name


def test_a_file_that_shrinks_while_it_is_read(folder: Path) -> None:
    write("x.npz", *random_state(1))

    def shrink(name: str) -> bool:
        os.truncate("x.npz", 1000)
        return True

    assert "was truncated while it was being read" in error(read, "x.npz", None, shrink)
