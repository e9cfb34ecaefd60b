"""What a notebook shows of a model and of the scores of characters."""

import re
from dataclasses import replace
from html import unescape

from small import PARAGRAPH, model, trained


def test_a_model_is_shown_as_a_table():
    shown = trained(cell="gru").model
    shown.name = "<b>&.npz"
    html = shown._repr_html_()
    assert html.startswith("<table><tr><th>model</th><td>&lt;b&gt;&amp;.npz</td></tr>")
    text = re.sub(r"<[^>]*>", " ", html)
    assert "gru, 2 layers of 5" in text
    assert "trained on" in text
    assert "bits per character" in text
    assert "trained on" not in model()._repr_html_()


def test_scores_are_shown_as_coloured_text():
    small = model(text=PARAGRAPH + "<&\x1b\u202e")
    (scores,) = small.char_scores("The <goat>&\n\x1b\u202e".replace(">", ""), k=2)
    html = scores._repr_html_()
    spans = re.findall(
        r'<span title="(.*?)" style="background:rgba\(228,87,46,([\d.]+)\)">(.*?)<', html, re.DOTALL
    )
    assert "".join(unescape(shown) for _, _, shown in spans) == "The <goat&\u21b5\n\\x1b\\u202e"
    title = unescape(spans[0][0])
    assert re.match(r"\d+\.\d\d bits; expected: \S+ \d+%, \S+ \d+%$", title)
    assert float(spans[0][1]) == round(min(1.0, float(scores.bits[0]) / 9), 2)
    assert "<goat" not in html


def test_scores_of_unknown_characters_of_many_and_without_a_vocabulary():
    small = model()
    (scores,) = small.char_scores("a\u00dfb", unknown="score")
    assert "\ufffd" in scores._repr_html_()
    assert replace(scores, vocab=None)._repr_html_() == "<p>scores of 3 characters</p>"
    (many,) = small.char_scores("ab\n" * 5_000)
    assert many._repr_html_().endswith("</pre><p>and 5,000 more</p>")
    assert many._repr_html_().count("<span") == 10_000


def test_bytes_are_shown_escaped():
    (scores,) = model(unit="byte").char_scores(b"a\xff")
    assert ">\\xff</span>" in scores._repr_html_()
