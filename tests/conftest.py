"""What holds for every test: numerical trouble is an error, and examples are reproducible."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings

# Deterministic, so that a failure on one machine is a failure on all. To look for new
# counterexamples: pytest --hypothesis-profile=explore
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def numerical_trouble_is_an_error() -> Iterator[None]:
    # Underflow is left out: a probability that fades to 0 is what softmax is meant to give.
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        yield
