"""Work that is counted, because a time would depend on the machine and on what else it does."""

import contextlib
import sys
from collections.abc import Iterator


class Calls:
    """How often a function was called, Python's built-in ones included."""

    count = 0


@contextlib.contextmanager
def counted_calls() -> Iterator[Calls]:
    """Count the function calls of a block; the count is complete when the block ends."""
    calls = Calls()

    def note(frame: object, event: str, arg: object) -> None:
        calls.count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
