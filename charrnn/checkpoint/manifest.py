"""The manifest and the JSON of a checkpoint: to bytes, and back with all the checks.

Both are read in the same way: parsed, then written again. What does not come out as it
was is refused, so no oddity of JSON needs a rule of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

from charrnn.checkpoint.failure import Damage, Refusal
from charrnn.checkpoint.format import (
    FORMAT_VERSION,
    MAX_DIGITS,
    MAX_MANIFEST,
    MAX_META,
    MAX_META_VALUES,
    META,
    Entry,
)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PROGRAM = re.compile(r"[ -~]{1,64}")


def encode_json(value: object) -> bytes:
    """Return the one way in which this format writes `value`.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def decode_json(data: bytes) -> object:
    """Read JSON that is written exactly as `encode_json` writes it.

    So whatever a lenient parser lets pass, such as the first of two equal keys, NaN or
    1e999, is found by writing it again.

    Raises:
        Damage: it is not.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_META_VALUES:
        raise Damage("its JSON has too many values")
    try:
        value: object = json.loads(data.decode("ascii"), parse_int=_parse_int)
        if encode_json(value) == data:
            return value
    except (ValueError, RecursionError) as exc:
        raise Damage("its JSON cannot be read") from exc
    raise Damage("its JSON is not in the one form allowed")


def _parse_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("an integer of too many digits")
    return int(digits)


def encode_manifest(program: str, entries: Sequence[Entry]) -> bytes:
    """Return the manifest's text.

    Raises:
        Refusal: too many arrays, or `program` is not 1 to 64 printable ASCII characters.
    """
    if not _PROGRAM.fullmatch(program):
        raise Refusal("the program's version is not allowed", "use up to 64 ASCII characters")
    arrays = [vars(entry) for entry in entries]
    body = encode_json({"format": FORMAT_VERSION, "program": program, "arrays": arrays})
    text = hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body
    if len(text) > MAX_MANIFEST:
        raise Refusal("too many arrays for one checkpoint", "choose a model of fewer layers")
    return text


def decode_manifest(text: bytes) -> list[Entry]:
    """Read a manifest's text and check all that can be known from it alone.

    Raises:
        Refusal: it needs a newer charrnn; it is damaged; it says what no writer says.
    """
    digest, newline, body = text[:64], text[64:65], text[65:]
    if newline != b"\n" or hashlib.sha256(body).hexdigest().encode("ascii") != digest:
        raise Damage("its manifest does not match its digest")
    document = decode_json(body)
    match document:
        case {"format": int(version)} if version > FORMAT_VERSION:
            raise Refusal(
                f"format version {version}, and this charrnn knows {FORMAT_VERSION}",
                "install a newer charrnn",
            )
        case {"format": 1, "program": str(program), "arrays": [_, *_] as items}:
            entries = [_decode_entry(item) for item in items]
        case _:
            raise Damage("its manifest is incomplete")
    names = [entry.name for entry in entries]
    if names[0] != META or META in names[1:] or names[1:] != sorted(set(names[1:])):
        raise Damage("its manifest does not list meta and then sorted names, each once")
    if entries[0].dtype != "uint8" or len(entries[0].shape) != 1 or entries[0].nbytes > MAX_META:
        raise Damage("its meta is not a JSON text of at most 32 MiB")
    if not _PROGRAM.fullmatch(program) or encode_manifest(program, entries) != text:
        raise Damage("its manifest says more than it may")
    return entries


def _decode_entry(item: object) -> Entry:
    match item:
        case {
            "name": str(name),
            "dtype": str(dtype),
            "shape": list(shape),
            "sha256": str(sha256),
            "crc32": int(crc32),
        } if _SHA256.fullmatch(sha256) and crc32 < 2**32:
            entry = Entry(name, dtype, tuple(shape), sha256, crc32)
        case _:
            raise Damage("an entry of its manifest is incomplete")
    # JSON's true is an int to Python, and so passes the pattern.
    if not all(type(n) is int and n >= 0 for n in (crc32, *shape)):
        raise Damage("its manifest has a number that is none")
    if (objection := entry.objection()) is not None:
        raise Damage(objection)
    return entry
