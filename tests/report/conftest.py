"""A browser for the tests of the page."""

from collections.abc import Iterator

import browsers
import pytest
from processes import sharing


@pytest.fixture(scope="session")
def shared_browser() -> Iterator:
    """A browser takes two seconds to start."""
    program = browsers.find()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(browsers.MISSING)
    if program is None:
        pytest.skip(browsers.MISSING)
    with sharing():
        playwright = sync_playwright().start()
        opened = playwright.chromium.launch(executable_path=program, args=browsers.FLAGS)
    yield opened
    opened.close()
    playwright.stop()


@pytest.fixture
def browser(shared_browser) -> Iterator:
    """The browser, in which no other test has anything open."""
    yield shared_browser
    for context in shared_browser.contexts:
        context.close()
