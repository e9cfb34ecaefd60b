"""Starting from another model: what it knew is kept, what is new is added and logged."""

import numpy as np
import pytest
from notes import logged
from small import PARAGRAPH, corpus, trained

import charrnn
from charrnn.checkpoint import Checkpoint, Origin
from charrnn.config.schema import Config, TrainConfig
from charrnn.config.sources import flatten, with_settings
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import Vocab
from charrnn.errors import CheckpointError, ConfigError
from charrnn.model import CharRNN
from charrnn.training.budget import Clock
from charrnn.training.start import SHAPE, Start, fine_tune, fine_tune_config, resume
from charrnn.training.trainer import Trainer

#: Umlauts are new to the old model; the capitals, k, v and comma it knows do not occur here.
OTHER = "die gänse gehen über die brücke\nund der fuchs geht hinterher; wer zählt sie?\n" * 8


@pytest.fixture(scope="module")
def old():
    return trained(steps=60, dropout=0.0, num_layers=1, hidden_size=16, average=0.0).model


def chosen_for(model, **changes):
    """The settings of a short run that starts from a model."""
    chosen = {"batch_size": 6, "seq_length": 8, "eval_every": 5, "workers": 1}
    chosen |= {} if "minutes" in changes else {"steps": 12}
    return with_settings(fine_tune_config(model), chosen | changes)


def run(model, text=OTHER, **changes):
    """A trainer that starts from a model, and has made no step yet."""
    return fine_tune(model, text, chosen_for(model, **changes))


def noted(model, text=OTHER, **changes):
    """A run that starts from a model, to its end, and what it logged."""
    with logged() as notes:
        trainer = run(model, text, **changes)
        list(trainer)
    return trainer, notes


def alone(model):
    """The network of a model, without the n-grams."""
    return CharRNN(model.config, model.vocab, model.network.params)


def test_the_first_step_starts_where_the_model_ended(old):
    trainer = run(old, PARAGRAPH)
    assert trainer.network.params.flat.tobytes() == old.network.params.flat.tobytes()
    assert alone(trainer.model).evaluate(PARAGRAPH) == alone(old).evaluate(PARAGRAPH)
    assert trainer.step == 0
    before = old.network.params.flat.copy()
    assert list(trainer)[-1].step == 12
    np.testing.assert_array_equal(old.network.params.flat, before)  # the model itself is kept
    assert not np.array_equal(trainer.network.params.flat, before)


def test_symbols_are_matched_by_character(old):
    trainer = run(old)
    new = trainer.network.params
    for name, view in old.network.params.items():
        for place, point in enumerate(old.vocab.points.tolist()):
            now = int(trainer.vocab.encode(chr(point))[0])
            if name == "layers.0.W_x":
                np.testing.assert_array_equal(new[name][now], view[place])
            elif name.startswith("output."):
                np.testing.assert_array_equal(new[name][..., now], view[..., place])
    np.testing.assert_array_equal(new["layers.0.W_h"], old.network.params["layers.0.W_h"])
    # So it still scores what it knew, but for what the new symbols take.
    now, then = (alone(m).evaluate(PARAGRAPH).nats_per_char for m in (trainer.model, old))
    shift = now - then
    added = len(trainer.vocab) - len(old.vocab)
    assert 0 < shift < np.log(1 + added / len(old.vocab))


def test_what_is_added_and_what_is_kept_is_logged_in_one_line(old):
    with logged() as notes:
        trainer = run(old)
    own, known = set(OTHER), set(old.vocab.decode(np.arange(len(old.vocab))))
    added, kept = (Vocab("char", map(ord, s)) for s in (own - known, known - own))
    listed = [str(v.decode(np.arange(len(v)))) for v in (added, kept)]
    assert notes == [
        f"starting from a model and its {len(known)} characters: {len(added)} ({listed[0]}) added, "
        f"{len(kept)} ({listed[1]}) kept although this text lacks them"
    ]
    assert "äü" in listed[0]
    assert trainer.vocab == Vocab("char", map(ord, own | known))
    with logged() as notes:
        run(old, PARAGRAPH)
    assert notes == ["starting from a model and its 33 characters: none added"]


def test_a_long_list_is_cut_and_control_characters_are_escaped(old):
    text = PARAGRAPH + "\x1b\r" + "".join(map(chr, range(0x4E00, 0x4E00 + 400))) + PARAGRAPH
    with logged() as notes:
        run(old, text)
    (note,) = notes
    assert "402 (\\r\\x1b一" in note
    assert "..." in note
    assert note.isprintable()
    assert len(note) < 150


def test_primes_in_the_old_alphabet_still_work(old):
    trainer = run(old)
    list(trainer)
    assert "W" not in OTHER
    assert len(trainer.model.sample(20, prime="When gänse", seed=1)) == 20


def test_a_start_is_worth_something(old):
    """The same text, the same steps: a model that has met English learns it sooner."""
    text = PARAGRAPH.replace("goat", "duck").replace("bell", "hat")
    scratch = Trainer(run(old, text).config, text)
    first = {name: next(iter(t)).loss for name, t in (("old", run(old, text)), ("new", scratch))}
    assert first["old"] < first["new"] - 0.3


@pytest.mark.parametrize(
    "changes",
    [{}, {"weight_dropout": 0.3, "locked_dropout": True, "optimizer": "adam"}, {"workers": 2}],
)
def test_resume_is_exact(changes, old, tmp_path):
    whole = run(old, **changes)
    for step in whole:
        if step.step in (1, 7):
            whole.checkpoint().save(tmp_path / f"{step.step}.npz")
    whole.checkpoint().save(tmp_path / "whole.npz")
    for stop in (1, 7):
        halfway = Checkpoint.load(tmp_path / f"{stop}.npz", training=True)
        with logged() as notes:
            resumed = resume(halfway, OTHER, chosen_for(old, **changes))
        assert (resumed.step, notes, resumed.vocab) == (stop, [], whole.vocab)
        assert list(resumed)[-1].step == 12
        resumed.checkpoint().save(tmp_path / "resumed.npz")
        assert (tmp_path / "resumed.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_the_start_is_scored_and_kept_if_nothing_is_better(old):
    score = old.evaluate(PARAGRAPH[-46:]).nats_per_char
    with logged() as notes:
        wild = {"learning_rate": 50.0, "optimizer": "sgd", "max_grad_norm": 5.0, "max_update": 0.0}
        trainer = run(old, PARAGRAPH, **wild, ngram_order=0)
        steps = list(trainer)
    first = trainer.history[0]
    assert (first.step, first.characters, first.loss) == (0, 0, None)
    assert first.nats_per_char == trainer.best
    assert trainer.best == pytest.approx(score, abs=0.3)  # which has no context, but knows it
    assert [step.best for step in steps if step.validation] == [False] * 3
    assert trainer.model.network.params.digest() == old.network.params.digest()
    assert notes[1:] == [
        f"before training, {trainer.best:.4f} nats per held-out character",
        "no validation was better than the initial model's, so its parameters are kept; "
        "try train.learning_rate=5",
    ]


def test_the_start_is_one_more_validation(old):
    with logged() as notes:
        trainer = run(old, eval_every=None, steps=300, patience=0)
        scored = [step.step for step in trainer if step.validation]
    plain = Trainer(trainer.config, Corpus.of_text(OTHER, trainer.config.data, known=old.vocab))
    assert [point.step for point in trainer.history] == [0, *scored]
    assert scored == [step.step for step in plain if step.validation]
    assert trainer.best < trainer.history[0].nats_per_char
    assert len(notes) == 2  # what was added, and the score before training


def test_the_start_is_not_scored_where_that_takes_too_long(old):
    class Slow(Trainer):
        def _score(self, ids):
            now[0] += 0.2 * len(ids)  # 12.6 seconds for all 63: more than a tenth of a minute
            return super()._score(ids)

    now, params = [0.0], old.network.params
    start = Start(old.vocab, params, Origin("old", params.digest()), None)
    config = chosen_for(old, minutes=1.0, eval_every=None)
    trainer = Slow(config, OTHER, start, Clock(now=lambda: now[0]))
    trainer._validation._probe = 2
    next(iter(trainer))
    assert trainer.history == []


def test_the_optimiser_starts_afresh(old):
    trainer = run(old)
    assert trainer.step == 0
    assert not trainer.checkpoint().training.slots["G"].flat.any()


def test_shape_comes_from_the_model_and_learning_from_the_new_run(old):
    config = fine_tune_config(old)
    assert config.model == old.config.model != Config().model
    assert config.train == TrainConfig() != old.config.train
    bytewise = trained(unit="byte", steps=1, val_fraction=0.3).model
    assert fine_tune_config(bytewise).data.unit == "byte"
    assert fine_tune_config(bytewise).data.val_fraction == Config().data.val_fraction
    run(old, dropout=0.4)  # what the parameters do not fix may change


@pytest.mark.parametrize(
    ("name", "other"), [*zip(SHAPE, ["gru", 7, 2, "byte", "line"], strict=True)]
)
def test_another_shape_is_refused_and_both_values_named(name, other, old):
    was = flatten(old.config)[name]
    with pytest.raises(ConfigError) as caught:
        run(old, **{name.partition(".")[2]: other})
    assert f"{name} is {was}, not {other}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_corpus_that_lacks_the_models_symbols_is_refused(old, tmp_path):
    config = with_settings(fine_tune_config(old), {"steps": 2})
    plain, fitting = (Corpus.of_text(OTHER, config.data, known=v) for v in (None, old.vocab))
    trainer = fine_tune(old, fitting, config)
    trainer.checkpoint().save(tmp_path / "m.npz")
    checkpoint = Checkpoint.load(tmp_path / "m.npz", training=True)
    resume(checkpoint, fitting, config)
    for start, begin in ((old, fine_tune), (checkpoint, resume)):
        with pytest.raises(ConfigError, match="without the symbols of the model; make it with kno"):
            begin(start, plain, config)


def test_a_file_tells_what_its_run_started_from(old, tmp_path):
    old.save(tmp_path / "old.npz")
    loaded = charrnn.load(tmp_path / "old.npz")
    with logged() as notes:
        trainer = run(loaded)
    assert notes[0].startswith(f"starting from {tmp_path / 'old.npz'} and")
    origin = Origin(str(tmp_path / "old.npz"), old.network.params.digest())
    trainer.checkpoint().save(tmp_path / "new.npz")
    halfway = Checkpoint.load(tmp_path / "new.npz", training=True)
    assert halfway.origin == origin
    assert resume(halfway, OTHER).checkpoint().origin == origin
    assert trained(steps=1).checkpoint().origin is None
    changed = old.network.params.copy()
    changed.flat[0] += 1
    assert changed.digest() != origin.sha256


def test_by_the_short_way(old, tmp_path):
    old.save(tmp_path / "old.npz")
    models = [
        charrnn.train(OTHER, init_from=start, steps=3, seed=5)
        for start in (old, tmp_path / "old.npz", str(tmp_path / "old.npz"))
    ]
    assert {model.config.model.hidden_size for model in models} == {16}
    assert len({model.network.params.digest() for model in models}) == 1
    assert (
        models[0].network.params.digest()
        != charrnn.train(OTHER, fine_tune_config(old), steps=3, seed=5).network.params.digest()
    )
    open_sizes = charrnn.train(OTHER, Config(), init_from=old, steps=3)  # the model's are taken
    assert open_sizes.config.model == old.config.model
    with pytest.raises(ConfigError, match=r"model.hidden_size is 16, not 256"):
        charrnn.train(OTHER, Config(), init_from=old, steps=3, hidden_size=256)
    with pytest.raises(CheckpointError, match="missing"):
        charrnn.train(OTHER, init_from="missing.npz")


def test_bytes_have_nothing_to_add():
    model = trained(unit="byte", steps=3).model
    with logged() as notes:
        trainer = run(model, OTHER.encode(), val_fraction=0.2)
    assert notes == ["starting from a model"]
    assert len(trainer.vocab) == 256
    list(trainer)


def test_records_start_from_records(tmp_path):
    names = "anna\nbela\ncleo\ndora\n" * 8
    model = trained(names, records="line", steps=3).model
    trainer = run(model, "émile\nfrieda\n" * 20)
    list(trainer)
    assert trainer.model.of_records
    assert "frieda" in trainer.known_records
    assert "anna" in trainer.known_records  # which the model has learned, too
    assert "franz" not in trainer.known_records
    # Resuming the run needs no reminder of them.
    trainer.checkpoint().save(tmp_path / "a.npz")
    checkpoint = Checkpoint.load(tmp_path / "a.npz", training=True)
    resumed = resume(checkpoint, trainer.corpus)
    assert np.array_equal(resumed.known_records.hashes, trainer.known_records.hashes)


def test_a_text_without_new_symbols_shares_the_vocabulary(old):
    assert run(old, corpus().vocab.decode(corpus().ids)).vocab == old.vocab
