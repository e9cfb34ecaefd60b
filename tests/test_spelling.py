"""Only words of a list: whatever the model draws, and no sample ends within a word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import model, network, trained

import charrnn
from charrnn.config.schema import SampleConfig
from charrnn.data.vocab import Vocab
from charrnn.data.words import known_words, pack_words, unpack_words, words_of
from charrnn.errors import CheckpointError, ConfigError
from charrnn.generation import Generator
from charrnn.spelling import WordList

# Letters of other scripts may look like Latin ones.
# ruff: noqa: RUF001

LETTERS = "abcdeéЖßλكम"
MARKS = "\u0301\u093f"
BETWEEN = " \n.,-\"'’"


def generator(words, alphabet=LETTERS + MARKS + BETWEEN, seed=0, **changes):
    """Texts from random weights, which know nothing of words."""
    vocab = Vocab("char", map(ord, alphabet))
    net = network("lstm", V=len(vocab), spread=0.8, seed=seed, dtype=np.float32)
    chosen = SampleConfig(**{"length": 40, "temperature": 1.5, "seed": seed} | changes)
    return Generator(net, vocab, chosen, words=WordList(words, vocab))


def written(words):
    """Each word as it may be written: capitalised, in capitals, with either apostrophe."""
    forms = {form for w in words for form in (w, w[:1].upper() + w[1:], w.upper())}
    return forms | {form.replace("'", "’") for form in forms} | {f.replace("’", "'") for f in forms}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The fox, the hen.", ["The", "fox", "the", "hen"]),
        ("'Don't,' said 'tis foxes' den", ["Don't", "said", "tis", "foxes", "den"]),
        ("rock’n’roll well-known a''b '' '", ["rock’n’roll", "well", "known", "a", "b"]),
        ("cafe\u0301 हिन्दी Ж2 snake_case", ["cafe\u0301", "हिन्दी", "Ж2", "snake", "case"]),
        ("", []),
    ],
)  # fmt: skip
def test_words_of_a_text(text, words):
    assert list(words_of(text)) == words


WORD = st.text(LETTERS + MARKS, min_size=1, max_size=5)
WORDS = st.lists(st.one_of(WORD, st.builds("{}'{}".format, WORD, WORD)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(WORDS, st.integers(0, 30), st.integers(0, 3), st.sampled_from([0, 3]))
def test_no_other_word_is_ever_written(words, length, seed, top_k):
    texts = [one.text for one in generator(words, seed=seed, length=length, top_k=top_k).batch(8)]
    found = {word for text in texts for word in words_of(text)}
    assert found <= written(words)
    assert all(len(text) == length for text in texts)
    stream = "".join(generator(words, seed=seed, length=length, top_k=top_k).stream())
    assert stream == texts[0]


def test_of_ten_thousand_lines_each_has_only_words_of_the_list():
    words = ["abba", "bad", "dab", "don't", "cab", "ébé", "ΛΛ", "λ", "a"]
    alphabet = "abcdenotéλ" + BETWEEN
    lines = generator(words, alphabet, stop=("\n",), length=12, temperature=1.0).batch(10_000)
    found = {word for line in lines for word in words_of(line.text)}
    assert found == written(words) & {w for w in written(words) if set(w) <= set(alphabet)}
    assert {line.ended for line in lines} == {"stop", "length"}


def test_a_word_of_the_prime_is_finished():
    def draw(prime):
        vocab = Vocab("char", map(ord, "foxdenx 'yz"))
        net = network(V=len(vocab), dtype=np.float32)
        chosen = SampleConfig(length=9, temperature=1.0, seed=1)
        words = WordList(["fox", "den"], vocab)
        return prime + Generator(net, vocab, chosen, prime, words=words).batch(1)[0].text

    assert {*words_of(draw("de"))} <= {"fox", "den"}
    assert {*words_of(draw("fox"))} <= {"fox", "den"}
    own, *rest = words_of(draw("den xy"))  # a word of the user's own may end
    assert own == "den"
    assert rest[0] == "xy"
    assert {*rest[1:]} <= {"fox", "den"}


def test_where_nothing_separates_words_a_sample_ends_with_its_word():
    texts = generator(["ab", "abc", "d"], "abcd", length=10).batch(50)
    assert {one.text for one in texts} == {"abc", "d"}  # nothing could follow "ab" but "c"
    assert {one.ended for one in texts} == {"words"}
    assert all(np.isfinite(one.nats) for one in texts)
    (short,) = generator(["abcd"], "abcd", length=3).batch(1)
    assert (short.text, short.ended, short.nats) == ("", "words", 0.0)
    assert "".join(generator(["ab"], "ab", length=None).stream()) == "ab"


def test_what_cannot_be_written_is_an_error():
    with pytest.raises(ConfigError, match=r"^words: none of 2 words can be written with the char"):
        generator(["xyz", "Q"])
    with pytest.raises(ConfigError, match=r"^words: the list has no words; "):
        generator([])
    with pytest.raises(ConfigError, match=r"^sample\.stop: 'a ' could cut a word of the list; "):
        generator(["ab"], stop=(" ", "a "))


def test_what_is_allowed_is_drawn_as_likely_as_the_model_says():
    vocab = Vocab("char", map(ord, "abcdef "))
    net = network(V=7, spread=0.7, dtype=np.float32)
    chosen = SampleConfig(length=5, temperature=0.7, top_k=3, seed=1)
    first = [
        one.text[0]
        for one in Generator(net, vocab, chosen, words=WordList(["ab", "dc", "fa"], vocab)).batch(
            6000
        )
    ]
    ws, state = net.workspace(1, 1), net.arch.zero_state(1)
    logits = net.forward(ws, np.array([[vocab.start]]), state)[0].astype(np.float64)
    weights = np.exp(logits[vocab.encode(" adf")] / 0.7)
    weights[np.argmin(weights)] = 0.0  # top-k is of what is allowed
    counts = np.array([first.count(char) for char in " adf"])
    assert counts.sum() == 6000
    expected = 6000 * weights / weights.sum()
    possible = expected > 0
    assert np.sum(((counts - expected) ** 2)[possible] / expected[possible]) < 30  # chi-square
    assert counts[np.argmin(weights)] == 0


def test_words_of_a_byte_model():
    m = model(unit="byte")
    words = ["fox", "crème", "don't"]
    texts = [m.sample(60, temperature=1.0, seed=i, words=words).decode() for i in range(20)]
    assert {word for text in texts for word in words_of(text)} <= written(words)


TEXT = "The fox can't say \u201cno\u201d.\n\nNo, said the owl; the owl's eyes!\n" * 20


@pytest.fixture(scope="module")
def of_text():
    return trained(TEXT, steps=30).model


KNOWN = ("No", "The", "can't", "eyes", "fox", "no", "owl", "owl's", "said", "say", "the")


def test_a_model_knows_the_words_of_its_corpus(of_text, tmp_path):
    assert of_text.known_words == KNOWN
    of_text.save(tmp_path / "m.npz")
    assert charrnn.load(tmp_path / "m.npz").known_words == KNOWN
    texts = [one.text for one in of_text.iter_samples(lines=40, seed=1, words="known")]
    assert {word for text in texts for word in words_of(text)} <= written(KNOWN)
    assert of_text.sample(60, words="known", seed=3) == "".join(
        of_text.stream(words=KNOWN, seed=3, length=60)
    )
    only = of_text.sample(60, words="The owl said no", seed=3)
    assert {*words_of(only)} <= written({"The", "owl", "said", "no"})
    further = charrnn.train("new words\n" * 30, init_from=of_text, steps=1)
    assert further.known_words == tuple(sorted({*KNOWN, "new", "words"}))


def test_words_across_blocks_and_limits(monkeypatch):
    text = "anna bo anna cecilia. bo anna dora " + "x" * 65 + " anna"
    vocab = Vocab("char", map(ord, text))
    ids = vocab.encode(text)
    everything = known_words(ids, vocab)
    assert everything == ("anna", "bo", "cecilia", "dora")
    for size in (1, 3, 10):
        monkeypatch.setattr("charrnn.data.words.BLOCK", size)
        assert known_words(ids, vocab) == everything
    monkeypatch.setattr("charrnn.data.words.MAX_WORDS", 2)
    assert known_words(ids, vocab) == ("anna", "bo")
    assert known_words(np.frombuffer("né à".encode(), np.uint8), Vocab("byte")) == ("né", "à")


def test_words_in_a_file_are_not_trusted():
    assert unpack_words(pack_words(KNOWN)) == KNOWN
    assert unpack_words(pack_words(())) == ()
    for wrong in (b"b\na", b"a\na", b"\xff", b"a\n\nb", b"a b", b"a\n", b"'a", b"a\nb'", b"a''b"):
        with pytest.raises(ValueError, match=r"words|utf-8"):
            unpack_words(np.frombuffer(wrong, np.uint8))


def test_a_file_with_wrong_words_is_damaged(of_text, tmp_path):
    of_text.known_words = ("b", "a")
    of_text.save(tmp_path / "m.npz")
    with pytest.raises(CheckpointError, match=r"m\.npz: damaged: its words are not sorted"):
        charrnn.load(tmp_path / "m.npz")
