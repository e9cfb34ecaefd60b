"""Draws: with the model's own probabilities, filtered as asked, and each stream its own."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small import CELLS, naive_stop, network

from charrnn.nn.inference import StepPass
from charrnn.nn.tiles import TILE
from charrnn.sampling import LARGEST, Beginning, Choice, Sampler, StopMatcher, draw, random_numbers

#: The first random numbers of the first sample of seed 5.
FIRST = [0.2415237318918836, 0.3054357854482048, 0.4192785302823997]
# Chi-square of 6 degrees of freedom: exceeded by chance once in two million times.
LIMIT = 40.0


def sampler(net, prime, count, seed, choice):
    """A sampler of the first ``count`` samples."""
    beginning = Beginning(net)
    beginning.feed(np.array(prime))
    return Sampler(beginning, range(count), seed, choice)


def distribution(choice, logits):
    """The probabilities of a draw."""
    scores = choice.apply(logits.copy())
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def chi_square(counts, probs):
    expected = counts.sum() * probs
    return float(np.sum((counts - expected) ** 2 / expected))


def probabilities(net, ids):
    """After each of ``ids``, by the definition: exp over the sum of exp."""
    ws, state = net.workspace(1, 1), net.arch.zero_state(1, np.float64)
    for symbol in ids:
        logits = net.forward(ws, np.array([[symbol]]), state)[0]
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.parametrize("cell", CELLS)
def test_temperature_one_draws_with_the_models_own_probabilities(cell):
    net, prime = network(cell, spread=0.5), [2, 0, 5]
    draws = sampler(net, prime, 30_000, 11, Choice())
    first, second = draws.step().copy(), draws.step().copy()
    probs = probabilities(net, prime)
    counts = np.bincount(first, minlength=7)
    assert chi_square(counts, probs) < LIMIT
    # The test can tell a distribution that is a little off.
    off = probs**1.2 / np.sum(probs**1.2)
    assert chi_square(counts, off) > LIMIT
    for symbol in np.flatnonzero(counts > 3000).tolist():
        after = np.bincount(second[first == symbol], minlength=7)
        assert chi_square(after, probabilities(net, [*prime, symbol])) < LIMIT


def test_one_long_stream_draws_with_the_models_own_probabilities():
    net = network(spread=0.0)  # no memory: each symbol is drawn alike
    net.params["output.b"][:] = np.log([1, 2, 3, 4, 5, 6, 7])
    draws = sampler(net, [0], 1, 5, Choice())
    drawn = [int(draws.step()[0]) for _ in range(8000)]
    assert chi_square(np.bincount(drawn, minlength=7), np.arange(1, 8) / 28) < LIMIT
    pairs = np.bincount([7 * a + b for a, b in zip(drawn[::2], drawn[1::2], strict=True)])
    both = np.outer(np.arange(1, 8), np.arange(1, 8)).ravel() / 28**2
    assert chi_square(pairs, both) < 120  # 48 degrees of freedom


@pytest.mark.parametrize("choice", [Choice(), Choice(0.7, 4, 0.9, 0.05), Choice(0.0)])
def test_surprisal_is_that_of_the_draw(choice):
    net = network()
    draws = sampler(net, [1], 1, 3, choice)
    text = [1]
    for _ in range(30):
        probs = naive(np.log(probabilities(net, text)), choice)
        symbol = int(draws.step()[0])
        nats = draws.surprisal()[0]
        assert nats == pytest.approx(-math.log(probs[symbol]), abs=1e-9)
        assert nats >= 0
        text.append(symbol)


def naive(logits, choice):
    """The filters as sentences: temperature, then top-k, top-p among those, then min-p."""
    if choice.temperature == 0:
        return [float(i == int(np.argmax(logits))) for i in range(len(logits))]
    top = max(logits)
    weights = [math.exp((x - top) / choice.temperature) for x in logits]
    probs = [w / sum(weights) for w in weights]
    ranked = sorted(range(len(probs)), key=lambda i: (-probs[i], i))
    kept = ranked[: choice.top_k] if choice.top_k else ranked
    enough, total = [], sum(probs[i] for i in kept)
    for i in kept:
        if choice.top_p == 1 or sum(probs[j] for j in enough) < choice.top_p * total:
            enough.append(i)
    enough = [i for i in enough if probs[i] >= choice.min_p * probs[ranked[0]]]
    total = sum(probs[i] for i in enough)
    return [probs[i] / total if i in enough else 0.0 for i in range(len(probs))]


LOGITS = st.lists(st.sampled_from([-3.0, -1.3, 0.0, 0.4, 0.41, 2.7, 9.0]), min_size=1, max_size=9)


@given(
    LOGITS,
    st.sampled_from([0.0, 0.13, 0.5, 1.0, 1.7, 30.0]),
    st.integers(0, 10),
    st.sampled_from([1e-9, 0.213, 0.5077, 0.91, 0.9999, 1.0]),
    st.sampled_from([0.0, 0.0411, 0.317, 0.83, 1.0]),
)
@example([0.0, 0.0, 0.0, 0.0], 1.0, 2, 1.0, 0.0)  # ties go by id
def test_filters_do_what_they_say(logits, temperature, top_k, top_p, min_p):
    choice = Choice(temperature, top_k, top_p, min_p)
    rows = np.array([logits, logits[::-1]])
    found = distribution(choice, rows)
    np.testing.assert_allclose(found[0], naive(rows[0], choice), atol=1e-12)
    np.testing.assert_allclose(found[1], naive(rows[1], choice), atol=1e-12)
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-20, 1e-5, 0.0])
def test_a_tiny_temperature_is_greedy(temperature):
    rows = np.array([[1.0, 3.0, 2.999], [700.0, -700.0, 0.0], [-5.0, -6.0, -5.001]])
    found = distribution(Choice(temperature), rows)
    np.testing.assert_allclose(found, [[0, 1, 0], [1, 0, 0], [1, 0, 0]], atol=1e-40)


@pytest.mark.parametrize("temperature", [1e6, 1e300, 1.7e308])
def test_a_huge_temperature_is_uniform(temperature):
    found = distribution(Choice(temperature), np.array([[-700.0, 0.0, 700.0]]))
    np.testing.assert_allclose(found, 1 / 3, atol=1e-3)


@pytest.mark.parametrize("top_p", [5e-324, 1e-17, 1e-3])
def test_a_tiny_top_p_keeps_the_likeliest(top_p):
    for top_k in (0, 1, 2):
        found = distribution(Choice(1.0, top_k, top_p), np.zeros((1, 5)))
        assert found.tolist() == [[1, 0, 0, 0, 0]]


ALL = Choice(0.7, 20, 0.9, 0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_filters_together_draw_as_they_say(dtype):
    net, prime = network("lstm", V=30, L=2, spread=1.0, dtype=dtype), [3, 0, 7]
    exact = network("lstm", V=30, L=2, spread=1.0)
    probs = np.array(naive(np.log(probabilities(exact, prime)), ALL))
    counts = np.bincount(sampler(net, prime, 20_000, 2, ALL).step(), minlength=30)
    possible = probs > 0
    assert 6 < np.count_nonzero(possible) < 20
    assert counts[~possible].sum() == 0
    # Beyond twice the degrees of freedom plus 40: once in millions of times.
    limit = 2 * np.count_nonzero(possible) + 40
    assert chi_square(counts[possible], probs[possible]) < limit
    off = probs[possible] ** 1.2 / np.sum(probs[possible] ** 1.2)
    assert chi_square(counts[possible], off) > limit


def test_what_is_rare_is_drawn_as_rarely_as_it_should_be():
    net = network(V=8, spread=0.0, dtype=np.float32)
    net.params["output.b"][:] = np.log([1.0, 1e-3, 1e-4, 1e-4, 1e-5, 1e-9, 1e-9, 1e-9])
    counts = sum(
        np.bincount(draws.step(), minlength=8)
        for draws in [sampler(net, [0], 20_000, 1, Choice())]
        for _ in range(15)
    )
    probs = np.exp(net.params["output.b"])
    assert chi_square(counts[:5], probs[:5] / probs[:5].sum()) < LIMIT
    assert counts[5:].sum() == 0


def test_each_sample_has_random_numbers_of_its_own():
    numbers = random_numbers(5, np.arange(150), 0)
    assert len(np.unique(numbers)) == numbers.size
    some = np.array([100, 3, 64])
    np.testing.assert_array_equal(random_numbers(5, some, 0), numbers[some])
    for seed, block in ((6, 0), (5, 1), (5 + (1 << 32), 0)):
        assert not np.isin(random_numbers(seed, some, block), numbers).any()
    # These are the values that any version of charrnn draws.
    assert numbers[0, :3] == pytest.approx(FIRST)


def test_the_largest_random_number_draws_a_symbol_that_is_possible():
    scores = np.tile(np.float32([-np.inf, 0.1, -np.inf, -0.7, 0.3, -np.inf]), (4, 1))
    ids = np.empty(4, np.intp)
    draw(scores, np.array([0.0, LARGEST, 0.41, 0.42]), np.empty((4, 6)), ids)
    # exp(0.1), exp(-0.7) and exp(0.3) are to each other as 0.378, 0.170 and 0.452.
    assert ids.tolist() == [1, 4, 3, 3]


def test_random_numbers_below_one_stay_below_their_sum():
    sums = np.random.default_rng(0).random(100_000) * 2.0 ** np.arange(-50, 50).repeat(1000)
    assert (LARGEST * sums < sums).all()
    assert (random_numbers(1, np.arange(1000), 0) <= LARGEST).all()


def test_greedy_takes_the_likeliest():
    net, text = network(), [3]
    draws = sampler(net, text, 4, 0, Choice(0.0))
    for _ in range(20):
        expected = int(np.argmax(probabilities(net, text)))
        assert draws.step().tolist() == [expected] * 4
        assert draws.surprisal().tolist() == [0] * 4
        text.append(expected)


@pytest.mark.parametrize("spread", [0.15, 1.5])  # 1.5 makes a chaotic network: no error dies out
@pytest.mark.parametrize("cell", CELLS)
def test_the_rows_of_a_sampler_do_not_depend_on_each_other(cell, spread):
    net = network(cell, V=60, H=33, L=2, spread=spread, dtype=np.float32)
    beginning = Beginning(net)
    beginning.feed(np.array([1, 2, 3]))

    def run(wanted, steps):
        draws = Sampler(beginning, wanted, 9, Choice(0.9, top_p=0.95))
        drawn = [(draws.step().copy(), draws.surprisal()) for _ in range(steps)]
        ids, nats = zip(*drawn, strict=True)
        return np.stack(ids, axis=1), np.stack(nats, axis=1)

    many, nats = run(range(33), 120)  # beyond the random numbers that are drawn at once
    for count in (1, 2, 7, 16):
        ids, own = run(range(count), 120 // count)
        np.testing.assert_array_equal(ids, many[:count, : 120 // count])
        np.testing.assert_array_equal(own, nats[:count, : 120 // count])
    for some in (range(22, 26), range(3, 5), range(7, 8), range(5, 33)):
        np.testing.assert_array_equal(run(some, 50)[0], many[some.start : some.stop, :50])
    assert len({row.tobytes() for row in many}) == 33


def test_samples_that_run_are_brought_together():
    net = network("lstm", V=60, H=33, L=2, dtype=np.float32)
    whole, part = (sampler(net, [1, 2], 100, 9, Choice()) for _ in range(2))
    columns, running, moves = np.arange(100), np.ones(100, bool), 0
    for _ in range(30):
        running &= np.random.default_rng(int(running.sum())).random(100) < 0.9
        expected, drawn, runs = whole.step(), part.step(), running[columns]
        np.testing.assert_array_equal(drawn[runs], expected[columns][runs])
        np.testing.assert_array_equal(part.surprisal()[runs], whole.surprisal()[columns][runs])
        moved = part.keep(runs)
        if moved:
            columns, moves = moved.apply(columns), moves + 1
        np.testing.assert_array_equal(part.numbers, columns)
        assert set(np.flatnonzero(running)) <= set(columns)
    assert moves > 3
    assert len(columns) <= 2 * TILE


@pytest.mark.parametrize("cuts", [[1], [49], [10, 20, 21], list(range(1, 50))])
@pytest.mark.parametrize("steps", [1, 7, 256])
def test_a_prime_in_pieces_is_the_prime(cuts, steps):
    net, prime = network("lstm", L=2), np.random.default_rng(0).integers(0, 7, 50)
    expected = probabilities(net, prime)
    beginning = Beginning(net)
    for piece in np.split(prime, cuts):
        beginning.feed(piece, steps)
    draws = Sampler(beginning, range(3), 0, Choice())
    drawn = draws.step()
    np.testing.assert_allclose(draws.surprisal(), -np.log(expected[drawn]), rtol=1e-9)


def test_a_step_costs_the_same_however_long_the_text(monkeypatch):
    shapes = []
    step = StepPass.step

    def watched(pass_, ids):
        shapes.append(ids.shape)
        return step(pass_, ids)

    monkeypatch.setattr(StepPass, "step", watched)
    draws = sampler(network(), [0, 1], 4, 0, Choice(0.8, top_k=5))
    for _ in range(600):
        draws.step()
    shapes.clear()
    tracemalloc.start()
    try:
        for _ in range(20):
            draws.step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(600):
            draws.step()
        assert tracemalloc.get_traced_memory()[0] - before < 60_000  # the shapes noted here
    finally:
        tracemalloc.stop()
    assert set(shapes) == {(4,)}


# Stop strings, against a search in the whole text.


SHORT = st.text("ab", min_size=1, max_size=5)


@given(st.text("abc", max_size=25), st.lists(SHORT, max_size=4))
@example("aaab", ["aab"])
@example("abab", ["b", "ab"])
@example("ababc", ["ababb", "bab"])
def test_stops_are_found_as_in_the_whole_text(text, stops):
    matcher, released = StopMatcher([[ord(c) for c in stop] for stop in stops]), []
    for i, char in enumerate(text):
        released += matcher.feed(ord(char))
        if matcher.stopped:
            break
        # Nothing is held but what some stop begins with.
        held = text[len(released) : i + 1]
        assert not held or any(stop.startswith(held) for stop in stops)
    else:
        released += matcher.rest()
    before, stopped = naive_stop(text, stops)
    assert "".join(map(chr, released)) == before
    assert matcher.stopped == stopped
    assert matcher.rest() == [] or stopped


def test_empty_stops_are_ignored():
    matcher = StopMatcher([[], [1]])
    assert matcher.feed(2) == [2]
    assert matcher.feed(1) == []
    assert matcher.stopped
