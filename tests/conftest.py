"""What holds for every test: its examples are reproducible, and signals arrive."""

import signal

from hypothesis import settings

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
