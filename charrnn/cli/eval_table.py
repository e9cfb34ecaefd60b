"""Scores of whole texts, as a table or as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.cli.output import Output, finite
from charrnn.cli.overlap_report import Copied, total_copied
from charrnn.data.vocab import NOUNS
from charrnn.evaluation.score import Evaluation, total
from charrnn.messages import decimal


@dataclass(frozen=True)
class Score:
    """A text's scores by one model.

    Attributes:
        name: of the text. model: its name.
        evaluations: under the names ``mixed``, ``network``, ``n-gram``, ``dynamic`` and those of
            the baselines, in this order; the first of them is the model's.
        skipped: whether unknown characters were left out.
        copied: what of it is copied from a corpus, if that was asked for.
    """

    name: str
    model: str
    evaluations: dict[str, Evaluation]
    skipped: bool
    copied: Copied | None = None

    @property
    def unknown(self) -> int:
        """How many characters the model does not know."""
        return next(iter(self.evaluations.values())).unknown


def print_scores(
    models: Sequence[Sequence[Score]], unit: str, output: Output, as_json: bool
) -> None:
    """Print the scores of each text, and of all together, by each of several models.

    Args:
        models: for each model, the scores of the texts. unit: the vocabulary's.
    """
    if as_json:
        found = [
            _figures(_total(scores)) | {"files": [_figures(s) for s in scores]} for scores in models
        ]
        if len(models) == 1:
            output.json(found[0])
        else:
            names = [{"model": scores[0].model} for scores in models]
            output.json({"models": [a | b for a, b in zip(names, found, strict=True)]})
        return
    output.write(_table(models, unit))
    for score in models[0]:  # what is copied does not depend on the model
        if score.copied:
            output.sentence(f"{score.name}: {score.copied.sentence()}")


def _total(scores: Sequence[Score]) -> Score:
    first = scores[0]
    whole = {name: total(s.evaluations[name] for s in scores) for name in first.evaluations}
    copied = [s.copied for s in scores if s.copied]
    together = total_copied(copied) if copied else None
    return Score("total", first.model, whole, first.skipped, together)


def _table(models: Sequence[Sequence[Score]], unit: str) -> str:
    """A line for each text and each of its scores, and totals if there are several texts."""
    rows = [s for scores in models for s in (*scores, *[_total(scores)] * (len(scores) > 1))]
    with_unknown, several = any(s.unknown for s in rows), len(rows[0].evaluations) > 1
    head = f"nats/{unit}  bits/{unit}  perplexity  {f'{NOUNS[unit]}s':>10}"
    if of_words := unit == "word":
        head = "nats/word  perplexity  known ppl  bits/char     words"
    if with_unknown:
        head += f"{'skipped' if rows[0].skipped else 'unknown':>10}"
    head += "  by     " * several
    longest = max(len(s.model) for s in rows)
    head += f"  {'model':{longest}}" * (len(models) > 1)
    lines = [head + "  file"]
    for s in rows:
        for name, e in s.evaluations.items():
            nats, bits, perplexity = e.nats_per_symbol, e.bits_per_char, decimal(e.perplexity, 4)
            if of_words:
                line = f"{nats:9.4f}  {perplexity:>10}  {_known(s, e):>9}  {bits:9.4f}  {e.words:8}"
            else:
                line = f"{nats:9.4f}  {bits:9.4f}  {perplexity:>10}  {e.characters:10}"
            line += f"{s.unknown:10}" * with_unknown
            line += f"  {name:7}" * several + f"  {s.model:{longest}}" * (len(models) > 1)
            lines.append(f"{line}  {s.name}")
    return "\n".join(lines) + "\n"


def _known(score: Score, e: Evaluation) -> str:
    """The perplexity without unknown words."""
    value = e.perplexity if score.skipped else e.known_perplexity
    return "-" if math.isnan(value) else decimal(value, 4)


def _figures(score: Score) -> dict[str, Any]:
    """A text's scores for JSON: the model's at the top level, the others in objects."""
    others = {name: _scored(e) for name, e in score.evaluations.items()}
    figures = {"file": score.name} | others.pop(next(iter(others)))
    figures |= {"unknown": score.unknown, "skipped": score.unknown if score.skipped else 0}
    for name in ("network", "n-gram", "dynamic"):
        if name in others:
            figures[name.replace("-", "")] = others.pop(name)
    if others:
        figures["baselines"] = others
    if score.copied:
        figures["overlap"] = score.copied.figures()
    return figures


def _scored(e: Evaluation) -> dict[str, Any]:
    of_words: dict[str, Any] = {}
    if e.words is not None:
        of_words = {
            "nats_per_word": e.nats_per_symbol,
            "bits_per_word": e.nats_per_symbol / math.log(2.0),
            "known_perplexity": None if math.isnan(e.known_perplexity) else e.known_perplexity,
            "words": e.words,
            "spelling_nats": e.spelling,
        }
    figures = of_words | {
        "nats_per_char": e.nats_per_char,
        "bits_per_char": e.bits_per_char,
        "perplexity": e.perplexity,
        "characters": e.characters,
        "nats": e.nats,
    }
    return {key: finite(value) for key, value in figures.items()}
