"""Lines of a text as ``eval --lines`` and ``classify`` print them."""

from __future__ import annotations

import re

from charrnn.data.decoding import ESCAPE
from charrnn.data.vocab import Text
from charrnn.messages import readable


def as_read(line: Text) -> bytes:
    """A line as it was read: as UTF-8, undecodable bytes as they were.

    The newlines within a record are escaped, so that it stays on one line.
    """
    data = line if isinstance(line, bytes) else line.encode("utf-8", ESCAPE)
    return data.replace(b"\n", b"\\n")


def for_json(line: Text) -> str:
    """A line as JSON holds it: an undecodable byte of a text is U+FFFD."""
    if isinstance(line, bytes):
        return readable(line)
    return re.sub("[\udc00-\udcff]", "\ufffd", line)
