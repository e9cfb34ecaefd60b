"""One vector, many views."""

import numpy as np
import pytest

from charrnn.nn.network import Architecture
from charrnn.nn.optim import OPTIMIZERS
from charrnn.nn.params import Params

SHAPES = {"W": (2, 3), "b": (3,), "V": (3, 2)}


def test_views_follow_one_another_in_the_vector():
    params = Params(SHAPES, np.float64)
    params.flat[:] = np.arange(15)
    assert list(params) == ["W", "b", "V"]
    assert params["W"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert params["b"].tolist() == [6, 7, 8]
    assert params["V"].tolist() == [[9, 10], [11, 12], [13, 14]]
    params["V"][1, 0] = -1.0
    assert params.flat[11] == -1.0
    assert all(np.shares_memory(view, params.flat) for _, view in params.items())


def test_like_and_copy():
    params = Params(SHAPES)
    params.flat[:] = 3.0
    zeros, twin, flat = params.like(), params.copy(), np.arange(15, dtype=np.float32)
    over = params.like(flat)
    assert zeros.shapes == twin.shapes == over.shapes == SHAPES
    assert zeros.flat.dtype == twin.flat.dtype == np.float32
    assert not zeros.flat.any()
    assert np.array_equal(twin.flat, params.flat)
    assert over.flat is flat
    assert np.shares_memory(over["b"], flat)
    twin["W"][:] = 0.0
    assert params["W"].min() == 3.0


@pytest.mark.parametrize("flat", [np.zeros(14), np.zeros(16), np.zeros((15, 1)), np.zeros((3, 5))])
def test_a_vector_of_another_size_is_refused(flat):
    with pytest.raises(ValueError, match=r"a flat vector of 15 elements is needed, not \(.*\)"):
        Params(SHAPES, flat=flat)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_views_show_an_optimizers_update(name):
    params = Architecture("lstm", 7, 5, 2).initial(np.random.default_rng(0))
    views, before, flat = dict(params.items()), params.copy(), params.flat
    optimizer = OPTIMIZERS[name](params.flat)
    optimizer.update(params.flat, np.ones_like(params.flat), 0.1, weight_decay=0.01)
    assert params.flat is flat
    for key, view in views.items():
        assert params[key] is view, key
        assert np.shares_memory(view, flat), key
        assert np.all(view != before[key]), key
