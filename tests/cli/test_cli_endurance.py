"""Signals at random instants and too little memory: whatever happens, the file can be read."""

import functools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from charrnn.checkpoint import Checkpoint

CORPUS = Path(__file__).parents[2] / "corpora" / "names.txt"
TRAIN = [sys.executable, "-m", "charrnn", "train", str(CORPUS), "-q", "-o", "model.npz"]
SMALL = ["--workers", "1", "--set", "model.hidden_size=16", "--set", "train.checkpoint_every=3"]
resource = pytest.importorskip("resource")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("CHARRNN_")}


def signalled_at_random(folder: Path, count: int) -> None:
    """Stop a run ``count`` times at random instants, each time going on where it was."""
    rng, saved, before = random.Random(7), 0, 0
    for _ in range(count):
        number = rng.choice([signal.SIGINT, signal.SIGTERM])
        path = folder / "model.npz"
        goon = ["--resume"] if path.exists() else []
        run = subprocess.Popen(
            [*TRAIN, *SMALL, "--steps", "100000000", *goon],
            cwd=folder,
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
        )
        time.sleep(rng.uniform(0.2, 1.4))
        run.send_signal(number)
        _, stderr = run.communicate(timeout=60)
        if b"Fatal Python error: init_import_site" in stderr:
            continue  # a slow machine: Python itself was still starting, and charrnn not there yet
        assert run.returncode == -number, stderr
        assert b"Traceback" not in stderr
        if b"saved in" in stderr:
            saved += 1
            step = Checkpoint.load(path, training=True).training.document["step"]
            assert step > before  # every sitting went on from the one before
            before = step
    print(f"signals sent: {count}, of these in the midst of training: {saved}, files lost: 0")
    assert saved > 0
    # A run that ends while it loads leaves its lock, which is no obstacle to the next.
    assert {entry.name for entry in folder.iterdir()} <= {"model.npz", ".model.npz.lock"}


def test_a_few_signals(tmp_path):
    signalled_at_random(tmp_path, 5)


@pytest.mark.soak
def test_signals_campaign(tmp_path):
    signalled_at_random(tmp_path, 200)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS does what it says on Linux only")
def test_too_little_memory_is_one_line_and_the_file_is_intact(tmp_path):
    """A ladder of limits, from one at which Python barely starts to one that is enough."""
    run = [*TRAIN, "--workers", "1", "--set", "model.hidden_size=600", "--force", "--steps", "2"]
    subprocess.run([*run], cwd=tmp_path, env=ENVIRONMENT, check=True)
    before, outcomes = (tmp_path / "model.npz").read_bytes(), set()
    for limit in range(120, 800, 40):
        size = limit << 20
        done = subprocess.run(
            [*run, "--seed", "1"],
            cwd=tmp_path,
            # BLAS reserves address space for each of its threads, used or not.
            env=ENVIRONMENT | {"OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            preexec_fn=functools.partial(resource.setrlimit, resource.RLIMIT_AS, (size, size)),
        )
        outcomes.add(done.returncode)
        if done.returncode == 0:
            break
        assert done.returncode == 1
        # OpenBLAS ends the process by itself, in a line of its own, where it is the one refused.
        assert done.stderr.startswith((b"charrnn: out of memory", b"OpenBLAS error: Memory"))
        assert done.stderr.count(b"\n") == 1
        assert (tmp_path / "model.npz").read_bytes() == before
    assert outcomes == {0, 1}
