"""Everything fits the terminal, and breaks at words."""

import re

import pytest
from shell import SMALL, on_terminal, run

from charrnn.cli.app import cli
from charrnn.cli.chart import SCALE_WIDTH, charts
from charrnn.messages import HARD_SPACE, cells, wrapped

WIDTHS = pytest.mark.parametrize("columns", [60, 80, 120])
#: A message of each kind: a decision, an error with advice, a table with a chart.
SCRIPT = f"""
charrnn train corpus.txt -o bar.npz --steps 30 {" ".join(SMALL)}
charrnn train corpus.txt -o bar.npz
charrnn sample --prime 'ΩÜ'
charrnn info
charrnn eval corpus.txt --overlap corpus.txt
charrnn nope
"""


@WIDTHS
def test_messages_tables_and_the_bar_fit(folder, columns):
    code, shown = on_terminal("-c", SCRIPT, cwd=folder, program="bash", columns=columns)
    assert code == 2
    text = shown.decode()
    pieces = [piece for piece in re.split(r"[\r\n]+", text) if piece]
    # A space at the end of the screen is not seen. Tables need 64 columns.
    broad = [piece for piece in pieces if cells(piece.rstrip()) > columns]
    assert [piece for piece in broad if columns >= 80 or "  corpus.txt" not in piece] == []
    # Each message is what a pipe gets, but for its line breaks.
    for sentence in (
        "charrnn: bar.npz: already exists; --resume continues its run, --force replaces it",
        "unknown characters 'Ω' (U+03A9, GREEK CAPITAL LETTER OMEGA), 'Ü' (U+00DC, LATIN CAPITAL "
        "LETTER U WITH DIAERESIS), the first at character 1; leave them out, or skip such ",
        "60 distinct, 18,000 to train on, 2,000 held out; for 30 steps",
        "corpus.txt: longest passage shared with corpus.txt: 18,000 characters, ",
    ):
        assert sentence in " ".join(text.split())
    bars = [piece for piece in pieces if "100%|" in piece and "train" in piece]
    assert all(re.search(r"\|[█▏▎▍▌▋▊▉ ]{3,}\| ", bar) for bar in bars)
    assert all(re.search(r" 0:00 left, train \d\.\d{3}, \d\.\d\d bits/char", bar) for bar in bars)
    paces = [re.search(r", \d+(\.\d)?k? char/s", bar) for bar in bars]
    assert all(paces) or columns < 80
    assert ("best 1." in bars[-1]) == (columns == 120)
    assert ("val 1." in bars[-1]) == (columns > 60)


@WIDTHS
@pytest.mark.parametrize("command", ["", *cli.commands])
def test_help_fits(tmp_path, command, columns):
    result = run(*command.split(), "--help", cwd=tmp_path, env={"COLUMNS": str(columns)})
    lines = result.out.decode().splitlines()
    assert [line for line in lines if len(line) > min(columns, 80)] == []
    assert any(line.startswith("  charrnn ") or "$(charrnn" in line for line in lines)


def test_wrapping_breaks_at_spaces_only():
    text = "one two three four-and-five /a/very/long/path/indeed six"
    assert wrapped(text, 14).split("\n") == [
        "one two three",
        "  four-and-five",
        "  /a/very/long/path/indeed",
        "  six",
    ]
    assert wrapped(text, 200) == text
    assert wrapped("name           value of words", 20, 15).split("\n") == [
        "name           value",
        " " * 15 + "of",
        " " * 15 + "words",
    ]
    assert wrapped(f"try: charrnn{HARD_SPACE}sample", 12) == f"try:\n  charrnn{HARD_SPACE}sample"


def test_wide_and_combining_characters_are_measured():
    assert [cells(text) for text in ("abc", "漢字", "e\u0301", "ß", "")] == [3, 4, 1, 1, 0]
    assert wrapped("漢字 漢字", 8, 0) == "漢字\n漢字"


# --- charts ------------------------------------------------------------------------------------

FALL = [2.5 - 0.1 * i for i in range(10)]


def test_a_chart_has_the_height_of_its_values():
    assert charts({"t": [1.0, 2.0, 3.0]}, 40).splitlines() == [
        "t",
        "   3.000       ███",
        "               ███",
        "            ▅▅▅███",
        "            ██████",
        "   1.000 ▁▁▁██████",
    ]


def test_a_bad_first_point_does_not_take_the_scale():
    plain = chart_of(FALL)
    assert plain[0].startswith("   2.500 ")
    spoilt = chart_of([12.0, *FALL])
    assert spoilt[0].startswith("   2.500 ▲")
    assert spoilt[0].count("▲") == 3
    assert [line[SCALE_WIDTH + 3 :] for line in spoilt] == [line[SCALE_WIDTH:] for line in plain]
    # Three points are no evidence.
    assert chart_of([5.0, 2.0, 1.9])[0].startswith("   5.000 ")


def chart_of(values):
    return charts({"t": values}, 60).splitlines()[1:]


def test_two_charts_share_a_scale():
    lines = charts({"a": [1.0, 2.0], "b": [3.0, 2.0]}, 40).splitlines()
    assert [line for line in lines if line[:1].strip()] == ["a", "b"]
    assert [line[:8] for line in lines if "." in line] == ["   3.000", "   1.000"] * 2


@pytest.mark.parametrize("count", [1, 2, 50, 51, 1000])
def test_a_chart_fits_however_many_values_there_are(count):
    lines = charts({"t": [float(i % 7) for i in range(count)]}, 60).splitlines()
    assert max(map(len, lines)) <= 60
