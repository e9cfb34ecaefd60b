"""Reading a checkpoint without trusting it.

The manifest is the only part that is interpreted. All other headers are built anew from
it and compared byte by byte, and all data are held against its digests; so nothing that
is odd about a zip or npy header needs to be known here. Nothing larger than the manifest
is allocated before the file has proved to be as long as it must be.
"""

from __future__ import annotations

import io
import os
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint import format as fmt
from charrnn.checkpoint.failure import Damage, Refusal, reporting
from charrnn.checkpoint.manifest import decode_json, decode_manifest
from charrnn.checkpoint.writer import kind_of
from charrnn.errors import CharRNNError

Path = str | os.PathLike[str]
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
Expect = Callable[[dict[str, Any]], Shapes]
Only = Callable[[str], bool]

_REMEDY = "name a file that charrnn train wrote"
# A pipe must not hold the reader up, nor a terminal become its own.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def read(
    path: Path, expect: Expect | None = None, only: Only | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the meta document and the arrays of the checkpoint at `path`.

    `expect` gets the meta document and returns the arrays that must be there, as
    ``{name: (dtype, shape)}`` with dtypes named as in ``format.DTYPES``; it is asked before
    any of them is allocated, and may raise to refuse the document. `only` chooses the
    arrays to read; of the others the place and the headers are checked, not the data.
    The arrays are new, writable, in C order and of native byte order.

    Raises:
        CheckpointError: the file cannot be read, is no checkpoint, needs a newer charrnn,
            is damaged, or does not hold what is expected.
    """
    with reporting(path, "cannot be read"), _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        manifest = _read_manifest(file, size)
        entries = decode_manifest(manifest)
        slots, tail, whole = fmt.layout(manifest, entries)
        if size != whole:
            raise Damage(f"{size} bytes long instead of {whole}")
        _check_bytes(file, whole - len(tail), tail)
        for slot in slots:
            _check_bytes(file, slot.offset, slot.head)
        meta = _read_meta(file, slots[1])
        if expect is not None:
            _compare(entries[1:], _ask(expect, meta))
        wanted = [slot for slot in slots[2:] if only is None or only(slot.entry.name)]
        return meta, {slot.entry.name: _read_array(file, slot) for slot in wanted}


def _open(path: Path) -> io.FileIO:
    if "\0" in os.fsdecode(path):
        raise Refusal("is not the name of a file", "check the name")
    fd = os.open(path, _FLAGS)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        raise Refusal(f"is {kind_of(mode)}", _REMEDY)
    return io.FileIO(fd, "rb")


def _read_manifest(file: io.FileIO, size: int) -> bytes:
    start = _read_bytes(file, 0, min(size, fmt.MANIFEST_AT))
    if start[:4] != b"PK\3\4" or start[fmt.MANIFEST_NAME_AT] != b"manifest.npy":
        raise Refusal("is not a charrnn checkpoint", _REMEDY)
    (member,) = struct.unpack("<L", start[fmt.MANIFEST_SIZE_AT])
    length = member - fmt.NPY_HEADER_OF_MANIFEST
    if not 0 <= length <= min(fmt.MAX_MANIFEST, size - fmt.MANIFEST_AT):
        raise Damage("its manifest is cut short")
    return _read_bytes(file, fmt.MANIFEST_AT, length)


def _read_meta(file: io.FileIO, slot: fmt.Slot) -> dict[str, Any]:
    meta = decode_json(_read_array(file, slot).tobytes())
    if not isinstance(meta, dict):
        raise Damage("its meta is not a JSON object")
    return meta


def _ask(expect: Expect, meta: dict[str, Any]) -> Shapes:
    """Ask what `meta` implies. Meta may say anything, so any error of `expect` is the file's."""
    try:
        return expect(meta)
    except CharRNNError as exc:
        raise Refusal(str(exc), "check the file") from exc
    except MemoryError:
        raise
    except Exception as exc:
        raise Damage(f"its settings make no sense ({type(exc).__name__}: {exc})") from exc


def _compare(entries: Sequence[fmt.Entry], expected: Shapes) -> None:
    found = {entry.name: (entry.dtype, entry.shape) for entry in entries}
    if missing := expected.keys() - found:
        raise Damage(f"{min(missing)} is missing")
    for name, what in found.items():
        if name not in expected:
            raise Damage(f"it holds {name}, which its settings do not call for")
        if what != (expected[name][0], tuple(expected[name][1])):
            raise Damage(
                f"{name} is {_spell(*what)}, but its settings call for {_spell(*expected[name])}"
            )


def _spell(dtype: str, shape: Sequence[int]) -> str:
    return f"{dtype} {tuple(shape)}"


def _read_array(file: io.FileIO, slot: fmt.Slot) -> NDArray[Any]:
    """Read an array to its end, and hold it against its digests."""
    entry = slot.entry
    array = np.empty(entry.shape, fmt.DTYPES[entry.dtype])
    seal = fmt.Seal(fmt.npy_header(entry.dtype, entry.shape))
    file.seek(slot.offset + len(slot.head))
    for chunk in fmt.chunks(array.reshape(-1)):
        _fill(file, chunk.view(np.uint8).data)
        seal.add(chunk)
    if (seal.sha256, seal.crc32) != (entry.sha256, entry.crc32):
        raise Damage(f"{entry.name} does not match its digest")
    if not seal.finite:
        raise Damage(f"{entry.name} holds a number that is not finite")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_bytes(file: io.FileIO, offset: int, expected: bytes) -> None:
    if _read_bytes(file, offset, len(expected)) != expected:
        raise Damage(f"the headers at byte {offset} are not as its manifest says")


def _read_bytes(file: io.FileIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = bytearray(length)
    _fill(file, memoryview(data))
    return bytes(data)


def _fill(file: io.FileIO, view: memoryview) -> None:
    while view:
        # None would mean that a regular file had nothing to say yet, which none does.
        if not (count := file.readinto(view)):
            raise Damage("it became shorter while it was read")
        view = view[count:]
