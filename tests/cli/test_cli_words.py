"""Models of words by the command line."""

import json
import math

import pytest
from shell import SMALL, TEXT, run

LINES = "The fox ran.\nA zebra, said the gnu.\n"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """A folder with a corpus and a model of its words."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "corpus.txt").write_text(TEXT[:30_000], encoding="utf-8")
    result = run(
        *("train", "corpus.txt", "--unit", "word", "--steps", "60", *SMALL),
        *("--set", "data.vocab_size=400", "--log", "log.jsonl"),
        cwd=folder,
    )
    assert result.code == 0, result
    (folder / "train.err").write_text(result.err)
    return folder


def test_training_counts_unknown_words_and_scores_words_and_characters(words):
    said = (words / "train.err").read_text()
    assert "words of the text (2" in said
    assert "are not among the 399 most frequent and become one unknown word" in said
    assert "399 distinct" in said
    assert " word/s" in said
    facts = json.loads(run("info", "--json", cwd=words).out)
    assert facts["unit"] == "word"
    assert len(facts["vocabulary"]) == 400
    assert f"best validation {facts['best_nats_per_word']:.4f} nats" in said
    assert "bits per word (" in said
    steps = [json.loads(line) for line in (words / "log.jsonl").read_text().splitlines()]
    assert {"words", "bits_per_word"} <= set(steps[0])
    assert not {"characters", "bits_per_char"} & set(steps[0])
    assert "400 words: " in run("info", cwd=words).out.decode()


def test_the_held_out_part_has_the_score_that_training_reported(words):
    score = json.loads(run("eval", "--held-out", "corpus.txt", "--json", cwd=words).out)
    facts = json.loads(run("info", "--json", cwd=words).out)
    assert score["nats_per_word"] == pytest.approx(facts["best_nats_per_word"], rel=1e-5)
    assert f"({score['bits_per_char']:.4f} per character; " in (words / "train.err").read_text()
    text = TEXT[:30_000]
    (words / "held.txt").write_text(text[-score["characters"] :], encoding="utf-8")
    again = json.loads(run("eval", "held.txt", "--json", cwd=words).out)
    for key in ("words", "unknown", "characters"):
        assert again[key] == score[key]
    assert again["nats"] == pytest.approx(score["nats"], rel=1e-4)


def test_the_table_has_perplexities_with_and_without_unknown_words(words):
    (words / "a.txt").write_text(LINES)
    head, row, *parts = run("eval", "a.txt", cwd=words).out.decode().splitlines()
    names = ["nats/word", "perplexity", "known", "ppl", "bits/char", "words", "unknown"]
    assert head.split() == [*names, "by", "file"]
    nats, perplexity, known, bits, count, unknown, by, name = row.split()
    assert by == "mixed"
    assert [part.split()[-2] for part in parts] == ["network", "n-gram"]
    score = json.loads(run("eval", "a.txt", "--json", cwd=words).out)
    assert (int(count), int(unknown), name) == (score["words"], score["unknown"], "a.txt")
    assert score["characters"] == len(LINES)
    assert float(perplexity) == pytest.approx(math.exp(float(nats)), rel=1e-3)
    assert float(known) == pytest.approx(score["known_perplexity"], abs=1e-4)
    assert float(bits) == pytest.approx(score["nats"] / len(LINES) / math.log(2), abs=1e-4)
    assert score["spelling_nats"] > 0.0
    assert max(map(len, (head, row))) <= 80
    skipped = run("eval", "a.txt", "--unknown", "skip", cwd=words).out.decode()
    assert "skipped" in skipped
    assert int(skipped.splitlines()[1].split()[4]) == score["words"] - score["unknown"]
    fewer = json.loads(run("eval", "a.txt", "--unknown", "skip", "--json", cwd=words).out)
    rows = run("eval", "--lines", "a.txt", "--unknown", "skip", cwd=words).out.decode()
    lengths = [int(row.split("\t")[1]) for row in rows.splitlines()]
    assert fewer["characters"] == sum(lengths) + LINES.count("\n") < len(LINES)


def test_what_of_a_prime_is_not_read_as_it_is(words):
    result = run("sample", "--prime", "The zebra ", "-n", "4", "--seed", "1", cwd=words)
    first, second = result.err.splitlines()
    assert first.startswith("charrnn: prime: unknown words ' zebra', ' ', the first at word 2; ")
    assert first.endswith("; read as the symbol that stands for all unknown words")
    assert second == (
        "charrnn: prime: ends with a space, which would belong to the next word; leave it out"
    )
    known = run("sample", "--prime", "the", "-n", "4", "--seed", "1", cwd=words)
    assert (known.code, known.err) == (0, "")
    skipped = ("sample", "--prime", "The zebra", "-n", "4", "--unknown", "skip", "--seed", "1")
    assert run(*skipped, cwd=words).err == (
        "charrnn: prime: skipped 1 word that the model does not know\n"
    )


def test_lines_and_words_are_printed_as_they_are(words):
    rows = run("eval", "--lines", "-", cwd=words, stdin=LINES).out.decode().splitlines()
    assert [row.split("\t")[1:] for row in rows] == [
        [str(len(line)), line] for line in LINES.splitlines()
    ]
    facts = [
        json.loads(row)
        for row in run("eval", "--lines", "--json", "-", cwd=words, stdin=LINES).out.splitlines()
    ]
    assert [one["words"] for one in facts] == [4, 7]
    assert facts[1]["unknown"] == 2
    chars = run("eval", "--chars", "-", cwd=words, stdin=LINES).out.decode().splitlines()
    shown = [row.split("\t")[0] for row in chars]
    assert "".join(shown).replace("\\n", "\n") == LINES
    assert all(len(row.split("\t")) == 8 for row in chars)
    shown = run("eval", "--chars", "--json", "-", cwd=words, stdin=LINES).out.splitlines()
    facts = [json.loads(row) for row in shown]
    assert "".join(fact["word"] for fact in facts) == LINES
    assert {*facts[0]["likeliest"][0]} == {"word", "p"}


def test_the_mark_is_around_whole_words(words):
    marked = run("eval", "--lines", "--mark", "--above", "0", "-", cwd=words, stdin=LINES)
    for row, line in zip(marked.out.decode().splitlines(), LINES.splitlines(), strict=True):
        text = row.split("\t")[2]
        assert text.replace("«", "").replace("»", "") == line
    assert "«" in marked.out.decode()
    heat = run("eval", "--heat", "--color", "always", "-", cwd=words, stdin=LINES).out.decode()
    assert "zebra" in heat


def test_above_a_percentile_of_lines(words):
    result = run("eval", "--lines", "--above", "p50", "corpus.txt", cwd=words)
    assert result.code == 0
    assert 0 < result.out.count(b"\n") < TEXT[:30_000].count("\n")


def test_samples_are_known_words(words):
    known = json.loads(run("info", "--json", cwd=words).out)["vocabulary"]
    text = run("sample", "--length", "50", "--seed", "1", cwd=words).out.decode()
    assert len(text) > 50
    assert "\ufffd" in known
    assert "\ufffd" not in text
    lines = run("sample", "--lines", "3", "--seed", "1", cwd=words).out.decode()
    assert len(lines.splitlines()) == 3
    prime = run("sample", "--prime", "A zebra", "--length", "5", "--seed", "1", cwd=words).out
    assert prime.startswith(b"A zebra")
    stop = run("sample", "--stop", "e", "--length", "90", "--seed", "1", cwd=words).out.decode()
    assert stop.rstrip("\n") == text[: text.index("e")].rstrip("\n")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("sample --words known", "is a model of words, which writes no others than it knows"),
        ("sample --report corpus.txt", "copies are looked for character by character"),
        ("eval --overlap corpus.txt corpus.txt", "copies are looked for character by character"),
        ("train corpus.txt --init-from model.npz --unit byte -o x.npz", "data.unit is word"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(words, command, why):
    result = run(*command.split(), cwd=words)
    assert result.code in (1, 2)
    assert result.out == b""
    assert why in result.err.splitlines()[-1]
    assert not (words / "x.html").exists()


def test_pages_of_words(words, monkeypatch):
    monkeypatch.setattr("charrnn.report.texts.SAMPLE_LENGTH", 40)
    (words / "zebra.txt").write_text("the zebra\n")
    for args in (
        ["report", "zebra.txt", "-o", "a.html"],
        ["eval", "zebra.txt", "--html", "b.html"],
        [
            *("train", "corpus.txt", "--unit", "word", "--steps", "2", "-o", "x.npz"),
            *("--report", "c.html", "--set", "data.vocab_size=400", *SMALL),
        ],
    ):
        result = run(*args, cwd=words)
        assert result.code == 0, result
    for name in ("a.html", "b.html"):
        page = (words / name).read_text()
        assert '"unit":"word"' in page
        assert '"note":""' in page  # the unknown word is read, not left out
    assert "held out of training" in (words / "c.html").read_text()


def test_models_of_words_and_of_characters_are_not_compared(words):
    made = run("train", "corpus.txt", "--steps", "1", *SMALL, "-o", "char.npz", cwd=words)
    assert made.code == 0, made
    page = run("report", "-m", "model.npz", "-m", "char.npz", cwd=words)
    assert page.code == 2
    assert "models of words and of characters cannot be on one page" in page.err
    result = run("eval", "-m", "model.npz", "-m", "char.npz", "a.txt", cwd=words)
    assert result.code == 2
    assert "models of characters and of words cannot be compared" in result.err
    assert "because their figures are per character or per word" in result.err
