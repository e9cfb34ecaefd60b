"""kill -9 at any instant of a save: the path holds the old state or the new one, whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from checkpoint_tools import run_script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks the process to kill")

PREAMBLE = """
import os, random, signal, sys, time, warnings
from pathlib import Path
from checkpoint_tools import content, model, plain, same, watched
from charrnn.checkpoint.lock import Lock
from charrnn.checkpoint.writer import write

warnings.simplefilter("ignore")  # newer Pythons warn of any fork
path = Path(sys.argv[1])
states = [model(1, 100_000), model(2, 100_000)]
write(path, *states[0])

def whole():
    found = content(path)
    return same(found, states[0]) or same(found, states[1])

def strays():
    return [name for name in os.listdir(path.parent) if name.endswith(".tmp")]
"""

AT_RANDOM = """
kills = int(sys.argv[2])
amid = lost = 0
for kill in range(kills):
    child = os.fork()
    if child == 0:
        with Lock(path):
            for n in range(10**9):
                write(path, *states[n % 2])
    time.sleep(random.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    amid += bool(strays())
    lost += not whole()
with Lock(path):
    assert not strays()
assert os.listdir(path.parent) == [path.name]
print(f"killed: {kills}, amid a save: {amid}, files lost: {lost}")
"""

AT_EVERY_CALL = """
def killing(at, when):
    def hook(n, name, call, args):
        if n == at and when == "amid" and name == "write":
            call(args[0], args[1][:len(args[1]) // 2])
        if n != at or when == "after":
            result = call(*args)
        if n == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return hook

with watched(plain) as calls:
    write(path, *states[0])
lost = 0
for at, name in enumerate(calls):
    for when in ["before", "after"] + ["amid"] * (name == "write"):
        child = os.fork()
        if child == 0:
            with watched(killing(at, when)):
                write(path, *states[1])
            os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        done = at + (when == "after") > calls.index("replace")
        lost += not same(content(path), states[1] if done else states[0])
        with Lock(path):
            pass
        assert os.listdir(path.parent) == [path.name]
        write(path, *states[0])
print(f"calls: {len(calls)}, files lost: {lost}")
"""


def kill_at_random(path: Path, kills: int) -> None:
    said = run_script(PREAMBLE + AT_RANDOM, path, kills, timeout=1200)
    sys.stdout.write(said)
    assert said.endswith("files lost: 0\n")
    assert "amid a save: 0," not in said, "no kill has hit a save"


def test_killed_at_random(tmp_path: Path) -> None:
    kill_at_random(tmp_path / "model.npz", 20)


@pytest.mark.soak
def test_killed_at_random_campaign(tmp_path: Path) -> None:
    kill_at_random(tmp_path / "model.npz", int(os.environ.get("CHARRNN_SOAK_KILLS", "1000")))


def test_killed_at_every_system_call(tmp_path: Path) -> None:
    said = run_script(PREAMBLE + AT_EVERY_CALL, tmp_path / "model.npz")
    sys.stdout.write(said)
    assert said.endswith("files lost: 0\n")
    assert int(said.split()[1].rstrip(",")) >= 15
