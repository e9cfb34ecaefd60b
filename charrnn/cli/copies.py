"""``charrnn eval --overlap`` and ``charrnn sample --report``: how much of a text is copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charrnn.cli.corpora import Corpora, Files
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import NOUNS, Text, codepoints, text_of
from charrnn.evaluation.overlap import WINDOW, Overlap, overlaps
from charrnn.messages import escape_char, pluralize, readable
from charrnn.nn.params import Array

#: Characters of a text that are compared: that takes some 200 bytes for each.
COMPARED = 2**20
#: Characters of the longest overlap that JSON has, and that a message shows.
EXCERPT, SHOWN = 200, 60


@dataclass(frozen=True)
class Copied:
    """What of a text stands in a corpus.

    Attributes:
        excerpt: how the longest overlap begins. noun: what a symbol is called.
    """

    corpus: str
    overlap: Overlap
    excerpt: str
    noun: str

    def sentence(self) -> str:
        """For people, in one line."""
        o = self.overlap
        shown = "".join(map(escape_char, self.excerpt[:SHOWN])) + "..." * (o.longest > SHOWN)
        text = f', "{shown}"' if shown else ""
        found = f"too short for windows of {WINDOW} {self.noun}s"
        if o.windows:
            found = f"{o.found:,} of {o.windows:,} windows of {WINDOW} {self.noun}s ({o.share:.1%})"
            found += " stand there"
        return (
            f"longest overlap with {self.corpus}: {pluralize(o.longest, self.noun)}{text}; {found}"
        )

    def figures(self) -> dict[str, Any]:
        """For JSON."""
        o = self.overlap
        found = {"found": o.found, "windows": o.windows, "share": o.share}
        return {"corpus": self.corpus, "longest": o.longest, "text": self.excerpt} | found


class Copies:
    """Compares texts with what a model learned from: ``learned``, ids of a corpus or a part."""

    def __init__(self, corpus: Corpus, learned: Array) -> None:
        self._corpus, self._learned = corpus, learned

    @classmethod
    def of_corpus(cls, corpora: Corpora, files: Files) -> Copies:
        """From what the model learned of the corpus in ``files``."""
        return cls(corpora.read(files), corpora.learned(files))

    def of(self, texts: Sequence[Array]) -> list[Copied]:
        """What is copied in each text of code points, or of bytes."""
        vocab = self._corpus.vocab
        found = overlaps([vocab.ids_of(text) for text in texts], self._learned)
        return [
            Copied(self._corpus.name, one, self._excerpt(text, one), NOUNS[vocab.unit])
            for text, one in zip(texts, found, strict=True)
        ]

    def _excerpt(self, text: Array, found: Overlap) -> str:
        longest = text[found.at : found.at + min(found.longest, EXCERPT)]
        return readable(text_of(self._corpus.vocab.unit, longest))


def together(parts: Sequence[Copied]) -> Copied:
    """What is copied in several texts, of which there is at least one."""
    longest = max(parts, key=lambda part: part.overlap.longest)
    found = sum(part.overlap.found for part in parts)
    windows = sum(part.overlap.windows for part in parts)
    return replace(longest, overlap=replace(longest.overlap, found=found, windows=windows))


def points_of(text: Text) -> Array:
    """A text as the code points, or bytes, that :class:`Copies` compares."""
    return codepoints(text) if isinstance(text, str) else np.frombuffer(text, np.uint8)
