"""``charrnn eval --lines``: what it charges, shows, marks and leaves out."""

import io
import json
import math

import numpy as np
import pytest
from shell import SMALL, on_terminal, run, shell, start

from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.cli.eval_progress import ScoringBar
from charrnn.model import load

#: With a first line "quiet", 250 lines, of which 25 are held out. Four letters occur only in it.
LOG = [f"09:{i % 60:02} worker {i % 7} served page {i % 90}" for i in range(249)]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder with a model of log lines; only for reading."""
    folder = tmp_path_factory.mktemp("logs")
    text = "\n".join(["quiet", *LOG]) + "\n"
    (folder / "app.log").write_text(text, encoding="utf-8")
    made = run("train", "app.log", "--steps", "120", *SMALL, cwd=folder)
    assert made.code == 0, made
    return folder


def rows(result, columns=3):
    assert result.code == 0, result
    lines = result.out.decode(errors="surrogateescape").split("\n")[:-1]
    return [line.split("\t", columns - 1) for line in lines]


def lines(folder, *args, stdin=b"", columns=3):
    return rows(run("eval", "--lines", *args, cwd=folder, stdin=stdin), columns)


def test_an_unknown_character_costs_what_it_is_worth(logs):
    ((bits, count, _),) = lines(logs, "-", stdin="09:10 worker")
    ((more, longer, _),) = lines(logs, "-", stdin="09:10 Ωworker")
    model = load(logs / "model.npz")
    # Of N characters trained on, four occurred once; all unknown characters are equally likely.
    characters = model.corpus.characters - math.ceil(model.corpus.characters / 10)
    unknown = 0x110000 - 0x800 - len(model.vocab)
    cost = math.log2(unknown) + math.log2((characters + 1) / 4)
    assert model.unknown_nats == pytest.approx(cost * math.log(2), rel=1e-12)
    assert (int(count), int(longer)) == (12, 13)
    assert float(more) * 13 == pytest.approx(float(bits) * 12 + cost, abs=2e-3)


def test_the_strangest_line_comes_first(logs):
    text = "\n".join([*LOG[:20], "ΩΩΩΩ", "09:10 woΩrker", "krow re 9:01 desrev"]) + "\n"
    (logs / "today.log").write_text(text, encoding="utf-8")
    found = shell("charrnn eval --lines today.log | sort -rn | head -n 3", logs)
    first, *others = [line.split("\t")[2] for line in found.out.decode().splitlines()]
    assert (first, set(others)) == ("ΩΩΩΩ", {"09:10 woΩrker", "krow re 9:01 desrev"})


def test_line_ends_of_windows_are_pointed_out(logs):
    text = "09:10 worker\r\n\r\n09:Ω\n"
    found = run("eval", "--lines", "-", cwd=logs, stdin=text)
    assert found.code == 0
    assert found.err == (
        "charrnn: stdin: 2 lines with the line end of Windows (CR LF), whose CR the model does not "
        "know; convert the text with dos2unix or tr -d '\\r'\n"
    )
    assert run("eval", "--lines", "-", cwd=logs, stdin=text.replace("\r", "")).err == ""


def test_unknown_characters_are_counted_line_by_line(logs):
    text = "09:10 worker\nΩ09:Ω\n\n"
    assert [row[2:] for row in lines(logs, "--count-unknown", "-", stdin=text, columns=4)] == [
        ["0", "09:10 worker"],
        ["2", "Ω09:Ω"],
        ["0", ""],
    ]
    found = run("eval", "--lines", "--json", "-", cwd=logs, stdin=text).out.splitlines()
    assert [json.loads(line)["unknown"] for line in found] == [0, 2, 0]
    assert [json.loads(line)["characters"] for line in found] == [12, 5, 0]
    skipping = ["--unknown", "skip", "--count-unknown"]
    (row,) = lines(logs, *skipping, "-", stdin="Ω09:Ω", columns=4)
    assert row[1:] == ["3", "2", "Ω09:Ω"]


@pytest.mark.parametrize("more", [[], ["--line-buffered"]])
def test_a_broken_byte_neither_ends_the_stream_nor_is_hidden(logs, more):
    text = b"09:10 worker\n09:\xff10\n\xc3\n09:11\n"
    found = lines(logs, *more, "-", stdin=text)
    assert [row[2] for row in found] == ["09:10 worker", "09:\udcff10", "\udcc3", "09:11"]
    assert [row[1] for row in found] == ["12", "6", "1", "5"]
    one = load(logs / "model.npz").unknown_nats / math.log(2)
    assert float(found[2][0]) == pytest.approx(one, abs=1e-3)
    result = run("eval", "--lines", "--json", *more, "-", cwd=logs, stdin=text)
    assert [json.loads(line)["text"] for line in result.out.splitlines()] == [
        "09:10 worker",
        "09:\ufffd10",
        "\ufffd",
        "09:11",
    ]


def test_broken_bytes_can_be_skipped_or_refused(logs):
    text = b"09:\xff10\n"
    skipped = run("eval", "--lines", "--errors", "skip", "-", cwd=logs, stdin=text)
    assert skipped.out == run("eval", "--lines", "-", cwd=logs, stdin="09:10\n").out
    assert skipped.err == "charrnn: stdin: skipped 1 byte that cannot be decoded\n"
    strict = run("eval", "--lines", "--errors", "strict", "-", cwd=logs, stdin=text)
    assert (strict.code, strict.out) == (1, b"")
    assert "invalid UTF-8 at byte 3" in strict.err
    whole = run("eval", "--errors", "replace", "--json", "-", cwd=logs, stdin=text)
    facts = json.loads(whole.out)
    assert (facts["characters"], facts["unknown"], facts["skipped"]) == (7, 1, 0)
    assert run("eval", "-", cwd=logs, stdin=text).code == 1


def test_a_text_is_charged_as_its_lines_are(logs):
    plain = json.loads(run("eval", "--json", "-", cwd=logs, stdin="09:10\n").out)
    with_one = run("eval", "--unknown", "score", "--json", "-", cwd=logs, stdin="09:Ω10\n")
    facts = json.loads(with_one.out)
    cost = load(logs / "model.npz").unknown_nats
    assert facts["nats"] == pytest.approx(plain["nats"] + cost, rel=1e-6)
    assert (facts["characters"], facts["unknown"]) == (7, 1)
    table = run("eval", "--unknown", "score", "-", cwd=logs, stdin="09:Ω10\n").out.decode()
    assert table.splitlines()[0].split()[-3:] == ["unknown", "by", "file"]
    assert table.splitlines()[1].split()[-4:] == ["7", "1", "mixed", "stdin"]


def test_unknown_characters_have_rows_of_their_own(logs):
    text = b"\xce\xa909\xff:\xce\xa9"
    args = ["eval", "--chars", "--errors", "replace", "-"]
    found = rows(run(*args, cwd=logs, stdin=text), columns=8)
    assert [row[0] for row in found] == ["Ω", "0", "9", "\\xff", ":", "Ω"]
    assert [len(row) for row in found] == [2, 8, 8, 2, 8, 2]
    cost = load(logs / "model.npz").unknown_nats / math.log(2)
    assert float(found[0][1]) == float(found[5][1]) == pytest.approx(cost, abs=1e-4)
    known = rows(run("eval", "--chars", "-", cwd=logs, stdin="09:"), columns=8)
    assert [found[i] for i in (1, 2, 4)] == known
    skipped = run("eval", "--chars", "--unknown", "skip", "-", cwd=logs, stdin="Ω09Ω:")
    assert rows(skipped, columns=8) == known


# --- what is printed ---------------------------------------------------------------------------


def test_numbers_and_names_as_in_grep(logs, tmp_path):
    (tmp_path / "a.log").write_text("09:10\n09:11\n")
    model = ["-m", str(logs / "model.npz")]
    assert [row[2] for row in lines(tmp_path, *model, "-n", "a.log")] == ["1:09:10", "2:09:11"]
    found = lines(tmp_path, *model, "-nH", "a.log", "-", stdin="x")
    assert [row[2] for row in found] == ["a.log:1:09:10", "a.log:2:09:11", "stdin:1:x"]
    named = lines(tmp_path, *model, "-H", "a.log")
    assert [row[2] for row in named] == ["a.log:09:10", "a.log:09:11"]
    text = run("eval", "--lines", *model, "--json", "a.log", cwd=tmp_path).out
    assert [json.loads(line)["line"] for line in text.splitlines()] == [1, 2]


def test_only_the_lines_above_a_threshold(logs):
    text = "\n".join([*LOG[:30], "", "zzzz Ω"]) + "\n"
    every = lines(logs, "-", stdin=text)
    for bits in ("1.5", "3", "0"):
        found = lines(logs, "--above", bits, "-", stdin=text)
        assert found == [row for row in every if float(row[0]) > float(bits)]
    model = load(logs / "model.npz")
    level = model.percentile(90.0)
    found = lines(logs, "--above", "p90", "-", stdin=text)
    assert [row[2] for row in found][-1] == "zzzz Ω"
    assert found == [row for row in every if float(row[0]) > level]
    assert lines(logs, "--above", "p100", "-", stdin=text)[-1][2] == "zzzz Ω"


def test_percentiles_are_those_of_the_held_out_lines(logs):
    model = load(logs / "model.npz")
    corpus = model.reference((logs / "app.log").read_text(encoding="utf-8"))
    held_out = [line for line in model.vocab.decode(corpus.held_out).split("\n") if line]
    scores = sorted(score.bits_per_char for score in model.score_lines(held_out))
    assert model.norms.lines == len(held_out) == 25
    assert model.percentile(100.0) == pytest.approx(scores[-1], abs=1e-3)
    assert model.percentile(50.0) == pytest.approx(scores[12], abs=1e-3)
    nats = [each for line in model.line_surprisals(held_out) for each in line.tolist()]
    above = sum(each / math.log(2) > model.norms.surprising for each in nats)
    assert 0 < above <= len(nats) // 100 + 1


def test_a_model_without_held_out_lines_has_no_percentiles(tmp_path):
    (tmp_path / "t").write_text("ab\n" * 40)
    args = ["--set", "data.val_fraction=0", "--steps", "2", *SMALL]
    assert run("train", "t", *args, cwd=tmp_path).code == 0
    result = run("eval", "--lines", "--above", "p99", "t", cwd=tmp_path)
    assert (result.code, result.out) == (1, b"")
    assert result.err == (
        "charrnn: model.npz: has no percentiles, because no held-out lines were scored at the end "
        "of its training; give a threshold in bits, or train with text held out\n"
    )
    assert run("eval", "--lines", "--above", "1", "t", cwd=tmp_path).code == 0


def test_models_of_version_0_1_know_no_norms_and_score_unknown_characters(logs, tmp_path):
    meta, arrays = read(logs / "model.npz")
    meta.pop("norms")
    meta["config"]["eval"] = {"unknown": "error"}  # what that version stored in every model
    write(tmp_path / "model.npz", meta, arrays)
    model = load(tmp_path / "model.npz")
    cost = math.log2(0x110000 - 0x800 - len(model.vocab)) + math.log2(model.corpus.characters + 1)
    ((bits, _, _),) = lines(tmp_path, "-", stdin="Ω")
    assert float(bits) == pytest.approx(cost, abs=1e-4)


def test_the_surprising_part_is_marked(logs):
    text = "09:10 workΩΩer 3 served page 4\n09:11 worker 4 served page 5\n"
    marked, ordinary = lines(logs, "--mark", "-", stdin=text)
    assert marked[2] == "09:10 work«ΩΩ»er 3 served page 4"
    assert ordinary[2].replace("«", "").replace("»", "") == text.splitlines()[1]
    plain = lines(logs, "-", stdin=text)
    assert [row[:2] for row in (marked, ordinary)] == [row[:2] for row in plain]
    found = run("eval", "--lines", "--mark", "--json", "-", cwd=logs, stdin=text).out.splitlines()
    assert json.loads(found[0])["mark"] == [10, 12]
    broken = run("eval", "--lines", "--mark", "-", cwd=logs, stdin=b"09:\xff10 worker\n")
    assert "09:«".encode() + b"\xff" + "»10 worker\n".encode() in broken.out
    args = ("eval", "--lines", "--mark", "today.log")
    (logs / "today.log").write_text(text, encoding="utf-8")
    code, shown = on_terminal(*args, cwd=logs)
    assert code == 0
    assert "09:10 work\x1b[38;5;196mΩΩ\x1b[0mer".encode() in shown
    assert "«".encode() in on_terminal(*args, cwd=logs, NO_COLOR="1")[1]


def test_what_makes_no_sense_is_refused(logs):
    for args, words in (
        (["-n"], "--line-number needs --lines"),
        (["--above", "2", "--chars"], "--above needs --lines"),
        (["--mark", "--heat"], "--mark needs --lines"),
        (["--lines", "-n", "--json"], "give only one of --line-number and --json"),
        (["--lines", "--above", "high"], "--above: must be bits per character, such as 6, or"),
        (["--lines", "--above", "p101"], "--above: must be bits per character, such as 6, or"),
        (["--lines", "--above", "-1"], "--above: must be bits per character, such as 6, or"),
        (["--lines", "-m", "a", "-m", "b"], "--lines takes one model; charrnn classify"),
    ):
        result = run("eval", *args, "app.log", cwd=logs)
        assert (result.code, result.out) == (2, b""), result
        assert result.err.startswith(f"charrnn: {words}"), result


def test_a_terminal_is_told_what_was_done(logs):
    code, shown = on_terminal("eval", "--lines", "--above", "p100", "app.log", cwd=logs)
    assert code == 0
    assert b"charrnn: 250 lines in 0:0" in shown
    assert b" lines/s; " in shown
    assert b" above p100 (" in shown


def test_a_bar_shows_how_far_it_is_and_then_goes(logs):
    code, shown = on_terminal("eval", "app.log", cwd=logs)
    assert code == 0
    bar, table = shown.rsplit(b"\r", 1)
    assert b"%|" in bar
    assert b" left, " in bar
    assert b" char/s" in bar
    assert table.startswith(b"nats/char")
    result = shell("charrnn eval --lines app.log > rows.tsv", logs)
    assert (result.code, result.err) == (0, "")  # nothing where nobody looks
    code, shown = on_terminal("eval", "--lines", "app.log", cwd=logs)
    assert b"char/s" not in shown  # the lines themselves go to the terminal


def test_the_first_of_many_lines_does_not_determine_the_rate(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    bar = ScoringBar([], "char", printing=False)
    assert len(list(bar.watch(None, iter([np.zeros(60), np.zeros(40)])))) == 2
    for symbols in (1, 48):
        bar.scored(symbols)
        assert "chars, " not in terminal.getvalue()
    bar.scored(1)
    assert "50 chars, " in terminal.getvalue()
    bar.close()


def test_three_planted_oddities_are_found_in_a_masked_log(tmp_path):
    verbs = ("served page", "dropped request", "stored item", "lost peer")
    rows = [f"09:{i % 60:02} worker {i % 7} {verbs[i % 4]} {i}" for i in range(400)]
    odd = ["09:11 worker 3 served страницу 7", "09:12 worker 4 s\udcfftored item 8"]
    odd.append("09:13 item worker 8 4 stored")
    (tmp_path / "yesterday.log").write_text("\n".join(rows) + "\n")
    text = "\n".join([*rows[:50], odd[0], *rows[50:150], odd[1], *rows[150:], odd[2]]) + "\n"
    (tmp_path / "today.log").write_bytes(text.encode("utf-8", "surrogateescape"))
    mask = "LC_ALL=C sed -E 's/[0-9]+/0/g'"
    train = "charrnn train - -o log.npz --set data.records=line --steps 150 " + " ".join(SMALL)
    made = shell(f"{mask} yesterday.log | {train}", tmp_path)
    assert made.code == 0, made
    score = f"{mask} today.log | charrnn eval -m log.npz --lines"
    first = shell(f"{score} - | sort -rn | head -n 3", tmp_path).out.split(b"\n")[:-1]
    found = shell(f"{score} -n --above p100 - ", tmp_path).out.split(b"\n")[:-1]
    assert [int(row.split(b"\t")[2].split(b":")[0]) for row in found] == [51, 152, 403]
    assert {row.split(b"\t")[2] for row in first} == {
        row.split(b"\t")[2].split(b":", 1)[1] for row in found
    }


# --- several models ----------------------------------------------------------------------------


def test_models_are_compared_row_by_row(logs, tmp_path):
    made = run("train", str(logs / "app.log"), "--steps", "3", *SMALL, "-o", "b.npz", cwd=tmp_path)
    assert made.code == 0
    a, b = str(logs / "model.npz"), "b.npz"
    (tmp_path / "t").write_text("09:10 worker\n")
    table = run("eval", "-m", a, "-m", b, "t", "-", cwd=tmp_path, stdin="09:\n")
    shown = [line.split() for line in table.out.decode().splitlines()[::3]]  # of the mixtures
    assert shown[0][-3:] == ["by", "model", "file"]
    assert [row[-2:] for row in shown[1:]] == [
        [name, file] for name in (a, b) for file in ("t", "stdin", "total")
    ]
    for name, row in ((a, shown[1]), (b, shown[4])):
        alone = json.loads(run("eval", "-m", name, "--json", "t", cwd=tmp_path).out)
        assert float(row[1]) == pytest.approx(alone["bits_per_char"], abs=1e-4)
    found = json.loads(run("eval", "-m", a, "-m", b, "t", "--json", cwd=tmp_path).out)
    assert [model["model"] for model in found["models"]] == [a, b]
    assert found["models"][0]["bits_per_char"] == pytest.approx(float(shown[1][1]), abs=1e-4)
    both = run("eval", "-m", a, "-m", b, "--held-out", str(logs / "app.log"), cwd=tmp_path)
    assert len(both.out.splitlines()) == 1 + 2 * 3


def test_a_model_given_twice_is_never_silently_the_last(logs):
    for command in ("sample", "info"):
        result = run(command, "-m", "model.npz", "-m", "model.npz", cwd=logs)
        assert (result.code, result.out) == (2, b"")
        assert result.err.startswith("charrnn: give only one -m\n")


def test_models_of_characters_and_bytes_are_not_compared(logs, tmp_path):
    (tmp_path / "t").write_text("ab\n" * 40)
    for unit in ("char", "byte"):
        made = ["train", "t", "--unit", unit, "--steps", "1", *SMALL, "-o", f"{unit}.npz"]
        assert run(*made, cwd=tmp_path).code == 0
    result = run("eval", "-m", "char.npz", "-m", "byte.npz", "t", cwd=tmp_path)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("charrnn: models of characters and of bytes cannot be compared")


def test_a_stream_is_followed_through_a_broken_byte(logs):
    with start("eval", "--lines", "--line-buffered", "--above", "3", "-", cwd=logs) as process:
        process.stdin.write(b"09:10 worker 3\nPANIC \xff\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tPANIC \xff\n")
        process.stdin.close()
        assert process.wait(30) == 0
