"""Sampling by the command line."""

import json

import pytest
from shell import SMALL, run, shell


def test_length_prime_and_seed(folder):
    a = run("sample", "-n", "100", "--seed", "5", cwd=folder)
    assert (a.code, len(a.out), a.err) == (0, 100, "")
    assert run("sample", "-n", "100", "--seed", "5", cwd=folder).out == a.out
    assert run("sample", "-n", "100", "--seed", "6", cwd=folder).out != a.out
    assert run("sample", "-n", "300", "--seed", "5", cwd=folder).out[:100] == a.out
    assert run("sample", "-n", "0", "--prime", "The", cwd=folder).out == b"The"
    primed = run("sample", "-n", "10", "--prime", "The fox", cwd=folder).out
    assert len(primed) == 17
    assert primed.startswith(b"The fox")
    assert run("sample", "-n", "99", cwd=folder).out != run("sample", "-n", "99", cwd=folder).out


def test_prime_file_and_unknown_characters(folder):
    (folder / "prime").write_text("The Ω fox\n", encoding="utf-8")
    args = ["sample", "-n", "5", "--prime-file", "prime"]
    assert run(*args, cwd=folder).code == 1
    skipped = run(*args, "--unknown", "skip", "--seed", "1", cwd=folder)
    assert skipped.out.decode().startswith("The Ω fox\n")
    assert len(skipped.out.decode()) == 15


def test_none_is_a_value_like_any_other(folder):
    (folder / "c.yaml").write_text("sample:\n  length: 7\n  seed: 1\n")
    endless = shell("charrnn sample -c c.yaml -n none --line-buffered | head -c 900", folder)
    assert (len(endless.out), endless.err) == (900, "")
    known = run("sample", "-c", "c.yaml", cwd=folder).out
    assert known == run("sample", "-c", "c.yaml", cwd=folder).out == endless.out[:7]
    other = ["sample", "-c", "c.yaml", "--seed", "none", "-n", "40"]
    assert run(*other, cwd=folder).out != run(*other, cwd=folder).out
    batch = run("sample", "-n", "none", "--json", cwd=folder)
    assert (batch.code, batch.out) == (2, b"")
    assert (
        batch.err == "charrnn: sample.length: samples drawn as a batch need a length; try -n 500\n"
    )


def test_greedy_and_the_filters_agree(folder):
    greedy = run("sample", "-n", "80", "--temp", "0", cwd=folder).out
    for flag in (["--top-k", "1"], ["--top-p", "1e-9"], ["--min-p", "1"]):
        assert run("sample", "-n", "80", *flag, cwd=folder).out == greedy


def test_stop_strings(folder):
    whole = run("sample", "-n", "400", "--seed", "2", cwd=folder).out.decode()
    stop = whole[50:52]
    cut = run("sample", "-n", "400", "--seed", "2", "--stop", stop, cwd=folder).out.decode()
    assert cut == whole[: whole.index(stop)]
    both = ["--stop", stop, "--stop", whole[20]]
    cut = run("sample", "-n", "400", "--seed", "2", *both, cwd=folder).out.decode()
    assert cut == whole[: min(whole.index(stop), whole.index(whole[20]))]
    assert b"\n" not in shell("charrnn sample --stop $'\\n'", folder).out


def test_a_sample_is_the_same_whatever_the_count(folder):
    args = ["sample", "-n", "30", "--seed", "9", "--json"]
    few = run(*args, "--count", "2", cwd=folder).out.splitlines()
    many = run(*args, "--count", "300", cwd=folder).out.splitlines()
    assert len(many) == 300
    assert len(few) == 2
    for a, b in zip(map(json.loads, many[:2]), map(json.loads, few), strict=True):
        assert a == b
    assert len({json.loads(line)["text"] for line in many}) > 290
    assert json.loads(run(*args, cwd=folder).out)["text"] == json.loads(few[0])["text"]
    streamed = run("sample", "-n", "30", "--seed", "9", cwd=folder).out.decode()
    assert streamed == json.loads(few[0])["text"]
    plain = run("sample", "-n", "30", "--seed", "9", "--count", "1", cwd=folder).out
    assert plain.decode() == streamed + "\n"


def test_json_has_what_is_needed(folder):
    result = run("sample", "--json", "--prime", "The", "--stop", "e", "--seed", "3", cwd=folder)
    record = json.loads(result.out)
    assert record["prime"] == "The"
    assert record["ended"] in ("stop", "length")
    assert record["seed"] == 3
    assert record["nats"] > 0
    assert "e" not in record["text"]


def test_the_config_gives_defaults_and_only_its_own_section_counts(folder):
    (folder / "c.yaml").write_text("model:\n  hidden_size: 999\nsample:\n  length: 7\n")
    assert len(run("sample", "-c", "c.yaml", cwd=folder).out) == 7
    assert len(run("sample", "-c", "c.yaml", "-n", "8", cwd=folder).out) == 8
    assert len(run("sample", cwd=folder, env={"CHARRNN_SAMPLE_LENGTH": "9"}).out) == 9
    (folder / "c.yaml").write_text("model:\n  hidden_sie: 999\n")
    assert run("sample", "-c", "c.yaml", cwd=folder).code == 2


@pytest.mark.parametrize("unit", ["char", "byte"])
@pytest.mark.parametrize(
    "text", ["Привет, мир! Как дела?\n", "春眠不觉晓 处处闻啼鸟。\n", "🦊👀🐓 → 🦊🍽\n"]
)
def test_other_scripts(tmp_path, unit, text):
    (tmp_path / "t").write_text(text * 60, encoding="utf-8")
    result = run("train", "t", "--unit", unit, "--steps", "30", *SMALL, cwd=tmp_path)
    assert result.code == 0, result
    out = run("sample", "-n", "50", "--prime", text[:3], cwd=tmp_path).out
    assert out.startswith(text[:3].encode())
    if unit == "char":
        assert len(out.decode()) == 53
    else:
        assert len(out) == len(text[:3].encode()) + 50
    assert run("eval", "t", cwd=tmp_path).code == 0


def test_a_model_of_any_bytes(tmp_path):
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    data = header + bytes(range(256)) * 30 + bytes(reversed(range(256))) * 10
    (tmp_path / "pic.png").write_bytes(data)
    assert run("train", "pic.png", "--steps", "30", *SMALL, cwd=tmp_path).code == 1
    made = run("train", "pic.png", "--unit", "byte", "--steps", "30", *SMALL, cwd=tmp_path)
    assert made.code == 0, made
    (tmp_path / "prime").write_bytes(header)
    out = run("sample", "-n", "64", "--prime-file", "prime", cwd=tmp_path).out
    assert out.startswith(header)
    assert len(out) == len(header) + 64
    record = json.loads(run("sample", "-n", "64", "--json", cwd=tmp_path).out)
    assert isinstance(record["text"], str)
    score = json.loads(run("eval", "--json", "pic.png", cwd=tmp_path).out)
    assert score["characters"] == len(data)


def test_sampled_lines_can_be_scored(folder):
    result = shell("charrnn sample --count 3 --stop $'\\n' | charrnn eval --lines -", folder)
    assert result.code == 0
    assert result.out.count(b"\n") == 3
