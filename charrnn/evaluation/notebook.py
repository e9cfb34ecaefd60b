"""Scores of characters as a notebook shows them: text coloured by surprisal."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from charrnn.messages import escape_char, readable

if TYPE_CHECKING:
    from charrnn.evaluation.text import CharScores

#: Characters that are shown, at most.
LONGEST = 10_000


def colored_html(scores: CharScores) -> str:
    """HTML of a text coloured by surprisal; pointing at a character tells what was expected.

    Without a vocabulary, there is no text to show, but a number of characters.
    """
    vocab = scores.vocab
    if vocab is None:
        return f"<p>scores of {len(scores.ids):,} characters</p>"
    symbols = [readable(vocab.decode(np.array([i]))) for i in range(len(vocab))]
    spans = []
    for place, (this, bits) in enumerate(
        zip(scores.ids[:LONGEST].tolist(), scores.bits[:LONGEST].tolist(), strict=True)
    ):
        symbol = symbols[this] if this >= 0 else "\N{REPLACEMENT CHARACTER}"
        expected = ", ".join(
            f"{escape_char(symbols[i])} {p:.0%}"
            for i, p in zip(
                scores.likeliest[place].tolist(), scores.probs[place].tolist(), strict=True
            )
            if i >= 0
        )
        shown = "\u21b5\n" if symbol == "\n" else symbol if symbol == " " else escape_char(symbol)
        spans.append(
            f'<span title="{escape(f"{bits:.2f} bits; expected: {expected}")}" '
            f'style="background:rgba(228,87,46,{min(1.0, bits / 9.0):.2f})">{escape(shown)}</span>'
        )
    rest = "" if len(scores.ids) <= LONGEST else f"<p>and {len(scores.ids) - LONGEST:,} more</p>"
    return f'<pre style="white-space:pre-wrap">{"".join(spans)}</pre>{rest}'
