"""Files made to deceive: all their checksums are right, and what they say is not."""

from __future__ import annotations

import os
import random
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_tools import (
    Member,
    archive,
    canonical,
    cpu_limit,
    entries_of,
    equal_arrays,
    equal_states,
    manifest_of,
    members_of,
    npy,
    shapes_of,
    tiny_state,
    with_checksums,
    with_digest,
)

from charrnn.checkpoint import format as fmt
from charrnn.checkpoint.reader import read
from charrnn.errors import CheckpointError, ConfigError

META, ARRAYS = tiny_state()
MEMBERS = members_of(canonical(META), ARRAYS)
ENTRIES = entries_of(MEMBERS, ARRAYS)
VALID = archive(manifest_of(ENTRIES), MEMBERS)
INDEX = {name: n for n, (name, _, _) in enumerate(MEMBERS)}


def altered(name: str, /, **changes: Any) -> list[dict[str, Any]]:
    """The valid entries, except for some keys of one."""
    return [{**e, **changes} if e["name"] == name else e for e in ENTRIES]


def forged(
    name: str, descr: str, shape: object, fortran: object = False, /, **changes: Any
) -> bytes:
    """A file with another npy header for one array, and a manifest that agrees."""
    members = list(MEMBERS)
    index = INDEX[name]
    members[index] = (name, npy(descr, shape, fortran), members[index][2])
    return archive(manifest_of(with_checksums(altered(name, **changes), members)), members)


def with_manifest(entries: object, **more: object) -> bytes:
    return archive(manifest_of(entries, **more), MEMBERS)


def with_meta(text: bytes) -> bytes:
    members = members_of(text, ARRAYS)
    return archive(manifest_of(entries_of(members, ARRAYS)), members)


def with_members(members: list[Member], entries: list[dict[str, Any]]) -> bytes:
    return archive(manifest_of(with_checksums(entries, members)), members)


NAME = "params.layers.0.W_h"
NAN = np.full((2, 3), np.nan, np.float32).tobytes()
ORDER = [MEMBERS[0], *reversed(MEMBERS[1:])], [ENTRIES[0], *reversed(ENTRIES[1:])]
TWICE = [*MEMBERS, MEMBERS[-1]], [*ENTRIES, ENTRIES[-1]]
META_TWICE = [MEMBERS[0], *MEMBERS], [ENTRIES[0], *ENTRIES]
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
TEXT = manifest_of(ENTRIES)

CASES: dict[str, tuple[bytes, str]] = {
    "objects": (forged(NAME, "|O", (2, 3), dtype="object"), "has the type object"),
    "objects in the header only": (forged(NAME, "|O", (2, 3)), "headers"),
    "big-endian": (forged(NAME, ">f4", (2, 3)), "headers"),
    "big-endian in both": (forged(NAME, ">f4", (2, 3), dtype=">f4"), "has the type >f4"),
    "fortran order": (forged(NAME, "<f4", (2, 3), True), "headers"),
    "other shape": (forged(NAME, "<f4", (3, 2), shape=[3, 2]), "expected float32 (2, 3)"),
    "other dtype": (forged(NAME, "<i4", (2, 3), dtype="int32"), "expected float32 (2, 3)"),
    "negative": (forged(NAME, "<f4", (-2, -3), shape=[-2, -3]), "an invalid number"),
    "true": (forged(NAME, "<f4", (True, 6), shape=[True, 6]), "an invalid number"),
    "float": (forged(NAME, "<f4", (2.0, 3), shape=[2.0, 3]), "an invalid number"),
    "overflow": (forged(NAME, "<f4", (2**62, 4), shape=[2**62, 4]), "larger than"),
    "11 GiB": (forged(NAME, "<f4", (3 * 2**30,), shape=[3 * 2**30]), "larger than"),
    "3 GiB": (forged(NAME, "<f4", (3 * 2**28,), shape=[3 * 2**28]), "bytes long instead of"),
    "empty overflow": (forged("empty", "|u1", (0, 2**99), shape=[0, 2**39]), "larger than"),
    "many dimensions": (forged(NAME, "<f4", (1,) * 64, shape=[1] * 64), "64 dimensions"),
    "beyond 4 GiB": (
        archive(manifest_of(altered("meta", shape=[2**32 - 300])[:2]), []),
        "meta is not a JSON text",
    ),
    "two halves of 4 GiB": (
        with_manifest(altered("empty", shape=[2**32 - 300])),
        "does not fit into 4 GiB",
    ),
    "not finite": (
        with_members([*MEMBERS[:-1], (NAME, npy("<f4", (2, 3)), NAN)], ENTRIES),
        "not finite",
    ),
    "unsorted": (with_members(*ORDER), "sorted names, each once"),
    "twice": (with_members(*TWICE), "sorted names, each once"),
    "meta twice": (with_members(*META_TWICE), "sorted names, each once"),
    "no meta": (with_members(MEMBERS[1:], ENTRIES[1:]), "sorted names, each once"),
    "meta of floats": (with_manifest(altered("meta", dtype="float32")), "JSON text"),
    "meta of rows": (with_manifest(altered("meta", shape=[1, 9])), "JSON text"),
    "extra array": (
        with_members([*MEMBERS, ("z", npy("|u1", (1,)), b"z")], [*ENTRIES, {**ENTRIES[2], **{
            "name": "z", "dtype": "uint8", "shape": [1]}}]),
        "an unexpected array, z",
    ),
    "missing array": (with_members(MEMBERS[:-1], ENTRIES[:-1]), "W_h is missing"),
    "extra member": (archive(TEXT, [*MEMBERS, MEMBERS[-1]]), "bytes long instead of"),
    "missing member": (archive(TEXT, MEMBERS[:-1]), "bytes long instead of"),
    "comment": (archive(TEXT, MEMBERS, b"hello"), "bytes long instead of"),
    "path as name": (with_manifest(altered("empty", name="../e")), "not allowed"),
    "terminal codes": (with_manifest(altered("empty", name="\x1b[2J")), "allowed"),
    "no digest": (with_manifest(altered("empty", sha256="0")), "incomplete"),
    "CRC too big": (with_manifest(altered("empty", crc32=2**32)), "incomplete"),
    "CRC wrong": (with_manifest(altered("empty", crc32=1)), "headers"),
    "CRC true": (with_manifest(altered("empty", crc32=True)), "an invalid number"),
    "key too many": (with_manifest(altered("empty", more=1)), "more than the format allows"),
    "top key too many": (with_manifest(ENTRIES, more=1), "more than the format allows"),
    "no entries": (with_manifest([]), "incomplete"),
    "entries of text": (with_manifest(["meta"]), "incomplete"),
    "arrays is null": (with_manifest(None), "incomplete"),
    "program": (with_manifest(ENTRIES, program="a\nb"), "more than the format allows"),
    "format true": (with_manifest(ENTRIES, format=True), "more than the format allows"),
    "format 0": (with_manifest(ENTRIES, format=0), "incomplete"),
    "format 2": (
        with_manifest(None, format=2),
        "format version is 2, but this charrnn reads only 1; install a newer charrnn",
    ),
    "manifest of nothing": (archive(b"", MEMBERS), "does not match its digest"),
    "manifest of text": (archive(with_digest(b"fox"), MEMBERS), "JSON cannot be read"),
    "spaces": (archive(with_digest(TEXT[65:] + b" "), MEMBERS), "not in canonical form"),
    "key twice": (
        archive(with_digest(b'{"format":1,' + TEXT[66:]), MEMBERS),
        "not in canonical form",
    ),
    "deep manifest": (archive(with_digest(b"[" * 10**6), MEMBERS), "JSON cannot be read"),
    "manifest too long": (archive(with_digest(b" " * (2 << 20)), MEMBERS), "manifest is truncated"),
    "meta is a list": (with_meta(b"[]"), "not a JSON object"),
    "meta is deep": (with_meta(DEEP), "JSON cannot be read"),
    "meta has NaN": (with_meta(b'{"a":NaN}'), "JSON cannot be read"),
    "meta has infinity": (with_meta(b'{"a":1e999}'), "JSON cannot be read"),
    "meta has a long number": (with_meta(b'{"a":' + b"9" * 10**6 + b"}"), "cannot be read"),
    "meta has a key twice": (with_meta(b'{"a":1,"a":1}'), "not in canonical form"),
    "meta is not ASCII": (with_meta('{"a":"é"}'.encode()), "JSON cannot be read"),
    "meta is empty": (with_meta(b"{}"), "its meta is invalid (KeyError: 'vocab')"),
}  # fmt: skip


def expect(meta: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    assert meta["vocab"]
    return shapes_of(ARRAYS)


def test_the_tools_make_valid_files(tmp_path: Path) -> None:
    """Otherwise the cases below would prove nothing."""
    (tmp_path / "x").write_bytes(VALID)
    assert equal_states(read(tmp_path / "x", expect), tiny_state())
    (tmp_path / "x").write_bytes(with_members(MEMBERS, ENTRIES))
    assert equal_states(read(tmp_path / "x", expect), tiny_state())


@pytest.mark.parametrize("case", CASES)
def test_hostile(tmp_path: Path, case: str) -> None:
    data, message = CASES[case]
    path = tmp_path / "model.npz"
    path.write_bytes(data)
    tracemalloc.start()
    with cpu_limit(10), pytest.raises(CheckpointError) as caught:
        read(path, expect)
    assert tracemalloc.get_traced_memory()[1] < 40 * len(data) + (1 << 20)
    tracemalloc.stop()
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert len(text) < 1000
    assert "pickle" not in text


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(VALID)
    with pytest.raises(CheckpointError, match=r"x{250,}\.\.\.x{100,}'\); restore") as caught:
        read(path, lambda meta: meta["x" * 10**6])
    assert len(str(caught.value)) < 1000

    def expect(meta: dict[str, Any]) -> Any:
        raise ConfigError("x" * 10**6)

    with pytest.raises(CheckpointError, match=r"x{250,}\.\.\.x{100,}; read it with") as caught:
        read(path, expect)
    assert len(str(caught.value)) < 1000


EXPENSIVE = {
    "lists": b"[],",
    "numbers": b"0.1,",
    "words": b'"ab",',
    "one text": b"\\ud83d\\ude00",
}


#: All with limits that are a sixteenth, and one with those of the format; `make soak` has all.
LIMITED = [
    pytest.param(kind, part, marks=[pytest.mark.soak] if part == 1 and kind != "lists" else [])
    for kind in EXPENSIVE
    for part in (1, 16)
]


@pytest.mark.parametrize(("kind", "part"), LIMITED)
def test_the_most_expensive_meta(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, part: int
) -> None:
    """As much JSON as is allowed, and more, of the kinds that take most time and memory."""
    most_bytes, most_values = fmt.MAX_META // part, fmt.MAX_META_VALUES // part
    monkeypatch.setattr("charrnn.checkpoint.manifest.MAX_META", most_bytes)
    monkeypatch.setattr("charrnn.checkpoint.manifest.MAX_META_VALUES", most_values)
    piece = EXPENSIVE[kind]
    counted = piece.count(b",") + piece.count(b"[")
    most = most_bytes // len(piece) + 1
    start, end = (b'{"a":[', b"0]}") if counted else (b'{"a":"', b'"}')
    allowed = min(most, most_values // counted if counted else most) - 20
    path = tmp_path / "x"
    cases = {allowed: "KeyError: 'vocab'", most: "JSON text of at most 32 MiB"}
    if counted:
        cases[allowed + 30] = "its JSON has too many values"
    for count, reason in cases.items():
        path.write_bytes(with_meta(start + piece * count + end))
        with cpu_limit(30), pytest.raises(CheckpointError) as caught:
            read(path, expect)
        assert reason in str(caught.value)


# Mutations at random

Mutation = Callable[[random.Random], bytes]
ODD = (-(2**63), -1, 0, 1, 2, 255, 2**16, 2**31, 2**32 - 1, 2**32, 2**63, 2**64, 10**39, 10**50)
ODD_TEXT = ("", "meta", "manifest", "float64", "object", "x.npy", "\0")
ODD_LIST: tuple[Any, ...] = ([], [0], [[]], {}, {"name": "x"}, [2**31, 2**31], [-1], [1] * 40)
ODD_JSON = (*ODD, *ODD_TEXT, *ODD_LIST, None, True, False, 0.5, 1e308)


def odd_entries(rng: random.Random) -> bytes:
    """Another value somewhere in the manifest, under the right digest."""
    entries: list[Any] = [dict(entry) for entry in ENTRIES]
    for _ in range(rng.randint(1, 2)):
        entry = rng.choice(entries)
        entry[rng.choice([*entry])] = rng.choice(ODD_JSON)
    if rng.random() < 0.5:
        entries = with_checksums(entries, MEMBERS)
    return archive(manifest_of(entries), MEMBERS)


def odd_document(rng: random.Random) -> bytes:
    key = rng.choice(["format", "program", "arrays", "more"])
    values: dict[str, Any] = {key: rng.choice(ODD_JSON)}
    return archive(manifest_of(values.pop("arrays", ENTRIES), **values), MEMBERS)


def odd_header(rng: random.Random) -> bytes:
    """Another npy header, with a manifest that agrees as far as it can."""
    name = rng.choice([*ARRAYS])
    dtype = rng.choice([*fmt.DTYPES, "object", "bool", "void", "float16"])
    descr = rng.choice([*fmt.DTYPES.values(), ">f4", "|O", "<U9", "|V4", "[('a','<f4')]"])
    shape = [rng.choice([*ODD, 2, 3, 6]) for _ in range(rng.randint(0, 4))]
    return forged(name, descr, tuple(shape), rng.random() < 0.3, dtype=dtype, shape=shape)


def odd_members(rng: random.Random) -> bytes:
    """Members moved, removed, repeated or renamed; the manifest agrees or not."""
    order = list(range(len(MEMBERS)))
    for _ in range(rng.randint(1, 3)):
        action, index = rng.randint(0, 3), rng.randrange(len(order))
        if action == 0:
            rng.shuffle(order)
        elif action == 1 and len(order) > 1:
            del order[index]
        elif action == 2:
            order.insert(index, rng.choice(order))
        else:
            order[index] = rng.randrange(len(MEMBERS))
    members = [MEMBERS[n] for n in order]
    if rng.random() < 0.5:
        return with_members(members, [ENTRIES[n] for n in order])
    return archive(TEXT, members, rng.choice([b"", b"comment"]))


def odd_meta(rng: random.Random) -> bytes:
    text = bytearray(canonical(META))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text))
        text[at : at + rng.randint(0, 3)] = rng.choice(
            [b"[", b"]", b"{", b"}", b'"', b",", b"NaN", b"1e999", b"\\u", b"\xff", b"-0", b" "]
        )
    return with_meta(bytes(text))


def odd_data(rng: random.Random) -> bytes:
    """Other data of any length under the right checksums."""
    index = rng.randrange(len(MEMBERS))
    name, header, data = MEMBERS[index]
    data = rng.randbytes(rng.choice([len(data), len(data), 0, 1, 100]))
    return with_members([*MEMBERS[:index], (name, header, data), *MEMBERS[index + 1 :]], ENTRIES)


def odd_bytes(rng: random.Random) -> bytes:
    """Spans of the file overwritten, inserted, removed, swapped."""
    data = bytearray(VALID)
    for _ in range(rng.randint(1, 3)):
        at, other = rng.randrange(len(data)), rng.randrange(len(data))
        span = rng.choice([1, 2, 4, 30, 46, 64, 128])
        piece = rng.choice([rng.randbytes(span), b"\0" * span, b"\xff" * span,
                            bytes(data[other : other + span]), b"PK\5\6", b"PK\1\2"])  # fmt: skip
        end = at + rng.choice([0, span, len(piece)])
        data[at:end] = piece
    return bytes(data)


def odd_fields(rng: random.Random) -> bytes:
    """An odd number in one field of a zip header: a member's, the directory's or the last."""
    data = bytearray(VALID)
    starts = [n for n in range(len(data)) if VALID[n : n + 4] in (b"PK\3\4", b"PK\1\2", b"PK\5\6")]
    at = rng.choice(starts) + 2 * rng.randint(2, 22)
    width = rng.choice([2, 4])
    value = rng.choice([*ODD, rng.randrange(2**32)]) % 256**width
    data[at : at + width] = value.to_bytes(width, "little")
    return bytes(data)


MUTATIONS: list[Mutation] = [
    odd_entries,
    odd_document,
    odd_header,
    odd_members,
    odd_meta,
    odd_data,
    odd_bytes,
    odd_fields,
]


def mutate(path: Path, count: int) -> None:
    """Read mutated files; an accepted one must hold what NumPy finds and what is expected."""
    rng = random.Random(20)
    accepted, slowest, peak = 0, 0.0, 0
    for n in range(count):
        data = MUTATIONS[n % len(MUTATIONS)](rng)
        path.unlink(missing_ok=True)  # truncating waits for the disk on some file systems
        path.write_bytes(data)
        tracemalloc.start()
        started = time.process_time()
        try:
            with cpu_limit(10):
                meta, arrays = read(path, expect)
        except CheckpointError as exc:
            assert str(exc).isprintable()
            assert str(exc).startswith(f"{path}: ")
        else:
            accepted += 1
            assert meta["vocab"]
            assert shapes_of(arrays) == shapes_of(ARRAYS)
            with np.load(path, allow_pickle=False) as file:
                assert all(equal_arrays(file[name], array) for name, array in arrays.items())
        slowest = max(slowest, time.process_time() - started)
        peak = max(peak, tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    print(f"mutations tried: {count}, accepted: {accepted}, ", end="")
    print(f"slowest: {slowest:.3f} s, most memory: {peak / 1024:.0f} KiB")
    assert peak < 4 << 20
    assert accepted < count / 5, "too many mutations change nothing"


def test_mutations(tmp_path: Path) -> None:
    mutate(tmp_path / "model.npz", 400)


@pytest.mark.soak
def test_mutations_campaign(tmp_path: Path) -> None:
    mutate(tmp_path / "model.npz", int(os.environ.get("CHARRNN_SOAK_MUTATIONS", "100000")))
