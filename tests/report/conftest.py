"""A browser for the tests of the page."""

from collections.abc import Iterator

import browsers
import pytest


@pytest.fixture
def browser() -> Iterator:
    """A browser of the test's own, because no process outlives a test."""
    program = browsers.find()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip(browsers.MISSING)
    if program is None:
        pytest.skip(browsers.MISSING)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=browsers.FLAGS)
        yield opened
        opened.close()
