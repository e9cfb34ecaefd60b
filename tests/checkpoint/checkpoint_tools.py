"""What the tests of checkpoints share: states, watched system calls, forged files."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from charrnn.checkpoint.reader import read

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]

ROOT = Path(__file__).resolve().parents[2]


def tiny() -> State:
    """A state with every dtype and odd shapes, in a file of some 3 KB."""
    arrays: dict[str, NDArray[Any]] = {
        "params.layers.0.W_h": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
        "best.b": np.array([1e-300, -0.0, 5e-324]),
        "history.step": np.array([[1], [2**40]]),
        "order": np.array(7, dtype=np.int32),
        "empty": np.zeros((0, 5), np.uint8),
    }
    return {"vocab": 'a"\n\0é😀\ud800', "step": 2**127, "loss": [0.1, 1e-9]}, arrays


def model(seed: int, values: int = 20_000) -> State:
    """A state of random weights; different seeds give files of equal size."""
    weights = np.random.default_rng(seed).standard_normal(values, np.float32)
    half = values // 2
    arrays = {"params.W": weights[:half], "optimizer.m.W": weights[half:]}
    return {"seed": seed, "vocab": "abc"}, arrays


def same(state: State, other: State) -> bool:
    """Whether two states are equal in everything, dtypes and signs of zero included."""
    (meta, arrays), (other_meta, other_arrays) = state, other
    return (
        meta == other_meta
        and arrays.keys() == other_arrays.keys()
        and all(alike(array, other_arrays[name]) for name, array in arrays.items())
    )


def alike(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def shapes(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (array.dtype.name, array.shape) for name, array in arrays.items()}


def run_script(script: str, *args: object, timeout: float = 600) -> str:
    """Run Python code in a process of its own, with the tests' modules at hand."""
    paths = [str(ROOT), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, *map(str, args)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


OPERATIONS = ("open", "fchmod", "write", "fsync", "close", "replace", "unlink")
Hook = Callable[[int, str, Callable[..., Any], tuple[Any, ...]], Any]


@contextmanager
def watched(hook: Hook) -> Iterator[list[str]]:
    """Hand every system call of a save to `hook`, with its number from 0; list their names."""
    seen: list[str] = []

    def wrapper(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*args: Any) -> Any:
            seen.append(name)
            return hook(len(seen) - 1, name, call, args)

        return replacement

    patches: dict[str, Any] = {name: wrapper(name, getattr(os, name)) for name in OPERATIONS}
    with mock.patch.multiple(os, **patches):
        yield seen


def plain(_n: int, _name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """A hook that only watches."""
    return call(*args)


def content(path: Path) -> State:
    return read(path)


# Forging: the format written a second time, with every part open to lies.

Member = tuple[str, bytes, bytes]


def npy(descr: str, shape: object, fortran: object = False) -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    body = text.encode() + b" " * (-(11 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(body)) + body


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sign(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def parts(meta: bytes, arrays: Mapping[str, NDArray[Any]]) -> list[Member]:
    """The members of an honest file, in order, without the manifest."""
    found = [("meta", npy("|u1", (len(meta),)), meta)]
    for name, array in sorted(arrays.items()):
        found.append((name, npy(array.dtype.str, array.shape), array.tobytes()))
    return found


def entries(members: list[Member], arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """What an honest manifest says about them."""
    listed = []
    for name, head, data in members:
        array = arrays.get(name, np.frombuffer(data, np.uint8))
        entry = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        entry["sha256"] = hashlib.sha256(data).hexdigest()
        listed.append({**entry, "crc32": zlib.crc32(head + data)})
    return listed


def resealed(listed: list[dict[str, Any]], members: list[Member]) -> list[dict[str, Any]]:
    """The entries with digests that fit these members."""
    result = []
    for entry, (_, head, data) in zip(listed, members, strict=True):
        digests = {"sha256": hashlib.sha256(data).hexdigest(), "crc32": zlib.crc32(head + data)}
        result.append({**entry, **digests})
    return result


def manifest(listed: object, **more: object) -> bytes:
    return sign(canonical({"format": 1, "program": "charrnn", "arrays": listed, **more}))


def archive(text: bytes, members: list[Member], comment: bytes = b"") -> bytes:
    """A zip file of the manifest's text and the members, consistent in itself."""
    data, directory = bytearray(), bytearray()
    own = ("manifest", npy("|u1", (len(text),)), text)
    for name, head, body in [own, *members]:
        file, size = f"{name}.npy".encode(), len(head + body)
        crc = zlib.crc32(head + body)
        shared = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, crc, size, size, len(file), 0)
        directory += b"PK\1\2\x14\0" + shared + struct.pack("<3H2L", 0, 0, 0, 0, len(data)) + file
        data += b"PK\3\4" + shared + file + head + body
    count = len(members) + 1
    end = struct.pack("<4H2LH", 0, 0, count, count, len(directory), len(data), len(comment))
    return bytes(data + directory + b"PK\5\6" + end + comment)
