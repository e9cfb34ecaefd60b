"""``charrnn info``: what a model file holds, and how its training went."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from charrnn.checkpoint import Checkpoint
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output, finite, width
from charrnn.config.schema import ModelConfig
from charrnn.data.vocab import NOUNS, Vocab
from charrnn.messages import escape_char, pluralize, printable

_BARS = "▁▂▃▄▅▆▇█"
_ROWS = 6


def info(model: str, as_json: bool) -> None:
    """Print what the file called ``model`` holds.

    Raises:
        CheckpointError: it is missing, damaged or not a model.
    """
    checkpoint = load_checkpoint(model, training=True)
    output = Output()
    if as_json:
        output.json(_document(model, checkpoint))
    else:
        output.write(_text(model, checkpoint))
    output.end()


def _document(path: str, checkpoint: Checkpoint) -> dict[str, object]:
    """What :func:`info` prints, as JSON can hold it."""
    state = checkpoint.training.state if checkpoint.training else None
    best = state.best if state else None
    model = checkpoint.config.model
    return {
        "file": path,
        "bytes": Path(path).stat().st_size,
        "modified": _modified(path),
        "cell": model.cell,
        "hidden_size": model.hidden_size,
        "num_layers": model.num_layers,
        "dropout": model.dropout,
        "locked_dropout": model.locked_dropout,
        "parameters": int(checkpoint.params.flat.size),
        "unit": checkpoint.vocab.unit,
        "vocabulary": _symbols(checkpoint.vocab),
        "weights_sha256": checkpoint.params.digest(),
        "started_from": asdict(checkpoint.origin) if checkpoint.origin else None,
        "corpus": asdict(checkpoint.corpus) if checkpoint.corpus else {},
        "steps": state.step if state else None,
        "epochs": state.epoch if state else None,
        "characters": state.characters if state else None,
        "best_nats_per_char": best,
        "best_bits_per_char": None if best is None else best / math.log(2),
        "smooth_loss": finite(state.smooth_loss) if state else None,
        "history": [point.to_dict() for point in state.history] if state else [],
        "versions": checkpoint.versions,
        "config": checkpoint.config.to_dict(),
    }


def _modified(path: str) -> str:
    # A date inside the model would make the files of equal runs differ.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(Path(path).stat().st_mtime))


def _symbols(vocab: Vocab) -> list[str | int]:
    points: list[int] = vocab.points.tolist()
    return [*points] if vocab.unit == "byte" else [chr(p) for p in points]


def _text(path: str, checkpoint: Checkpoint) -> str:
    # A model from elsewhere may hold anything as a name.
    rows = [(name, printable(text, 1000)) for name, text in _rows(path, checkpoint) if text]
    text = "".join(f"{name:<12} {value}\n" for name, value in rows)
    history = checkpoint.training.state.history if checkpoint.training else []
    if len(history) > 1:
        scores = [point.nats_per_char for point in history]
        text += f"\nvalidation, nats per {NOUNS[checkpoint.vocab.unit]}\n"
        text += chart(scores, _width() - 10)
        text += f"{'':9}steps {history[0].step:,} to {history[-1].step:,}\n"
    return text


def _rows(path: str, checkpoint: Checkpoint) -> Iterator[tuple[str, str]]:
    """Names and values; an empty value is not shown."""
    model, corpus, origin = checkpoint.config.model, checkpoint.corpus, checkpoint.origin
    noun = NOUNS[checkpoint.vocab.unit]
    yield "file", f"{path} ({Path(path).stat().st_size:,} bytes)"
    yield "modified", f"{_modified(path)} (date of the file)"
    yield (
        "model",
        f"{model.cell}, {pluralize(model.num_layers, 'layer')} of {model.hidden_size} units"
        f"{_dropout(model)}, {checkpoint.params.flat.size:,} parameters",
    )
    yield "weights", f"sha256 {checkpoint.params.digest()}"
    if origin:
        yield "started from", f"{origin.name}, weights sha256 {origin.sha256}"
    yield "vocabulary", _vocabulary(checkpoint.vocab)
    if corpus:
        characters = "" if noun == "byte" else f", {pluralize(corpus.characters, noun)}"
        yield "corpus", f"{corpus.name} ({corpus.size:,} bytes{characters})"
        yield "sha256", corpus.sha256
    if not checkpoint.training:
        yield "trained", "saved without its training state"
    else:
        state = checkpoint.training.state
        yield (
            "trained",
            f"{pluralize(state.step, 'step')}, {pluralize(state.epoch, 'epoch')}, "
            f"{pluralize(state.characters, noun)}",
        )
        if state.best is not None:
            bits = state.best / math.log(2)
            yield "best", f"{state.best:.4f} nats, {bits:.4f} bits per held-out {noun}"
        if checkpoint.config.train.reduction == "sum":
            yield "smooth loss", f"{state.smooth_loss:.4f}"
    versions = checkpoint.versions.items()
    yield "written by", ", ".join(f"{name} {version}" for name, version in versions)


def _dropout(model: ModelConfig) -> str:
    if not model.dropout:
        return ""
    return f", {'locked ' if model.locked_dropout else ''}dropout {model.dropout:g}"


def _vocabulary(vocab: Vocab) -> str:
    if vocab.unit == "byte":
        return "256 bytes"
    shown = "".join(escape_char(chr(point)) for point in vocab.points.tolist())
    room = max(20, _width() - 32)
    if len(shown) > room:
        shown = shown[:room] + "..."
    return f"{len(vocab):,} characters: {shown}"


def _width() -> int:
    return min(width(sys.stdout), 100) if sys.stdout else 80


def chart(values: list[float], width: int) -> str:
    """``values`` as columns of block characters, with the scale on the left."""
    values = _resampled(values, max(10, width))
    low, high = min(values), max(values)
    span = high - low or 1.0
    # The height of each column in eighths of a row; the lowest is still visible.
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
    """As many values as columns fit: means if there are too many, repeats if there are few."""
    n = len(values)
    if n <= width:
        return [v for v in values for _ in range(min(width // n, 3))]
    edges = [i * n // width for i in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
