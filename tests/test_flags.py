"""Floating-point flags: whatever a matrix product raises, no warning reaches the user."""

import numpy as np
import pytest
from small import CELLS, PARAGRAPH, settings

from charrnn.config.schema import SampleConfig
from charrnn.evaluation.dynamic import mean_squared_gradients
from charrnn.model import CharRNN
from charrnn.training.trainer import Trainer


@pytest.fixture(autouse=True)
def products_that_raise_flags(monkeypatch):
    """As AVX-512 kernels do for numbers that they drop, and Apple's at random."""
    real, large = np.matmul, np.full(1, 1e300)

    def matmul(x, W, out):
        np.multiply(large, large)  # its warning would be an error here
        real(x, W, out)

    monkeypatch.setattr(np, "matmul", matmul)
    with pytest.raises(RuntimeWarning, match="overflow"):
        np.matmul(large, large, large)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("records", ["none", "line"])
def test_training_scoring_and_sampling_are_silent(cell, records):
    trainer = Trainer(settings(cell=cell, records=records, steps=3, eval_every=1), PARAGRAPH)
    assert len(list(trainer)) == 3
    model = trainer.model
    assert model.evaluate(PARAGRAPH).nats_per_char < 4
    assert len(list(model.score_lines(PARAGRAPH.splitlines()))) == PARAGRAPH.count("\n")
    assert sum(len(s.nats) for s in model.char_scores([PARAGRAPH])) == len(PARAGRAPH)
    one, *others = (s.text for s in model.samples(SampleConfig(length=5, count=3, seed=1)))
    assert len(others) == 2
    assert "".join(model.stream(SampleConfig(length=5, seed=1))) == one


def test_adapting_to_a_text_is_silent():
    trainer = Trainer(settings(steps=1), PARAGRAPH)
    squares = mean_squared_gradients(trainer.network, trainer.corpus.train)
    static, dynamic = trainer.model.dynamic_evaluate(PARAGRAPH, squares)
    assert static.characters == dynamic.characters == len(PARAGRAPH)


def test_large_logits_are_silent():
    """Their exponentials overflow a float32 before the largest is taken off."""
    trainer = Trainer(settings(steps=1), PARAGRAPH)
    for _ in trainer:
        trainer.network.params.flat[:] *= 3000.0
    model = CharRNN(trainer.config, trainer.vocab, trainer.network.params)
    assert model.evaluate(PARAGRAPH).nats_per_char > 88
    assert len(list(model.score_lines(PARAGRAPH.splitlines()))) == PARAGRAPH.count("\n")
    assert len(next(iter(model.char_scores([PARAGRAPH]))).nats) == len(PARAGRAPH)
    assert len(model.samples(SampleConfig(length=5, count=3, seed=1))) == 3
