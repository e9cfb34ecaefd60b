"""``charrnn info``: what a model file holds, and how its training went."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from charrnn.checkpoint import Checkpoint
from charrnn.cli.chart import SCALE_WIDTH, charts
from charrnn.cli.model import load_checkpoint
from charrnn.cli.output import Output, finite
from charrnn.cli.parts import parts_alone
from charrnn.cli.terminal import width
from charrnn.config.schema import ModelConfig
from charrnn.data.vocab import FIELDS, NOUNS, Vocab
from charrnn.messages import cells, decimal, escape_char, pluralize, printable, wrapped
from charrnn.mixing import Mixture
from charrnn.training.state import ValidationPoint

#: Width of the column of names; with it, a digest ends at column 80.
_NAMES = 15
#: Digits of a digest that a narrow terminal shows.
_DIGITS = 16


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
    each = FIELDS[checkpoint.vocab.unit]
    return {
        "file": path,
        "bytes": Path(path).stat().st_size,
        "modified": _modified(path),
        "cell": model.cell,
        "hidden_size": model.hidden_size,
        "num_layers": model.num_layers,
        "dropout": model.dropout,
        "locked_dropout": model.locked_dropout,
        "weight_dropout": model.weight_dropout,
        "parameters": int(checkpoint.params.flat.size),
        "ngram": _ngram_document(checkpoint.mixture) if checkpoint.mixture else None,
        "unit": checkpoint.vocab.unit,
        "vocabulary": _symbols(checkpoint.vocab),
        "weights_sha256": checkpoint.params.digest(),
        "started_from": asdict(checkpoint.origin) if checkpoint.origin else None,
        "corpus": asdict(checkpoint.corpus) if checkpoint.corpus else {},
        "steps": state.step if state else None,
        "epochs": state.epoch if state else None,
        "characters": state.characters if state else None,
        f"best_nats_per_{each}": best,
        f"best_bits_per_{each}": None if best is None else best / math.log(2),
        "smooth_loss": finite(state.smooth_loss) if state else None,
        "history": [_point(point, each) for point in state.history] if state else [],
        "versions": checkpoint.versions,
        "config": checkpoint.config.to_dict(),
    }


def _ngram_document(mixture: Mixture) -> dict[str, object]:
    counts = mixture.ngram.counts
    return {
        "order": counts.order,
        "ngrams": counts.size,
        "weight": mixture.weight,
    }


def _point(point: ValidationPoint, each: str) -> dict[str, object]:
    """A validation; its score is per character or per word."""
    return {k.replace("per_char", f"per_{each}"): v for k, v in point.to_dict().items()}


def _modified(path: str) -> str:
    # A date inside the model would make the files of equal runs differ.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(Path(path).stat().st_mtime))


def _symbols(vocab: Vocab) -> list[str | int]:
    points: list[int | str] = vocab.points.tolist()
    return [chr(p) if vocab.unit == "char" and isinstance(p, int) else p for p in points]


def _text(path: str, checkpoint: Checkpoint) -> str:
    # A model from elsewhere may hold anything as a name.
    rows = [(name, printable(text, 1000)) for name, text in _rows(path, checkpoint) if text]
    lines = [f"{name:<{_NAMES}} {value}" for name, value in rows]
    if _on_terminal():
        lines = [wrapped(line, width(sys.stdout), _NAMES + 1) for line in lines]
    return "\n".join(lines) + "\n" + _charts(checkpoint)


def _charts(checkpoint: Checkpoint) -> str:
    """How validation and training loss went; the smooth loss where nothing was held out."""
    if not checkpoint.training:
        return ""
    state, unit = checkpoint.training.state, f"nats per {NOUNS[checkpoint.vocab.unit]}"
    history, series = state.history, {}
    steps = [point.step for point in history]
    if len(history) > 1:
        series[f"validation, {unit}"] = [point.nats_per_char for point in history]
        if any(point.network is not None for point in history):
            alone = [point.by_network for point in history]
            series["validation of the network alone"] = alone
        losses = [point.loss for point in history if point.loss is not None]
        series["training, the single windows before each validation"] = losses
    elif len(state.losses) > 1:
        steps = [step for step, _ in state.losses]
        series[f"smooth training loss, {unit}"] = [loss for _, loss in state.losses]
    if not series:
        return ""
    return f"\n{charts(series, _width())}{'':{SCALE_WIDTH}}steps {steps[0]:,} to {steps[-1]:,}\n"


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
    if checkpoint.mixture:
        yield "n-grams", _ngrams(checkpoint.mixture)
    yield "weights sha256", _digest(checkpoint.params.digest())
    if origin:
        yield "started from", f"{origin.name}, weights sha256 {_digest(origin.sha256)}"
    yield "vocabulary", _vocabulary(checkpoint.vocab)
    if checkpoint.config.data.of_records:
        yield "records", checkpoint.config.data.records
    if corpus:
        characters = "" if noun == "byte" else f", {pluralize(corpus.characters, noun)}"
        yield "corpus", f"{corpus.name} ({corpus.size:,} bytes{characters})"
        yield "corpus sha256", _digest(corpus.sha256)
    if not checkpoint.training:
        yield "trained", "saved without its training state"
    else:
        state, train = checkpoint.training.state, checkpoint.config.train
        length = f"{'up to ' if checkpoint.config.data.of_records else ''}{train.seq_length}"
        yield (
            "trained",
            f"{pluralize(state.step, 'step')} of {state.streams} x {length} {noun}s, "
            f"{_epochs(checkpoint)}"
            f"{pluralize(state.characters, noun)}",
        )
        if state.best is not None:
            nats, bits = decimal(state.best, 4), decimal(state.best / math.log(2), 4)
            yield "best", f"{nats} nats, {bits} bits per held-out {noun}"
            yield "alone", parts_alone(state)
        if train.reduction == "sum":
            yield "smooth loss", decimal(state.smooth_loss, 4)
    versions = checkpoint.versions.items()
    yield "written by", ", ".join(f"{name} {version}" for name, version in versions)


def _ngrams(mixture: Mixture) -> str:
    counts = mixture.ngram.counts
    return (
        f"up to {counts.order} long, {counts.size:,} of them, with a weight of {mixture.weight:.2f}"
    )


def _epochs(checkpoint: Checkpoint) -> str:
    """How often the text was read, as progress shows it; empty if its length is not known."""
    if not (checkpoint.training and checkpoint.corpus):
        return ""
    train = checkpoint.corpus.characters * (1 - checkpoint.config.data.val_fraction)
    return pluralize(round(checkpoint.training.state.characters / train, 1), "epoch") + ", "


def _digest(digest: str) -> str:
    """A digest, shortened if the terminal has no room for it."""
    return digest if _width() >= _NAMES + 1 + len(digest) else f"{digest[:_DIGITS]}..."


def _dropout(model: ModelConfig) -> str:
    said = ""
    if model.dropout:
        said += f", {'locked ' if model.locked_dropout else ''}dropout {model.dropout:g}"
    if model.weight_dropout:
        said += f", weight dropout {model.weight_dropout:g}"
    return said


def _vocabulary(vocab: Vocab) -> str:
    if vocab.unit == "byte":
        return "256 bytes"
    count = f"{pluralize(len(vocab), NOUNS[vocab.unit])}: "
    room = max(20, _width() - _NAMES - 1 - len(count) - len("..."))
    shown = ""
    for symbol in _symbols(vocab):
        if cells(shown) + cells(escape_char(str(symbol))) > room:
            return f"{count}{shown}..."
        shown += escape_char(str(symbol))
    return count + shown


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _width() -> int:
    return min(width(sys.stdout), 100) if sys.stdout else 80
