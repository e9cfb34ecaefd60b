"""Scoring and inspecting by the command line."""

import json
import math
import os

import numpy as np
import pytest
from shell import run, shell, start
from small import model

from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.data.records import PART, split_lines


def test_eval_gives_what_training_reported(folder):
    text = (folder / "corpus.txt").read_text(encoding="utf-8")
    (folder / "held_out.txt").write_text(text[-len(text) // 10 :], encoding="utf-8")
    score = json.loads(run("eval", "--json", "held_out.txt", cwd=folder).out)
    facts = json.loads(run("info", "--json", cwd=folder).out)
    assert score["characters"] == 2000
    assert score["nats_per_char"] == pytest.approx(facts["best_nats_per_char"], abs=1e-3)
    assert (
        f"best validation {facts['best_nats_per_char']:.4f} nats"
        in (folder / "train.err").read_text()
    )


def test_figures_files_and_total(folder):
    (folder / "a").write_text("The fox")
    (folder / "b").write_text("A crow.\n")
    result = json.loads(run("eval", "--json", "a", "b", "-", cwd=folder, stdin="The").out)
    assert [f["file"] for f in result["files"]] == ["a", "b", "stdin"]
    assert [f["characters"] for f in result["files"]] == [7, 8, 3]
    assert result["nats"] == pytest.approx(sum(f["nats"] for f in result["files"]))
    assert result["bits_per_char"] == pytest.approx(result["nats_per_char"] / math.log(2))
    assert result["perplexity"] == pytest.approx(math.exp(result["nats_per_char"]))
    rows = run("eval", "a", "b", "a", cwd=folder).out.decode().splitlines()
    assert rows[0].split() == ["nats/char", "bits/char", "perplexity", "characters", "by", "file"]
    texts = (("7", "a"), ("8", "b"), ("7", "a"), ("22", "total"))
    assert [row.split()[-3:] for row in rows[1:]] == [
        [count, by, name] for count, name in texts for by in ("mixed", "network", "n-gram")
    ]
    for part in ("network", "ngram"):
        whole = sum(each[part]["nats"] for each in result["files"])
        assert result[part]["nats"] == pytest.approx(whole)
        assert result[part]["nats"] != result["nats"]


def test_unknown_characters_are_skipped_and_counted(folder):
    (folder / "greek").write_text("The Ω fox Ω\n", encoding="utf-8")
    result = run("eval", "greek", cwd=folder)
    assert result.code == 1
    assert "greek: unknown character" in result.err
    assert "U+03A9" in result.err
    score = json.loads(run("eval", "greek", "--unknown", "skip", "--json", cwd=folder).out)
    assert (score["characters"], score["skipped"]) == (10, 2)
    assert b"skipped" in run("eval", "greek", "--unknown", "skip", cwd=folder).out
    nothing = run("eval", "-", "--unknown", "skip", cwd=folder, stdin="ΩΩ")
    assert (nothing.code, nothing.out) == (1, b"")
    why = "there is no text to score; all of its characters are unknown to the model"
    assert nothing.err == f"charrnn: stdin: {why}\n"


def test_other_encodings_and_newlines(folder):
    (folder / "l1").write_bytes(b"caf\xe9\r\n")
    assert "invalid UTF-8 at byte 3" in run("eval", "l1", cwd=folder).err
    args = ["eval", "l1", "--encoding", "latin-1", "--unknown", "skip", "--json"]
    assert json.loads(run(*args, cwd=folder).out)["skipped"] == 2


def test_info(folder):
    shown = run("info", cwd=folder, env={"COLUMNS": "80"})
    assert shown.code == 0, shown
    text = shown.out.decode()
    for part in (
        "lstm, 1 layer of 24 units",
        "corpus.txt (20,000 bytes",
        "150 steps",
        "█",
        "numpy",
    ):
        assert part in text
    facts = json.loads(run("info", "--json", cwd=folder).out)
    assert facts["cell"] == "lstm"
    assert facts["hidden_size"] == 24
    assert len(facts["history"]) > 2
    assert len(facts["corpus"]["sha256"]) == 64
    os.utime(folder / "model.npz", (0, 86400))
    assert json.loads(run("info", "--json", cwd=folder).out)["modified"] == "1970-01-02T00:00:00Z"
    assert b"modified        1970-01-02T00:00:00Z (date of the file)" in run("info", cwd=folder).out


def test_info_of_a_training_that_makes_no_sense(folder):
    meta, arrays = read(folder / "model.npz")
    meta["training"]["history"] = [{"step": 1}]
    write(folder / "odd.npz", meta, arrays)
    result = run("info", "-m", "odd.npz", cwd=folder)
    assert (result.code, result.out, result.err.count("\n")) == (1, b"", 1)
    assert result.err.startswith("charrnn: odd.npz: damaged: ")
    assert "'nats_per_char'" in result.err
    assert result.err.endswith("; restore it from a backup, or train the model again\n")


def test_bytes_are_called_bytes(folder):
    small = ["--steps", "2", "--set", "model.hidden_size=4", "--set", "train.batch_size=9999"]
    made = run("train", "corpus.txt", "--unit", "byte", "-o", "b.npz", *small, cwd=folder)
    asked = (["info"], ["eval", "corpus.txt"], ["sample", "--seed", "1", "--report", "corpus.txt"])
    said = (made, *(run(*args, "-m", "b.npz", cwd=folder) for args in asked))
    for result in said:
        text = result.out.decode(errors="replace") + result.err
        assert (result.code, "char" in text.replace("charrnn", "")) == (0, False), result
        assert "byte" in text
    assert said[2].out.split()[:4] == [b"nats/byte", b"bits/byte", b"perplexity", b"bytes"]


def test_lines(folder):
    lines = ["The fox ran.", "", "a\ttab?", " spaces  ", "The fox ran."]
    text = "\n".join(lines).replace("\t", " ")
    result = run("eval", "--lines", "-", cwd=folder, stdin=text)
    assert result.code == 0, result
    rows = [line.split("\t", 2) for line in result.out.decode().split("\n")[:-1]]
    assert [row[2] for row in rows] == text.split("\n")
    assert [int(row[1]) for row in rows] == [len(line) for line in lines]
    assert rows[0] == rows[4]
    alone = json.loads(run("eval", "--json", "-", cwd=folder, stdin=lines[0]).out)
    assert float(rows[0][0]) == pytest.approx(alone["bits_per_char"], abs=1e-3)
    records = run("eval", "--lines", "--json", "-", cwd=folder, stdin=text).out.splitlines()
    assert [json.loads(r)["text"] for r in records] == text.split("\n")


def test_lines_can_be_followed_as_they_come(folder):
    lines = ["The fox ran.\n", "\n", "A crow said nothing.\n"]
    with start("eval", "--lines", "--line-buffered", "-", cwd=folder) as process:
        rows = []
        for line in lines:  # each row is there while stdin is still open
            process.stdin.write(line.encode())
            process.stdin.flush()
            rows.append(process.stdout.readline())
        process.stdin.write(b"A")
        process.stdin.close()
        rows.append(process.stdout.readline())
        assert (process.wait(30), process.stderr.read()) == (0, b"")
    whole = run("eval", "--lines", "-", cwd=folder, stdin="".join(lines) + "A")
    assert b"".join(rows) == whole.out
    assert run("eval", "--line-buffered", "-", cwd=folder).code == 2
    strict = ["eval", "--lines", "--line-buffered", "--unknown", "error", "-"]
    with start(*strict, cwd=folder) as process:
        process.stdin.write(b"The\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tThe\n")
        process.stdin.write("Ω\n".encode())
        process.stdin.close()
        assert process.stderr.read().startswith(b"charrnn: stdin on line 2: unknown character")


@pytest.mark.parametrize("more", [[], ["--line-buffered"]])
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("The Ω.\nThe ox.\n", ["on line 4: unknown character", " at character 5; leave it out"]),
        (
            b"The \xff.\nThe ox.\n",
            [
                "invalid UTF-8 at byte 26 (line 4): this looks like Western European text; "
                "try --encoding latin-1\n"
            ],
        ),
    ],
)
def test_the_lines_before_a_bad_one_are_printed(folder, more, bad, words):
    how = ["--unknown", "error", "--errors", "strict", *more]
    good = "The fox ran.\n\nA crow.\n"
    wanted = run("eval", "--lines", "-", cwd=folder, stdin=good).out
    assert wanted.count(b"\n") == 3
    bad = bad if isinstance(bad, bytes) else bad.encode()
    result = run("eval", "--lines", *how, "-", cwd=folder, stdin=good.encode() + bad)
    assert (result.code, result.out, result.err.count("\n")) == (1, wanted, 1)
    assert all(part in result.err for part in words), result


@pytest.mark.parametrize(
    "text", [b"\n" * 200_000, b"ab\n\ncde\n" * 30_000 + b"x" * 200_000 + b"\nend"]
)
def test_few_lines_are_held_at_once_however_short_they_are(text):
    points = np.frombuffer(text, np.uint8)
    groups = list(split_lines(iter([points[:100_001], points[100_001:]])))
    assert max(map(len, groups)) <= PART
    lines = [line.tobytes() for group in groups for line in group]
    assert lines == text.removesuffix(b"\n").split(b"\n")


def test_a_line_with_nothing_to_score_has_no_characters_and_is_easily_filtered(folder):
    (folder / "t").write_text("The fox.\n\nΩΩ\nΩa\n", encoding="utf-8")
    lines = "charrnn eval --unknown skip --lines t"
    result = shell(lines, folder)
    rows = [line.split("\t") for line in result.out.decode().splitlines()]
    assert [(row[0], *row[1:]) for row in rows[1:3]] == [("0.0000", "0", ""), ("0.0000", "0", "ΩΩ")]
    assert (rows[3][1], rows[3][2]) == ("1", "Ωa")
    assert result.err == "charrnn: t: skipped 3 characters that the model does not know\n"
    records = [json.loads(r) for r in shell(f"{lines} --json", folder).out.splitlines()]
    assert [record["bits_per_char"] is None for record in records] == [False, True, True, False]
    one = run("eval", "--unknown", "skip", "--lines", "-", cwd=folder, stdin="Ω\n")
    assert one.err == "charrnn: stdin: skipped 1 character that the model does not know\n"
    scored = shell(f"{lines} | awk -F '\\t' '$2' | sort -n", folder).out.decode().splitlines()
    assert sorted(line.split("\t")[2] for line in scored) == ["The fox.", "Ωa"]


def test_chars(folder):
    text = "The fox\n"
    result = run("eval", "--chars", "-", cwd=folder, stdin=text)
    rows = [line.split("\t") for line in result.out.decode().splitlines()]
    assert [row[0] for row in rows] == ["T", "h", "e", " ", "f", "o", "x", "\\n"]
    assert all(len(row) == 8 for row in rows)
    total = json.loads(run("eval", "--json", "-", cwd=folder, stdin=text).out)
    mean = sum(float(row[1]) for row in rows) / len(rows)
    assert mean == pytest.approx(total["bits_per_char"], abs=1e-3)


def test_bytes_that_are_no_characters_are_escaped(tmp_path):
    model(unit="byte").save(tmp_path / "model.npz")
    rows = run("eval", "--chars", "-", cwd=tmp_path, stdin="é\n").out.decode().splitlines()
    assert [row.split("\t")[0] for row in rows] == ["\\xc3", "\\xa9", "\\n"]
    shown = run("eval", "--chars", "--json", "-", cwd=tmp_path, stdin="aé").out.splitlines()
    assert [json.loads(row)["char"] for row in shown] == ["a", "\\xc3", "\\xa9"]
