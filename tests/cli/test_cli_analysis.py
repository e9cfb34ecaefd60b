"""By the command line: is the network worth anything, and does it copy?"""

import json
import math

import pytest
from shell import SMALL, TEXT, run
from small import settings

import charrnn
from charrnn.evaluation.baselines import Baselines

COPIED = TEXT[3_000:3_100]


def figures(*args, cwd, **options):
    result = run("eval", "--json", *args, cwd=cwd, **options)
    assert (result.code, result.err) == (0, ""), result
    return json.loads(result.out)


def test_the_held_out_part_scores_as_in_training(folder):
    (folder / "tail").write_text(TEXT[18_000:20_000], encoding="utf-8")
    held_out = figures("--held-out", "corpus.txt", cwd=folder)
    tail = figures("tail", cwd=folder)
    assert held_out["file"] == "total"
    assert held_out["files"][0]["file"] == "held-out part of corpus.txt"
    assert held_out["nats"] == tail["nats"]
    assert held_out["characters"] == 2000
    best = json.loads(run("info", "--json", cwd=folder).out)["best_nats_per_char"]
    assert held_out["nats_per_char"] == pytest.approx(best, abs=1e-6)
    lines = run("eval", "--held-out", "--lines", "corpus.txt", cwd=folder).out.decode()
    assert "".join(f"{row.split(chr(9))[2]}\n" for row in lines.splitlines()) == TEXT[18_000:20_000]


def test_dynamic_beside_static(folder):
    (folder / "again").write_text("The fox sang to the moon.\n" * 80)
    (folder / "corpus.txt").write_text(TEXT[:1500])
    before = (folder / "model.npz").read_bytes()
    plain = figures("again", "corpus.txt", cwd=folder)
    both = figures("again", "corpus.txt", "--dynamic", cwd=folder)
    assert (folder / "model.npz").read_bytes() == before
    assert both["nats"] == plain["nats"]
    again, corpus = both["files"]
    assert again["dynamic"]["bits_per_char"] < again["bits_per_char"] - 0.01
    assert again["dynamic"]["characters"] == again["characters"] == 26 * 80
    assert both["dynamic"]["nats"] == pytest.approx(
        again["dynamic"]["nats"] + corpus["dynamic"]["nats"]
    )
    # Each text finds the network as it was trained, and stdin is read once for both scores.
    stdin = figures("-", "--dynamic", cwd=folder, stdin=TEXT[:1500])
    assert stdin["dynamic"]["nats"] == pytest.approx(corpus["dynamic"]["nats"], rel=1e-9)


def test_the_table_has_a_row_for_each_score(folder):
    (folder / "a").write_text("The fox")
    args = ["a", "-", "--dynamic", "--baselines", "corpus.txt"]
    result = run("eval", *args, cwd=folder, stdin="A crow.\n")
    assert (result.code, result.err) == (0, ""), result
    head, *rows = [line.split() for line in result.out.decode().splitlines()]
    assert head == ["nats/char", "bits/char", "perplexity", "characters", "by", "file"]
    methods = ["mixed", "network", "n-gram", "dynamic"]
    methods += ["unigram", *(f"{n}-gram" for n in range(2, 7)), "gzip", "xz"]
    named = [[count, by, name] for count, name in (("7", "a"), ("8", "stdin"), ("15", "total"))
             for by in methods]  # fmt: skip
    assert [row[3:] for row in rows] == named
    assert float(rows[0][1]) == pytest.approx(float(rows[0][0]) / math.log(2), abs=1e-3)


def test_baselines_learn_from_the_training_part_only(folder):
    found = figures("--held-out", "corpus.txt", "--baselines", "corpus.txt", cwd=folder)
    vocab = charrnn.load(folder / "model.npz").vocab
    ids = vocab.encode(TEXT[:20_000])
    scores = Baselines(ids[:18_000], vocab).evaluate(ids[18_000:])
    wanted = {name: score.nats / 2000 for name, score in scores.items()}
    assert {name: f["nats_per_char"] for name, f in found["baselines"].items()} == pytest.approx(
        wanted, rel=1e-9
    )
    assert wanted["unigram"] > wanted["3-gram"]


def test_a_corpus_of_several_files_or_from_stdin(folder):
    whole = figures("--held-out", "corpus.txt", "--baselines", "corpus.txt", cwd=folder)
    (folder / "a").write_text(TEXT[:7_000], encoding="utf-8")
    (folder / "b").write_text(TEXT[7_000:20_000], encoding="utf-8")
    parts = figures("--held-out", "a", "b", "--baselines", "a", "--baselines", "b", cwd=folder)
    args = ["--held-out", "-", "--baselines", "-", "--overlap", "-"]
    stdin = figures(*args, cwd=folder, stdin=TEXT[:20_000])
    assert whole["baselines"] == parts["baselines"] == stdin["baselines"]
    assert stdin["overlap"]["corpus"] == "stdin"


def test_another_corpus_is_used_whole_and_a_message_says_so(folder):
    (folder / "other").write_text("\x1b\u2603" + TEXT[:500], encoding="utf-8")
    result = run("eval", "--baselines", "other", "corpus.txt", "--json", cwd=folder)
    assert result.code == 0
    assert result.err.count("\n") == 1
    assert result.err == (
        "charrnn: other is not the model's corpus (corpus.txt), so all of other is used, "
        "with nothing held out\n"
    )
    assert json.loads(result.out)["baselines"]["2-gram"]["bits_per_char"] > 0
    itself = run("eval", "corpus.txt", "--overlap", "corpus.txt", cwd=folder)
    assert itself.err.count("\n") == 1
    assert "corpus.txt is compared with itself; --held-out" in itself.err
    assert "18,000 characters" in itself.out.decode()


def test_overlap(folder):
    (folder / "a").write_text("\u2603" + COPIED + "\u2603" + "Nothing", encoding="utf-8")
    (folder / "b").write_text(TEXT[19_000:19_200], encoding="utf-8")  # was held out
    args = ["a", "b", "--unknown", "skip", "--overlap", "corpus.txt"]
    found = figures(*args, cwd=folder)
    a, b = (f["overlap"] for f in found["files"])
    assert (a["longest"], a["text"], a["corpus"]) == (100, COPIED, "corpus.txt")
    assert (a["found"], a["windows"]) == (71, 109 - 29)
    assert a["share"] == pytest.approx(71 / 80)
    assert b["longest"] < 30
    assert (found["overlap"]["longest"], found["overlap"]["windows"]) == (100, 80 + 171)
    shown = run("eval", *args, cwd=folder).out.decode().splitlines()
    start = COPIED[:60].replace("\n", "\\n")
    assert shown[-2] == (
        f'a: longest passage shared with corpus.txt: 100 characters, "{start}..."; '
        "71 of 80 30-character windows (88.8%) occur there"
    )
    assert shown[-1].startswith("b: longest passage shared with corpus.txt: ")


def test_too_short_for_a_window(folder):
    args = ["eval", "-", "--overlap", "corpus.txt"]
    shown = run(*args, cwd=folder, stdin=TEXT[100:107]).out.decode()
    assert "longest passage shared with corpus.txt: 7 characters, " in shown
    assert "; too short for 30-character windows\n" in shown


def test_a_sample_and_its_report(folder):
    args = ["sample", "-n", "300", "--seed", "4"]
    plain = run(*args, cwd=folder)
    told = run(*args, "--report", "corpus.txt", cwd=folder)
    assert (told.code, told.out) == (0, plain.out)
    assert told.err.count("\n") == 1
    assert told.err.startswith("charrnn: longest passage shared with corpus.txt: ")
    assert "of 271 30-character windows" in told.err
    (folder / "s").write_bytes(plain.out)
    other = figures("s", "--overlap", "corpus.txt", cwd=folder)["overlap"]
    assert f": {other['longest']} characters" in told.err


def test_samples_and_their_reports(folder):
    args = ["sample", "-n", "40", "--count", "3", "--seed", "4"]
    told = run(*args, "--report", "corpus.txt", cwd=folder)
    assert told.out == run(*args, cwd=folder).out
    assert "of 33 30-character windows" in told.err  # none across two samples
    as_json = run(*args, "--json", "--report", "corpus.txt", cwd=folder)
    assert as_json.err == ""
    records = [json.loads(line) for line in as_json.out.splitlines()]
    overlaps = [record.pop("overlap") for record in records]
    assert records == [json.loads(r) for r in run(*args, "--json", cwd=folder).out.splitlines()]
    for record, overlap in zip(records, overlaps, strict=True):
        assert overlap["windows"] == 11
        assert overlap["text"] in record["text"]
        assert overlap["text"] in TEXT[:18_000]
        assert len(overlap["text"]) == overlap["longest"]
    longest = max(overlap["longest"] for overlap in overlaps)
    assert f": {longest} characters" in told.err
    none = run("sample", "-n", "0", "--report", "corpus.txt", cwd=folder)
    assert (none.code, none.out) == (0, b"")
    assert "longest passage shared with corpus.txt: 0 characters; too short" in none.err


def test_the_prime_is_not_counted_as_copied(folder):
    args = ["sample", "-n", "5", "--seed", "1", "--prime", COPIED, "--report", "corpus.txt"]
    result = run(*args, cwd=folder)
    assert result.code == 0
    assert "too short for 30-character windows" in result.err


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_records_and_bytes(tmp_path, unit):
    names = "".join(f"name {i * i}\n" for i in range(150)) + "\n"
    (tmp_path / "n").write_text(names)
    made = run("train", "n", "--unit", unit, "--set", "data.records=line", "--steps", "30",
               *SMALL, cwd=tmp_path)  # fmt: skip
    assert made.code == 0, made
    args = ["--held-out", "n", "--baselines", "n", "--overlap", "n"]
    found = figures(*args, cwd=tmp_path)
    best = json.loads(run("info", "--json", cwd=tmp_path).out)["best_nats_per_char"]
    assert found["nats_per_char"] == pytest.approx(best, abs=1e-5)
    assert found["baselines"]["3-gram"]["characters"] == found["characters"]
    assert found["overlap"]["longest"] >= len("name 2")
    refused = run("eval", "n", "--dynamic", cwd=tmp_path)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert refused.err == (
        "charrnn: model.npz: is a model of records, and only models of continuous text can adapt; "
        "evaluate it without adapting\n"
    )


def test_dynamic_needs_what_training_left(folder):
    model = charrnn.load(folder / "model.npz")
    model.save(folder / "alone.npz")
    result = run("eval", "corpus.txt", "--dynamic", "-m", "alone.npz", cwd=folder)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "alone.npz: --dynamic needs mean squared gradients" in result.err
    assert (
        "was saved without its training state; give the file that charrnn train wrote" in result.err
    )
    held_out = ["--held-out", "corpus.txt"]
    assert figures(*held_out, "-m", "alone.npz", cwd=folder) == figures(*held_out, cwd=folder)


def test_a_model_that_does_not_say_what_its_corpus_was(folder):
    model = charrnn.load(folder / "model.npz")
    model.corpus = None
    model.save(folder / "alone.npz")
    result = run("eval", "corpus.txt", "--held-out", "-m", "alone.npz", cwd=folder)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "alone.npz: does not say which corpus it was trained on" in result.err
    assert "; use the file that training wrote\n" in result.err
    result = run("eval", "corpus.txt", "--overlap", "corpus.txt", "-m", "alone.npz", cwd=folder)
    assert result.code == 0
    assert "alone.npz does not say which corpus it was trained on" in result.err


def test_a_run_that_has_no_squared_gradients_yet_or_at_all(folder):
    args = ["train", "corpus.txt", "-o", "sgd.npz", "--set", "data.val_fraction=0", "--steps", "2"]
    made = run(*args, "--set", "train.optimizer=sgd", *SMALL, cwd=folder)
    assert made.code == 0, made
    result = run("eval", "corpus.txt", "--dynamic", "-m", "sgd.npz", cwd=folder)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "trained with sgd, which keeps none; train with adagrad" in result.err
    charrnn.Trainer(settings(), TEXT[:1000]).checkpoint().save(folder / "new.npz")
    result = run("eval", "corpus.txt", "--dynamic", "-m", "new.npz", cwd=folder)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "is not trained yet; continue with: charrnn train --resume" in result.err
    result = run("eval", "corpus.txt", "--held-out", "-m", "sgd.npz", cwd=folder)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "corpus.txt: the model was trained on all of it" in result.err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ("eval corpus.txt --baselines nowhere", 1, "nowhere: no such file"),
        ("eval corpus.txt --overlap empty", 1, "empty: the corpus is empty"),
        ("eval corpus.txt --overlap latin", 1, "latin: invalid UTF-8 at byte 3"),
        ("eval - --baselines -", 2, "- means stdin, which can be read only once; use it for one"),
        ("eval a --baselines - --overlap corpus.txt --overlap -", 2, "can be read only once"),
        ("eval a --held-out", 1, "a: not the corpus that the model was trained on (corpus.txt"),
        ("eval empty --held-out", 1, "empty: the corpus is empty"),
        ("eval a --dynamic --lines", 2, "give only one of --dynamic and --lines"),
        ("eval a --baselines a --chars", 2, "give only one of --baselines and --chars"),
        ("eval a --overlap a --heat", 2, "give only one of --overlap and --heat"),
        ("sample --report nowhere", 1, "nowhere: no such file"),
        ("sample --report corpus.txt --forever", 2, "give only one of --forever and --report"),
        (
            "sample -c forever.yaml --report corpus.txt",
            2,
            "--report needs samples of limited length; set",
        ),
        ("sample --prime-file - --report -", 2, "- means stdin"),
    ],
)
def test_errors_are_one_line(folder, args, code, words):
    (folder / "a").write_text("The fox")
    (folder / "empty").write_text("")
    (folder / "latin").write_bytes(b"caf\xe9\n")
    (folder / "forever.yaml").write_text("sample:\n  length: null\n")
    result = run(*args.split(), cwd=folder)
    assert (result.code, result.out) == (code, b"")
    assert words in result.err
    lines = result.err.splitlines()
    assert len(lines) == 1 or lines[1:] == [f"charrnn: try 'charrnn {args.split()[0]} --help'"]
