"""Words as symbols: nothing is lost, and tokens do not depend on how a text is cut."""

import json
import unicodedata

import numpy as np
import pytest
from corpus_tools import corpus_of, text_of
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.data.tokens import split_tokens, token_array, token_blocks
from charrnn.data.vocab import Vocab, codepoints
from charrnn.data.word_vocab import SPELLING, UNKNOWN, WordVocab, read_vocab
from charrnn.data.words import is_letter, words_of
from charrnn.errors import VocabError

ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
# What decides where tokens begin and end, far more often than chance would have it.
TRICKY = st.text(st.sampled_from("ab'\u2019 \n\t.é\u0301\u093fक_5\ufffd"), max_size=30)
TEXTS = ANY | TRICKY
LONG = "a" * 200 + " " * 200 + "b'" * 50


def test_tokens_are_words_with_the_space_before_them_punctuation_spaces_and_newlines():
    text = "If x:\n    don't (stop), ever -- 1½ \n\tcafé"
    assert split_tokens(text) == [
        "If", " x", ":", "\n", "    ", "don't", " (", "stop", ")", ",", " ever", " -", "-", " 1½",
        " ", "\n", "\t", "café",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("'tis", ["'", "tis"]),
        ("dogs' tails", ["dogs", "'", " tails"]),
        ("it\u2019s", ["it\u2019s"]),
        ("a_b", ["a", "_", "b"]),
        ("  x", ["  ", "x"]),
        ("कि ति", ["कि", " ति"]),  # combining marks belong to words
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        (" \ufffd", [" ", "\ufffd"]),  # so that decoded ids can be encoded again
        ("", []),
        ("a" * 65, ["a" * 64, "a"]),
        (" " * 66, [" " * 64, "  "]),
    ],
)
def test_where_tokens_end(text, tokens):
    assert split_tokens(text) == tokens


@given(TEXTS)
@example(LONG)
def test_tokens_joined_are_the_text(text):
    tokens = split_tokens(text)
    assert "".join(tokens) == text
    assert all(split_tokens(token) == [token] for token in tokens)


@given(TEXTS)
def test_a_token_has_at_most_one_word_as_they_are_defined_elsewhere(text):
    for token in split_tokens(text):
        words = list(words_of(token))
        assert len(words) <= 1
        assert not words or token.removeprefix(" ") == words[0]


def test_letters_are_those_of_words_throughout_unicode():
    for point in range(0, 0x110000, 7):
        char = chr(point)
        mark = unicodedata.category(char)[0] == "M"
        assert is_letter(char) == ((char.isalnum() and char != "_") or mark), hex(point)


@given(TEXTS, st.lists(st.integers(0, 40), max_size=6))
@example(LONG, [63, 64, 65, 199, 201, 264, 398, 401])
@example("don't", [3, 4])
def test_tokens_do_not_depend_on_where_blocks_are_cut(text, cuts):
    points = codepoints(text)
    blocks = np.split(points, sorted(min(cut, len(points)) for cut in cuts))
    found = [word for block in token_blocks(iter(blocks)) for word in block.tolist()]
    assert found == split_tokens(text)


def test_a_text_without_spaces_is_not_held_back():
    blocks = list(token_blocks(np.full(1000, 97, np.uint32) for _ in range(50)))
    assert max(map(len, blocks)) < 20
    assert max(len(word) for block in blocks for word in block) == 64


@given(TEXTS)
def test_known_words_are_encoded_and_decoded_without_loss(text):
    tokens = split_tokens(text)
    vocab = WordVocab([*tokens, "\n"])
    ids = vocab.encode(text)
    assert ids.dtype == np.intp
    assert vocab.decode(ids) == text
    assert [vocab.points[i] for i in ids] == tokens


@given(TEXTS, TEXTS)
def test_ids_with_unknown_words_are_decoded_and_encoded_without_loss(known, text):
    vocab = WordVocab([*split_tokens(known), "\n"], rare=True)
    ids = vocab.encode(text)
    assert vocab.encode(vocab.decode(ids)).tolist() == ids.tolist()
    assert len(ids) == len(split_tokens(text))


def test_an_unknown_word_is_one_symbol_where_the_vocabulary_has_it():
    vocab = WordVocab(["the", " fox", "\n"], rare=True)
    assert vocab.points.tolist() == ["\n", " fox", "the", UNKNOWN]
    assert vocab.rare_id == 3
    assert vocab.encode("the fox\nthe ox").tolist() == [2, 1, 0, 2, 3]
    # Its id says how long the word is.
    assert vocab.encode("the ox", "score").tolist() == [2, -3]
    assert vocab.encode(f"the{UNKNOWN}", "score").tolist() == [2, -1]
    assert vocab.decode(vocab.encode("the ox")) == f"the{UNKNOWN}"
    assert vocab.newline == vocab.start == 0
    assert vocab.reads_unknown


@pytest.mark.parametrize(
    ("text", "known"),
    [("fox", " fox"), (" Fox", " fox"), ("Fox", " fox"), (" the", "the"), ("THE", "the")],
)
def test_an_error_names_a_known_word_that_differs_in_its_space_or_its_capitals(text, known):
    with pytest.raises(VocabError) as caught:
        WordVocab(["the", " fox"]).encode(text)
    assert caught.value.message == f"unknown word '{text}' at word 1 (the model knows '{known}')"


def test_without_that_symbol_an_unknown_word_is_an_error():
    vocab = WordVocab(["the", " fox"])
    assert vocab.rare_id is None
    assert vocab.newline is None
    with pytest.raises(VocabError) as caught:
        vocab.encode("the ox, the fox")
    assert str(caught.value) == (
        "unknown words ' ox', ',', ' the', the first at word 2; leave them out, or skip unknown "
        "words with unknown=skip"
    )
    assert vocab.encode("the ox, the fox", "skip").tolist() == [1, 0]
    assert vocab.encode("the ox, the fox", "score").tolist() == [1, -3, -1, -4, 0]


def test_bytes_are_no_words():
    with pytest.raises(VocabError, match="this model reads words; give it str, not bytes"):
        WordVocab(["the"]).encode(b"the")


def test_what_is_no_token_is_no_word():
    with pytest.raises(VocabError, match="'the fox' is not a word"):
        WordVocab(["the fox"])
    with pytest.raises(VocabError, match="at least one word"):
        WordVocab([])


@given(TEXTS.filter(bool), st.booleans())
def test_json_can_hold_a_vocabulary_of_words(text, rare):
    vocab = WordVocab(split_tokens(text), rare, spelling=12.345678)
    found = read_vocab(json.loads(json.dumps(vocab.to_dict())))
    assert found == vocab
    assert found.spelling == vocab.spelling == 12.3457


@pytest.mark.parametrize(
    "changes",
    [
        {"words": ["b", "a"]},
        {"words": ["a", "a"]},
        {"words": ["a", 1]},
        {"words": ["a b"]},
        {"words": []},
        {"rare": True},
        {"rare": 1},
        {"spelling": -1.0},
        {"spelling": 3},
        {"spelling": float("nan")},
    ],
)
def test_a_wrong_document_is_refused(changes):
    with pytest.raises(VocabError):
        read_vocab(WordVocab(["a", "b"]).to_dict() | changes)


def test_vocabularies_of_words_are_merged_only_with_each_other():
    merged = WordVocab(["a", " b"], rare=True).union(WordVocab(["a", "c"]))
    assert merged.points.tolist() == [" b", "a", "c", UNKNOWN]
    assert merged.rare
    with pytest.raises(VocabError, match="words cannot be merged with one of chars"):
        merged.union(Vocab("char", [97]))


WORDS = DataConfig(unit="word", vocab_size=10, val_fraction=0.25)
TEXT = b"the fox ran.\nthe fox sat.\nthe dog ran.\nan ox sat down and slept\nthe fox slept.\n"


def test_a_corpus_keeps_the_most_frequent_words():
    corpus = corpus_of(TEXT, data=WORDS)
    # 9 words and the unknown one: the newline, 4 of "." and "the", 3 of " fox"; then by code
    # point, of those that occur twice " ran", " sat" and " slept", and of those that occur once.
    expected = sorted(["\n", ".", "the", " fox", " ran", " sat", " slept", " and", " dog"])
    assert corpus.points.tolist() == expected
    assert corpus.rare.tolist() == [" down", " ox", "an"]
    assert corpus.vocab == WordVocab(expected, rare=True)
    assert len(corpus.vocab) == 10
    assert corpus.characters == len(corpus.ids) == 27
    assert corpus.counts.tolist() == [5, 1, 1, 3, 2, 2, 2, 4, 4]
    unknown = (
        TEXT.decode().replace(" down", UNKNOWN).replace(" ox", UNKNOWN).replace("\nan", "\n\ufffd")
    )
    assert text_of(corpus) == unknown


def test_a_small_corpus_has_no_unknown_word():
    corpus = corpus_of(b"a b\na b c\n", data=DataConfig(unit="word"))
    assert corpus.vocab == WordVocab(["\n", "a", " b", " c"])
    assert text_of(corpus) == "a b\na b c\n"


def test_min_count_leaves_out_rare_words():
    corpus = corpus_of(TEXT, data=DataConfig(unit="word", min_count=3))
    assert corpus.points.tolist() == ["\n", " fox", ".", "the"]
    assert corpus.vocab.rare


@given(TRICKY.filter(lambda text: len(set(split_tokens(text))) > 1), st.integers(1, 5))
def test_a_corpus_does_not_depend_on_the_size_of_blocks(text, size):
    data = DataConfig(unit="word", vocab_size=10)
    whole = corpus_of(text.encode(), data=data)
    cut = corpus_of(text.encode(), data=data, block_size=size)
    assert cut.vocab == whole.vocab
    assert cut.ids.tolist() == whole.ids.tolist()
    assert cut.vocab.spelling == whole.vocab.spelling


def test_spelling_is_the_entropy_of_the_letters_of_rare_words():
    # "xy" twice and "x" once, each with its end: 3 x, 2 y and 3 ends are 8 letters in 3 words.
    data = DataConfig(unit="word", min_count=4)
    corpus = corpus_of(b"\n".join([b"xy", b"xy", b"x", b".", b".", b".", b"."]), data=data)
    bits = 3 / 8 * np.log2(8 / 3) * 2 + 2 / 8 * np.log2(8 / 2)
    assert corpus.rare.tolist() == ["x", "xy"]
    assert corpus.vocab.spelling == pytest.approx(bits * np.log(2) * 8 / 3, abs=1e-4)
    assert WordVocab(["a"]).spelling == round(SPELLING, 4)


@pytest.mark.parametrize("records", ["none", "line"])
def test_lengths_of_what_is_held_out_are_exact(records):
    corpus = corpus_of(TEXT, data=DataConfig(unit="word", vocab_size=10, records=records))
    lengths = corpus.validation_lengths
    assert len(lengths) == len(corpus.validation)
    text = TEXT.decode()
    if records == "none":
        assert lengths.sum() == len("".join(split_tokens(text)[-len(lengths) :]))
        return
    held_out = corpus.vocab.decode(corpus.validation)
    (line,) = [
        x for x in text.splitlines(True) if corpus.vocab.decode(corpus.vocab.encode(x)) == held_out
    ]
    assert lengths.tolist() == [len(word) for word in split_tokens(line)]


def test_a_longer_text_scores_its_held_out_records_in_characters():
    lines = [f"line {n} of the text\n" for n in range(200)]
    data = DataConfig(unit="word", vocab_size=20, records="line", val_fraction=0.5)
    corpus = corpus_of("".join(lines).encode(), data=data)
    held_out = corpus.vocab.decode(corpus.validation).count("\n")
    assert held_out == 100
    known = sum(len(w) for w in corpus.vocab.points[corpus.validation] if w != UNKNOWN)
    unknown = corpus.validation_lengths[corpus.validation == corpus.vocab.rare_id]
    assert corpus.validation_lengths.sum() == known + unknown.sum()
    assert set(unknown.tolist()) <= {2, 3, 4}
    assert corpus.bits_per_char(0.0) == pytest.approx(
        len(unknown) * corpus.vocab.spelling / np.log(2) / corpus.validation_lengths.sum()
    )


def test_words_of_a_model_to_start_from_stay():
    known = WordVocab(["zebra", "\n"], rare=True)
    corpus = corpus_of(TEXT, data=WORDS, known=known)
    assert len(corpus.vocab) == 11
    assert corpus.vocab == corpus.vocab.union(known)


def test_arrays_of_tokens_hold_objects():
    assert token_array([]).shape == (0,)
    assert token_array(["ab", "c"]).dtype == object
