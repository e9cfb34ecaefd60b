"""The files that are written from the program: docs/commands.md and configs/default.yaml.

To write both anew: CHARRNN_WRITE_DOCS=1 pytest tests/test_generated.py
"""

import os
import re
from pathlib import Path

import pytest

from charrnn.cli.app import cli
from charrnn.cli.main import execute
from charrnn.config.schema import SETTING_TYPES, Config
from charrnn.config.sources import build, dump, parse

ROOT = Path(__file__).parents[1]
COMMANDS = ROOT / "docs" / "commands.md"
DEFAULTS = ROOT / "configs" / "default.yaml"

ABOUT_COMMANDS = """\
# Commands

What `charrnn --help` and the help of each command print. Written by
`CHARRNN_WRITE_DOCS=1 pytest tests/test_generated.py`; do not edit it by hand.
"""
ABOUT_DEFAULTS = """\
# Every setting and its default. Copy the lines that you want to change into a file of your own
# and leave out the rest.
#
# Written from charrnn/config/schema.py by `CHARRNN_WRITE_DOCS=1 pytest tests/test_generated.py`;
# do not edit it by hand.

"""


def compare(path: Path, text: str) -> None:
    """Check that a file is up to date; write it instead if that is asked for."""
    if os.environ.get("CHARRNN_WRITE_DOCS"):
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text, "see the top of tests/test_generated.py"


@pytest.fixture
def help_of(capsys, monkeypatch):
    """What a command prints as its help on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(*command: str) -> str:
        assert execute([*command, "--help"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return show


def test_the_reference_is_what_the_program_prints(help_of):
    parts = [ABOUT_COMMANDS]
    for command in ((), *((name,) for name in cli.commands)):
        title = " ".join(("charrnn", *command))
        parts.append(f"## {title}\n\n```text\n{help_of(*command)}```\n")
    compare(COMMANDS, "\n".join(parts))


def test_the_reference_has_every_command(help_of):
    listed = re.search(r"Commands:\n((?:  .*\n)+)", help_of())
    assert listed
    names = re.findall(r"^  (\w+)", listed[1], re.MULTILINE)
    assert names == ["train", "sample", "eval", "classify", "info", "report", "demo", "completion"]
    titles = re.findall(r"^## charrnn (\w+)", COMMANDS.read_text("utf-8"), re.MULTILINE)
    assert titles == names


def test_the_default_preset_is_written_from_the_settings():
    compare(DEFAULTS, ABOUT_DEFAULTS + dump(Config()))


def test_the_default_preset_is_the_defaults():
    found = parse(DEFAULTS.read_bytes(), "default.yaml")
    assert set(found) == set(SETTING_TYPES)
    assert build(found) == Config()


def test_the_default_preset_fits_100_columns():
    assert max(map(len, DEFAULTS.read_text("utf-8").splitlines())) <= 100
