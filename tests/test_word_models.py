"""Models of words: scores, samples, runs, and what they refuse."""

import math
import re

import numpy as np
import pytest
from notes import logged
from small import settings

from charrnn.checkpoint import Checkpoint
from charrnn.classification import Classifier
from charrnn.config.schema import SampleConfig
from charrnn.data.corpus import Corpus
from charrnn.data.word_vocab import UNKNOWN
from charrnn.errors import CharRNNError, ConfigError
from charrnn.model import CharRNN, load
from charrnn.training.start import fine_tune, resume
from charrnn.training.trainer import Trainer

TEXT = (
    "the fox saw the crow.\nthe crow saw the fox, and the fox didn't go.\n\n"
    "said the fox: why go?\nthe crow sat still (and so did the fox)\n"
) * 12 + "a badger wandered in by night\nthe fox saw the hedgehog.\n"
#: Words that are in it, and words that are not.
MIXED = "the fox saw a weasel\nand the stoat, too\n"


def trainer(text=TEXT, **changes):
    chosen = {"unit": "word", "vocab_size": 20, "steps": 12, "ngram_order": 0}
    return Trainer(settings(**chosen | changes), text)


@pytest.fixture(scope="module")
def model():
    run = trainer()
    for _ in run:
        pass
    return run.model


def reference(model: CharRNN, text: str) -> tuple[float, float, float, int]:
    """Nats of all, of unknown words and for spelling them, and how many those are; word by word."""
    network, vocab = model.network, model.vocab
    state, ws = network.arch.zero_state(1), network.workspace(1, 1)
    last, total, of_unknown, unknown = vocab.start, 0.0, 0.0, 0
    for token in re.findall(r" ?\w+(?:'\w+)?| ?[^\w\s]|\s", text):
        points = vocab.points.tolist()
        here = points.index(token if token in points else UNKNOWN)
        logits = network.forward(ws, np.array([[last]]), state)[0].astype(np.float64)
        nats = math.log(np.exp(logits).sum()) - logits[here]
        total += nats
        if token not in points:
            of_unknown, unknown = of_unknown + nats, unknown + 1
        last = here
    spelling = unknown * vocab.spelling
    return total, of_unknown, spelling, unknown


def test_scores_equal_those_of_one_word_after_the_other(model):
    nats, of_unknown, spelling, unknown = reference(model, MIXED)
    assert unknown == 5
    for how in ("error", "score"):
        score = model.evaluate(MIXED, how)
        assert (score.words, score.unknown, score.characters) == (12, 5, len(MIXED))
        assert score.nats == pytest.approx(nats + spelling, rel=1e-5)
        assert score.spelling == pytest.approx(spelling)
        assert score.unknown_nats == pytest.approx(of_unknown + spelling, rel=1e-5)
        assert score.nats_per_symbol == pytest.approx(nats / 12, rel=1e-5)
        assert score.perplexity == pytest.approx(math.exp(nats / 12), rel=1e-5)
        assert score.known_perplexity == pytest.approx(
            math.exp((nats - of_unknown) / (12 - 5)), rel=1e-5
        )
        assert score.bits_per_char == pytest.approx(
            (nats + spelling) / len(MIXED) / math.log(2), rel=1e-5
        )


def test_a_skipped_word_is_not_read(model):
    skipped = model.evaluate("the weasel fox", "skip")
    assert (skipped.words, skipped.unknown, skipped.characters) == (2, 0, 7)
    assert skipped.nats == pytest.approx(model.evaluate("the fox").nats, rel=1e-6)
    (line,) = model.score_lines(["the weasel fox"], "skip")
    assert (line.words, line.unknown, line.characters) == (2, 1, 7)
    assert line.nats == pytest.approx(skipped.nats, rel=1e-5)


def test_lines_words_and_the_whole_have_the_same_scores(model):
    line = MIXED.splitlines()[0]
    whole = model.evaluate(line)
    (of_line,) = model.score_lines([line], "score")
    assert of_line.nats == pytest.approx(whole.nats, rel=1e-5)
    assert (of_line.words, of_line.characters, of_line.unknown) == (5, len(line), 2)
    assert of_line.bits_per_char == pytest.approx(whole.bits_per_char, rel=1e-5)
    (nats,) = model.line_surprisals([line], "score")
    assert nats.sum() == pytest.approx(whole.nats, rel=1e-5)
    (scores,) = model.char_scores(line)
    np.testing.assert_allclose(scores.nats, nats, rtol=1e-5)
    assert [len(scores.ids), int((scores.ids < 0).sum())] == [5, 2]
    assert (scores.likeliest >= 0).all()
    for how in ("score", "skip"):
        (skipped,) = model.line_surprisals([line], how)
        assert np.isnan(skipped).sum() == (2 if how == "skip" else 0)


def test_the_validation_of_a_run_is_the_score_of_its_held_out_text(model):
    corpus = Corpus.of_text(TEXT, model.config.data)
    held_out = TEXT[len(TEXT) - int(corpus.validation_lengths.sum()) :]
    score = model.evaluate(corpus.validation)
    assert score.nats_per_symbol == pytest.approx(model.run.best, rel=1e-5)
    exact = model.evaluate(held_out)
    assert exact.unknown == int(corpus.validation_counts[corpus.vocab.rare_id])
    assert corpus.bits_per_char(exact.nats_per_symbol) == pytest.approx(
        exact.bits_per_char, rel=1e-9
    )


def test_records_are_scored_one_by_one():
    run = trainer(records="line")
    for _ in run:
        pass
    model = run.model
    lines = list(model.score_lines(MIXED.splitlines(), "score"))
    whole = model.evaluate(MIXED)
    assert sum(line.nats for line in lines) == pytest.approx(whole.nats, rel=1e-5)
    assert sum(line.characters for line in lines) == whole.characters == len(MIXED)
    assert (whole.unknown, whole.words) == (5, 12)
    assert whole.unknown_nats > whole.spelling > 0.0
    assert all("\n" not in one.text for one in model.samples(length=30, count=4, seed=1))
    unknown = "weasel\n\nstoat\n"  # both are read, and so have an end
    (one, two) = model.score_lines(["weasel", "stoat"])
    whole = model.evaluate(unknown)
    assert (whole.words, whole.characters) == (4, 13)
    assert (one.words, one.characters, two.words, two.characters) == (2, 7, 2, 6)
    assert whole.nats == pytest.approx(one.nats + two.nats, rel=1e-5)


def test_dynamic_evaluation_and_ngrams_read_words(model):
    static, dynamic = model.dynamic_evaluate(MIXED, np.ones_like(model.network.params.flat))
    assert static.nats == pytest.approx(model.evaluate(MIXED).nats)
    assert dynamic.words == static.words == 12
    # The first segment is scored before anything adapts.
    assert dynamic.unknown_nats == pytest.approx(static.unknown_nats, rel=1e-5)
    baselines = model.reference(TEXT).baselines()
    assert baselines.names == ("unigram", "2-gram", "3-gram", "4-gram", "5-gram", "6-gram")


def test_unknown_words_are_never_sampled(model):
    network = model.network
    before = network.params["output.b"].copy()
    network.params["output.b"][model.vocab.rare_id] = 50.0
    try:
        texts = [one.text for one in model.samples(length=40, count=8, seed=2)]
        texts.append("".join(model.stream(length=40, seed=3)))
    finally:
        network.params["output.b"][:] = before
    assert UNKNOWN not in "".join(texts)
    assert all(texts)


def test_a_prime_with_unknown_words_is_read_like_a_text(model):
    a, b = (model.sample(20, prime=p, seed=4) for p in ("the weasel", "the stoat"))
    assert a == b


@pytest.mark.parametrize("stop", [" fo", "o", "\n", "x s", ", a", "."])
def test_stop_strings_may_be_anywhere_in_words(model, stop):
    for seed in range(4):
        free = model.sample(40, seed=seed, temperature=1.0)
        expected = free[: free.find(stop)] if stop in free else free
        settings = SampleConfig(length=40, seed=seed, temperature=1.0, stop=(stop,))
        assert "".join(model.stream(settings)) == expected
        (one,) = model.samples(settings)
        assert one.text == expected
        assert one.ended == ("stop" if stop in free else "length")


def test_the_first_of_several_stop_strings_counts(model):
    free = model.sample(60, seed=1, temperature=1.0)
    stops = ("saw", "the ", " fox", "ox")
    ends = [(free.find(s) + len(s), -len(s), free.find(s)) for s in stops if s in free]
    settings = SampleConfig(length=60, seed=1, temperature=1.0, stop=stops)
    (one,) = model.samples(settings)
    assert one.text == "".join(model.stream(settings)) == free[: min(ends)[2]]


def test_the_length_of_a_sample_is_in_words(model):
    text = model.sample(25, seed=1)
    assert len(model.vocab.encode(text)) <= 25 < len(text)


def test_resume_is_exact(tmp_path):
    whole = trainer()
    for step in whole:
        if step.step == 5:
            whole.checkpoint().save(tmp_path / "5.npz")
    whole.checkpoint().save(tmp_path / "whole.npz")
    again = resume(Checkpoint.load(tmp_path / "5.npz", training=True), TEXT)
    for _ in again:
        pass
    again.checkpoint().save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_fine_tuning_adds_the_words_of_the_text(model):
    text = "the weasel saw the stoat.\n" * 60
    with logged() as notes:
        run = fine_tune(model, text)
    assert any("2 (' stoat', ' weasel') added" in note for note in notes), notes
    points = run.vocab.points.tolist()
    assert {" weasel", " stoat"} <= set(points)
    assert set(model.vocab.points.tolist()) <= set(points)
    was, now = model.network.params["layers.0.W_x"], run.network.params["layers.0.W_x"]
    np.testing.assert_array_equal(now[points.index(" fox")], was[model.vocab.encode(" fox")[0]])


def test_a_file_holds_all_that_a_model_of_words_needs(model, tmp_path):
    model.save(tmp_path / "words.npz")
    found = load(tmp_path / "words.npz")
    assert found.vocab == model.vocab
    assert found.evaluate(MIXED) == model.evaluate(MIXED)
    assert found.sample(20, seed=1) == model.sample(20, seed=1)


def test_what_was_unknown_is_reported():
    with logged() as notes:
        trainer()
    assert any(
        re.search(r"words of the text \(\d+\.\d%\) are not among the 19 most frequent", note)
        for note in notes
    ), notes


def test_line_ends_of_windows_are_reported():
    with logged() as notes:
        trainer(TEXT.replace("\n", "\r\n"))
    assert any("the lines end with CR LF, as on Windows" in note for note in notes), notes


def test_words_that_only_the_held_out_part_has_are_those_of_a_short_text():
    letters = "abcdefghijklmnopqrst"
    with logged() as notes:
        trainer("the fox ran.\n" * 50 + " ".join(f"x{c}y" for c in letters), vocab_size=50)
    (note,) = [note for note in notes if "never occur in the training part" in note]
    assert "(' xby', ' xcy', ' xdy', ' xey' and 16 more), as in any short text" in note
    assert note.endswith("data.min_count=2 makes one of all rare words")


def test_classes_of_words(model):
    other = trainer("a stone lay in the road.\nnobody took it away\n" * 20)
    for _ in other:
        pass
    classes = Classifier({"fox": model, "stone": other.model})
    (found,) = classes.classify(["the fox saw the crow."])
    assert found.label == "fox"


def test_novel_lines_are_those_not_in_the_corpus(model):
    for one in model.iter_samples(lines=5, novel=True, seed=1, temperature=1.5):
        assert one.text + "\n" not in TEXT


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda m: m.sample(5, words="known"), "is a model of words, which writes no others"),
        (lambda m: m.reference(TEXT).overlap("the fox"), "copies are looked for character by"),
        (lambda m: m.sample(5, prime=b"the"), "this model reads words; give it str"),
        (lambda m: m.evaluate(b"the"), "this model reads words; give it str"),
        (lambda m: trainer(TEXT.encode()), "data.unit is word, but the text is bytes"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(model, attempt, message):
    with pytest.raises(CharRNNError, match=message) as caught:
        attempt(model)
    assert "\n" not in str(caught.value)


def test_a_corpus_of_other_words_is_refused():
    corpus = Corpus.of_text(TEXT, settings(unit="word", vocab_size=30).data)
    with pytest.raises(
        ConfigError, match=r"data\.vocab_size is 20, but the corpus was made with 30"
    ):
        trainer(corpus)
