"""Make docs/pictures/: what the page of docs/lesson.md looks like in a browser.

    python docs/pictures.py

Runs the first command of the lesson, which trains for a minute, and takes pictures of the page
that it writes. Needs bash, playwright, and Chromium under one of the names below.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
WIDTH, HEIGHT, SCALE = 920, 1100, 1.5


def train(folder: Path) -> Path:
    """The page that the lesson's first command writes."""
    block = re.search(r"```sh\n(.*?)```", (ROOT / "docs/lesson.md").read_text("utf-8"), re.DOTALL)
    assert block
    shutil.copytree(ROOT / "corpora", folder / "corpora")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-e", "-c", block[1]]
    subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=True)
    return folder / "lesson.html"


def choose(tab: Page, section: str, text: str) -> None:
    """Choose the end of the first occurrence of a text in the text of a section."""
    whole = tab.text_content(f"#{section} .text") or ""
    # A newline is two characters of the page, but one span.
    place = len(whole[: whole.index(text) + len(text)].replace("\n", ""))
    tab.locator(f"#{section} .text span").nth(place - 1).dispatch_event("click")


def take(tab: Page, name: str, selector: str) -> None:
    """Save a picture of a part of the page."""
    tab.locator(selector).first.screenshot(path=PICTURES / f"{name}.png")


def main() -> None:
    """Train, open the page, take the pictures."""
    program = next(filter(None, map(shutil.which, BROWSERS)))
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = train(Path(folder))
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        tab = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE
        )
        tab.goto(page.as_uri())
        take(tab, "learning", "#learning")
        choose(tab, "surprise", "dreadf")
        take(tab, "surprise", "#surprise")
        tab.click("#units tbody tr:has-text('position in the word') button")
        tab.locator("#units .text").scroll_into_view_if_needed()
        choose(tab, "units", "afterwards")
        take(tab, "units", "#units")
        tab.fill("#play textarea", "The fox ")
        for _ in range(180):
            tab.click("#play button:has-text('Step')")
        tab.mouse.move(0, 0)
        take(tab, "play", "#play")
        browser.close()


if __name__ == "__main__":
    main()
