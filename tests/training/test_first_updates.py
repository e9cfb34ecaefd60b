"""The first updates never make a network much worse than a uniform guess.

After the first step, whose loss is that of random weights, no loss may exceed ln V + 0.1.
"""

import math
from pathlib import Path

import pytest

from charrnn.config.schema import Config
from charrnn.config.sources import with_settings
from charrnn.training.trainer import Trainer

FABLES = Path(__file__).parents[2] / "corpora" / "fables.txt"


def excess(text, steps, **changes):
    """By how much the worst loss of the first ``steps``, but for the first, exceeds ln V."""
    settings = {"steps": 3000, "eval_every": 3000, "dropout": 0.0, "workers": 1, "ngram_order": 0}
    trainer = Trainer(with_settings(Config(), settings | changes), text)
    made = iter(trainer)
    losses = [next(made).loss for _ in range(steps)]
    made.close()
    return max(losses[1:]) - math.log(len(trainer.vocab))


@pytest.mark.parametrize(
    ("hidden_size", "num_layers"),
    [
        (128, 1),
        (64, 2),
        *(pytest.param(*more, marks=pytest.mark.soak) for more in ((64, 1), (128, 2))),
    ],
)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_no_early_loss_is_worse_than_a_guess(cell, hidden_size, num_layers):
    shape = {"cell": cell, "hidden_size": hidden_size, "num_layers": num_layers}
    text = FABLES.read_text("utf-8")[:20_000]
    small = {"batch_size": 8, "seq_length": 32}
    assert excess(text, 20, **shape, **small) < 0.1
    if num_layers == 1:
        assert excess(text, 8, **shape, **small, learning_rate=0.2, max_update=0) > 0.3


def test_no_early_loss_of_three_layers_is_worse_than_a_guess():
    text = FABLES.read_text("utf-8")[:3_000]
    assert excess(text, 33, cell="lstm", hidden_size=128, num_layers=3, seed=3) < 0.1


@pytest.mark.soak
@pytest.mark.parametrize("hidden_size", [256, 384, 512, 640, 768])
def test_no_loss_of_a_wide_rnn_is_worse_than_a_guess(hidden_size):
    text = FABLES.read_text("utf-8")[:20_000]
    for seed in (1, 2, 3):
        assert excess(text, 200, cell="rnn", hidden_size=hidden_size, seed=seed) < 0.1


@pytest.mark.soak
@pytest.mark.parametrize("characters", [3_000, 20_000, 86_000])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("hidden_size", [64, 128, 256, 384, 512, 768])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_soak(cell, hidden_size, num_layers, characters):
    shape = {"cell": cell, "hidden_size": hidden_size, "num_layers": num_layers}
    text = FABLES.read_text("utf-8")[:characters]
    for seed in (1, 2, 3):
        assert excess(text, 60, **shape, seed=seed) < 0.1
