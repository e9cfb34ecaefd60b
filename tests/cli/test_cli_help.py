"""What --help shows, and the other ways to ask for help or the version."""

import re

import pytest
from shell import run

from charrnn import __version__
from charrnn.cli.app import cli
from charrnn.cli.framework import Option

COMMANDS = ("train", "sample", "eval", "classify", "info", "report", "demo", "completion")
#: The headings of each command's help after its text, in their order.
HEADINGS = {
    "": ["Commands", "General options"],
    "train": [
        "Main options",
        "Model options",
        "Training options",
        "Output options",
        "General options",
    ],
    "sample": [
        "Main options",
        "Text options",
        "Selection options",
        "Sampling options",
        "Output options",
        "General options",
    ],
    "eval": [
        "Main options",
        "Text options",
        "Scoring options",
        "Output options",
        "General options",
    ],
    "classify": [
        "Main options",
        "Text options",
        "Scoring options",
        "Output options",
        "General options",
    ],
    "info": ["Main options", "Output options", "General options"],
    "report": ["Main options", "Text options", "Output options", "General options"],
    "demo": ["Main options", "Training options", "General options"],
    "completion": ["General options"],
}
#: The options whose help shows a default.
DEFAULTS = {
    "train": {
        "--output": "model.npz",
        "--unit": "char",
        "--encoding": "utf-8",
        "--minutes": "5",
        "--seed": "0",
        "--workers": "0",
    },
    "sample": {
        "--model": "$CHARRNN_MODEL or model.npz",
        "--length": "500",
        "--encoding": "the model's",
        "--unknown": "error",
        "--count": "1",
        "--temp": "0.8",
        "--top-k": "0",
        "--top-p": "1",
        "--min-p": "0",
        "--seed": "a new one each time",
    },
    "eval": {
        "--model": "$CHARRNN_MODEL or model.npz",
        "--encoding": "the model's",
        "--unknown": "score for lines and replaced bytes, else error",
        "--errors": "replace for lines, else strict",
        "--color": "auto",
    },
    "classify": {"--prior": "1", "--encoding": "the first model's"},
    "info": {"--model": "$CHARRNN_MODEL or model.npz"},
    "report": {
        "--model": "$CHARRNN_MODEL or model.npz",
        "--output": "report.html",
        "--encoding": "the model's",
        "--unknown": "error",
        "--seed": "0",
    },
    "demo": {"--output": "demo.npz", "--seed": "0"},
    "completion": {},
    "": {},
}


def shown(cwd, *command, width="80"):
    """The help of a command on a terminal of some width."""
    result = run(*command, "--help", cwd=cwd, env={"COLUMNS": width})
    assert (result.code, result.err) == (0, "")
    return result.out.decode()


def options_of(command):
    """The options of a command by their names as they are typed in full."""
    parameters = cli.commands[command].params if command else cli.params
    options = [p for p in parameters if p.param_type_name == "option"]
    return {next(o for o in p.opts if o.startswith("--")): p for p in options}


def test_the_commands_are_these():
    assert tuple(cli.commands) == COMMANDS
    assert sum(len(options_of(command)) for command in ("", *COMMANDS)) > 60


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_option_has_a_heading_a_help_and_a_metavar(command):
    for name, option in options_of(command).items():
        assert isinstance(option, Option), name
        assert option.heading in HEADINGS[command], name
        assert option.help, name
        assert not option.help.endswith("."), name
        assert option.is_flag or option.metavar, name


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_defaults_are_shown_where_there_is_one(tmp_path, command):
    found = {}
    for name, option in options_of(command).items():
        if match := re.search(r"\[default:\s(.*)\]$", option.help):
            found[name] = match[1]
    assert found == DEFAULTS[command]
    text = " ".join(shown(tmp_path, *command.split()).split())
    usage = text.count("[OPTIONS]") + text.count("[FILE]")
    assert text.count("[") - usage == len(found)  # no ranges, no "required"
    assert all(f"[default: {default}]" in text for default in found.values())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_options_are_grouped(tmp_path, command):
    text = shown(tmp_path, *command.split())
    assert re.findall(r"^(\S.*):\n  ", text, re.MULTILINE) == ["Examples", *HEADINGS[command]]
    options = text[text.index(f"\n{HEADINGS[command][0]}:") :]
    columns = {
        match.end() - 1
        for line in options.splitlines()
        if (match := re.match(r"  -.*?[^,]  +\S", line)) or (match := re.match(r" {16,}\S", line))
    }
    assert len(columns) == 1, "all groups have the same columns"


@pytest.mark.parametrize("width", ["80", "200"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns(tmp_path, command, width):
    lines = shown(tmp_path, *command.split(), width=width).splitlines()
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_examples_come_first(tmp_path, command):
    text = shown(tmp_path, *command.split())
    assert run(*command.split(), "-h", cwd=tmp_path).out.decode() == text
    last = f"\n{HEADINGS[command][-1]}:"
    assert text.index("Examples:") < text.index("Usage:") < text.index(last)


def test_help_and_version_are_also_commands(tmp_path):
    assert run("help", cwd=tmp_path).out.decode() == shown(tmp_path)
    for command in COMMANDS:
        assert run("help", command, cwd=tmp_path).out.decode() == shown(tmp_path, command)
    for args in (["--version"], ["-V"], ["version"]):
        result = run(*args, cwd=tmp_path)
        assert (result.code, result.err) == (0, "")
        assert result.out.decode() == f"charrnn {__version__}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["help", "tarin"], "unknown command 'tarin'; did you mean 'train'?"),
        (["infos"], "unknown command 'infos'; did you mean 'info'?"),
        (
            ["versions"],
            "unknown command 'versions'; commands: train, sample, eval, classify, info, report, "
            "demo, completion",
        ),
    ],
)
def test_unknown_commands_get_a_suggestion(tmp_path, args, message):
    result = run(*args, cwd=tmp_path)
    assert (result.code, result.out) == (2, b"")
    assert result.err == f"charrnn: {message}\ncharrnn: try 'charrnn --help'\n"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x", ""])
def test_sample_every_takes_positive_numbers(tmp_path, value):
    result = run("train", "corpus.txt", f"--sample-every={value}", cwd=tmp_path)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("charrnn: --sample-every: must be a")


@pytest.mark.parametrize(
    ("command", "assignment", "typed"),
    [
        ("train", "data.encoding=latin-1", "--encoding latin-1"),
        ("train", "train.patience=0", "--set train.patience=0"),
        ("train", "train.workers=1", "--workers 1"),
        ("sample", "unknown=skip", "--unknown skip"),
        ("eval", "unknown=skip", "--unknown skip"),
        ("sample", "sample.stop=a b", "--stop 'a b'"),
        ("info", "data.encoding=latin-1", "data.encoding=latin-1"),
    ],
)
def test_settings_are_typed_as_options(command, assignment, typed):
    assert cli.commands[command].option_for(assignment) == typed
