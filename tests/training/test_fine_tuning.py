"""Starting from another model: what it knew is kept, what is new is added and said."""

from types import SimpleNamespace

import numpy as np
import pytest
from small import PARAGRAPH, corpus, settings, trained

import charrnn
from charrnn.checkpoint import Checkpoint
from charrnn.config.schema import Config, TrainConfig
from charrnn.config.sources import flatten, with_settings
from charrnn.data.corpus import Corpus
from charrnn.data.vocab import Vocab
from charrnn.errors import CheckpointError, ConfigError
from charrnn.training import trainer as module
from charrnn.training.start import SHAPE, fine_tuning
from charrnn.training.trainer import Trainer

#: Umlauts are new to the old model; capitals, k, v and the comma it knows stand nowhere here.
OTHER = "die gänse gehen über die brücke\nund der fuchs geht hinterher; wer zählt sie?\n" * 8


@pytest.fixture(scope="module")
def old():
    return trained(steps=60, dropout=0.0, num_layers=1, hidden_size=16).model


def run(model, text=OTHER, resume=None, **changes):
    """A trainer that starts from a model; and has made no step yet."""
    chosen = {"batch_size": 6, "seq_length": 8, "eval_every": 5, "workers": 1}
    chosen |= {} if "minutes" in changes else {"steps": 12}
    config = with_settings(fine_tuning(model), chosen | changes)
    return Trainer(config, text, resume, None if resume else model)


def test_the_first_step_starts_where_the_model_ended(old):
    trainer = run(old, PARAGRAPH)
    assert trainer.network.params.flat.tobytes() == old.network.params.flat.tobytes()
    assert trainer.model.evaluate(PARAGRAPH) == old.evaluate(PARAGRAPH)
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
    shift = trainer.model.evaluate(PARAGRAPH).nats_per_char - old.evaluate(PARAGRAPH).nats_per_char
    added = len(trainer.vocab) - len(old.vocab)
    assert 0 < shift < np.log(1 + added / len(old.vocab))


def test_what_is_added_and_what_is_kept_is_said_in_one_line(old):
    trainer = run(old)
    own, known = set(OTHER), set(old.vocab.decode(np.arange(len(old.vocab))))
    added, kept = (Vocab("char", map(ord, s)) for s in (own - known, known - own))
    listed = [str(v.decode(np.arange(len(v)))) for v in (added, kept)]
    assert trainer.notes == [
        f"starting from a model and its {len(known)} characters: {len(added)} ({listed[0]}) added, "
        f"{len(kept)} ({listed[1]}) kept that this text never uses"
    ]
    assert "äü" in listed[0]
    assert trainer.vocab == Vocab("char", map(ord, own | known))
    assert run(old, PARAGRAPH).notes == ["starting from a model and its 33 characters: none added"]


def test_a_long_list_is_cut_and_control_characters_are_escaped(old):
    text = PARAGRAPH + "\x1b\r" + "".join(map(chr, range(0x4E00, 0x4E00 + 400))) + PARAGRAPH
    (note,) = run(old, text).notes
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
    "changes", [{}, {"dropout": 0.3, "locked_dropout": True, "optimizer": "adam"}, {"workers": 2}]
)
def test_resume_is_exact(changes, old, tmp_path):
    whole = run(old, **changes)
    for step in whole:
        if step.step in (1, 7):
            whole.checkpoint().save(tmp_path / f"{step.step}.npz")
    whole.checkpoint().save(tmp_path / "whole.npz")
    for stop in (1, 7):
        halfway = Checkpoint.load(tmp_path / f"{stop}.npz", training=True)
        resumed = run(old, resume=halfway, **changes)
        assert (resumed.step, resumed.notes, resumed.vocab) == (stop, [], whole.vocab)
        assert list(resumed)[-1].step == 12
        resumed.checkpoint().save(tmp_path / "resumed.npz")
        assert (tmp_path / "resumed.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_the_start_is_scored_and_kept_if_nothing_is_better(old):
    score = old.evaluate(PARAGRAPH[-46:]).nats_per_char
    trainer = run(old, PARAGRAPH, learning_rate=50.0, optimizer="sgd", max_grad_norm=5.0)
    steps = list(trainer)
    assert trainer.history[0] == {"step": 0, "characters": 0, "nats_per_char": trainer.best}
    assert trainer.best == pytest.approx(score, abs=0.3)  # which has no context, but knows it
    assert [step.best for step in steps if step.validation] == [False] * 3
    assert trainer.model.network.params.digest() == old.network.params.digest()
    assert trainer.notes[1:] == [
        f"before training, {trainer.best:.4f} nats per held-out character",
        "no validation was better than the model that was started from, so its parameters are "
        "kept; try a smaller train.learning_rate",
    ]


def test_the_start_is_one_more_validation(old):
    trainer = run(old, eval_every=None, steps=300)
    scored = [step.step for step in trainer if step.validation]
    plain = Trainer(trainer.config, Corpus.of_text(OTHER, trainer.config.data, known=old.vocab))
    assert [record["step"] for record in trainer.history] == [0, *scored]
    assert scored == [step.step for step in plain if step.validation]
    assert trainer.best < trainer.history[0]["nats_per_char"]
    assert len(trainer.notes) == 2  # what was added, and the score before training


def test_the_start_is_not_scored_where_that_takes_too_long(old, monkeypatch):
    monkeypatch.setattr(module, "PROBE", 2)
    real, now = module.evaluate, [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def slow(network, ids, start):
        now[0] += 0.2 * len(ids)  # 12.6 seconds for all 63: more than a tenth of a minute
        return real(network, ids, start)

    monkeypatch.setattr(module, "evaluate", slow)
    trainer = run(old, minutes=1.0, eval_every=None)
    next(iter(trainer))
    assert trainer.history == []


def test_the_optimiser_starts_anew(old):
    trainer = run(old)
    assert trainer._team.updates == 0
    assert not trainer._team.slots["G"].any()


def test_shape_comes_from_the_model_and_learning_from_the_new_run(old):
    config = fine_tuning(old)
    assert config.model == old.config.model != Config().model
    assert config.train == TrainConfig() != old.config.train
    bytewise = trained(unit="byte", steps=1, val_fraction=0.3).model
    assert fine_tuning(bytewise).data.unit == "byte"
    assert fine_tuning(bytewise).data.val_fraction == Config().data.val_fraction
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


def test_a_run_is_resumed_or_started(old):
    halfway = trained().checkpoint()
    with pytest.raises(ConfigError, match="goes on with a checkpoint or starts from a model, not"):
        Trainer(settings(), PARAGRAPH, halfway, old)


def test_a_corpus_that_lacks_the_models_symbols_is_refused(old, tmp_path):
    config = with_settings(fine_tuning(old), {"steps": 2})
    plain, fitting = (Corpus.of_text(OTHER, config.data, known=v) for v in (None, old.vocab))
    trainer = Trainer(config, fitting, init_from=old)
    assert trainer.notes[-1:] == run(old).notes
    trainer.checkpoint().save(tmp_path / "m.npz")
    resume = Checkpoint.load(tmp_path / "m.npz", training=True)
    Trainer(config, fitting, resume)
    for start in ({"init_from": old}, {"resume": resume}):
        with pytest.raises(ConfigError, match="without the symbols of the model; make it with kno"):
            Trainer(config, plain, **start)


def test_a_file_tells_what_its_run_started_from(old, tmp_path):
    old.save(tmp_path / "old.npz")
    loaded = charrnn.load(tmp_path / "old.npz")
    trainer = run(loaded)
    assert trainer.notes[0].startswith(f"starting from {tmp_path / 'old.npz'} and")
    origin = {"name": str(tmp_path / "old.npz"), "sha256": old.network.params.digest()}
    trainer.checkpoint().save(tmp_path / "new.npz")
    halfway = Checkpoint.load(tmp_path / "new.npz", training=True)
    assert halfway.origin == origin
    assert run(loaded, resume=halfway).checkpoint().origin == origin
    assert trained(steps=1).checkpoint().origin == {}
    changed = old.network.params.copy()
    changed.flat[0] += 1
    assert changed.digest() != origin["sha256"]


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
        != charrnn.train(OTHER, fine_tuning(old), steps=3, seed=5).network.params.digest()
    )
    open_sizes = charrnn.train(OTHER, Config(), init_from=old, steps=3)  # the model's are taken
    assert open_sizes.config.model == old.config.model
    with pytest.raises(ConfigError, match=r"model.hidden_size is 16, not 256"):
        charrnn.train(OTHER, Config(), init_from=old, steps=3, hidden_size=256)
    with pytest.raises(CheckpointError, match="missing"):
        charrnn.train(OTHER, init_from="missing.npz")


def test_bytes_have_nothing_to_add():
    model = trained(unit="byte", steps=3).model
    trainer = run(model, OTHER.encode(), val_fraction=0.2)
    assert trainer.notes == ["starting from a model"]
    assert len(trainer.vocab) == 256
    list(trainer)


def test_records_start_from_records(tmp_path):
    names = "anna\nbela\ncleo\ndora\n" * 8
    model = trained(names, records="line", steps=3).model
    trainer = run(model, "émile\nfrieda\n" * 20)
    list(trainer)
    assert trainer.model.of_records
    assert "frieda" in trainer.items
    assert "anna" in trainer.items  # which the model has learned, too
    assert "franz" not in trainer.items
    # Going on with the run needs no reminder of them.
    trainer.checkpoint().save(tmp_path / "a.npz")
    checkpoint = Checkpoint.load(tmp_path / "a.npz", training=True)
    resumed = Trainer(checkpoint.config, trainer.corpus, resume=checkpoint)
    assert np.array_equal(resumed.items.hashes, trainer.items.hashes)


def test_a_text_without_new_symbols_shares_the_vocabulary(old):
    assert run(old, corpus().vocab.decode(corpus().ids)).vocab == old.vocab
