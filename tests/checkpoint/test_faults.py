"""Whichever operation of a save fails, and however, nothing is lost."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoint_tools import (
    Hook,
    call_through,
    equal_states,
    hooked_calls,
    random_state,
    run_script,
)

from charrnn.checkpoint import writer
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import check_writable, write
from charrnn.errors import CheckpointError

OLD, NEW = random_state(1), random_state(2)
FAULTY = ("open", "write", "fsync", "close", "replace", "fchmod")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "model.npz", *OLD)
    return tmp_path / "model.npz"


def test_the_order_of_operations(path: Path) -> None:
    """Write, sync, replace, sync the folder: the order that survives a power cut."""
    order = []

    def record(n: int, name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        result = call(*args)
        order.append((name, str(args[0]) if isinstance(args[0], str) else int(args[0])))
        if name == "open":
            order[-1] = (name, f"{args[0]} = {result}")
        return result

    with hooked_calls(record):
        write(path, *NEW)
    calls = [name for name, _ in order]
    first_write = calls.index("write")
    assert calls[:first_write] == ["open", "fchmod"]
    rest = [name for name in calls[first_write:] if name != "write"]
    assert rest == ["fsync", "close", "replace", "open", "fsync", "close"]
    temporary, fd = str(order[0][1]).split(" = ")
    assert re.fullmatch(r"\.model\.npz\.[0-9a-f]{16}\.tmp", os.path.basename(temporary))
    assert Path(temporary).parent == path.parent
    on_file = [target for name, target in order if name in ("write", "fchmod")]
    assert set(on_file) == {int(fd)}
    assert dict(order)["replace"] == temporary
    folder, folder_fd = str(order[-3][1]).split(" = ")
    assert (folder, order[-2][1]) == (str(path.parent), int(folder_fd))


def failing(at: int, code: int, forever: bool) -> Hook:
    """Fail from operation ``at`` on, or only there. A failed close still closes, as on Linux."""

    def hook(n: int, name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        if name in FAULTY and (n == at or (forever and n > at)):
            if name == "close":
                call(*args)
            elif name == "write" and code == errno.ENOSPC:
                call(args[0], args[1][: len(args[1]) // 2])
            raise OSError(code, os.strerror(code))
        return call(*args)

    return hook


@pytest.mark.parametrize("exists", [True, False], ids=["replacing", "new"])
@pytest.mark.parametrize("forever", [False, True], ids=["once", "forever"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EINTR], ids=errno.errorcode.get)
def test_every_operation_fails(path: Path, code: int, forever: bool, exists: bool) -> None:
    old = path.read_bytes()
    with hooked_calls(call_through) as calls:
        write(path, *NEW)
    new, faults = path.read_bytes(), 0
    if not exists:
        calls.remove("fchmod")
    for at in range(len(calls)):
        path.write_bytes(old) if exists else path.unlink()
        error = ""
        with hooked_calls(failing(at, code, forever)):
            try:
                write(path, *NEW)
            except CheckpointError as exc:
                error = str(exc)
        faults += 1
        assert os.listdir(path.parent) == (["model.npz"] if exists or path.exists() else [])
        if not error or "saved, but the disk did not confirm it" in error:
            assert path.read_bytes() == new
        else:
            assert path.read_bytes() == old if exists else not path.exists()
        if error:
            assert error.startswith(f"{path}: ")
            assert error.isprintable()
            assert os.strerror(code) in error
            assert "; " in error
            assert ("free some space" in error) == (code == errno.ENOSPC and "saved" not in error)
        # A save does not fail because of a signal, and never ignores another error.
        assert bool(error) == (code != errno.EINTR or (forever and calls[at:] != ["close"]))
        path.touch()
    print(f"faults injected: {faults}, files lost: 0")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EINVAL])
def test_folders_that_cannot_be_synced(path: Path, code: int) -> None:
    with hooked_calls(call_through) as calls:
        write(path, *NEW)
    for at in (len(calls) - 3, len(calls) - 2):
        write(path, *OLD)
        with hooked_calls(failing(at, code, False)):
            write(path, *NEW)
        assert equal_states(read(path), NEW)


def test_short_writes_are_continued(path: Path) -> None:
    def short(n: int, name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return call(args[0], args[1][:999]) if name == "write" else call(*args)

    with hooked_calls(short):
        write(path, *NEW)
    assert equal_states(read(path), NEW)


def test_writing_nothing_is_an_error_and_no_endless_loop(path: Path) -> None:
    def nothing(n: int, name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return 0 if name == "write" else call(*args)

    with hooked_calls(nothing), pytest.raises(CheckpointError, match="Input/output error"):
        write(path, *NEW)
    assert equal_states(read(path), OLD)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_at_every_operation(path: Path, error: type, after: bool) -> None:
    with hooked_calls(call_through) as calls:
        write(path, *NEW)
    for at in range(len(calls)):
        write(path, *OLD)

        def interrupt(
            n: int, name: str, call: Callable[..., Any], args: tuple[Any, ...], at: int = at
        ) -> Any:
            result = call(*args) if n != at or after else None
            if n == at:
                raise error
            return result

        with hooked_calls(interrupt), pytest.raises(error):
            write(path, *NEW)
        assert equal_states(read(path), OLD) or equal_states(read(path), NEW)
        # If a second signal interrupts the removal, the next run removes the file.
        assert os.listdir(path.parent) == ["model.npz"]


def test_check_writable_fails_as_writing_would(path: Path) -> None:
    old = path.read_bytes()
    for at in range(4):
        with (
            hooked_calls(failing(at, errno.EROFS, True)),
            pytest.raises(CheckpointError, match="Read-only file system"),
        ):
            check_writable(path)
        assert path.read_bytes() == old
        assert os.listdir(path.parent) == ["model.npz"]


LIMITED = """
import os, resource, signal, sys
from pathlib import Path
from checkpoint_tools import random_state
from charrnn.checkpoint.writer import write
from charrnn.errors import CheckpointError

path, step, failed = Path(sys.argv[1]), 4096, 0
write(path, *random_state(2))
new = path.read_bytes()
write(path, *random_state(1))
old = path.read_bytes()
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in range(0, len(new) + step, step):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        write(path, *random_state(2))
    except CheckpointError as error:
        failed += 1
        text = str(error)
        assert "cannot be written (File too large); raise the limit on the size" in text
        assert "\\n" not in text
        assert path.read_bytes() == old and limit < len(new)
    else:
        assert path.read_bytes() == new and limit >= len(new)
    assert os.listdir(path.parent) == [path.name]
print("full disks:", failed)
"""


@pytest.mark.posix
def test_a_disk_that_is_full_after_every_4_kib(path: Path) -> None:
    assert int(run_script(LIMITED, path).split()[-1]) > 15


def test_a_target_that_another_process_has_open_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to replace it; the pauses are those of Windows, but shorter."""
    write(path, *random_state(1))
    old, replace, refusals = path.read_bytes(), os.replace, 3

    def refuse(source: str, target: str) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise PermissionError(errno.EACCES, "Access is denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(writer, "_PAUSES", (0.0, 0.0, 0.0))
    write(path, *random_state(2))
    assert path.read_bytes() != old
    refusals, new = 4, path.read_bytes()
    with pytest.raises(CheckpointError, match="Access is denied"):
        write(path, *random_state(1))
    assert path.read_bytes() == new
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl")
def test_the_disk_itself_is_asked_where_it_can_be(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has a call that also empties the disk's cache, which some file systems lack."""
    import fcntl

    full, plain, supported = [], [], True

    def sync_fully(fd: int, call: int) -> None:
        if not supported:
            raise OSError(errno.ENOTSUP, "Operation not supported")
        full.append(call)

    monkeypatch.setattr(writer, "_FULL_SYNC", 51)
    monkeypatch.setattr(fcntl, "fcntl", sync_fully)
    monkeypatch.setattr(os, "fsync", plain.append)
    write(path, *random_state(1))
    assert (full, plain) == ([51, 51], [])  # the file and its folder
    supported = False
    write(path, *random_state(1))
    assert len(plain) == 2
