"""The running mean of the weights: a naive reference, and that it is what a run saves."""

import numpy as np
import pytest
from small import PARAGRAPH, settings

from charrnn.training.average import Average
from charrnn.training.start import resume
from charrnn.training.trainer import Trainer


@pytest.mark.parametrize("keep", [0.3, 0.98])
def test_the_mean_is_that_of_a_naive_reference(keep):
    trainer = Trainer(settings(average=keep), PARAGRAPH)
    mean = trainer.network.params.flat.astype(np.float64)
    for step in trainer:
        share = min(keep, step.step / (20 + step.step))
        mean = share * mean + (1 - share) * trainer.network.params.flat
        np.testing.assert_allclose(trainer.average.params.flat, mean, rtol=1e-4, atol=1e-6)


def test_what_a_run_started_from_is_soon_forgotten():
    params = Trainer(settings(), PARAGRAPH).network.params
    params.flat[:] = 1.0
    average = Average(params, 0.999)
    params.flat[:] = 0.0
    for steps in range(1, 101):
        average.update(steps)
    assert 0.0 < average.params.flat.max() < 1e-6


def test_weights_that_overflow_the_mean_give_no_warning():
    params = Trainer(settings(), PARAGRAPH).network.params
    params.flat[:] = 3e38
    average = Average(params, 0.9)
    params.flat[:] = -3e38
    average.update(1)
    assert np.isneginf(average.params.flat).all()


def test_training_itself_knows_nothing_of_the_mean():
    weights = {}
    for average in (0.0, 0.9):
        trainer = Trainer(settings(average=average), PARAGRAPH)
        assert len(list(trainer)) == 24
        weights[average] = trainer.network.params.flat.copy()
    np.testing.assert_array_equal(weights[0.0], weights[0.9])


def test_without_a_mean_nothing_is_stored():
    trainer = Trainer(settings(average=0.0), PARAGRAPH)
    list(trainer)
    assert trainer.average.params is trainer.network.params
    assert trainer.checkpoint().training.average is None
    again = resume(trainer.checkpoint(), PARAGRAPH, settings(average=0.0, steps=30))
    assert len(list(again)) == 6
