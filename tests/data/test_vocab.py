"""Symbols and ids: a bijection, and errors that name the other form of a character."""

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.vocab import Vocab, codepoints
from charrnn.errors import VocabError

# Every code point, surrogates included: strategies.text() leaves them out by default.
TEXTS = st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=40)
ODD = "a\0\n\r\u0301é😀\U0010ffff\ud800\udc00 \ufeff"


def of(text):
    return Vocab("char", map(ord, text))


@given(TEXTS, st.randoms())
def test_encode_and_decode_undo_each_other(text, random):
    vocab = of(text)
    symbols = list(text)
    random.shuffle(symbols)
    shuffled = "".join(symbols)
    assert vocab.decode(vocab.encode(shuffled)) == shuffled
    assert vocab.encode(shuffled).tolist() == [sorted(set(text)).index(c) for c in shuffled]


@given(st.binary(max_size=50))
def test_bytes_are_their_own_ids(data):
    vocab = Vocab("byte")
    assert vocab.encode(data).tolist() == list(data)
    assert vocab.decode(vocab.encode(data)) == data


@given(TEXTS)
def test_json_can_hold_a_vocabulary(text):
    vocab = of(text)
    assert Vocab.from_dict(json.loads(json.dumps(vocab.to_dict()))) == vocab


def test_every_odd_character_has_an_id_of_its_own():
    vocab = of(ODD)
    assert len(vocab) == len(set(ODD))
    assert vocab.decode(np.arange(len(vocab))) == "".join(sorted(set(ODD)))
    assert vocab.encode(ODD).dtype == np.intp
    assert vocab.decode(vocab.encode("")) == ""


def test_vocabularies_are_equal_by_unit_and_symbols():
    assert of("abc") == of("cabba")
    assert of("abc") != of("abd")
    assert Vocab("char", range(256)) != Vocab("byte")
    assert Vocab("byte") == Vocab.from_dict(Vocab("byte").to_dict())


@given(TEXTS, TEXTS)
def test_a_union_has_the_symbols_of_both(one, other):
    assert of(one).union(of(other)) == of(one + other)


def test_only_vocabularies_of_one_unit_can_be_merged():
    assert Vocab("byte").union(Vocab("byte")) == Vocab("byte")
    with pytest.raises(VocabError, match="vocabulary of chars cannot be merged with one of bytes"):
        of("ab").union(Vocab("byte"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.int64])
@pytest.mark.parametrize("text", ["ab", "abя", "ab😀", "".join(map(chr, range(256)))])
def test_points_of_any_dtype_find_their_ids(text, dtype):
    vocab = of(text)
    points = np.arange(256 if dtype == np.uint8 else 0x110000, dtype=dtype)
    known = {ord(c): i for i, c in enumerate(sorted(text))}
    found = vocab.ids_of(points)
    assert len(found) == len(points)
    assert {int(p): int(found[p]) for p in np.flatnonzero(found >= 0)} == {
        p: i for p, i in known.items() if p < len(points)
    }


def test_a_byte_vocabulary_takes_uint8_to_its_end():
    assert Vocab("byte").ids_of(np.arange(256, dtype=np.uint8)).tolist() == list(range(256))


@pytest.mark.parametrize(
    ("known", "text", "words"),
    [
        (
            "abc",
            "abxc",
            [
                "'x' (U+0078, LATIN SMALL LETTER X)",
                "at character 3;",
                "leave it out",
                "unknown=skip",
            ],
        ),
        (
            "e\u0301",
            "\u00e9",
            ["'é' (U+00E9, ", "at character 1;", "its NFD form", "normalise the text to NFD"],
        ),
        ("\u00c5", "\u212b", ["ANGSTROM", "its NFC form"]),
        ("\u00e9", "e\u0301", ["'e'"]),
        ("\u00e9e", "e\u0301", ["'\\u0301' (U+0301", "at character 2;", "combining mark", "NFC"]),
        ("a", "😀", ["U+1F600", "GRINNING FACE"]),
        ("a", "\ud800", ["'\\ud800'", "no name"]),
        ("a", "a" * 1234 + "\0", ["'\\x00'", "at character 1,235;"]),
        ("a", "é", ["unknown=skip"]),
        (
            "a",
            "aéaÜéa",
            ["unknown characters 'é' (", "'Ü' (", "), the first at character 2; leave them out"],
        ),
        ("a", "bacdefb", ["'b' (", "'e' (U+0065, LATIN SMALL LETTER E) and 1 more, the first at"]),
        ("a\n", "a\r\n", ["'\\r' (U+000D", "line ends of Windows (CR LF)", "tr -d '\\r'"]),
    ],
)
def test_an_unknown_character_is_named(known, text, words):
    with pytest.raises(VocabError) as caught:
        of(known).encode(text)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert message.isprintable()


def test_other_forms_are_offered_only_where_they_are_known():
    letters = [chr(p) for p in range(0xC0, 0x250) if unicodedata.decomposition(chr(p))]
    for letter in letters:
        decomposed = unicodedata.normalize("NFD", letter)
        with pytest.raises(VocabError) as caught:
            of("0").encode(letter)
        assert "form" not in str(caught.value)
        if decomposed != letter:
            with pytest.raises(VocabError, match="its NFD form"):
                of(decomposed).encode(letter)


@given(TEXTS, TEXTS)
def test_skip_leaves_out_unknown_characters(known, text):
    vocab = of(known)
    kept = "".join(c for c in text if c in known)
    assert vocab.decode(vocab.encode(text, "skip")) == kept


def test_a_byte_vocabulary_takes_text_as_utf8():
    vocab = Vocab("byte")
    assert vocab.decode(vocab.encode("é😀")) == "é😀".encode()
    # What the shell passes on for a byte that is not UTF-8.
    assert vocab.decode(vocab.encode("\udcff")) == b"\xff"
    with pytest.raises(VocabError, match=r"'\\ud800' at character 2"):
        vocab.encode("a\ud800")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Vocab("char", []), "at least one"),
        (lambda: Vocab("char", [0x110000]), "0x10FFFF"),
        (lambda: Vocab("char", [-1, 4]), "0x10FFFF"),
        (lambda: Vocab("word", [4]), "'word'"),
        (lambda: Vocab.from_dict({"unit": "char", "points": [97.5]}), "whole numbers"),
        (lambda: Vocab.from_dict({"unit": "char", "points": [True]}), "whole numbers"),
        (lambda: of("a").encode(b"a"), "not bytes"),
    ],
)
def test_an_invalid_vocabulary_is_refused(make, words):
    with pytest.raises(VocabError, match=words):
        make()


@pytest.mark.parametrize(("text", "start"), [("ab\n\t", "\n"), ("ba", "a"), ("\0\n", "\n")])
def test_a_text_starts_after_a_newline_or_the_first_symbol(text, start):
    vocab = of(text)
    assert vocab.decode(np.array([vocab.start])) == start


def test_a_byte_text_starts_after_a_newline():
    assert Vocab("byte").start == 10


@given(TEXTS)
def test_code_points_are_those_of_python(text):
    assert codepoints(text).tolist() == [ord(c) for c in text]


# --- rare characters ---------------------------------------------------------------------------


def test_one_symbol_stands_for_all_unknown_ones():
    vocab = Vocab("char", map(ord, "ab"), rare=True)
    assert vocab.points.tolist() == [97, 98, 0xFFFD]
    assert vocab.encode("aωb漢😀\n").tolist() == [0, 2, 1, 2, 2, 2]
    assert vocab.decode(vocab.encode("aω")) == "a\ufffd"
    assert vocab.start == 0  # a newline that is rare starts nothing
    assert Vocab("char", map(ord, "a\nb"), rare=True).start == 0
    assert vocab != Vocab("char", [97, 98, 0xFFFD])
    assert vocab.union(Vocab("char", [99])).rare
    assert not Vocab("byte", rare=True).rare


def test_a_vocabulary_with_rare_characters_survives_json():
    vocab = Vocab("char", map(ord, "ab"), rare=True)
    assert vocab.to_dict() == {"unit": "char", "points": [97, 98, 0xFFFD], "rare": True}
    assert Vocab.from_dict(vocab.to_dict()) == vocab
    assert "rare" not in Vocab("char", [97]).to_dict()
    for rare, points in ((True, [97]), ("yes", [97, 0xFFFD]), (1, [97, 0xFFFD])):
        with pytest.raises(VocabError):
            Vocab.from_dict({"unit": "char", "points": points, "rare": rare})
