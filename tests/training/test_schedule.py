"""Factors of the learning rate over a run."""

import math

import pytest

from charrnn.training.schedule import cosine, exponential


def test_cosine_rises_over_the_warmup_and_falls_to_zero():
    assert cosine(0.0, 0.1) == 0.0
    assert cosine(0.05, 0.1) == pytest.approx(0.5)
    assert cosine(0.1, 0.1) == 1.0
    assert cosine(0.55, 0.1) == pytest.approx(0.5)  # half way down
    assert cosine(0.325, 0.1) == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert cosine(1.0, 0.1) == 0.0
    assert cosine(0.0, 0.0) == 1.0  # without a warmup
    course = [cosine(k / 100, 0.2) for k in range(101)]
    assert course[:21] == sorted(course[:21])
    assert course[20:] == sorted(course[20:])[::-1]


def test_exponential_waits_and_then_decays_each_epoch():
    course = [exponential(epoch, 0.5, 2) for epoch in range(6)]
    assert course == [1.0, 1.0, 1.0, 0.5, 0.25, 0.125]
    assert exponential(9, 1.0, 0) == 1.0
