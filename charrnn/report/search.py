"""Which hidden units respond to what in a text: correlations, and what they would be by chance.

Among thousands of pairs of a unit and a feature some correlate by accident. So a unit is chosen
by the first half of the text, and its correlation is that in the second half. It is compared
with the correlations that remain when the feature is moved along the text: two series that
change slowly correlate to some degree anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.nn.activations import Activations
from charrnn.nn.params import Array
from charrnn.report.content import Finding

#: Symbols of the shortest text that is searched, and of the longest part of one.
SHORTEST, LONGEST = 600, 8_000
#: The lowest correlation to speak of.
WEAKEST = 0.3
#: Moves along the text that are shorter than this do not make a feature unrelated.
NEAR = 50
#: Distances, in characters, are counted up to this.
FAR = 80

_QUOTES = {"\u201c": True, "\u00ab": True, "\u201d": False, "\u00bb": False}
_OPENING, _CLOSING = "([{", ")]}"


def _inside_quotes(text: str) -> list[float]:
    """A quotation that is not closed ends with its paragraph."""
    inside, found = False, []
    for i, char in enumerate(text):
        inside = not inside if char == '"' else _QUOTES.get(char, inside)
        if text[i - 1 : i + 1] == "\n\n":
            inside = False
        found.append(float(inside))
    return found


def _inside_brackets(text: str) -> list[float]:
    depth, found = 0, []
    for char in text:
        depth = max(0, depth + (char in _OPENING) - (char in _CLOSING))
        found.append(float(depth > 0))
    return found


def _in_comment(text: str) -> list[float]:
    inside, found = False, []
    for i, char in enumerate(text):
        inside = char != "\n" and (inside or char == "#" or text[i - 1 : i + 1] == "//")
        found.append(float(inside))
    return found


def _after_colon(text: str) -> list[float]:
    """Whether this is the line after one that ends with a colon, as a speaker's name does."""
    found: list[float] = []
    after = False
    for line in text.splitlines(keepends=True):
        found += [float(after)] * len(line)
        after = line.rstrip().endswith(":")
    return found


def _since(text: str, restart: Callable[[str], bool]) -> list[float]:
    """Characters since the last one at which the count restarts."""
    count, found = 0, []
    for char in text:
        count = 0 if restart(char) else min(count + 1, FAR)
        found.append(float(count))
    return found


def _indentation(text: str) -> list[float]:
    found: list[float] = []
    for line in text.splitlines(keepends=True):
        found += [float(len(line) - len(line.lstrip(" \t")))] * len(line)
    return found


def _before_newline(text: str) -> list[float]:
    return _since(text[::-1], lambda char: char == "\n")[::-1]


def _each(text: str, true: Callable[[str], bool]) -> list[float]:
    return [float(true(char)) for char in text]


#: Feature -> its value after each character of a text. What a unit may respond to depends only
#: on the characters read so far, except the distance to the next newline, which it may predict.
FEATURES: dict[str, Callable[[str], list[float]]] = {
    "inside quotation marks": _inside_quotes,
    "inside brackets": _inside_brackets,
    "inside a comment (# or //)": _in_comment,
    "line after a colon, such as a speaker's name": _after_colon,
    "indentation of the line": _indentation,
    "position in the line": lambda text: _since(text, lambda c: c == "\n"),
    "distance to the next newline": _before_newline,
    "position in the word": lambda text: _since(text, lambda c: not c.isalnum()),
    "position in the sentence": lambda text: _since(text, lambda c: c in ".!?"),
    "upper case": lambda text: _each(text, str.isupper),
    "vowel": lambda text: _each(text, lambda c: c.lower() in "aeiouyäöüàáâèéêìíîòóôùúû"),
    "digit": lambda text: _each(text, str.isdigit),
    "space": lambda text: _each(text, lambda c: c == " "),
    "newline": lambda text: _each(text, lambda c: c == "\n"),
    "punctuation": lambda text: _each(text, lambda c: c in ".,;:!?"),
}
#: Features of single letters, which say nothing about words.
OF_LETTERS = {"position in the word", "upper case", "vowel", "space"}
#: A feature that is not of the text alone.
SURPRISE = "surprise at the character just read"


@dataclass(frozen=True)
class Search:
    """What a search found: the strongest first, and the features that the text does not have."""

    findings: list[Finding]
    absent: list[str]


def search(symbols: Sequence[str], bits: Array, states: Activations) -> Search:
    """The unit that responds most to each feature of a text.

    Args:
        symbols: of the text: T characters or words. bits: (T,) their surprisal.
        states: after each of them.
    """
    text, ends = "".join(symbols), np.cumsum([len(symbol) for symbol in symbols]) - 1
    of_words = len(text) > len(symbols)
    features = {
        name: np.array(values(text))[ends]
        for name, values in FEATURES.items()
        if not (of_words and name in OF_LETTERS)
    }
    features[SURPRISE] = np.asarray(bits, np.float64)
    named = {"h": states.h} | ({} if states.c is None else {"c": states.c})
    layers, size = states.h.shape[1:]
    columns = np.concatenate([values.reshape(len(ends), -1) for values in named.values()], axis=1)
    half = len(ends) // 2
    first, second = _standardised(columns[:half]), _standardised(columns[half:])
    findings, absent = [], []
    for name, values in features.items():
        early, late = _standardised(values[:half, None]), _standardised(values[half:, None])
        if not (early.any() and late.any()):
            absent.append(name)
            continue
        best = int(np.argmax(np.abs(first.T @ early)))
        r, chance = _correlation(second[:, best], late[:, 0])
        kind, place = divmod(best, layers * size)
        layer, unit = divmod(place, size)
        found = abs(r) >= max(chance, WEAKEST)
        quantity = list(named)[kind]
        findings.append(Finding(name, layer, unit, quantity, round(r, 3), round(chance, 3), found))
    findings.sort(key=lambda one: -abs(one.r))
    return Search(findings, absent)


def _standardised(columns: Array) -> Array:
    """Columns of mean 0 and length 1, so that products are correlations; constant ones are 0."""
    centred = columns - columns.mean(axis=0, dtype=np.float64)
    lengths = np.sqrt(np.sum(np.square(centred), axis=0, keepdims=True))
    constant = lengths < 1e-6 * np.sqrt(len(columns))
    result: Array = np.where(constant, 0.0, centred / np.where(constant, 1.0, lengths))
    return result


def _correlation(unit: Array, feature: Array) -> tuple[float, float]:
    """Correlation of two standardised series, and what 99 % of those by chance stay below."""
    # The correlations with the feature moved around by 0, 1, 2 ... places, all at once.
    spectrum = np.conj(np.fft.rfft(unit)) * np.fft.rfft(feature)
    moved = np.fft.irfft(spectrum, len(unit))
    far = np.abs(moved[NEAR : len(unit) - NEAR])
    return float(moved[0]), float(np.quantile(far, 0.99))
