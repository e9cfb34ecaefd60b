"""``charrnn classify``."""

import gzip
import json

import pytest
from shell import SMALL, run, start

CLASSES = {
    "en": "the fox and the dog sat in the house\nthe dog ran\n",
    "fr": "le renard et le chien sont dans la maison\nle chien court\n",
}
MODELS = ["-m", "en=en.npz", "-m", "fr=fr.npz"]


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """A folder with a model of each of two languages; only for reading."""
    folder = tmp_path_factory.mktemp("classes")
    for name, text in CLASSES.items():
        (folder / f"{name}.txt").write_text(text * 20)
        args = ["--set", "data.records=line", "--steps", "120", "-o", f"{name}.npz", *SMALL]
        assert run("train", f"{name}.txt", *args, cwd=folder).code == 0
    return folder


def test_each_line_after_its_label_and_log_odds(classes):
    text = b"the house\nla maison\n\nthe \xff house\n"
    result = run("classify", *MODELS, "-", cwd=classes, stdin=text)
    assert (result.code, result.err) == (0, "")
    rows = [row.split(b"\t") for row in result.out.split(b"\n")[:-1]]
    assert [row[2] for row in rows] == text.split(b"\n")[:-1]
    assert [row[0] for row in rows][:2] == [b"en", b"fr"]
    assert rows[3][0] == b"en"
    shown = run("classify", *MODELS, "--json", "-", cwd=classes, stdin=text).out.splitlines()
    facts = [json.loads(line) for line in shown]
    assert [f["label"].encode() for f in facts] == [row[0] for row in rows]
    for fact, row in zip(facts, rows, strict=True):
        assert fact["log_odds_per_char"] == pytest.approx(float(row[1]), abs=1e-4)
        assert sum(fact["probabilities"].values()) == pytest.approx(1.0)
        assert fact["runner_up"] == {"en": "fr", "fr": "en"}[fact["label"]]
    assert [(f["file"], f["line"]) for f in facts] == [("stdin", n) for n in (1, 2, 3, 4)]
    assert facts[3]["text"] == "the \ufffd house"
    bits = facts[0]["bits_per_char"]
    assert bits["en"] < bits["fr"]


def test_lines_before_a_fault_are_printed(classes):
    lines = "".join(f"the dog ran {n * n * n % 7919}\n" for n in range(500))
    cut = gzip.compress(lines.encode())[:-100]
    result = run("classify", *MODELS, "-", cwd=classes, stdin=cut)
    assert result.code == 1
    assert result.err == "charrnn: stdin: the gzip data are cut short; get a complete copy\n"
    printed = [row.split("\t")[2] for row in result.out.decode().splitlines()]
    assert len(printed) > 400
    assert printed == lines.splitlines()[: len(printed)]


def test_a_prior_decides_where_the_text_does_not(classes):
    for prior, label in (("en=1000", b"en"), ("fr=1e6", b"fr")):
        result = run("classify", *MODELS, "--prior", prior, "-", cwd=classes, stdin="\n")
        assert result.out.split(b"\t")[0] == label


def test_how_well_it_works(classes):
    text = "en\tthe dog ran\nfr\tle chien court\n\nen\tla maison\n"
    (classes / "test.tsv").write_text(text)
    result = run("classify", *MODELS, "--labelled", "test.tsv", cwd=classes)
    assert result.code == 0, result
    lines = result.out.decode().splitlines()
    assert lines[0] == "accuracy 0.6667 (2 of 3 lines)"
    assert [line.split() for line in lines[2:5]] == [
        ["en", "fr", "classified", "as"],
        ["en", "1", "1"],
        ["fr", "0", "1"],
    ]
    facts = json.loads(
        run("classify", *MODELS, "--labelled", "--json", "test.tsv", cwd=classes).out
    )
    assert facts["confusion"] == {"en": {"en": 1, "fr": 1}, "fr": {"en": 0, "fr": 1}}
    assert (facts["lines"], facts["accuracy"]) == (3, pytest.approx(2 / 3))
    assert sum(part["count"] for part in facts["calibration"]) == 3


def test_lines_are_classified_as_they_come(classes):
    with start("classify", *MODELS, "--line-buffered", "-", cwd=classes) as process:
        for line, label in ((b"the dog\n", b"en\t"), (b"le chien\n", b"fr\t")):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline().startswith(label)
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([*MODELS], 2, "give a text file to classify, or - for stdin"),
        (["-m", "en=en.npz", "t"], 2, "give a model for each of at least two labels"),
        (["-m", "en.npz", "t"], 2, "-m: must be a label, = and a model file, not 'en.npz'"),
        ([*MODELS, "-m", "en=fr.npz", "t"], 2, "-m: the label 'en' is given twice"),
        ([*MODELS, "--prior", "en=0", "t"], 2, "--prior: en: must be greater than 0, not 0"),
        ([*MODELS, "--prior", "de=1", "t"], 2, "prior: there is no class 'de'; give en or fr"),
        ([*MODELS, "--labelled", "--line-buffered", "t"], 2, "give only one of --labelled and"),
        (["-m", "en=en.npz", "-m", "de=de.npz", "t"], 1, "de.npz: no such file"),
        ([*MODELS, "--labelled", "t"], 1, "t on line 2: there is no label; give lines of a"),
        ([*MODELS, "--labelled", "u"], 1, "u on line 1: the label 'de' has no model; give lines"),
        ([*MODELS, "--labelled", "v"], 1, "there are no lines to classify"),
    ],
)
def test_mistakes_are_explained(classes, args, code, message):
    (classes / "t").write_text("en\tthe dog\nthe fox\n")
    (classes / "u").write_text("de\tder Hund\n")
    (classes / "v").write_text("\n")
    result = run("classify", *args, cwd=classes)
    assert (result.code, result.out) == (code, b""), result
    assert result.err.startswith(f"charrnn: {message}"), result
