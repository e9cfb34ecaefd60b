"""Reading a checkpoint without trusting it.

The manifest is the only part that is interpreted. All other headers are built from it and
compared byte by byte, and all data are compared with its checksums, so no peculiarity of zip
or npy headers needs to be handled here. Nothing larger than the manifest is
allocated before the file is known to be exactly as long as it must be.
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
from charrnn.checkpoint.errors import damaged, error_context
from charrnn.checkpoint.manifest import decode_json, decode_manifest
from charrnn.checkpoint.paths import Path, file_type
from charrnn.errors import CharRNNError, CheckpointError
from charrnn.messages import printable

#: The dtype and the shape of each array, by name.
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]

_NOT_A_CHECKPOINT = "give a file that charrnn train wrote"
# An error can quote a value from the file, and in a hostile file that can be megabytes.
_LONGEST_QUOTE = 600
# Opening a pipe must not block, nor may a terminal become the controlling one.
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def read(
    path: Path,
    expect: Callable[[dict[str, Any]], Shapes] | None = None,
    only: Callable[[str], bool] | None = None,
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the meta document and the arrays of the checkpoint at ``path``.

    Args:
        expect: maps the meta document to the arrays that must be there, with dtypes named
            as in ``format.DTYPES``; it is called before any array is allocated, and may
            raise to refuse the document.
        only: whether to read the array of this name. Of the others, the position and the headers
            are checked, but not the data.

    Returns:
        the document, and the arrays by name: new, writable, in C order and native byte order.

    Raises:
        CheckpointError: the file cannot be read, is not a checkpoint, needs a newer charrnn,
            is damaged, or does not hold what is expected.
    """
    with error_context(path, "cannot be read"), _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        manifest = _read_manifest(file, size)
        entries = decode_manifest(manifest)
        members, directory, expected_size = fmt.layout(manifest, entries)
        if size != expected_size:
            raise damaged(f"it is {size} bytes long instead of {expected_size}")
        _check_bytes(file, size - len(directory), directory)
        for member in members:
            _check_bytes(file, member.offset, member.headers)
        _, meta_member, *arrays = members
        meta = _read_meta(file, meta_member)
        if expect is not None:
            _check_arrays(entries[1:], _expected_arrays(expect, meta))
        wanted = [member for member in arrays if only is None or only(member.entry.name)]
        return meta, {member.entry.name: _read_array(file, member) for member in wanted}


def is_checkpoint(path: Path) -> bool:
    """Whether a regular file begins as checkpoints of every version do; it may be damaged."""
    with _open(path) as file:
        return _is_start(file.read(fmt.MANIFEST_OFFSET))


def _is_start(data: bytes) -> bool:
    return data[:4] == b"PK\3\4" and data[fmt.MANIFEST_NAME] == b"manifest.npy"


def _open(path: Path) -> io.FileIO:
    if "\0" in os.fsdecode(path):
        raise CheckpointError("is not a file name", "check the name")
    fd = os.open(path, _OPEN_FLAGS)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        os.close(fd)
        raise CheckpointError(f"is {file_type(mode)}", _NOT_A_CHECKPOINT)
    return io.FileIO(fd, "rb")


def _read_manifest(file: io.FileIO, size: int) -> bytes:
    start = _read_bytes(file, 0, min(size, fmt.MANIFEST_OFFSET))
    if not _is_start(start):
        raise CheckpointError("is not a charrnn checkpoint", _NOT_A_CHECKPOINT)
    (member_size,) = struct.unpack("<L", start[fmt.MANIFEST_SIZE])
    length = member_size - fmt.MANIFEST_NPY_HEADER
    if not 0 <= length <= min(fmt.MAX_MANIFEST, size - fmt.MANIFEST_OFFSET):
        raise damaged("its manifest is truncated")
    return _read_bytes(file, fmt.MANIFEST_OFFSET, length)


def _read_meta(file: io.FileIO, member: fmt.Member) -> dict[str, Any]:
    meta = decode_json(_read_array(file, member).tobytes())
    if not isinstance(meta, dict):
        raise damaged("its meta is not a JSON object")
    return meta


def _expected_arrays(expect: Callable[[dict[str, Any]], Shapes], meta: dict[str, Any]) -> Shapes:
    """Call ``expect``. The document can say anything, so errors are the file's fault.

    Only lack of memory and of descriptors, which a module may need to be imported, are not.
    """
    try:
        return expect(meta)
    except CharRNNError as exc:
        raise CheckpointError(
            f"its settings are invalid: {printable(exc.message, _LONGEST_QUOTE)}",
            "read it with the version of charrnn that wrote it",
        ) from exc
    except (MemoryError, OSError):
        raise
    except Exception as exc:
        reason = printable(f"{type(exc).__name__}: {exc}", _LONGEST_QUOTE)
        raise damaged(f"its meta is invalid ({reason})") from exc


def _check_arrays(entries: Sequence[fmt.Entry], expected: Shapes) -> None:
    found = {entry.name: (entry.dtype, entry.shape) for entry in entries}
    if missing := expected.keys() - found:
        raise damaged(f"{min(missing)} is missing")
    for name, (dtype, shape) in found.items():
        if name not in expected:
            raise damaged(f"it holds an unexpected array, {name}")
        expected_dtype, expected_shape = expected[name]
        if (dtype, shape) != (expected_dtype, tuple(expected_shape)):
            raise damaged(
                f"{name} is {dtype} {shape}, expected {expected_dtype} {tuple(expected_shape)}"
            )


def _read_array(file: io.FileIO, member: fmt.Member) -> NDArray[Any]:
    """Read an array and compare it with its checksums."""
    entry = member.entry
    array = np.empty(entry.shape, fmt.DTYPES[entry.dtype])
    checksums = fmt.Checksums(fmt.npy_header(entry.dtype, entry.shape))
    file.seek(member.offset + len(member.headers))
    for chunk in fmt.chunks(array.reshape(-1)):
        _fill(file, chunk.view(np.uint8).data)
        checksums.update(chunk)
    if (checksums.sha256, checksums.crc32) != (entry.sha256, entry.crc32):
        raise damaged(f"{entry.name} does not match its digest")
    if not checksums.finite:
        raise damaged(f"{entry.name} holds a number that is not finite")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_bytes(file: io.FileIO, offset: int, expected: bytes) -> None:
    if _read_bytes(file, offset, len(expected)) != expected:
        raise damaged(f"the headers at byte {offset} do not match its manifest")


def _read_bytes(file: io.FileIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    data = bytearray(length)
    _fill(file, memoryview(data))
    return bytes(data)


def _fill(file: io.FileIO, view: memoryview) -> None:
    while view:
        # readinto returns None where there are no data yet, which a regular file never does.
        if not (count := file.readinto(view)):
            raise damaged("it was truncated while it was being read")
        view = view[count:]
