"""CharRNN end to end: any script, any bytes; what is saved is what is loaded."""

import hashlib

import numpy as np
import pytest
from small import CELLS, PARAGRAPH, settings, trained

import charrnn
from charrnn.checkpoint import Checkpoint
from charrnn.config.schema import SampleConfig
from charrnn.errors import CorpusError, VocabError
from charrnn.model import CharRNN

# Letters of other scripts look like Latin ones; that is their right.
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
    assert (source["size"], source["characters"]) == (len(PARAGRAPH), len(PARAGRAPH))


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
    with pytest.raises(VocabError, match=r"'\\xa7'"):
        model.evaluate("the § ox")
    assert model.evaluate("the § ox", unknown="skip") == model.evaluate("the  ox")
    for nothing in ("", "§"):
        with pytest.raises(CorpusError, match="no text to score"):
            model.evaluate(nothing, unknown="skip")


def test_a_byte_order_mark_is_no_text():
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
    assert saved.corpus["sha256"] == hashlib.sha256(PARAGRAPH.encode()).hexdigest()
    further = charrnn.train(PARAGRAPH * 2, init_from=tmp_path / "a.npz", steps=1)
    further.save(tmp_path / "b.npz")
    charrnn.load(tmp_path / "b.npz").save(tmp_path / "c.npz")
    origin = {"name": str(tmp_path / "a.npz"), "sha256": first.model.network.params.digest()}
    assert Checkpoint.load(tmp_path / "c.npz").origin == origin
    assert (tmp_path / "c.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
