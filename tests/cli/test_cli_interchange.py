"""A model made of named arrays, as with weights from PyTorch, at the command line."""

import json

import pytest
from shell import run
from small import PARAGRAPH, trained

import charrnn


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    model = trained().model
    made = charrnn.CharRNN.from_parameters(model.parameters(), model.vocab.symbols)
    made.save(folder / "made.npz")
    (folder / "corpus.txt").write_text(PARAGRAPH, "utf-8")
    return folder


def test_it_can_be_described_sampled_and_scored(folder):
    info = json.loads(run("info", "-m", "made.npz", "--json", cwd=folder).out)
    assert (info["cell"], info["hidden_size"], info["corpus"]) == ("lstm", 5, {})
    assert b"saved without its training state" in run("info", "-m", "made.npz", cwd=folder).out
    sample = run("sample", "-m", "made.npz", "-n", "40", "--seed", "1", cwd=folder)
    assert (sample.code, len(sample.out.decode())) == (0, 40)
    score = run("eval", "-m", "made.npz", "corpus.txt", "--json", cwd=folder)
    assert json.loads(score.out)["characters"] == len(PARAGRAPH)
    lines = run("eval", "-m", "made.npz", "--lines", "-", cwd=folder, stdin="the ox\nΩ\n")
    assert [line.split("\t")[1:] for line in lines.out.decode().splitlines()] == [
        ["6", "the ox"],
        ["1", "Ω"],
    ]


def test_it_can_be_fine_tuned_but_not_resumed(folder):
    args = ("train", "corpus.txt", "--steps", "2")
    tuned = run(*args, "--init-from", "made.npz", "-o", "tuned.npz", cwd=folder)
    assert tuned.code == 0, tuned.err
    assert charrnn.load(folder / "tuned.npz").origin.name == "made.npz"
    resumed = run(*args, "--resume", "-o", "made.npz", cwd=folder)
    assert resumed.code == 1
    assert resumed.err == (
        "charrnn: made.npz: this model was saved without its training state, so there is no run to "
        "resume; start a new run from this model: --init-from made.npz -o another.npz\n"
    )
