r"""The format of a charrnn checkpoint, version 1.

A checkpoint is a JSON document, ``meta``, and named arrays. It is an ordinary ``.npz``
file, a zip archive of ``.npy`` members, so ``numpy.load(path, allow_pickle=False)``
opens it. But where zip and npy leave a choice, this format leaves none: the manifest
determines every byte of the file that is not data. The reader builds those bytes from the
manifest and compares them with the file, and equal states make equal files.

Members, in this order, without gaps:

1. ``manifest.npy``: a uint8 array of text: the SHA-256 (64 lowercase hex digits) of all
   that follows the first newline; that newline; a JSON object with the keys ``format``
   (1), ``program`` (what wrote the file, at most 64 printable ASCII characters) and
   ``arrays``: for each of the other members, in the order of the file, an object with
   ``name`` (without ``.npy``), ``dtype`` (a key of ``DTYPES``), ``shape``, ``sha256`` (of
   the data, without the npy header) and ``crc32`` (of the whole member: npy header and
   data). At most 2 MiB. Later versions keep the digest, the newline and the key
   ``format``, so that this version can tell which version a file needs.
2. ``meta.npy``: a uint8 array holding a JSON object. At most 32 MiB, 1.5 million commas
   and opening brackets, and 40 digits to an integer.
3. The arrays, sorted by name. A name is words of ASCII letters, digits and underscores,
   joined by dots: ``params.layers.0.W_h``.

JSON is ASCII, keys sorted, no spaces, no NaN or infinity, numbers as Python prints
them: ``json.dumps(x, sort_keys=True, separators=(",", ":"), allow_nan=False)``.

npy headers: version 1.0, the dict as NumPy prints it
(``{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }``), padded with spaces and a
final newline to a multiple of 64 bytes. Data: little-endian, C order; floats finite.

Zip: members stored, not compressed; version 2.0, no flags, 1980-01-01 00:00:00, no
extra fields, no comments, no attributes, no zip64: a file is smaller than 4 GiB.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint.errors import UnstorableError
from charrnn.messages import printable

FORMAT_VERSION = 1
MANIFEST = "manifest"
META = "meta"

DTYPES = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8", "uint8": "|u1"}

# An array's entry takes about 200 bytes; 100 layers with all optimiser slots have 2,000 arrays.
MAX_MANIFEST = 2 << 20
# All 1.1 million code points of Unicode, escaped, take 14 MB; the rest is for the history.
MAX_META = 32 << 20
# This many take some tenths of a second to parse; millions of empty lists would take 5 s.
MAX_META_VALUES = 1_500_000
# The state of PCG64 has integers of 128 bits: 39 digits. Parsing n digits takes O(n²) time.
MAX_DIGITS = 40
# The limit of the zip format's 32-bit fields, where all ones would announce zip64.
MAX_FILE = 2**32 - 2
# A model needs three; NumPy before 2.0 supports 32.
MAX_DIMS = 8
# Longer names are of no use; the zip format allows 65,535 bytes.
MAX_NAME = 200
# Large enough for the cost of a call not to matter, small enough for the processor's cache.
CHUNK_BYTES = 1 << 20

_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_ZIP_VERSION, _ZIP_DATE = 20, 0x21  # 2.0; 1980-01-01

# Before the manifest's text: a zip header of 30 bytes, the name, an npy header of 128 bytes.
MANIFEST_NAME = slice(30, 42)
MANIFEST_SIZE = slice(22, 26)
MANIFEST_NPY_HEADER = 128
MANIFEST_OFFSET = 42 + MANIFEST_NPY_HEADER


@dataclass(frozen=True)
class Entry:
    """One member as the manifest lists it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    crc32: int

    @property
    def itemsize(self) -> int:
        """The size of one value in bytes."""
        return np.dtype(DTYPES[self.dtype]).itemsize

    @property
    def nbytes(self) -> int:
        """The size of the data in bytes."""
        return math.prod(self.shape) * self.itemsize

    def problem(self) -> str | None:
        """Why the format does not allow this entry, or None. Its values may be of any size."""
        if len(self.name) > MAX_NAME or not _NAME.fullmatch(self.name):
            return f"the array name {self.name[:MAX_NAME]!r} is not allowed"
        if self.name == MANIFEST or self.name.endswith(".npy"):
            return f"the array name {self.name!r} is reserved"
        if self.dtype not in DTYPES:
            return (
                f"{self.name} has the type {printable(self.dtype)}, not one of {', '.join(DTYPES)}"
            )
        if len(self.shape) > MAX_DIMS:
            return f"{self.name} has {len(self.shape)} dimensions, more than {MAX_DIMS}"
        # Zeros are left out because NumPy multiplies the other dimensions of an empty array too.
        if math.prod(n or 1 for n in self.shape) * self.itemsize > MAX_FILE:
            return f"{self.name} is larger than a checkpoint can be"
        return None


class Checksums:
    """The checksums of one member, computed chunk by chunk, and whether its floats are finite."""

    def __init__(self, npy_header: bytes) -> None:
        self._sha256 = hashlib.sha256()
        self.crc32 = zlib.crc32(npy_header)
        self.finite = True

    def update(self, chunk: NDArray[Any]) -> None:
        """Add the next values of a flat array."""
        data = chunk.view(np.uint8).data
        self._sha256.update(data)
        self.crc32 = zlib.crc32(data, self.crc32)
        if chunk.dtype.kind == "f":
            self.finite = self.finite and bool(np.isfinite(chunk).all())

    @property
    def sha256(self) -> str:
        """SHA-256 of the data, in hex digits."""
        return self._sha256.hexdigest()


class Member(NamedTuple):
    """Where a member is in the file: its zip and npy headers at ``offset``, its data after them."""

    entry: Entry
    offset: int
    headers: bytes


class Layout(NamedTuple):
    """The whole file: the members, the zip directory at its end, its size in bytes."""

    members: list[Member]
    directory: bytes
    size: int


def chunks(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut a flat array into views of about 1 MiB."""
    step = CHUNK_BYTES // flat.itemsize
    return (flat[start : start + step] for start in range(0, flat.size, step))


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the header of a ``.npy`` member, from its magic number to its newline."""
    text = f"{{'descr': '{DTYPES[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    padding = -(len(_NPY_MAGIC) + 2 + len(text) + 1) % 64
    body = (text + " " * padding + "\n").encode("ascii")
    return _NPY_MAGIC + struct.pack("<H", len(body)) + body


def layout(manifest: bytes, entries: Sequence[Entry]) -> Layout:
    """Lay out the file of a manifest's text and the members that it lists.

    Raises:
        UnstorableError: the file would not be smaller than 4 GiB.
    """
    crc32 = zlib.crc32(manifest, zlib.crc32(npy_header("uint8", (len(manifest),))))
    first = Entry(MANIFEST, "uint8", (len(manifest),), "", crc32)
    members, directory, offset = [], bytearray(), 0
    for entry in (first, *entries):
        name = f"{entry.name}.npy".encode("ascii")
        header = npy_header(entry.dtype, entry.shape)
        size = len(header) + entry.nbytes
        if offset + size > MAX_FILE:
            raise UnstorableError("does not fit into 4 GiB", "choose a smaller model")
        # These fields are the same in a member's own header and in the directory.
        common = struct.pack(
            "<5H3L2H", _ZIP_VERSION, 0, 0, 0, _ZIP_DATE, entry.crc32, size, size, len(name), 0
        )
        member = Member(entry, offset, b"PK\3\4" + common + name + header)
        members.append(member)
        directory += b"PK\1\2" + struct.pack("<H", _ZIP_VERSION) + common
        directory += struct.pack("<3H2L", 0, 0, 0, 0, offset) + name
        offset += len(member.headers) + entry.nbytes
    end = (0, 0, len(members), len(members), len(directory), offset, 0)
    tail = bytes(directory) + b"PK\5\6" + struct.pack("<4H2LH", *end)
    return Layout(members, tail, offset + len(tail))
