"""The script's mathematics against Python's, under Node.js."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pages import Vocab, mixed, parts, rounded
from small import PARAGRAPH, model

import charrnn.report
from charrnn.nn.functional import softmax
from charrnn.nn.network import Network
from charrnn.nn.params import Params
from charrnn.report import report
from charrnn.sampling import Choice
from charrnn.threads import blas_settings

FOLDER = Path(charrnn.report.__file__).parent
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


def node(program: str, **given):
    """What one of the programs beside this file prints."""
    done = subprocess.run(
        [NODE, Path(__file__).parent / program],
        input=json.dumps({"folder": str(FOLDER), **given}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("cell", "records"),
    [
        *[("rnn", "line"), ("lstm", "none"), ("gru", "line")],
        *(
            pytest.param(*more, marks=pytest.mark.soak)
            for more in (("rnn", "none"), ("lstm", "line"), ("gru", "none"))
        ),
    ],
)
def test_probabilities_are_those_of_python_over_1000_characters(cell, records):
    small = model(text=PARAGRAPH, cell=cell, num_layers=2, hidden_size=24, records=records, seed=5)
    if cell == "rnn":
        small.network.params.flat *= 0.4  # with larger random weights it is chaotic
    # The second half has n-grams of every length, and some that the model does not know.
    text = (PARAGRAPH + "".join(sorted(PARAGRAPH)) + PARAGRAPH[::-1])[:1000]
    shares = (0.0, 0.4, 1.0)
    all_found, ids = probabilities(mixed(small, 0.4), text, shares)
    alone = expected_probabilities(rounded(small), text)
    for share, found in zip(shares, all_found, strict=True):
        expected = small.mixture.with_weight(share).distributions(alone, contexts(small, ids))
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert np.std(expected, axis=0).max() > 0.02  # they do depend on the text


def probabilities(small, text, shares):
    """For each share of the n-grams, of each symbol after each of the ids; and these."""
    page = parts(report([small], text[:10]))
    ids = [small.vocab.start, *small.vocab.encode(text).tolist()]
    data = {"weights": page.weights[0], "ngrams": page.ngrams.get(0)}
    return node("probabilities.mjs", model=page.model, ids=ids, shares=shares, **data), ids


def contexts(small, ids):
    """Those of the n-gram model after each of the ids."""
    ngram = small.mixture.ngram
    context, found = ngram.context(), []
    for id in ids:
        (context,) = ngram.advance(context[None], np.array([id]))
        found.append(context)
    return np.array(found)


def test_large_counts_and_alphabets_are_those_of_python():
    """More than 255 times the same n-gram, and ids that do not fit into a byte."""
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    learned = ("ab\n" * 400 + alphabet) * 2
    small = mixed(model(text="ab\n" + alphabet, seed=5), 1.0, text=learned)
    assert small.mixture.ngram.counts.counts.max() > 255
    text = learned[900:1300]
    (found,), _ = probabilities(small, text, [1.0])
    for at in (100, 250, 390):
        expected = small.next(text[:at])
        order = small.vocab.encode("".join(expected))
        np.testing.assert_allclose(np.array(found[at])[order], list(expected.values()), atol=1e-6)


def test_the_symbol_of_rare_characters_has_no_probability():
    small = model(text=PARAGRAPH + "\ufffd", seed=5)
    small.vocab = Vocab("char", small.vocab.points.tolist(), rare=True)
    text, rare = "The goat\ufffd\ufffd bell", small.vocab.rare_id
    (alone,), ids = probabilities(small, text, [0.0])
    mixed(small, 0.6, text=PARAGRAPH + "\ufffd" * 30)
    (together,), _ = probabilities(small, text, [0.6])
    for found in (alone, together):
        assert [row[rare] for row in found] == [0.0] * len(ids)
        np.testing.assert_allclose(np.sum(found, axis=1), 1.0, atol=1e-12)
    logits = np.log(expected_probabilities(rounded(small), text))
    logits[:, rare] = -1e9
    np.testing.assert_allclose(alone, softmax(logits.copy()), atol=1e-4)
    with blas_settings(1):  # as in sampling: the logarithm of 0 is no reason for a warning
        small.mixture.without(rare).mix_logits(logits, contexts(small, ids))
    np.testing.assert_allclose(together, softmax(logits), atol=1e-4)


def expected_probabilities(small, text):
    """Of each symbol after the newline before the text and after each of its characters."""
    lines = text.splitlines(keepends=True) if small.of_records else [text]
    params = small.network.params
    precise = Network(
        small.network.arch, Params(params.shapes, flat=params.flat.astype(np.float64))
    )
    rows = []
    for number, line in enumerate(lines):
        # A newline that ends a record is the one before the next.
        line = line.removesuffix("\n") if small.of_records and number < len(lines) - 1 else line
        ids = np.append(small.vocab.start, small.vocab.encode(line))
        ws, state = precise.workspace(len(ids), 1), precise.arch.zero_state(1, np.float64)
        rows.append(softmax(precise.forward(ws, ids[:, None], state)))
    return np.concatenate(rows)


def test_every_float16_is_decoded():
    bits = np.arange(1 << 16, dtype=np.uint16)
    values = bits.view(np.float16)
    values = values[np.isfinite(values)].astype("<f2")
    program = (
        "import { halves } from process.argv[1]".replace(
            "from process.argv[1]", f"from {json.dumps(FOLDER.as_uri() + '/network.js')}"
        )
        + ";import { readFileSync } from 'node:fs';"
        "console.log(JSON.stringify(Array.from(halves(readFileSync(0)))))"
    )
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", program],
        input=values.view(np.uint8).reshape(-1, 2).T.tobytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(json.loads(done.stdout), values.astype(np.float64))


SETTINGS = [
    {"temperature": temperature, "topK": top_k, "topP": top_p}
    for temperature in (0.0, 0.3, 1.0, 2.0)
    for top_k in (0, 1, 3)
    for top_p in (0.05, 0.6, 1.0)
]


def test_distributions_are_those_of_python():
    logits = np.random.default_rng(2).normal(0.0, 2.0, (len(SETTINGS), 9))
    cases = list(zip(logits.tolist(), SETTINGS, strict=True))
    found = node("choices.mjs", cases=cases, draws=[])["found"]
    for row, chosen, probs in zip(logits, SETTINGS, found, strict=True):
        choice = Choice(chosen["temperature"], chosen["topK"], chosen["topP"])
        np.testing.assert_allclose(probs, python_distribution(choice, row), atol=1e-12)


def python_distribution(choice, logits):
    return softmax(choice.apply(logits[None].copy()))[0]


def test_draws_follow_the_distribution_and_are_repeated_by_a_seed():
    probs = [0.0, 0.5, 0.0, 0.25, 0.25, 0.0]
    one, again, other = node("choices.mjs", cases=[], draws=[
        [probs, 7, 4000], [probs, 7, 4000], [probs, 8, 4000],
    ])["drawn"]  # fmt: skip
    assert one == again != other
    counts = np.bincount(one, minlength=6)
    assert counts[[0, 2, 5]].tolist() == [0, 0, 0]
    np.testing.assert_allclose(counts / 4000, probs, atol=0.03)


def test_what_has_probability_0_is_never_drawn():
    tiny = [0.0, 1e-300, 0.0, 1.0, 0.0]
    (drawn,) = node("choices.mjs", cases=[], draws=[[tiny, 3, 20_000]])["drawn"]
    assert set(drawn) <= {1, 3}
