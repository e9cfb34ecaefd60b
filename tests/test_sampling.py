"""Draws: with the model's own probabilities, filtered as asked, and each stream its own."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small import CELLS, naive_stop, network

from charrnn.nn.network import Network
from charrnn.sampling import Choice, Sampler, StopMatcher, draw

# Chi-square of 6 degrees of freedom: exceeded by chance once in two million times.
LIMIT = 40.0


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
    sampler = Sampler(net, 30_000, 11, Choice())
    sampler.feed(np.array(prime))
    first, second = sampler.step().copy(), sampler.step().copy()
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
    sampler = Sampler(net, 1, 5, Choice())
    sampler.feed(np.array([0]))
    drawn = [int(sampler.step()[0]) for _ in range(8000)]
    assert chi_square(np.bincount(drawn, minlength=7), np.arange(1, 8) / 28) < LIMIT
    pairs = np.bincount([7 * a + b for a, b in zip(drawn[::2], drawn[1::2], strict=True)])
    both = np.outer(np.arange(1, 8), np.arange(1, 8)).ravel() / 28**2
    assert chi_square(pairs, both) < 120  # 48 degrees of freedom


@pytest.mark.parametrize("choice", [Choice(), Choice(0.7, 4, 0.9, 0.05), Choice(0.0)])
def test_surprisal_is_that_of_the_draw(choice):
    net = network()
    sampler = Sampler(net, 1, 3, choice)
    sampler.feed(np.array([1]))
    text = [1]
    for _ in range(30):
        probs = naive(np.log(probabilities(net, text)), choice)
        symbol = int(sampler.step()[0])
        assert sampler.surprisal[0] == pytest.approx(-math.log(probs[symbol]), abs=1e-9)
        assert sampler.surprisal[0] >= 0
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
    found = choice.distribution(rows.copy())
    np.testing.assert_allclose(found[0], naive(rows[0], choice), atol=1e-12)
    np.testing.assert_allclose(found[1], naive(rows[1], choice), atol=1e-12)
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-20, 1e-5, 0.0])
def test_a_tiny_temperature_is_greedy(temperature):
    rows = np.array([[1.0, 3.0, 2.999], [700.0, -700.0, 0.0], [-5.0, -6.0, -5.001]])
    found = Choice(temperature).distribution(rows)
    np.testing.assert_allclose(found, [[0, 1, 0], [1, 0, 0], [1, 0, 0]], atol=1e-40)


@pytest.mark.parametrize("temperature", [1e6, 1e300, 1.7e308])
def test_a_huge_temperature_is_uniform(temperature):
    found = Choice(temperature).distribution(np.array([[-700.0, 0.0, 700.0]]))
    np.testing.assert_allclose(found, 1 / 3, atol=1e-3)


@pytest.mark.parametrize("top_p", [5e-324, 1e-17, 1e-3])
def test_a_tiny_top_p_keeps_the_likeliest(top_p):
    for top_k in (0, 1, 2):
        found = Choice(1.0, top_k, top_p).distribution(np.zeros((1, 5)))
        assert found.tolist() == [[1, 0, 0, 0, 0]]


@pytest.mark.parametrize("uniform", [0.0, 5e-324, 0.5, 1 - 2**-53, 1.0])
def test_no_draw_falls_on_the_impossible(uniform):
    logits = np.random.default_rng(0).normal(0.0, 4.0, (100, 50))
    drawn = np.empty(100, np.intp)
    for top_k in range(1, 50, 7):
        probs = Choice(top_k=top_k).distribution(logits.copy())
        draw(probs, np.full(100, uniform), drawn)
        assert probs[np.arange(100), drawn].min() > 0.0
        assert np.count_nonzero(probs, axis=1).max() == top_k


def test_a_draw_is_the_interval_that_the_number_falls_in():
    probs = np.array([[0.0, 0.25, 0.0, 0.5, 0.25, 0.0]] * 5)
    drawn = np.empty(5, np.intp)
    draw(probs, np.array([0.0, 0.2499, 0.25, 0.7499, 0.75]), drawn)
    assert drawn.tolist() == [1, 1, 3, 3, 4]


def test_greedy_takes_the_likeliest():
    net, text = network(), [3]
    sampler = Sampler(net, 2, 0, Choice(0.0))
    sampler.feed(np.array(text))
    for _ in range(20):
        expected = int(np.argmax(probabilities(net, text)))
        assert sampler.step().tolist() == [expected, expected]
        assert sampler.surprisal.tolist() == [0, 0]
        text.append(expected)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sample_is_the_same_whatever_the_count(cell):
    net = network(cell, V=60, H=33, L=2, spread=0.15, dtype=np.float32)

    def run(count, steps, first=0):
        sampler = Sampler(net, count, 9, Choice(0.9, top_p=0.95), first)
        sampler.feed(np.array([1, 2, 3]))
        return np.stack([sampler.step().copy() for _ in range(steps)], axis=1)

    many = run(33, 600)  # beyond the random numbers that are drawn at once
    for count in (1, 2, 7, 16):
        np.testing.assert_array_equal(run(count, 600 // count), many[:count, : 600 // count])
    np.testing.assert_array_equal(run(5, 50, first=20), many[20:25, :50])
    assert len({row.tobytes() for row in many}) == 33


@pytest.mark.parametrize("cuts", [[1], [49], [10, 20, 21], list(range(1, 50))])
@pytest.mark.parametrize("steps", [1, 7, 256])
def test_a_prime_in_pieces_is_the_prime(cuts, steps):
    net, prime = network("lstm", L=2), np.random.default_rng(0).integers(0, 7, 50)
    expected = probabilities(net, prime)
    sampler = Sampler(net, 3, 0, Choice())
    for piece in np.split(prime, cuts):
        sampler.feed(piece, steps)
    drawn = sampler.step()
    np.testing.assert_allclose(sampler.surprisal, -np.log(expected[drawn]), rtol=1e-9)


def test_a_step_costs_the_same_however_long_the_text(monkeypatch):
    shapes = []
    forward = Network.forward

    def watched(net, ws, ids, state):
        shapes.append(ids.shape)
        return forward(net, ws, ids, state)

    monkeypatch.setattr(Network, "forward", watched)
    sampler = Sampler(network(), 4, 0, Choice(0.8, top_k=5))
    sampler.feed(np.array([0, 1]))
    for _ in range(600):
        sampler.step()
    shapes.clear()
    tracemalloc.start()
    try:
        for _ in range(20):
            sampler.step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(600):
            sampler.step()
        assert tracemalloc.get_traced_memory()[0] - before < 60_000  # the shapes noted here
    finally:
        tracemalloc.stop()
    assert set(shapes) == {(1, 4)}


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
