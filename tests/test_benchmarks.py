"""The benchmarks: what they compute, and what they say when they cannot."""

import io
import itertools
import json
import math
import random
import shlex
import sys

import pytest
from small import CELLS, PARAGRAPH, trained
from warm import program

from benchmarks import (
    bench,
    compare,
    corpus_size,
    lines,
    machine,
    mixtures,
    mpi,
    results,
    step_profile,
)
from benchmarks.contenders import Task, charrnn_, classic, serve
from charrnn import Config, __version__
from charrnn.checkpoint import Checkpoint
from charrnn.config.autosize import resolve_auto
from charrnn.config.sources import with_settings
from charrnn.nn.network import Architecture
from charrnn.nn.optim import OPTIMIZERS

RECORDS = "anna\nbert\ncarla\ndora\nemil\nfrida\ngustav\nhanna\nida\njakob\n"


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
    parameters = Architecture("lstm", V, H).size
    size = compare.equal_hidden_size(cell, V, parameters)
    distance = [abs(Architecture(cell, V, size + d).size - parameters) for d in (-1, 0, 1)]
    assert min(distance) == distance[1] <= 0.01 * parameters


def a_run(variant, nats, minutes=0.5, steps=1000, diverged=False):
    curve = [compare.Validation(minutes, nats), compare.Validation(minutes + 1, nats + 1)]
    return compare.Run(variant, 256, 330_000, steps, tuple(curve), diverged)


def test_all_optimizers_and_all_cells_are_compared():
    found = compare.groups([a_run(variant, 1.0) for variant in compare.VARIANTS])
    assert found["optimiser"].keys() == OPTIMIZERS.keys()
    assert found["cell"].keys() == set(CELLS)


def test_the_default_run_has_the_default_settings():
    default = resolve_auto(with_settings(Config(), {"hidden_size": 40}), 10**6)
    (variant,) = (v for v in compare.VARIANTS if (v.optimizer, v.cell) == ("adagrad", "lstm"))
    assert compare.settings(default, variant, 65) == default


def test_table_rows():
    sgd, adam = (v for v in compare.VARIANTS if v.optimizer in ("sgd", "adam"))
    rows = {"sgd": [a_run(sgd, 1.5), a_run(sgd, 1.7, 1.5, 3000)]}
    rows["adam"] = [a_run(adam, math.log(2.0), diverged=True)]
    table = compare.table("optimiser", rows).splitlines()
    assert [line.count("|") for line in table] == [9] * 4
    assert table[2].endswith("| 2,000 | 1.6000 ± 0.1000 | 2.3083 | 1.00 |")
    assert table[3].startswith("| adam | 256 | 330,000 |")
    assert table[3].endswith("| 1,000, diverged | 0.6931 | 1.0000 | 0.50 |")


def test_compare_without_matplotlib(monkeypatch, capsys, tmp_path, paragraph):
    monkeypatch.setattr(compare.importlib.util, "find_spec", lambda name: None)
    page = tmp_path / "page.md"
    assert run(compare, monkeypatch, paragraph, "--steps", 2, "--workers", 1, "-o", page) == 0
    text, err = page.read_text("utf-8"), capsys.readouterr().err
    assert f"no plot: matplotlib is not installed; {shlex.quote(sys.executable)} -m pip " in err
    assert "![" not in text
    assert f"paragraph.txt: {len(PARAGRAPH)} characters" in text
    for name in (*OPTIMIZERS, *CELLS):
        assert f"\n| {name} | " in text


def test_rates_are_chosen_without_the_held_out_part(monkeypatch, capsys, paragraph):
    texts = []

    def train(base, variant, corpus):
        assert base.model.ngram_order == 0  # the networks are compared
        texts.append(corpus.vocab.decode(corpus.ids))
        return a_run(variant, variant.learning_rate)

    monkeypatch.setattr(compare, "train", train)
    assert run(compare, monkeypatch, paragraph, "--tune") == 0
    assert set(texts) == {PARAGRAPH[: len(PARAGRAPH) - math.ceil(len(PARAGRAPH) / 10)]}
    assert capsys.readouterr().out.count("\n") == len(compare.VARIANTS)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing.txt"], 1, "compare: nothing.txt: no such file"),
        (["--minutes", 0], 2, "compare: train.minutes: must be greater than 0"),
        (["-o", "/no/such/page.md"], 1, "compare: /no/such/page.md: "),
    ],
)
def test_compare_refuses_in_one_line(monkeypatch, capsys, arguments, code, message):
    assert run(compare, monkeypatch, *arguments) == code
    err = capsys.readouterr().err
    assert err.startswith(message)
    assert err.count("\n") == 1


@pytest.fixture
def quick_commands(monkeypatch):
    monkeypatch.setattr(results, "LENGTH", 500)
    monkeypatch.setattr(results, "RECORDS", 20)
    monkeypatch.setattr(results, "PROGRAM", program())


def test_the_program_is_that_of_this_checkout():
    assert results.charrnn("--version") == f"charrnn {__version__}\n"


def measured(tmp_path, text, **changes):
    corpus, model = tmp_path / "text.txt", tmp_path / "model.npz"
    corpus.write_text(text, "utf-8")
    trainer = trained(text, val_fraction=0.2, num_layers=1, **changes)
    trainer.checkpoint().save(model)
    best = trainer.checkpoint().training.state.best
    return best, len(trainer.corpus.validation), results.measure(model, corpus), corpus


@pytest.mark.usefixtures("quick_commands")
def test_a_model_is_measured_on_its_held_out_part(tmp_path):
    best, held_out, result, corpus = measured(tmp_path, PARAGRAPH)
    assert result.characters == held_out
    assert result.nats == pytest.approx(best, abs=1e-5)
    assert result.dynamic_nats == pytest.approx(best, rel=0.1)
    assert result.dynamic_nats != result.nats
    assert len(result.sample) == 500
    row = results.table_row(results.Row(corpus, "tiny", 2.0), result)
    cells = row.removeprefix("| ").removesuffix(" |").split(" | ")
    assert len(cells) == len(results.COLUMNS)
    assert cells[:5] == ["text.txt", "tiny", f"{result.parameters:,}", "2", f"{best:.4f}"]
    assert cells[5] == f"{best / math.log(2):.4f}"


@pytest.mark.parametrize(
    ("records", "optimizer", "adapts"),
    [("none", "adam", True), ("none", "sgd", False), ("line", "adam", False)],
)
def test_only_models_that_can_adapt_are_scored_so(
    monkeypatch, paragraph, records, optimizer, adapts
):
    config = {"data": {"records": records, "unit": "char"}, "train": {"optimizer": optimizer}}
    answer = {"config": config, "parameters": 5, "characters": 50, "nats_per_char": 1.0}
    answer |= {"baselines": {"6-gram": {"bits_per_char": 2.0}}, "dynamic": {"nats_per_char": 0.5}}
    answer |= {"text": "abc", "overlap": {"longest": 3, "share": 0.0}}
    commands = []

    def charrnn(*arguments):
        commands.append(arguments)
        return json.dumps(answer) + "\n"

    monkeypatch.setattr(results, "charrnn", charrnn)
    result = results.measure("model.npz", paragraph)
    assert result.dynamic_nats == (0.5 if adapts else None)
    assert sum("--dynamic" in arguments for arguments in commands) == adapts
    assert sum("--held-out" in arguments for arguments in commands) == 1
    assert result.baselines == {"6-gram": 2.0}


@pytest.mark.usefixtures("quick_commands")
def test_a_model_of_records_is_measured_record_by_record(tmp_path):
    best, _, result, corpus = measured(tmp_path, RECORDS, records="line")
    assert result.nats == pytest.approx(best, abs=1e-5)
    assert result.dynamic_nats is None
    assert result.sample.count("\n") == 19
    row = results.table_row(results.Row(corpus, "names", 1.0), result)
    assert "|  |  |" in row
    assert f"| {result.network_nats:.4f} | {result.ngram_nats:.4f} |" in row


@pytest.mark.usefixtures("quick_commands")
def test_a_model_of_words_is_measured_in_characters(tmp_path):
    best, words, result, corpus = measured(tmp_path, PARAGRAPH * 3, unit="word")
    assert words < result.characters < 6 * words
    assert result.nats == pytest.approx(best * words / result.characters, rel=1e-4)
    assert (result.dynamic_nats, result.longest_overlap, result.overlap) == (None, None, None)
    cells = results.table_row(results.Row(corpus, "words", 1.0), result).split("|")[1:-1]
    assert len(cells) == len(results.COLUMNS)


def test_the_sample_is_indented_and_escaped(paragraph):
    sample = "a\n\nb\x1b[1m \n"
    result = results.Result(900, 50, 1.0, None, None, None, {"5-gram": 2.0}, sample, 7, 0.25)
    details = results.details(results.Row(paragraph, "tiny", 0.1), result)
    heading, _, shown = details.partition(":\n\n")
    assert "paragraph.txt, tiny, 0.1 minutes" in heading
    assert "5-gram 2.0000" in heading
    assert shown == "    a\n\n    b\\x1b[1m\n"


def test_a_row_may_be_trained_for_time_of_the_cpu(tmp_path, paragraph):
    results.train(results.Row(paragraph, "tiny", 0.001), tmp_path / "model.npz", cpu=True)
    state = Checkpoint.load(tmp_path / "model.npz", training=True).training.state
    assert state.workers == 1
    assert state.seconds >= 0.05


def test_results_refuse_before_they_train(monkeypatch, capfd, tmp_path, paragraph):
    monkeypatch.setattr(results, "train", lambda *_: pytest.fail("trained"))
    model = tmp_path / "model.npz"
    assert run(results, monkeypatch, paragraph, "min-char-rnn", 1.0) == 1
    assert "min-char-rnn: holds nothing out" in capfd.readouterr().err
    assert run(results, monkeypatch, paragraph, "tinny", 1.0) == 2
    assert "did you mean 'tiny'?" in capfd.readouterr().err
    model.touch()
    assert run(results, monkeypatch, paragraph, "tiny", 1.0, "-o", model) == 1
    assert "model.npz: already exists" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        run(results, monkeypatch, paragraph)


def test_a_row_without_its_corpus_is_left_out(monkeypatch, capsys, tmp_path, paragraph):
    here, missing = (
        results.Row(path, "tiny", 0.5) for path in (paragraph, tmp_path / "nowhere.txt")
    )
    monkeypatch.setattr(results, "ROWS", (here, missing))
    assert results.available_rows() == [here]
    assert "nowhere.txt, tiny, 0.5 minutes: left out" in capsys.readouterr().err


SMALL_TASKS = (
    Task("train", "rnn", H=4, L=1, N=1, T=3, V=5),
    Task("train", "gru", H=4, L=2, N=4, T=3, V=5),
    Task("sample", "lstm", H=4, L=1, N=2, T=3, V=5),
    Task("eval", "lstm", H=4, L=1, V=5, characters=50),
)


@pytest.mark.parametrize(
    ("task", "name", "characters"),
    [
        (SMALL_TASKS[0], "rnn 4x1, 1x3", 3),
        (SMALL_TASKS[1], "gru 4x2, 4x3", 12),
        (SMALL_TASKS[2], "sample 2 streams, lstm 4x1", 6),
        (SMALL_TASKS[3], "eval 5e-05 MB, lstm 4x1", 50),
    ],
)
def test_charrnn_works_on_every_kind_of_task(task, name, characters):
    assert task.name == name
    assert charrnn_.make(task, 1)() == characters


def test_names_end_with_the_last_of_them():
    task = Task("names", "lstm", H=4, L=1, N=200)
    assert task.name == "sample 200 names, lstm 4x1"
    assert 800 < charrnn_.make(task, 1)() < 3200  # 200 geometric lengths of mean 8


def test_the_classic_loop_and_charrnn_do_the_same_work():
    assert bench.supports("classic", SMALL_TASKS[0])
    assert not any(bench.supports("classic", task) for task in SMALL_TASKS[1:])
    assert classic.make(SMALL_TASKS[0], 1)() == charrnn_.make(SMALL_TASKS[0], 1)() == 3


def test_a_contender_answers_line_by_line(monkeypatch, capsys):
    task = '{"kind": "train", "cell": "rnn", "H": 4, "L": 1, "N": 1, "T": 3, "V": 5}'
    commands = [f'{{"make": {task}}}', '{"run": 0.01}', '{"facts": true}']
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(commands)))
    serve.main("charrnn_", 1, {"workers": 1})
    made, ran, facts = capsys.readouterr().out.splitlines()
    assert made == "{}"
    assert ran.startswith('{"rate": ')
    assert '"workers": 1' in facts


def test_ratios_are_taken_within_turns():
    assert bench.median_ratio([10.0, 1.0, 9.0], [5.0, 1.0, 3.0]) == 2.0


def test_the_speed_table_leaves_out_what_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(bench, "TRAINING", SMALL_TASKS[:2])
    monkeypatch.setattr(bench, "INFERENCE", SMALL_TASKS[2:])
    monkeypatch.setattr(bench, "PAUSE", 0.0)
    bench.speed(["1x3", "sample"], turns=1, seconds=0.01)
    out, err = capsys.readouterr()
    assert "torch is not installed" in err
    assert "jax is not installed" in err
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    assert [row.count("|") for row in rows] == [9] * 3
    assert rows[1].startswith("| rnn 4x1, 1x3 | ")
    assert rows[2].startswith("| sample 2 streams, lstm 4x1 | ")


def test_a_profile_counts_products(capsys):
    step_profile.table(SMALL_TASKS[1:2])
    row = capsys.readouterr().out.splitlines()[-1]
    name, calls, megabytes, share, _ = row.strip("| ").split(" | ")
    assert name == "gru 4x2, 4x3"
    assert int(calls) > 10
    assert float(megabytes) >= 0
    assert 0 < int(share.removesuffix("%")) <= 100


def test_operations_of_a_step():
    # 12 symbols: 12 x 12 recurrent weights twice, 4 x 12 between the layers, 4 x 5 outputs.
    assert step_profile.operations(SMALL_TASKS[1]) == 6 * 12 * (3 * 4 * 12 + 4 * 5)


@pytest.mark.parametrize("make", [lines.letters, lines.log])
def test_lines_are_scored_together_and_one_by_one(make):
    batch = list(itertools.islice(make(random.Random(1)), 10))
    assert [len(line) for line in batch] == [lines.LENGTH] * 10
    model = lines.untrained_model()
    assert lines.rate(model, batch, together=True) > 0
    assert lines.rate(model, batch, together=False) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_training_is_measured_on_a_corpus_of_any_size(paragraph):
    paragraph.write_text(PARAGRAPH * 40, "utf-8")
    rate, first_steps, mib = corpus_size.measure(paragraph, hidden_size=4)
    assert rate > 0
    assert first_steps > 0
    assert mib > 0


def test_the_machine_is_described_in_one_line():
    text = machine.describe()
    assert "load average" in text
    assert "NumPy" in text
    assert "BLAS kernels" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("info", "described"),
    [
        (
            "cpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx fma avx2\n",
            "AMD EPYC (family 25, model 1) avx2 fma",
        ),
        ("Features\t: fp asimd sve\n", "unknown processor asimd sve"),
        ("", "unknown processor"),
    ],
)
def test_the_processor_and_its_instructions(info, described, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    file.write_text(info)
    monkeypatch.setattr(machine, "CPUINFO", file)
    assert machine.processor() == described


def test_the_model_of_a_network():
    """One byte is 8 bits; every byte crosses a link twice, but for the rank's own share."""
    network = mpi.Network("slow", 1e6, 0.001)
    assert network.allreduce(2, 1000) == pytest.approx(0.002 + 0.008)
    assert network.allreduce(8, 1000) == pytest.approx(0.006 + 0.014)
    assert network.bcast(8, 125) == pytest.approx(0.006)  # a short one, along a tree
    assert network.bcast(512, 10**6) == pytest.approx(0.018 + 15.96875)


def test_the_model_of_computing():
    """An LSTM 128: 73,856 weights in products, 6 operations each for 2,048 symbols."""
    assert mpi.compute(128, 32) == pytest.approx(0.009553, rel=1e-3)
    assert mpi.compute(128, 4) == pytest.approx(0.2475 * 0.009553, rel=1e-3)


def test_the_predictions_are_a_table(monkeypatch, capsys):
    assert run(mpi, monkeypatch, "--only", "predictions") is None
    out = capsys.readouterr().out
    assert "| 10 Gbit/s, 50 us, LSTM 1024 | 84% | 82% | 81% | 95% | 95% | 93% |" in out


#: Each corpus with a network that has learned nothing, or something; `make soak` has both.
FEW, MANY = 2, 60
MIXTURES = [
    pytest.param(name, steps, marks=[pytest.mark.soak] if (number % 2) == (steps == FEW) else [])
    for number, name in enumerate(mixtures.CORPORA)
    for steps in (FEW, MANY)
]


@pytest.mark.parametrize(("name", "steps"), MIXTURES)
def test_a_mixture_is_never_worse_than_its_parts(name, steps):
    result = mixtures.run(name, hidden_size=16, steps=steps)
    assert result.held_out.excess < 1e-6
    assert result.unseen.excess < 0.02
