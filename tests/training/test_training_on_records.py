"""Training on records, one per line: each from the zero state, scored by itself, and known."""

import numpy as np
import pytest
from notes import logged

from charrnn.checkpoint import Checkpoint
from charrnn.config.schema import Config, SampleConfig
from charrnn.config.sources import with_settings
from charrnn.data.batches import RecordBatches
from charrnn.data.records import record_spans
from charrnn.errors import CheckpointError
from charrnn.evaluation.records import RecordTextScorer, evaluate_records
from charrnn.evaluation.text import evaluate
from charrnn.model import CharRNN
from charrnn.nn.network import Network
from charrnn.training.start import resume
from charrnn.training.trainer import Trainer

NAMES = "anna\nbo\n\ncecilia\nda\nemmeline\nfay\ngeorgina\nhal\nida\njo\nkatharina\nlea\n"


def configured(**settings: object) -> Config:
    chosen = {"hidden_size": 12, "dropout": 0.0, "batch_size": 4, "seq_length": 6}
    chosen |= {"steps": 12, "workers": 1, "ngram_order": 4}
    return with_settings(Config(), chosen | {"records": "line"} | settings)


def trainer(text: str = NAMES, **settings: object) -> Trainer:
    return Trainer(configured(**settings), text)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_of_a_step_is_that_of_its_records(reduction: str) -> None:
    run = trainer(seq_length=64, val_fraction=0.0, reduction=reduction, random_offset=False)
    network = Network(run.network.arch, run.network.params.copy())
    batches = RecordBatches(run.corpus.train, run.vocab.start, 4, 64)
    ids, targets = np.empty((2, batches.seq_length, batches.batch_size), np.intp)
    batches.window(0, 0, ids, targets)  # without random offsets, the first epoch is that of 0
    records = [t[t >= 0] for t in targets.T]
    nats = [evaluate(network, record, run.vocab.start).nats for record in records if len(record)]
    step = next(iter(run))
    assert step.loss == pytest.approx(sum(nats) / sum(map(len, records)), rel=1e-5)
    assert step.characters == sum(map(len, records))


def test_an_interrupted_run_resumes_exactly(tmp_path) -> None:
    whole = trainer()
    for _ in whole:
        pass
    part = trainer()
    for step in part:
        if step.step == 7:
            break
    part.checkpoint().save(tmp_path / "m.npz")
    rest = resume(Checkpoint.load(tmp_path / "m.npz", training=True), NAMES)
    for _ in rest:
        pass
    assert np.array_equal(whole.network.params.flat, rest.network.params.flat)
    assert whole.state.epoch == rest.state.epoch > 0


def test_a_run_on_one_text_cannot_resume_on_records() -> None:
    run = trainer(records="none")
    next(iter(run))
    with pytest.raises(CheckpointError, match="records is none, not line"):
        resume(run.checkpoint(), NAMES, configured())
    assert NAMES.split()[0] in run.known_records  # a text's lines are known, too


def test_two_workers_train_on_records_as_one_does() -> None:
    params = []
    for workers in (1, 2):
        run = trainer(workers=workers, batch_size=5)
        losses = [step.loss for step in run]
        params.append(run.network.params.flat.copy())
    assert params[0] == pytest.approx(params[1], abs=1e-4)
    assert all(np.isfinite(losses))


def test_few_records_make_a_smaller_batch_and_the_user_is_told() -> None:
    with logged() as notes:
        trainer(batch_size=64)
    assert notes == ["the training part has 10 records: batch_size reduced from 64 to 10"]


def test_validation_scores_each_held_out_line_by_itself() -> None:
    run = trainer(val_fraction=0.3, ngram_order=0)
    (*_, last) = run
    ids, newline = run.corpus.validation, run.vocab.start
    starts, lengths = record_spans(ids, newline)
    alone = [
        evaluate(run.current.network, np.append(ids[s : s + n], newline).astype(np.intp), newline)
        for s, n in zip(starts, lengths, strict=True)
    ]
    assert last.validation is not None
    assert last.validation.nats == pytest.approx(sum(e.nats for e in alone), rel=1e-5)
    assert last.validation.characters == sum(lengths) + len(lengths)
    assert evaluate_records(run.network, ids[:0], newline).characters == 0


def test_records_may_be_scored_in_parts() -> None:
    run = trainer()
    newline, ids = run.vocab.start, run.vocab.encode("bo\nanna\ncecilia\nhal")
    whole = evaluate_records(run.network, ids, newline)
    for cuts in ([2, 3, 4, 9], [16], []):
        scorer = RecordTextScorer(run.network, newline)
        for part in np.split(ids, cuts):
            scorer.read(part)
        assert scorer.total() == pytest.approx(whole.nats, rel=1e-6)


def test_samples_are_records_and_the_model_knows_those_of_its_corpus(tmp_path) -> None:
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
        # So few names are memorised.
        assert sum(s.text in model.known_records for s in drawn) > 10
        assert "anna" in model.known_records
        assert "ann" not in model.known_records
        assert model.sample(prime="cec", temperature=0.0) == "ilia"
        assert "".join(model.stream(SampleConfig(prime="", temperature=0.0))) in model.known_records
        one = model.evaluate("anna\nbo\n")
        wanted = list(model.score_lines(["anna", "bo"], end=True))
        assert one.nats == pytest.approx(sum(s.nats for s in wanted), rel=1e-5)
        assert one.characters == 8
