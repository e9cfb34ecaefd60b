"""Work spread over forked processes: all of it is done, and no process is left."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")

COMMAND = [sys.executable, str(Path(__file__).with_name("forked.py"))]


@pytest.mark.parametrize(
    "check",
    [
        "every_part_is_done_once_in_order",
        "a_process_with_another_thread_is_not_forked",
        "what_a_killed_process_should_have_done_is_done",
        "a_limit_on_processes_leaves_the_work_to_this_one",
        "an_error_is_raised_wherever_it_happens",
        "ctrl_c_ends_all",
        "a_caller_that_ignores_its_children",
    ],
)
def test_forked_map(check):
    subprocess.run([*COMMAND, check], check=True, timeout=60)


def test_a_process_ends_with_its_parent():
    with subprocess.Popen([*COMMAND, "sleep_in_another_process"], stdout=subprocess.PIPE) as first:
        assert len({first.stdout.readline() for _ in range(2)}) == 2
        first.kill()
        assert not first.stdout.read()  # it ends once no process has the pipe any more
