"""Where records begin and end, lines of blocks, and the set of known records."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.data.corpus import Corpus
from charrnn.data.records import RecordSet, find_symbol, record_spans, split_lines

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
