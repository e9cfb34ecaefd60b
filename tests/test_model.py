"""CharRNN end to end: any script, any bytes; what is saved is what is loaded."""

import dataclasses
import hashlib

import numpy as np
import pytest
from small import CELLS, PARAGRAPH, model, settings, trained

import charrnn
from charrnn.checkpoint import Checkpoint, Origin
from charrnn.config.schema import SampleConfig
from charrnn.errors import CheckpointError, ConfigError, CorpusError, VocabError
from charrnn.evaluation.score import score
from charrnn.model import CharRNN

# Letters of other scripts may look like Latin ones.
# ruff: noqa: RUF001

CORPORA = {
    "english": PARAGRAPH,
    "cyrillic": "Буря мглою небо кроет,\nВихри снежные крутя;\nТо, как зверь, она завоет,\n" * 4,
    "chinese": "床前明月光，\n疑是地上霜。\n舉頭望明月，\n低頭思故鄉。\n" * 8,
    "emoji": "🦊🐦🌲👩‍👩‍👧🇫🇷\n🌙⭐🦉🌲🦊\n👍🏽🐦🌙\n" * 10,
    "combining": "e\u0301te\u0301 a\u0300 la plage\r\n" * 15,
    "controls": "a\0b\x1b[0m\x7f\u2028\ufeff\n" * 20,
}


@pytest.mark.parametrize("name", CORPORA)
def test_any_script_end_to_end(name, tmp_path):
    text = CORPORA[name]
    model = trained(text, hidden_size=16, num_layers=1, steps=60, learning_rate=0.1).model
    model.save(tmp_path / "m.npz")
    loaded = charrnn.load(tmp_path / "m.npz")
    prime = text[:7]
    sample = loaded.sample(50, prime=prime, seed=1)
    assert sample == model.sample(50, prime=prime, seed=1)
    assert isinstance(sample, str)
    assert len(sample) == 50
    assert set(sample) <= set(text)
    score = loaded.evaluate(text)
    assert score == model.evaluate(text)
    assert score.characters == len(text)
    assert score.perplexity < len(set(text))


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89" * 12


def test_bytes_end_to_end(tmp_path):
    model = trained(PNG, unit="byte", hidden_size=16, steps=60, learning_rate=0.1).model
    model.save(tmp_path / "m.npz")
    loaded = charrnn.load(str(tmp_path / "m.npz"))
    sample = loaded.sample(64, prime=PNG[:4], seed=2, temperature=0.5)
    assert isinstance(sample, bytes)
    assert len(sample) == 64
    assert sample == model.sample(64, prime=PNG[:4], seed=2, temperature=0.5)
    assert loaded.evaluate(PNG).characters == len(PNG)
    assert loaded.evaluate(PNG).bits_per_char < 8
    assert loaded.sample(5, prime="é", seed=1) == loaded.sample(5, prime="é".encode(), seed=1)
    assert b"".join(loaded.stream(SampleConfig(length=20, seed=3))) == loaded.sample(20, seed=3)


@pytest.mark.parametrize("cell", CELLS)
def test_save_and_load_keep_everything(cell, tmp_path):
    model = trained(cell=cell).model
    model.save(tmp_path / "m.npz")
    loaded = charrnn.load(tmp_path / "m.npz")
    assert (loaded.config, loaded.vocab) == (model.config, model.vocab)
    for name, view in model.network.params.items():
        np.testing.assert_array_equal(loaded.network.params[name], view)
    loaded.save(tmp_path / "again.npz")
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_the_checkpoint_of_a_run_is_a_model(tmp_path):
    run = trained()
    run.checkpoint().save(tmp_path / "run.npz")
    run.model.save(tmp_path / "model.npz")
    one, other = charrnn.load(tmp_path / "run.npz"), charrnn.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(one.network.params.flat, other.network.params.flat)
    assert one.sample(80, seed=1) == other.sample(80, seed=1)
    source = Checkpoint.load(tmp_path / "run.npz").corpus
    assert (source.size, source.characters) == (len(PARAGRAPH), len(PARAGRAPH))


def test_a_model_is_a_snapshot():
    run = charrnn.Trainer(settings(val_fraction=0.0), PARAGRAPH)
    steps = iter(run)
    next(steps)
    model = run.model
    before = model.network.params.flat.copy()
    next(steps)
    np.testing.assert_array_equal(model.network.params.flat, before)


def test_a_model_does_not_change_by_use():
    model = trained().model
    before = model.network.params.flat.tobytes()
    text = model.sample(50, seed=1)
    model.evaluate(PARAGRAPH)
    assert model.sample(50, seed=1) == text
    assert model.network.params.flat.tobytes() == before


def test_unknown_characters_in_a_score():
    model = trained().model
    with pytest.raises(VocabError, match="'§'"):
        model.evaluate("the § ox")
    assert model.evaluate("the § ox", unknown="skip") == model.evaluate("the  ox")
    for nothing in ("", "§"):
        with pytest.raises(CorpusError, match="no text to score"):
            model.evaluate(nothing, unknown="skip")


def test_a_byte_order_mark_is_not_scored():
    text = "\ufeff" + PARAGRAPH
    model = trained(text).model
    assert model.evaluate(text) == model.evaluate(PARAGRAPH)


def test_a_model_is_made_of_a_checkpoint():
    run = trained()
    model = CharRNN.from_checkpoint(run.checkpoint())
    assert model.evaluate(PARAGRAPH) == run.model.evaluate(PARAGRAPH)


def test_a_saved_model_says_where_it_came_from(tmp_path):
    first = trained()
    first.model.save(tmp_path / "a.npz")
    saved = Checkpoint.load(tmp_path / "a.npz")
    assert saved.corpus == first.checkpoint().corpus
    assert saved.corpus.sha256 == hashlib.sha256(PARAGRAPH.encode()).hexdigest()
    further = charrnn.train(PARAGRAPH * 2, init_from=tmp_path / "a.npz", steps=1)
    further.save(tmp_path / "b.npz")
    charrnn.load(tmp_path / "b.npz").save(tmp_path / "c.npz")
    origin = Origin(str(tmp_path / "a.npz"), first.model.network.params.digest())
    assert Checkpoint.load(tmp_path / "c.npz").origin == origin
    assert (tmp_path / "c.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_model_says_what_it_is():
    run = trained(hidden_size=24, num_layers=1)
    size = run.network.params.flat.size
    assert repr(run.model) == (
        f"<CharRNN lstm 24x1, {size:,} parameters, {len(run.vocab)} characters, trained on text>"
    )
    assert 1000 < size < 10000
    net = model("ab", unit="byte")
    assert repr(net) == (
        f"<CharRNN gru 8x1, {net.network.params.flat.size:,} parameters, 256 bytes>"
    )
    odd = run.model
    odd.corpus = dataclasses.replace(odd.corpus, name="a\nb\x1b")
    assert repr(odd).isprintable()


def test_ids_are_scored_as_their_text():
    m = trained().model
    ids = m.vocab.encode(PARAGRAPH)
    assert m.evaluate(ids) == m.evaluate(PARAGRAPH)
    lines = PARAGRAPH.splitlines()
    assert list(m.score_lines(map(m.vocab.encode, lines))) == list(m.score_lines(lines))
    squares = np.ones(m.network.params.flat.size, "f4")
    assert m.dynamic_evaluate(ids, squares) == m.dynamic_evaluate(PARAGRAPH, squares)
    for given in (PARAGRAPH, [ids], [PARAGRAPH[:100], ids[100:]]):
        (scores,) = m.char_scores(given, k=1)
        assert scores.ids.tolist() == ids.tolist()
        assert scores.nats.sum() == pytest.approx(m.evaluate(PARAGRAPH).nats, rel=1e-5)
        assert scores.likeliest.shape == (len(ids), 1)


def test_scorers_give_what_the_methods_give():
    m = trained().model
    ids = m.vocab.encode(PARAGRAPH)
    blocks = np.split(ids, [7, 200])
    (text,) = score(blocks, [m.text_scorer()])
    assert text == m.evaluate(PARAGRAPH)
    static, dynamic = m.dynamic_evaluate(PARAGRAPH)
    assert score(blocks, [m.text_scorer(), m.dynamic_scorer()]) == [static, dynamic]
    lines = PARAGRAPH.splitlines()
    scorer = m.record_scorer()
    for _ in range(2):  # it can be used again
        assert list(scorer.score(map(m.vocab.encode, lines))) == list(m.score_lines(lines))


def test_a_model_of_records_scores_lines_with_their_newlines():
    m = trained("anna\nbo\ncecilia\n" * 4, records="line", seq_length=4).model
    lines = ["anna", "bo"]
    ended = list(m.score_lines(lines, end=True))
    assert list(m.score_lines(lines)) == ended
    assert [e.characters for e in ended] == [5, 3]
    assert sum(e.nats for e in ended) == pytest.approx(m.evaluate("anna\nbo\n").nats, rel=1e-6)
    (text,) = score([m.vocab.encode("anna\nb"), m.vocab.encode("o")], [m.text_scorer()])
    assert text.nats == pytest.approx(m.evaluate("anna\nbo\n").nats, rel=1e-6)
    assert [e.characters for e in m.score_lines(lines, end=False)] == [4, 2]
    with pytest.raises(ConfigError, match="is a model of records"):
        m.dynamic_evaluate("anna")
    of_text = trained().model
    assert [e.characters for e in of_text.score_lines(["the", ""])] == [3, 0]
    no_newline = trained("abcabcabc", steps=1).model
    with pytest.raises(VocabError, match=r"'\\n'"):
        no_newline.score_lines(["a"], end=True)


def test_what_dynamic_evaluation_needs_comes_with_the_training(tmp_path):
    run = trained()
    run.checkpoint().save(tmp_path / "run.npz")
    run.model.save(tmp_path / "model.npz")
    loaded = charrnn.load(tmp_path / "run.npz", training=True)
    np.testing.assert_array_equal(loaded.squares, run.checkpoint().squares())
    np.testing.assert_array_equal(run.model.squares, loaded.squares)
    given = loaded.dynamic_evaluate(PARAGRAPH, loaded.squares)
    assert loaded.dynamic_evaluate(PARAGRAPH) == run.model.dynamic_evaluate(PARAGRAPH) == given
    for name, training in (("run.npz", False), ("model.npz", True)):
        m = charrnn.load(tmp_path / name, training)
        assert m.squares is None
        with pytest.raises(CheckpointError, match=f"{name}: .* mean squared gradients"):
            m.dynamic_evaluate(PARAGRAPH)
        assert m.dynamic_evaluate(PARAGRAPH, loaded.squares) == given


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda m: m.evaluate(5), "a text must be str or bytes, not 5"),
        (lambda m: m.evaluate(["The"]), r"a text must be str or bytes, not \['The'\]"),
        (lambda m: m.sample(10, prime=5), "a text must be str or bytes, not 5"),
        (lambda m: list(m.score_lines([3])), "a text must be str or bytes, not 3"),
        (lambda m: m.score_lines("The fox"), "lines must be several texts"),
    ],
)
def test_what_is_not_a_text_is_a_type_error(wrong, words):
    with pytest.raises(TypeError, match=words):
        wrong(model())


def test_what_to_do_with_unknown_characters_is_checked():
    with pytest.raises(ConfigError, match="unknown must be error, skip or score, not 'ignore'"):
        model().evaluate("abc", unknown="ignore")


def test_the_symbol_of_rare_characters_is_never_sampled():
    text = PARAGRAPH + "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
    found = charrnn.train(text, settings(min_count=2))
    assert found.vocab.rare
    for temperature in (0.0, 1e-4, 1.0, 50.0):
        sample = found.sample(200, temperature=temperature, seed=1, prime="漢")
        assert len(sample) == 200
        assert "\ufffd" not in sample
    # It is known in a prime and when scoring, where it has the probability of all rare ones.
    assert found.evaluate("漢字").nats == found.evaluate("\ufffdω").nats
