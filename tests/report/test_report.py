"""The page without a browser: what is on it, and that nothing in it can become code."""

import base64
import hashlib
import re
import zlib

import numpy as np
import pytest
from pages import HOSTILE, hostile_model, learned, mixed, parts, rounded, unpacked
from small import PARAGRAPH, corpus, model, trained

from charrnn.errors import CheckpointError, ConfigError, CorpusError, VocabError
from charrnn.report import report
from charrnn.report.content import Milestone
from charrnn.report.gather import progress_report
from charrnn.report.live import tables_of, weights_of
from charrnn.report.page import SCRIPTS
from charrnn.report.search import LONGEST

TEXT = "The goat lent him a brass bell.\n"


def test_a_page_is_the_same_for_the_same_model():
    small = model(text=PARAGRAPH)
    page = report([small], TEXT)
    assert report([small], TEXT) == page
    assert report([small], TEXT, seed=1) != page


def test_the_history_is_that_of_the_training_in_bits():
    small = learned()
    found = parts(report([small], TEXT)).model
    points = small.run.history
    assert len(found["history"]) == len(points) > 2
    first = found["history"][0]
    assert (first["step"], first["characters"]) == (points[0].step, points[0].characters)
    assert first["validation"] == pytest.approx(points[0].nats_per_char / np.log(2), abs=1e-4)
    assert first["training"] == pytest.approx(points[0].loss / np.log(2), abs=1e-4)
    assert found["validation"] == min(point["validation"] for point in found["history"])
    assert found["uniform"] == pytest.approx(np.log2(len(small.vocab)), abs=1e-4)


def test_where_nothing_is_held_out_the_smooth_loss_is_shown():
    small = learned(val_fraction=0.0, steps=60)
    found = parts(report([small], TEXT)).model
    losses = small.run.losses
    assert len(found["history"]) == len(losses) > 2
    first, last = found["history"][0], found["history"][-1]
    assert first["step"] == losses[0][0]
    assert first["training"] == pytest.approx(losses[0][1] / np.log(2), abs=1e-4)
    assert last["characters"] == round(losses[-1][0] * small.run.characters / 60)
    assert {point["validation"] for point in found["history"]} == {None}
    assert found["validation"] is None


def test_the_summary_is_a_paragraph_about_the_model():
    small = learned(cell="gru", seed=3)
    small.name = "bells.npz"
    page = parts(report([small], TEXT))
    assert page.title == "Inside bells.npz"
    assert page.model["summary"].startswith(
        "This is a GRU with 2 layers of 5 units and 958 parameters. It reads and writes text one "
        "character at a time and knows 33 different characters. It was trained on text (478 "
        "characters) for 24 steps, 3 epochs in all. At its best it needed "
    )
    best = small.run.best_point
    network, ngram = (each / np.log(2) for each in (best.network, best.ngram))
    assert page.model["summary"].endswith(
        " a uniform guess needs 5.04. Its predictions are a mixture: "
        f"{small.mixture.weight:.0%} by an n-gram model, the rest by the network. Alone, the "
        f"network needed {network:.2f} bits per character, and the n-gram model {ngram:.2f}."
    )
    assert page.model["mixture"] == {
        "weight": small.mixture.weight,
        "network": pytest.approx(network, abs=1e-4),
        "ngram": pytest.approx(ngram, abs=1e-4),
    }
    alone = parts(report([learned(cell="gru", seed=3, ngram_order=0)], TEXT)).model
    assert "mixture" not in alone["summary"]
    assert alone["mixture"] is None


def test_the_history_has_the_network_alone_where_it_is_mixed():
    small = learned()
    found = parts(report([small], TEXT)).model["history"]
    for point, expected in zip(found, small.run.history, strict=True):
        assert point["network"] == pytest.approx(expected.network / np.log(2), abs=1e-4)
    alone = parts(report([learned(ngram_order=0)], TEXT)).model["history"]
    assert {point["network"] for point in alone} == {None}


@pytest.mark.usefixtures("whole_samples")
def test_scores_and_samples_are_by_the_mixture():
    small = mixed(model(text=PARAGRAPH), 0.7)
    found = parts(report([small], TEXT)).model
    assert found["text"]["bits_per_char"] == pytest.approx(
        small.evaluate(TEXT).bits_per_char, abs=1e-4
    )
    assert (
        small.evaluate(TEXT).bits_per_char
        < 0.9 * model(text=PARAGRAPH).evaluate(TEXT).bits_per_char
    )
    assert found["samples"][0]["text"] == small.sample(400, temperature=0.5, seed=0)


def test_the_tables_are_those_of_the_model_or_fewer_and_that_is_said():
    small = mixed(model(text=PARAGRAPH), 0.4)
    counts = small.mixture.ngram.counts
    tables, data = tables_of(small)
    assert tables.note == ""
    sizes = [np.dtype(kind).itemsize * length for _, kind, length in tables.arrays]
    assert len(zlib.decompress(base64.b64decode(data))) == sum(sizes)
    assert tables.arrays[0] == ("symbols", "uint8", len(counts.symbols))
    fewer, less = tables_of(small, 500)
    assert 32 < fewer.arrays[0][2] <= 500 + counts.bounds[2]
    assert len(less) < len(data)
    assert fewer.note == (
        f"This page has {fewer.arrays[0][2] - 1:,} of the model's {len(counts.symbols) - 1:,} "
        "n-grams: those after the rarest histories are left out, the longest first."
    )


def test_without_a_share_or_without_play_there_are_no_tables():
    small = model(text=PARAGRAPH)
    for page in (
        report([mixed(small, 0.4)], TEXT, play=False),
        report([mixed(small, 0.0)], TEXT),
    ):
        assert parts(page).ngrams == {}
        assert parts(page).model["tables"] is None
    other = model(text=PARAGRAPH, seed=1)
    page = parts(report([other, mixed(small, 0.4)], TEXT))
    assert [one["tables"] is None for one in page.content["models"]] == [True, False]
    assert list(page.ngrams) == [1]


@pytest.mark.usefixtures("whole_samples")
def test_samples_are_what_sample_draws_with_the_seed():
    small = model(text=PARAGRAPH)
    samples = parts(report([small], TEXT, seed=7)).model["samples"]
    assert [one["temperature"] for one in samples] == [0.5, 0.8, 1.2]
    for one in samples:
        expected = small.sample(400, temperature=one["temperature"], seed=7)
        assert one["text"] == expected


def test_the_text_has_the_surprisal_that_evaluate_gives():
    small = model(text=PARAGRAPH)
    found = parts(report([small], TEXT, source="bell.txt")).model["text"]
    assert "".join(small.vocab.decode(np.array(found["ids"]))) == TEXT
    assert found["source"] == "bell.txt"
    score = small.evaluate(TEXT)
    assert np.mean(found["bits"]) == pytest.approx(score.bits_per_char, abs=0.01)
    assert found["bits_per_char"] == pytest.approx(score.bits_per_char, abs=1e-4)
    for t, (likeliest, probs) in enumerate(zip(found["likeliest"], found["probs"], strict=True)):
        expected = list(small.next(TEXT[:t]).items())[:5]
        assert [small.vocab.decode(np.array([i])) for i in likeliest] == [c for c, _ in expected]
        assert probs == pytest.approx([p for _, p in expected], abs=1e-4)


def test_each_line_of_a_model_of_records_is_scored_by_itself():
    small = model(text=PARAGRAPH, records="line")
    lines = "goat\nox\n\nbell\n"
    found = parts(report([small], lines)).model["text"]
    expected = [one.nats / np.log(2) for one in small.score_lines(["goat", "ox"])]
    assert sum(found["bits"][:5]) == pytest.approx(expected[0], abs=0.05)
    assert sum(found["bits"][5:8]) == pytest.approx(expected[1], abs=0.05)
    samples = parts(report([small], lines)).model["samples"]
    assert all(text.count("\n") == 9 for text in (one["text"] for one in samples))


def test_traces_are_the_activations_over_the_text():
    small = model(text=PARAGRAPH, cell="lstm", num_layers=2)
    text = PARAGRAPH * 2
    units = parts(report([small], text)).model["units"]
    assert units["quantities"] == ["h", "c", "i", "f", "o", "g"]
    assert units["searched"] == len(text)
    assert {(one["layer"], one["unit"]) for one in units["findings"]} == {
        (one["layer"], one["unit"]) for one in units["traces"]
    }
    states = small.hidden(text).named()
    for trace in units["traces"]:
        for name, data in trace["values"].items():
            values = np.frombuffer(base64.b64decode(data), np.int8) * trace["scales"][name]
            expected = states[name][:, trace["layer"], trace["unit"]]
            np.testing.assert_allclose(values, expected, atol=0.51 * trace["scales"][name])


def test_a_short_text_is_not_searched():
    units = parts(report([model(text=PARAGRAPH)], TEXT)).model["units"]
    assert (units["searched"], units["findings"], units["traces"]) == (0, [], [])


def test_only_the_beginning_of_a_long_text_is_used_and_that_is_said():
    small = model(text=PARAGRAPH)
    found = parts(report([small], PARAGRAPH * 100)).model
    assert found["text"]["characters"] == found["units"]["searched"] == LONGEST == 8_000
    assert len(found["text"]["ids"]) == 1_500
    assert found["text"]["note"] == (
        "Only the first 8,000 characters are used. The first 1,500 characters are shown."
    )


def test_unknown_characters_are_an_error_or_left_out_and_that_is_said():
    small = model(text=PARAGRAPH)
    with pytest.raises(VocabError, match="unknown character"):
        report([small], "go\u00e4t")
    found = parts(report([small], "g\u00e4o\u00f6at", unknown="skip")).model["text"]
    assert len(found["ids"]) == 4
    assert found["note"] == "Left out: 2 characters that the model does not know."


@pytest.mark.parametrize(("text", "why"), [("", "the text is empty"), ("\u00e4", "unknown to the")])
def test_a_text_without_characters_is_an_error(text, why):
    with pytest.raises(CorpusError, match=why):
        report([model(text=PARAGRAPH)], text, unknown="skip", source="a.txt")


def test_the_corpus_gives_the_held_out_part_and_a_6_gram_score():
    small = learned()
    text = corpus()
    page = parts(report([small], corpus=text))
    held_out = small.reference(text).held_out
    ids = page.model["text"]["ids"]
    assert 10 < len(ids) <= len(held_out)
    assert ids == held_out[len(held_out) - len(ids) :].tolist()
    expected = small.reference(text).baselines().evaluate(held_out)["6-gram"]
    assert page.model["ngram"] == pytest.approx(expected.bits_per_char, abs=1e-4)
    assert f"a 6-gram model {page.model['ngram']:.2f}." in page.model["summary"]
    assert "held out" in page.model["text"]["source"]


def test_another_corpus_is_an_error():
    with pytest.raises(CorpusError, match="not the corpus that the model was trained on"):
        report([learned()], corpus="another text\n" * 9)
    with pytest.raises(CheckpointError, match="does not say which corpus"):
        report([model(text=PARAGRAPH)], corpus=corpus())


def test_the_weights_are_those_of_the_model_in_float16():
    small = model(text=PARAGRAPH)
    expected = rounded(small).network.params.flat
    small.network.params.flat[0] = 1e9  # beyond float16
    (weights,) = parts(report([small], TEXT)).weights
    values = unpacked(weights)
    assert values[0] == 65504.0
    np.testing.assert_array_equal(values[1:], expected[1:])


def test_weights_that_take_too_much_room_are_rounded_further():
    small = model(text=PARAGRAPH, hidden_size=48)
    flat = small.network.params.flat
    flat[:4] = [1e9, -0.10546875, 0.109, 0.0]  # the second is 27/256: five significant bits
    whole = len(base64.b64decode(weights_of(small)))
    fewer = weights_of(small, whole * 2 // 3)
    assert len(base64.b64decode(fewer)) <= whole * 2 // 3
    fewest = unpacked(weights_of(small, 1))  # less than is possible
    for values, bits in ((unpacked(fewer), 5), (fewest, 4)):
        significands, _ = np.frexp(values)
        np.testing.assert_array_equal(significands * 2**bits % 1.0, 0.0)
        np.testing.assert_allclose(values[1:], flat[1:], rtol=2.0**-bits, atol=1e-7)
    assert fewest[:4].tolist() == [61440.0, -0.109375, 0.109375, 0.0]


def test_without_play_the_weights_are_left_out():
    small = model(text=PARAGRAPH)
    assert parts(report([small], TEXT, play=False)).weights == []


def test_several_models_are_on_one_page():
    one, other = model(text=PARAGRAPH, cell="lstm"), model(text=PARAGRAPH, cell="rnn")
    one.name, other.name = "one.npz", "other.npz"
    page = parts(report([one, other], TEXT))
    assert page.title == "Inside one.npz, other.npz"
    assert [found["cell"] for found in page.content["models"]] == ["lstm", "rnn"]
    assert len(page.weights) == 2


def test_milestones_are_those_given():
    page = parts(report([model(text=PARAGRAPH)], TEXT, milestones=[Milestone(0.1, 3, "goat")]))
    assert page.model["milestones"] == [{"progress": 0.1, "step": 3, "text": "goat"}]
    assert page.content["progress"] is None


def test_the_page_of_a_run_reloads_itself():
    page = progress_report(learned(), [Milestone(0.0, 0, "xq")], 0.25)
    assert '<meta http-equiv="refresh" content="3">' in page
    assert parts(page).content["progress"] == 0.25
    assert parts(page).weights == []
    assert 'http-equiv="refresh"' not in report([model(text=PARAGRAPH)], TEXT)


def test_a_byte_model_has_a_page():
    small = model(unit="byte")
    found = parts(report([small], b"a\n\xff\x00")).model
    assert found["text"]["ids"] == [97, 10, 255, 0]
    assert [found["labels"][i] for i in (97, 10, 32, 255, 0, 0x7F)] == [
        "a", "\u21b5", "\u2423", "\\xff", "\\x00", "\\x7f",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def words():
    """A model of the words of a paragraph, of which it knows the 30 most frequent."""
    text = PARAGRAPH * 4
    return trained(text, unit="word", vocab_size=30, hidden_size=8, num_layers=1, steps=12).model


@pytest.mark.usefixtures("whole_samples")
def test_a_model_of_words_has_a_page(words):
    text = "When the ox came,\nthe goat had zebras\n"
    found = parts(report([words], text)).model
    symbols = ["\ufffd", " the", " ox", "\ufffd", ",", "\n", "the", " goat", " had", "\ufffd", "\n"]
    known = words.vocab.points.tolist()
    expected = [one if one in known else "\ufffd" for one in symbols]
    assert [found["points"][i] for i in found["text"]["ids"]] == expected
    assert {" the", ",", "\n", "\ufffd"} <= {*expected}
    labels = dict(zip(found["points"], found["labels"], strict=True))
    assert (labels[" the"], labels["\n"], labels[","]) == ("\u2423the", "\u21b5", ",")
    # What it takes to spell unknown words is not the network's.
    nats = words.evaluate(text).nats - expected.count("\ufffd") * words.vocab.spelling
    assert sum(found["text"]["bits"]) == pytest.approx(nats / np.log(2), abs=0.1)
    assert "one word at a time and knows 30 different words" in found["summary"]
    assert found["samples"][0]["text"] == words.sample(100, temperature=0.5, seed=0)
    assert found["samples"][0]["bits"] < np.log2(30) + 1


def test_units_over_words_are_searched_for_features_of_texts_not_of_letters(words):
    units = parts(report([words], PARAGRAPH * 8)).model["units"]
    assert units["searched"] == len(words.vocab.encode(PARAGRAPH * 8)) > 600
    features = {one["feature"] for one in units["findings"]} | {*units["absent"]}
    assert "position in the line" in features
    assert not features & {"vowel", "upper case", "space", "position in the word"}


def test_of_a_long_text_of_words_the_beginning_is_used_and_that_is_said(words):
    found = parts(report([words], "the ox " * 20_000, play=False)).model["text"]
    assert found["characters"] == 8_000
    assert found["note"] == "Only the first 8,000 words are used. The first 1,500 words are shown."
    found = parts(report([words], "abcdefghijklmnopqrst " * 4_000, play=False)).model["text"]
    assert found["note"].startswith("Only the first 3,048 words are used.")


def test_unknown_words_are_read_or_left_out_and_that_is_said(words):
    text = " the zebra saw"
    assert len(parts(report([words], text)).model["text"]["ids"]) == 3
    found = parts(report([words], text, unknown="skip")).model["text"]
    assert found["note"] == "Left out: 2 words that the model does not know."
    assert len(found["ids"]) == 1


def test_a_model_of_words_writes_a_text_about_as_long_as_one_of_characters(words):
    page = parts(report([words])).model
    assert 600 <= page["text"]["characters"] <= 650
    assert page["units"]["searched"] == page["text"]["characters"]


def test_words_and_characters_are_not_on_one_page(words):
    with pytest.raises(ConfigError, match="models of words and of characters cannot be on one"):
        report([words, model(text=PARAGRAPH)], TEXT)


def test_without_a_text_the_model_writes_one():
    small = model(text=PARAGRAPH)
    found = parts(report([small])).model["text"]
    assert found["source"] == "a sample that the model wrote"
    expected = small.sample(2000, temperature=0.8, seed=0)
    assert "".join(small.vocab.decode(np.array(found["ids"]))) == expected[:1500]
    assert found["characters"] == 2000


# --- safety ---------------------------------------------------------------------------------------


def test_only_the_script_and_the_style_of_the_page_are_allowed():
    page = parts(report([model(text=PARAGRAPH)], TEXT))
    allowed = dict(directive.split(" ", 1) for directive in page.policy.split("; "))
    assert allowed == {
        "default-src": "'none'",
        "script-src": _hash(page.script),
        "style-src": _hash(page.style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def _hash(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_hostile_names_and_texts_stay_data():
    small = hostile_model()
    page = report([small], HOSTILE, source=HOSTILE, milestones=[Milestone(0.5, 1, HOSTILE)])
    found = parts(page)  # which also checks that there is no further script
    assert found.script == parts(report([model(text=PARAGRAPH)], TEXT)).script
    assert found.model["milestones"][0]["text"] == HOSTILE
    assert "".join(chr(found.model["points"][i]) for i in found.model["text"]["ids"]) == HOSTILE
    document = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    assert "<img" not in document
    assert set(re.findall(r"<(\w+)", document)) == {
        "html", "head", "meta", "title", "body", "header", "h1", "div", "nav", "main", "noscript",
        "footer",
    }  # fmt: skip
    for field in (found.title, found.model["name"], found.model["text"]["source"]):
        assert field.isprintable()
    assert all(label.isprintable() for label in found.model["labels"])


def test_the_page_can_be_written_as_utf_8():
    page = report([hostile_model()], HOSTILE, source=HOSTILE)
    assert page.isascii()
    page.encode()


def test_the_script_never_makes_markup_of_text():
    script = parts(report([model(text=PARAGRAPH)], TEXT)).script
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in script
    for forbidden in ("fetch(", "XMLHttpRequest", "import(", "import ", "https:", "<script", "</"):
        assert forbidden not in script
    assert "\nexport" not in script


def test_every_file_of_the_script_is_in_the_page():
    from pathlib import Path

    import charrnn.report

    folder = Path(charrnn.report.__file__).parent
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    for name in SCRIPTS:
        # One module: no two files may use a name for different things.
        for imported in re.findall(r'from "\./(.*?)"', (folder / name).read_text("utf-8")):
            assert SCRIPTS.index(imported) < SCRIPTS.index(name)
