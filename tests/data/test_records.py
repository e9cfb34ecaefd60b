"""Records: items a line, each from the zero state; batches, validation, sampling, novelty."""

import dataclasses

import numpy as np
import pytest

from charrnn.checkpoint import Checkpoint
from charrnn.config.schema import Config, DataConfig, SampleConfig
from charrnn.config.sources import with_settings
from charrnn.data.batches import PADDING, RecordBatches, loss_weights
from charrnn.data.corpus import Corpus
from charrnn.data.records import RecordSet, record_spans
from charrnn.errors import CheckpointError, CorpusError
from charrnn.evaluation.records import RecordTextScorer, evaluate_records
from charrnn.evaluation.text import evaluate
from charrnn.model import CharRNN
from charrnn.nn.network import Architecture, Network
from charrnn.training.trainer import Trainer

LINES = DataConfig(records="line")
NAMES = "anna\nbo\n\ncecilia\nda\nemmeline\nfay\ngeorgina\nhal\nida\njo\nkatharina\nlea\n"


def read(rec: RecordBatches, offset: int) -> list[list[int]]:
    """Every item of an epoch, put together from its windows, as the network sees it."""
    T, N = rec.seq_length, rec.batch_size
    ids, targets = np.empty((T, N), np.intp), np.empty((T, N), np.intp)
    items: list[list[int]] = []
    now: list[list[int]] = []
    for k in range(rec.windows(offset)):
        rec.window(offset, k, ids, targets)
        assert rec.characters(offset, k) == np.count_nonzero(targets != PADDING) > 0
        if rec.fresh(offset, k):
            assert (ids[0] == rec.newline).all()
            items += now
            now = [[] for _ in range(N)]
        for n, item in enumerate(now):
            for x, y in zip(ids[:, n].tolist(), targets[:, n].tolist(), strict=True):
                if y != PADDING:
                    assert x == (item[-1] if item else rec.newline)
                    item.append(y)
    return [item for item in items + now if item]


@pytest.mark.parametrize("text", [NAMES, NAMES[:-1], "\n\n" + NAMES])
@pytest.mark.parametrize(("batch", "seq"), [(3, 4), (5, 64), (100, 1), (1, 9)])
def test_an_epoch_has_every_item_once_with_its_newline(text: str, batch: int, seq: int) -> None:
    corpus = Corpus.of_text(text, dataclasses.replace(LINES, val_fraction=0.0))
    rec = RecordBatches(corpus.train, corpus.vocab.start, batch, seq)
    wanted = sorted(line + "\n" for line in NAMES.split("\n") if line)
    for offset in (0, 7):
        found = [corpus.vocab.decode(np.array(item)) for item in read(rec, offset)]
        assert sorted(found) == wanted
    assert read(rec, 0) == read(rec, 0)
    if batch < 12:
        assert read(rec, 0) != read(rec, 7)


def test_items_of_like_length_share_a_batch() -> None:
    rng = np.random.default_rng(0)
    text = "".join("x" * n + "\n" for n in rng.integers(1, 30, 4000).tolist())
    corpus = Corpus.of_text(text, dataclasses.replace(LINES, val_fraction=0.0))
    rec = RecordBatches(corpus.train, corpus.vocab.start, 32, 64)
    ids, targets = np.empty((2, rec.seq_length, 32), np.intp)
    computed = 0
    for k in range(rec.windows(5)):
        rec.window(5, k, ids, targets)
        computed += loss_weights(targets, True)[0] * 32
    assert computed < 1.05 * len(text)  # shuffled alone, it would be 1.9 times


def test_weights_of_a_window() -> None:
    targets = np.array([[1, 0], [2, PADDING], [PADDING, PADDING]])
    steps, count, weight = loss_weights(targets, mean=True)
    assert (steps, count) == (2, 3)
    assert np.allclose(weight, [[1 / 3, 1 / 3], [1 / 3, 0]])
    assert loss_weights(targets[:1], mean=True) == (1, 2, 0.5)
    assert loss_weights(targets[:1], mean=False) == (1, 2, 1.0)


def trainer(text: str = NAMES, resume: Checkpoint | None = None, **settings: object) -> Trainer:
    chosen = {"hidden_size": 12, "dropout": 0.0, "batch_size": 4, "seq_length": 6}
    chosen |= {"steps": 12, "workers": 1}
    config = with_settings(Config(), chosen | {"records": "line"} | settings)
    return Trainer(config, text, resume)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_of_a_step_is_that_of_its_items(reduction: str) -> None:
    run = trainer(seq_length=64, val_fraction=0.0, reduction=reduction)
    network = Network(run.network.arch, run.network.params.copy())
    rec = run._streams
    ids, targets = np.empty((2, rec.seq_length, rec.batch_size), np.intp)
    rec.window(run._offset, 0, ids, targets)
    items = [t[t >= 0] for t in targets.T]
    nats = [evaluate(network, item, run.vocab.start).nats for item in items if len(item)]
    step = next(iter(run))
    assert step.loss == pytest.approx(sum(nats) / sum(map(len, items)), rel=1e-5)
    assert step.characters == sum(map(len, items))


def test_padding_has_no_gradient() -> None:
    arch = Architecture("gru", 5, 4, 2)
    network = Network(arch, arch.initial(np.random.default_rng(0), dtype=np.float64))
    ids, targets = np.zeros((2, 6, 2), np.intp)
    targets[:] = [[1, 2], [3, 4], [4, 0], [0, -1], [1, -1], [-1, -1]]
    grads = [network.params.like() for _ in range(3)]
    steps, _, weight = loss_weights(targets, mean=False)
    ws, state = network.workspace(6, 2, training=True), arch.zero_state(2, np.float64)
    network.loss_and_gradients(ws, ids[:steps], targets[:steps], state, grads[0], weight)
    for n, length in enumerate((5, 3)):
        ws, state = network.workspace(6, 1, training=True), arch.zero_state(1, np.float64)
        x, y = ids[:length, n : n + 1].copy(), targets[:length, n : n + 1].copy()
        network.loss_and_gradients(ws, x, y, state, grads[1 + n], 1.0)
    assert grads[0].flat == pytest.approx(grads[1].flat + grads[2].flat, rel=1e-9, abs=1e-12)


def test_a_run_that_is_broken_off_goes_on_exactly(tmp_path) -> None:
    whole = trainer()
    for _ in whole:
        pass
    part = trainer()
    for step in part:
        if step.step == 7:
            break
    part.checkpoint().save(tmp_path / "m.npz")
    rest = trainer(resume=Checkpoint.load(tmp_path / "m.npz", training=True))
    for _ in rest:
        pass
    assert np.array_equal(whole.network.params.flat, rest.network.params.flat)
    assert whole.epoch == rest.epoch > 0


def test_the_last_lines_are_held_out() -> None:
    corpus = Corpus.of_text(NAMES, dataclasses.replace(LINES, val_fraction=0.2))
    # A fifth of 13 lines, the empty one included, rounded up.
    assert corpus.vocab.decode(corpus.validation) == "jo\nkatharina\nlea\n"
    assert len(corpus.train) + len(corpus.validation) == len(NAMES)
    # However much is held out, a line is left; and nothing may be held out.
    many = Corpus.of_text("a\nb\n", dataclasses.replace(LINES, val_fraction=0.9))
    assert many.vocab.decode(many.train) == "a\n"
    none = Corpus.of_text("a\nb\n", dataclasses.replace(LINES, val_fraction=0.0))
    assert not len(none.validation)


def test_validation_scores_each_held_out_line_by_itself() -> None:
    run = trainer(val_fraction=0.3)
    (*_, last) = run
    ids, newline = run.corpus.validation, run.vocab.start
    starts, lengths = record_spans(ids, newline)
    alone = [
        evaluate(run.network, np.append(ids[s : s + n], newline).astype(np.intp), newline)
        for s, n in zip(starts, lengths, strict=True)
    ]
    assert last.validation is not None
    assert last.validation.nats == pytest.approx(sum(e.nats for e in alone), rel=1e-5)
    assert last.validation.characters == sum(lengths) + len(lengths)
    assert evaluate_records(run.network, ids[:0], newline).characters == 0


def test_items_may_come_in_parts():
    run = trainer()
    newline, ids = run.vocab.start, run.vocab.encode("bo\nanna\ncecilia\nhal")
    whole = evaluate_records(run.network, ids, newline)
    for cuts in ([2, 3, 4, 9], [16], []):
        scorer = RecordTextScorer(run.network, newline)
        for part in np.split(ids, cuts):
            scorer.read(part)
        assert scorer.total() == pytest.approx(whole.nats, rel=1e-6)


def test_samples_are_items_and_novel_ones_are_known(tmp_path) -> None:
    run = trainer(steps=400, val_fraction=0.0, hidden_size=24, seq_length=12)
    for _ in run:
        pass
    run.checkpoint().save(tmp_path / "m.npz")
    run.model.save(tmp_path / "alone.npz")
    for name in ("m.npz", "alone.npz"):
        model = CharRNN.from_checkpoint(Checkpoint.load(tmp_path / name))
        assert model.of_records
        drawn = model.samples(SampleConfig(count=20, seed=1, temperature=0.5))
        assert all(s.ended == "stop" and "\n" not in s.text for s in drawn)
        # So few names are learned by heart.
        assert sum(s.text in model.known_records for s in drawn) > 10
        assert "anna" in model.known_records
        assert "ann" not in model.known_records
        assert model.sample(prime="cec", temperature=0.0) == "ilia"
        assert "".join(model.stream(SampleConfig(prime="", temperature=0.0))) in model.known_records
        one = model.evaluate("anna\nbo\n")
        wanted = list(model.score_lines(["anna", "bo"], end=True))
        assert one.nats == pytest.approx(sum(s.nats for s in wanted), rel=1e-5)
        assert one.characters == 8


def test_the_set_of_items() -> None:
    corpus = Corpus.of_text("añb\n𝄞\n\nañb\n", LINES)
    items = RecordSet.of_ids(corpus.ids, corpus.vocab)
    assert len(items) == 2
    assert "añb" in items
    assert "𝄞" in items
    assert "" not in items
    assert 3 not in items
    assert np.array_equal(items.hashes, RecordSet.of(["𝄞", "añb"]).hashes)
    assert "x" not in RecordSet.of([])
    assert b"x" in RecordSet.of(["x"])
    # The file format: what these are must never change.
    assert RecordSet.of(["a"]).hashes.tolist() == [int.from_bytes(HASH_OF_A, "little", signed=True)]


#: b2sum -l 64 of "a".
HASH_OF_A = bytes.fromhex("40f89e395b66422f")


def test_a_text_of_one_line_is_no_list_of_items() -> None:
    with pytest.raises(CorpusError, match="only one line"):
        Corpus.of_text("abcabc", LINES)
    corpus = Corpus.of_text("\n\nab", dataclasses.replace(LINES, val_fraction=0.3))
    with pytest.raises(CorpusError, match="empty"):
        RecordBatches(corpus.train, corpus.vocab.start, 2, 4)


def test_few_items_make_a_smaller_batch_and_say_so() -> None:
    run = trainer(batch_size=64)
    assert run.notes == ["items to train on: 10; batch_size 64 becomes 10"]


def test_a_run_over_one_text_cannot_go_on_with_items() -> None:
    run = trainer(records="none")
    next(iter(run))
    with pytest.raises(CheckpointError, match="records is none, not line"):
        trainer(resume=run.checkpoint())
    assert run.items is None


def test_two_workers_train_on_items_as_one_does() -> None:
    params = []
    for workers in (1, 2):
        run = trainer(workers=workers, batch_size=5)
        losses = [step.loss for step in run]
        params.append(run.network.params.flat.copy())
    assert params[0] == pytest.approx(params[1], abs=1e-4)
    assert all(np.isfinite(losses))
