"""Only new records: none of the corpus's, as many as wanted, and an end to the search."""

import pytest
from small import model, trained

from charrnn.data.records import RecordSet
from charrnn.errors import CharRNNError, ConfigError
from charrnn.generation import Sample
from charrnn.novelty import Selection

KNOWN = RecordSet.of(["anna", "bo", "ann", "The end."])


def samples(*texts):
    return [Sample(text, 1.0, "stop", i) for i, text in enumerate(texts)]


def select(texts, wanted, prime="", known=KNOWN, **options):
    found = Selection(samples(*texts), wanted, prime, 0.8, known=known, **options)
    return [(one.index, one.text) for one in found]


def test_only_new_records_pass():
    texts = ["anna", "annabel", "", "bo", "ann", "b"]
    assert select(texts, None) == [(1, "annabel"), (5, "b")]
    assert select(texts, 2) == [(1, "annabel"), (5, "b")]
    assert select(texts, None, prime="an") == list(enumerate(texts))
    assert select(["a", "na", "nabel"], None, prime="an") == [(0, "a"), (2, "nabel")]
    assert select(["a", "", "b"], None, known=None, empty=True) == [(0, "a"), (1, ""), (2, "b")]


def test_near_copies_are_no_new_records():
    texts = ["Anna", "the end!", " the  End", "BO?", "the-end", "then end", "ann a", "..", "?!"]
    assert select(texts, None) == [(5, "then end"), (7, ".."), (8, "?!")]
    assert select(["cafe\u0301", "cafe"], None, known=RecordSet.of(["caf\xe9"])) == [(1, "cafe")]
    assert select(["\u0915\u093f", "\u0915"], None, known=RecordSet.of(["\u0915"])) == [
        (0, "\u0915\u093f")  # a vowel sign makes another word
    ]
    assert select(["C", "C++"], None, known=RecordSet.of(["c"])) == [(1, "C++")]


def test_repeats_are_left_out_if_asked_for():
    texts = ["x", "y", "x", "bo", "", "y", "z"]
    assert select(texts, None, unique=True) == [(0, "x"), (1, "y"), (6, "z")]
    assert select(texts, None) == [(0, "x"), (1, "y"), (2, "x"), (5, "y"), (6, "z")]


def test_what_is_left_out_is_counted():
    found = Selection(samples("x", "bo", "", "x", "anna", "y"), 2, known=KNOWN, unique=True)
    assert [one.text for one in found] == ["x", "y"]
    assert found.left_out == {"in the training corpus": 2, "empty": 1, "repeated": 1}
    assert found.reasons() == "2 in the training corpus, 1 repeated, 1 empty"
    assert found.reasons("repeated") == "1 repeated"
    assert Selection([], None).reasons() == ""


def test_no_more_are_looked_at_than_wanted():
    rest = iter(samples("bo", "x", "y", "z"))
    assert [one.text for one in Selection(rest, 2, known=KNOWN)] == ["x", "y"]
    assert next(rest).text == "z"


def test_too_few_new_records_are_an_error_that_says_what_helps():
    with pytest.raises(CharRNNError) as caught:
        select(["bo", "x", "anna", ""], 2)
    assert str(caught.value) == (
        "found 1 of 2 in 4 samples (2 in the training corpus, 1 empty); "
        "a higher temperature repeats and copies less: sample.temperature=1.3"
    )
    with pytest.raises(CharRNNError, match=r"temperature=1$"):
        list(Selection([], 1, temperature=0.0))


def test_a_search_without_end_is_given_up():
    assert select(["bo"] * 4 + ["x"] + ["bo"] * 4, None, most_left_out=5) == [(4, "x")]
    with pytest.raises(CharRNNError, match=r"^left out 5 samples in a row \(5 in the training "):
        select(["x"] + ["bo"] * 5, None, most_left_out=5)


NAMES = "anna\nbo\ncecilia\nda\nemmeline\nfay\n"


@pytest.fixture(scope="module", params=["char", "byte"])
def memorised(request):
    """A model that has memorised six names."""
    return trained(
        NAMES, unit=request.param, records="line", val_fraction=0.0, hidden_size=24, seq_length=12,
        num_layers=1, dropout=0.0, steps=400, ngram_order=0,
    ).model  # fmt: skip


def text(sample):
    return sample if isinstance(sample, str) else sample.decode("utf-8", "replace")


def test_a_model_of_records_draws_only_new_ones(memorised):
    names = {"", *NAMES.splitlines()}
    settings = {"count": 40, "temperature": 1.2, "seed": 1}
    drawn = list(memorised.iter_samples(**settings | {"count": 800}))
    assert any(text(one.text) in names for one in drawn)  # otherwise nothing is tested
    found = list(memorised.iter_samples(**settings, novel=True))
    # The same samples in the same order, without the known ones, which may have punctuation.
    letters = ["".join(filter(str.isalpha, text(one.text))).lower() for one in drawn]
    new = [one for one, name in zip(drawn, letters, strict=True) if name not in names]
    assert found == new[:40]
    endless = memorised.iter_samples(**settings, novel=True, endless=True)
    assert [next(endless) for _ in range(10)] == found[:10]
    assert memorised.sample(novel=True, temperature=1.2, seed=1) == found[0].text


def test_the_prime_belongs_to_the_record(memorised):
    assert text(memorised.sample(prime="cec", temperature=0.0)) == "ilia"
    with pytest.raises(CharRNNError, match=r"^found 0 of 1 in 20 samples"):
        memorised.sample(prime="cec", temperature=0.0, novel=True)
    first = next(memorised.iter_samples(prime="cec", temperature=2.0, seed=2, novel=True))
    assert text(first.text) != "ilia"


def test_a_model_that_does_not_know_its_corpus_does_not_know_what_is_new():
    m = model()
    with pytest.raises(ConfigError, match=r"^a model: novelty is checked line by line; draw lines"):
        m.sample(novel=True)
    with pytest.raises(ConfigError, match=r"^a model: does not know the lines of its corpus; "):
        m.iter_samples(lines=3, novel=True)
    with pytest.raises(ConfigError, match=r"^a model: does not know the words of its corpus; "):
        m.stream(words="known")


def test_a_model_without_newlines_draws_no_lines():
    with pytest.raises(
        ConfigError, match=r"^a model: does not know newlines, so it cannot draw lines$"
    ):
        model("abc").iter_samples(lines=3)


def test_a_model_of_text_draws_lines():
    m = trained("anna ran\n\nbo sat\n\nthe end\n" * 4, steps=60).model
    found = m.iter_samples(lines=30, seed=1, novel=True, unique=True, length=40, temperature=1.5)
    texts = [one.text for one in found]
    assert len(texts) == len(set(texts)) == 30
    assert "" not in texts
    assert not {"anna ran", "bo sat", "the end"} & set(texts)
    assert not any("\n" in text for text in texts)
    plain = [one.text for one in m.iter_samples(lines=30, seed=1, length=40, temperature=1.5)]
    assert "" not in plain
    # The same samples, without those that are left out.
    both = [text for text in dict.fromkeys(plain) if text in texts]
    assert both == texts[: len(both)]
    assert len(both) > 10
