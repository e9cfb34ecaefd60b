"""Every flipped bit and every truncation of a file is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from checkpoint_tools import equal_states, tiny_state

from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.errors import CheckpointError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "model.npz", *tiny_state())
    return tmp_path / "model.npz"


def refusal(path: Path) -> str:
    """The error that reading gives: one line, without NumPy's advice to allow pickles."""
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
        for offset, byte in enumerate(data):
            for bit in range(8):
                file.seek(offset)
                file.write(bytes([byte ^ 1 << bit]))
                refusal(path)
            file.seek(offset)
            file.write(bytes([byte]))
    print(f"bits flipped: {len(data) * 8}, not found: 0")
    assert equal_states(read(path), tiny_state())


def test_every_truncation_is_found(path: Path) -> None:
    size = path.stat().st_size
    for length in reversed(range(size)):
        os.truncate(path, length)
        refusal(path)
    print(f"lengths tried: {size}, not found: 0")


def test_extra_bytes_are_found(path: Path) -> None:
    data = path.read_bytes()
    for extra in (b"\0", b"PK\5\6" + b"\0" * 18, data):
        path.write_bytes(data + extra)
        assert "damaged: " in refusal(path)
        path.write_bytes(extra + data)
        refusal(path)
