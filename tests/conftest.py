"""What holds for every test: numerical trouble is an error, and examples are reproducible."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Deterministic, so that a failure on one machine is a failure on all. To look for new
# counterexamples: pytest --hypothesis-profile=explore
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("fixed")

# One thread for matrix products, as wherever charrnn computes: those of this size take no less
# time on two, which spin while they wait for each other. It is read when NumPy is imported.
for library in ("OPENBLAS", "MKL", "BLIS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def numerical_trouble_is_an_error() -> Iterator[None]:
    import numpy as np

    # Underflow is left out: a probability that fades to 0 is what softmax is meant to give.
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        yield
