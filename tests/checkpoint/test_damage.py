"""Every flipped bit and every truncation of a file is found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from checkpoint_tools import equal_states, tiny_state

from charrnn.checkpoint import format as fmt
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


def flip(path: Path, bits_at: Callable[[int], Iterable[int]]) -> int:
    """Flip some of the bits at each offset, one after the other; how many."""
    data, flipped = path.read_bytes(), 0
    with open(path, "r+b", buffering=0) as file:
        for offset, byte in enumerate(data):
            for bit in bits_at(offset):
                file.seek(offset)
                file.write(bytes([byte ^ 1 << bit]))
                refusal(path)
                flipped += 1
            file.seek(offset)
            file.write(bytes([byte]))
    print(f"bits flipped: {flipped}, not found: 0")
    assert equal_states(read(path), tiny_state())
    return flipped


def test_flipped_bits_are_found(path: Path) -> None:
    """Every bit before the manifest. Of other bytes one: they are only compared, or hashed."""
    end = fmt.MANIFEST_OFFSET
    flipped = flip(path, lambda offset: range(8) if offset < end else (offset % 8,))
    assert flipped == path.stat().st_size + 7 * end


@pytest.mark.soak
def test_every_flipped_bit_is_found(path: Path) -> None:
    assert flip(path, lambda offset: range(8)) == 8 * path.stat().st_size


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
