"""Folders and zip archives as the texts in them, sorted by name."""

from __future__ import annotations

import functools
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from charrnn.data.compression import compression
from charrnn.data.filetypes import HEAD, ZIP, file_type, type_of_file
from charrnn.data.source import Source
from charrnn.errors import CorpusError
from charrnn.files import open_to_read
from charrnn.messages import path_name, pluralize, system_reason

#: Byte-order marks of text that may hold zero bytes.
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
#: What reading a member raises if the archive is damaged or packed in an unknown way.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
#: Names of left-out files that a note shows.
_SHOWN = 3


@dataclass(frozen=True)
class Member(Source):
    """A file in a folder or an archive. It is open only while it is read, so there may be many."""

    stream: IO[bytes] = field(default_factory=io.BytesIO)
    opener: Callable[[], IO[bytes]] = io.BytesIO

    def blocks(self) -> Iterator[bytes]:
        try:
            with self.opener() as stream:
                yield from Source(self.name, stream, block_size=self.block_size).blocks()
        except OSError as error:
            raise CorpusError(f"{self.name}: {system_reason(error)}") from None
        except _DAMAGED as error:
            raise CorpusError(f"{self.name}: cannot be unpacked ({error})") from None


def open_texts(path: str, once: bool, unit: str, note: Callable[[str], None]) -> list[Source]:
    """The text in a file, or the texts in a folder or a zip archive.

    Files that are no text are left out, and so are hidden ones. For bytes, anything is a text,
    and an archive is one file.

    Args:
        once: whether each is read only once, from start to end.
        note: called with a sentence if anything was left out.

    Raises:
        CorpusError: it cannot be opened, or there is no text in it.
    """
    if os.path.isdir(path):
        return _texts(path_name(path), "folder", _in_folder(path), unit == "byte", note)
    if unit == "byte" or type_of_file(path) is not ZIP:
        return [Source.open(path, once)]
    return _texts(path_name(path), "archive", _in_archive(path), False, note)


def _texts(
    name: str,
    kind: str,
    members: Iterable[Member],
    everything: bool,
    note: Callable[[str], None],
) -> list[Source]:
    texts: list[Source] = []
    others: list[str] = []
    for member in members:
        if everything or _is_text(member):
            texts.append(member)
        else:
            others.append(member.name)
    if not texts:
        found = f", only {pluralize(len(others), 'other file')}" if others else ""
        raise CorpusError(f"{name}: there is no text in this {kind}{found}", "give a text file")
    if others:
        some = ", ".join(others[:_SHOWN]) + ", ..." * (len(others) > _SHOWN)
        note(
            f"{name}: reading {pluralize(len(texts), 'text file')}, leaving out "
            f"{pluralize(len(others), 'other file')} ({some})"
        )
    return texts


def _in_folder(path: str) -> Iterator[Member]:
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            full = os.path.join(folder, file)
            if not file.startswith(".") and os.path.isfile(full):  # not a pipe or a socket
                yield Member(path_name(full), opener=functools.partial(open_to_read, full))


def _in_archive(path: str) -> Iterator[Member]:
    try:
        # Open as long as there are members: to open it for each would read its directory each time.
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise CorpusError(f"{path_name(path)}: the archive is damaged ({error})") from None
    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        hidden = any(part.startswith((".", "__MACOSX")) for part in info.filename.split("/"))
        if not (info.is_dir() or hidden):
            name = path_name(f"{path}/{info.filename}")
            if info.flag_bits & 1:
                raise CorpusError(f"{name}: is encrypted", "unpack the archive, give its folder")
            yield Member(name, opener=functools.partial(archive.open, info))


def _is_text(member: Member) -> bool:
    """Whether a file begins like text; one that cannot be read is reported when it is."""
    try:
        with member.opener() as stream:
            head = stream.read(HEAD)
    except (OSError, *_DAMAGED):
        return True
    if file_type(head):
        return False
    return compression(head) is not None or head.startswith(_WIDE) or b"\0" not in head
