"""A browser for the tests of the page, and short samples."""

from collections.abc import Iterator

import browsers
import pytest
from processes import sharing


@pytest.fixture(scope="session")
def shared_browser() -> Iterator:
    """A browser takes two seconds to start, and each tab one: it has a tab that tests share."""
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
        opened.new_page()
    yield opened
    opened.close()
    playwright.stop()


@pytest.fixture
def browser(shared_browser) -> Iterator:
    """The browser, in which no other test has anything open."""
    yield shared_browser
    first, *others = shared_browser.contexts
    first.pages[0].goto("about:blank")
    for context in others:
        context.close()


@pytest.fixture(autouse=True)
def short_samples(request, monkeypatch) -> None:
    """To write samples takes most of the time for a page, and few tests look at them."""
    if "whole_samples" not in request.fixturenames:
        monkeypatch.setattr("charrnn.report.texts.SAMPLE_LENGTH", 40)


@pytest.fixture
def whole_samples() -> None:
    """The samples of a test that does."""
