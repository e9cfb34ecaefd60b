"""The manifest and the JSON of a checkpoint: encoded, and decoded with all checks.

Both are decoded in the same way: parsed, then encoded again and compared. What is not
identical is refused, so no peculiarity of JSON needs a separate rule.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from charrnn.checkpoint.errors import damaged
from charrnn.checkpoint.format import (
    FORMAT_VERSION,
    MAX_DIGITS,
    MAX_MANIFEST,
    MAX_META,
    MAX_META_VALUES,
    META,
    Entry,
)
from charrnn.errors import CheckpointError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PROGRAM = re.compile(r"[ -~]{1,64}")


def encode_json(value: object) -> bytes:
    """Return the canonical form of ``value``, the only one that this format allows.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def decode_json(data: bytes) -> object:
    """Read JSON that is exactly as :func:`encode_json` returns it.

    Encoding the result again finds whatever a lenient parser accepts, such as the first of
    two equal keys, NaN or 1e999.

    Raises:
        CheckpointError: it is not.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_META_VALUES:
        raise damaged("its JSON has too many values")
    try:
        value: object = json.loads(data.decode("ascii"), parse_int=_parse_int)
        if encode_json(value) == data:
            return value
    except (ValueError, RecursionError) as exc:
        raise damaged("its JSON cannot be read") from exc
    raise damaged("its JSON is not in canonical form")


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("an integer has too many digits")
    return int(digits)


def encode_manifest(program: str, entries: Sequence[Entry]) -> bytes:
    """Return the manifest's text.

    Raises:
        CheckpointError: there are too many arrays, or ``program`` is not 1 to 64 printable
            ASCII characters.
    """
    if not _PROGRAM.fullmatch(program):
        raise CheckpointError(
            "the program's version is not allowed", "use up to 64 ASCII characters"
        )
    arrays = [vars(entry) for entry in entries]
    body = encode_json({"format": FORMAT_VERSION, "program": program, "arrays": arrays})
    text = hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body
    if len(text) > MAX_MANIFEST:
        raise CheckpointError(
            "too many arrays for one checkpoint", "choose a model with fewer layers"
        )
    return text


def decode_manifest(text: bytes) -> list[Entry]:
    """Read a manifest's text and check all that can be known from it alone.

    Raises:
        CheckpointError: it needs a newer charrnn, is damaged, or holds what no version writes.
    """
    digest, newline, body = text[:64], text[64:65], text[65:]
    if newline != b"\n" or hashlib.sha256(body).hexdigest().encode("ascii") != digest:
        raise damaged("its manifest does not match its digest")
    document = decode_json(body)
    match document:
        case {"format": int(version)} if version > FORMAT_VERSION:
            raise CheckpointError(
                f"its format version is {version}, but this charrnn reads only {FORMAT_VERSION}",
                "install a newer charrnn",
            )
        case {"format": 1, "program": str(program), "arrays": [_, *_] as arrays}:
            entries = [_decode_entry(array) for array in arrays]
        case _:
            raise damaged("its manifest is incomplete")
    names = [entry.name for entry in entries]
    if names[0] != META or META in names[1:] or names[1:] != sorted(set(names[1:])):
        raise damaged("its manifest does not list meta first and then sorted names, each once")
    if entries[0].dtype != "uint8" or len(entries[0].shape) != 1 or entries[0].nbytes > MAX_META:
        raise damaged("its meta is not a JSON text of at most 32 MiB")
    if not _PROGRAM.fullmatch(program) or encode_manifest(program, entries) != text:
        raise damaged("its manifest holds more than the format allows")
    return entries


def _decode_entry(value: object) -> Entry:
    match value:
        case {
            "name": str(name),
            "dtype": str(dtype),
            "shape": list(shape),
            "sha256": str(sha256),
            "crc32": int(crc32),
        } if _SHA256.fullmatch(sha256) and crc32 < 2**32:
            entry = Entry(name, dtype, tuple(shape), sha256, crc32)
        case _:
            raise damaged("an entry of its manifest is incomplete")
    # JSON's true matches int() above, because Python's bool is an int.
    if not all(type(n) is int and n >= 0 for n in (crc32, *shape)):
        raise damaged("an entry of its manifest has an invalid number")
    if (problem := entry.problem()) is not None:
        raise damaged(problem)
    return entry
