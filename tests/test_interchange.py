"""Models made of named arrays: CharRNN.from_parameters, and everything that such a model can do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import CELLS, PARAGRAPH, model, trained

import charrnn
from charrnn.errors import CharRNNError, ConfigError, VocabError

SYMBOLS = "\n abc"


def arrays(cell="lstm", **changes):
    """The parameters of a model of :data:`SYMBOLS` with 8 units, without those that are None."""
    found = model(SYMBOLS, cell=cell).parameters() | changes
    return {name: array for name, array in found.items() if array is not None}


def made(parameters=None, symbols=SYMBOLS, **settings):
    return charrnn.CharRNN.from_parameters(parameters or arrays(), symbols, **settings)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_cell_and_the_sizes_are_those_of_the_arrays(cell, layers):
    before = model(SYMBOLS, cell=cell, num_layers=layers)
    after = made(before.parameters())
    assert after.network.arch == before.network.arch
    assert after.vocab == before.vocab
    assert after.evaluate("a cab\n") == before.evaluate("a cab\n")
    assert after.sample(30, seed=1) == before.sample(30, seed=1)


def test_parameters_are_copied_on_both_ways():
    before = model(SYMBOLS)
    given = before.parameters()
    after = made(given)
    for array in given.values():
        array.fill(7.0)
    assert after.evaluate("a cab") == before.evaluate("a cab")


@given(st.permutations(SYMBOLS))
def test_symbols_may_be_in_any_order(symbols):
    before = model(SYMBOLS)
    ids = before.vocab.encode("".join(symbols))
    given = before.parameters()
    given["layers.0.W_x"] = given["layers.0.W_x"][ids]
    given["output.W"] = given["output.W"][:, ids]
    given["output.b"] = given["output.b"][ids]
    after = made(given, "".join(symbols))
    assert after.vocab.symbols == SYMBOLS
    for name, array in before.parameters().items():
        np.testing.assert_array_equal(after.parameters()[name], array)


def test_bytes_are_the_symbols_of_a_byte_model():
    before = model(unit="byte")
    after = made(before.parameters(), bytes(range(256)))
    assert after.config.data.unit == "byte"
    assert after.evaluate(b"\xff\x00") == before.evaluate(b"\xff\x00")
    backwards = before.parameters()
    backwards["layers.0.W_x"] = backwards["layers.0.W_x"][::-1]
    other = made(backwards, bytes(range(255, -1, -1)))
    np.testing.assert_array_equal(
        other.parameters()["layers.0.W_x"], before.parameters()["layers.0.W_x"]
    )


WORDS = ["\n", " fox", "the", ".", "\ufffd"]


@given(st.permutations(WORDS))
def test_words_may_be_in_any_order(words):
    before = made(symbols=[*WORDS])
    ids = [before.vocab.symbols.index(word) for word in words]
    given = before.parameters()
    given["layers.0.W_x"] = given["layers.0.W_x"][ids]
    given["output.W"] = given["output.W"][:, ids]
    given["output.b"] = given["output.b"][ids]
    after = made(given, words)
    assert after.vocab == before.vocab
    for name, array in before.parameters().items():
        np.testing.assert_array_equal(after.parameters()[name], array)


def test_a_model_of_words_is_made_of_a_list_of_them(tmp_path):
    text = "the fox saw the crow.\nthe crow saw the fox and the badger.\n" * 40
    text += "an owl, too\n"
    run = trained(text, unit="word", vocab_size=10, steps=2, ngram_order=0)
    before, words = run.model, run.model.vocab.symbols
    known = [" and", " badger", " crow", " fox", " saw", " the"]
    assert words == ["\n", *known, ".", "the", "\ufffd"]
    made(before.parameters(), words, vocab_size=10).save(tmp_path / "made.npz")
    after = charrnn.load(tmp_path / "made.npz")
    assert after.vocab == before.vocab
    assert after.vocab.reads_unknown
    score = after.evaluate("the heron saw the fox.\n")
    assert (score.words, score.unknown, score.characters) == (7, 1, 23)
    wanted = before.evaluate("the heron saw the fox.\n").nats_per_symbol
    assert score.nats_per_symbol == pytest.approx(wanted, rel=1e-12)
    assert after.sample(20, seed=1) == before.sample(20, seed=1)
    tuned = charrnn.train(text + "a heron\n", init_from=after, steps=2)
    assert {*words} <= {*tuned.vocab.symbols}
    assert not made(symbols=[*"abcde"]).vocab.reads_unknown


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "g"])
def test_any_floating_point_type_is_rounded_to_float32(dtype):
    given = {name: array.astype(dtype) for name, array in arrays().items()}
    found = made(given).parameters()
    for name, array in given.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array.astype("f4"))


def test_records_and_rare_characters_are_settings():
    lines = made(records="line", dropout=0.25)
    assert lines.of_records
    assert lines.config.model.dropout == 0.25
    assert "\n" not in lines.sample(200, seed=3)
    rare = made(symbols="\n ab\ufffd", min_count=2)
    assert rare.vocab.rare
    assert rare.evaluate("aΩ").characters == 2
    assert not made(symbols="\n ab\ufffd").vocab.rare
    separated = made(symbols="\n \x1eab", records="blank-line")
    assert separated.vocab.end == "\x1e"


BIG = np.full(5, 1e39)
NAN = np.array([0, 1, np.nan, 2, np.inf])
SHAPE = "which 5 symbols and 8 units need"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"output.b": None}, "parameter output.b is missing"),
        (
            {"layers.0.W_h": None},
            "parameter layers.0.W_h is missing; use the names that model.parameters() returns",
        ),
        ({"layers.2.b": np.ones(32)}, "parameter layers.1.W_x is missing"),
        ({"output.B": np.ones(5)}, "unknown parameter output.B; did you mean 'output.b'?"),
        ({"\x1b[2J": np.ones(5)}, "unknown parameter \\x1b[2J"),
        (
            {"layers.0.b_n": np.ones(8)},
            "unknown parameter layers.0.b_n; did you mean 'layers.0.b'?",
        ),
        ({"output.b": np.ones(6)}, f"output.b has the shape (6,), not (5,), {SHAPE}"),
        ({"output.b": np.ones(())}, f"output.b has the shape (), not (5,), {SHAPE}"),
        (
            {"layers.0.W_x": np.ones((32, 5))},
            f"layers.0.W_x has the shape (32, 5), not (5, 32), {SHAPE}",
        ),
        (
            {"layers.0.W_h": np.ones((32, 8))},
            "layers.0.W_h has the shape (32, 8), which no cell has; for H units, it is (H, H) in "
            "an rnn, (H, 4*H) in an lstm and (H, 3*H) in a gru",
        ),
        ({"layers.0.W_h": np.ones((0, 0))}, "layers.0.W_h has the shape (0, 0), which no cell has"),
        ({"layers.0.W_h": np.ones(8)}, "layers.0.W_h has the shape (8,), which no cell has"),
        ({"output.b": NAN}, "output.b holds nan; parameters must be finite in float32"),
        ({"output.b": -BIG}, "output.b holds -1e+39; parameters must be finite in float32"),
        ({"output.b": np.ones(5, int)}, "output.b is an array of int64; convert it to float32"),
        ({"output.b": np.ones(5, "c8")}, "output.b is an array of complex64"),
        ({"output.b": np.array(["a"] * 5)}, "output.b is an array of <U1"),
        ({"output.b": np.array([None] * 5)}, "output.b is an array of object"),
    ],
)
def test_wrong_parameters_are_named_in_one_line(changes, words):
    with pytest.raises(CharRNNError) as found:
        made(arrays(**changes))
    line = str(found.value)
    assert line == words or (len(words) < len(line) and line.startswith(words + ";")), line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("symbols", "settings", "kind", "words"),
    [
        ("\n abca", {}, VocabError, "the symbols have 'a' twice; give each once"),
        ("\n ab\udc00", {}, VocabError, "'\\udc00' is half of a surrogate pair; leave it out"),
        ("\n ab", {}, CharRNNError, "layers.0.W_x has the shape (5, 32), not (4, 32), which 4 "),
        ("", {}, VocabError, "a vocabulary needs at least one character"),
        (b"\n abc", {}, VocabError, "the symbols of a byte model must be the 256 bytes, each once"),
        (["a", 1], {}, TypeError, "symbols must be str, bytes or a list of words, not ['a', 1]"),
        (("a",), {}, TypeError, "symbols must be str, bytes or a list of words, not ('a',)"),
        ([*"abcd", "a"], {}, VocabError, "the symbols have 'a' twice; give each once"),
        ([*"abcd", "e f"], {}, VocabError, "'e f' is not a word, but several, or none"),
        (
            [*"abcd", "<unk>"],
            {},
            VocabError,
            "'<unk>' is not a word, but several, or none; give each word with the space before "
            "it, and U+FFFD for all other words",
        ),
        ([*"abcde"], {"records": "line"}, VocabError, "the symbols lack '\\n', which ends a "),
        ([*"abcde"], {"unit": "char"}, CharRNNError, "unit is word in these parameters and "),
        ("dabce", {"records": "line"}, VocabError, "the symbols lack '\\n', which ends a record"),
        (SYMBOLS, {"records": "%%"}, VocabError, "the symbols lack '\\x1e', which ends a record"),
        (SYMBOLS, {"cell": "gru"}, CharRNNError, "cell is lstm in these parameters and symbols, "),
        (SYMBOLS, {"hidden_size": 9}, CharRNNError, "hidden_size is 8 in these parameters and "),
        (SYMBOLS, {"unit": "byte"}, CharRNNError, "unit is char in these parameters and symbols"),
        (SYMBOLS, {"dropuot": 0.1}, ConfigError, "dropuot: unknown setting; did you mean 'dropout"),
        (SYMBOLS, {"dropout": 2}, ConfigError, "model.dropout: "),
    ],
)
def test_wrong_symbols_and_settings_are_named_in_one_line(symbols, settings, kind, words):
    with pytest.raises(kind) as found:
        made(symbols=symbols, **settings)
    assert str(found.value).startswith(words)
    assert str(found.value).isprintable()


def test_what_are_not_arrays_by_name_is_a_type_error():
    with pytest.raises(TypeError, match="parameters must be arrays by name, not 5"):
        made(5)
    with pytest.raises(TypeError, match=r"output\.b must be a NumPy array, not a list"):
        made(arrays(**{"output.b": [1.0] * 5}))


def test_what_such_a_model_cannot_do_is_said(tmp_path):
    made().save(tmp_path / "made.npz")
    loaded = charrnn.load(tmp_path / "made.npz", training=True)
    for call, words in [
        (lambda: loaded.percentile(99), "has no percentiles"),
        (lambda: loaded.sample(5, stop="\n", novel=True), "does not know the lines"),
        (lambda: loaded.sample(5, words="known"), "does not know the words"),
        (lambda: loaded.dynamic_evaluate("abc"), "needs the mean squared gradients"),
    ]:
        with pytest.raises(CharRNNError, match=words):
            call()


def test_fine_tuning_starts_from_it():
    run = trained(hidden_size=8, num_layers=1, dropout=0.0)
    before = charrnn.CharRNN.from_parameters(run.model.parameters(), run.model.vocab.symbols)
    after = charrnn.train(PARAGRAPH + "ß", init_from=before, steps=3)
    assert after.origin.sha256 == before.network.params.digest()
    assert set(after.vocab.symbols) == {*before.vocab.symbols, "ß"}
    assert after.config.model.hidden_size == 8
