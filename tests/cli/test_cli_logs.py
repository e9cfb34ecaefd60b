"""Log records as messages of the command line."""

import logging

import pytest

from charrnn.cli.app import cli
from charrnn.cli.logs import NotesHandler
from charrnn.messages import SettingHint


@pytest.fixture
def log():
    logger = logging.Logger("test")  # not registered, so nothing outlives the test
    logger.lines = []
    logger.addHandler(NotesHandler(logger.lines.append, cli.commands["train"].option_for))
    return logger


def test_a_record_is_one_line(log):
    log.info("validation %s: %d characters", "skipped", 3)
    log.warning("100% done")
    assert log.lines == ["validation skipped: 3 characters", "100% done"]


def test_a_setting_is_shown_as_the_option_of_the_command(log):
    hint = SettingHint("train.patience=0")
    log.info("stopped early after %d steps; resume with %s", 5, hint)
    log.info("try %s", SettingHint("data.encoding=latin-1"))
    log.info("%s stays", "train.patience=0")
    assert log.lines == [
        "stopped early after 5 steps; resume with --set train.patience=0",
        "try --encoding latin-1",
        "train.patience=0 stays",
    ]
    assert f"{hint}" == "%s" % hint == "train.patience=0"  # noqa: UP031


def test_other_handlers_see_the_record_unchanged(log):
    seen = []

    class Keep(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    log.addHandler(Keep())
    log.info("resume with %s", SettingHint("train.patience=0"))
    log.info("%(a)s", {"a": 1})
    assert seen == ["resume with train.patience=0", "1"]
