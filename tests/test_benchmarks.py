"""The tools that make the tables: what they compute, and what they say when they cannot."""

import math
import sys

import pytest
from small import CELLS, PARAGRAPH, trained

from benchmarks import compare, results
from charrnn import Config
from charrnn.config.autosize import resolve_auto
from charrnn.config.sources import with_settings
from charrnn.errors import CharRNNError
from charrnn.nn.network import Architecture
from charrnn.nn.optim import OPTIMIZERS

ITEMS = "anna\nbert\ncarla\ndora\nemil\nfrida\ngustav\nhanna\nida\njakob\n"


@pytest.fixture
def paragraph(tmp_path):
    path = tmp_path / "paragraph.txt"
    path.write_text(PARAGRAPH, "utf-8")
    return path


def run(module, monkeypatch, *arguments) -> int:
    """The exit code of a script with these arguments."""
    monkeypatch.setattr(sys, "argv", ["it.py", *map(str, arguments)])
    return module.main()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("V", "H"), [(65, 256), (128, 512), (30, 64)])
def test_cells_of_equal_size(cell, V, H):
    wanted = Architecture("lstm", V, H).size
    size = compare.equal_size(cell, V, wanted)
    distance = [abs(Architecture(cell, V, size + d).size - wanted) for d in (-1, 0, 1)]
    assert min(distance) == distance[1] <= 0.01 * wanted


def a_run(contestant, nats, minutes=0.5, steps=1000, diverged=False):
    curve = [compare.Validation(minutes, nats), compare.Validation(minutes + 1, nats + 1)]
    return compare.Run(contestant, 256, 330_000, steps, tuple(curve), diverged)


def test_all_optimizers_and_all_cells_are_compared():
    found = compare.groups([a_run(c, 1.0) for c in compare.CONTESTANTS])
    assert found["optimiser"].keys() == OPTIMIZERS.keys()
    assert found["cell"].keys() == set(CELLS)


def test_the_default_run_has_the_default_settings():
    default = resolve_auto(with_settings(Config(), {"hidden_size": 40}), 10**6)
    (contestant,) = (c for c in compare.CONTESTANTS if (c.optimizer, c.cell) == ("adagrad", "lstm"))
    assert compare.settings(default, contestant, 65) == default


def test_table_rows():
    sgd, adam = (c for c in compare.CONTESTANTS if c.optimizer in ("sgd", "adam"))
    rows = {"sgd": [a_run(sgd, 1.5), a_run(sgd, 1.7, 1.5, 3000)]}
    rows["adam"] = [a_run(adam, math.log(2.0), diverged=True)]
    lines = compare.table("optimiser", rows).splitlines()
    assert [line.count("|") for line in lines] == [9] * 4
    assert lines[2].endswith("| 2,000 | 1.6000 ± 0.1000 | 2.3083 | 1.00 |")
    assert lines[3].startswith("| adam | 256 | 330,000 |")
    assert lines[3].endswith("| 1,000, diverged | 0.6931 | 1.0000 | 0.50 |")


def test_compare_without_matplotlib(monkeypatch, capsys, tmp_path, paragraph):
    monkeypatch.setattr(compare.importlib.util, "find_spec", lambda name: None)
    page = tmp_path / "page.md"
    assert run(compare, monkeypatch, paragraph, "--steps", 2, "--workers", 1, "-o", page) == 0
    text, err = page.read_text("utf-8"), capsys.readouterr().err
    assert "no picture" in err
    assert "![" not in text
    assert f"paragraph.txt: {len(PARAGRAPH)} characters" in text
    for name in (*OPTIMIZERS, *CELLS):
        assert f"\n| {name} | " in text


def test_rates_are_chosen_without_the_held_out_part(monkeypatch, capsys, paragraph):
    read = []

    def train(base, contestant, corpus):
        read.append(corpus.vocab.decode(corpus.ids))
        return a_run(contestant, contestant.learning_rate)

    monkeypatch.setattr(compare, "train", train)
    assert run(compare, monkeypatch, paragraph, "--tune") == 0
    assert set(read) == {PARAGRAPH[: len(PARAGRAPH) - math.ceil(len(PARAGRAPH) / 10)]}
    assert capsys.readouterr().out.count("\n") == len(compare.CONTESTANTS)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.txt"], 1, "compare: nothing.txt: no such file"),
        (["--minutes", 0], 2, "compare: train.minutes: must be greater than 0"),
        (["-o", "/no/such/page.md"], 1, "compare: /no/such/page.md: "),
    ],
)
def test_compare_refuses_in_one_line(monkeypatch, capsys, arguments, code, said):
    assert run(compare, monkeypatch, *arguments) == code
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1


def measured(tmp_path, text, **changes):
    corpus, model = tmp_path / "text.txt", tmp_path / "model.npz"
    corpus.write_text(text, "utf-8")
    trainer = trained(text, val_fraction=0.2, num_layers=1, **changes)
    trainer.checkpoint().save(model)
    return trainer, results.measure(model, corpus), corpus


@pytest.mark.parametrize("optimizer", ["adagrad", "sgd"])
def test_a_model_is_measured_on_its_held_out_part(tmp_path, optimizer):
    trainer, result, corpus = measured(tmp_path, PARAGRAPH, optimizer=optimizer)
    assert result.static.characters == len(trainer.corpus.validation)
    assert result.static.nats_per_char == pytest.approx(trainer.best, abs=1e-5)
    assert result.dynamic.characters == result.static.characters
    assert len(result.sample) == results.LENGTH
    cells = results.row(corpus, "tiny", 2.0, result).strip("| ").split(" | ")
    assert len(cells) == len(results.COLUMNS)
    assert cells[:5] == ["text.txt", "tiny", f"{result.parameters:,}", "2", f"{trainer.best:.4f}"]


def test_a_model_of_items_is_measured_item_by_item(tmp_path):
    trainer, result, corpus = measured(tmp_path, ITEMS, records="line")
    assert result.static.nats_per_char == pytest.approx(trainer.best, abs=1e-5)
    assert result.dynamic is None
    assert result.sample.count("\n") == results.ITEMS - 1
    assert "|  |  |" in results.row(corpus, "names", 1.0, result)


def test_what_an_untrained_model_writes_is_shown_on_lines_of_its_own(tmp_path):
    _, result, corpus = measured(tmp_path, PARAGRAPH + "\x1b[1m" * 9)
    shown = results.details(corpus, "tiny", 0.1, result).partition(":\n\n")[2]
    assert all(not line or line.startswith("    ") for line in shown.split("\n"))
    assert "\x1b" not in shown


def test_results_refuse_before_they_train(monkeypatch, capsys, tmp_path, paragraph):
    monkeypatch.setattr(results.subprocess, "run", lambda *a, **k: pytest.fail("trained"))
    model = tmp_path / "model.npz"
    with pytest.raises(CharRNNError, match="holds nothing out"):
        results.train(paragraph, "min-char-rnn", 1.0, model)
    model.touch()
    with pytest.raises(CharRNNError, match="exists already"):
        results.train(paragraph, "tiny", 1.0, model)
    assert run(results, monkeypatch, paragraph, "tinny", 1.0) == 2
    assert "did you mean 'tiny'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(results, monkeypatch, paragraph)


def test_a_row_without_its_corpus_is_left_out(monkeypatch, capsys, paragraph):
    rows = ((str(paragraph), "tiny", 0.5), ("corpora/nowhere.txt", "default", 2.0))
    monkeypatch.setattr(results, "ROWS", rows)
    assert results.present() == [(paragraph, "tiny", 0.5)]
    assert "nowhere.txt, default: left out" in capsys.readouterr().err
