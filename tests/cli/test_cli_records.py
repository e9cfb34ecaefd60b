"""Sampling from a model of records: an item a line, new ones, and without end."""

import json

import pytest
from shell import ROOT, SMALL, run, shell

# Nothing is held out: the best on names it has not seen would be a model that knows none.
RECORDS = ["--set", "data.records=line", "--set", "data.val_fraction=0"]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A folder with a model that has learnt twelve names by heart."""
    folder = tmp_path_factory.mktemp("names")
    listed = (ROOT / "corpora" / "names.txt").read_text(encoding="utf-8").split("\n")[:12]
    (folder / "names.txt").write_text("\n".join(listed) + "\n", encoding="utf-8")
    made = run("train", "names.txt", *RECORDS, "--steps", "250", *SMALL, cwd=folder)
    assert made.code == 0, made
    return folder


@pytest.fixture
def known(names):
    return set((names / "names.txt").read_text(encoding="utf-8").split("\n"))


def test_count_prints_an_item_a_line(names):
    result = run("sample", "--count", "20", "--seed", "1", cwd=names)
    assert (result.code, result.out.count(b"\n"), result.err) == (0, 20, "")


def test_novel_items_are_new_and_the_dropped_are_counted(names, known):
    args = ["sample", "--count", "20", "--seed", "1", "--temp", "1.2"]
    plain = run(*args, cwd=names).out.decode().splitlines()
    assert known & set(plain)  # otherwise there is nothing to leave out
    result = run(*args, "--novel", cwd=names)
    items = result.out.decode().splitlines()
    assert (result.code, len(items)) == (0, 20)
    assert not known & set(items)
    # The same draws in the same order, without the known ones.
    fresh = [item for item in plain if item not in known]
    assert items[: len(fresh)] == fresh
    rows = run(*args, "--novel", "--json", cwd=names).out.splitlines()
    dropped = json.loads(rows[-1])["index"] + 1 - 20
    assert result.err == f"charrnn: left out {dropped} records found in the training corpus\n"


def test_novel_counts_the_prime_as_part_of_the_item(names, known):
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
        "charrnn: found 0 of 3 records in 60 draws; the others are in the training corpus; "
        "a higher --temp copies less\n"
    )


def test_novel_without_records_is_an_error(folder):
    result = run("sample", "--novel", cwd=folder)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("charrnn: --novel needs a model of records; train one with: ")


def test_forever_goes_from_item_to_item(names, known):
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


def test_novel_items_of_bytes(names, known, tmp_path):
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
