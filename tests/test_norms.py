"""What is usual: estimates from counts, percentiles of lines, and their place in a file."""

import math

import numpy as np
import pytest
from small import corpus, model, trained

from charrnn.data.corpus import Corpus
from charrnn.evaluation.norms import LINES, measure
from charrnn.model import CharRNN
from charrnn.nn.network import Network
from charrnn.norms import PERCENTILES, UNICODE, Norms


def test_the_rarer_new_characters_were_the_less_an_unknown_one_is_expected() -> None:
    assert Norms.of(np.array([1, 1, 1, 97]), []).unknown == 3 / 101
    assert Norms.of(np.array([50, 50]), []).unknown == 1 / 101  # as if one had occurred once
    assert Norms.of(np.array([50, 50]), [], rare=7).unknown == 8 / 101
    assert Norms(unknown=0.5).unknown_nats(UNICODE - 4) == pytest.approx(math.log(8))


def test_percentiles_are_interpolated() -> None:
    assert len(PERCENTILES) == 119
    assert (PERCENTILES[0], PERCENTILES[-1]) == (0.0, 100.0)
    assert {99.0, 99.9, 99.99} < set(PERCENTILES.round(9).tolist())
    lines = [np.full(3, n * math.log(2)) for n in range(1001)]
    norms = Norms.of(np.array([9]), lines)
    assert (norms.lines, norms.surprising) == (1001, 990.0)
    for percent in (0.0, 50.0, 99.0, 99.9, 100.0):
        assert norms.percentile(percent) == pytest.approx(10 * percent, abs=1e-3)
        assert norms.percentile(percent) > 10 * percent  # equal lines are not above it
    assert norms.percentile(99.95) == pytest.approx(999.5, abs=1e-3)


@pytest.mark.parametrize("norms", [Norms(), Norms.of(np.array([1]), [np.ones(2)])])
def test_what_a_file_holds_is_checked(norms: Norms) -> None:
    document = norms.to_dict()
    assert Norms.from_dict(document) == norms
    for change in (
        {"unknown": 0.0},
        {"unknown": 1},
        {"unknown": 1.5},
        {"lines": -1},
        {"lines": 1.0},
        {"bits": [1.0]},
        {"surprising": -1.0},
        {"surprising": None},
    ):
        with pytest.raises((ValueError, TypeError, KeyError)):
            Norms.from_dict(document | change)


def test_characters_too_rare_for_the_vocabulary_are_unknown() -> None:
    text = "abab xyz " * 20 + "Ω" * 3 + "abab " * 40
    run = trained(text, min_count=5, steps=2)
    model = run.model
    assert model.vocab.rare
    counts = run.corpus.train_counts
    assert model.norms.unknown == (1 + 3) / (int(counts.sum()) + 1)
    plain, rare = model.score_lines(["abab ", "ab\N{GREEK CAPITAL LETTER OMEGA}ab "], "score")
    assert (rare.characters, rare.unknown) == (6, 1)
    assert rare.nats == pytest.approx(plain.nats + model.unknown_nats, rel=1e-5)


def test_of_many_held_out_lines_some_are_scored() -> None:
    text = "ab\n" * (LINES * 12)
    a = model("ab\n")
    norms = measure(a.network, Corpus.of_text(text))
    assert LINES // 2 <= norms.lines <= LINES
    assert norms.percentile(50) == pytest.approx(
        next(iter(a.score_lines(["ab"]))).bits_per_char, abs=1e-3
    )


def test_a_text_without_newlines_is_one_line() -> None:
    text = corpus("abcdef" * 40)
    norms = measure(model("abcdef").network, text)
    assert norms.lines == 1
    assert measure(model("abcdef").network, corpus("abcdef" * 40, val_fraction=0.0)).lines == 0


def test_of_a_long_line_only_the_beginning_is_scored() -> None:
    a = model("abcd")
    text = corpus("abcd" * 50 + "ab" * 50 + "cd" * 50, val_fraction=0.5)
    for length in (10, 100, 200):
        beginning = a.evaluate(text.validation[:length]).bits_per_char
        norms = measure(a.network, text, symbols=length)
        assert norms.percentile(50) == pytest.approx(beginning, abs=1e-3)


def test_a_trained_model_is_measured_when_it_is_asked_for_and_only_once() -> None:
    a, measured = model("ab\n"), []

    def norms(network: Network) -> Norms:
        measured.append(network)
        return Norms(unknown=0.25)

    b = CharRNN(a.config, a.vocab, a.network.params, norms=norms)
    assert b.sample(5, seed=1) == a.sample(5, seed=1)
    assert not measured
    assert b.unknown_nats == pytest.approx(math.log((UNICODE - len(a.vocab)) / 0.25))
    assert b.norms == Norms(unknown=0.25)
    assert measured == [b.network]


def test_a_run_and_its_model_have_the_same_norms() -> None:
    run = trained("ab\ncd\n" * 40, steps=2)
    assert run.model.norms == run.checkpoint(norms=True).norms
