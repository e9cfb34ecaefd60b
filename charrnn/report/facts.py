"""Facts about a model that are known without running it."""

from __future__ import annotations

import math
import os
import unicodedata

from charrnn.data.vocab import NOUNS, Vocab
from charrnn.messages import escape_char, pluralize, printable
from charrnn.model import CharRNN
from charrnn.report.content import Mixed, ModelContent, Point
from charrnn.training.state import RunState

_CELLS = {"rnn": "a simple RNN", "lstm": "an LSTM", "gru": "a GRU"}
_SHORT_NAMES = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5"}


def describe(model: CharRNN, ngram: float | None) -> ModelContent:
    """Facts about a model that are known without running it.

    Args:
        ngram: bits per character of a 6-gram model on the held-out part, if known.
    """
    arch, vocab, run = model.network.arch, model.vocab, model.run
    history = _history(run) if run else []
    scores = [point.validation for point in history if point.validation is not None]
    best, mixed = min(scores, default=None), _mixed(model)
    return ModelContent(
        name=short_name(model.name),
        summary=_summary(model, best, ngram) + _about(mixed, vocab),
        cell=arch.cell,
        hidden_size=arch.hidden_size,
        num_layers=arch.num_layers,
        records=model.of_records,
        start=vocab.start,
        rare=vocab.rare_id,
        unit=vocab.unit,
        points=vocab.points.tolist(),
        labels=[_label(symbol, vocab) for symbol in vocab.points.tolist()],
        shapes=list(model.network.params.shapes.items()),
        uniform=round(math.log2(len(vocab)), 4),
        ngram=ngram,
        mixture=mixed,
        tables=None,
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
        return [
            Point(step, round(step * each), _bits(loss), None, None) for step, loss in run.losses
        ]
    return [
        Point(
            point.step,
            point.characters,
            None if point.loss is None else _bits(point.loss),
            _bits(point.nats_per_char),
            None if point.network is None else _bits(point.network),
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


def _mixed(model: CharRNN) -> Mixed | None:
    if model.mixture is None:
        return None
    best = model.run.best_point if model.run else None
    alone = (best.network, best.ngram) if best else (None, None)
    network, ngram = (None if nats is None else _bits(nats) for nats in alone)
    return Mixed(model.mixture.weight, network, ngram)


def _about(mixed: Mixed | None, vocab: Vocab) -> str:
    """Sentences about the n-gram model that takes part in the predictions."""
    if mixed is None:
        return ""
    share = f"{mixed.weight:.0%}"
    text = f" Its predictions are a mixture: {share} by an n-gram model, the rest by the network."
    if mixed.network is not None and mixed.ngram is not None:
        text += f" Alone, the network needed {mixed.network:.2f} bits per {NOUNS[vocab.unit]}, "
        text += f"and the n-gram model {mixed.ngram:.2f}."
    return text


def _label(symbol: int | str, vocab: Vocab) -> str:
    """How a symbol is shown: visible, and without any effect on what is around it."""
    text = symbol if isinstance(symbol, str) else chr(symbol)
    if vocab.unit == "byte" and text > "~":
        return f"\\x{ord(text):02x}"
    if text == vocab.end and text not in _SHORT_NAMES:
        return "\N{PILCROW SIGN}"
    if unicodedata.combining(text[0]):
        text = f"\N{DOTTED CIRCLE}{text}"
    return "".join(_SHORT_NAMES.get(char) or escape_char(char) for char in text)


def short_name(path: str) -> str:
    """A file without its folder, as the page shows it."""
    return printable(os.path.basename(path) or path)


def _bits(nats: float) -> float:
    return round(nats / math.log(2.0), 4)
