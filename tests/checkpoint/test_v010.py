"""Checkpoints written by version 0.1.0 load, score, resume and are saved as they were.

The files in ``v0.1.0`` and all expected figures come from that version:

- ``text.npz``: an LSTM of 2 layers of 6 units with dropout 0.3, 40 of 40 steps on
  ``corpus.txt``.
- ``titles.npz``: a GRU on ``titles.txt``, one record a line, 20 of 20 steps of Adam; it
  started from another model, ``base.npz``.

Scores are compared to 1 part in 10,000, because their last digits depend on the BLAS.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm
from checkpoint_tools import equal_arrays

import charrnn
from charrnn.checkpoint import Checkpoint
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.threads import blas_kernel

FILES = Path(__file__).parent / "v0.1.0"
CORPORA = {"text": "corpus.txt", "titles": "titles.txt"}
ORIGIN_SHA256 = "270c2e34b291f040756ef1c20ed2ce783c261ef43e77f23508b101e4a610b1a4"

#: Nats per character of the whole text and its characters: of the file as it is, and after
#: it was resumed.
SCORES = {"text": (2.919370690274937, 956), "titles": (2.740765673076284, 464)}
RESUMED_SCORES = {"text": 2.9063941287695116, "titles": 2.683354109268764}
#: Steps in all when resumed, and every validation by then: step and nats per character.
STEPS = {"text": 80, "titles": 40}
HISTORIES = {
    "text": [
        (8, 2.9862248425682387),
        (16, 2.9481138760844865),
        (24, 2.922254635641972),
        (32, 2.9017445544401803),
        (40, 2.901553009947141),
        (48, 2.9116460382938385),
        (56, 2.889676490177711),
        (64, 2.8880213436981044),
        (72, 2.8888969607651234),
        (80, 2.8888738279541335),
    ],
    "titles": [
        (0, 2.8839012992148305),
        (12, 2.7825310066634534),
        (20, 2.781307171372806),
        (31, 2.709619643641453),
        (40, 2.708128854340198),
    ],
}


def program(*arguments: str, cwd: Path) -> str:
    """What the command line prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARRNN_")}
    done = subprocess.run(
        [*warm.program(), *arguments],
        cwd=cwd,
        env=kept | {"OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def about(name: str, folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(program("info", "-m", f"{name}.npz", "--json", cwd=folder))
    return facts


def evaluated(name: str, folder: Path) -> tuple[float, int]:
    """Nats per character and characters, by the command line."""
    arguments = ("eval", "-m", f"{name}.npz", CORPORA[name], "--json")
    result = json.loads(program(*arguments, cwd=folder))
    return result["nats_per_char"], result["characters"]


@pytest.mark.parametrize("name", CORPORA)
def test_it_scores_its_text_as_it_did(name: str) -> None:
    nats, characters = SCORES[name]
    score = charrnn.load(FILES / f"{name}.npz").evaluate((FILES / CORPORA[name]).read_text("utf-8"))
    assert score.nats_per_char == pytest.approx(nats, rel=1e-4)
    assert score.characters == characters
    assert evaluated(name, FILES) == (pytest.approx(nats, rel=1e-4), characters)


def test_it_says_what_it_was_trained_on_and_started_from() -> None:
    text, titles = about("text", FILES), about("titles", FILES)
    assert (text["cell"], text["hidden_size"], text["num_layers"]) == ("lstm", 6, 2)
    assert (text["dropout"], text["unit"], text["steps"]) == (0.3, "char", 40)
    assert text["started_from"] is None
    assert text["corpus"]["name"] == "corpus.txt"
    assert text["corpus"]["characters"] == 956
    assert titles["started_from"] == {"name": "base.npz", "sha256": ORIGIN_SHA256}
    assert (titles["cell"], titles["steps"]) == ("gru", 20)
    assert titles["config"]["data"]["records"] == "line"
    assert titles["config"]["train"]["optimizer"] == "adam"


def test_it_knows_the_records_of_its_corpus() -> None:
    known = charrnn.load(FILES / "titles.npz").known_records
    assert known is not None
    records = (FILES / "titles.txt").read_text("utf-8").split()
    assert "goat" in records
    assert all(record in known for record in records)
    assert len(known) == len(set(records))
    assert "zebra" not in known


@pytest.mark.parametrize("name", CORPORA)
def test_it_resumes_as_it_would_have_continued(name: str, tmp_path: Path) -> None:
    for file in (f"{name}.npz", CORPORA[name]):
        shutil.copy(FILES / file, tmp_path)
    arguments = ("train", CORPORA[name], "-o", f"{name}.npz", "--resume")
    program(*arguments, "--steps", str(STEPS[name]), cwd=tmp_path)
    history = about(name, tmp_path)["history"]
    assert [point["step"] for point in history] == [step for step, _ in HISTORIES[name]]
    nats = [nats for _, nats in HISTORIES[name]]
    assert [point["nats_per_char"] for point in history] == pytest.approx(nats, rel=1e-4)
    assert evaluated(name, tmp_path)[0] == pytest.approx(RESUMED_SCORES[name], rel=1e-4)


@pytest.mark.parametrize("name", CORPORA)
def test_saved_again_it_differs_in_the_versions_alone(name: str, tmp_path: Path) -> None:
    old, new, same = FILES / f"{name}.npz", tmp_path / "new.npz", tmp_path / "same.npz"
    Checkpoint.load(old, training=True).save(new)
    (old_meta, old_arrays), (meta, arrays) = read(old), read(new)
    kernel = {"blas": blas_kernel()} if blas_kernel() else {}
    versions = {"charrnn": charrnn.__version__, "numpy": np.__version__}
    assert meta["versions"] == versions | kernel
    assert meta | {"versions": old_meta["versions"]} == old_meta
    assert arrays.keys() == old_arrays.keys()
    assert all(equal_arrays(array, old_arrays[key]) for key, array in arrays.items())
    # With the old versions in it, every byte of the file is as version 0.1.0 wrote it.
    write(same, meta | {"versions": old_meta["versions"]}, arrays, "charrnn 0.1.0")
    assert same.read_bytes() == old.read_bytes()
