"""``charrnn demo``: samples before, during and after training, and a model to try."""

import signal

import pytest
from shell import run, start
from small import model

import charrnn
from charrnn.cli.demo import LENGTH, Request, demo
from charrnn.cli.streams import Session
from charrnn.errors import CheckpointError

#: Training of a second instead of half a minute.
SHORT = {"CHARRNN_TRAIN_STEPS": "40", "CHARRNN_MODEL_HIDDEN_SIZE": "24"}


def test_it_shows_what_is_learned_and_keeps_the_model(tmp_path):
    result = run("demo", "-o", "a b.npz", cwd=tmp_path, env=SHORT)
    assert result.code == 0, result
    samples = result.out.decode().strip().split("\n\nThe fox ")
    assert len(samples) == 4
    assert all(len(sample) > LENGTH / 2 for sample in samples)
    assert len(set(samples)) == 4
    said = [line.partition(": ")[2] for line in result.err.splitlines()]
    assert said[0] == "training on fables.txt, 86,027 characters, for 40 steps"
    assert "before training, it writes:" in said
    assert "after 4 steps, it writes:" in said
    assert "after 16 steps, it writes:" in said
    assert "after training, it writes:" in said
    assert "charrnn sample -m 'a b.npz' | charrnn eval -m 'a b.npz' --heat -" in result.err
    assert "charrnn report -m 'a b.npz'" in result.err
    # What the last sample shows is what the file holds.
    found = charrnn.load(tmp_path / "a b.npz")
    text = found.sample(LENGTH, prime="The fox ", temperature=0.7, seed=0)
    assert result.out.decode().endswith(f"\n\nThe fox {text}\n\n")


def test_a_file_is_replaced_only_on_request(tmp_path, monkeypatch, capsys):
    for name, value in SHORT.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "demo.npz"
    model().save(path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"demo\.npz: already exists; .*--force.* -o"):
        demo(Request(str(path), force=False, flags={}), Session())
    assert path.read_bytes() == before
    path.write_bytes(b"mine")
    with pytest.raises(CheckpointError, match=r"demo\.npz: exists and is not a charrnn model;"):
        demo(Request(str(path), force=False, flags={}), Session())
    assert path.read_bytes() == b"mine"
    path.write_bytes(before)
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.npz"]
    demo(Request(str(path), force=True, flags={"train.steps": 2, "train.seed": 5}), Session())
    assert charrnn.load(path).config.train.seed == 5
    capsys.readouterr()


@pytest.mark.posix
def test_ctrl_c_saves_nothing(tmp_path):
    env = SHORT | {"CHARRNN_TRAIN_STEPS": "1000000"}
    with start("demo", cwd=tmp_path, env=env) as process:
        shown = b""
        while b"before training" not in shown:
            line = process.stderr.readline()
            assert line, shown
            shown += line
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert err.decode().splitlines()[-1] == "charrnn: stopped; nothing was saved"
    assert list(tmp_path.iterdir()) == []
