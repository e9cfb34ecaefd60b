"""Scores of whole texts, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from charrnn.cli.output import Output, finite
from charrnn.cli.overlap_report import Copied, total_copied
from charrnn.data.vocab import NOUNS
from charrnn.evaluation.score import Evaluation, total


@dataclass(frozen=True)
class Score:
    """A text's scores.

    Attributes:
        evaluations: under the names ``network``, ``dynamic`` and those of the baselines, in this
            order.
        skipped: characters that the model does not know, and that were not scored.
        copied: what of it is copied from a corpus, if that was asked for.
    """

    name: str
    evaluations: dict[str, Evaluation]
    skipped: int
    copied: Copied | None = None


def print_scores(scores: Sequence[Score], unit: str, output: Output, as_json: bool) -> None:
    """Print the scores of each text, and of all together; ``unit`` is the vocabulary's."""
    if as_json:
        output.json(_figures(_total(scores)) | {"files": [_figures(s) for s in scores]})
        return
    output.write(_table(scores, unit))
    for score in scores:
        if score.copied:
            output.write(f"{score.name}: {score.copied.sentence()}\n")


def _total(scores: Sequence[Score]) -> Score:
    whole = {name: total(s.evaluations[name] for s in scores) for name in scores[0].evaluations}
    copied = [s.copied for s in scores if s.copied]
    skipped = sum(s.skipped for s in scores)
    return Score("total", whole, skipped, total_copied(copied) if copied else None)


def _table(scores: Sequence[Score], unit: str) -> str:
    """A line for each text and each of its scores, and totals if there are several texts."""
    rows = [*scores, _total(scores)] if len(scores) > 1 else scores
    skipping, several = any(s.skipped for s in rows), len(rows[0].evaluations) > 1
    head = f"nats/{unit}  bits/{unit}  perplexity  {f'{NOUNS[unit]}s':>10}"
    head += "   skipped" * skipping
    lines = [head + "  by     " * several + "  file"]
    for s in rows:
        for name, e in s.evaluations.items():
            count = f"{s.skipped:10}" if skipping else ""
            lines.append(
                f"{e.nats_per_char:9.4f}  {e.bits_per_char:9.4f}  {e.perplexity:10.4f}  "
                f"{e.characters:10}{count}{f'  {name:7}' if several else ''}  {s.name}"
            )
    return "\n".join(lines) + "\n"


def _figures(score: Score) -> dict[str, Any]:
    """A text's scores for JSON: the network's at the top level, the others in objects."""
    others = {name: _scored(e) for name, e in score.evaluations.items()}
    figures = {"file": score.name} | others.pop("network") | {"skipped": score.skipped}
    if "dynamic" in others:
        figures["dynamic"] = others.pop("dynamic")
    if others:
        figures["baselines"] = others
    if score.copied:
        figures["overlap"] = score.copied.figures()
    return figures


def _scored(e: Evaluation) -> dict[str, Any]:
    figures = {
        "nats_per_char": e.nats_per_char,
        "bits_per_char": e.bits_per_char,
        "perplexity": e.perplexity,
        "characters": e.characters,
        "nats": e.nats,
    }
    return {key: finite(value) for key, value in figures.items()}
