"""A network and n-grams together: what is mixed, how the weight is found, and everything by it."""

import math

import numpy as np
import pytest
from small import PARAGRAPH, network, settings, surprisals, trained

from charrnn.checkpoint import Checkpoint
from charrnn.config.schema import SampleConfig
from charrnn.data.vocab import Vocab
from charrnn.errors import CheckpointError, ConfigError
from charrnn.evaluation.dynamic import Adaptation, DynamicScorer
from charrnn.evaluation.norms import measure
from charrnn.evaluation.records import RecordScorer, RecordTextScorer
from charrnn.evaluation.score import score
from charrnn.evaluation.text import TextScorer, char_scores
from charrnn.mixing import Mixture, fit_weight
from charrnn.model import CharRNN, load
from charrnn.ngram import AdaptiveNGram, NGram, count
from charrnn.nn.params import Params
from charrnn.sampling import Beginning, Choice, Sampler
from charrnn.training.start import fine_tune, fine_tune_config, train
from charrnn.training.state import ValidationPoint
from charrnn.training.trainer import Trainer

V, START = 7, 3
#: Chi-square of 6 degrees of freedom: exceeded by chance once in two million times.
LIMIT = 40.0
TEXT = np.random.default_rng(1).choice([0, 1, 2, 2, 4, 5, 5, 5, 6], 400).astype(np.uint8)
IDS = np.append(TEXT[100:160], np.random.default_rng(2).permutation(TEXT)[:40])


def mixture(weight=0.4, order=3, end=None):
    counts = count(TEXT, V, order, START, of_records=end is not None)
    return Mixture(NGram(counts, end), weight, START)


def naive(net, mixed, ids):
    """The surprisal of each symbol, from the distributions of both models, one after the other."""
    p_network = np.exp(-surprisals(net, ids, START))
    context, p_ngram = mixed.ngram.context(START), []
    for symbol in ids.tolist():
        p_ngram.append(mixed.ngram.distributions(context[None])[0][symbol])
        context = mixed.ngram.advance(context[None], np.array([symbol]))[0]
    w = mixed.weight
    return -np.log((1 - w) * p_network + w * np.array(p_ngram))


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("order", [1, 3, 6])
def test_a_text_is_scored_by_the_mixture(net, weight, order):
    mixed = mixture(weight, order)
    wanted = naive(net, mixed, IDS)
    for block_size in (16, 128):
        (found,) = score([IDS], [TextScorer(net, START, block_size, mixture=mixed)], block_size=32)
        assert found.nats == pytest.approx(wanted.sum(), rel=1e-9)
    (scores,) = char_scores(net, [IDS], START, V, mixture=mixed)
    np.testing.assert_allclose(scores.nats, wanted, rtol=1e-9)
    np.testing.assert_allclose(scores.probs.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    own = scores.probs[scores.likeliest == IDS[:, None].astype(np.intp)]
    np.testing.assert_allclose(-np.log(own), wanted, rtol=1e-9)


def test_streams_are_mixed_where_they_are(net):
    """Of a long text, which is cut into streams for the network but not for the n-grams."""
    mixed, ids = mixture(), np.tile(TEXT, 12)
    (alone,) = char_scores(net, [ids], START, V)
    (found,) = char_scores(net, [ids], START, V, mixture=mixed)
    contexts = mixed.ngram.contexts(ids, mixed.ngram.context(START))
    each = np.arange(len(ids))
    p = mixed.ngram.distributions(contexts)[each, ids]
    np.testing.assert_allclose(found.nats, -np.log(0.6 * np.exp(-alone.nats) + 0.4 * p), rtol=1e-9)
    own = found.probs[found.likeliest == ids[:, None].astype(np.intp)]
    np.testing.assert_allclose(-np.log(own), found.nats, rtol=1e-9)


@pytest.mark.parametrize("end", [None, START])
def test_each_line_is_scored_by_the_mixture(net, end):
    mixed = mixture(end=end)
    lines = [IDS[:9], IDS[:0], IDS[:12], IDS[30:31], IDS[9:80]]
    last = np.array([] if end is None else [end], np.uint8)
    ended = [np.append(line, last[: len(line)]) for line in lines]  # an empty one has no end
    wanted = [naive(net, mixed, line) if len(line) else np.zeros(0) for line in ended]
    each = list(RecordScorer(net, START, end, mixture=mixed).surprisals(lines))
    scores = list(RecordScorer(net, START, end, mixture=mixed).score(lines))
    for found, total, line in zip(each, scores, wanted, strict=True):
        np.testing.assert_allclose(found, line, rtol=1e-9)
        assert total.nats == pytest.approx(line.sum(), rel=1e-9)
        assert total.characters == len(line)
    # A line's score does not depend on the lines beside it.
    for line, total in zip(lines, scores, strict=True):
        (alone,) = RecordScorer(net, START, end, mixture=mixed).score([line])
        assert alone.nats == pytest.approx(total.nats, rel=1e-12)
    if end is not None:
        scorer = RecordTextScorer(net, START, mixture=mixed)
        scorer.read(np.concatenate([ended[0], ended[2][:4]]))
        scorer.read(np.concatenate([ended[2][4:], ended[4]]))
        whole = sum(wanted[n].sum() for n in (0, 2, 4))
        assert scorer.total() == pytest.approx(whole, rel=1e-9) == scorer.total()


def test_a_text_that_is_learned_from_is_mixed_with_what_was_learned(net):
    mixed, squares = mixture(), np.ones_like(net.params.flat)
    still = Adaptation(0.0, 0.0)
    scorer = DynamicScorer(net, START, squares, still, 8, mixture=mixed)
    (found,) = score([IDS], [scorer])
    p = AdaptiveNGram(mixed.ngram, START).read(IDS)
    static = np.exp(-surprisals(net, IDS, START))
    assert found.nats == pytest.approx(-np.log(0.6 * static + 0.4 * p).sum(), rel=1e-9)
    (repeated,) = score(
        [np.tile(IDS, 5)], [DynamicScorer(net, START, squares, still, 8, mixture=mixed)]
    )
    (stays,) = score([np.tile(IDS, 5)], [TextScorer(net, START, mixture=mixed)])
    assert repeated.nats < 0.95 * stays.nats


@pytest.mark.parametrize("best", [0.0, 0.003, 0.3, 0.97, 1.0])
def test_the_weight_is_the_best_one(best):
    rng = np.random.default_rng(0)
    network_p, ngram_p = rng.dirichlet(np.ones(V), 4000), rng.dirichlet(np.ones(V), 4000)
    mixed = (1 - best) * network_p + best * ngram_p
    drawn = (mixed.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    each = np.arange(4000)
    nats, p = -np.log(network_p[each, drawn]), ngram_p[each, drawn]
    weight = fit_weight(nats, p)

    def loss(w):
        with np.errstate(divide="ignore"):
            return -np.log((1 - w) * np.exp(-nats) + w * p).sum()

    assert weight == pytest.approx(best, abs=0.03)
    assert loss(weight) <= min(loss(0.0), loss(1.0))
    assert loss(weight) <= min(map(loss, np.linspace(0, 1, 201))) + 1e-3


def sampler(net, prime, numbers, choice, mixed):
    beginning = Beginning(net, mixture=mixed)
    beginning.feed(np.array(prime[:1]))
    beginning.feed(np.array(prime[1:]))
    return Sampler(beginning, numbers, 11, choice)


def distribution(net, mixed, ids):
    """After a text that follows nothing, by the definition."""
    ws, state = net.workspace(1, 1), net.arch.zero_state(1, np.float64)
    for symbol in ids:
        logits = net.forward(ws, np.array([[symbol]]), state)[0]
    _, context = mixed.ngram.read(np.array(ids), mixed.ngram.context())
    p = np.exp(logits) / np.exp(logits).sum()
    w = mixed.weight
    return (1 - w) * p + w * mixed.ngram.distributions(context[None])[0]


@pytest.mark.parametrize("weight", [0.4, 1.0])
def test_samples_are_drawn_from_the_mixture(weight):
    net, mixed, prime = network(spread=0.5), mixture(weight), [2, 5, 5]
    draws = sampler(net, prime, range(30_000), Choice(), mixed)
    first, second = draws.step().copy(), draws.step().copy()
    probs = distribution(net, mixed, prime)
    assert probs.sum() == pytest.approx(1.0, abs=1e-12)

    def chi_square(counts, probs):
        expected = counts.sum() * probs
        return float(np.sum((counts - expected) ** 2 / expected))

    counts = np.bincount(first, minlength=V)
    assert chi_square(counts, probs) < LIMIT
    other = distribution(net, mixture(0.6 * weight), prime)
    assert chi_square(counts, other) > LIMIT  # the test can tell another weight
    symbol = int(counts.argmax())
    after = np.bincount(second[first == symbol], minlength=V)
    assert chi_square(after, distribution(net, mixed, [*prime, symbol])) < LIMIT


@pytest.mark.parametrize("choice", [Choice(0.0), Choice(0.5, top_k=3), Choice(1.0, 0, 0.6, 0.1)])
def test_filters_act_on_the_mixture(net, choice):
    mixed, text = mixture(), [4, 1]
    draws = sampler(net, text, range(1), choice, mixed)
    for _ in range(20):
        wanted = np.log(distribution(net, mixed, text))[None]
        scores = choice.apply(wanted)[0]
        symbol = int(draws.step()[0])
        shares = np.exp(scores) / np.exp(scores).sum()
        assert shares[symbol] > 0.0
        assert draws.surprisal()[0] == pytest.approx(-math.log(shares[symbol]), abs=1e-9)
        text.append(symbol)


# Models.


def model(text=PARAGRAPH, seed=0, weight=0.4, **changes):
    """An untrained network, mixed with the n-grams of a text."""
    config = settings(**{"num_layers": 1, "dropout": 0.0} | changes)
    vocab = Vocab(config.data.unit, map(ord, text) if config.data.unit == "char" else ())
    shape = config.model
    net = network(shape.cell, len(vocab), shape.hidden_size, spread=0.7, seed=seed)
    end = vocab.start if config.data.of_records else None
    counts = count(vocab.encode(text), len(vocab), 3, vocab.start, end is not None)
    params = Params(net.params.shapes, flat=net.params.flat.astype("f4"))
    mixed = Mixture(NGram(counts, end), weight, vocab.start)
    return CharRNN(config, vocab, params, mixture=mixed)


@pytest.mark.parametrize("changes", [{}, {"records": "line"}, {"unit": "byte"}])
def test_the_next_character_is_that_of_the_mixture(changes):
    mixed = model(**changes)
    a = b"a" if "unit" in changes else "a"
    for text in ("", "The ox", "had hauled their turnips"):
        found = mixed.next(text)
        assert sum(found.values()) == pytest.approx(1.0, abs=1e-12)
        (nats,) = mixed.line_surprisals([f"{text}a"], end=False)
        assert -math.log(found[a]) == pytest.approx(nats[-1], rel=1e-4)


def test_samples_are_the_same_whatever_the_count():
    mixed = model()
    drawn = mixed.samples(SampleConfig(length=40, count=9, seed=1))
    for one in drawn[3:5]:
        (again,) = mixed.samples(SampleConfig(length=40, seed=1), first=one.index)
        assert (again.text, again.nats) == (one.text, one.nats)
    assert "".join(mixed.stream(SampleConfig(length=40, seed=1), first=3)) == drawn[3].text
    alone = CharRNN(mixed.config, mixed.vocab, mixed.network.params)
    assert alone.samples(SampleConfig(length=40, seed=1))[0].text != drawn[0].text
    nothing = model(weight=0.0)
    assert nothing.samples(SampleConfig(length=40, seed=1)) == alone.samples(
        SampleConfig(length=40, seed=1)
    )
    assert nothing.evaluate(PARAGRAPH) == alone.evaluate(PARAGRAPH)


def test_rare_characters_are_never_drawn():
    text = PARAGRAPH * 3 + "\u4e00\u4e01\u4e02"
    run = trained(text, min_count=3, steps=2, ngram_weight=1.0, val_fraction=0.0)
    assert run.vocab.rare
    prime = PARAGRAPH[-20:]
    assert "\ufffd" in run.model.next(prime)
    samples = run.model.samples(SampleConfig(length=200, count=20, seed=1, temperature=3.0), prime)
    assert not any("\ufffd" in one.text for one in samples)


def test_both_parts_are_scored_with_the_whole():
    for changes in ({}, {"records": "line"}):
        mixed = model(**changes)
        ids = mixed.vocab.encode(PARAGRAPH)
        scorers = mixed.part_scorers()
        whole, of_network, of_ngram = score([ids], list(scorers.values()), block_size=100)
        alone = CharRNN(mixed.config, mixed.vocab, mixed.network.params)
        only = CharRNN(
            mixed.config, mixed.vocab, mixed.network.params, mixture=mixed.mixture.with_weight(1.0)
        )
        assert list(scorers) == ["mixed", "network", "n-gram"]
        assert whole.nats == pytest.approx(mixed.evaluate(ids).nats, rel=1e-6)
        assert of_network.nats == pytest.approx(alone.evaluate(ids).nats, rel=1e-6)
        assert of_ngram.nats == pytest.approx(only.evaluate(ids).nats, rel=1e-6)
    assert list(alone.part_scorers()) == ["network"]


# Runs.


@pytest.mark.parametrize("changes", [{}, {"records": "line"}, {"unit": "word", "vocab_size": 40}])
def test_a_run_reports_the_mixture_and_both_parts(changes):
    run = trained(PARAGRAPH * 3, eval_every=8, val_fraction=0.2, **changes)
    assert len(run.history) == 3
    for point in run.history:
        assert point.nats_per_char <= min(point.network, point.ngram)
        assert 0.0 <= point.weight <= 1.0
    assert {point.ngram for point in run.history} == {run.history[0].ngram}
    best = run.state.best_point
    assert run.model.mixture.weight == best.weight
    held_out = run.corpus.validation
    scorers = run.model.part_scorers()
    for found, wanted in zip(
        score([held_out], list(scorers.values())),
        (best.nats_per_char, best.network, best.ngram),
        strict=True,
    ):
        assert found.nats_per_char == pytest.approx(wanted, rel=1e-6)
    # No n-gram is of held-out text.
    of_records = "records" in changes
    counts = count(run.corpus.train, len(run.vocab), 3, run.vocab.start, of_records)
    np.testing.assert_array_equal(run.model.mixture.ngram.counts.counts, counts.counts)
    norms = measure(run.model.network, run.corpus, mixture=run.model.mixture)
    assert norms == run.model.norms != measure(run.model.network, run.corpus)


def test_a_weight_may_be_given():
    run = trained(PARAGRAPH * 2, ngram_weight=0.25, eval_every=8)
    assert {point.weight for point in run.history} == {0.25}
    assert run.model.mixture.weight == 0.25
    none = trained(PARAGRAPH * 2, ngram_order=0, eval_every=8)
    assert none.model.mixture is None
    assert {(point.network, point.ngram, point.weight) for point in none.history} == {
        (None, None, None)
    }
    # The network learns the same, whatever it is mixed with.
    assert [point.network for point in run.history] == pytest.approx(
        [point.nats_per_char for point in none.history], rel=1e-6
    )
    assert run.network.params.digest() == none.network.params.digest()


def test_without_held_out_text_the_weight_is_the_usual_one():
    run = trained(PARAGRAPH, val_fraction=0.0, steps=3)
    assert run.model.mixture.weight == 0.4


def test_without_validations_the_weight_is_fitted_at_the_end():
    run = Trainer(settings(steps=3), PARAGRAPH * 3)
    run._validation.enabled = False
    list(run)
    assert run.history == []
    found = run._held_out.score(run.current.network, run.corpus.validation).weight
    assert run.model.mixture.weight == found != 0.4


def test_a_run_goes_on_while_the_network_learns():
    """As long as n-grams predict far better, the mixture does not change."""
    state = Trainer(settings(), PARAGRAPH).state
    misses = []
    for nats, alone in ((2.0, 4.0), (2.0, 3.0), (2.0, 3.5), (2.0, 2.5), (1.9, 2.6), (2.0, 2.7)):
        state.history.append(ValidationPoint(1, 1, nats, 1.0, alone, 2.0, 0.9))
        misses.append(state.misses)
    assert misses == [0, 0, 1, 0, 0, 1]
    assert (state.best, state.best_network) == (1.9, 2.5)


def test_a_run_that_learns_nothing_is_not_saved_by_the_n_grams():
    wild = {"optimizer": "sgd", "learning_rate": 900.0, "max_grad_norm": 0.0, "max_update": 0.0}
    run = trained(PARAGRAPH * 3, **wild)
    assert run.best < math.log(len(run.vocab))
    assert "never predicted better than a uniform guess" in str(run.failure)


def test_a_model_and_its_n_grams_are_one_file(tmp_path):
    run = trained(PARAGRAPH * 3, eval_every=8)
    run.checkpoint(norms=True).save(tmp_path / "run.npz")
    again = Checkpoint.load(tmp_path / "run.npz", training=True)
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "run.npz").read_bytes()
    assert (tmp_path / "run.npz").stat().st_size > again.nbytes
    loaded = load(tmp_path / "run.npz")
    text = PARAGRAPH[5:90]
    assert loaded.evaluate(text) == run.model.evaluate(text)
    loaded.save(tmp_path / "model.npz")
    model = load(tmp_path / "model.npz")
    assert model.evaluate(text) == run.model.evaluate(text)
    assert model.sample(50, seed=2) == run.model.sample(50, seed=2)


def test_fine_tuning_adds_the_new_n_grams_to_the_old():
    old = trained(PARAGRAPH * 2).model
    new = "Zebras graze in quiet meadows.\n" * 9
    run = fine_tune(old, new, fine_tune_config(old))
    vocab, ids = run.vocab, run.vocab.ids_of(old.vocab.points)
    before = old.mixture.ngram.counts.with_symbols(ids, len(vocab))
    wanted = count(run.corpus.train, len(vocab), 3, vocab.start, before=before)
    found = run.model.mixture.ngram.counts
    np.testing.assert_array_equal(found.symbols, wanted.symbols)
    np.testing.assert_array_equal(found.counts, wanted.counts)
    assert run.model.mixture.weight == old.mixture.weight
    # The text of the model itself is not counted twice.
    same = fine_tune(old, PARAGRAPH * 2, fine_tune_config(old)).model.mixture.ngram.counts
    np.testing.assert_array_equal(same.counts, old.mixture.ngram.counts.counts)
    np.testing.assert_array_equal(same.symbols, old.mixture.ngram.counts.symbols)
    for text in (PARAGRAPH[:40], new[:20]):
        assert run.model.evaluate(text).nats_per_char < 5.0
    with pytest.raises(ConfigError, match=r"model.ngram_order is 3, not 5; leave it out, or use"):
        fine_tune_config(old, settings(hidden_size=None, num_layers=2, ngram_order=5))
    alone = settings(hidden_size=None, dropout=None, num_layers=2, ngram_order=0)
    assert fine_tune(old, new, alone).model.mixture is None


def test_training_is_possible_with_one_call():
    mixed = train(PARAGRAPH * 3, settings(eval_every=8))
    assert mixed.mixture.ngram.order == 3
    assert Trainer(settings(ngram_order=None), PARAGRAPH).model.mixture.ngram.order == 7


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("ngram_order", -1, "model.ngram_order: must be at least 0, not -1"),
        ("ngram_order", 33, "model.ngram_order: must be at most 32, not 33"),
        ("ngram_order", 2.5, "model.ngram_order: must be null or a whole number like 64, not 2.5"),
        ("ngram_weight", -0.1, "model.ngram_weight: must be at least 0, not -0.1"),
        ("ngram_weight", 1.5, "model.ngram_weight: must be at most 1, not 1.5"),
        ("ngram_weight", math.nan, "model.ngram_weight: must be a finite number, not nan"),
    ],
)
def test_settings_out_of_range_are_refused(key, value, problem):
    with pytest.raises(ConfigError) as caught:
        settings(**{key: value})
    assert str(caught.value) == problem


# Damage.


def change(arrays, name, index, value):
    arrays = {key: array.copy() for key, array in arrays.items()}
    arrays[f"ngram.{name}"][index] = value
    return arrays


@pytest.mark.parametrize(
    ("name", "index", "value", "problem"),
    [
        ("symbols", 1, 200, "its n-grams have symbols that are not in its vocabulary"),
        ("symbols", 0, 1, "its n-grams do not begin with the empty one"),
        ("symbols", 2, 0, "its n-grams are not in order"),
        ("counts", 3, 255, "the counts of its n-grams contradict each other"),
        ("large", 0, 3, "the counts of its n-grams contradict each other"),
        ("children", 0, 1, "its n-grams are not a tree"),
        ("children", slice(0, 2), [1, 31], "its n-grams are not a tree"),
    ],
)
def test_tables_that_contradict_themselves_are_damage(tmp_path, name, index, value, problem):
    from charrnn.ngram import stored

    run = trained(PARAGRAPH * 60, steps=2, ngram_order=2)
    checkpoint = run.checkpoint()
    arrays = stored.to_arrays(checkpoint.mixture.ngram.counts)
    assert len(arrays["ngram.large"]) > 0
    broken = change(arrays, name, index, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.checkpoint.checkpoint.stored.to_arrays", lambda counts: broken)
        checkpoint.save(tmp_path / "broken.npz")
    with pytest.raises(CheckpointError, match=rf"broken\.npz: damaged: .*{problem}"):
        Checkpoint.load(tmp_path / "broken.npz")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"weight": 1.5}, "the weight of the n-grams is not a share"),
        ({"weight": "1"}, "the weight of the n-grams is not a share"),
        ({"order": 4}, "the order of the n-grams does not fit the configuration"),
        ({"nodes": 10**12}, "larger than a checkpoint can be|expected uint8"),
        ({"nodes": -1}, "the sizes of the n-gram tables are not counts"),
        ({"nodes": True}, "the sizes of the n-gram tables are not counts"),
        ({"discounts": [[0.0, 0.5, 0.75, 1.0]]}, "do not fit their order"),
        ({"discounts": [[0.0, 0.5, 0.75, 9.0]] * 3}, "are out of range"),
        ({"discounts": [[0.0, 0.0, 0.75, 1.0]] * 3}, "are out of range"),
        ({"discounts": "abc"}, "ValueError|do not fit"),
    ],
)
def test_documents_that_contradict_the_model_are_damage(tmp_path, changes, problem):
    from charrnn.ngram import stored

    checkpoint = trained(PARAGRAPH, steps=2).checkpoint()
    document = stored.to_document(checkpoint.mixture.ngram.counts) | changes
    weight = document.pop("weight", 0.5)
    checkpoint.mixture.weight = weight
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charrnn.checkpoint.checkpoint.stored.to_document", lambda counts: document)
        checkpoint.save(tmp_path / "broken.npz")
    with pytest.raises(CheckpointError, match=problem):
        Checkpoint.load(tmp_path / "broken.npz")
