r"""The format of a charrnn checkpoint, version 1.

A checkpoint is a JSON document, ``meta``, and named arrays. It is an ordinary ``.npz``
file, a zip archive of ``.npy`` members, so ``numpy.load(path, allow_pickle=False)``
opens it. But where zip and npy leave a choice, this format leaves none: the manifest
determines every byte of the file that is not data. A reader builds those bytes anew and
compares them, and two equal states make two equal files.

Members, in this order, without gaps:

1. ``manifest.npy``: a uint8 array of text: the SHA-256 (64 lowercase hex digits) of all
   that follows the newline after it; that newline; a JSON object with the keys
   ``format`` (1), ``program`` (what wrote the file, at most 64 printable ASCII
   characters) and ``arrays``: for every further member, in the order of the file, an
   object with ``name`` (the member's, less ``.npy``), ``dtype`` (a key of ``DTYPES``),
   ``shape``, ``sha256`` (of the data, without the npy header) and ``crc32`` (of the
   whole member: npy header and data). At most 2 MiB. Later versions keep the digest,
   the newline and the key ``format``, so that this one can tell which version it needs.
2. ``meta.npy``: a uint8 array holding a JSON object. At most 32 MiB, 1.5 million commas
   and opening brackets, and 40 digits to an integer.
3. The arrays, sorted by name. A name is words of ASCII letters, digits and underscores,
   joined by dots: ``params.layers.0.W_h``.

JSON is ASCII, keys sorted, no spaces, no NaN or infinity, numbers as Python prints
them: ``json.dumps(x, sort_keys=True, separators=(",", ":"), allow_nan=False)``.

npy headers: version 1.0, the dict as NumPy prints it
(``{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }``), spaces up to the next
multiple of 64 bytes, a newline last. Data: little-endian, C order; floats finite.

Zip: members stored, not compressed; version 2.0, no flags, 1980-01-01 00:00:00, no
extra fields, no comments, no attributes, no zip64: a file ends before 4 GiB.
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

from charrnn.checkpoint.failure import Refusal

FORMAT_VERSION = 1
MANIFEST = "manifest"
META = "meta"

DTYPES = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "int64": "<i8", "uint8": "|u1"}

# An array's entry takes some 200 bytes; 100 layers with every optimiser slot are 2,000 arrays.
MAX_MANIFEST = 2 << 20
# All 1.1 million code points of Unicode, escaped, take 14 MB; the rest is for the history.
MAX_META = 32 << 20
# Some tenths of a second to read; without a limit, millions of empty lists take five seconds.
MAX_META_VALUES = 1_500_000
# PCG64 has integers of 128 bits: 39 digits. Reading n digits takes time that grows as n * n.
MAX_DIGITS = 40
# The zip format's 32-bit fields; all ones would announce zip64.
MAX_FILE = 2**32 - 2
# A model needs three; NumPy before 2.0 stops at 32.
MAX_DIMS = 8
# Longer names are no use to anyone; 16 bits would be the zip format's limit.
MAX_NAME = 200
# Large enough that a call costs nothing, small enough to stay in the processor's cache.
CHUNK_BYTES = 1 << 20

_NAME = re.compile(r"\w+(\.\w+)*", re.ASCII)
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_VERSION, _DATE = 20, 0x21  # zip 2.0; 1980-01-01

# Bytes before the manifest's text: a zip header of 30, the name, an npy header of 128.
MANIFEST_NAME_AT = slice(30, 42)
MANIFEST_SIZE_AT = slice(22, 26)
NPY_HEADER_OF_MANIFEST = 128
MANIFEST_AT = 42 + NPY_HEADER_OF_MANIFEST


@dataclass(frozen=True)
class Entry:
    """What the manifest says about one member."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    crc32: int

    @property
    def itemsize(self) -> int:
        """The size of one value."""
        return np.dtype(DTYPES[self.dtype]).itemsize

    @property
    def nbytes(self) -> int:
        """The size of the data."""
        return math.prod(self.shape) * self.itemsize

    def objection(self) -> str | None:
        """What the format forbids about this entry, or None. Values may be of any size."""
        if len(self.name) > MAX_NAME or not _NAME.fullmatch(self.name):
            return f"the array name {self.name[:MAX_NAME]!r} is not allowed"
        if self.name == MANIFEST or self.name.endswith(".npy"):
            return f"the array name {self.name!r} is reserved"
        if self.dtype not in DTYPES:
            return (
                f"{self.name} has the type {self.dtype[:MAX_NAME]}, not one of {', '.join(DTYPES)}"
            )
        if len(self.shape) > MAX_DIMS:
            return f"{self.name} has {len(self.shape)} dimensions, more than {MAX_DIMS}"
        # Zeros are left out: NumPy multiplies the other dimensions of an empty array too.
        if math.prod(n or 1 for n in self.shape) * self.itemsize > MAX_FILE:
            return f"{self.name} is larger than a checkpoint can be"
        return None


class Seal:
    """Digests of one member, fed chunk by chunk, and whether all its floats are finite."""

    def __init__(self, entry_head: bytes) -> None:
        self._sha256 = hashlib.sha256()
        self.crc32 = zlib.crc32(entry_head)
        self.finite = True

    def add(self, chunk: NDArray[Any]) -> None:
        """Take in the next values of a flat array."""
        data = chunk.view(np.uint8).data
        self._sha256.update(data)
        self.crc32 = zlib.crc32(data, self.crc32)
        if chunk.dtype.kind == "f":
            self.finite = self.finite and bool(np.isfinite(chunk).all())

    @property
    def sha256(self) -> str:
        """The digest of the data, in hex digits."""
        return self._sha256.hexdigest()


class Slot(NamedTuple):
    """Where a member lies: the zip and npy headers at `offset`, the data after them."""

    entry: Entry
    offset: int
    head: bytes


def chunks(flat: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Cut a flat array into views of about 1 MiB."""
    step = CHUNK_BYTES // flat.itemsize
    return (flat[at : at + step] for at in range(0, flat.size, step))


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Return the header of a ``.npy`` member, from its magic number to its newline."""
    text = f"{{'descr': '{DTYPES[dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    spaces = -(len(_NPY_MAGIC) + 2 + len(text) + 1) % 64
    body = (text + " " * spaces + "\n").encode("ascii")
    return _NPY_MAGIC + struct.pack("<H", len(body)) + body


def layout(manifest: bytes, entries: Sequence[Entry]) -> tuple[list[Slot], bytes, int]:
    """Lay the file out: each member's place and headers, the zip directory, the size.

    Raises:
        Refusal: the file would not end before 4 GiB.
    """
    crc32 = zlib.crc32(manifest, zlib.crc32(npy_header("uint8", (len(manifest),))))
    own = Entry(MANIFEST, "uint8", (len(manifest),), "", crc32)
    slots, directory, offset = [], bytearray(), 0
    for entry in (own, *entries):
        name = f"{entry.name}.npy".encode("ascii")
        header = npy_header(entry.dtype, entry.shape)
        size = len(header) + entry.nbytes
        if offset + size > MAX_FILE:
            raise Refusal("does not fit into 4 GiB", "choose a smaller model")
        shared = struct.pack(
            "<5H3L2H", _VERSION, 0, 0, 0, _DATE, entry.crc32, size, size, len(name), 0
        )
        slots.append(Slot(entry, offset, b"PK\3\4" + shared + name + header))
        directory += b"PK\1\2" + struct.pack("<H", _VERSION) + shared
        directory += struct.pack("<3H2L", 0, 0, 0, 0, offset) + name
        offset += len(slots[-1].head) + entry.nbytes
    end = (0, 0, len(slots), len(slots), len(directory), offset, 0)
    tail = bytes(directory) + b"PK\5\6" + struct.pack("<4H2LH", *end)
    return slots, tail, offset + len(tail)
