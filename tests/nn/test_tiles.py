"""Products in groups: each row is as defined, whatever is joined and wherever it is moved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.nn.tiles import JOINED, TILE, Groups, Matrix, alike_places, equals_tiles, gaps_filled

SHAPES = [(33, 132), (128, 65), (6, 7), (40, 1)]


def random(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def exact(x, W, out):
    """A product whose sums all have the same order."""
    np.copyto(out, (x[..., None] * W).sum(axis=-2))


def by_shape(x, W, out):
    """A product that depends on the number of rows: its last column differs beyond a tile."""
    exact(x, W, out)
    if x.shape[-2] > TILE:
        out[..., -1] = np.nextafter(out[..., -1], np.inf)


def by_place(x, W, out):
    """A product that depends on the place of a row, in its last column."""
    exact(x, W, out)
    for place in (2, 7, 8):
        out[..., place, -1] = np.nextafter(out[..., place, -1], np.inf)


@pytest.mark.parametrize("size", JOINED)
def test_a_product_that_depends_on_the_number_of_rows_is_found(size):
    assert equals_tiles(random(9, 5), size, exact)
    assert not equals_tiles(random(9, 5), size, by_shape)


def test_places_that_are_multiplied_alike_are_found():
    Ws = [random(9, 5), random(4, 3)]
    assert alike_places(Ws, exact).tolist() == [0] * TILE
    assert alike_places(Ws, by_place).tolist() == [0, 0, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0]


@pytest.mark.parametrize("product", [np.matmul, exact, by_shape])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_single_rows_and_tiles(shape, dtype, product):
    W = random(*shape, dtype=dtype)
    matrix = Matrix(W, product)
    for n, alone, place in ((1, 1, 0), (3, 3, 0), (1, 0, 5), (40, 0, 11), (100, 4, 0), (158, 2, 0)):
        groups = Groups(n, alone, place)
        x = random(groups.rows, shape[0], dtype=dtype)
        wanted, found = (np.empty((groups.rows, shape[1]), dtype) for _ in range(2))
        for row in range(alone):
            product(x[row : row + 1], W, wanted[row : row + 1])
        for row in range(alone, groups.rows, TILE):
            product(x[row : row + TILE], W, wanted[row : row + TILE])
        matrix.product(x, found, groups)()
        assert found.tobytes() == wanted.tobytes()
        assert len(found[groups.used]) == n


def test_tiles_are_joined_where_that_makes_no_difference():
    sizes = []

    def watched(product):
        def multiply(x, W, out):
            sizes.append(x.shape[:-1])
            product(x, W, out)

        return multiply

    groups = Groups(126, alone=3)
    x, out = random(groups.rows, 9), np.empty((groups.rows, 5), np.float32)
    for product, wanted in (
        (exact, [(3, 1), (1, 6 * TILE), (1, 5 * TILE)]),
        (by_shape, [(3, 1), (11, TILE)]),
    ):
        multiply = Matrix(random(9, 5), watched(product)).product(x, out, groups)
        sizes.clear()
        multiply()
        assert sizes == wanted


@given(
    st.lists(st.booleans(), max_size=80),
    st.sampled_from([1, 6, TILE]),
    st.integers(0, 4),
    st.integers(0, TILE - 1),
)
def test_rows_fill_gaps_of_their_kind(runs, size, alone, place):
    alone = min(alone, len(runs))
    groups = Groups(len(runs), alone, 0 if alone else place)
    alike, running = np.arange(TILE) // size * size, np.array(runs, bool)
    rows = np.arange(len(runs))
    moves = gaps_filled(running, groups, alike)
    found = moves.apply(rows.copy())
    left = [row for row in found.tolist() if runs[row]]
    wanted = np.flatnonzero(running).tolist()
    assert sorted(set(left)) == wanted
    assert running[moves.sources].all()
    assert not running[moves.targets].any()
    assert (found[:alone] == rows[:alone]).all()
    kinds = np.where(rows < alone, -1 - rows, alike[(groups.place + rows - alone) % TILE])
    assert (kinds[found] == kinds[: moves.n]).all()
    # Of each kind, no place before the last one that is needed is left empty.
    counts = [int(np.count_nonzero(running & (kinds == kind))) for kind in range(TILE)]
    ends = [
        np.flatnonzero(kinds == kind)[count - 1] + 1 for kind, count in enumerate(counts) if count
    ]
    assert moves.n == max([alone, *ends])
