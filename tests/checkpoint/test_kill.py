"""kill -9 at any instant of a save: the path holds the whole old state or the whole new one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from checkpoint_tools import run_script

pytestmark = pytest.mark.posix

PREAMBLE = """
import os, random, signal, sys, time, warnings
from pathlib import Path
from checkpoint_tools import call_through, equal_states, hooked_calls, random_state
from charrnn.checkpoint.lock import Lock
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write

warnings.simplefilter("ignore")  # Python 3.12 and later warn about forks
path = Path(sys.argv[1])
states = [random_state(1, 100_000), random_state(2, 100_000)]
write(path, *states[0])

def is_old_or_new():
    state = read(path)
    return equal_states(state, states[0]) or equal_states(state, states[1])

def temporary_files():
    return [name for name in os.listdir(path.parent) if name.endswith(".tmp")]
"""

AT_RANDOM = """
kills = int(sys.argv[2])
during = lost = 0
for kill in range(kills):
    child = os.fork()
    if child == 0:
        with Lock(path):
            for n in range(10**9):
                write(path, *states[n % 2])
    time.sleep(random.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    during += bool(temporary_files())
    lost += not is_old_or_new()
with Lock(path):
    assert not temporary_files()
assert os.listdir(path.parent) == [path.name]
print(f"killed: {kills}, during a save: {during}, files lost: {lost}")
"""

AT_EVERY_CALL = """
def killing(at, when):
    def hook(n, name, call, args):
        if n == at and when == "during" and name == "write":
            call(args[0], args[1][:len(args[1]) // 2])
        if n != at or when == "after":
            result = call(*args)
        if n == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return hook

with hooked_calls(call_through) as calls:
    write(path, *states[0])
lost = 0
for at, name in enumerate(calls):
    for when in ["before", "after"] + ["during"] * (name == "write"):
        child = os.fork()
        if child == 0:
            with hooked_calls(killing(at, when)):
                write(path, *states[1])
            os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
        done = at + (when == "after") > calls.index("replace")
        lost += not equal_states(read(path), states[1] if done else states[0])
        with Lock(path):
            pass
        assert os.listdir(path.parent) == [path.name]
        write(path, *states[0])
print(f"calls: {len(calls)}, files lost: {lost}")
"""


def kill_at_random(path: Path, kills: int) -> None:
    printed = run_script(PREAMBLE + AT_RANDOM, path, kills, timeout=1200)
    sys.stdout.write(printed)
    assert printed.endswith("files lost: 0\n")
    assert "during a save: 0," not in printed, "no kill came during a save"


def test_killed_at_random(tmp_path: Path) -> None:
    kill_at_random(tmp_path / "model.npz", 20)


@pytest.mark.soak
def test_killed_at_random_campaign(tmp_path: Path) -> None:
    kill_at_random(tmp_path / "model.npz", int(os.environ.get("CHARRNN_SOAK_KILLS", "1000")))


def test_killed_at_every_system_call(tmp_path: Path) -> None:
    printed = run_script(PREAMBLE + AT_EVERY_CALL, tmp_path / "model.npz")
    sys.stdout.write(printed)
    assert printed.endswith("files lost: 0\n")
    assert int(printed.split()[1].rstrip(",")) >= 15
