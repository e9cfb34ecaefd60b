"""Only new records: none of the corpus's, as many as wanted, and an end to the search."""

import pytest
from small import model, trained

from charrnn.data.records import RecordSet
from charrnn.errors import CharRNNError, ConfigError
from charrnn.generation import Sample
from charrnn.novelty import NoveltyFilter

KNOWN = RecordSet.of(["anna", "bo", "ann"])


def samples(*texts):
    return [Sample(text, 1.0, "stop", i) for i, text in enumerate(texts)]


def select(texts, wanted, prime="", **limits):
    found = NoveltyFilter(KNOWN, prime, 0.8).select(samples(*texts), wanted, **limits)
    return [(one.index, one.text) for one in found]


def test_only_new_records_pass():
    texts = ["anna", "annabel", "", "bo", "ann", "b"]
    assert select(texts, None) == [(1, "annabel"), (2, ""), (5, "b")]
    assert select(texts, 2) == [(1, "annabel"), (2, "")]
    assert select(texts, None, prime="an") == list(enumerate(texts))
    assert select(["a", "na", "nabel"], None, prime="an") == [(0, "a"), (2, "nabel")]


def test_no_more_are_looked_at_than_wanted():
    rest = iter(samples("bo", "x", "y", "z"))
    assert [one.text for one in NoveltyFilter(KNOWN, "", 0.8).select(rest, 2)] == ["x", "y"]
    assert next(rest).text == "z"


def test_too_few_new_records_are_an_error_that_says_what_helps():
    with pytest.raises(CharRNNError) as caught:
        select(["bo", "x", "anna"], 2)
    assert str(caught.value) == (
        "found 1 of 2 new records in 3 samples (the others are in the training corpus); "
        "a higher temperature copies less: sample.temperature=1.3"
    )
    cold = NoveltyFilter(KNOWN, "", 0.0)
    with pytest.raises(CharRNNError, match=r"temperature=1$"):
        list(cold.select([], 1))


def test_a_search_without_end_is_given_up():
    assert select(["bo"] * 4 + ["x"] + ["bo"] * 4, None, most_known=5) == [(4, "x")]
    with pytest.raises(CharRNNError, match=r"^5 records in a row are in the training corpus; "):
        select(["x"] + ["bo"] * 5, None, most_known=5)


NAMES = "anna\nbo\ncecilia\nda\nemmeline\nfay\n"


@pytest.fixture(scope="module", params=["char", "byte"])
def memorised(request):
    """A model that has memorised six names."""
    return trained(
        NAMES, unit=request.param, records="line", val_fraction=0.0, hidden_size=24, seq_length=12,
        num_layers=1, dropout=0.0, steps=400,
    ).model  # fmt: skip


def text(sample):
    return sample if isinstance(sample, str) else sample.decode("utf-8", "replace")


def test_a_model_of_records_draws_only_new_ones(memorised):
    names = set(NAMES.splitlines())
    settings = {"count": 40, "temperature": 1.2, "seed": 1}
    drawn = list(memorised.iter_samples(**settings | {"count": 800}))
    assert any(text(one.text) in names for one in drawn)  # otherwise nothing is tested
    found = list(memorised.iter_samples(**settings, novel=True))
    # The same samples in the same order, without the known ones.
    assert found == [one for one in drawn if text(one.text) not in names][:40]
    endless = memorised.iter_samples(**settings, novel=True, endless=True)
    assert [next(endless) for _ in range(10)] == found[:10]
    assert memorised.sample(novel=True, temperature=1.2, seed=1) == found[0].text


def test_the_prime_belongs_to_the_record(memorised):
    assert text(memorised.sample(prime="cec", temperature=0.0)) == "ilia"
    with pytest.raises(CharRNNError, match=r"^found 0 of 1 new records in 20 samples"):
        memorised.sample(prime="cec", temperature=0.0, novel=True)
    first = next(memorised.iter_samples(prime="cec", temperature=2.0, seed=2, novel=True))
    assert text(first.text) != "ilia"


def test_only_a_model_of_records_knows_what_is_new():
    m = model()
    message = "^a model: only a model of records .*; train one with data.records=line$"
    for draw in (m.sample, m.iter_samples):
        with pytest.raises(ConfigError, match=message):
            draw(novel=True)
