"""Records of several lines, by the command line: trained on, sampled, scored."""

import json

import pytest
from shell import SMALL, run

from charrnn.data.records import end_of, with_marked_ends
from charrnn.model import load

POEMS = [f"roses are red {n}\nviolets are blue\nand so on {n % 3}" for n in range(12)]
KINDS = {"blank-line": "\n\n", "%": "\n%\n", "<|end|>": "<|end|>"}


@pytest.fixture(scope="module", params=KINDS)
def poems(request, tmp_path_factory):
    """A folder with a model of poems, how they end, and what ends them in the file."""
    folder = tmp_path_factory.mktemp("poems")
    (folder / "poems.txt").write_text(KINDS[request.param].join(POEMS))
    args = ["--set", f"data.records={request.param}", "--set", "data.val_fraction=0"]
    # Without a limit of the first updates, a small network memorises sooner.
    quick = ["seq_length=48", "max_update=0", "optimizer=adam", "learning_rate=0.02"]
    args += ["--steps", "120", *SMALL, *(f"--set=train.{setting}" for setting in quick)]
    made = run("train", "poems.txt", *args, cwd=folder)
    assert made.code == 0, made
    return folder, request.param


def test_samples_are_poems_in_the_form_of_the_corpus(poems):
    folder, kind = poems
    result = run("sample", "--count", "6", "--seed", "1", "--temp", "0.3", cwd=folder)
    assert result.code == 0, result
    text = result.out.decode()
    assert text.endswith(end_of(kind))
    samples = text.removesuffix(end_of(kind)).split(end_of(kind))
    assert len(samples) == 6
    assert sum(sample.count("\n") == 2 for sample in samples) >= 4
    model = load(folder / "model.npz")
    assert any(sample in model.known_records for sample in samples)
    # What is printed is a corpus of the same records.
    (folder / "more.txt").write_text(text)
    score = json.loads(run("eval", "--json", "more.txt", cwd=folder).out)
    assert score["characters"] == sum(map(len, samples)) + 6
    assert score["nats"] == pytest.approx(sum(s.nats for s in model.score_lines(samples)), rel=1e-5)


def test_each_poem_is_scored_by_itself(poems):
    folder, kind = poems
    result = run("eval", "--lines", "-n", "poems.txt", cwd=folder)
    rows = [row.split("\t") for row in result.out.decode().splitlines()]
    wanted = [f"{n}:" + poem.replace("\n", "\\n") for n, poem in enumerate(POEMS, 1)]
    assert [row[2] for row in rows] == wanted
    model = load(folder / "model.npz")
    for row, score in zip(rows, model.score_lines(POEMS), strict=True):
        assert (float(row[0]), int(row[1])) == (
            pytest.approx(score.bits_per_char, abs=1e-4),
            score.characters,
        )
    shown = run("eval", "--lines", "--json", "poems.txt", cwd=folder).out.splitlines()
    assert [json.loads(line)["text"] for line in shown] == POEMS
    text = KINDS[kind].join(POEMS)
    assert model.evaluate(text).nats == pytest.approx(
        sum(score.nats for score in model.score_lines(POEMS)), rel=1e-5
    )
    assert with_marked_ends(text, kind) == "\x1e".join(POEMS) + "\x1e"


def test_its_run_can_be_resumed_and_fine_tuned(poems):
    folder, kind = poems
    args = ["--resume", "--steps", "125", "-o", "model.npz"]
    (folder / "copy.npz").write_bytes((folder / "model.npz").read_bytes())
    args[-1] = "copy.npz"
    assert run("train", "poems.txt", *args, cwd=folder).code == 0
    tuned = ["--init-from", "model.npz", "--steps", "2", "-o", "tuned.npz"]
    assert run("train", "poems.txt", *tuned, "--force", cwd=folder).code == 0
    assert load(folder / "tuned.npz").config.data.records == kind


def test_an_unknown_character_is_named_with_its_poem(poems):
    folder, kind = poems
    noun = "paragraph" if kind == "blank-line" else "record"
    text = KINDS[kind].join([POEMS[0], POEMS[1][:3] + "Ω"])
    for mode in ([], ["--lines", "--unknown", "error"]):
        result = run("eval", *mode, "-", cwd=folder, stdin=text)
        assert result.code == 1
        assert f"stdin on {noun} 2: unknown character 'Ω' (U+03A9, " in result.err
        assert " at character 4; " in result.err


def test_a_classified_poem_is_on_one_line_and_in_json_as_it_is(poems):
    folder, kind = poems
    text = KINDS[kind].join(POEMS[:2])
    args = ["classify", "-m", "a=model.npz", "-m", "b=model.npz", "-"]
    rows = run(*args, cwd=folder, stdin=text).out.decode().splitlines()
    assert [row.split("\t")[2] for row in rows] == [p.replace("\n", "\\n") for p in POEMS[:2]]
    shown = run(*args, "--json", cwd=folder, stdin=text).out.splitlines()
    assert [json.loads(line)["text"] for line in shown] == POEMS[:2]
