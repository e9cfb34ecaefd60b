"""Words as shells take them, figures as people read them."""

import subprocess

import pytest

from charrnn.messages import decimal, shell_word


@pytest.mark.parametrize(
    ("word", "posix", "windows"),
    [
        ("model.npz", "model.npz", "model.npz"),
        ("", "''", '""'),
        ("my model.npz", "'my model.npz'", '"my model.npz"'),
        ("C:\\texts\\", "'C:\\texts\\'", "C:\\texts\\"),
        ("C:\\my texts\\", "'C:\\my texts\\'", '"C:\\my texts\\\\"'),
        ('a "b" c', "'a \"b\" c'", '"a \\"b\\" c"'),
        ('a\\"b', "'a\\\"b'", '"a\\\\\\"b"'),
        ("a&b", "'a&b'", '"a&b"'),
        ("it's", "'it'\"'\"'s'", '"it\'s"'),
    ],
)
def test_a_word_is_quoted_for_the_shell_at_hand(word, posix, windows):
    assert shell_word(word, windows=False) == posix
    assert shell_word(word, windows=True) == windows
    if word and posix != word:
        shown = subprocess.run(["sh", "-c", f"printf %s {posix}"], capture_output=True, text=True)
        assert shown.stdout == word


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.41436, "1.4144"), (99999.5, "99999.5000"), (3.4e38, "3.400e+38"), (float("inf"), "inf")],
)
def test_a_huge_figure_is_short(value, shown):
    assert decimal(value, 4) == shown
