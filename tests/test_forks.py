"""Work spread over forked processes: all of it is done, and no process is left."""

import contextlib
import os
import signal
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
        "without_proc_nothing_is_forked",
        "what_a_killed_process_should_have_done_is_done",
        "a_limit_on_processes_leaves_the_work_to_this_one",
        "an_error_is_raised_wherever_it_happens",
        "ctrl_c_ends_all",
        "a_caller_that_ignores_its_children",
        "an_answer_that_is_cut_short_is_done_again",
        "a_parent_that_ends_at_once_leaves_nobody",
        "no_handler_runs_in_a_child",
    ],
)
def test_forked_map(check):
    subprocess.run([*COMMAND, check], check=True, timeout=60, start_new_session=True)


@pytest.mark.parametrize("kill", ["SIGKILL", "SIGTERM"])
def test_a_process_ends_with_its_parent(kill):
    command = [*COMMAND, "sleep_in_another_process"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as first:
        try:
            assert len({first.stdout.readline() for _ in range(2)}) == 2
            first.send_signal(getattr(signal, kill))
            # Their output ends once no process has the pipe any more.
            assert first.communicate(timeout=20) == (b"", None)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(first.pid, signal.SIGKILL)
