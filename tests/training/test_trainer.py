"""A run: what it learns, when it stops, what it scores and keeps."""

import math
from dataclasses import replace

import numpy as np
import pytest
from notes import logged
from small import CELLS, PARAGRAPH, corpus, settings, trained

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ConfigError, CorpusError, TrainingError
from charrnn.evaluation.score import Evaluation
from charrnn.evaluation.text import evaluate
from charrnn.nn.network import Network
from charrnn.training.budget import Clock
from charrnn.training.held_out import HeldOutScore
from charrnn.training.schedule import cosine
from charrnn.training.start import resume, train
from charrnn.training.trainer import SMOOTHING, Trainer
from charrnn.training.validation import PROBE


def steps_of(**changes):
    trainer = Trainer(settings(**changes), PARAGRAPH)
    return trainer, list(trainer)


#: Each cell with Adagrad, and each optimiser with an LSTM; `make soak` has all.
LEARNING = [
    pytest.param(
        cell,
        optimizer,
        marks=[] if cell == "lstm" or optimizer == "adagrad" else [pytest.mark.soak],
    )
    for cell in CELLS
    for optimizer in ("sgd", "adagrad", "rmsprop", "adam")
]


@pytest.mark.parametrize(("cell", "optimizer"), LEARNING)
def test_learning_falls(cell, optimizer):
    rate = {"sgd": 2.0, "adagrad": 0.1}.get(optimizer, 0.01)
    sizes = {"hidden_size": 32, "num_layers": 1, "dropout": 0.0, "steps": 200}
    trainer, steps = steps_of(
        cell=cell, optimizer=optimizer, learning_rate=rate, val_fraction=0.0, **sizes
    )
    assert steps[0].loss == pytest.approx(math.log(len(trainer.vocab)), abs=0.2)
    counts = np.bincount(trainer.corpus.ids)
    frequencies = counts / counts.sum()
    letters = -float(frequencies @ np.log(frequencies))  # all that frequencies can tell
    assert np.mean([step.loss for step in steps[-10:]]) < letters - 0.2
    assert trainer.model.evaluate(PARAGRAPH).nats_per_char < letters - 0.2


def test_a_paragraph_is_memorised():
    sizes = {"hidden_size": 64, "num_layers": 1, "dropout": 0.0, "ngram_order": 0}
    config = settings(**sizes, val_fraction=0.0, steps=300, max_update=0, average=0)
    model = train(
        PARAGRAPH, config, optimizer="rmsprop", learning_rate=0.01, seq_length=40, batch_size=8
    )
    assert model.evaluate(PARAGRAPH).nats_per_char < 0.7
    assert model.sample(40, prime="When the parish hung", temperature=0) in PARAGRAPH


# Budgets.


@pytest.mark.parametrize("steps", [1, 7, 24])
def test_a_budget_of_steps(steps):
    trainer, made = steps_of(steps=steps)
    assert [step.step for step in made] == list(range(1, steps + 1))
    assert [step.progress for step in made] == [k / steps for k in range(1, steps + 1)]
    assert trainer.progress == 1.0
    assert list(trainer) == []


@pytest.mark.parametrize("epochs", [1.0, 2.0, 0.5, 1.25])
def test_a_budget_of_epochs(epochs):
    trainer, made = steps_of(epochs=epochs, random_offset=False)
    n, window = len(trainer.corpus.train), 6 * 8
    windows = (n - 1) // window
    assert len(made) == math.ceil(epochs * windows)
    assert [step.epoch for step in made] == [k // windows for k in range(len(made))]
    assert made[-1].characters == len(made) * window
    assert made[-1].validation


class Timed(Trainer):
    """A trainer for which time passes only when it works.

    Args:
        step, validation, pace: seconds that a step takes, a validation, and each character
            that is scored.
    """

    def __init__(self, step=1.0, validation=0.0, pace=0.0, text=PARAGRAPH, **changes):
        self.now = 100.0
        self.costs = step, validation, pace
        self.scored = []
        super().__init__(settings(**changes), text, clock=Clock(now=lambda: self.now))

    def _advance(self, loss):
        self.now += self.costs[0]
        super()._advance(loss)

    def _score(self, ids):
        self.scored.append(len(ids))
        self.now += self.costs[1] + self.costs[2] * len(ids)
        return super()._score(ids)


def slowly(pace, **changes):
    """A run in which scoring takes so many seconds a character, its steps and its notes."""
    with logged() as notes:
        trainer = Timed(pace=pace, **changes)
        trainer._validation._probe = 2
        made = list(trainer)
    return trainer, made, notes


def test_a_budget_of_minutes():
    trainer = Timed(validation=5.0, minutes=2.0, eval_every=None)
    made = list(trainer)
    assert trainer.now - 100.0 == pytest.approx(120, abs=1)  # the last validation included
    assert made[-1].seconds == trainer.seconds == trainer.now - 100.0
    assert [step.validation is not None for step in made][-1]
    # A tenth of two minutes buys two validations of five seconds.
    assert 2 <= len(trainer.history) <= 4


@pytest.mark.parametrize("patience", [0, 3])
@pytest.mark.parametrize("eval_every", [None, 4])
def test_a_budget_too_short_to_validate_in(patience, eval_every):
    trainer, made, (note,) = slowly(10.0, minutes=2.0, eval_every=eval_every, patience=patience)
    held_out = len(trainer.corpus.validation)
    assert note.startswith(
        f"validation skipped: scoring {held_out} characters would take about {10 * held_out}.0 s "
        "of a 120.0 s budget, so the last parameters are kept"
    )
    assert note.endswith("; allow more time or lower data.val_fraction")
    assert ("patience has no effect" in note) == bool(patience)
    assert trainer.now - 100.0 == pytest.approx(120, abs=1)
    assert not any(step.validation for step in made)
    assert (trainer.best, trainer.history) == (None, [])
    assert trainer.model.network.params.digest() == trainer.average.params.digest()


def test_without_validation_the_weight_is_fitted_to_what_was_scored_before():
    def weight(estimated):
        run = Trainer(settings(val_fraction=0.5, ngram_order=2), text)
        run._validation.enabled = False
        if estimated:
            run._score(run._validation._ids[:PROBE])
        return run._best_mixture().weight

    text = "".join(f"{n}\n" for n in range(60_000))
    assert weight(estimated=True) == weight(estimated=False)


def test_a_budget_that_one_validation_fits_in_ends_on_time():
    trainer, made, notes = slowly(1.0, minutes=2.0, eval_every=None)
    assert [step.validation is not None for step in made] == [False] * (len(made) - 1) + [True]
    assert trainer.now - 100.0 == pytest.approx(120, abs=2)
    assert notes == []


def test_the_cost_of_scoring_is_not_estimated_where_steps_are_counted():
    trainer, _, _ = slowly(1.0, eval_every=12)
    assert trainer.scored == [len(trainer.corpus.validation)] * 2


def test_patience_without_a_held_out_part_is_said_to_have_no_effect():
    said = "the text is too short to hold out any of it, so patience has no effect"
    for expected, text, patience in ((True, "ab", 2), (False, "ab", None), (False, PARAGRAPH, 2)):
        with logged() as notes:
            Trainer(settings(patience=patience), text)
        assert (said in notes) == expected


def test_time_between_sessions_does_not_count():
    trainer = Timed(minutes=1.0, val_fraction=0.0)
    for step in trainer:
        if step.step == 10:
            break
    trainer.now += 1000.0
    assert trainer.seconds == 10.0
    assert [step.step for step in trainer] == list(range(11, 61))
    assert trainer.seconds == 60.0


# Validation.


@pytest.mark.parametrize("every", [1, 5, 7, 100])
def test_validation_comes_as_asked_and_at_the_end(every):
    trainer, made = steps_of(eval_every=every)
    scored = [step.step for step in made if step.validation]
    assert scored == sorted({*range(every, 25, every), 24})
    assert [point.step for point in trainer.history] == scored


def test_validation_without_an_interval_keeps_to_its_share():
    trainer, made = steps_of(eval_every=None, steps=300)
    scored = [step for step in made if step.validation]
    assert made[-1].validation
    work = len(scored) * len(trainer.corpus.validation) / 3
    assert len(scored) == 20 or work <= 0.1 * made[-1].characters + len(trainer.corpus.validation)
    gaps = np.diff([0] + [step.step for step in scored])
    assert max(gaps) <= 2 * min(gaps)


def test_the_score_is_that_of_the_held_out_part():
    trainer = Trainer(settings(eval_every=1, steps=4, ngram_order=0), PARAGRAPH)
    for step in trainer:
        mean = Network(trainer.network.arch, trainer.average.params)
        score = evaluate(mean, trainer.corpus.validation, trainer.vocab.start)
        assert step.validation == score
        assert score.characters == len(trainer.corpus.validation) == math.ceil(len(PARAGRAPH) / 10)


def test_the_best_is_kept():
    wild = {"learning_rate": 0.3, "max_update": 0.0}
    trainer = Trainer(settings(eval_every=1, steps=60, **wild), PARAGRAPH)
    best, kept = math.inf, None
    for step in trainer:
        score = step.validation.nats_per_char
        assert step.best == (score < best)
        if step.best:
            best, kept = score, trainer.average.params.flat.copy()
        assert trainer.best == best
        np.testing.assert_array_equal(trainer.model.network.params.flat, kept)
        assert trainer.current.network.params.flat is trainer.average.params.flat
        np.testing.assert_array_equal(trainer.checkpoint().params.flat, kept)
    assert not step.best  # so that best and last differ
    assert min(point.nats_per_char for point in trainer.history) == best


@pytest.mark.parametrize("changes", [{"eval_every": 100}, {"val_fraction": 0.0}])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_before_a_validation_the_mean_parameters_are_the_model(changes, average):
    trainer = Trainer(settings(average=average, **changes), PARAGRAPH)
    initial = trainer.network.params.flat.copy()
    for step in trainer:
        if step.step == 3:
            break
    assert trainer.best is None
    assert not np.array_equal(trainer.network.params.flat, initial)
    for params in (trainer.model.network.params, trainer.checkpoint().params):
        np.testing.assert_array_equal(params.flat, trainer.average.params.flat)
        assert np.array_equal(params.flat, trainer.network.params.flat) == (average == 0.0)


class Scripted(Trainer):
    """A trainer whose validations are given."""

    def __init__(self, scores, **changes):
        self.scores = iter(scores)
        super().__init__(settings(**changes), PARAGRAPH)

    def _score(self, ids):
        return HeldOutScore(Evaluation(10 * next(self.scores), 10))


def test_patience():
    scores = [3.0, 2.0, 2.5, 2.0, 1.9, 2.2, 2.1, 1.9, 1.0]
    with logged() as notes:
        trainer = Scripted(scores, patience=3, eval_every=2, steps=100)
        made = list(trainer)
    assert [step.best for step in made if step.validation] == [1, 1, 0, 0, 1, 0, 0, 0]
    assert made[-1].step == 16
    (note,) = notes
    assert note.startswith("stopped early: no improvement in 3 validations; ")
    assert note.endswith("resume with train.patience=0")
    assert list(trainer) == []  # and stays stopped


def test_a_run_with_another_budget_validates_at_its_new_intervals():
    # Not in a row, which would use up the patience, nor hardly ever.
    long = Trainer(settings(steps=1000, eval_every=None, patience=0), PARAGRAPH)
    for _ in zip(range(40), long, strict=False):
        assert long.history == []
    short = resume(long.checkpoint(), PARAGRAPH, settings(steps=100, eval_every=None, patience=0))
    assert [step.step for step in short if step.validation] == list(range(45, 101, 5))
    long = resume(short.checkpoint(), PARAGRAPH, settings(steps=1000, eval_every=None, patience=0))
    assert [s.step for s, _ in zip(long, range(100), strict=False) if s.validation] == [150, 200]


@pytest.mark.parametrize(
    ("changes", "made"),
    [({}, 7), ({"patience": 0}, 20), ({"patience": 2}, 3), ({"eval_every": 5}, 40)],
)
def test_a_run_that_overfits_ends_early(changes, made):
    trainer = Scripted(range(1, 100), **{"steps": 200, "eval_every": None} | changes)
    list(trainer)
    assert len(trainer.history) == made
    assert trainer.best == 1.0


# What a step reports.


def test_smooth_loss_is_the_classics():
    trainer, made = steps_of()
    smooth = 8 * math.log(len(trainer.vocab))
    for step in made:
        smooth = smooth * 0.999 + 8 * step.loss * 0.001
        assert step.smooth_loss == pytest.approx(smooth, rel=1e-12)
    assert SMOOTHING == 0.999


def test_bits_are_nats_by_ln_2():
    _, made = steps_of(steps=1)
    assert 2 ** made[0].bits_per_char == pytest.approx(math.exp(made[0].loss))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_a_mean_whatever_is_minimised(reduction):
    _, made = steps_of(steps=1, reduction=reduction, dropout=0.0)
    assert made[0].loss == pytest.approx(math.log(28), abs=0.5)
    _, other = steps_of(steps=1, dropout=0.0)
    assert made[0].grad_norm == pytest.approx(
        other[0].grad_norm * (48 if reduction == "sum" else 1), rel=1e-4
    )


def test_learning_rates_follow_the_schedule():
    _, made = steps_of(steps=100, warmup=0.1, learning_rate=0.5, eval_every=100)
    rates = [step.learning_rate for step in made]
    assert rates[0] == pytest.approx(0.5e-3)
    assert rates[5] == pytest.approx(0.25)
    assert max(rates) == rates[10] == pytest.approx(0.5)
    assert rates[55] == pytest.approx(0.25)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    # A fiftieth of 50 steps would be a single one: the rise takes ten anyway.
    _, made = steps_of(steps=50, warmup=0.02, learning_rate=1.0, eval_every=100)
    rates = [step.learning_rate for step in made]
    assert rates[1:8] == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    assert rates[20:] == pytest.approx([cosine(k / 50, 0.02) for k in range(20, 50)])
    _, made = steps_of(steps=50, warmup=0.0, learning_rate=1.0, eval_every=100)
    assert [step.learning_rate for step in made[:40]] == [cosine(k / 50, 0.0) for k in range(40)]
    _, made = steps_of(schedule="exponential", decay=0.5, decay_after=1, epochs=4.0)
    by_epoch = {step.epoch: step.learning_rate / made[0].learning_rate for step in made}
    assert by_epoch == {0: 1.0, 1: 1.0, 2: 0.5, 3: 0.25}
    _, made = steps_of(schedule="constant")
    assert {step.learning_rate for step in made} == {0.05}


def offsets_of(**changes):
    trainer = Trainer(settings(steps=120, eval_every=120, ngram_order=0, **changes), PARAGRAPH)
    return {trainer.state.offset for _ in trainer}, trainer._batches.offsets


def test_each_epoch_starts_at_an_offset_of_its_own():
    found, possible = offsets_of()
    assert len(found) > 4
    assert max(found) < possible
    assert offsets_of(random_offset=False)[0] == {0}


def test_the_state_is_carried_and_reset_at_the_wrap():
    trainer = Trainer(settings(random_offset=False), PARAGRAPH)
    windows = (len(trainer.corpus.train) - 1) // 48
    for step in trainer:
        assert trainer.checkpoint().training.recurrent_state.any() == (step.step % windows != 0)


# Notes and refusals.


def test_shrinking_is_said():
    with logged() as notes:
        Trainer(settings(batch_size=32, seq_length=64), "abcabd" * 30)
    assert notes == ["the training part has 162 characters: batch_size reduced from 32 to 2"]
    with logged() as notes:
        Trainer(settings(batch_size=32, seq_length=64), "abcabd" * 2)
    assert [note.split(": ")[1] for note in notes] == [
        "batch_size reduced from 32 to 1",
        "seq_length reduced from 64 to 9",
    ]


@pytest.mark.parametrize("text", ["ab", "aab", "abcab", "яб\n"])
def test_the_smallest_corpora_train(text):
    trainer = trained(text, eval_every=None, patience=0)
    assert trainer.step == 24
    assert set(trainer.model.sample(20, seed=1)) <= set(text)


@pytest.mark.parametrize("text", ["", "aaaa"])
def test_nothing_to_learn_is_an_error(text):
    with pytest.raises(CorpusError):
        Trainer(settings(), text)


@pytest.mark.parametrize("data", [{"val_fraction": 0.3}, {"unit": "byte"}])
def test_a_corpus_read_otherwise_is_refused(data):
    ((key, value),) = data.items()
    with pytest.raises(ConfigError, match=rf"data\.{key} is .* made with {value}"):
        Trainer(settings(), corpus(**data))
    Trainer(settings(**data), corpus(**data))


# Divergence.


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_the_run(where, monkeypatch):
    trainer = Trainer(settings(), PARAGRAPH)
    run = iter(trainer)
    for _ in range(6):
        next(run)
    before, network = trainer.network.params.flat.copy(), trainer.network
    compute = network.loss_and_gradients

    def broken(ws, ids, targets, state, grads, *rest):
        loss = compute(ws, ids, targets, state, grads, *rest)
        if where == "gradient":
            grads.flat[3] = np.inf
        return math.nan if where == "loss" else loss

    monkeypatch.setattr(network, "loss_and_gradients", broken)
    with pytest.raises(TrainingError, match=r"at step 7; try train\.learning_rate=0\.005$"):
        next(run)
    np.testing.assert_array_equal(network.params.flat, before)
    assert trainer.step == 6


def test_a_run_that_diverges_by_itself_is_stopped(tmp_path):
    path = tmp_path / "model.npz"
    trainer = Trainer(
        settings(cell="rnn", optimizer="sgd", learning_rate=1000.0, max_grad_norm=0.0,
                 reduction="sum", init="normal", init_scale=10.0, steps=2000, dropout=0.0,
                 weight_decay=0.9, eval_every=1),
        PARAGRAPH,
    )  # fmt: skip
    trainer.checkpoint().save(path)
    before = path.read_bytes()
    with pytest.raises(TrainingError, match=r"finite at step [\d,]+; try .*=64 or .*=0\.1$"):
        for _ in trainer:
            pass
    assert path.read_bytes() == before


def test_a_validation_that_is_not_finite_stops_the_run():
    with pytest.raises(
        TrainingError,
        match=r"validation loss is no longer finite at step 5; try train\.learning_rate=",
    ):
        list(Scripted([math.nan], eval_every=5))


# One course, whatever is watched meanwhile.


def bytes_of(trainer, path):
    trainer.checkpoint().save(path)
    return path.read_bytes()


@pytest.mark.parametrize("cell", CELLS)
def test_equal_runs_make_equal_files(cell, tmp_path):
    one, two = (bytes_of(trained(cell=cell), tmp_path / name) for name in "ab")
    assert one == two
    assert one != bytes_of(trained(cell=cell, seed=4), tmp_path / "c")


def test_text_and_corpus_make_one_run(tmp_path):
    run = Trainer(settings(), corpus())
    for _ in run:
        pass
    assert bytes_of(run, tmp_path / "a") == bytes_of(trained(), tmp_path / "b")


def last_state(trainer):
    run = trainer.checkpoint().training
    arrays = [run.last.flat, run.recurrent_state, *(slot.flat for slot in run.slots.values())]
    return [array.tobytes() for array in arrays], run.state.step


@pytest.mark.parametrize("cell", CELLS)
def test_scoring_and_sampling_do_not_disturb_the_run(cell):
    plain = trained(cell=cell, eval_every=1000)
    watched = Trainer(settings(cell=cell, eval_every=1), PARAGRAPH)
    for step in watched:
        watched.model.sample(5, seed=step.step)
        watched.checkpoint()
    assert last_state(watched) == last_state(plain)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam"])
def test_views_share_memory_with_the_flat_vector(optimizer, tmp_path):
    def check(params):
        for _, view in params.items():
            assert np.shares_memory(view, params.flat)
        assert sum(view.size for _, view in params.items()) == params.flat.size

    trainer = trained(optimizer=optimizer)
    trainer.checkpoint().save(tmp_path / "a")
    loaded = Checkpoint.load(tmp_path / "a", training=True)
    longer = settings(optimizer=optimizer, steps=30).train
    resumed = resume(loaded, PARAGRAPH, replace(trainer.config, train=longer))
    for _ in resumed:
        pass
    for params in (
        trainer.network.params, trainer.model.network.params, loaded.params,
        loaded.training.last, *loaded.training.slots.values(), resumed.network.params,
        resumed.checkpoint().params, *resumed.checkpoint().training.slots.values(),
    ):  # fmt: skip
        check(params)
    slots = resumed.checkpoint().training.slots
    for name, slot in resumed._parallel.slots.items():
        assert np.shares_memory(slots[name].flat, slot.flat)
