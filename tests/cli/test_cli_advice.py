"""What the program advises: what was probably meant, and doubts about a text or a result."""

import gzip
import json
import os
import shutil

import pytest
from shell import SMALL, TEXT, run, shell

from charrnn.cli.samples import Interval
from charrnn.errors import ConfigError


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["sample", "b.npz"], "unexpected argument 'b.npz'; did you mean -m b.npz?"),
        (["info", "b.npz"], "unexpected argument 'b.npz'; did you mean -m b.npz?"),
        (["demo", "b.npz"], "unexpected argument 'b.npz'; did you mean -o b.npz?"),
        (
            ["sample", "Once upon"],
            "unexpected argument 'Once upon'; did you mean --prime 'Once upon'?",
        ),
        (["completion", "bash", "zsh"], "unexpected argument 'zsh'"),
        (["corpus.txt"], "unknown command 'corpus.txt'; did you mean: charrnn train corpus.txt"),
        (["model.npz"], "unknown command 'model.npz'; did you mean: charrnn sample -m model.npz"),
        (
            ["train", "c", "--lr", "0.1"],
            "unknown option '--lr'; did you mean '--set train.learning_rate=0.1'?",
        ),
        (
            ["train", "c", "--hiden-size=64"],
            "unknown option '--hiden-size'; did you mean '--set model.hidden_size=64'?",
        ),
        (
            ["train", "c", "--dropout"],
            "unknown option '--dropout'; did you mean '--set model.dropout=...'?",
        ),
        (["train", "c", "--iters", "9"], "unknown option '--iters'; did you mean '--steps'?"),
        (
            ["sample", "--num-samples", "9"],
            "unknown option '--num-samples'; did you mean '--count'?",
        ),
        (["sample", "--top_k", "9"], "unknown option '--top_k'; did you mean '--top-k'?"),
        (["sample", "--xyzzy"], "unknown option '--xyzzy'"),
        (
            ["train", "c", "--minutes", "1m"],
            "--minutes: must be a number, not '1m'; did you mean 1?",
        ),
        (
            ["train", "c", "--minutes", "90 sec"],
            "--minutes: must be a number, not '90 sec'; did you mean 1.5?",
        ),
        (
            ["train", "c", "--minutes", "2h"],
            "--minutes: must be a number, not '2h'; did you mean 120?",
        ),
        (["train", "c", "--minutes", "-1"], "--minutes: must be greater than 0, not -1"),
        (
            ["train", "c", "--steps", "10k"],
            "--steps: must be a whole number like 64, not '10k'; did you mean 10000?",
        ),
        (
            ["train", "c", "--steps", "1,000"],
            "--steps: must be a whole number like 64, not '1,000'; did you mean 1000?",
        ),
        (["sample", "-n", "1.5"], "-n: must be a whole number like 64, not '1.5'"),
        (["sample", "--top-p", "0,5"], "--top-p: must be a number, not '0,5'; did you mean 0.5?"),
    ],
)
def test_what_was_meant_is_suggested(folder, args, said):
    result = run(*args, cwd=folder)
    assert (result.code, result.out) == (2, b"")
    assert result.err.splitlines()[0] == f"charrnn: {said}"
    assert result.err.splitlines()[1].startswith("charrnn: try 'charrnn")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--steps", "3", "--minutes", "2"], "give only one of --minutes and --steps"),
        (
            ["--steps", "3", "--set", "train.epochs=2"],
            "give only one of --set train.epochs and --steps",
        ),
    ],
)
def test_two_lengths_are_named_as_they_were_typed(folder, args, said):
    result = run("train", "corpus.txt", "-o", "x.npz", *args, cwd=folder)
    assert (result.code, result.err) == (2, f"charrnn: {said}\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["sample", "-m", "modle.npz"], "modle.npz: no such file; did you mean 'model.npz'?"),
        (
            ["train", "corpus.txt", "-o", "x", "--init-from", "modle.npz"],
            "modle.npz: cannot be read (No such file or directory); did you mean 'model.npz'?",
        ),
        (["eval", "corpus.tx"], "corpus.tx: no such file; did you mean 'corpus.txt'?"),
        (["train", "https://a.org/b.txt", "-o", "x"], "pipe it in with curl"),
        (["eval", "model.npz"], "model.npz: is a charrnn model, not a text; give a model with -m"),
        (
            ["train", "model.npz", "-o", "x"],
            "model.npz: is a charrnn model, not a text; to start from it, give it with --init-from",
        ),
        (
            ["eval", "dos.txt"],
            "line ends of Windows (CR LF), the model knows those of Unix (LF); convert the text "
            r"with dos2unix or tr -d '\r', or skip such characters with --unknown skip",
        ),
        (
            ["sample", "--prime", "ÜberΩ"],
            "prime: unknown characters 'Ü' (U+00DC, LATIN CAPITAL LETTER U WITH DIAERESIS), 'Ω' "
            "(U+03A9, GREEK CAPITAL LETTER OMEGA), the first at character 1; leave them out, or "
            "skip such characters with --unknown skip",
        ),
    ],
)
def test_wrong_files_and_characters_are_called_what_they_are(folder, args, said):
    (folder / "dos.txt").write_bytes(b"The fox ran.\r\n")
    result = run(*args, cwd=folder)
    assert (result.code, result.out, result.err.count("\n")) == (1, b"", 1)
    assert result.err.endswith(f"{said}\n")


def test_a_deleted_working_folder_is_named(tmp_path):
    commands = "charrnn train c.txt; charrnn sample; charrnn demo; charrnn eval -m /nowhere x"
    result = shell(f"mkdir gone; cd gone; rmdir ../gone; {commands}", tmp_path)
    said = "charrnn: the working folder has been deleted; change to another one\n"
    assert (result.code, result.err) == (1, said * 4)


def test_what_cannot_be_read_is_named_in_our_words(folder):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (folder / "corpus.txt").chmod(0)
    (folder / "model.npz").chmod(0)
    for args in (["train", "corpus.txt", "-o", "x.npz"], ["sample"], ["eval", "corpus.txt"]):
        result = run(*args, cwd=folder)
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert "permission denied" in result.err.lower()


# --- texts -------------------------------------------------------------------------------------


def trained(folder, *args):
    result = run("train", *args, "-o", "new.npz", "--force", *SMALL, cwd=folder)
    assert result.code == 0, result
    return result.err


def test_compressed_texts_and_folders_train_like_plain_text(folder):
    text = (folder / "corpus.txt").read_bytes()
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_bytes(text[:9_000])
    (folder / "texts" / "b.txt").write_bytes(text[9_000:])
    (folder / "texts" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "corpus.txt.gz").write_bytes(gzip.compress(text))
    weights = []
    for name in ("corpus.txt", "texts", "corpus.txt.gz"):
        said = trained(folder, name, "--steps", "2")
        assert ("leaving out 1 other file (texts/c.png)" in said) == (name == "texts")
        weights.append(json.loads(run("info", "-m", "new.npz", "--json", cwd=folder).out))
    assert len({facts["weights_sha256"] for facts in weights}) == 1
    assert weights[1]["corpus"]["name"] == "texts/a.txt texts/b.txt"
    quiet = run("train", "texts", "-o", "q.npz", "-q", "--steps", "1", *SMALL, cwd=folder)
    assert quiet.err == ""
    # So does scoring: rows for each text.
    rows = run("eval", "texts", cwd=folder).out.decode().splitlines()
    assert [line.split()[-1] for line in rows[::3]] == [
        "file",
        "texts/a.txt",
        "texts/b.txt",
        "total",
    ]


def test_a_log_is_not_written_among_the_texts(folder):
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text(TEXT[:9_000])
    args = ["train", "texts", "-o", "texts/a.npz", "--steps", "1", *SMALL]
    refused = run(*args, "--log", "texts/log", cwd=folder)
    assert (refused.code, refused.err) == (
        1,
        "charrnn: texts/log: would be one of the texts in texts; choose another file with --log\n",
    )
    # A model is no text, so it may be there.
    assert run(*args, "--log", "log", cwd=folder).code == 0
    assert run(*args[:4], "--resume", "--steps", "2", cwd=folder).code == 0


def test_many_files_have_a_short_name(folder):
    (folder / "texts").mkdir()
    for i in range(12):
        (folder / "texts" / f"{i:02}").write_text(TEXT[i * 900 : (i + 1) * 900])
    assert "on texts/00 texts/01 ... texts/11 (12 files): " in trained(
        folder, "texts", "--steps", "1"
    )


SMALL_TEXT = "only 900 characters to train on: expect gibberish; 50 KB of text or more work better"
TWICE = "the held-out part also occurs in the training part"


def test_a_hopeless_corpus_is_doubted(folder):
    (folder / "small").write_text(TEXT[:1000])
    assert SMALL_TEXT in trained(folder, "small", "--steps", "1")
    assert "gibberish" not in trained(folder, "corpus.txt", "--steps", "1")


def test_training_on_what_is_held_out_is_noticed(folder):
    assert TWICE in trained(folder, "corpus.txt", "corpus.txt", "--steps", "1")
    assert TWICE not in trained(folder, "corpus.txt", "--steps", "1")
    # Two copies are noticed in one file, too, and in wider ids.
    wide = TEXT[:9000] + "".join(map(chr, range(0x4E00, 0x4F00)))
    (folder / "twice").write_text(wide * 2, "utf-8")
    assert TWICE in trained(folder, "twice", "--steps", "1")


@pytest.mark.parametrize(
    ("end", "said"),
    [("\r\n", "the lines end with CR LF, as on Windows"), ("\r", "the lines end with CR, as on")],
)
def test_foreign_line_ends_are_noticed(folder, end, said):
    (folder / "lines").write_bytes(TEXT[:20_000].replace("\n", end).encode())
    assert said in trained(folder, "lines", "--steps", "1")
    assert "the lines end" not in trained(folder, "corpus.txt", "--steps", "1")


def many_characters():
    return TEXT[:15_000] + "".join(chr(0x4E00 + i % 2_500) for i in range(5_000))


def test_thousands_of_characters_are_noticed_and_can_be_cut(folder):
    (folder / "many").write_text(many_characters(), "utf-8")
    said = trained(folder, "many", "--steps", "1")
    assert (
        "2,560 distinct characters make the model large and slow; use bytes (--unit byte), or keep "
        "the 38 characters that occur 20 times or more (--set data.min_count=20)" in said
    )
    constant = ["model.dropout=0", "train.schedule=constant", "train.eval_every=10"]
    cut = [word for setting in ("data.min_count=20", *constant) for word in ("--set", setting)]
    said = trained(folder, "many", "--steps", "20", *cut)
    assert "2,522 characters occur fewer than 20 times and are replaced by one symbol" in said
    assert "make the model large" not in said
    facts = json.loads(run("info", "-m", "new.npz", "--json", cwd=folder).out)
    assert len(facts["vocabulary"]) == 39
    assert facts["vocabulary"][-1] == "\ufffd"
    # Characters that the model does not know are rare ones, wherever they come from.
    for args in (["eval", "many"], ["eval", "--held-out", "many"], ["eval", "--lines", "-"]):
        done = run(*args, "-m", "new.npz", cwd=folder, stdin="Ωß of 漢字\n")
        assert (done.code, done.err) == (0, ""), args
    assert run("sample", "-m", "new.npz", "--prime", "Ω", "-n", "3", cwd=folder).code == 0
    # Resuming needs no more than the text, and ends where one run would.
    more = run("train", "many", "-o", "new.npz", "--resume", "--steps", "30", cwd=folder)
    assert more.code == 0, more
    assert run("train", "many", "-o", "b.npz", "--steps", "30", *cut, *SMALL, cwd=folder).code == 0
    assert (folder / "new.npz").read_bytes() == (folder / "b.npz").read_bytes()
    other = run(
        "train", "many", "-o", "new.npz", "--resume", "--set", "data.min_count=2", cwd=folder
    )
    assert (other.code, "data.min_count is 20, not 2" in other.err) == (1, True)


# --- results -----------------------------------------------------------------------------------


def test_a_run_that_never_beat_a_guess_fails(folder):
    wild = ["train.optimizer=sgd", "train.learning_rate=1000", "train.max_grad_norm=0"]
    wild += ["train.max_update=0"]
    settings = [word for setting in wild for word in ("--set", setting)]
    args = ["train", "corpus.txt", "-o", "a.npz", "--steps", "20", *SMALL, *settings]
    result = run(*args, cwd=folder)
    assert (result.code, result.out) == (1, b"")
    last = result.err.splitlines()[-1]
    assert last.startswith("charrnn: a.npz: the run never predicted better than a uniform guess: ")
    assert last.endswith(
        " nats, against 4.0943 for a guess; try --set train.learning_rate=64 or "
        "--set train.max_grad_norm=0.1"
    )
    assert "try: charrnn sample" not in result.err
    # The same where nothing is held out to measure it.
    result = run(*args, "--force", "--set", "data.val_fraction=0", cwd=folder)
    assert (result.code, "never predicted better" in result.err) == (1, True)


def test_a_short_run_that_does_its_best_is_no_failure(folder):
    assert "try: charrnn sample" in trained(folder, "corpus.txt", "--steps", "1")


def test_another_text_leads_to_fine_tuning(folder):
    (folder / "other.txt").write_text("another text, and not that one")
    result = run("train", "other.txt", "--resume", "--steps", "200", cwd=folder)
    assert result.code == 1
    assert result.err.endswith(
        "; give the same text, or fine-tune this model on the other one: --init-from model.npz "
        "-o another.npz\n"
    )
    assert "--force" not in result.err


def test_a_complete_run_is_told_in_a_line(folder):
    before = (folder / "model.npz").read_bytes()
    again = run("train", "corpus.txt", "--resume", cwd=folder)
    assert again.err == (
        "charrnn: model.npz: this run is complete; to train longer, raise --steps\n"
    )
    assert (folder / "model.npz").read_bytes() == before


# --- samples and figures during the run --------------------------------------------------------


def test_samples_show_the_prime_and_how_good_the_model_is(folder):
    args = ["train", "corpus.txt", "-o", "a.npz", "--steps", "40", "--sample-every", "50%", *SMALL]
    said = run(*args, "--set", "sample.prime=The fox", cwd=folder).err
    heads = [line for line in said.splitlines() if line.startswith("--- ")]
    assert heads[0] == "--- sample before training"
    assert heads[1].startswith("--- sample at step 20: train 3.")
    assert heads[2].startswith("--- sample at step 40: train 2.")
    assert heads[2].split(", ")[2].startswith("val 1.")
    assert heads[2].split(", ")[4].startswith("network alone 2.")
    assert said.count("\nThe fox") == 3


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("500", Interval(500, "steps")),
        ("10s", Interval(10, "seconds")),
        ("2m", Interval(120, "seconds")),
        ("0.5m", Interval(30, "seconds")),
        ("5%", Interval(0.05, "share")),
    ],
)
def test_an_interval_is_of_steps_time_or_a_share(text, interval):
    assert Interval.parse(text) == interval


@pytest.mark.parametrize("text", ["", "0", "0s", "1.5", "x", "-5", "5 %", "10h", "s"])
def test_other_intervals_are_errors(text):
    with pytest.raises(ConfigError, match="must be a number of steps like 500, a time like 10s"):
        Interval.parse(text)


def test_the_training_loss_that_is_shown_does_not_lag(folder):
    args = ["train", "corpus.txt", "-o", "a.npz", "--steps", "100", "--log", "log", *SMALL]
    said = run(*args, "--set", "train.eval_every=100", cwd=folder).err
    log = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    assert [record["step"] for record in log] == [1, 50, 100]
    assert log[0]["recent_loss"] == log[0]["loss"]
    last = log[-1]
    assert f"step 100, 0.7 epochs, 100%: train {last['recent_loss']:.3f}, " in said
    assert abs(last["recent_loss"] - last["validation"]["network_nats_per_char"]) < 0.25
    assert last["validation"]["nats_per_char"] < last["validation"]["network_nats_per_char"]


def test_epochs_are_the_same_in_progress_and_info(folder):
    said = trained(folder, "corpus.txt", "--steps", "150")
    shown = run("info", "-m", "new.npz", cwd=folder).out.decode()
    assert "step 150, 1.1 epochs, 100%" in said
    assert "trained         150 steps of 8 x 16 characters, 1.1 epochs, " in shown


def test_the_chart_shows_training_beside_validation(folder):
    shown = run("info", cwd=folder).out.decode()
    assert "\nvalidation, nats per character\n" in shown
    assert "\ntraining, the single windows before each validation\n" in shown


def test_a_run_without_held_out_text_has_a_chart(folder):
    trained(folder, "corpus.txt", "-c", "min-char-rnn", "--steps", "30")
    shown = run("info", "-m", "new.npz", cwd=folder).out.decode()
    assert "\nsmooth training loss, nats per character\n" in shown
    assert shown.endswith("steps 1 to 30\n")
    args, more = ["-c", "min-char-rnn", *SMALL], ["--steps", "60"]
    assert run("train", "corpus.txt", "-o", "b.npz", *args, *more, cwd=folder).code == 0
    assert run("train", "corpus.txt", "-o", "new.npz", "--resume", *more, cwd=folder).code == 0
    assert (folder / "new.npz").read_bytes() == (folder / "b.npz").read_bytes()


def test_bidirectional_overrides_are_escaped_on_a_terminal():
    from charrnn.messages import escape_for_terminal

    assert escape_for_terminal("a\u202eb\u2066c\u2069é\n") == "a\\u202eb\\u2066c\\u2069é\n"
    assert escape_for_terminal("שלום\u200f") == "שלום\u200f"  # a mark that reorders nothing else


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_remedies_can_be_typed_as_they_stand(folder):
    result = run("train", "corpus.txt", "--resume", "--steps", "160", "--set", "model.cell=rnn",
                 cwd=folder)  # fmt: skip
    remedy = result.err.rpartition(": ")[2].strip()
    assert remedy == "--init-from model.npz -o another.npz"
    typed = f"charrnn train corpus.txt {remedy} --steps 1 --set train.workers=1"
    assert shell(typed, folder).code == 0


def test_a_run_that_stopped_early_is_told_in_a_line(folder):
    args = ["train", "corpus.txt", "-o", "a.npz", "--steps", "60", *SMALL]
    # A rate of nearly nothing: the second validation is no better than the first.
    early = ["--set", "train.learning_rate=1e-30", "--set", "train.eval_every=1"]
    assert run(*args, *early, "--set", "train.patience=2", cwd=folder).code == 0
    again = run("train", "corpus.txt", "-o", "a.npz", "--resume", cwd=folder)
    assert (again.code, again.err) == (
        0,
        "charrnn: a.npz: this run has stopped early; to continue anyway, resume with "
        "--set train.patience=0\n",
    )
    assert run("train", "corpus.txt", "-o", "a.npz", "--resume", "-q", cwd=folder).err == ""
