"""For every test: examples are reproducible, signals arrive, and a test that hangs fails."""

import os
import signal
from collections.abc import Iterator

import browsers
import jobs
import pytest
from hypothesis import settings
from processes import kill_descendants, shared

# Deterministic, so that a failure on one machine is a failure on all. To look for new
# counterexamples: pytest --hypothesis-profile=explore
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("fixed")

# `make test &` in a script starts the tests with SIGINT ignored, and nohup with SIGHUP. The
# programs that the tests start, and then send these signals to, would inherit that.
for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    number = getattr(signal, name, None)  # Windows has no SIGHUP
    if number and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

# One thread for matrix products, as wherever charrnn computes: products of this size take no less
# time on two, which spin while they wait for each other. NumPy reads this when it is imported.
for library in ("OPENBLAS", "MKL", "BLIS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.name != "nt":
        return
    for item in items:
        if item.get_closest_marker("posix"):
            item.add_marker(pytest.mark.skip(reason="Windows has no such thing"))


#: Seconds that a test may take, many times its need on a busy machine; and a soak campaign.
LIMIT, SOAK_LIMIT = 120, 3600


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out for want of a browser or an MPI."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for missing, subject in (
        (browsers.MISSING, "the report page in a browser"),
        (jobs.MISSING, "training over MPI"),
    ):
        if count := sum(missing in reason for reason in skipped):
            terminalreporter.write_line(f"left out: {count} tests of {subject} ({missing})")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A test that hangs fails, and no process that it alone uses outlives it."""
    limit = SOAK_LIMIT if item.get_closest_marker("soak") else LIMIT

    def late(*_: object) -> None:
        kill_descendants(spared=set())  # first: the test may be waiting for one of them
        pytest.fail(f"not finished after {limit} seconds")

    if not hasattr(signal, "SIGALRM"):  # Windows
        return (yield)
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(limit)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        kill_descendants(spared=shared)
