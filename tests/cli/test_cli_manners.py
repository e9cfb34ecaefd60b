"""How the program behaves at a shell: streams, signals, exit codes, errors, help.

All of it in the C locale.
"""

import json
import os
import re
import shlex
import shutil
import signal

import pytest
from shell import COLD, SMALL, TEXT, Terminal, on_terminal, run, shell, start, wait_until, warm
from small import model


def test_stdin_is_read_only_when_asked_for(folder):
    # Its stdin stays open, unread.
    with start("sample", "-n", "5", cwd=folder, program=warm()) as process:
        assert len(process.stdout.read()) == 5
        assert process.wait(30) == 0
    assert run("sample", "-n", "0", "--prime-file", "-", cwd=folder, stdin="The").out == b"The"
    assert json.loads(run("eval", "--json", "-", cwd=folder, stdin="The").out)["characters"] == 3


def test_a_terminal_prompts_for_text_and_one_ctrl_d_is_enough(folder):
    with Terminal("eval", "-", cwd=folder, program=warm()) as terminal:
        terminal.wait_for(b"type the text to score, then press Ctrl-D")
        terminal.type(b"The fox\n\x04")
        code, shown = terminal.finish()
    assert code == 0
    assert b"         8  mixed    stdin" in shown


@pytest.mark.parametrize("command", ["eval -", "sample --prime-file -", "train - -o new.npz"])
def test_closed_stdin(folder, command):
    result = shell(f"charrnn {command} <&-", folder, program=COLD if command == "eval -" else None)
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "stdin is closed" in result.err


def test_stdout_holds_data_only(folder):
    assert len(shell("charrnn sample -n 100 2>/dev/null", folder).out) == 100
    assert len(shell("charrnn sample -n 100 2>&-", folder).out) == 100


def test_plain_progress_has_no_carriage_returns(trained_folder):
    said = (trained_folder / "train.err").read_text()
    assert "\r" not in said
    assert 2 < said.count("\n") < 30
    assert all(line.startswith("charrnn: ") for line in said.splitlines())


def test_progress_on_a_terminal_is_one_bar(folder):
    command = ["train", "corpus.txt", "-o", "bar.npz", "--steps", "30", *SMALL]
    code, shown = on_terminal(*command, cwd=folder, COLUMNS="160")
    assert code == 0
    assert b"\r" in shown
    for part in (b"100%|", b"train ", b"bits/char", b"char/s", b"left", b"val ", b"best "):
        assert part in shown


def test_quiet_is_silent_on_success(folder):
    result = run("train", "corpus.txt", "-o", "q.npz", "-q", "--steps", "3", *SMALL, cwd=folder)
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_exit_codes_are_documented(folder):
    for command in ("", "train", "sample", "eval", "info", "completion"):
        shown = " ".join(run(*command.split(), "--help", cwd=folder).out.decode().split())
        for code in ("0 done", "1 failed", "2 wrong", "130 int", "141 broken", "143 term"):
            assert code in shown


def test_ctrl_c_in_a_terminal_saves_and_dies_by_sigint(folder):
    with Terminal("train", "corpus.txt", "-o", "c c.npz", *SMALL, cwd=folder) as terminal:
        terminal.wait_for(b"bits/char")
        terminal.type(b"\x03")
        code, shown = terminal.finish()
    assert code == -signal.SIGINT
    assert b"\ncharrnn: stopping after this step, then saving\n" in shown
    # The command is on a line by itself, to be copied.
    assert b"to continue:\n  charrnn train corpus.txt -o 'c c.npz' --resume\n" in shown
    assert run("info", "-m", "c c.npz", cwd=folder).code == 0


@pytest.mark.parametrize("args", [["sample", "--forever"], ["eval", "-"]])
def test_ctrl_c_elsewhere(folder, args):
    with Terminal(*args, cwd=folder) as terminal:
        terminal.wait_for(b"type" if args[0] == "eval" else b" ")
        terminal.type(b"\x03")
        code, shown = terminal.finish()
    assert code == -signal.SIGINT
    assert b"Abort" not in shown
    assert b"Traceback" not in shown


def test_broken_pipe_is_silent(folder):
    endless = "charrnn sample --forever --line-buffered"
    result = shell(f"{endless} | head -c 300; echo ${{PIPESTATUS[0]}} >&2", folder, program=COLD)
    assert len(result.out) == 300
    assert result.err == "141\n"
    help = shell("charrnn --help | true; exit ${PIPESTATUS[0]}", folder, program=COLD)
    assert help.code in (0, 141)


@pytest.mark.parametrize("what", ["--lines", "--chars", "--lines --json"])
def test_a_broken_pipe_ends_scoring(folder, what):
    endless = "yes 'The fox ran.' | charrnn eval"
    result = shell(f"{endless} {what} - | head -n 3; echo ${{PIPESTATUS[@]}} >&2", folder)
    assert result.out.count(b"\n") == 3
    assert result.err == "141 141 0\n"


@pytest.mark.parametrize(
    "command",
    [
        *(
            "sample",
            "sample --forever --line-buffered",
            "--help",
            "--version",
            "info",
            "completion fish",
        ),
        *("eval corpus.txt", "eval --lines corpus.txt", "train --print-config"),
    ],
)
def test_full_and_closed_stdout(folder, command):
    for where, why in ((">/dev/full", "no space left on device"), (">&-", "stdout is closed")):
        program = COLD if command == "sample" else None
        result = shell(f"charrnn {command} {where}", folder, program=program)
        assert result.code == 1, result
        assert result.err.startswith("charrnn: ")
        assert why in result.err
        assert result.err.count("\n") == 1


def test_full_stderr_changes_nothing(folder):
    assert shell("charrnn nope 2>/dev/full", folder).code == 2
    command = f"charrnn train corpus.txt -o f.npz --steps 2 {' '.join(SMALL)}"
    assert shell(f"{command} 2>/dev/full", folder).code == 0
    assert shell(f"{command} --force >&- 2>&- <&-", folder, program=COLD).code == 0
    assert run("info", "-m", "f.npz", cwd=folder).code == 0


def test_a_terminal_gets_each_character_and_a_last_newline(folder):
    args = ["sample", "-n", "40", "--prime", "The", "--seed", "1"]
    code, shown = on_terminal(*args, cwd=folder, program=COLD)
    piped = run(*args, cwd=folder).out
    assert code == 0
    assert len(piped) == 43
    assert shown == piped + b"\n" * (not piped.endswith(b"\n"))


@pytest.mark.posix
def test_line_buffered(folder):
    with start("sample", "--forever", "--line-buffered", cwd=folder) as process:
        line = process.stdout.readline()  # would wait for a whole block otherwise
        process.stdout.close()
        assert line.endswith(b"\n")
        assert process.wait(30) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_control_characters_are_shown_on_a_terminal_only(tmp_path):
    (tmp_path / "bell").write_text("a\x1b[2J\x07é\n" * 400, encoding="utf-8")
    assert run("train", "bell", "--steps", "40", *SMALL, cwd=tmp_path).code == 0
    sample = ["sample", "-n", "60", "--seed", "1"]
    piped = run(*sample, cwd=tmp_path).out
    assert b"\x1b[2J\x07\xc3\xa9" in piped
    shown = on_terminal(*sample, cwd=tmp_path)[1]
    assert rb"\x1b[2J\x07" + "é".encode() in shown
    assert b"\x1b" not in shown
    assert b"\x1b[2J\x07" in on_terminal(*sample, "--raw", cwd=tmp_path)[1]


def test_json_holds_no_control_characters(tmp_path):
    (tmp_path / "csi").write_text("a\x9b2Jé\x7f\n" * 400, encoding="utf-8")
    assert run("train", "csi", "--steps", "2", *SMALL, cwd=tmp_path).code == 0
    for args in (["info", "--json"], ["eval", "--lines", "--json", "csi"]):
        out = run(*args, cwd=tmp_path).out.decode()
        assert all(c.isprintable() for line in out.splitlines() for c in line)
        assert "\\u009b" in out


def test_text_of_every_kind_is_preserved(tmp_path):
    text = "a\r\nb\rc\0d\n\n😀e\u0301\x85\u2028x\n no newline at the end"
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbf" + f"{text}\n".encode() * 40 + text.encode())
    made = run("train", "t", "-o", "model.npz", "--steps", "2", *SMALL, cwd=tmp_path)
    assert made.code == 0, made
    rows = run("eval", "--lines", "t", cwd=tmp_path).out.decode().split("\n")
    assert [row.split("\t", 2)[2] for row in rows[:-1]] == (f"{text}\n" * 40 + text).split("\n")
    assert run("sample", "-n", "0", "--prime-file", "t", cwd=tmp_path).out.decode().startswith(text)
    other = run("sample", "--prime", "é", cwd=tmp_path)
    assert (other.code, "normalise the text to NFD" in other.err) == (1, True)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ("smaple", 2, "did you mean 'sample'?"),
        ("sample --tmep 1", 2, "did you mean '--temp'?"),
        ("train corpus.txt -o x --set model.hiden_size=3", 2, "did you mean 'hidden_size'?"),
        ("train corpus.txt -o x -c tinny", 2, "did you mean 'tiny'?"),
        ("train corpus.txt -o x --unit bite", 2, "did you mean 'byte'?"),
        ("sample --temp nan", 2, "--temp: must be a number, not 'nan'"),
        ("sample --top-p 1.5", 2, "--top-p: must be at most 1"),
        ("train corpus.txt -o x --minutes 2e6", 2, "--minutes: must be at most 1,000,000, not"),
        ("sample -n", 2, "option '-n' requires an argument"),
        ("sample --stop ''", 2, "--stop: must not be empty"),
        ("sample --forever --json", 2, "--json"),
        ("sample --prime a --prime-file b", 2, "only one of"),
        ("train", 2, "give a text file to train on, or - for stdin"),
        ("train corpus.txt --resume --force", 2, "only one of --resume and --force"),
        ("train corpus.txt -o x --steps 3 --epochs 2", 2, "only one of"),
        ("train - - -o x", 2, "read only once"),
        ("eval", 2, "give a text file to score"),
        ("completion", 2, "bash, zsh, fish"),
        ("train corpus.txt", 1, "model.npz: already exists; --resume continues its run, --force"),
        ("train corpus.txt -o none.npz --resume", 1, "no such file, so there is no run to resume"),
        ("train none.txt -o x", 1, "none.txt: no such file"),
        ("train texts -o x", 1, "texts: there is no text in this folder; give a text file"),
        ("train corpus.txt -o .", 1, "is a folder"),
        ("train corpus.txt -o none/x", 1, "does not exist"),
        ("train corpus.txt -o x --log none/log", 1, "none/log: cannot be written"),
        ("train corpus.txt -o x --encoding utf-17", 2, "must be an encoding"),
        (
            "train bad.txt -o x",
            1,
            "bad.txt: invalid UTF-8 at byte 1,024 (line 1): this looks like ",
        ),
        ("train utf16.txt -o x", 1, "--encoding utf-16"),
        ("train empty.txt -o x", 1, "the corpus is empty"),
        ("train one.txt -o x", 1, "'a' is the only character"),
        ("train corpus.txt -o x -c bad.yaml", 2, "bad.yaml:2:3: model.hiden_size: unknown key"),
        ("sample -m none.npz", 1, "none.npz: no such file; train a model with"),
        ("sample -m corpus.txt", 1, "corpus.txt: is not a charrnn checkpoint"),
        ("sample -m .", 1, "is a folder"),
        ("sample --prime Ω", 1, "prime: unknown character"),
        ("sample --prime Ω", 1, "skip such characters with --unknown skip"),
        ("sample --stop Ω --unknown skip", 1, " at character 1; leave it out\n"),
        ("sample --prime-file bad.txt", 1, "Western European text; try --encoding latin-1\n"),
        ("eval bad.txt", 1, "Western European text; try --encoding latin-1\n"),
        ("eval utf16.txt", 1, "this looks like UTF-16; try --encoding utf-16\n"),
        ("train bad.txt -o x", 1, "; try --encoding latin-1 or --unit byte\n"),
        ("train corpus.txt -o x --set train.stepz=3", 2, "--set train.stepz: unknown key; did you"),
        ("train corpus.txt --resume --set model.cell=rnn", 1, ": --init-from model.npz -o anoth"),
        ("train corpus.txt -o x --set 3", 2, "--set 3: give it as SECTION.KEY=VALUE"),
        ("sample --stop Ω", 1, "stop: unknown character"),
        ("eval none.txt", 1, "none.txt: no such file"),
        ("eval empty.txt", 1, "empty.txt: there is no text to score"),
        ("eval greek.txt", 1, "greek.txt: unknown character"),
        ("info -m bad.txt", 1, "not a charrnn checkpoint"),
    ],
)
def test_errors_are_a_line_that_says_what_and_where(folder, args, code, words):
    (folder / "bad.txt").write_bytes(b"a" * 1024 + b"\xff")
    (folder / "utf16.txt").write_bytes("hello".encode("utf-16"))
    (folder / "empty.txt").write_bytes(b"")
    (folder / "texts").mkdir()
    (folder / "one.txt").write_bytes(b"a" * 100)
    (folder / "greek.txt").write_text("The Ω\n", encoding="utf-8")
    (folder / "bad.yaml").write_text("model:\n  hiden_size: 3\n")
    before = sorted(os.listdir(folder))
    result = run(*shlex.split(args), cwd=folder)
    assert result.code == code, result
    assert words in result.err
    assert result.out == b""
    assert all(line.startswith("charrnn: ") for line in result.err.splitlines())
    assert result.err.count("\n") <= 2
    assert sorted(os.listdir(folder)) == before


@pytest.mark.posix
def test_files_may_have_any_name(folder):
    for name in ("-o try seed=3", "a\nb\x1b[31m\udce9ß"):
        text, out = f"./{name}.txt", f"./{name}.npz"
        (folder / text).write_bytes((folder / "corpus.txt").read_bytes())
        with start("train", "-o", out, *SMALL, "--", text[2:], cwd=folder) as process:
            said = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            said += process.stderr.read()
            assert process.wait(30) == -signal.SIGINT
        lines = said.decode().splitlines()
        assert all(line.startswith("charrnn: ") and line.isprintable() for line in lines)
        assert lines[-1].startswith("charrnn: stopped at step "), lines
        assert len(lines) < 6
        again = shell(f"{lines[-1].partition('to continue: ')[2]} --steps 1", folder)
        assert (again.code, "this run is complete" in again.err) == (0, True), again
        told = run("info", "-m", out, cwd=folder)
        assert told.code == 0
        assert all(line.isprintable() for line in told.out.decode().splitlines())
        assert json.loads(run("info", "-m", out, "--json", cwd=folder).out)["file"]
        assert json.loads(run("eval", "-m", out, "--json", text, cwd=folder).out)["characters"]
        for args in (["eval", f"{text}x"], ["sample", "-m", f"{out}x"], ["train", text, "-o", out]):
            refused = run(*args, cwd=folder)
            assert (refused.code, refused.err.count("\n")) == (1, 1), refused


def test_the_hint_names_the_command_behind_options(folder):
    assert "try 'charrnn sample --help'" in run("--debug", "sample", "--nope", cwd=folder).err


def test_a_misspelt_variable_is_reported(folder):
    for args in (["sample"], ["eval", "corpus.txt"], ["train", "corpus.txt", "-o", "x.npz"]):
        result = run(*args, cwd=folder, env={"CHARRNN_MODEL_HIDEN_SIZE": "3"})
        assert (result.code, result.out) == (2, b"")
        assert result.err == (
            "charrnn: CHARRNN_MODEL_HIDEN_SIZE: unknown setting; "
            "did you mean 'CHARRNN_MODEL_HIDDEN_SIZE'?\n"
        )
    wrong = run("sample", cwd=folder, env={"CHARRNN_SAMPLE_LENGTH": "many"})
    assert (wrong.code, wrong.out) == (2, b"")
    assert wrong.err.startswith("charrnn: CHARRNN_SAMPLE_LENGTH: must be null or a whole number")


def test_debug_shows_where(folder):
    result = run("sample", "-m", "none", "--debug", cwd=folder)
    assert result.code == 1
    assert "Traceback" in result.err
    assert result.err.endswith("or name one with -m\n")


def test_the_bare_program_prints_its_help(folder):
    bare = run(cwd=folder)
    assert (bare.code, bare.out) == (0, run("--help", cwd=folder).out)


def test_no_colour_where_it_is_unwanted(folder):
    from io import StringIO

    from charrnn.cli.output import color_wanted

    assert not color_wanted(StringIO())
    (folder / "fox.txt").write_text("The fxo said nothing.\n")
    heat = ["eval", "--heat", "fox.txt"]
    assert b"\x1b[38;5;16;48;5;203m" in on_terminal(*heat, cwd=folder)[1]
    for more, env in (
        (["--no-color"], {}),
        (["--color=never"], {}),
        ([], {"NO_COLOR": "1"}),
        ([], {"TERM": "dumb"}),
    ):
        code, shown = on_terminal(*heat, *more, cwd=folder, **env)
        assert code == 2
        assert b"\x1b[38" not in shown
    assert run(*heat, cwd=folder).code == 2


def test_colour_for_a_pipe_if_it_is_asked_for(folder):
    (folder / "a.txt").write_text("qqq\nthe\x07 \n")
    result = run(
        "eval", "--heat", "--color", "always", "--unknown", "score", "a.txt", cwd=folder
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    _, text = result.out.decode().split("\n\n", 1)
    assert "\x1b[38;5;16;48;5;203mqqq" in text  # nobody expects three of them
    assert "\x07" not in text
    assert text.count("\n") == 2
    assert re.sub(r"\x1b\[[\d;]*m", "", text).replace("\u21b5", "") == "qqq\nthe\\x07 \n"


def test_default_paths_and_nothing_else_is_written(trained_folder, folder):
    assert sorted(os.listdir(trained_folder)) == ["corpus.txt", "model.npz", "train.err"]
    (folder / "model.npz").rename(folder / "other.npz")
    assert run("sample", "-n", "5", cwd=folder).code == 1
    assert run("sample", "-n", "5", cwd=folder, env={"CHARRNN_MODEL": "other.npz"}).code == 0
    assert run("sample", "-n", "5", "-m", "other.npz", cwd=folder).code == 0


def test_an_existing_output_is_replaced_only_with_force(folder):
    before = (folder / "model.npz").read_bytes()
    assert run("train", "corpus.txt", *SMALL, cwd=folder).code == 1
    assert (folder / "model.npz").read_bytes() == before
    force = run("train", "corpus.txt", "--force", "--steps", "2", *SMALL, cwd=folder)
    assert force.code == 0, force
    assert (folder / "model.npz").read_bytes() != before


def test_resume_with_other_settings_names_both(folder):
    result = run("train", "corpus.txt", "--resume", "--set", "model.hidden_size=25", cwd=folder)
    assert result.code == 1
    assert "model.hidden_size is 24, not 25" in result.err
    (folder / "corpus.txt").write_text("another text, and not that one")
    result = run("train", "corpus.txt", "--resume", "--steps", "200", cwd=folder)
    assert result.code == 1
    assert "20,000 bytes" in result.err
    assert "30 bytes" in result.err


def test_json_never_holds_nan(folder):
    for args in (
        ["sample", "--json", "--temp", "0"],
        ["eval", "--json", "corpus.txt"],
        ["info", "--json"],
    ):
        result = run(*args, cwd=folder)
        assert result.out.count(b"\n") == 1

        def refuse(name):
            raise AssertionError(name)

        json.loads(result.out, parse_constant=refuse)


def test_out_of_memory_is_one_line(folder):
    result = shell(
        "ulimit -v 1500000; charrnn train corpus.txt -o big.npz --steps 1 "
        "--set model.hidden_size=20000 --set train.workers=1",
        folder,
        program=COLD,
    )
    assert result.code in (1, 2), result
    assert "memory" in result.err
    assert "Traceback" not in result.err
    assert not (folder / "big.npz").exists()


PIPELINES = [
    "cat *.txt | charrnn train - -o all.npz",
    "charrnn sample --temp 0.8 | tee poem.txt",
    "charrnn sample --count 200 --stop $'\\n' | sort -u | charrnn eval --lines - | sort -n | head",
    "git log --format=%s | charrnn eval -m commits.npz --lines - | sort -rn | head",
    # With the smallest model, because a whole block is written into the pipe, and another one.
    "CHARRNN_MODEL=smallest.npz; export CHARRNN_MODEL; charrnn sample --forever | head -c 1000",
]


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_pipelines_work_as_they_are_written(folder):
    commit = "git -c user.name=a -c user.email=a@b.c commit -q --allow-empty -m"
    subjects = [f"The fox ran{' on' * i}." for i in range(10)] + ["xq, zv. wkj"]
    commits = "\n".join(f"{commit} '{subject}'" for subject in subjects)
    made = shell(f"git init -q .\n{commits}\ncp model.npz commits.npz", folder)
    assert (made.code, made.err) == (0, "")
    model("ab\n", hidden_size=1).save(folder / "smallest.npz")
    (folder / "corpus.txt").write_text(TEXT[:5000] + "0123456789\n", encoding="utf-8")
    settings = (setting.partition("=") for setting in SMALL[1::2])
    env = {f"CHARRNN_{name.upper().replace('.', '_')}": value for name, _, value in settings}
    env |= {"CHARRNN_TRAIN_STEPS": "60"}
    train, tee, lines, log, forever = (
        shell(f"set -o pipefail; {pipeline}", folder, **env) for pipeline in PIPELINES
    )
    assert (train.code, train.out) == (0, b"")
    assert run("info", "-m", "all.npz", cwd=folder).code == 0
    assert (tee.code, tee.err, len(tee.out)) == (0, "", 500)
    assert (folder / "poem.txt").read_bytes() == tee.out
    assert (forever.code, forever.err, len(forever.out)) == (141, "", 1000)
    for result, least_first in ((lines, True), (log, False)):
        assert result.err == ""
        rows = [line.split(b"\t", 2) for line in result.out.splitlines()]
        assert len(rows) == 10
        bits = [float(row[0]) for row in rows]
        assert bits == sorted(bits, reverse=not least_first)
        assert all(int(row[1]) == len(row[2].decode()) for row in rows)
    assert log.out.splitlines()[0].endswith(b"\txq, zv. wkj")


@pytest.mark.posix
def test_a_signal_during_loading_just_ends_it(folder):
    with start("train", "-", "-o", "x.npz", cwd=folder) as process:
        wait_until(lambda: (folder / ".x.npz.lock").exists())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT
        assert process.stderr.read() == b""
    assert not (folder / "x.npz").exists()
