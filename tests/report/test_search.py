"""Features of texts, and the search for units that respond to them."""

import numpy as np
import pytest

from charrnn.nn.activations import Activations
from charrnn.report.search import FEATURES, SHORTEST, search

TEXT = 'He said: "A (b)."\n  Go:\nx = 7 # no\n'


@pytest.mark.parametrize(
    ("feature", "text", "expected"),
    [
        ("inside quotation marks", 'a "b" c', "0011000"),
        ("inside quotation marks", "\u201cb\u201d c", "11000"),
        ("inside quotation marks", '"b\n\nc"d', "1110011"),
        ("inside brackets", "a(b[c]d)e)", "0111111000"),
        ("inside a comment (# or //)", "a#b\nc//d\n/e", "01100011000"),
        ("line after a colon, such as a speaker's name", "A:\nbc\nd", "0001110"),
        ("indentation of the line", "a\n  b\n", "002222"),
        ("position in the line", "ab\ncd", "12012"),
        ("distance to the next newline", "ab\nc", "2101"),
        ("position in the word", "ab c", "1201"),
        ("position in the sentence", "a. b", "1012"),
        ("upper case", "aBc", "010"),
        ("vowel", "abE", "101"),
        ("digit", "a7", "01"),
        ("space", "a b", "010"),
        ("newline", "a\nb", "010"),
        ("punctuation", "a,b", "010"),
    ],
)
def test_features(feature, text, expected):
    assert FEATURES[feature](text) == [float(value) for value in expected]


@pytest.mark.parametrize("text", ["", "a", "\n", "\n\n", '"', "\r\n\x85\u2028", TEXT])
def test_every_feature_has_a_value_for_every_character(text):
    for values in FEATURES.values():
        assert len(values(text)) == len(text)


def long_text(rng):
    """A text with quotations and lines of random lengths."""
    words = []
    for _ in range(400):
        words.append('"' + "ab " * int(rng.integers(1, 9)) + '"')
        words.append("cde " * int(rng.integers(1, 9)) + "\n" * int(rng.integers(0, 2)))
    return "".join(words)


@pytest.fixture
def planted():
    """A text, and states of noise but for a unit that listens for quotation marks."""
    rng = np.random.default_rng(3)
    text = long_text(rng)
    h = rng.normal(size=(len(text), 2, 20)).astype(np.float32)
    quotes = np.array(FEATURES["inside quotation marks"](text))
    h[:, 1, 7] = -0.8 * quotes + 0.1 * h[:, 1, 7]
    return text, np.ones(len(text)), h


def test_a_unit_that_listens_is_found(planted):
    text, bits, h = planted
    found = search(text, bits, Activations(h, None, {}))
    first = found.findings[0]
    assert (first.feature, first.layer, first.unit) == ("inside quotation marks", 1, 7)
    assert first.quantity == "h"
    assert -1.0 <= first.r < -0.9
    assert first.found
    assert first.chance < 0.3


def test_features_of_words_are_those_at_their_ends():
    rng = np.random.default_rng(4)
    words = [word for _ in range(200) for word in ('"', "ab", " cd", '"', " efg", "\n")]
    inside = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0] * 200)
    h = rng.normal(size=(len(words), 1, 9)).astype(np.float32)
    h[:, 0, 4] = inside
    found = search(words, np.ones(len(words)), Activations(h, None, {}))
    first = found.findings[0]
    assert (first.feature, first.unit, first.r) == ("inside quotation marks", 4, 1.0)
    named = {one.feature for one in found.findings} | {*found.absent}
    assert "vowel" not in named


def test_in_noise_nothing_is_found(planted):
    text, bits, h = planted
    noise = np.delete(h, 7, axis=2)
    found = search(text, bits, Activations(noise, None, {})).findings
    assert len(found) > 5
    assert not any(one.found for one in found)


def test_the_cell_state_of_an_lstm_is_searched_as_well(planted):
    text, bits, h = planted
    noise = np.roll(h, 1234, axis=0)
    first = search(text, bits, Activations(noise, h, {})).findings[0]
    assert (first.quantity, first.layer, first.unit) == ("c", 1, 7)


def test_a_correlation_is_measured_where_the_unit_was_not_chosen(planted):
    """A unit that listens in the first half only is nothing found."""
    text, bits, h = planted
    half = len(text) // 2
    h[half:, 1, 7] = np.roll(h[:, 0, 3], 5)[half:]
    found = {one.feature: one for one in search(text, bits, Activations(h, None, {})).findings}
    quotes = found["inside quotation marks"]
    assert (quotes.layer, quotes.unit) == (1, 7)
    assert abs(quotes.r) < 0.2
    assert not quotes.found


def test_what_the_text_does_not_have_is_named(planted):
    text, bits, h = planted
    absent = search(text, bits, Activations(h, None, {})).absent
    assert "digit" in absent
    assert "surprise at the character just read" in absent  # always 1 bit here
    assert "inside quotation marks" not in absent


def test_units_that_never_change_are_no_finding():
    text = "ab\n" * (SHORTEST // 3)
    h = np.full((len(text), 1, 4), 0.5, np.float32)
    found = search(text, np.arange(len(text)), Activations(h, None, {}))
    assert found.findings
    assert all(one.r == 0.0 and not one.found for one in found.findings)
