"""A document that contradicts itself is refused, although all checksums of the file are right."""

import pytest

from charrnn.checkpoint import Checkpoint
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.config.schema import Config
from charrnn.config.sources import with_settings
from charrnn.errors import CheckpointError
from charrnn.training.trainer import Trainer

TEXT = "anna\nbela\ncleo\ndora\n" * 8


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "model.npz"
    config = with_settings(
        Config(), {"hidden_size": 4, "dropout": 0.0, "steps": 2, "records": "line"}
    )
    trainer = Trainer(config, TEXT)
    for _ in trainer:
        pass
    trainer.checkpoint().save(path)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vocab": {"unit": "byte", "points": []}}, "vocabulary is of bytes, the settings of char"),
        ({"corpus": []}, "no attribute .items"),
        ({"origin": None}, "no attribute .items"),
        ({"corpus": {"name": "a"}}, "CorpusInfo does not have its fields"),
        ({"origin": {"name": "a", "sha256": 5}}, "Origin does not have its fields"),
        ({"versions": "1"}, "no attribute"),
        ({"items": -1}, "the number of records is not a count"),
        ({"items": True}, "the number of records is not a count"),
        ({"items": 3}, "items is int64"),
    ],
)
def test_a_contradiction_is_refused(change, words, saved, tmp_path):
    meta, arrays = read(saved)
    path = tmp_path / "model.npz"
    write(path, meta, arrays)
    Checkpoint.load(path, training=True)  # without the change, it can be read
    write(path, meta | change, arrays)
    with pytest.raises(CheckpointError, match=words):
        Checkpoint.load(path)


@pytest.mark.parametrize(
    ("streams", "words"),
    [
        (0, "streams and workers must be at least 1"),
        (10**6, "number of streams does not fit"),
        ("5", "streams is not a count"),
        (None, "streams is not a count"),
    ],
)
def test_a_number_of_streams_that_does_not_fit_is_refused(streams, words, saved, tmp_path):
    meta, arrays = read(saved)
    meta["training"]["streams"] = streams
    write(tmp_path / "model.npz", meta, arrays)
    with pytest.raises(CheckpointError, match=words):
        Checkpoint.load(tmp_path / "model.npz")
