"""Part of a long text that stands for all of it."""

import numpy as np
import pytest

from charrnn.data.excerpt import excerpt


def test_pieces_are_evenly_spread_from_the_beginning_to_the_end():
    text = np.arange(10_000)
    chosen = excerpt(text, 4_096, 4)
    assert chosen.tolist() == [
        *range(1_024),
        *range(2_992, 2_992 + 1_024),
        *range(5_984, 5_984 + 1_024),
        *range(8_976, 10_000),
    ]


@pytest.mark.parametrize(
    ("most", "first"), [(1, 9_999), (6, 9_994), (1_024, 8_976), (2_047, 7_953)]
)
def test_a_short_excerpt_is_the_end(most, first):
    assert excerpt(np.arange(10_000), most, 128).tolist() == [*range(first, 10_000)]


def test_a_text_that_is_short_enough_is_its_own_excerpt():
    text = np.arange(4_096)
    assert np.array_equal(excerpt(text, 4_096, 4), text)
