"""A corpus given again: what was held out of it, baselines and copies of the rest."""

import dataclasses

import numpy as np
import pytest
from small import PARAGRAPH, model, trained

import charrnn
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import Vocab
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.evaluation.baselines import Baselines

TEXT = PARAGRAPH * 3
SPLIT = len(TEXT) - -(-len(TEXT) // 10)  # a tenth, rounded up, is held out


@pytest.fixture(scope="module", params=["char", "byte"])
def run(request):
    return trained(TEXT, unit=request.param, steps=10)


def test_the_held_out_part_of_its_own_corpus(run):
    m = run.model
    for corpus in (TEXT, run.corpus):
        reference = m.reference(corpus)
        assert reference.is_own
        held_out = reference.held_out
        decoded = m.vocab.decode(held_out)
        assert decoded == (TEXT[SPLIT:] if m.vocab.unit == "char" else TEXT[SPLIT:].encode())
        assert m.evaluate(held_out).nats == pytest.approx(m.evaluate(decoded).nats)
        assert m.evaluate(held_out).characters == len(TEXT) - SPLIT


def test_ids_are_those_of_a_model_that_knows_more_characters():
    first = trained(TEXT + "xyzXYZ", steps=2).model
    m = trained_from(first)
    assert len(m.vocab) > len(Vocab("char", map(ord, TEXT)))
    assert m.vocab.decode(m.reference(TEXT).held_out) == TEXT[SPLIT:]
    corpus = Corpus.of_text(TEXT, m.config.data, known=m.vocab)
    assert m.vocab.decode(m.reference(corpus).held_out) == TEXT[SPLIT:]


def trained_from(first):
    return charrnn.train(TEXT, init_from=first, steps=2)


def test_baselines_learn_from_what_the_model_was_trained_on(run):
    m, new = run.model, TEXT[SPLIT:]
    ids = m.vocab.encode(TEXT)
    own = m.reference(TEXT).baselines().evaluate(new)
    wanted = Baselines(ids[:SPLIT], m.vocab).evaluate(new)
    assert {name: e.nats for name, e in own.items()} == {n: e.nats for n, e in wanted.items()}
    # All of another text; its characters that the model does not know are left out.
    other = m.reference(TEXT[:500] + "the ox").baselines().evaluate(new)
    assert other == Baselines(m.vocab.encode(TEXT[:500] + "the ox"), m.vocab).evaluate(new)
    if m.vocab.unit == "char":
        greek = m.reference("Ω" + TEXT[:500]).baselines().evaluate(new)
        assert greek == Baselines(ids[:500], m.vocab).evaluate(new)


def test_overlap_is_with_what_the_model_was_trained_on(run):
    reference = run.model.reference(TEXT)
    again = reference.overlap(TEXT)
    assert (again.longest, again.at) == (SPLIT, 0)
    copied = "Ω" + TEXT[20:70] + "Ω"
    found = reference.overlap(copied)
    size = 1 if run.vocab.unit == "char" else 2  # positions are in characters, or in bytes
    assert (found.longest, found.at, found.found) == (50, size, 21)
    assert reference.overlaps([copied, "", TEXT]) == [found, reference.overlap(""), again]
    assert reference.overlap(copied.encode()).longest == 50


def test_another_corpus_has_no_held_out_part(run):
    m = run.model
    with pytest.raises(CorpusError, match=r"^text: not the corpus that .* \(text, 1,\d+ bytes\)"):
        m.reference(TEXT[1:]).held_out  # noqa: B018
    assert not m.reference(TEXT[1:]).is_own
    m.corpus = None
    with pytest.raises(CheckpointError, match="does not say which corpus it was trained on"):
        m.reference(TEXT).held_out  # noqa: B018
    whole = trained(TEXT, val_fraction=0.0, steps=1).model
    with pytest.raises(CorpusError, match=r"^text: the model was trained on all of it"):
        whole.reference(TEXT).held_out  # noqa: B018


def test_a_corpus_must_be_read_as_the_models_was(run):
    data = dataclasses.replace(run.config.data, val_fraction=0.3)
    with pytest.raises(ConfigError, match="data settings that differ from the model's"):
        run.model.reference(Corpus.of_text(TEXT, data))
    latin = dataclasses.replace(run.config.data, encoding="latin-1")  # the same characters
    assert run.model.reference(Corpus.of_text(TEXT.encode("latin-1"), latin)).is_own
    with pytest.raises(CorpusError, match="the corpus is empty"):
        run.model.reference("")


def test_a_model_without_a_corpus_compares_with_all_of_any():
    m = model("abcd\n")
    reference = m.reference("abcdabcdabcdabcdabcdabcdabcdabcdabcdabcd")
    assert not reference.is_own
    assert reference.overlap("dabc" * 8).longest == 32
    unigram = reference.baselines().evaluate("ab")["unigram"]
    assert unigram.nats == pytest.approx(-2 * np.log(unigram_probability()), rel=1e-6)


def unigram_probability():
    """Of one of four symbols with ten counts each, of an alphabet of five: Kneser-Ney's."""
    discount = 1.0  # for counts of 3 and more, where there is no estimate
    return (10 - discount) / 40 + 4 * discount / 40 / 5
