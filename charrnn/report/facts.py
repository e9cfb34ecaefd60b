"""Facts about a model that are known without running it."""

from __future__ import annotations

import base64
import math
import os
import unicodedata

import numpy as np

from charrnn.data.vocab import NOUNS, Vocab
from charrnn.errors import ConfigError
from charrnn.messages import escape_char, pluralize, printable
from charrnn.model import CharRNN
from charrnn.nn.params import Array
from charrnn.report.content import ModelContent, Point
from charrnn.training.state import RunState

#: The largest number of float16.
LARGEST = 65_504.0
_CELLS = {"rnn": "a simple RNN", "lstm": "an LSTM", "gru": "a GRU"}
_SHORT_NAMES = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5"}


def describe(model: CharRNN, ngram: float | None, play: bool = False) -> ModelContent:
    """Facts about a model that are known without running it.

    Args:
        ngram: bits per character of a 6-gram model on the held-out part, if known.
        play: whether the page runs the network.

    Raises:
        ConfigError: it is a model of words.
    """
    if model.vocab.unit == "word":
        raise ConfigError(
            f"{model.name}: the page shows characters, but this is a model of words",
            "colour a text on a terminal instead",
        )
    arch, vocab, run = model.network.arch, model.vocab, model.run
    history = _history(run) if run else []
    scores = [point.validation for point in history if point.validation is not None]
    best = min(scores, default=None)
    return ModelContent(
        name=short_name(model.name),
        summary=_summary(model, best, ngram) + _mixed(model, play),
        cell=arch.cell,
        hidden_size=arch.hidden_size,
        num_layers=arch.num_layers,
        records=model.of_records,
        start=vocab.start,
        rare=vocab.rare_id,
        unit=vocab.unit,
        points=vocab.points.tolist(),
        labels=_labels(vocab),
        shapes=list(model.network.params.shapes.items()),
        uniform=round(math.log2(len(vocab)), 4),
        ngram=ngram,
        validation=best,
        history=history,
        seed=0,
        samples=[],
        milestones=[],
        text=None,
        units=None,
    )


def _history(run: RunState) -> list[Point]:
    if not run.history:
        each = run.characters / max(1, run.step)
        return [Point(step, round(step * each), _bits(loss), None) for step, loss in run.losses]
    return [
        Point(
            point.step,
            point.characters,
            None if point.loss is None else _bits(point.loss),
            _bits(point.nats_per_char),
        )
        for point in run.history
    ]


def _summary(model: CharRNN, best: float | None, ngram: float | None) -> str:
    arch, vocab, run, noun = model.network.arch, model.vocab, model.run, NOUNS[model.vocab.unit]
    layers = f"{pluralize(arch.num_layers, 'layer')} of {pluralize(arch.hidden_size, 'unit')}"
    size = pluralize(model.network.params.flat.size, "parameter")
    text = f"This is {_CELLS[arch.cell]} with {layers} and {size}. It reads and writes text one "
    text += f"{noun} at a time and knows {len(vocab):,} different {noun}s."
    if model.corpus:
        length = pluralize(model.corpus.characters, noun)
        text += f" It was trained on {short_name(model.corpus.name)} ({length})"
        if run:
            text += f" for {pluralize(run.step, 'step')}"
            text += f", {pluralize(run.epoch, 'epoch')} in all" if run.epoch > 1 else ""
        text += "."
    if best is not None:
        text += f" At its best it needed {best:.2f} bits per {noun} for text that it had not seen; "
        text += f"a uniform guess needs {math.log2(len(vocab)):.2f}"
        text += "." if ngram is None else f", a 6-gram model {ngram:.2f}."
    return text


def _mixed(model: CharRNN, play: bool) -> str:
    """Sentences about the n-gram model that takes part in its predictions."""
    if model.mixture is None:
        return ""
    share = f"{model.mixture.weight:.0%}"
    text = f" Its predictions are a mixture: {share} by an n-gram model, the rest by the network."
    return text + " To play with here, there is the network alone." * play


def _labels(vocab: Vocab) -> list[str]:
    """How each symbol is shown: visible, and without any effect on what is around it."""
    labels = []
    for point in vocab.points.tolist():
        char = chr(point)
        if vocab.unit == "byte" and point > 0x7E:
            labels.append(f"\\x{point:02x}")
        elif char == vocab.end and char not in _SHORT_NAMES:
            labels.append("\N{PILCROW SIGN}")
        elif char in _SHORT_NAMES:
            labels.append(_SHORT_NAMES[char])
        elif unicodedata.combining(char):
            labels.append(f"\N{DOTTED CIRCLE}{char}")
        else:
            labels.append(escape_char(char))
    return labels


def weights_of(model: CharRNN) -> str:
    flat = np.clip(model.network.params.flat, -LARGEST, LARGEST)
    return base64_of(flat.astype("<f2"))


def short_name(path: str) -> str:
    """A file without its folder, as the page shows it."""
    return printable(os.path.basename(path) or path)


def _bits(nats: float) -> float:
    return round(nats / math.log(2.0), 4)


def base64_of(values: Array) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
