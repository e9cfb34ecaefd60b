"""Every flipped bit and every truncation of a file is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from checkpoint_tools import same, tiny

from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.errors import CheckpointError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "model.npz", *tiny())
    return tmp_path / "model.npz"


def found(path: Path) -> str:
    """The error that reading gives: one line, and none of NumPy's advice."""
    with pytest.raises(CheckpointError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert "pickle" not in text
    return text


def test_every_flipped_bit_is_found(path: Path) -> None:
    data = path.read_bytes()
    with open(path, "r+b", buffering=0) as file:
        for at, byte in enumerate(data):
            for bit in range(8):
                file.seek(at)
                file.write(bytes([byte ^ 1 << bit]))
                found(path)
            file.seek(at)
            file.write(bytes([byte]))
    print(f"bits flipped: {len(data) * 8}, not found: 0")
    assert same(read(path), tiny())


def test_every_truncation_is_found(path: Path) -> None:
    size = path.stat().st_size
    for length in reversed(range(size)):
        os.truncate(path, length)
        found(path)
    print(f"lengths tried: {size}, not found: 0")


def test_every_byte_too_many_is_found(path: Path) -> None:
    data = path.read_bytes()
    for more in (b"\0", b"PK\5\6" + b"\0" * 18, data):
        path.write_bytes(data + more)
        assert "damaged: " in found(path)
        path.write_bytes(more + data)
        found(path)
