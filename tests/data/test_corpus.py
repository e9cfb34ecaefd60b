"""A text to ids: nothing lost, memory bounded, the end held out."""

import codecs
import dataclasses
import hashlib
import io
import tracemalloc
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from corpus_tools import corpus_of, text_of
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.data.corpus import Corpus
from charrnn.data.source import Source
from charrnn.data.vocab import Vocab
from charrnn.errors import ConfigError, CorpusError, VocabError

BYTE = DataConfig(unit="byte")
LINES = DataConfig(records="line")


@pytest.mark.parametrize("block_size", [1, 2, 3, 5, 7, 4096])
def test_several_files_are_read_as_one(block_size):
    parts = ["aé".encode(), b"", "bя\n".encode(), b"c"]
    corpus, whole = corpus_of(*parts, block_size=block_size), b"".join(parts)
    assert text_of(corpus) == whole.decode()
    assert (corpus.characters, corpus.size) == (len(whole.decode()), len(whole))
    assert corpus.sha256 == hashlib.sha256(whole).hexdigest() == corpus_of(whole).sha256
    assert corpus.name == "part0 part1 part2 part3"


def test_a_corpus_closes_its_sources(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"abc")
    bad.write_bytes(b"\xff")
    sources = [Source.open(good), Source.open(good)]
    Corpus(sources, DataConfig())
    sources.append(Source.open(bad))
    with pytest.raises(CorpusError):
        Corpus(sources[2:], DataConfig())
    assert all(source.stream.closed for source in sources)


class Changing(io.BytesIO):
    """A file whose content has changed by the time it is read for the last time."""

    def __init__(self, before, after):
        super().__init__(before)
        self.rewound, self.after = 0, after

    def seek(self, *args):
        self.rewound += 1
        if self.rewound == 3:
            self.__init__(self.after, self.after)
        return super().seek(*args)


@pytest.mark.parametrize("after", [b"abcab", b"abcabca", b"abcabx"])
def test_a_file_that_changes_while_it_is_read_is_refused(after):
    with pytest.raises(CorpusError, match="log: the file changed while it was read; try again"):
        Corpus([Source("log", Changing(b"abcabc", after))], DataConfig())


@pytest.mark.parametrize(
    ("raw", "data", "words"),
    [
        (b"", DataConfig(), "part0: the corpus is empty"),
        (codecs.BOM_UTF8, DataConfig(), "empty"),
        (b"", BYTE, "empty"),
        (b"aaaa", DataConfig(), "'a' is the only character"),
        ("яя".encode(), DataConfig(), "'я' is the only"),
        (b"\0\0", BYTE, r"'\\x00' is the only"),
    ],
)
def test_nothing_to_learn_is_an_error(raw, data, words):
    with pytest.raises(CorpusError, match=words):
        corpus_of(raw, data=data)


def test_a_text_of_one_line_is_not_a_corpus_of_records():
    with pytest.raises(CorpusError, match="only one line") as caught:
        Corpus.of_text("abcabc", LINES)
    assert str(caught.value) == (
        "text: there is only one line, but data.records is line; "
        "give a text of several lines, or use data.records=none"
    )


def test_text_in_memory_needs_no_encoding():
    text = "я\r\né"
    assert text_of(Corpus.of_text(text, DataConfig(encoding="utf-16"))) == text
    assert text_of(Corpus.of_text(text.encode("utf-16"), DataConfig(encoding="utf-16"))) == text
    assert text_of(Corpus.of_text(text, BYTE)) == text.encode()
    with pytest.raises(CorpusError, match=r"'\\ud800' at character 3"):
        Corpus.of_text("ab\ud800")


# --- ids ---------------------------------------------------------------------------------------


@given(st.binary(min_size=2, max_size=60).filter(lambda raw: len(set(raw)) > 1))
def test_any_bytes_are_a_byte_corpus(raw):
    corpus = corpus_of(raw, data=BYTE)
    assert corpus.ids.tolist() == list(raw)
    assert corpus.ids.dtype == np.uint8
    assert len(corpus.vocab) == 256


@pytest.mark.parametrize(
    ("symbols", "dtype"), [(2, "uint8"), (256, "uint8"), (257, "uint16"), (65537, "uint32")]
)
def test_ids_have_the_smallest_integer_type(symbols, dtype):
    text = "".join(chr(0x10000 + i) for i in range(symbols))
    corpus = Corpus.of_text(text)
    assert corpus.ids.dtype == dtype
    assert corpus.ids.tolist() == list(range(symbols))


@pytest.mark.parametrize("text", ["ab\n" * 500, "яb😀" * 500, "".join(map(chr, range(32, 700)))])
def test_mapped_ids_equal_those_in_memory(text):
    kept, mapped = Corpus.of_text(text), Corpus.of_text(text, max_in_memory=64)
    assert kept.ids.base is None
    assert mapped.ids.base is not None
    assert mapped.ids.dtype == kept.ids.dtype
    np.testing.assert_array_equal(mapped.ids, kept.ids)


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_memory_is_bounded(tmp_path, unit):
    path = tmp_path / "large.txt"
    path.write_bytes(("The quick brown fox, naïve as ever.\n" * 27).encode() * 20_000)  # 20 MB
    tracemalloc.start()
    try:
        source = Source("large.txt", path.open("rb"), block_size=1 << 18)
        corpus = Corpus([source], DataConfig(unit=unit), max_in_memory=1 << 20)  # ids are mapped
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert corpus.size == path.stat().st_size > 19e6
    # Blocks of 256 KB as str and uint32, and two tables of all code points (5.6 MB).
    assert peak < 12e6


# --- the held-out part -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("characters", "fraction"),
    [(1_115_394, 0.1), (100, 0.07), (2, 0.9), (3, 0.9), (11, 0.1), (10, 0.1), (1000, 0.0)],
)
def test_the_end_is_held_out(characters, fraction):
    text = "ab" * (characters // 2) + "a" * (characters % 2)
    corpus = Corpus.of_text(text, DataConfig(val_fraction=fraction))
    wanted = min(ceil(Fraction(str(fraction)) * characters), characters - 2)
    assert len(corpus.validation) == wanted
    joined = np.concatenate([corpus.train, corpus.validation])
    np.testing.assert_array_equal(joined, corpus.ids)


def test_as_much_of_tiny_shakespeare_is_held_out_as_others_report_on():
    corpus = Corpus.of_text(b"ab" * (1_115_394 // 2), BYTE)
    assert len(corpus.validation) == 111_540


NAMES = "anna\nbo\n\ncecilia\nda\nemmeline\nfay\ngeorgina\nhal\nida\njo\nkatharina\nlea\n"


def test_the_last_lines_can_be_held_out():
    last = dataclasses.replace(LINES, val_split="end")
    names = NAMES
    corpus = Corpus.of_text(names, dataclasses.replace(last, val_fraction=0.2))
    # A fifth of 13 lines, the empty one included, rounded up.
    assert corpus.vocab.decode(corpus.validation) == "jo\nkatharina\nlea\n"
    assert len(corpus.train) + len(corpus.validation) == len(names)
    # However much is held out, a line is left; and nothing may be held out.
    most = Corpus.of_text("a\nb\n", dataclasses.replace(last, val_fraction=0.9))
    assert most.vocab.decode(most.train) == "a\n"
    none = Corpus.of_text("a\nb\n", dataclasses.replace(last, val_fraction=0.0))
    assert not len(none.validation)


def test_records_held_out_are_scattered_over_the_list():
    # Expected texts are literal, because a model's held-out records must never change.
    corpus = Corpus.of_text(NAMES, dataclasses.replace(LINES, val_fraction=0.2))
    assert corpus.vocab.decode(corpus.validation) == "cecilia\nemmeline\ngeorgina\n"
    assert corpus.vocab.decode(corpus.train) == (
        "anna\nbo\n\nda\nfay\nhal\nida\njo\nkatharina\nlea\n"
    )
    for fraction, count in ((0.9, 1), (0.0, 2)):  # however much is held out, a line is left
        two = Corpus.of_text("a\nb\n", dataclasses.replace(LINES, val_fraction=fraction))
        assert len(two.train) == 2 * count
        assert len(two.train) + len(two.validation) == 4


@pytest.mark.parametrize("max_in_memory", [16, 1 << 26])
@pytest.mark.parametrize("block", [3, 1 << 16])
def test_many_records_are_scattered_evenly(monkeypatch, max_in_memory, block):
    monkeypatch.setattr("charrnn.data.corpus.RECORDS", block)
    records = [f"{i:04}" for i in range(1000)]
    corpus = Corpus.of_text("\n".join(records), LINES, max_in_memory=max_in_memory)
    train, held = (corpus.vocab.decode(ids).split() for ids in (corpus.train, corpus.validation))
    assert (len(held), train, held) == (100, sorted(set(records) - set(held)), sorted(held))
    for hundred in range(0, 1000, 100):
        assert 2 <= sum(hundred <= int(record) < hundred + 100 for record in held) <= 20
    assert int(corpus.train_counts.sum()) == len(corpus.train) == 900 * 5
    assert int(corpus.validation_counts.sum()) == len(corpus.validation)


# --- records -----------------------------------------------------------------------------------


@pytest.mark.parametrize("block_size", [1, 2, 3, 5, 4096])
def test_a_files_end_ends_a_record(block_size):
    data = dataclasses.replace(LINES, val_split="end", val_fraction=0.0)
    corpus = corpus_of(b"red\nblue", b"", b"sun\n", b"moon", data=data, block_size=block_size)
    assert text_of(corpus) == "red\nblue\nsun\nmoon\n"
    assert corpus.characters == 18
    text = corpus_of(b"red\nblue", b"sun\n", block_size=block_size)
    assert text_of(text) == "red\nbluesun\n"  # one text


@pytest.mark.parametrize("unit", ["char", "byte"])
@pytest.mark.parametrize("block_size", [1, 2, 3, 5, 4096])
@pytest.mark.parametrize(
    ("records", "parts"),
    [
        ("blank-line", ["\n\na\nä\n\n\nc\n\n", "d"]),
        ("blank-line", ["a\r\nä\r\n\r\n\r\nc", "\n\nd\r\n"]),
        ("%", ["a\nä\n%\nc%%%\n", "%d"]),
        ("<|é|>", ["a\nä<|é|>c\n", "<|é|>\nd\n<|é|>"]),
        ("\n--\n", ["a\nä\n--\nc\n", "d"]),
    ],
)
def test_records_of_several_lines(records, parts, block_size, unit):
    data = DataConfig(unit=unit, records=records, val_fraction=0.0)
    parts = [part.encode() for part in parts]
    corpus = corpus_of(*parts, data=data, block_size=block_size)
    wanted = "a\nä\x1ec\x1ed\x1e".replace("\n", "\r\n" if b"\r" in parts[0] else "\n")
    assert text_of(corpus) == (wanted if unit == "char" else wanted.encode())
    assert corpus.vocab.points[corpus.vocab.start] == 0x1E


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (
            "lines",
            "text: the record delimiter 'lines' (data.records) does not occur; "
            "did you mean 'line'?",
        ),
        (
            "<|endoftext|>",
            "text: the record delimiter '<|endoftext|>' (data.records) does not occur; "
            "give none, line, blank-line, or a delimiter that occurs",
        ),
        (
            "blank-line",
            "text: there is only one paragraph, but data.records is blank-line; "
            "give a text of several paragraphs, or use data.records=none",
        ),
    ],
)
def test_a_delimiter_that_does_not_occur_is_refused(records, message):
    with pytest.raises(CorpusError) as caught:
        Corpus.of_text("a\nb\n", DataConfig(records=records))
    assert str(caught.value) == message


def test_scattering_needs_records():
    with pytest.raises(ConfigError, match=r"data\.val_split=scattered needs records"):
        DataConfig(val_split="scattered")


# --- symbols that are known already ------------------------------------------------------------


def test_known_symbols_have_ids_beside_those_of_the_text():
    known = Vocab("char", map(ord, "abcd"))
    corpus = corpus_of("dbя!".encode(), known=known)
    assert corpus.vocab == Vocab("char", map(ord, "!abcdя"))
    assert corpus.ids.tolist() == [4, 2, 5, 0]
    assert corpus.points.tolist() == sorted(map(ord, "dbя!"))
    assert corpus_of(b"db", known=known).vocab == known
    assert corpus_of(b"db").points.tolist() == corpus_of(b"db").vocab.points.tolist() == [98, 100]


def test_known_symbols_count_for_the_type_of_the_ids():
    known = Vocab("char", range(0x4E00, 0x4E00 + 300))
    assert corpus_of(b"ab").ids.dtype == np.uint8
    corpus = corpus_of(b"ab\xe4\xb8\x83", known=known)  # U+4E03
    assert corpus.ids.dtype == np.uint16
    assert corpus.ids.tolist() == [0, 1, 5]


def test_known_symbols_of_another_unit_are_refused():
    with pytest.raises(VocabError, match="vocabulary of chars cannot be merged with one of bytes"):
        corpus_of(b"ab", known=Vocab("byte"))
    assert corpus_of(b"ab", data=BYTE, known=Vocab("byte")).points.tolist() == [97, 98]


# --- rare characters ---------------------------------------------------------------------------


def test_characters_below_the_count_become_one_symbol():
    corpus = Corpus.of_text("aabbb\nçd", DataConfig(min_count=2))
    assert corpus.vocab.points.tolist() == [10, 97, 98, 0xFFFD]  # the newline is kept
    assert corpus.vocab.decode(corpus.ids) == "aabbb\n\ufffd\ufffd"
    assert corpus.rare.tolist() == sorted(map(ord, "çd"))
    assert corpus.counts.tolist() == [1, 2, 3]


def test_nothing_changes_if_nothing_is_rare():
    text = "aabb\n"
    plain, cut = Corpus.of_text(text), Corpus.of_text(text, DataConfig(min_count=2))
    assert cut.vocab == plain.vocab
    assert not cut.vocab.rare
    bytes_ = Corpus.of_text(b"abc", DataConfig(unit="byte", min_count=9))
    assert bytes_.ids.tolist() == [97, 98, 99]


def test_what_the_model_knows_is_never_rare():
    known = Vocab("char", map(ord, "aç"), rare=True)
    corpus = Corpus.of_text("aaçd", DataConfig(min_count=2), known=known)
    assert corpus.vocab == known
    assert corpus.vocab.decode(corpus.ids) == "aaç\ufffd"


def test_a_count_that_leaves_nothing_is_an_error():
    with pytest.raises(CorpusError, match=r"no character occurs 9 times; lower data\.min_count"):
        Corpus.of_text("abc", DataConfig(min_count=9))
