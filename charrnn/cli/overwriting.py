"""Checks that an output overwrites neither an input nor a file of another kind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from charrnn.checkpoint import check_writable
from charrnn.checkpoint.reader import is_checkpoint
from charrnn.errors import CheckpointError, CorpusError
from charrnn.files import same_file
from charrnn.messages import path_name


def check_output(output: str, corpora: Sequence[str], config: str | None = None) -> None:
    """Refuse an output that is a text, the config file, or any file but an older model.

    Files are compared, not their names: links, mounts, and what a shell connected to stdin.

    Raises:
        CheckpointError: as said.
    """
    name, other = path_name(output), "choose another output with -o"
    if output == "-":
        raise CheckpointError("-: a model cannot be written to stdout", "name a file with -o")
    if _is_one_of(output, corpora):
        raise CheckpointError(f"{name}: is the text to train on", other)
    if config is not None and same_file(config, output):
        raise CheckpointError(f"{name}: is the config file", other)
    with contextlib.suppress(OSError):  # if it cannot be read, there is more to say later
        if os.path.isfile(output) and os.path.getsize(output) and not is_checkpoint(output):
            raise CheckpointError(f"{name}: exists and is not a charrnn model", other)


def check_log(log: str, output: str, read: Sequence[str]) -> None:
    """Refuse a log that is the output, one of the files that are ``read``, or no log.

    Raises:
        CheckpointError: as said.
    """
    target: str | int = 1 if log == "-" else log
    if _is_one_of(target, [*read, output]) or not _may_be_log(target):
        raise CheckpointError(
            f"{path_name(log)}: is a text or a model", "choose another file with --log"
        )
    for path in read:
        if os.path.isdir(path) and log != "-" and _is_below(log, path):
            raise CheckpointError(
                f"{path_name(log)}: would be one of the texts in {path_name(path)}",
                "choose another file with --log",
            )


def check_page(page: str, read: Sequence[str], replace: bool) -> None:
    """Refuse a page that is one of the files that are ``read``, exists, or cannot be written.

    Args:
        page: ``-`` is stdout, which is left alone.
        replace: whether it may be replaced if it exists.

    Raises:
        CheckpointError: as said.
    """
    if page == "-":
        return
    name = path_name(page)
    if _is_one_of(page, read):
        raise CheckpointError(f"{name}: is also read", "choose another file for the page")
    if os.path.exists(page) and not replace:
        raise CheckpointError(f"{name}: already exists", "--force replaces it")
    check_writable(page)


def check_stdout(read: Sequence[str]) -> None:
    """Refuse a text that stdout is written to, also one in a folder: reading it might never end.

    Raises:
        CorpusError: as said.
    """
    for path in read:
        inside = (os.path.join(at, file) for at, _, files in os.walk(path) for file in files)
        for file in inside if os.path.isdir(path) else (path,):
            if _is_one_of(1, [file]):
                name = "stdin" if file == "-" else path_name(file)
                raise CorpusError(f"{name}: is also the output", "write to another file")


def _is_below(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


def _is_one_of(path: str | int, files: Sequence[str]) -> bool:
    if os.path.exists(path) and not os.path.isfile(path):  # a terminal is stdin and stdout
        return False
    return any(same_file(path, 0 if name == "-" else name) for name in files)


def _may_be_log(path: str | int) -> bool:
    """Whether a file begins as a log does, is empty, or is no file."""
    if isinstance(path, int) or not os.path.isfile(path):
        return True
    with open(path, "rb") as file:
        return file.read(1) in (b"{", b"")
