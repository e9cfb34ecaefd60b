"""Resume is exact: stopping after any step and resuming makes the same file, byte for byte."""

import dataclasses
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from notes import logged
from small import CELLS, PARAGRAPH, corpus, settings, trained

from charrnn.checkpoint import Checkpoint
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.config.schema import Config
from charrnn.errors import CheckpointError, VocabError
from charrnn.threads import blas_kernel
from charrnn.training.start import CHANGEABLE, resume
from charrnn.training.state import RunState
from charrnn.training.trainer import Trainer


def stopped_after_each(folder: Path, to_the_end: int = 4, **changes) -> tuple[int, bytes]:
    """Compare every stop and resume with a run without stops; returns its steps and its file.

    One in ``to_the_end`` of the resumed runs is run to its end, the others for a step, after which
    all that is saved must be the same.
    """
    config = settings(**changes)
    run = Trainer(config, PARAGRAPH)
    run.checkpoint().save(folder / "0.npz")
    for step in run:
        run.checkpoint().save(folder / f"{step.step}.npz")
    # Saving during the run did not matter.
    trained(**changes).checkpoint().save(folder / "whole.npz")
    whole = (folder / "whole.npz").read_bytes()
    assert (folder / f"{run.step}.npz").read_bytes() == whole

    text = corpus(**{k: v for k, v in changes.items() if k in ("unit", "val_fraction")})
    for k in range(run.step):
        checkpoint = Checkpoint.load(folder / f"{k}.npz", training=True)
        with logged() as notes:
            resumed = resume(checkpoint, text, config)
        assert (resumed.step, notes) == (k, [])
        end = run.step if k % to_the_end == 0 else k + 1
        made = [step.step for step in itertools.islice(resumed, end - k)]
        assert made == list(range(k + 1, end + 1))
        resumed.checkpoint().save(folder / "resumed.npz")
        expected = (folder / f"{end}.npz").read_bytes()
        assert (folder / "resumed.npz").read_bytes() == expected, f"stopped after {k}"
    assert list(resumed) == []
    return run.step, whole


@pytest.mark.parametrize(("cell", "steps"), [("lstm", 24), ("rnn", 13), ("gru", 13)])
def test_resume_is_exact_after_every_step(cell, steps, tmp_path):
    assert stopped_after_each(tmp_path, cell=cell, steps=steps)[0] == steps


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_resume_is_exact_with_each_optimiser(optimizer, tmp_path):
    stopped_after_each(tmp_path, optimizer=optimizer, steps=13, weight_decay=0.01, clip_value=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {"eval_every": None, "steps": 18, "schedule": "exponential", "decay_after": 1},
        {"epochs": 1.5, "schedule": "constant", "random_offset": False, "eval_every": 4},
        {"val_fraction": 0.0, "steps": 12, "num_layers": 1, "dropout": 0.0},
        {"unit": "byte", "steps": 12, "reduction": "sum"},
        {"batch_size": 1, "steps": 12, "seq_length": 25},
        {"locked_dropout": True, "weight_dropout": 0.3, "steps": 12},
    ],
)
def test_resume_is_exact_with_other_settings(changes, tmp_path):
    stopped_after_each(tmp_path, **changes)


def test_early_stopping_is_resumed_exactly(tmp_path):
    steps, _ = stopped_after_each(
        tmp_path, patience=2, eval_every=2, steps=25, learning_rate=50.0, optimizer="sgd"
    )
    assert steps < 25  # it did stop early


@pytest.mark.soak
def test_resume_is_exact_after_every_one_of_200_steps(tmp_path):
    resumes = 0
    for cell in CELLS:
        (folder := tmp_path / cell).mkdir()
        resumes += stopped_after_each(folder, 1, cell=cell, steps=200, eval_every=17)[0]
    print(f"\nresume: {resumes} stops (200 steps x {len(CELLS)} cells), 0 files that differ")
    assert resumes == 600


def test_a_checkpoint_in_memory_can_be_resumed_twice():
    run = Trainer(settings(), PARAGRAPH)
    for step in run:
        if step.step == 11:
            break
    start = run.checkpoint()
    ends = []
    for _ in range(2):
        resumed = resume(start, PARAGRAPH, settings())
        assert len(list(resumed)) == 13
        ends.append((resumed.network.params.flat.tobytes(), resumed.history))
    assert ends[0] == ends[1] == (trained().network.params.flat.tobytes(), trained().history)


@pytest.fixture(scope="module")
def saved_halfway(tmp_path_factory):
    """The file of a run that was stopped after step 11 of 24."""
    run, path = Trainer(settings(), PARAGRAPH), tmp_path_factory.mktemp("halfway") / "model.npz"
    for step in run:
        if step.step == 11:
            break
    run.checkpoint().save(path)
    return path


@pytest.fixture
def halfway(saved_halfway):
    """The checkpoint in it, which a test may change."""
    return Checkpoint.load(saved_halfway, training=True)


def test_a_run_can_be_lengthened(halfway):
    for changes in ({"steps": 40}, {"epochs": 4.0}, {"eval_every": 2}, {"patience": 50}):
        resumed = resume(halfway, PARAGRAPH, settings(**changes))
        assert [step.step for step in resumed][:1] == [12]
    assert resumed.step == 24


def test_a_finished_run_has_nothing_left_and_continues_when_lengthened(tmp_path):
    trained().checkpoint().save(tmp_path / "m.npz")
    finished = Checkpoint.load(tmp_path / "m.npz", training=True)
    assert list(resume(finished, PARAGRAPH, settings())) == []
    assert len(list(resume(finished, PARAGRAPH, settings(steps=30)))) == 6


OTHER = {
    str: {"cell": "rnn", "init": "normal", "unit": "byte", "encoding": "latin-1",
          "optimizer": "adam", "schedule": "constant", "reduction": "sum",
          "records": "line"},
    int: 17,
    float: 0.4,
    type(None): {"val_split": "end", "ngram_weight": 0.25},
}  # fmt: skip


def changed(value, key):
    if isinstance(value, bool):
        return not value
    other = OTHER[type(value)]
    return other[key] if isinstance(other, dict) else other


FIXED = [
    (section, field.name)
    for section in ("model", "data", "train")
    for field in dataclasses.fields(getattr(Config(), section))
    if field.name not in CHANGEABLE
]


@pytest.mark.parametrize(("section", "key"), FIXED)
def test_other_settings_are_refused_and_both_values_named(section, key, halfway):
    before = getattr(getattr(settings(), section), key)
    now = changed(before, key)
    with pytest.raises(CheckpointError) as caught:
        resume(halfway, PARAGRAPH, settings(**{key: now}))
    assert f"{section}.{key} is {before}, not {now}" in str(caught.value)


def test_all_changes_are_named_at_once(halfway):
    with pytest.raises(CheckpointError, match=r"cell is lstm, not gru; .*seed is 3, not 9"):
        resume(halfway, PARAGRAPH, settings(cell="gru", seed=9))


@pytest.mark.parametrize("text", [PARAGRAPH + "!", PARAGRAPH.upper(), "漢字" * 100, PARAGRAPH[:-1]])
@pytest.mark.parametrize("known", [False, True])
def test_another_text_is_refused_and_both_named(text, known, halfway):
    other = corpus(text) if known else text
    with pytest.raises(CheckpointError) as caught:
        resume(halfway, other, settings())
    message = str(caught.value)
    assert f"text ({len(PARAGRAPH):,} bytes)" in message
    assert f"text ({len(text.encode()):,} bytes) is a different text" in message


def test_a_model_saved_by_itself_cannot_be_resumed(tmp_path):
    trained().model.save(tmp_path / "m.npz")
    alone = Checkpoint.load(tmp_path / "m.npz", training=True)
    assert alone.training is None
    with pytest.raises(CheckpointError, match="without its training state"):
        resume(alone, PARAGRAPH, settings())


def test_what_makes_a_resume_inexact_is_said(halfway):
    halfway.versions["numpy"] = "1.0"
    with logged() as notes:
        resume(halfway, PARAGRAPH, settings(workers=2))
    assert [note.split("started with ")[1].split(" and")[0] for note in notes] == [
        "NumPy 1.0",
        "worker count 1",
    ]


def test_other_blas_kernels_are_named(halfway, monkeypatch):
    """``OPENBLAS_CORETYPE``, or another machine; the file says which ones the run used."""
    assert halfway.versions.get("blas") == blas_kernel()
    monkeypatch.setattr("charrnn.training.start.blas_kernel", lambda: "SkylakeX")
    for then, said in (
        ("Haswell", ["BLAS kernels Haswell and continues with SkylakeX: its results may differ"]),
        ("SkylakeX", []),
        (None, []),  # a file of an older version
    ):
        halfway.versions.pop("blas", None)
        if then:
            halfway.versions["blas"] = then
        with logged() as notes:
            resume(halfway, PARAGRAPH, settings())
        assert [note.split("started with ")[1].partition(" in the")[0] for note in notes] == said
    halfway.versions["blas"] = "Haswell"
    monkeypatch.setattr("charrnn.training.start.blas_kernel", lambda: None)  # such as MKL
    with logged() as notes:
        resume(halfway, PARAGRAPH, settings())
    assert notes == []


# A file may be sealed and still say anything.


DOCUMENT = sorted(
    {"step", "epoch", "characters", "window", "offset", "streams", "smooth_loss", "best",
     "misses", "updates", "generator", "workers", "history"}
)  # fmt: skip


def test_the_document_is_what_these_tests_think(halfway):
    document = halfway.training.state.to_dict()
    assert sorted(document) == DOCUMENT
    assert json.loads(json.dumps(document)) == document
    assert RunState.from_dict(document).to_dict() == document


@pytest.mark.parametrize("key", DOCUMENT)
def test_an_invalid_training_state_is_refused(key, halfway, tmp_path):
    document = halfway.training.state.to_dict()
    for value in (..., "x", -1, [3], {"a": 1}, 10**38, 1e308, True):
        check_state(halfway, document.copy(), key, value, tmp_path)


def check_state(halfway, document, key, value, tmp_path):
    """Save with another value in the document, or without one, and try to resume."""
    if value is ...:
        del document[key]
    else:
        document[key] = value

    class Said:
        def to_dict(self):
            return document

    halfway.training.state = Said()
    halfway.save(tmp_path / "odd.npz")

    def load_and_resume():
        resume(Checkpoint.load(tmp_path / "odd.npz", training=True), PARAGRAPH, settings())

    harmless = {
        ("smooth_loss", -1), ("smooth_loss", 1e308), ("smooth_loss", True),
        *((k, 10**38) for k in ("epoch", "characters", "workers")),
    }  # fmt: skip
    if not isinstance(value, (list, dict)) and (key, value) in harmless:
        load_and_resume()  # odd, but no more than a number
        return
    with pytest.raises(CheckpointError, match=r"is invalid|does not match the text"):
        load_and_resume()


@pytest.mark.parametrize(
    "change", [{"step": 12}, {"updates": 10}, {"best": 1.0}, {"misses": 1}, {"best": None}]
)
def test_figures_that_contradict_one_another_are_refused(change, halfway):
    with pytest.raises(ValueError, match="contradict"):
        RunState.from_dict(halfway.training.state.to_dict() | change)


@pytest.mark.parametrize(
    "point",
    [
        {"step": 5, "characters": 240, "nats_per_char": math.nan},
        {"step": 5, "characters": 240, "nats_per_char": 1.0, "loss": math.inf},
        {"step": -5, "characters": 240, "nats_per_char": 1.0},
        {"step": 5, "characters": 240},
        {"a": 1},
    ],
)
def test_a_history_of_anything_but_validations_is_refused(point, halfway):
    document = halfway.training.state.to_dict() | {"history": [point]}
    with pytest.raises((ValueError, TypeError)):
        RunState.from_dict(document)


def forged(halfway, path, change):
    """Save with the document changed, sealed as an honest file is."""
    halfway.save(path)
    meta, arrays = read(path)
    change(meta["config"], meta["vocab"])
    write(path, meta, arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda config, vocab: vocab.update(unit="byte"),
        lambda config, vocab: vocab.update(unit="word"),
        lambda config, vocab: vocab.update(points=[p + 0.5 for p in vocab["points"]]),
        lambda config, vocab: vocab.update(points="abc"),
        lambda config, vocab: vocab.pop("points"),
        lambda config, vocab: config["model"].update(hidden_size=6),
        lambda config, vocab: config["model"].update(cell="elman"),
        lambda config, vocab: config.update(model=3),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(change, halfway, tmp_path):
    forged(halfway, tmp_path / "forged.npz", change)
    for training in (False, True):
        with pytest.raises(CheckpointError):
            Checkpoint.load(tmp_path / "forged.npz", training=training)


def test_an_honest_file_passes_the_same_way(halfway, tmp_path):
    params = halfway.params.flat.copy()
    forged(halfway, tmp_path / "honest.npz", lambda config, vocab: None)
    loaded = Checkpoint.load(tmp_path / "honest.npz", training=True)
    np.testing.assert_array_equal(loaded.params.flat, params)


def test_errors_do_not_take_each_others_place(halfway):
    # Unknown characters are a consequence; the other text is the cause.
    with pytest.raises(CheckpointError) as caught:
        resume(halfway, "§§ab", settings())
    assert not isinstance(caught.value, VocabError)
