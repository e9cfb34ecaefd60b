"""Sampling of lines by the command line: words, primes, temperatures, the keyboard."""

import json
import signal

import pytest
from shell import SMALL, Terminal, on_terminal, run, start

from charrnn.data.words import words_of

SAMPLE = ["sample", "--seed", "3", "-n", "60"]


def test_lines_are_samples_that_end_with_a_newline(folder):
    result = run(*SAMPLE, "--lines", "12", cwd=folder)
    lines = result.out.decode().splitlines()
    assert (result.code, len(lines), result.err) == (0, 12, "")
    assert "" not in lines
    counted = run(*SAMPLE, "--count", "40", "--stop", r"\n", cwd=folder).out.decode().splitlines()
    assert [line for line in counted if line][:12] == lines
    primed = run(*SAMPLE, "--lines", "2", "--prime", "The ", cwd=folder).out.decode().splitlines()
    assert [line[:4] for line in primed] == ["The ", "The "]
    rows = run(*SAMPLE, "--lines", "12", "--json", cwd=folder).out.splitlines()
    assert [json.loads(row)["text"] for row in rows] == lines


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (r"The\nfox", "The\nfox"),
        (r"\n\n", "\n\n"),
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_escapes_of_a_prime(folder, typed, meant):
    out = run(*SAMPLE, "--prime", typed, cwd=folder).out.decode()
    assert out.startswith(meant)
    assert len(out) == len(meant) + 60
    whole = run("sample", "--seed", "3", "-n", "400", cwd=folder).out.decode()
    stopped = run("sample", "--seed", "3", "-n", "400", "--stop", r"\n", cwd=folder).out.decode()
    assert stopped == whole.split("\n")[0]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (r"\d", r"--prime: '\d' is not an escape; the escapes are \n, \t and \\ (a backslash)"),
        ("x\\", "--prime: '\\' is not an escape; the escapes are \\n, \\t and \\\\ (a backslash)"),
        (r"$\n", "--prime: this shell does not know $'...'; leave out the $"),
        (r"a\\n", "prime: unknown character"),
        (r"a\tb", "prime: unknown character"),
    ],
)
def test_what_is_no_escape_is_an_error(folder, typed, message):
    result = run(*SAMPLE, "--prime", typed, cwd=folder)
    assert result.code in (1, 2)
    assert result.err.startswith(f"charrnn: {message}")


def test_only_words_of_a_file(folder):
    (folder / "words.txt").write_text("the fox\nand, a CROW ran\n")
    lines = run(*SAMPLE, "--lines", "20", "--words", "words.txt", cwd=folder).out.decode()
    found = {word.lower() for word in words_of(lines)}
    assert found <= {"the", "fox", "and", "a", "crow", "ran"}
    assert len(found) > 4
    assert "crow" not in set(words_of(lines))  # its own capitals stay
    piped = run(
        *SAMPLE, "--lines", "20", "--words", "-", stdin="the fox and a CROW ran", cwd=folder
    )
    assert piped.out.decode() == lines
    streamed = run(*SAMPLE, "--words", "words.txt", cwd=folder).out.decode()
    assert {word.lower() for word in words_of(streamed)} <= found | {"ran"}
    assert len(streamed) == 60


def test_only_words_of_the_corpus(folder):
    corpus = (folder / "corpus.txt").read_text("utf-8").lower()
    lines = run(*SAMPLE, "--lines", "50", "--words", "known", cwd=folder).out.decode()
    assert {word.lower() for word in words_of(lines)} <= set(words_of(corpus))


def test_words_that_cannot_be_used_are_an_error(folder):
    (folder / "words.txt").write_text("Ω ΩΩ")
    result = run(*SAMPLE, "--words", "words.txt", cwd=folder)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("charrnn: words: none of 2 words can be written with the chara")
    assert run(*SAMPLE, "--words", "missing", cwd=folder).code == 1
    twice = run(*SAMPLE, "--words", "-", "--prime-file", "-", cwd=folder)
    assert (twice.code, "read only once" in twice.err) == (2, True)
    cut = run(*SAMPLE, "--words", "known", "--stop", "e", cwd=folder)
    assert cut.err.startswith("charrnn: sample.stop: 'e' could cut a word of the list; ")


def test_samples_that_no_word_can_continue_end_and_this_is_said(tmp_path):
    (tmp_path / "dna").write_text("GATTACACATGAT" * 40)
    assert run("train", "dna", "--steps", "3", *SMALL, cwd=tmp_path).code == 0
    (tmp_path / "words").write_text("CAT GATTACA")
    several = run("sample", "--words", "words", "--count", "3", cwd=tmp_path)
    assert set(several.out.decode().split()) <= {"CAT", "GATTACA"}
    assert several.err == "charrnn: 3 samples ended early: no listed word could continue\n"
    one = run("sample", "--words", "words", cwd=tmp_path)
    assert one.err == "charrnn: 1 sample ended early: no listed word could continue\n"
    as_json = run("sample", "--words", "words", "--json", cwd=tmp_path)
    assert json.loads(as_json.out)["ended"] == "words"
    endless = run("sample", "--words", "words", "--forever", cwd=tmp_path)
    assert endless.out.decode() in ("CAT", "GATTACA")


def test_repeats_are_left_out(folder):
    args = ["sample", "--lines", "30", "--temp", "0.1", "-n", "12", "--seed", "1"]
    plain = run(*args, cwd=folder).out.decode().splitlines()
    unique = run(*args, "--unique", cwd=folder)
    lines = unique.out.decode().splitlines()
    assert len(set(plain)) < 30
    assert len(lines) == len(set(lines))
    assert "repeated" in unique.err


def test_temperatures_one_after_another(folder):
    result = run(*SAMPLE, "--temp", "0.2,1", "--lines", "2", cwd=folder)
    single = [
        run(*SAMPLE, "--temp", temp, "--lines", "2", cwd=folder).out.decode()
        for temp in ("0.2", "1")
    ]
    expected = f"--- temperature 0.2\n{single[0]}\n--- temperature 1\n{single[1]}"
    assert (result.code, result.out.decode()) == (0, expected)
    text = run(*SAMPLE, "--temp", "0.2,1", cwd=folder).out.decode()
    assert text.startswith("--- temperature 0.2\n")
    assert text.endswith("\n")
    rows = run(*SAMPLE, "--temp", "0.2,1", "--json", cwd=folder).out.splitlines()
    assert [json.loads(row)["temperature"] for row in rows] == [0.2, 1.0]


def test_temperatures_side_by_side(folder):
    code, shown = on_terminal(*SAMPLE, "--temp", "0.2,0.7,1.2", cwd=folder, COLUMNS="80")
    rows = shown.decode().splitlines()
    assert code == 0
    assert rows[0].split("   ") == [
        "temperature 0.2" + " " * 9,
        "temperature 0.7" + " " * 9,
        "temperature 1.2",
    ] or (rows[0].split() == ["temperature", "0.2", "temperature", "0.7", "temperature", "1.2"])
    assert all(len(row) <= 80 for row in rows)
    single = run(*SAMPLE, "--temp", "0.7", cwd=folder).out.decode()
    column = [row[27:51].rstrip() for row in rows[2:]]
    assert " ".join(column).split() == single.split()
    narrow = on_terminal(*SAMPLE, "--temp", "0.2,0.7,1.2", cwd=folder, COLUMNS="30")[1]
    assert narrow.startswith(b"--- temperature 0.2\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "2", "--lines", "2"], "give only one of --count and --lines"),
        (["--primes", "f", "--prime", "x"], "give only one of --prime and --primes"),
        (["-i", "--lines", "2"], "give only one of --interactive and --lines"),
        (["--primes", "f", "--novel"], "give only one of --primes and --novel"),
        (["--forever", "--lines", "2"], "give only one of --forever and --lines"),
        (["--temp", "1,2", "-i"], "give only one temperature with --interactive"),
        (["--temp", "1,x"], "--temp: must be a number, not 'x'"),
        (["--lines", "0"], "--lines: must be at least 1, not 0"),
    ],
)
def test_options_that_do_not_go_together(folder, options, message):
    result = run("sample", *options, cwd=folder)
    assert (result.code, result.out) == (2, b"")
    assert result.err.splitlines()[0] == f"charrnn: {message}"


def test_each_prime_is_continued_to_the_end_of_its_line(folder):
    (folder / "primes").write_text("The fox\nA crow \n\nThe fox", newline="")
    result = run(*SAMPLE, "--primes", "primes", cwd=folder)
    lines = result.out.decode().splitlines()
    assert (result.code, result.err, len(lines)) == (0, "", 4)
    starts = ["The fox", "A crow ", "", "The fox"]
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))
    single = run(*SAMPLE, "--prime", "The fox", "--stop", r"\n", cwd=folder).out.decode()
    assert lines[0] == single
    windows = run(*SAMPLE, "--primes", "-", stdin="The fox\r\nA crow \r\n", cwd=folder).out
    assert windows.decode().splitlines() == lines[:2]
    rows = run(*SAMPLE, "--primes", "primes", "--json", cwd=folder).out.splitlines()
    records = [json.loads(row) for row in rows]
    assert [one["prime"] + one["text"] for one in records] == lines
    assert [one["index"] for one in records] == [0, 1, 2, 3]


def test_a_prime_that_is_unknown_ends_the_answers(folder):
    args = [*SAMPLE, "--primes", "-"]
    result = run(*args, stdin="The fox\nThe Ω\nA crow\n", cwd=folder)
    assert (result.code, result.out.count(b"\n")) == (1, 1)
    assert result.err.startswith("charrnn: prime 2: unknown character")
    skipped = run(*args, "--unknown", "skip", stdin="The fox\nThe Ω\nA crow\n", cwd=folder)
    assert skipped.out.count(b"\n") == 3


@pytest.mark.parametrize("option", [["--primes", "-"], ["-i"]])
def test_answers_come_line_by_line_through_pipes(folder, option):
    with start(*SAMPLE, *option, cwd=folder) as process:
        for prime in (b"The fox", b"A crow", b"The end"):
            process.stdin.write(prime + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(prime)
        process.stdin.close()
        assert (process.wait(), process.stderr.read()) == (0, b"")


def test_a_conversation_at_a_terminal(folder):
    with Terminal("sample", "-i", "--seed", "1", "-n", "30", "--words", "known", cwd=folder) as t:
        t.wait_for(b"0.8> ")
        t.type(b"The fix\x7f\x7fox\n")
        t.wait_for(
            b"0.8> ",
        )
        t.type(b"\t")
        t.type(b"\x1b[A\x1b[A\x1b[B")
        t.wait_for(b"0.9> ")
        t.type("The Ω\n".encode())
        t.wait_for(b"unknown character")
        t.type(b"A\x15\x04")
        code, shown = t.finish()
    text = shown.decode()
    assert code == 0
    assert text.count("0.8> The fix\b \b\b \box") == 1
    assert text.count("0.8> The fox") == 1  # by Tab
    assert text.count("0.9> The Ω") == 1
    assert "\x1b[K1> " in text


def test_ctrl_c_at_the_keyboard_leaves_the_terminal_as_it_was(folder):
    script = "trap : INT; charrnn sample -i; echo code $?; stty -a"
    with Terminal("-c", script, cwd=folder, program="/bin/bash") as t:
        t.wait_for(b"0.8> ")
        t.type(b"\x03")
        _, shown = t.finish()
    assert b"code 130" in shown
    assert b" icanon" in shown
    assert b"intr = ^C" in shown
    assert b"-icanon" not in shown


def test_the_seed_is_told_on_a_terminal(folder):
    code, shown = on_terminal("sample", "-n", "20", cwd=folder)
    text, told = shown.decode().rsplit("charrnn: repeat with: --seed ", 1)
    assert code == 0
    again = run("sample", "-n", "20", "--seed", told.strip(), cwd=folder).out.decode()
    assert again == text.removesuffix("\n") if not again.endswith("\n") else text
    assert b"--seed" not in on_terminal("sample", "-n", "20", "--seed", "1", cwd=folder)[1]
    assert run("sample", "-n", "20", cwd=folder).err == ""


def test_the_seed_of_an_endless_text_is_told_first(folder):
    with Terminal("sample", "--forever", cwd=folder) as t:
        t.wait_for(b"\n")
        t.type(b"\x03")
        code, shown = t.finish()
    assert code == -signal.SIGINT
    assert shown.startswith(b"charrnn: repeat with: --seed ")
