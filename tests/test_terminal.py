"""docs/terminal.py: what a command writes to a terminal becomes the right picture."""

import re

import pytest

from docs.terminal import COLUMNS, PALETTE, Screen, commands, draw


def shown(*texts):
    screen = Screen()
    for text in texts:
        screen.write(text)
    return ["".join(char for char, _ in line) for line in screen.lines]


def test_a_carriage_return_overwrites():
    assert shown("10% of it\r20%") == ["20% of it"]
    assert shown("10% of it\r\x1b[K20%\r\ndone") == ["20%", "done"]
    # What a bar does to hide: overwrite itself with spaces.
    assert shown("10%|##\r      \rnote\r\n") == ["note  ", ""]


def test_long_lines_wrap_and_tabs_expand():
    assert shown("x" * (COLUMNS + 3)) == ["x" * COLUMNS, "xxx"]
    assert shown("x" * COLUMNS + "\r\ny") == ["x" * COLUMNS, "y"]
    assert shown("2.1\t12\tline") == ["2.1     12      line"]


def test_colours_are_kept():
    screen = Screen()
    screen.write("\x1b[38;5;196mr\x1b[0mn\x1b[32mg\x1b[38;5;244mx")
    assert screen.lines[0] == [
        *(("r", "#ff0000"), ("n", None), ("g", PALETTE[2])),
        ("x", "#808080"),
    ]


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "\x1b[5m"])
def test_what_is_not_known_is_an_error(text):
    with pytest.raises(ValueError, match="unknown"):
        Screen().write(text)


def test_the_picture_has_the_text_in_its_place():
    screen = Screen()
    screen.write("$ \r\n  a<b \x1b[31mred\x1b[0m")
    svg = draw(screen.lines)
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*?(?: fill="(\S+?)")?>(.*?)</', svg)
    assert [(fill, text) for _, _, fill, text in texts] == [
        *(("", "$"), ("", "a&lt;b")),
        (PALETTE[1], "red"),
    ]
    (x0, y0), (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y, _, _ in texts)
    assert x0 < x1 < x2
    assert y0 < y1 == y2


def test_what_follows_several_spaces_is_placed_by_itself():
    screen = Screen()
    screen.write("2.1\t12\ta line")
    found = re.findall(r'x="([\d.]+)"[^>]*textLength="([\d.]+)"[^>]*>([^<]+)<', draw(screen.lines))
    assert found == [("16.0", "25.2", "2.1"), ("83.2", "16.8", "12"), ("150.4", "50.4", "a line")]


def test_it_shows_the_commands_of_the_readme():
    train, sample, evaluate = commands()
    assert train.startswith("charrnn train corpora/fables.txt ")
    assert sample.startswith("charrnn sample ")
    assert evaluate.endswith("| charrnn eval -m fables.npz --lines -")
    assert max(map(len, commands())) <= COLUMNS - 2
