"""Words as symbols: how a text is split into them.

A token is a word with the space before it, any other visible character with the space before it, a
run of spaces, or a single other character, such as a newline. What counts as a word is defined in
:mod:`charrnn.data.words`. Joining the tokens gives the text again, and the tokens of a text
do not depend on the blocks in which it is read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import numpy as np

from charrnn.data.vocab import RARE, text_of
from charrnn.data.words import APOSTROPHES
from charrnn.nn.params import Array

#: Letters in a row, and spaces in a row, at most; longer runs are several tokens. So a token is
#: short, and a text without spaces needs no more memory than any other.
LONGEST = 64
#: Parts of a word that are joined by apostrophes, at most.
PARTS = 4
#: How many characters after a token it may depend on: an apostrophe and a letter.
_AHEAD = 2


class _Splitter:
    """Splits texts into tokens.

    Python's ``\\w`` lacks combining marks, and finding all of Unicode's takes a second. So the
    pattern knows those of the texts that were split so far.
    """

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._marks = ""
        self._pattern = self._compiled()

    def _compiled(self) -> re.Pattern[str]:
        letter = rf"(?:[^\W_]|[{self._marks}])" if self._marks else r"[^\W_]"
        part = f"{letter}{{1,{LONGEST}}}"
        word = f"{part}(?:[{APOSTROPHES}]{part}){{0,{PARTS - 1}}}"
        # The symbol of unknown words is a token without a space, so that ids that were decoded
        # can be encoded again.
        return re.compile(rf" ?{word}| ?[^\s{chr(RARE)}]| {{2,{LONGEST}}}|.", re.DOTALL)

    def split(self, text: str) -> list[str]:
        if not text.isascii():
            new = {c for c in set(text) - self._seen if not c.isascii()}
            self._seen |= new
            if marks := sorted(c for c in new if unicodedata.category(c)[0] == "M"):
                self._marks += "".join(map(re.escape, marks))
                self._pattern = self._compiled()
        return self._pattern.findall(text)


_SPLITTER = _Splitter()


def split_tokens(text: str) -> list[str]:
    """The tokens of a text; joined, they are the text."""
    return _SPLITTER.split(text)


def token_array(tokens: list[str]) -> Array:
    """Tokens as an array of objects, (tokens,)."""
    array = np.empty(len(tokens), object)
    array[:] = tokens
    return array


def token_blocks(blocks: Iterator[Array]) -> Iterator[Array]:
    """The tokens of a text whose code points come in blocks, (any length,) each.

    Yields:
        Arrays of objects, (any length,), one for each block and one for what is left.
    """
    rest = ""
    for block in blocks:
        text = rest + str(text_of("char", block))
        tokens = split_tokens(text)
        held: list[str] = []
        length = 0
        # What begins near the end may end elsewhere when more of the text is known.
        while tokens and length < _AHEAD:
            held.append(tokens.pop())
            length += len(held[-1])
        rest = "".join(reversed(held))
        yield token_array(tokens)
    yield token_array(split_tokens(rest))


def symbol_arrays(blocks: Iterator[Array], unit: str) -> Iterator[Array]:
    """Blocks of code points or byte values as blocks of symbols, which they are but for words."""
    return token_blocks(blocks) if unit == "word" else blocks
