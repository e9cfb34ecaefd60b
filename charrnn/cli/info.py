"""``charrnn info``: what a model file holds, and how its training went."""

from __future__ import annotations

import itertools
import math
import sys
import time
from pathlib import Path
from typing import Any

from charrnn.checkpoint import Checkpoint
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output, finite, width
from charrnn.data.vocab import NOUNS
from charrnn.errors import CheckpointError
from charrnn.messages import escape_char, path_name, pluralize, printable

_BARS = "▁▂▃▄▅▆▇█"
_ROWS = 6


def info(model: str, as_json: bool) -> None:
    """Print what the file called ``model`` holds.

    Raises:
        CheckpointError: it is missing, damaged or no model.
    """
    checkpoint = load_checkpoint(model, training=True)
    try:
        facts = _facts(model, checkpoint)
        text = "" if as_json else _text(facts)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # A file may say anything of its training: only --resume looks at it more closely.
        raise CheckpointError(
            f"{path_name(model)}: what it says of its training makes no sense "
            f"({type(error).__name__}: {error}); restore it from a copy, or train it again"
        ) from error
    output = Output()
    if as_json:
        output.json(facts)
    else:
        output.write(text)
    output.end()


def _facts(path: str, checkpoint: Checkpoint) -> dict[str, Any]:
    run: dict[str, Any] = checkpoint.training.document if checkpoint.training else {}
    model = checkpoint.config.model
    file = Path(path).stat()
    return {
        "file": path,
        "bytes": file.st_size,
        # A date in the model would make equal runs give unequal files.
        "modified": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(file.st_mtime)),
        "cell": model.cell,
        "hidden_size": model.hidden_size,
        "num_layers": model.num_layers,
        "dropout": model.dropout,
        "locked_dropout": model.locked_dropout,
        "parameters": int(checkpoint.params.flat.size),
        "unit": checkpoint.vocab.unit,
        "vocabulary": _symbols(checkpoint),
        "weights_sha256": checkpoint.params.digest(),
        "started_from": checkpoint.origin or None,
        "corpus": checkpoint.corpus,
        "steps": run.get("step"),
        "epochs": run.get("epoch"),
        "characters": run.get("characters"),
        "best_nats_per_char": run.get("best"),
        "best_bits_per_char": run["best"] / math.log(2) if run.get("best") is not None else None,
        "smooth_loss": finite(run.get("smooth_loss")),
        "history": run.get("history", []),
        "versions": checkpoint.versions,
        "config": checkpoint.config.to_dict(),
    }


def _symbols(checkpoint: Checkpoint) -> list[str | int]:
    points = checkpoint.vocab.points.tolist()
    return points if checkpoint.vocab.unit == "byte" else [chr(p) for p in points]


def _text(facts: dict[str, Any]) -> str:
    rows = [(name, text) for name, text in _rows(facts) if text]
    # Anything may be called a corpus in a model from elsewhere.
    text = "".join(f"{name:<12} {printable(value, 1000)}\n" for name, value in rows)
    scores = [record["nats_per_char"] for record in facts["history"]]
    if len(scores) > 1:
        text += f"\nvalidation, nats per {NOUNS[facts['unit']]}\n" + chart(scores, _width() - 10)
        last = facts["history"][-1]["step"]
        text += f"{'':9}steps {facts['history'][0]['step']:,} to {last:,}\n"
    return text


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    corpus, versions = facts["corpus"], facts["versions"]
    best, origin = facts["best_nats_per_char"], facts["started_from"]
    layers, dropout = facts["num_layers"], facts["dropout"]
    kind = "locked dropout" if facts["locked_dropout"] else "dropout"
    noun = NOUNS[facts["unit"]]
    characters = f", {pluralize(corpus['characters'], noun)}" if corpus and noun != "byte" else ""
    return [
        ("file", f"{facts['file']} ({facts['bytes']:,} bytes)"),
        ("modified", f"{facts['modified']}, by the file's own date"),
        (
            "model",
            f"{facts['cell']}, {pluralize(layers, 'layer')} of {facts['hidden_size']} units"
            f"{f', {kind} {dropout:g}' if dropout else ''}, {facts['parameters']:,} parameters",
        ),
        ("weights", f"sha256 {facts['weights_sha256']}"),
        ("started from", f"{origin['name']}, weights sha256 {origin['sha256']}" if origin else ""),
        ("vocabulary", _vocabulary(facts)),
        (
            "corpus",
            f"{corpus['name']} ({corpus['size']:,} bytes{characters})" if corpus else "",
        ),
        ("sha256", corpus.get("sha256", "")),
        (
            "trained",
            f"{pluralize(facts['steps'], 'step')}, {pluralize(facts['epochs'], 'epoch')}, "
            f"{pluralize(facts['characters'], noun)}"
            if facts["steps"] is not None
            else "saved without its training",
        ),
        (
            "best",
            f"{best:.4f} nats, {facts['best_bits_per_char']:.4f} bits per held-out {noun}"
            if best is not None
            else "",
        ),
        (
            "smooth loss",
            f"{facts['smooth_loss']:.4f}"
            if facts["smooth_loss"] is not None and facts["config"]["train"]["reduction"] == "sum"
            else "",
        ),
        ("written by", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]


def _vocabulary(facts: dict[str, Any]) -> str:
    symbols = facts["vocabulary"]
    if facts["unit"] == "byte":
        return "256 bytes"
    shown = "".join(map(escape_char, symbols))
    room = max(20, _width() - 32)
    if len(shown) > room:
        shown = shown[:room] + "..."
    return f"{len(symbols):,} characters: {shown}"


def _width() -> int:
    return min(width(sys.stdout), 100) if sys.stdout else 80


def chart(values: list[float], width: int) -> str:
    """``values`` as columns of block characters, the scale at the left."""
    values = _resampled(values, max(10, width))
    low, high = min(values), max(values)
    span = high - low or 1.0
    # Each column is so many eighths of a row high; the lowest still shows.
    eighths = [1 + round((v - low) / span * (_ROWS * 8 - 1)) for v in values]
    lines = []
    for row in reversed(range(_ROWS)):
        label = {_ROWS - 1: f"{high:8.3f}", 0: f"{low:8.3f}"}.get(row, "")
        cells = (_cell(height - row * 8) for height in eighths)
        lines.append(f"{label:>8} {''.join(cells)}".rstrip())
    return "\n".join(lines) + "\n"


def _cell(height: int) -> str:
    return " " if height <= 0 else _BARS[min(height, 8) - 1]


def _resampled(values: list[float], width: int) -> list[float]:
    """As many columns as fit: means where there are too many, repeats where there are few."""
    n = len(values)
    if n <= width:
        return [v for v in values for _ in range(min(width // n, 3))]
    edges = [i * n // width for i in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
