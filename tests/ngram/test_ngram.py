"""The n-gram model, against Kneser-Ney written out with dicts; records, pruning, learning."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from charrnn.ngram import AdaptiveNGram, NGram, count
from charrnn.ngram.counts import _discounts, ranked

TEXTS = ("the ox and the axe stood on the box", "the fox sat on the ox. " * 3, "so the end came")
SYMBOLS = sorted({*"".join(TEXTS), "\n", "z"})
V, START = len(SYMBOLS), SYMBOLS.index("\n")


def encode(text):
    return np.array([SYMBOLS.index(c) for c in text], np.uint8)


def naive_counts(texts, order):
    """What is counted of each n-gram, by length; each text follows a newline."""
    occurs, before, begins = Counter(), defaultdict(set), Counter()
    for text in texts:
        whole = "\n" + text
        for end in range(2, len(whole) + 1):
            for n in range(1, min(end, order) + 1):
                gram = whole[end - n : end]
                occurs[gram] += 1
                if n == end:
                    begins[gram] += 1
                else:
                    before[gram].add(whole[end - n - 1])
    return [
        {g: occurs[g] if n == order else len(before[g]) + begins[g] for g in occurs if len(g) == n}
        for n in range(1, order + 1)
    ]


def naive_probability(counts, history, symbol):
    p = 1.0 / V
    for n, grams in enumerate(counts, 1):
        if n - 1 > len(history):
            break
        h = history[len(history) - n + 1 :] if n > 1 else ""
        following = {g[-1]: c for g, c in grams.items() if g[:-1] == h}
        if not sum(following.values()):
            continue
        D = _discounts(np.array(list(grams.values())))
        own = following.get(symbol, 0)
        left = sum(D[min(c, 3)] for c in following.values())
        p = (own - D[min(own, 3)] + left * p) / sum(following.values())
    return p


def as_dicts(counts):
    """The n-grams of a model and their counts, by length; without those that are only histories."""
    bounds, texts = counts.bounds, [""]
    parents = np.append(-1, counts.parents)
    for node in range(1, len(counts.symbols)):
        texts.append(texts[parents[node]] + SYMBOLS[counts.symbols[node]])
    return [
        {texts[n]: int(counts.counts[n]) for n in range(a, b) if counts.counts[n]}
        for a, b in itertools.pairwise(bounds[1:])
    ]


def after(model, history):
    """The context after a text that follows a newline."""
    return model.read(encode(history), model.context(START))[1]


@pytest.mark.parametrize("order", [1, 2, 3, 7])
def test_it_is_kneser_ney_of_a_text_that_follows_a_newline(order):
    counts = count(encode(TEXTS[0]), V, order, START)
    naive = naive_counts(TEXTS[:1], order)
    assert as_dicts(counts) == naive
    model = NGram(counts)
    for text in ("the fox", "z", "ox stood on", "\nso"):
        p, _ = model.read(encode(text), model.context(START))
        wanted = [naive_probability(naive, "\n" + text[:i], w) for i, w in enumerate(text)]
        np.testing.assert_allclose(p, wanted, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 3, 6])
def test_records_know_nothing_of_each_other(order):
    records = ("ox", "fox", "the box", "the ox", "ox")
    text = "".join(f"{record}\n" for record in records)
    counts = count(encode(text), V, order, START, of_records=True)
    assert as_dicts(counts) == naive_counts([f"{record}\n" for record in records], order)
    model = NGram(counts, START)
    whole, context = model.read(encode("the ox\nfox\n"), model.context(START))
    each = [model.read(encode(part), model.context(START))[0] for part in ("the ox\n", "fox\n")]
    np.testing.assert_array_equal(whole, np.concatenate(each))
    np.testing.assert_array_equal(context, model.context(START))
    begins = np.isin(np.arange(9), [0, 6])
    lines, _ = model.read(encode("the oxfox"), model.context(START), begins)
    np.testing.assert_array_equal(lines, np.concatenate([each[0][:-1], each[1][:-1]]))


@pytest.mark.parametrize("order", [1, 2, 5])
def test_distributions_are_the_probabilities_of_all_symbols(order):
    model = NGram(count(encode(TEXTS[1]), V, order, START))
    histories = ("", "t", "the fox s", "zzz", "on the ox. the fox sat", "the\n")
    contexts = np.array([after(model, history) for history in histories])
    found = model.distributions(contexts)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    for row, context, history in zip(found, contexts, histories, strict=True):
        wanted = [model.read(np.array([w]), context)[0][0] for w in range(V)]
        np.testing.assert_allclose(row, wanted, rtol=1e-12)
        # The same to the bit by itself, and with others.
        np.testing.assert_array_equal(model.distributions(context[None])[0], row)
        advanced = model.advance(context[None], np.array([SYMBOLS.index("o")]))[0]
        np.testing.assert_array_equal(advanced, after(model, history + "o"))


def test_blocks_do_not_matter(monkeypatch):
    model, text = NGram(count(encode(TEXTS[1]), V, 4, START)), encode(TEXTS[0])
    whole, context = model.read(text, model.context(START))
    monkeypatch.setattr("charrnn.ngram.model.BLOCK", 5)
    again, last = model.read(text, model.context(START))
    np.testing.assert_array_equal(again, whole)
    np.testing.assert_array_equal(last, context)
    before = model.contexts(text, model.context(START))
    for at in (0, 1, 7, len(text) - 1):
        np.testing.assert_array_equal(before[at], after(model, TEXTS[0][:at]))


@pytest.mark.parametrize("order", [1, 2, 4])
def test_texts_add_up(order):
    counts = None
    for text in TEXTS:
        counts = count(encode(text), V, order, START, before=counts)
    assert as_dicts(counts) == naive_counts(TEXTS, order)
    # In a larger alphabet, the same.
    moved = counts.with_symbols(np.arange(V) + 1, V + 3)
    there, here = NGram(moved), NGram(counts)
    p, _ = there.read(encode("the ox") + 1, there.context(START + 1))
    assert np.all(p < here.read(encode("the ox"), here.context(START))[0])
    assert p.min() > 0.0


@pytest.mark.parametrize("order", [1, 2, 4])
def test_what_is_read_is_learned(order):
    first = count(encode(TEXTS[0]), V, order, START)
    model = AdaptiveNGram(NGram(first), START)
    read = np.concatenate([model.read(encode(part)) for part in (TEXTS[1][:9], TEXTS[1][9:])])
    D = first.discounts
    for at in (0, 1, 5, len(TEXTS[1]) - 1):
        so_far = count(encode(TEXTS[1][:at]), V, order, START, before=first)
        static = NGram(type(so_far)(V, order, so_far.symbols, so_far.counts, so_far.children, D))
        p, _ = static.read(encode(TEXTS[1][: at + 1]), static.context(START))
        assert read[at] == pytest.approx(p[-1], rel=1e-12)


def test_no_more_histories_are_kept_than_there_may_be():
    first = NGram(count(encode(TEXTS[0]), V, 4, START))
    model = AdaptiveNGram(first, START, most=5)
    p = model.read(encode(TEXTS[1]))
    assert len(model._histories) == 5
    assert 0.0 < p.min() < p.max() < 1.0


def test_rare_histories_are_pruned_first():
    text = encode((TEXTS[1] + TEXTS[0]) * 2)
    counts = count(text, V, 5, START)
    sizes = np.diff(counts.bounds)[2:].tolist()
    for most in (sum(sizes), sum(sizes) - 1, 60, 20, 0):
        pruned = counts.pruned(most)
        kept = np.diff(pruned.bounds)[2:].tolist()
        assert sum(kept) <= most
        assert np.diff(pruned.bounds)[1] == np.diff(counts.bounds)[1]  # single symbols stay
        model = NGram(pruned)
        contexts = model.contexts(text, model.context(START))
        np.testing.assert_allclose(model.distributions(contexts).sum(1), 1.0, rtol=0, atol=1e-12)
    assert counts.pruned(10**6) is counts
    # The longest go first, and after a history that was pruned, the shorter one decides alone.
    model = NGram(counts.pruned(sum(sizes) - 1))
    whole, pruned = as_dicts(counts), as_dicts(model.counts)
    assert pruned[:4] == whole[:4]
    assert pruned[4].items() < whole[4].items()
    gone = [gram for gram in whole[4] if gram not in pruned[4]]
    assert {whole[4][gram] for gram in gone} == {1}
    context = after(model, gone[0][:-1])
    shorter = context.copy()
    shorter[4] = after(model, "zzzz")[4]
    np.testing.assert_array_equal(
        model.distributions(context[None]), model.distributions(shorter[None])
    )


@pytest.mark.parametrize("most", [1, 7, 10**6, 2**57, 2**63 - 1])  # from 2^59 on, without packing
def test_keys_are_ranked_as_by_numpy(most):
    rng = np.random.default_rng(most % 1000)
    for length in (0, 1, 2, 31):
        keys = rng.integers(0, most, length, endpoint=True)
        distinct, ranks = ranked(keys)
        assert distinct.tolist() == sorted(set(keys.tolist()))
        assert distinct[ranks].tolist() == keys.tolist()
    assert ranked(np.array([most, 0, most]))[0].tolist() == [0, most]
