"""Sampling from a model of records: one a line, only new ones, and without end."""

import json

import pytest
from shell import ROOT, SMALL, run, shell
from small import trained

from charrnn.data.records import folded
from charrnn.model import load

# Nothing is held out, so that the last parameters are kept: the best on new names know none.
# Without a limit of the first updates, a small network memorises sooner.
RECORDS = ["--set", "data.records=line", "--set", "data.val_fraction=0"]
RECORDS += ["--set", "train.max_update=0"]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A folder with a model that has memorised twelve names."""
    folder = tmp_path_factory.mktemp("names")
    listed = (ROOT / "corpora" / "names.txt").read_text(encoding="utf-8").split("\n")[:12]
    (folder / "names.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    made = run("train", "names.txt", *RECORDS, "--steps", "250", *SMALL, cwd=folder)
    assert made.code == 0, made
    return folder


@pytest.fixture
def known(names):
    return set((names / "names.txt").read_text(encoding="utf-8").split("\n"))


def test_count_prints_a_record_a_line(names):
    result = run("sample", "--count", "20", "--seed", "1", cwd=names)
    assert (result.code, result.out.count(b"\n"), result.err) == (0, 20, "")


def test_novel_records_are_new_and_the_skipped_are_counted(names, known):
    args = ["sample", "--count", "20", "--seed", "2", "--temp", "1.2"]
    plain = run(*args, cwd=names).out.decode().splitlines()
    assert known & set(plain)  # otherwise nothing is tested
    result = run(*args, "--novel", cwd=names)
    records = result.out.decode().splitlines()
    assert (result.code, len(records)) == (0, 20)
    assert not known & set(records)
    # The same draws in the same order, without the known ones and their near copies.
    near = set(map(folded, known))
    fresh = [record for record in plain if folded(record) not in near]
    assert records[: len(fresh)] == fresh
    as_json = run(*args, "--novel", "--json", cwd=names)
    rows = as_json.out.splitlines()
    skipped = json.loads(rows[-1])["index"] + 1 - 20
    assert skipped == sum(folded(text) in near for text in drawn(names, args, skipped + 20))
    empty = drawn(names, args, skipped + 20).count("")  # which are not worth a message
    message = f"charrnn: left out {skipped - empty} in the training corpus\n"
    assert result.err == as_json.err == message


def drawn(names, args, count):
    """The first ``count`` samples of the same seed."""
    again = run(*args, "--count", str(count), cwd=names).out.decode()
    return again.splitlines()


def test_novel_counts_the_prime_as_part_of_the_record(names, known):
    name = sorted(known - {""})[0]
    args = ["sample", "--prime", name[:-1], "--temp", "0", "--count", "2"]
    whole = run(*args, cwd=names).out.decode().splitlines()
    result = run(*args, "--novel", cwd=names)
    assert result.code == (1 if whole[0] in known else 0)


def test_novel_gives_up_after_a_bounded_number_of_draws(names, known):
    greedy = run("sample", "--temp", "0", "--count", "1", cwd=names).out.decode().strip()
    assert greedy in known
    result = run("sample", "--temp", "0", "--count", "3", "--novel", cwd=names)
    assert (result.code, result.out) == (1, b"")
    assert result.err == (
        "charrnn: found 0 of 3 in 60 samples (60 in the training corpus); "
        "a higher temperature repeats and copies less: --temp 1\n"
    )


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_what_was_found_is_printed_before_novel_gives_up(names, known, how):
    args = ["sample", "--temp", "0.3", "--count", "300", "--seed", "1", "--novel", *how]
    result = run(*args, "--report", "names.txt", cwd=names)
    lines = result.out.decode().splitlines()
    assert 0 < len(lines) < 300
    *report, error = result.err.splitlines()
    assert error.startswith(f"charrnn: found {len(lines)} of 300 in 6,000 samples (")
    if how:
        assert not known & {json.loads(line)["text"] for line in lines}
        assert (report, all("overlap" in json.loads(line) for line in lines)) == ([], True)
    else:
        assert not known & set(lines)
        assert report[0].startswith("charrnn: longest passage shared with names.txt: ")
    assert result.code == 1


def test_novel_without_lines_is_an_error(folder):
    result = run("sample", "--novel", cwd=folder)
    assert (result.code, result.out) == (2, b"")
    assert result.err == "charrnn: --novel compares lines; give --lines N\n"


def test_novel_lines_of_a_text(folder):
    known = set((folder / "corpus.txt").read_text("utf-8").splitlines())
    args = ["sample", "--lines", "30", "--novel", "--unique", "--seed", "2"]
    result = run(*args, cwd=folder)
    lines = result.out.decode().splitlines()
    assert (result.code, len(set(lines))) == (0, 30)
    assert not known & set(lines)
    stopped = run("sample", "--count", "30", "--stop", r"\n", *args[3:], cwd=folder)
    assert stopped.out == result.out


def test_forever_goes_from_record_to_record(names, known):
    result = shell("charrnn sample --forever --seed 4 | head -n 100", names)
    lines = result.out.decode().splitlines()
    assert (len(lines), result.err) == (100, "")
    assert known & set(lines)
    counted = run("sample", "--count", "100", "--seed", "4", cwd=names).out.decode()
    assert counted.splitlines() == lines
    fresh = shell(
        "charrnn sample --forever --novel --seed 5 --temp 2 --line-buffered | head -n 40", names
    )
    assert len(fresh.out.splitlines()) == 40
    assert not known & set(fresh.out.decode().splitlines())


def test_novel_records_of_bytes(names, known, tmp_path):
    made = run(
        *("train", str(names / "names.txt"), "--unit", "byte", *RECORDS),
        *("--steps", "250", *SMALL),
        cwd=tmp_path,
    )
    assert made.code == 0, made
    prime = sorted(known - {""})[0][0]
    args = ["sample", "--novel", "--count", "5", "--temp", "2", "--seed", "1", "--prime", prime]
    result = run(*args, cwd=tmp_path)
    assert (result.code, result.out.count(b"\n")) == (0, 5), result
    assert not known & set(result.out.decode("utf-8", "replace").splitlines())


def test_lines_without_a_record_score_nothing(names):
    args = ("eval", "--lines", "-", "--count-unknown")
    anna, *others = run(*args, cwd=names, stdin="anna\n\nΩΩ\n").out.decode().splitlines()
    assert anna.split("\t")[1:] == ["5", "0", "anna"]  # with its newline
    assert others[0] == "0.0000\t0\t0\t"
    assert others[1].split("\t")[1:] == ["2", "2", "ΩΩ"]
    skipping = run(*args, "--unknown", "skip", "--mark", cwd=names, stdin="anna\nΩΩ\n\n")
    found = skipping.out.decode().splitlines()
    assert found[1:] == ["0.0000\t0\t2\tΩΩ", "0.0000\t0\t0\t"]
    as_json = run("eval", "--lines", "-", "--json", cwd=names, stdin="\n")
    assert json.loads(as_json.out)["bits_per_char"] is None


def test_a_record_of_unknown_characters_is_charged(names):
    def scored(text, unknown="score"):
        result = run("eval", "-", "--json", "--unknown", unknown, cwd=names, stdin=text)
        assert result.code == 0, result
        return json.loads(result.out)

    anna, both = scored("anna\n"), scored("anna\n\nΩΩ\n")
    model = load(names / "model.npz")
    assert (anna["characters"], both["characters"], both["unknown"]) == (5, 7, 2)
    lines = run("eval", "-", "--lines", "--json", cwd=names, stdin="anna\n\nΩΩ\n").out.splitlines()
    assert sum(json.loads(line)["nats"] for line in lines) == pytest.approx(both["nats"], rel=1e-5)
    assert both["nats"] == pytest.approx(anna["nats"] + 2 * model.unknown_nats)
    skipped = scored("anna\n\nΩΩ\n", "skip")
    assert (skipped["characters"], skipped["skipped"]) == (5, 2)
    assert skipped["nats"] == anna["nats"]
    nothing = run("eval", "-", "--unknown", "skip", cwd=names, stdin="ΩΩ\n")
    assert (nothing.code, nothing.err) == (
        1,
        "charrnn: stdin: there is no text to score; all of its characters are unknown to the "
        "model\n",
    )
    # The same in Python.
    for text in ("\nanna\n\n\nΩΩ\nbo", "ΩΩ\n", "anna"):
        score = model.evaluate(text, "score")
        assert score.nats == pytest.approx(scored(text)["nats"])
        assert score.characters == scored(text)["characters"]


def test_info_says_that_it_is_a_model_of_records(names, tmp_path):
    shown = run("info", "-m", "model.npz", cwd=names).out.decode()
    assert "\nrecords         line\n" in shown
    odd = trained("one\x1b|two\x1b|three\x1b|" * 9, records="\x1b|", steps=1)
    odd.model.save(tmp_path / "odd.npz")
    assert "\nrecords         \\x1b|\n" in run("info", "-m", "odd.npz", cwd=tmp_path).out.decode()
    trained(steps=1).model.save(tmp_path / "text.npz")
    assert b"records" not in run("info", "-m", "text.npz", cwd=tmp_path).out
