"""Signals that arrive together: none is lost, and nothing is printed about them."""

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, time
from charrnn.cli.signals import Signals
both = {signal.SIGINT, signal.SIGTERM}
for number in both:
    signal.signal(number, signal.SIG_DFL)
with Signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, both)
    for number in both:
        os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
    time.sleep(60)
"""


@pytest.mark.posix
def test_the_second_of_two_signals_ends_the_program():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, timeout=30)
    assert done.returncode in (-signal.SIGINT, -signal.SIGTERM)
    assert done.stderr == b""
