"""Where records begin and end, lines of blocks, and the set of known records."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.data.corpus import Corpus
from charrnn.data.records import RecordMarker, RecordSet, find_symbol, record_spans, split_lines
from charrnn.data.vocab import codepoints, text_of

#: Short texts of the ids 0 (a newline), 1 and 2.
TEXTS = st.lists(st.integers(0, 2), max_size=20)


@given(TEXTS)
def test_spans_are_those_of_the_lines_that_are_not_empty(text):
    ids = np.array(text, np.uint8)
    starts, lengths = record_spans(ids, 0)
    found = ["".join(map(str, text[s : s + n])) for s, n in zip(starts, lengths, strict=True)]
    assert found == [line for line in "".join(map(str, text)).split("0") if line]
    assert starts.dtype == lengths.dtype == np.int64
    assert find_symbol(ids, 0).tolist() == [i for i, symbol in enumerate(text) if symbol == 0]


@given(st.text("ab\n", max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_lines_may_span_blocks(text, cuts):
    blocks = np.split(np.frombuffer(text.encode(), np.uint8), sorted(cuts))
    lines = ["".join(map(chr, line)) for lines in split_lines(iter(blocks)) for line in lines]
    assert lines == (text[:-1] if text.endswith("\n") else text).split("\n") * bool(text)


def test_the_set_of_known_records():
    corpus = Corpus.of_text("añb\n𝄞\n\nañb\n", DataConfig(records="line"))
    records = RecordSet.of_ids(corpus.ids, corpus.vocab)
    assert len(records) == 2
    assert "añb" in records
    assert "𝄞" in records
    assert "" not in records
    assert 3 not in records
    assert np.array_equal(records.hashes, RecordSet.of(["𝄞", "añb"]).hashes)
    assert "x" not in RecordSet.of([])
    assert b"x" in RecordSet.of(["x"])
    # Model files contain these values: they must never change.
    assert RecordSet.of(["a"]).hashes.tolist() == [int.from_bytes(HASH_OF_A, "little", signed=True)]


#: b2sum -l 64 of "a".
HASH_OF_A = bytes.fromhex("40f89e395b66422f")


def test_a_union_has_the_records_of_both():
    both = RecordSet.of(["anna", "bo"]).union(RecordSet.of(["bo", "cecilia"]))
    assert np.array_equal(both.hashes, RecordSet.of(["anna", "bo", "cecilia"]).hashes)


@pytest.mark.parametrize(
    ("records", "text", "marked"),
    [
        ("blank-line", "a\nb\n\nc\r\n\r\n\r\nd\n\n\n", "a\nb\x1ec\x1ed\x1e"),
        ("aa", "xaaay\naa", "x\x1eay\x1e"),
        ("%", "%é\n%\n\n%ü", "é\x1eü\x1e"),
        ("<|end|>", "a<|end|><|end|>b<|end", "a\x1eb<|end\x1e"),
    ],
)
def test_records_may_span_blocks(records, text, marked):
    points = codepoints(text)
    for size in range(1, len(text) + 1):
        blocks = (points[at : at + size] for at in range(0, len(points), size))
        found = np.concatenate(list(RecordMarker(records, "char").mark(blocks)))
        assert text_of("char", found) == marked


def test_a_long_record_is_searched_once(monkeypatch):
    searched, split = [], re.split
    monkeypatch.setattr(re, "split", lambda at, data: searched.append(len(data)) or split(at, data))
    blocks = (np.full(100, 97, np.uint8) for _ in range(100))
    (record,) = RecordMarker("<|end|>", "byte").mark(blocks)
    assert len(record) == 10_001
    assert sum(searched) < 11_000
