"""Log records as notes of the command line."""

import logging

import pytest

from charrnn.cli.app import cli
from charrnn.cli.logs import NotesHandler, show_notes
from charrnn.cli.streams import Session
from charrnn.messages import SettingHint


@pytest.fixture
def lines():
    return []


@pytest.fixture
def log(lines):
    """A logger whose notes are put into ``lines``."""
    logger = logging.Logger("test")  # not registered, so nothing outlives the test
    handler = NotesHandler(cli.commands["train"].option_for)
    handler.show_by(lines.append)
    logger.addHandler(handler)
    return logger


def test_a_record_is_one_line(log, lines):
    log.info("validation %s: %d characters", "skipped", 3)
    log.warning("100% done")
    assert lines == ["validation skipped: 3 characters", "100% done"]


def test_a_setting_is_shown_as_the_option_of_the_command(log, lines):
    hint = SettingHint("train.patience=0")
    log.info("stopped early after %d steps; resume with %s", 5, hint)
    log.info("try %s", SettingHint("data.encoding=latin-1"))
    log.info("%s stays", "train.patience=0")
    assert lines == [
        "stopped early after 5 steps; resume with --set train.patience=0",
        "try --encoding latin-1",
        "train.patience=0 stays",
    ]
    assert f"{hint}" == "%s" % hint == "train.patience=0"  # noqa: UP031


def test_other_handlers_see_the_record_unchanged(log, lines):
    seen = []

    class Keep(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    log.addHandler(Keep())
    log.info("resume with %s", SettingHint("train.patience=0"))
    log.info("%(a)s", {"a": 1})
    assert seen == ["resume with train.patience=0", "1"]
    assert lines == ["resume with --set train.patience=0", "1"]


def test_notes_wait_until_they_can_be_shown(lines):
    log = logging.getLogger("charrnn")
    before = log.handlers[:], log.level, log.propagate
    with show_notes(False, Session()) as notes:
        log.info("one")
        assert lines == []
        notes.show_by(lines.append)
        log.info("two")
    log.error("three")
    assert lines == ["one", "two"]
    with show_notes(True, Session()) as notes:
        notes.show_by(lines.append)
        log.warning("four")
    assert lines == ["one", "two"]
    assert (log.handlers, log.level, log.propagate) == before
