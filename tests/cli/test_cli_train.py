"""Training by the command line: signals, resuming, settings, reports."""

import json
import os
import signal
import time

import pytest
from shell import COLD, SMALL, on_terminal, run, run_process, start, wait_until

from charrnn.checkpoint import Checkpoint
from charrnn.cli.metrics import MetricsFile

# Automatic dropout would depend on the number of steps.
BASE = [*SMALL, "--set", "model.dropout=0", "--set", "train.schedule=constant"]
BASE += ["--set", "train.eval_every=20", "--seed", "3"]


def after_first_step(process, log):
    wait_until(lambda: process.poll() is not None or (log.exists() and log.read_bytes()))
    assert process.poll() is None, process.stderr.read()


def test_the_same_seed_gives_the_same_bytes(folder):
    args, other = ["train", "corpus.txt", "--steps", "25", *BASE], ["--seed", "4"]
    # In two processes: each has its own seed for the hashes of strings.
    assert run_process(*args, "-o", "a.npz", cwd=folder, program=COLD).code == 0
    assert run(*args, "-o", "b.npz", cwd=folder).code == 0
    assert run(*args, *other, "-o", "c.npz", cwd=folder).code == 0
    a, b, c = ((folder / name).read_bytes() for name in ("a.npz", "b.npz", "c.npz"))
    assert a == b != c


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_resuming_is_exact(folder, number):
    steps = ["--steps", "1500"]
    log = folder / "log"
    args = ["train", "corpus.txt", "-o", "a.npz", "--log", "log", *steps, *BASE]
    with start(*args, cwd=folder) as process:
        after_first_step(process, log)
        process.send_signal(number)
        err = process.communicate()[1].decode()
    assert process.returncode == -number, err
    assert "saved in a.npz; to continue: charrnn train corpus.txt -o a.npz --resume" in err
    done = json.loads(run("info", "-m", "a.npz", "--json", cwd=folder).out)["steps"]
    assert 0 < done < 1500
    # The settings are constant, so a run of fewer steps is the same; 1,500 only leave time.
    steps = ["--steps", str(done + 30)]
    resumed = run("train", "corpus.txt", "-o", "a.npz", "--resume", *steps, cwd=folder)
    assert resumed.code == 0, resumed
    assert f"resuming at step {done:,}" in resumed.err
    assert run("train", "corpus.txt", "-o", "b.npz", *steps, *BASE, cwd=folder).code == 0
    assert (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()


@pytest.mark.posix
def test_a_stopped_run_is_saved_before_its_model_is_measured(folder, monkeypatch):
    saved = []

    def killed(network, corpus, mixture):
        saved.append(Checkpoint.load(folder / "a.npz", training=True).training.state.step)
        raise MemoryError

    monkeypatch.setattr("charrnn.training.trainer.measure", killed)
    monkeypatch.setattr(
        MetricsFile,
        "step",
        lambda _, step: step.step == 3 and os.kill(os.getpid(), signal.SIGTERM),
    )
    assert run("train", "corpus.txt", "-o", "a.npz", *BASE, cwd=folder).code == 1
    assert saved == [3]


@pytest.mark.posix
def test_a_second_signal_ends_it_at_once(folder):
    heavy = ["--set", "model.hidden_size=256", "--set", "train.batch_size=64"]
    heavy += ["--set", "train.seq_length=128", "--set", "train.workers=1"]
    before = (folder / "model.npz").read_bytes()
    args = ["train", "corpus.txt", "--force", "--log", "log", *heavy]
    with start(*args, cwd=folder) as process:
        after_first_step(process, folder / "log")
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        err = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGTERM, err
    assert (folder / "model.npz").read_bytes() == before


@pytest.mark.posix
def test_an_ignored_signal_stays_ignored(folder):
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    args = ["train", "corpus.txt", "-o", "a.npz", "--log", "log", "--steps", "60", *BASE]
    with start(*args, cwd=folder, preexec_fn=ignore) as process:
        after_first_step(process, folder / "log")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_two_runs_on_one_output(folder):
    args = ["train", "corpus.txt", "-o", "a.npz"]
    with start(*args, "--log", "log", *SMALL, cwd=folder) as process:
        after_first_step(process, folder / "log")
        second = run(*args, "--force", *SMALL, cwd=folder)
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    assert second.code == 1
    assert f"another charrnn train (process {process.pid}) is writing to it" in second.err


def test_a_finished_run_says_so_and_can_be_made_longer(folder):
    again = run("train", "corpus.txt", "--resume", cwd=folder)
    assert again.code == 0
    assert "this run is complete" in again.err
    assert run("train", "corpus.txt", "--resume", "--steps", "160", cwd=folder).code == 0
    assert json.loads(run("info", "--json", cwd=folder).out)["steps"] == 160


def test_metrics(folder):
    log = ["--log", "m.jsonl"]
    assert (
        run("train", "corpus.txt", "-o", "a", "--steps", "100", *log, *BASE, cwd=folder).code == 0
    )
    assert (
        run("train", "corpus.txt", "-o", "a", "--resume", "--steps", "110", *log, cwd=folder).code
        == 0
    )
    records = [json.loads(line) for line in (folder / "m.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records] == [1, 20, 40, 50, 60, 80, 100, 110]
    assert [r["step"] for r in records if "validation" in r] == [20, 40, 60, 80, 100, 110]
    assert all(r["loss"] > 0 and r["smooth_loss"] > 0 and r["seconds"] > 0 for r in records)


def test_samples_during_training_go_to_stderr(folder):
    args = ["train", "corpus.txt", "--steps", "20", "--sample-every", "10", *SMALL]
    result = run(*args, "-o", "a.npz", cwd=folder)
    assert result.out == b""
    assert result.err.count("--- sample at step") == 2
    shown = on_terminal(*args, "-o", "b.npz", cwd=folder)[1]
    assert shown.count(b"--- sample at step") == 2
    # Samples change nothing in the run.
    args = ["train", "corpus.txt", "-o", "c.npz", "--steps", "20", *SMALL]
    assert run(*args, cwd=folder).code == 0
    assert (folder / "a.npz").read_bytes() == (folder / "c.npz").read_bytes()
    bad = run(*args, "--sample-every", "1", "--force", "--set", "sample.prime=Ω", cwd=folder)
    assert bad.code == 1
    assert "unknown character" in bad.err


def test_precedence_and_the_printed_config(folder):
    (folder / "my.yaml").write_text(
        "model:\n  hidden_size: 11\n  num_layers: 2\ntrain:\n  seed: 1\n"
    )

    def printed(*args, **env):
        result = run("train", "--print-config", *args, cwd=folder, env=env)
        assert result.code == 0, result
        (folder / "printed.yaml").write_bytes(result.out)
        return result.out.decode()

    out = printed("-c", "my.yaml")
    assert "hidden_size: 11 " in out
    assert printed("-c", "printed.yaml") == out
    env = {"CHARRNN_MODEL_HIDDEN_SIZE": "12", "CHARRNN_TRAIN_SEED": "2"}
    assert "hidden_size: 12 " in printed("-c", "my.yaml", **env)
    out = printed("-c", "my.yaml", "--set", "model.hidden_size=13", "--seed", "4", **env)
    assert "hidden_size: 13 " in out
    assert "num_layers: 2 " in out
    assert "seed: 4 " in out
    bad = run("train", "--print-config", cwd=folder, env={"CHARRNN_TRAIN_SEDE": "1"})
    assert bad.code == 2
    assert "did you mean 'CHARRNN_TRAIN_SEED'?" in bad.err


def test_the_printed_config_is_that_of_the_run(folder):
    sizes = ["--set", "model.hidden_size=null", "--set", "model.dropout=null"]
    rate = ["--set", "train.learning_rate=null"]
    for how in (["--resume", *sizes, *rate], ["--init-from", "model.npz", *sizes]):
        result = run("train", "corpus.txt", *how, "--print-config", cwd=folder)
        assert "hidden_size: 24 " in result.out.decode(), result
    other = ["train", "corpus.txt", "--resume", "--set", "model.hidden_size=25"]
    refused = run(*other, "--print-config", cwd=folder)
    assert (refused.code, refused.out) == (1, b"")
    assert refused.err == run(*other, cwd=folder).err


@pytest.mark.parametrize("preset", ["char-rnn", "default", "gru", "min-char-rnn", "words"])
def test_presets_work_by_name(folder, preset):
    result = run("train", "--print-config", "-c", preset, cwd=folder)
    assert result.code == 0, result


def test_the_classic_shows_its_smooth_loss(folder):
    args = ["train", "corpus.txt", "-o", "a.npz", "-c", "min-char-rnn", "--steps", "50"]
    _, shown = on_terminal(*args, cwd=folder, COLUMNS="150")
    assert b"smooth loss" in shown
    assert b"smooth loss" in run("info", "-m", "a.npz", cwd=folder).out


def test_a_run_that_diverges_keeps_the_last_good_file(folder):
    args = ["train", "corpus.txt", "-o", "a.npz", *SMALL, "--steps", "500"]
    # Each step multiplies the weights by 1 - 1000 * 0.9.
    wild = ["--set", "train.learning_rate=1000", "--set", "train.weight_decay=0.9"]
    wild += ["--set", "train.warmup=0", "--set", "train.schedule=constant"]
    wild += ["--set", "train.optimizer=sgd", "--set", "train.checkpoint_every=1"]
    result = run(*args, *wild, cwd=folder)
    assert (result.code, result.out) == (1, b"")
    # Either the loss overflows first, or a weight, with which the file is not replaced.
    last = result.err.splitlines()[-1]
    assert "no longer finite" in last or "not finite" in last
    assert 0 < json.loads(run("info", "-m", "a.npz", "--json", cwd=folder).out)["steps"] < 30
    assert run("sample", "-m", "a.npz", "-n", "5", cwd=folder).code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "text.txt", "--force"], "text.txt: is the text to train on"),
        (["-o", "./new.npz", "--log", "text.txt"], "text.txt: is a text or a model"),
        (["-o", "new.npz", "--log", "new.npz"], "new.npz: is a text or a model"),
        (["-o", "new.npz", "--log", "old.npz"], "old.npz: is a text or a model"),
    ],
)
def test_no_text_and_no_model_is_overwritten_by_accident(options, words, folder):
    (folder / "text.txt").write_text("some text to learn from\n" * 20)
    (folder / "old.npz").write_bytes((folder / "model.npz").read_bytes())
    before = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    done = run("train", "text.txt", *options, "--steps", "1", cwd=folder)
    assert done.code == 1
    assert words in done.err
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (["--steps", "1"], "for 1 step"),
        (["--steps", "2"], "for 2 steps"),
        (["--epochs", "0.125"], "for 0.125 epochs"),
    ],
)
def test_the_length_of_a_run_is_in_the_singular_or_plural(budget, words, folder):
    done = run("train", "corpus.txt", "-o", "a.npz", *budget, *SMALL, cwd=folder)
    assert done.err.splitlines()[0].endswith(f"held out; {words}")
    if budget[1] == "1":
        assert "nats" in done.err
        assert "; 1 step in 0:0" in done.err


def test_a_run_too_short_to_validate_says_so_and_ends(folder):
    text = (folder / "corpus.txt").read_bytes()
    (folder / "long.txt").write_bytes(text * 10)
    order = ["--set", "model.ngram_order=3"]  # what is chosen would be a line more
    args = ["train", "long.txt", "-o", "a.npz", "--minutes", "0.001", *BASE, *order]
    done = run(*args, "--set", "data.val_fraction=0.9", cwd=folder)
    assert done.code == 0
    lines = done.err.splitlines()
    assert len(lines) == 5
    assert "the held-out part also occurs in the training part" in lines[1]
    assert "validating on 131,072 of the 180,000 characters held out" in lines[2]
    assert "validation skipped: scoring 131,072 characters would take about " in lines[3]
    assert " of a 0.1 s budget, so the last parameters are kept; allow more time or" in lines[3]
    assert run("sample", "-m", "a.npz", "-n", "5", cwd=folder).code == 0


def test_fine_tuning_and_resuming_it(folder):
    (folder / "new.txt").write_text("Ŝi diris: ĉu vi venos? Ĝis!\n" * 60, "utf-8")
    args = ["train", "new.txt", "--init-from", "model.npz", *BASE[2:]]
    done = run(*args, "-o", "a.npz", "--steps", "20", cwd=folder)
    assert done.code == 0, done
    line = done.err.splitlines()[1]
    assert line.startswith("charrnn: starting from model.npz and its ")
    assert "3 (ĉĜŜ) added, " in line
    assert " kept although this text lacks them" in line
    # It has the old model's shape, and resuming does not need --init-from again.
    assert run("train", "new.txt", "-o", "a.npz", "--resume", "--steps", "30", cwd=folder).code == 0
    assert run(*args, "-o", "b.npz", "--steps", "30", cwd=folder).code == 0
    assert (folder / "a.npz").read_bytes() == (folder / "b.npz").read_bytes()
    facts = json.loads(run("info", "-m", "a.npz", "--json", cwd=folder).out)
    old = json.loads(run("info", "--json", cwd=folder).out)
    assert facts["hidden_size"] == 24
    assert facts["started_from"] == {"name": "model.npz", "sha256": old["weights_sha256"]}
    assert old["started_from"] is None
    assert (
        b"started from    model.npz, weights sha256 " in run("info", "-m", "a.npz", cwd=folder).out
    )
    assert run("sample", "-m", "a.npz", "--prime", "The fox", "-n", "5", cwd=folder).code == 0


def test_a_model_may_be_replaced_by_what_started_from_it(folder):
    before = json.loads(run("info", "--json", cwd=folder).out)
    args = ["train", "corpus.txt", "--init-from", "model.npz", "--steps", "2"]
    refused = run(*args, cwd=folder)
    assert refused.code == 1
    assert "model.npz: already exists; --resume continues its run, --force" in refused.err
    assert run(*args, "--force", cwd=folder).code == 0
    after = json.loads(run("info", "--json", cwd=folder).out)
    assert after["started_from"]["sha256"] == before["weights_sha256"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--init-from", "model.npz", "--resume"], 2, "only one of --resume and --init-from"),
        (["--init-from", "model.npz", "--set", "model.cell=gru"], 2, "model.cell is lstm, not gru"),
        (
            ["--init-from", "model.npz", "-c", "ten-minutes"],
            2,
            "in model.npz, the model to start from, model.hidden_size is 24, not 512; leave",
        ),
        (["--init-from", "model.npz", "--unit", "byte"], 2, "data.unit is char, not byte"),
        (["--init-from", "missing.npz"], 1, "missing.npz: cannot be read"),
        (["--init-from", "corpus.txt"], 1, "corpus.txt: is not a charrnn checkpoint"),
    ],
)
def test_what_cannot_be_started_from(options, code, words, folder):
    done = run("train", "corpus.txt", "-o", "a.npz", *options, cwd=folder)
    assert done.code == code
    assert words in done.err
    assert not (folder / "a.npz").exists()
