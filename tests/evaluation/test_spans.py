"""The most surprising part of a line, against trying all parts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.evaluation.spans import surprising_span

BITS = st.lists(st.one_of(st.just(float("nan")), st.floats(0.0, 40.0)), max_size=12)


def gain(bits: list[float], level: float) -> float:
    """The worth of a part in bits."""
    known = [0.0 if math.isnan(b) else b for b in bits]
    return sum(b - level if b > level else -1.0 for b in known)


@given(BITS)
def test_no_other_part_is_more_surprising(bits: list[float]) -> None:
    nats, level = np.array(bits) * math.log(2), 8.0
    span = surprising_span(nats, level * math.log(2))
    ends = range(len(bits) + 1)
    best = max(gain(bits[a:b], level) for b in ends for a in range(b + 1))
    if span is None:
        assert best == pytest.approx(0.0, abs=1e-9)
    else:
        assert gain(bits[slice(*span)], level) == pytest.approx(best)


@pytest.mark.parametrize(
    ("bits", "span"),
    [
        ([], None),
        ([1, 7.9, 2], None),
        ([1, 9.5, 2], (1, 2)),
        ([1, 12, 0, 0, 0, 12, 1], (1, 6)),  # three ordinary ones lie between
        ([1, 10, 0, 0, 0, 12, 1], (5, 6)),  # more would be lost than gained
        ([9, 0, 30], (0, 3)),  # one bit gained, one lost: the longest
    ],
)
def test_ordinary_symbols_between_surprising_ones_cost_a_bit(bits, span) -> None:
    nats = np.array(bits, np.float32) * np.float32(math.log(2))
    assert surprising_span(nats, 8.0 * math.log(2)) == span
