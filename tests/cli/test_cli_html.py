"""``charrnn eval --html``: a text coloured by surprisal, as a page."""

import json
import re

from shell import TEXT, run


def shown(page: str) -> dict:
    """The only model on a page."""
    (found,) = re.findall(r'id="content">(.*?)</script>', page)
    (model,) = json.loads(found)["models"]
    return model


def test_a_page_of_a_text(folder):
    (folder / "fox.txt").write_text("The fox ran.\n")
    result = run("eval", "--html", "fox.html", "fox.txt", cwd=folder)
    assert (result.code, result.out) == (0, b"")
    assert result.err == "charrnn: fox.html: open it in a browser\n"
    model = shown((folder / "fox.html").read_text())
    assert model["text"]["source"] == "fox.txt"
    score = json.loads(run("eval", "--json", "fox.txt", cwd=folder).out)
    assert abs(model["text"]["bits_per_char"] - score["bits_per_char"]) < 1e-3
    assert (model["history"], model["samples"], model["units"]) == ([], [], None)
    assert 'id="weights-0"' not in (folder / "fox.html").read_text()


def test_a_page_to_stdout(folder):
    (folder / "fox.txt").write_text("The fox ran.\n")
    result = run("eval", "--html", "-", "fox.txt", cwd=folder)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(b"<!DOCTYPE html>")
    assert not (folder / "-").exists()


def test_a_long_text_is_cut_and_unknown_characters_left_out(folder):
    (folder / "long.txt").write_text("\u00df" + TEXT[:20_000] * 2, "utf-8")
    args = ["eval", "--html", "a.html", "--unknown", "skip", "long.txt"]
    assert run(*args, cwd=folder).code == 0
    text = shown((folder / "a.html").read_text())["text"]
    assert len(text["ids"]) == text["characters"] == 20_000
    assert text["note"] == (
        "Left out: 1 character that the model does not know. Only the first 20,000 characters "
        "are used."
    )


def test_mistakes(folder):
    (folder / "fox.txt").write_text("The fox ran.\n")
    (folder / "empty.txt").write_text("")
    (folder / "a.html").write_text("mine")
    for args, code, message in (
        (["--html", "a.html", "fox.txt"], 1, "a.html: already exists; --force replaces it"),
        (["--html", "fox.txt", "fox.txt", "--force"], 1, "fox.txt: is also read; choose another "),
        (["--html", "b.html", "empty.txt"], 1, "empty.txt: there is no text to show; the text is "),
        (["--html", "b.html", "fox.txt", "fox.txt"], 2, "--html takes one text"),
        (["--html", "b.html", "--json", "fox.txt"], 2, "give only one of --html and --json"),
        (["--html", "b.html", "--heat", "fox.txt"], 2, "give only one of --heat and --html"),
    ):
        result = run("eval", *args, cwd=folder)
        assert (result.code, result.out) == (code, b""), result
        assert f"charrnn: {message}" in result.err
        assert not (folder / "b.html").exists()
    assert run("eval", "--html", "a.html", "--force", "fox.txt", cwd=folder).code == 0
