"""The page in a real browser."""

import re
from contextlib import contextmanager
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from pages import HOSTILE, hostile_model, learned, mixed, rounded
from small import CELLS, PARAGRAPH, corpus, model, trained

from charrnn.report import report
from charrnn.report.content import Milestone
from charrnn.report.gather import progress_report

#: Long enough to be searched for units.
TEXT = PARAGRAPH * 2


def fill_beginning(tab, text):
    """Paste a beginning once the model can be played with."""
    tab.evaluate("document.getElementById('play').scrollIntoView()")
    tab.wait_for_selector("#play .bars[aria-label]")
    # tab.fill() makes an edit of each line, after which the model reads the whole text again.
    tab.eval_on_selector("#play textarea", "(area, text) => { area.value = text; }", text)
    tab.dispatch_event("#play textarea", "input")


@contextmanager
def opened(browser, tmp_path, page, **options):
    """The page in a tab, the shared one if it needs no options.

    Any error or request for something else fails the test.
    """
    file = tmp_path / "report.html"
    file.write_text(page, "utf-8")
    tab = browser.new_page(**options) if options else browser.contexts[0].pages[0]
    problems: list[str] = []
    requests: list[str] = []
    listeners = {
        "pageerror": lambda error: problems.append(str(error)),
        "console": lambda said: problems.append(said.text) if said.type == "error" else None,
        "request": lambda request: requests.append(request.url),
    }
    for event, listener in listeners.items():
        tab.on(event, listener)
    try:
        tab.goto(file.as_uri())
        tab.wait_for_selector("footer:not(:empty)")
        yield tab
        assert problems == []
        assert [url for url in requests if not url.startswith(("blob:", "data:"))] == [
            file.as_uri()
        ]
    finally:
        for event, listener in listeners.items():
            tab.remove_listener(event, listener)


@pytest.mark.usefixtures("whole_samples")
def test_the_sections_of_a_trained_model(browser, tmp_path):
    small = learned(cell="lstm")
    small.name = "bells.npz"
    page = report([small], TEXT, corpus=corpus(), milestones=[Milestone(0.5, 12, "gaot")])
    with opened(browser, tmp_path, page) as tab:
        assert tab.title() == "Inside bells.npz"
        headings = [heading.inner_text() for heading in tab.query_selector_all("h2")]
        assert headings == [
            "How it learned",
            "What it writes",
            "What surprises it",
            "What its units respond to",
            "Play with it",
        ]
        shown = [text.inner_text() for text in tab.query_selector_all("#samples pre")]
        assert shown == [small.sample(400, temperature=t, seed=0) for t in (0.5, 0.8, 1.2)]
        assert "[object" not in tab.inner_text("body")
        assert tab.inner_text("footer").endswith(f"; one file of {len(page) / 1e6:.1f} MB.")
        assert "gaot" in tab.inner_text("#learning")
        assert "6-gram model" in tab.text_content("#learning svg")
        # The curve: values under the pointer, and by keyboard.
        tab.hover("#learning svg", position={"x": 60, "y": 60})
        first = tab.inner_text("#learning output")
        assert re.match(
            r"after [\d.k]+ characters: validation \d\.\d{3}, network alone \d\.\d{3}, "
            r"training \d\.\d{3}$",
            first,
        )
        tab.focus("#learning svg")
        tab.keyboard.press("ArrowRight")
        assert tab.inner_text("#learning output") != first
        # The text: what was expected in the place of a character.
        shown = TEXT.replace("\n", "\u21b5\n")
        assert tab.text_content("#surprise .text") == shown
        tab.hover("#surprise .text span:nth-child(5)")
        assert re.match(
            r"␣ took \d+\.\d\d bits: it had a prob", tab.inner_text("#surprise .verdict")
        )
        assert len(tab.query_selector_all("#surprise .bars rect")) == 5
        tab.focus("#surprise .text")
        tab.keyboard.press("ArrowLeft")
        assert tab.inner_text("#surprise .verdict").startswith("n took")
        # The units: one that was found, and another one.
        tab.click("#units tbody tr:nth-child(2) button")
        tab.wait_for_selector("#units .verdict:has-text('point at')")
        tab.fill("#units input", "3")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#units [role=status]:has-text('unit 3 in layer')")
        assert tab.query_selector("#units polyline")


def test_live_probabilities_are_those_of_python(browser, tmp_path):
    text = (PARAGRAPH * 3)[:1000]
    for cell in CELLS:
        small = model(text=PARAGRAPH, cell=cell, num_layers=2, hidden_size=24, seed=5)
        if cell == "rnn":
            small.network.params.flat *= 0.4  # with larger random weights it is chaotic
        with opened(browser, tmp_path, report([small], PARAGRAPH)) as tab:
            tab.evaluate("document.querySelector('#play input[type=range]').value = 1")
            fill_beginning(tab, text)
            assert_bars_are(tab, rounded(small).next(text))


def assert_bars_are(tab, expected):
    shown = tab.get_attribute("#play .bars", "aria-label")
    found = dict(re.findall(r"(\S|space|newline) (\d+(?:\.\d+)?)\s%", shown))
    assert len(found) == 10
    for label, percent in found.items():
        char = {"space": " ", "newline": "\n"}.get(label, label)
        assert float(percent) / 100 == pytest.approx(expected[char], abs=0.006)


def test_the_mixture_and_each_model_alone_can_be_played_with(browser, tmp_path):
    small, text = mixed(model(text=PARAGRAPH, hidden_size=24, seed=5), 0.4), "The goat lent"
    after_lent = {}
    with opened(browser, tmp_path, report([small], PARAGRAPH)) as tab:
        tab.evaluate("document.querySelector('#play input[type=range]').value = 1")
        fill_beginning(tab, text)
        names = ("both", "the network", "the n-grams")
        for weight, name in zip((0.4, 0.0, 1.0), names, strict=True):
            tab.select_option("#play .controls select", label=name)
            small.mixture = small.mixture.with_weight(weight)
            expected = rounded(small).next(text)
            assert_bars_are(tab, expected)
            after_lent[name] = expected[" "]
        assert after_lent["the n-grams"] > 0.5 > 2 * after_lent["the network"]
    with opened(browser, tmp_path, report([learned(ngram_order=0)], PARAGRAPH)) as tab:
        assert not tab.query_selector("#play .controls select")


def test_a_browser_that_cannot_run_the_model_says_so(browser, tmp_path):
    small = mixed(model(text=PARAGRAPH), 0.4)
    with opened(browser, tmp_path, report([small], PARAGRAPH)) as tab:
        tab.evaluate("delete window.DecompressionStream")
        tab.evaluate("document.getElementById('play').scrollIntoView()")
        tab.wait_for_selector("#play [role=status]:has-text('cannot run the model')")
        assert tab.is_disabled("#play button.primary")


def test_units_computed_in_the_page_are_those_of_python(browser, tmp_path):
    small = model(text=PARAGRAPH, cell="lstm", num_layers=2, seed=5)
    states = rounded(small).hidden(PARAGRAPH)
    with opened(browser, tmp_path, report([small], PARAGRAPH)) as tab:
        for quantity, values in states.named().items():
            tab.select_option("#units label:has-text('layer') select", label="2")
            tab.select_option("#units label:has-text('show') select", value=quantity)
            tab.fill("#units input", "5")
            tab.keyboard.press("Enter")
            tab.wait_for_selector("#units [role=status]:has-text('unit 5 in layer 2')")
            tab.hover("#units .text span:nth-child(100)")
            tab.hover("#units .text span:nth-child(200)")
            shown = tab.inner_text("#units .verdict").split()[-1]
            assert float(shown) == pytest.approx(values[199, 1, 5], abs=0.02)


def test_playing(browser, tmp_path):
    small = model(text=PARAGRAPH, cell="gru", hidden_size=24, seed=5)
    with opened(browser, tmp_path, report([small], PARAGRAPH)) as tab:
        written = "#play .text span:not(.given)"
        fill_beginning(tab, "The goat \u00df")
        assert tab.inner_text("#play [role=status]").endswith('unknown to the model: "\u00df"')
        assert tab.inner_text("#play .text") == "The goat "
        for _ in range(3):
            tab.click("text=Step")
        three = tab.inner_text("#play .text")
        assert len(tab.query_selector_all(written)) == 3
        tab.click("text=Play >> nth=-1")
        tab.wait_for_selector(f"{written} >> nth=4")
        tab.click("text=Pause")
        stopped = len(tab.query_selector_all(written))
        tab.wait_for_timeout(200)
        assert len(tab.query_selector_all(written)) == stopped
        # The same seed writes the same again, another one something else.
        tab.click("text=Start again")
        for _ in range(3):
            tab.click("text=Step")
        assert tab.inner_text("#play .text") == three
        # At temperature 0 it writes what is likeliest.
        tab.evaluate("document.querySelector('#play input[type=range]').value = 0")
        tab.dispatch_event("#play input[type=range]", "input")
        tab.click("text=Start again")
        tab.click("text=Step")
        likeliest = next(iter(rounded(small).next("The goat ")))
        assert tab.query_selector_all(written)[0].text_content().replace("\u21b5", "") == likeliest


def test_charts_are_saved_as_svg(browser, tmp_path):
    with opened(browser, tmp_path, report([learned()], PARAGRAPH)) as tab:
        for section in ("#learning", "#surprise", "#units"):
            with tab.expect_download() as download:
                tab.click(f"{section} .save")
            root = ElementTree.parse(download.value.path()).getroot()
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert len(root.findall(".//{*}text")) >= 5
            assert all(node.get("fill") for node in root.iter() if node is not root)
            assert download.value.suggested_filename.endswith(".svg")


def test_hostile_names_and_texts_are_shown_and_do_nothing(browser, tmp_path):
    small = hostile_model()
    page = report(
        [small, small], HOSTILE * 3, source=HOSTILE, milestones=[Milestone(0.5, 1, HOSTILE)]
    )
    with opened(browser, tmp_path, page) as tab:
        assert "<img src=x onerror=alert(1)>" in tab.title()
        assert (
            tab.query_selector_all(
                "img, iframe, object, embed, body script ~ script ~ script ~ script ~ script"
            )
            == []
        )
        assert tab.query_selector_all("[onerror]") == []
        assert "onerror=alert(1)" in tab.inner_text("#surprise .text")
        assert tab.inner_text("article:has-text('50 %') pre").startswith("</script><script>")
        fill_beginning(tab, "<b>")
        tab.click("text=Step")
        assert tab.query_selector_all("main b b, .text b") == []


def test_a_phone_has_no_sideways_scrolling(browser, tmp_path):
    small = learned(cell="lstm")
    small.name = "a-rather-long-name-without-any-space-in-it-at-all.npz"
    page = report([small, small], TEXT)
    with opened(browser, tmp_path, page, viewport={"width": 390, "height": 844}) as tab:
        for id in ("learning", "samples", "surprise", "units", "play"):
            tab.evaluate(f"document.getElementById('{id}').scrollIntoView()")
        assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_a_page_without_the_model_shows_the_rest(browser, tmp_path):
    with opened(browser, tmp_path, report([learned()], TEXT, play=False)) as tab:
        assert len(tab.query_selector_all("h2")) == 4
        assert tab.query_selector("#units polyline")
        assert not tab.query_selector("#units input")


def test_a_page_of_a_run_shows_what_there_is(browser, tmp_path):
    page = progress_report(learned(), [Milestone(0.0, 0, "xqz")], 0.25)
    with opened(browser, tmp_path, page) as tab:
        assert "25 % done" in tab.inner_text("#learning")
        assert "xqz" in tab.inner_text("#learning")
        assert tab.query_selector("#learning polyline")
        assert len(tab.query_selector_all("h2")) == 1
        assert not tab.query_selector("nav")


def test_models_of_records_and_of_bytes(browser, tmp_path):
    names = model(text=PARAGRAPH, records="line", seed=5)
    with opened(browser, tmp_path, report([names], "goat\nox\n" * 90)) as tab:
        fill_beginning(tab, "goat\nThe o")
        shown = tab.get_attribute("#play .bars", "aria-label")
        fill_beginning(tab, "The o")
        assert tab.get_attribute("#play .bars", "aria-label") == shown
    bytes_model = model(unit="byte", seed=5)
    with opened(browser, tmp_path, report([bytes_model], b"a\xc3\xa4\n\x00" * 200)) as tab:
        fill_beginning(tab, "\u00e4")
        assert tab.inner_text("#play .text") == r"\xc3\xa4"
        tab.click("text=Step")


def test_models_of_words(browser, tmp_path):
    text = PARAGRAPH * 4
    words = trained(text, unit="word", vocab_size=60, hidden_size=8, num_layers=1, steps=12).model
    with opened(browser, tmp_path, report([words], PARAGRAPH * 8)) as tab:
        shown = tab.text_content("#surprise .text")
        assert shown.startswith("\ufffd the parish hung a brass bell on the lead goat, the ox")
        assert "Bits per word" in tab.inner_text("#learning")
        tab.hover("#surprise .text span:nth-child(2)")
        assert tab.inner_text("#surprise .verdict").startswith("\u2423the took ")
        tab.wait_for_selector("#units .verdict:has-text('point at a word')")
        typed = "the ox's  goat, nobody\ncafe\u0301 (he) said \u00fc42"
        tab.evaluate("document.querySelector('#play input[type=range]').value = 1")
        fill_beginning(tab, typed)
        symbols = words.vocab.decode(words.vocab.encode(typed))
        assert tab.text_content("#play .text") == symbols.replace("\n", "\u21b5\n")
        expected = rounded(words).next(typed)
        known = 1.0 - expected["\ufffd"]  # an unknown word is never written
        found = re.findall(
            r"(\S+) (\d+(?:\.\d+)?)\s%", tab.get_attribute("#play .bars", "aria-label")
        )
        assert len(found) == 10
        for label, percent in found:
            symbol = {"newline": "\n"}.get(label, label.replace("\u2423", " "))
            assert float(percent) / 100 == pytest.approx(expected[symbol] / known, abs=0.006)


def test_the_first_view_is_there_at_once(browser, tmp_path):
    """Weights are decoded when the reader comes to them, however many they are."""
    small = mixed(model(text=PARAGRAPH, cell="lstm", hidden_size=384), 0.4)
    page = report([small], PARAGRAPH * 4)
    assert 1_200_000 < len(page) < 3_000_000  # as large as the default model for five minutes
    with opened(browser, tmp_path, page) as tab:
        assert tab.get_attribute("#play .bars", "aria-label") is None
        tab.evaluate("document.getElementById('play').scrollIntoView()")
        tab.wait_for_selector("#play .bars[aria-label]")
        assert "NaN" not in tab.get_attribute("#play .bars", "aria-label")


def style_of(tab, selector, name):
    """A style as the browser resolved it."""
    return tab.eval_on_selector(
        selector, "(node, name) => getComputedStyle(node).getPropertyValue(name)", name
    )


#: The names of all elements that take room and are not hidden.
VISIBLE_NAMES = """
[...document.querySelectorAll("body *")]
  .filter((node) => node.checkVisibility({ visibilityProperty: true }))
  .filter((node) => node.getClientRects().length)
  .map((node) => node.localName)
"""


def test_a_page_is_printed_dark_on_white_with_its_colours_and_without_controls(browser, tmp_path):
    small = learned(cell="lstm")
    page = report([small, small], TEXT)
    with opened(browser, tmp_path, page, color_scheme="dark") as tab:
        assert style_of(tab, "body", "background-color") == "rgb(21, 22, 26)"
        fill_beginning(tab, "The goat")
        tab.set_viewport_size({"width": 700, "height": 900})  # as wide as A4 within its margins
        tab.emulate_media(media="print", color_scheme="dark")
        tab.wait_for_selector("#learning svg[width='700']")  # the chart follows at the next frame
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert style_of(tab, "body", "background-color") == "rgb(255, 255, 255)"
        assert style_of(tab, "body", "color") == "rgb(34, 32, 28)"
        assert style_of(tab, "#surprise .heat4", "background-color") not in (
            style_of(tab, "#surprise .heat0", "background-color"),
            style_of(tab, "#surprise .heat8", "background-color"),
        )
        assert style_of(tab, "#surprise .heat4", "print-color-adjust") == "exact"
        names = set(tab.evaluate(VISIBLE_NAMES))
        assert {"polyline", "table", "pre", "select"} <= names
        assert not {"input", "textarea", "nav"} & names
        assert style_of(tab, "#units td button", "border-style") == "none"
        # Nothing is cut off at an edge, and no box has text that only scrolling would show.
        assert tab.evaluate("document.documentElement.scrollWidth") == 700
        for box in tab.query_selector_all("#surprise .text, #units .text, .wide"):
            assert box.evaluate(
                "box => box.scrollHeight <= box.clientHeight && box.scrollWidth <= box.clientWidth"
            )
        assert tab.get_attribute("#learning svg", "width") == "680"
        tab.evaluate("dispatchEvent(new Event('afterprint'))")
        assert tab.get_attribute("#learning svg", "width") == "700"
        assert 3 <= tab.pdf(format="A4").count(b"/Type /Page\n") <= 6


def accessibility_tree(tab):
    """(role, name, properties) of each thing that a screen reader is told of."""
    nodes = tab.context.new_cdp_session(tab).send("Accessibility.getFullAXTree")["nodes"]
    return [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", ""),
            {one["name"]: one["value"].get("value") for one in node.get("properties", [])},
        )
        for node in nodes
        if not node["ignored"]
    ]


def test_a_screen_reader_is_told_the_names_of_things_and_their_texts(browser, tmp_path):
    page = report([learned(cell="lstm")], TEXT, milestones=[Milestone(0.5, 12, "gaot")])
    with opened(browser, tmp_path, page) as tab:
        fill_beginning(tab, "The goat")
        tree = accessibility_tree(tab)
        focusable = [name for _, name, properties in tree if properties.get("focusable")]
        assert len(focusable) >= 30
        assert all(focusable)
        buttons = [name for role, name, _ in tree if role == "button"]
        assert len(buttons) == len(set(buttons))
        # The coloured texts are texts, not single characters.
        texts = [name for role, name, _ in tree if role == "StaticText"]
        assert sum(text.split() == TEXT.split() for text in texts) == 2
        headings = tab.query_selector_all("h1, h2, h3, h4, h5, h6")
        levels = [int(heading.evaluate("node => node.localName[1]")) for heading in headings]
        assert levels[:4] == [1, 2, 3, 4]
        assert all(after <= before + 1 for before, after in pairwise(levels))
        (curve,) = [name for _, name, _ in tree if name.startswith("Training and validation loss")]
        assert re.search(r"validation: from \d\.\d\d to \d\.\d\d; ", curve)


def test_what_the_keyboard_points_at_is_said_and_what_is_written_not_at_each_character(
    browser, tmp_path
):
    with opened(browser, tmp_path, report([learned()], TEXT)) as tab:
        tab.focus("#learning svg")
        tab.keyboard.press("End")
        last = tab.get_attribute("#learning svg", "aria-valuetext")
        assert re.match(r"after [\d.k]+ characters: validation \d\.\d{3}, ", last)
        tab.keyboard.press("Home")
        assert tab.get_attribute("#learning svg", "aria-valuetext") != last
        tab.focus("#surprise .text")
        tab.keyboard.press("ArrowRight")
        value = tab.get_attribute("#surprise .text", "aria-valuetext")
        assert re.match(r"h took .* bits: .*; likeliest: . \d+", value)
        assert tab.get_attribute("#surprise .text", "aria-valuenow") == "1"
        # Down and up move by lines.
        before = tab.query_selector("#surprise .selected").bounding_box()
        tab.keyboard.press("ArrowDown")
        after = tab.query_selector("#surprise .selected").bounding_box()
        assert after["x"] == pytest.approx(before["x"], abs=0.5)
        assert before["height"] < after["y"] - before["y"] < 2 * before["height"]
        tab.keyboard.press("ArrowUp")
        assert tab.get_attribute("#surprise .text", "aria-valuenow") == "1"
        fill_beginning(tab, "The goat")
        log = "#play [role=log]"
        assert tab.text_content(log) == ""
        tab.focus("#play button:has-text('Step')")
        tab.keyboard.press("Enter")
        (said,) = tab.eval_on_selector_all(log, "nodes => nodes.map((node) => node.textContent)")
        assert re.fullmatch("The goat.", said, re.DOTALL)
        tab.keyboard.press("Shift+Tab")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#play .text span >> nth=10")
        assert tab.text_content(log) == said
        tab.keyboard.press("Enter")
        written = tab.text_content("#play .text").replace("\u21b5\n", "\n")
        assert tab.text_content(log) == written
