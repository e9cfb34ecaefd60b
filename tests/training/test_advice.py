"""Doubts about the result of a run: is it better than a guess, and what to do if not."""

import math

import numpy as np
import pytest
from notes import logged
from small import PARAGRAPH, corpus, settings, trained

import charrnn
from charrnn.config.schema import TrainConfig
from charrnn.training.advice import doubt_corpus, failure, offer_larger_batch
from charrnn.training.trainer import RECENT, Trainer

RATE = TrainConfig(learning_rate=0.2)
LOWER = "try train.learning_rate=0.02"
UNLIKE = "the held-out part is unlike the rest: shuffle the text, or find more of it"
LIMIT = f"{LOWER} or train.max_grad_norm=0.1"


@pytest.mark.parametrize(
    ("best", "recent", "steps", "hint"),
    [
        (3.0, 9.0, 1000, None),  # it was better once
        (None, 3.0, 1000, None),
        (None, math.nan, 0, None),  # it was resumed, and made no step
        (4.1, 4.1, 99, None),  # too early to tell
        (4.8, 4.0, 99, None),  # it learns, and validation may follow
        (4.1, 4.1, 100, "train longer, or with train.learning_rate=2"),
        (None, 4.1, 100, "train longer, or with train.learning_rate=2"),
        (734.0, 900.0, 20, LOWER),
        (None, 900.0, 20, LOWER),
        (5.0, 0.1, 500, UNLIKE),
    ],
)
def test_a_run_fails_if_it_never_beat_a_uniform_guess(best, recent, steps, hint):
    error = failure(best, recent, steps, 60, RATE)
    assert (error is None) == (hint is None)
    if error:
        reached = recent if best is None else best
        message, _, advice = str(error).partition("; ")
        assert message == (
            "the run never predicted better than a uniform guess: "
            f"{reached:.4f} nats, against 4.0943 for a guess"
        )
        assert advice.startswith(hint)


def test_a_limit_on_the_gradient_is_advised_where_there_is_none():
    free = TrainConfig(learning_rate=0.2, max_grad_norm=0.0)
    assert str(failure(9.0, 9.0, 500, 60, free)).endswith(LIMIT)
    elements = TrainConfig(learning_rate=0.2, max_grad_norm=0.0, clip_value=5.0)
    assert str(failure(9.0, 9.0, 500, 60, elements)).endswith(LOWER)


def test_a_rate_far_from_the_usual_one_is_replaced_by_it():
    high, low = TrainConfig(learning_rate=900.0), TrainConfig(learning_rate=1e-6)
    assert str(failure(9.0, 9.0, 500, 60, high)).endswith("; try train.learning_rate=0.2")
    assert str(failure(4.1, 4.1, 500, 60, low)).endswith("or with train.learning_rate=0.2")


WILD = {"optimizer": "sgd", "learning_rate": 1000.0, "max_grad_norm": 0.0, "max_update": 0.0}


def test_training_from_python_is_warned(caplog):
    charrnn.train(PARAGRAPH, settings(**WILD))
    assert "never predicted better than a uniform guess" in caplog.text
    caplog.clear()
    charrnn.train(PARAGRAPH, settings(steps=100))
    assert "uniform guess" not in caplog.text


def test_the_recent_loss_is_the_mean_of_the_last_steps():
    steps = list(Trainer(settings(steps=50), PARAGRAPH))
    losses = [step.loss for step in steps]
    for i in (0, 7, RECENT - 1, RECENT, 49):
        wanted = np.mean(losses[max(0, i + 1 - RECENT) : i + 1])
        assert steps[i].recent_loss == pytest.approx(wanted, rel=1e-12)


def test_losses_are_kept_at_equal_distances_where_nothing_is_held_out():
    assert trained(steps=9).state.losses == []
    state = trained(steps=9, val_fraction=0.0).state
    assert [step for step, _ in state.losses] == list(range(1, 10))
    for step in range(10, 1001):
        state.step = step
        state.keep_loss(1.0)
    kept = [step for step, _ in state.losses]
    assert kept == list(range(8, 1001, 8))
    assert state.from_dict(state.to_dict()).losses == state.losses


def test_a_text_is_doubted_once_when_a_run_begins():
    with logged() as notes:
        doubt_corpus(corpus(PARAGRAPH * 40), fine_tuning=False)
    assert notes == [
        "the held-out part also occurs in the training part, so its score will be misleadingly "
        "good; was a text given twice?"
    ]
    with logged() as notes:
        doubt_corpus(corpus(PARAGRAPH), fine_tuning=False)
    assert notes == []


@pytest.mark.parametrize(
    ("streams", "ranks", "characters", "offered"),
    [
        (32, 8, 12_000_000, "train.batch_size=128 train.learning_rate=0.4"),
        (32, 16, 12_000_000, "train.batch_size=256 train.learning_rate=0.57"),
        (64, 64, 100_000_000, "train.batch_size=256 train.learning_rate=0.4"),
        (32, 4, 12_000_000, None),  # 8 streams each
        (32, 8, 9_000_000, None),  # a short text is better read more often
        (256, 64, 100_000_000, None),  # larger ones have not been measured
    ],
)
def test_many_ranks_are_offered_a_larger_batch(streams, ranks, characters, offered):
    with logged() as notes:
        offer_larger_batch(RATE, streams, ranks, characters)
    assert notes == (
        [
            f"a batch of {streams} streams is small for {ranks} ranks: with a text of this length, "
            f"{offered} would learn more in the same time"
        ]
        if offered
        else []
    )
