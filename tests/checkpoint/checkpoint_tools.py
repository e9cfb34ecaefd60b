"""What the tests of checkpoints share: states, hooked system calls, forged files."""

from __future__ import annotations

import hashlib
import json
import os
import signal
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
import pytest
from numpy.typing import NDArray

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]

ROOT = Path(__file__).resolve().parents[2]


def tiny_state() -> State:
    """A state with every dtype and unusual shapes, in a file of about 3 KB."""
    arrays: dict[str, NDArray[Any]] = {
        "params.layers.0.W_h": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
        "best.b": np.array([1e-300, -0.0, 5e-324]),
        "history.step": np.array([[1], [2**40]]),
        "order": np.array(7, dtype=np.int32),
        "empty": np.zeros((0, 5), np.uint8),
    }
    return {"vocab": 'a"\n\0é😀\ud800', "step": 2**127, "loss": [0.1, 1e-9]}, arrays


def random_state(seed: int, values: int = 20_000) -> State:
    """Random weights in float32; different seeds give files of equal size."""
    weights = np.random.default_rng(seed).standard_normal(values, np.float32)
    half = values // 2
    arrays = {"params.W": weights[:half], "optimizer.m.W": weights[half:]}
    return {"seed": seed, "vocab": "abc"}, arrays


def equal_states(state: State, other: State) -> bool:
    """Whether two states are equal, dtypes and signs of zero included."""
    (meta, arrays), (other_meta, other_arrays) = state, other
    return (
        meta == other_meta
        and arrays.keys() == other_arrays.keys()
        and all(equal_arrays(array, other_arrays[name]) for name, array in arrays.items())
    )


def equal_arrays(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def shapes_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (array.dtype.name, array.shape) for name, array in arrays.items()}


def run_script(script: str, *args: object, timeout: float = 600) -> str:
    """Run Python code in a separate process that can import the tests' modules."""
    paths = [str(ROOT), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, *map(str, args)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Fail the test when this process has used so much CPU time, as in an endless loop."""
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    def stop(*_: object) -> None:
        pytest.fail(f"took more than {seconds} s of CPU time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


OPERATIONS = ("open", "fchmod", "write", "fsync", "close", "replace", "unlink")
Hook = Callable[[int, str, Callable[..., Any], tuple[Any, ...]], Any]


@contextmanager
def hooked_calls(hook: Hook) -> Iterator[list[str]]:
    """Call ``hook`` in place of each system call of a save; list their names.

    Args:
        hook: gets the number of the call, from 0, its name, the function and its arguments.
    """
    seen: list[str] = []

    def wrapper(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(*args: Any) -> Any:
            seen.append(name)
            return hook(len(seen) - 1, name, call, args)

        return replacement

    patches: dict[str, Any] = {name: wrapper(name, getattr(os, name)) for name in OPERATIONS}
    with mock.patch.multiple(os, **patches):
        yield seen


def call_through(_n: int, _name: str, call: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """A hook that changes nothing."""
    return call(*args)


# Forging: a second implementation of the format, in which every part can be changed.

#: Name, npy header, data.
Member = tuple[str, bytes, bytes]


def npy(descr: str, shape: object, fortran: object = False) -> bytes:
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    body = text.encode() + b" " * (-(11 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(body)) + body


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def with_digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def members_of(meta: bytes, arrays: Mapping[str, NDArray[Any]]) -> list[Member]:
    """The members of a valid file, in order, without the manifest."""
    members = [("meta", npy("|u1", (len(meta),)), meta)]
    for name, array in sorted(arrays.items()):
        members.append((name, npy(array.dtype.str, array.shape), array.tobytes()))
    return members


def entries_of(members: list[Member], arrays: Mapping[str, NDArray[Any]]) -> list[dict[str, Any]]:
    """The entries of a valid manifest for these members."""
    entries = []
    for name, header, data in members:
        array = arrays.get(name, np.frombuffer(data, np.uint8))
        entry = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        entry["sha256"] = hashlib.sha256(data).hexdigest()
        entries.append({**entry, "crc32": zlib.crc32(header + data)})
    return entries


def with_checksums(entries: list[dict[str, Any]], members: list[Member]) -> list[dict[str, Any]]:
    """The entries with the checksums of these members."""
    result = []
    for entry, (_, header, data) in zip(entries, members, strict=True):
        checksums = {"sha256": hashlib.sha256(data).hexdigest(), "crc32": zlib.crc32(header + data)}
        result.append({**entry, **checksums})
    return result


def manifest_of(entries: object, **more: object) -> bytes:
    return with_digest(canonical({"format": 1, "program": "charrnn", "arrays": entries, **more}))


def archive(text: bytes, members: list[Member], comment: bytes = b"") -> bytes:
    """A zip file of the manifest's text and the members, consistent in itself."""
    data, directory = bytearray(), bytearray()
    manifest = ("manifest", npy("|u1", (len(text),)), text)
    for name, header, body in [manifest, *members]:
        file, size = f"{name}.npy".encode(), len(header + body)
        crc = zlib.crc32(header + body)
        common = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, crc, size, size, len(file), 0)
        directory += b"PK\1\2\x14\0" + common + struct.pack("<3H2L", 0, 0, 0, 0, len(data)) + file
        data += b"PK\3\4" + common + file + header + body
    count = len(members) + 1
    end = struct.pack("<4H2LH", 0, 0, count, count, len(directory), len(data), len(comment))
    return bytes(data + directory + b"PK\5\6" + end + comment)
