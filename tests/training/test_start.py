"""The ways to start a run from Python."""

import warnings

import pytest
from small import PARAGRAPH, settings

import charrnn
from charrnn.config.schema import Config
from charrnn.training.start import new, resume


def test_a_file_name_in_place_of_a_text_gets_a_warning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fables.txt").write_text(PARAGRAPH)
    with pytest.warns(UserWarning, match="training on the 10 characters 'fables.txt', which is"):
        charrnn.train("fables.txt", steps=1, workers=1)


@pytest.mark.parametrize("text", ["no such file.txt", PARAGRAPH, "a\x00b"])
def test_other_texts_get_none(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        charrnn.train(text, steps=1, hidden_size=4, batch_size=2, seq_length=4, workers=1)


def test_a_new_run_and_its_continuation():
    run = new(settings(steps=3), PARAGRAPH)
    assert [step.step for step in run] == [1, 2, 3]
    longer = resume(run.checkpoint(), PARAGRAPH, settings(steps=5))
    assert [step.step for step in longer] == [4, 5]
    assert list(resume(run.checkpoint(), PARAGRAPH)) == []


def test_a_trainer_takes_settings_that_leave_sizes_open():
    trainer = charrnn.Trainer(Config(), PARAGRAPH)
    assert trainer.config.model.hidden_size
    assert trainer.config.train.learning_rate
