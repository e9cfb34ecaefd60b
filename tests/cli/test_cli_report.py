"""``charrnn report``: the page from the command line."""

import json
import os
import re
import shutil

import pytest
from shell import SMALL, TEXT, run

import charrnn


@pytest.fixture(autouse=True)
def short_samples(monkeypatch):
    """Samples are drawn one character at a time: short ones are enough here."""
    monkeypatch.setattr("charrnn.report.texts.SAMPLE_LENGTH", 20)
    monkeypatch.setattr("charrnn.report.texts.OWN_TEXT", 60)


def content(page: str) -> dict:
    """What is on a page."""
    (found,) = re.findall(r'id="content">(.*?)</script>', page)
    return json.loads(found)


def models(folder, name="report.html"):
    return content((folder / name).read_text("utf-8"))["models"]


def test_a_page_about_model_npz(folder):
    result = run("report", cwd=folder)
    assert (result.code, result.out) == (0, b"")
    assert re.fullmatch(r"charrnn: report.html: 0\.\d MB; open it in a browser\n", result.err)
    (found,) = models(folder)
    assert found["name"] == "model.npz"
    assert len(found["history"]) > 1
    assert found["text"]["source"] == "a sample that the model wrote"
    assert found["text"]["characters"] == 60


def test_a_page_about_a_text_and_the_corpus(folder):
    (folder / "fox.txt").write_text("The fox ran.\n")
    result = run("report", "fox.txt", "--corpus", "corpus.txt", "-o", "fox.html", cwd=folder)
    assert result.code == 0, result
    (found,) = models(folder, "fox.html")
    assert found["text"]["source"] == "fox.txt"
    assert found["text"]["characters"] == 13
    assert 1.0 < found["ngram"] < 5.0
    result = run("report", "--corpus", "corpus.txt", cwd=folder)
    assert result.code == 0, result
    (found,) = models(folder)
    assert found["text"]["source"] == "the part of corpus.txt that was held out of training"


def test_a_text_from_stdin_and_a_page_to_stdout(folder):
    result = run("report", "-", "-o", "-", "--no-play", cwd=folder, stdin="The fox ran.\n")
    assert (result.code, result.err) == (0, "")
    (found,) = content(result.out.decode())["models"]
    assert found["text"]["source"] == "stdin"
    assert b'id="weights-0"' not in result.out
    assert not (folder / "-").exists()


def test_the_seed_is_that_of_sample(folder):
    run("report", "--seed", "7", cwd=folder)
    sample = run("sample", "-n", "20", "--seed", "7", "--temp", "1.2", cwd=folder)
    assert models(folder)[0]["samples"][2]["text"] == sample.out.decode()


def test_several_models(folder):
    shutil.copy(folder / "model.npz", folder / "other.npz")
    result = run("report", "-m", "other.npz", "-m", "model.npz", cwd=folder)
    assert result.code == 0, result
    assert [found["name"] for found in models(folder)] == ["other.npz", "model.npz"]
    assert run(
        "report", "--force", cwd=folder, env={"CHARRNN_MODEL": "other.npz"}
    ).code == 0  # fmt: skip
    assert [found["name"] for found in models(folder)] == ["other.npz"]


def test_an_existing_output_is_replaced_only_by_force(folder):
    (folder / "report.html").write_text("mine")
    result = run("report", cwd=folder)
    assert result.code == 1
    assert result.err == ("charrnn: report.html: already exists; --force replaces it\n")
    assert (folder / "report.html").read_text() == "mine"
    assert run("report", "--force", cwd=folder).code == 0
    assert models(folder)


@pytest.mark.parametrize("name", ["model.npz", "corpus.txt", "fox.txt", "link.html"])
def test_an_input_is_never_replaced(folder, name):
    (folder / "fox.txt").write_text("The fox ran.\n")
    os.symlink("model.npz", folder / "link.html")
    before = (folder / name).read_bytes()
    args = ["fox.txt", "--corpus", "corpus.txt", "-o", name, "--force"]
    result = run("report", *args, cwd=folder)
    assert result.code == 1
    assert result.err == f"charrnn: {name}: is also read; choose another file for the page\n"
    assert (folder / name).read_bytes() == before


def test_what_is_wrong_is_found_before_anything_is_written(folder):
    (folder / "empty.txt").write_text("")
    (folder / "unknown.txt").write_text("caf\u00e9\n", "utf-8")
    (folder / "latin.txt").write_bytes(b"caf\xe9\n")
    (folder / "other.txt").write_text(TEXT[:3000])
    for args, message in (
        (["-m", "no.npz"], "no.npz: no such file"),
        (["-m", "corpus.txt"], "corpus.txt: "),
        (["no.txt"], "no.txt: "),
        (["empty.txt"], "empty.txt: there is no text to show; the text is empty"),
        (["unknown.txt"], "unknown character"),
        (["latin.txt"], "latin.txt: invalid UTF-8 at byte"),
        (["--corpus", "other.txt"], "other.txt: not the corpus that the model was trained on"),
        (["-", "--corpus", "-"], "- means stdin"),
        (["-o", "no/report.html"], "no/report.html: "),
    ):
        result = run("report", *args, cwd=folder)
        assert result.code in (1, 2), args
        assert result.err.startswith("charrnn: "), result
        assert message in result.err, result
        assert result.err.count("\n") == 1, result
        assert not (folder / "report.html").exists()


def test_unknown_characters_are_left_out_if_asked_for(folder):
    (folder / "unknown.txt").write_text("caf\u00e9\n", "utf-8")
    result = run("report", "unknown.txt", "--unknown", "skip", cwd=folder)
    assert result.code == 0, result
    text = models(folder)[0]["text"]
    assert text["note"] == "Left out: 1 character that the model does not know."


def test_of_a_huge_text_only_the_beginning_is_read(folder):
    with open(folder / "huge.txt", "wb") as file:
        file.write(TEXT[:20_000].encode())
        file.truncate(100_000_000)  # zeros, which the model does not know
    result = run("report", "huge.txt", cwd=folder)
    assert result.code == 0, result
    text = models(folder)[0]["text"]
    assert text["characters"] == 8000
    assert text["note"].startswith("Only the first 8,000 characters are used.")


def test_a_model_of_another_version(folder):
    data = (folder / "model.npz").read_bytes()
    (folder / "bad.npz").write_bytes(data[: len(data) // 2])
    result = run("report", "-m", "bad.npz", cwd=folder)
    assert result.code == 1
    assert result.err.startswith("charrnn: bad.npz: ")
    assert result.err.count("\n") == 1


def test_a_hostile_file_name_is_shown_as_text(folder):
    name = "<img src=x onerror=alert(1)>\u202e.npz"
    shutil.copy(folder / "model.npz", folder / name)
    assert run("report", "-m", name, cwd=folder).code == 0
    page = (folder / "report.html").read_text("utf-8")
    assert "<img" not in page
    assert models(folder)[0]["name"] == "<img src=x onerror=alert(1)>\\u202e.npz"


def test_what_python_makes_is_the_same_page(folder):
    run("report", "corpus.txt", "--seed", "3", cwd=folder)
    model = charrnn.load(folder / "model.npz", training=True)
    from charrnn.report import report

    text = (folder / "corpus.txt").read_text("utf-8")
    page = report([model], text, source="corpus.txt", seed=3)
    assert page == (folder / "report.html").read_text("utf-8")


# --- train --report -------------------------------------------------------------------------------


@pytest.fixture
def pages(monkeypatch):
    """All pages that are written, in order."""
    written = []

    def keep(path, contents):
        (data,) = contents
        written.append(data.decode())
        with open(path, "wb") as file:
            file.write(data)

    monkeypatch.setattr("charrnn.cli.report.write_file", keep)
    monkeypatch.setattr("charrnn.cli.live_page.WRITE_SECONDS", 1e9)
    return written


def test_the_page_of_a_run_is_kept_up_to_date(tmp_path, pages):
    (tmp_path / "corpus.txt").write_text(TEXT[:20_000])
    args = ["corpus.txt", "--steps", "100", "--report", "lesson.html", *SMALL]
    result = run("train", *args, cwd=tmp_path)
    assert result.code == 0, result
    assert "charrnn: lesson.html: open it in a browser to watch\n" in result.err
    during = [content(page) for page in pages[:-1]]
    assert [page["progress"] for page in during[:3]] == [0.0, 0.01, 0.02]
    for page in during:
        (found,) = page["models"]
        assert found["text"] is None
        assert found["name"] == "model.npz"
    assert len(during[-1]["models"][0]["history"]) > len(during[0]["models"][0]["history"])
    final = content((tmp_path / "lesson.html").read_text())
    assert final["progress"] is None
    (found,) = final["models"]
    shares = [one["progress"] for one in found["milestones"]]
    assert shares == [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    assert [one["step"] for one in found["milestones"]] == [0, 1, 2, 5, 10, 20, 50, 100]
    assert all(len(one["text"]) == 200 for one in found["milestones"])
    assert found["text"]["source"] == "the part of corpus.txt that was held out of training"
    assert found["ngram"] is not None


def test_a_page_that_is_kept_up_to_date_cannot_go_to_stdout(folder):
    result = run("train", "corpus.txt", "-o", "other.npz", "--report", "-", *SMALL, cwd=folder)
    assert (result.code, result.out) == (1, b"")
    assert result.err == (
        "charrnn: -: a page that is kept up to date cannot be written to stdout; "
        "name a file with --report\n"
    )
    assert not (folder / "-").exists()


def test_the_first_sample_is_of_the_untrained_model_even_if_the_clock_is_running(tmp_path, pages):
    (tmp_path / "corpus.txt").write_text(TEXT[:5_000])
    args = ["corpus.txt", "--minutes", "0.002", "--report", "lesson.html", *SMALL]
    assert run("train", *args, cwd=tmp_path).code == 0
    (found,) = content(pages[0])["models"]
    assert [(one["progress"], one["step"]) for one in found["milestones"]] == [(0.0, 0)]
    assert content(pages[0])["progress"] == 0.0


def test_many_validations_do_not_write_the_page_each_time(tmp_path, pages):
    (tmp_path / "corpus.txt").write_text(TEXT[:5_000])
    args = ["--steps", "100", "--set", "train.eval_every=2", "--report", "lesson.html", *SMALL]
    assert run("train", "corpus.txt", *args, cwd=tmp_path).code == 0
    assert len(pages) == 8 + 1  # at the milestones, and at the end
    assert len(content(pages[-1])["models"][0]["history"]) == 50


def test_the_page_does_not_change_the_run(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT[:5_000])
    args = ["train", "corpus.txt", "--steps", "20", *SMALL]
    assert run(*args, "-o", "a.npz", "--report", "a.html", cwd=tmp_path).code == 0
    assert run(*args, "-o", "b.npz", cwd=tmp_path).code == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_an_existing_page_is_replaced_by_a_run_only_as_its_model_is(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT[:5_000])
    (tmp_path / "lesson.html").write_text("mine")
    args = ["train", "corpus.txt", "--steps", "3", "--report", "lesson.html", *SMALL]
    result = run(*args, cwd=tmp_path)
    assert result.code == 1
    assert result.err == "charrnn: lesson.html: already exists; --force replaces it\n"
    assert (tmp_path / "lesson.html").read_text() == "mine"
    assert not (tmp_path / "model.npz").exists()
    assert run(*args, "--force", cwd=tmp_path).code == 0
    more = run(*args, "--resume", "--steps", "5", cwd=tmp_path)
    assert more.code == 0, more
    assert [one["step"] for one in models(tmp_path, "lesson.html")[0]["milestones"]][-1] == 5
    for name in ("corpus.txt", "model.npz"):
        result = run("train", "corpus.txt", "--report", name, "--force", *SMALL, cwd=tmp_path)
        assert result.err == f"charrnn: {name}: is also read; choose another file for the page\n"


def test_a_page_that_cannot_be_written_does_not_end_a_run(tmp_path, monkeypatch):
    def fail(path, contents):
        raise charrnn.CheckpointError("lesson.html: cannot be written (no space left on device)")

    monkeypatch.setattr("charrnn.cli.report.write_file", fail)
    (tmp_path / "corpus.txt").write_text(TEXT[:5_000])
    args = ["train", "corpus.txt", "--steps", "5", "--report", "lesson.html", *SMALL]
    result = run(*args, cwd=tmp_path)
    assert result.code == 0, result
    assert result.err.count("no longer up to date") == 1
    assert (tmp_path / "model.npz").exists()


def test_without_held_out_text_the_page_shows_a_sample(tmp_path):
    (tmp_path / "corpus.txt").write_text(TEXT[:5_000])
    args = ["corpus.txt", "--steps", "5", "--set", "data.val_fraction=0", "--report", "a.html"]
    result = run("train", *args, *SMALL, cwd=tmp_path)
    assert result.code == 0, result
    assert models(tmp_path, "a.html")[0]["text"]["source"] == "a sample that the model wrote"
