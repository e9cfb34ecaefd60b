"""``charrnn eval --overlap`` and ``charrnn sample --report``: how much of a text is copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from charrnn.data.vocab import NOUNS, Text
from charrnn.evaluation.overlap import WINDOW, Overlap, total_overlap
from charrnn.evaluation.reference import Reference
from charrnn.messages import escape_char, pluralize, readable

#: Characters of the longest overlap in JSON, and in a message.
EXCERPT, SHOWN = 200, 60


@dataclass(frozen=True)
class Copied:
    """How much of a text is copied from a corpus, and the longest copied passage.

    Attributes:
        corpus: its name.
        excerpt: how the longest overlap begins. noun: what a symbol is called.
    """

    corpus: str
    overlap: Overlap
    excerpt: str
    noun: str

    def sentence(self) -> str:
        """For people, on one line."""
        o, noun = self.overlap, self.noun
        shown = "".join(map(escape_char, self.excerpt[:SHOWN])) + "..." * (o.longest > SHOWN)
        text = f', "{shown}"' if shown else ""
        found = f"too short for {WINDOW}-{noun} windows"
        if o.windows:
            found = (
                f"{o.found:,} of {o.windows:,} {WINDOW}-{noun} windows ({o.share:.1%}) occur there"
            )
        longest = f"{pluralize(o.longest, noun)}{text}"
        return f"longest passage shared with {self.corpus}: {longest}; {found}"

    def figures(self) -> dict[str, Any]:
        """For JSON."""
        o = self.overlap
        found = {"found": o.found, "windows": o.windows, "share": o.share}
        return {"corpus": self.corpus, "longest": o.longest, "text": self.excerpt} | found


def copied_from(reference: Reference, texts: Sequence[Text]) -> list[Copied]:
    """How much of each text is copied."""
    corpus = reference.corpus
    return [
        Copied(corpus.name, found, _excerpt(text, found), NOUNS[corpus.vocab.unit])
        for text, found in zip(texts, reference.overlaps(texts), strict=True)
    ]


def _excerpt(text: Text, found: Overlap) -> str:
    return readable(text[found.at : found.at + min(found.longest, EXCERPT)])


def total_copied(parts: Sequence[Copied]) -> Copied:
    """How much is copied in one or more texts together."""
    longest = max(parts, key=lambda part: part.overlap.longest)
    return replace(longest, overlap=total_overlap([part.overlap for part in parts]))
