"""The browser for the tests of the report page: Chromium, as Linux distributions install it."""

import shutil

#: Names under which Chromium or a relative of it is installed.
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: No sandbox, because CI runs as root; and no connections of the browser's own.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Why such a test is skipped.
MISSING = "Chromium or playwright is not installed"


def find() -> str | None:
    """The browser's program, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)
