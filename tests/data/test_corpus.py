"""Text to ids: strict, exact in what it reports, bounded in memory; windows for training."""

import codecs
import hashlib
import io
import os
import subprocess
import sys
import threading
import tracemalloc
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.data import corpus as corpus_module
from charrnn.data import source as module
from charrnn.data.batches import TextBatches
from charrnn.data.corpus import Corpus
from charrnn.data.source import Source
from charrnn.data.vocab import Vocab
from charrnn.errors import CorpusError, VocabError

BOM = codecs.BOM_UTF8
BYTE = DataConfig(unit="byte")
BLOCKS = [1, 2, 3, 5, 7, 4096]


def read(*parts, data=None, known=None):
    """A corpus of byte strings, each a source of its own."""
    sources = [Source(f"part{i}", io.BytesIO(part)) for i, part in enumerate(parts)]
    return Corpus(sources, data or DataConfig(), known)


def text_of(corpus):
    return corpus.vocab.decode(corpus.ids)


@pytest.fixture(params=BLOCKS)
def block(request, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", request.param)
    return request.param


MIXED = "aé\u0301\r\nb\rc\n\0я漢😀\U0010ffff z\ufeff"


def test_text_comes_through_unchanged_in_blocks_of_any_size(block):
    assert text_of(read(MIXED.encode())) == MIXED


def test_a_byte_order_mark_is_dropped_from_each_file(block):
    parts = [BOM + "añ".encode(), BOM + b"b", b"c", BOM, BOM + BOM + b"d"]
    assert text_of(read(*parts)) == "añbc\ufeffd"


def test_files_read_as_one(block):
    parts = ["aé".encode(), b"", "bя\n".encode(), b"c"]
    corpus, whole = read(*parts), b"".join(parts)
    assert text_of(corpus) == whole.decode()
    assert (corpus.characters, corpus.size) == (len(whole.decode()), len(whole))
    assert corpus.sha256 == hashlib.sha256(whole).hexdigest() == read(whole).sha256
    assert corpus.name == "part0 part1 part2 part3"


def test_a_character_does_not_span_two_files(block):
    first, second = "é".encode()[:1], "é".encode()[1:]
    with pytest.raises(CorpusError, match="part0: invalid UTF-8 at byte 1;"):
        read(b"a" + first, second)


@pytest.mark.parametrize(
    ("bad", "at"),
    [
        (b"ab\xffcd", 2),
        (b"\x80", 0),
        ("éé".encode() + b"\xc3(", 4),
        (b"abc\xf0\x9f\x98", 3),  # cut short by the end of the file
        (b"ab\xed\xa0\x80", 2),  # a surrogate
        (b"ab\xc0\x80", 2),  # NUL, overlong
        (b"abcd\xf4\x90\x80\x80", 4),  # beyond U+10FFFF
        (BOM + b"a\xff", 4),
        ("я".encode() * 30 + b"\xfe" + b"a" * 30, 60),
    ],
)
def test_a_bad_byte_is_reported_where_it_stands(bad, at, block):
    with pytest.raises(CorpusError) as caught:
        read(bad)
    message = str(caught.value)
    assert message.startswith(f"part0: invalid UTF-8 at byte {at:,};"), message
    assert "encoding=latin-1" in message
    assert "unit=byte" in message


@given(st.binary(min_size=1, max_size=30), st.integers(1, 9))
def test_strictness_and_offset_are_those_of_python(raw, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", size)
        source = Source("x", io.BytesIO(raw))
        try:
            expected = raw.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            # A mark of UTF-16 is the one fault that is named otherwise.
            words = f"at byte {error.start}|UTF-(16|32)"
            given = []
            with pytest.raises(CorpusError, match=words) as caught:
                given.extend(module.decode_blocks(source, "utf-8"))
            if " at byte " in str(caught.value):  # all that stands before it was given
                before = raw[: error.start].decode().removeprefix("\ufeff")
                assert "".join(chr(p) for block in given for p in block.tolist()) == before
        else:
            points = np.concatenate(list(module.decode_blocks(source, "utf-8")))
            assert "".join(map(chr, points.tolist())) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_unicode_encodings_are_named(encoding):
    for mark in ("-le", "-be"):
        with pytest.raises(CorpusError, match=f"looks like {encoding.upper()}; try data.encoding="):
            read("\ufeffabc".encode(encoding + mark))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "naïve ÿ"),
        ("cp1252", "€ “x”"),
        ("utf-16", "aя😀漢"),
        ("utf-16-le", "aя😀"),
        ("utf-32", "aя😀"),
        ("utf-8-sig", "aя😀"),
        ("UTF8", "aя😀"),
        ("shift_jis", "日本語 abc"),
        ("gb18030", "汉字😀"),
    ],
)
def test_other_encodings(encoding, text, block):
    assert text_of(read(text.encode(encoding), data=DataConfig(encoding=encoding))) == text


@pytest.mark.parametrize(
    ("encoding", "raw", "words"),
    [
        ("shift_jis", "日本".encode("shift_jis") + b"\xfd", "invalid SHIFT_JIS at byte 4;"),
        ("shift_jis", "日本".encode("shift_jis")[:3], "invalid SHIFT_JIS at byte 2;"),
        ("utf-16-le", b"a\0b", "invalid UTF-16-LE at byte 2;"),
        ("utf-16", b"a\0b\0", r"invalid UTF-16 .*BOM"),
        ("utf-8-sig", BOM + b"ab\xff", "invalid UTF-8-SIG at byte 5;"),
        ("ascii", b"abcdefghij\x80", "invalid ASCII at byte 10;.*utf-8"),
        ("utf8", b"\xff", "latin-1"),
    ],
)
def test_faults_in_other_encodings(encoding, raw, words, block):
    with pytest.raises(CorpusError, match=words):
        read(raw, data=DataConfig(encoding=encoding))


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-16", "gb18030"])
def test_what_stands_before_a_fault_is_given(encoding, block):
    raw = "日本語 abc".encode(encoding)
    source, given = Source("x", io.BytesIO(raw + b"\xff")), []
    with pytest.raises(CorpusError, match=f"at byte {len(raw)};"):
        given.extend(module.decode_blocks(source, encoding))
    assert "".join(chr(p) for points in given for p in points.tolist()) == "日本語 abc"


def test_the_locale_plays_no_part(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes("я\r\n漢".encode())
    script = (
        "import sys; from charrnn.data.corpus import Corpus;"
        "from charrnn.data.source import Source; from charrnn.config.schema import DataConfig;"
        "c = Corpus([Source.open(sys.argv[1])], DataConfig()); print(c.vocab.points.tolist())"
    )
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONPATH"] = str(Path(module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script, path], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(sorted(map(ord, "я\r\n漢"))), done.stderr


def test_a_file_is_read(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\nb\rc\n")
    corpus = Corpus([Source.open(path)], DataConfig())
    assert text_of(corpus) == "a\r\nb\rc\n"
    assert corpus.name == str(path)


@pytest.mark.parametrize("limit", [4, 1 << 20])
def test_a_pipe_is_read_as_often_as_a_file(limit, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY", limit)
    there, here = os.pipe()
    with os.fdopen(here, "wb") as end:
        end.write("яab\n".encode() * 100)
    with os.fdopen(there, "rb") as stream:
        corpus = Corpus([Source.spool("stdin", stream)], DataConfig())
    assert text_of(corpus) == "яab\n" * 100


@pytest.mark.parametrize("once", [False, True])
def test_a_fifo_is_read(tmp_path, once):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"ab" * 50_000,))
    writer.start()
    source = Source.open(path, once=once)
    assert b"".join(source.blocks()) == b"ab" * 50_000
    writer.join()
    source.close()


def test_a_source_opened_by_a_corpus_is_closed(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"abc")
    bad.write_bytes(b"\xff")
    sources = [Source.open(good), Source.open(good)]
    Corpus(sources, DataConfig())
    sources.append(Source.open(bad))
    with pytest.raises(CorpusError):
        Corpus(sources[2:], DataConfig())
    assert all(source.stream.closed for source in sources)


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.txt", "no such file"), (".", "is a directory"), ("a\0b", "null")],
)
def test_what_cannot_be_opened_is_named(tmp_path, name, words):
    with pytest.raises(CorpusError) as caught:
        Source.open(f"{tmp_path}/{name}")
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    def refuse(*_):  # root may read everything, so a mode of 000 would test nothing
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(CorpusError, match=r"x\.txt: permission denied; give a text file"):
        Source.open("x.txt")


class Failing(io.BytesIO):
    def read(self, *_):
        raise OSError(5, "Input/output error")


def test_a_failing_disk_is_named():
    with pytest.raises(CorpusError, match="disk: input/output error"):
        Source.spool("disk", Failing())
    with pytest.raises(CorpusError, match="disk: input/output error"):
        list(Source("disk", Failing()).blocks())


class Changing(io.BytesIO):
    """A file that has become another by the time it is read for the last time."""

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
    with pytest.raises(CorpusError, match="log: the file changed"):
        Corpus([Source("log", Changing(b"abcabc", after))], DataConfig())


@pytest.mark.parametrize(
    ("raw", "data", "words"),
    [
        (b"", DataConfig(), "part0: the corpus is empty"),
        (BOM, DataConfig(), "empty"),
        (b"", BYTE, "empty"),
        (b"aaaa", DataConfig(), "'a' is the only character"),
        ("яя".encode(), DataConfig(), r"'\\u044f' is the only"),
        (b"\0\0", BYTE, r"'\\x00' is the only"),
    ],
)
def test_nothing_to_learn_is_an_error(raw, data, words):
    with pytest.raises(CorpusError, match=words):
        read(raw, data=data)


@given(st.binary(min_size=2, max_size=60).filter(lambda raw: len(set(raw)) > 1))
def test_any_bytes_are_a_byte_corpus(raw):
    corpus = read(raw, data=BYTE)
    assert corpus.ids.tolist() == list(raw)
    assert corpus.ids.dtype == np.uint8
    assert len(corpus.vocab) == 256


@pytest.mark.parametrize(
    ("symbols", "dtype"), [(2, "uint8"), (256, "uint8"), (257, "uint16"), (65537, "uint32")]
)
def test_ids_take_the_smallest_integer(symbols, dtype):
    text = "".join(chr(0x10000 + i) for i in range(symbols))
    corpus = Corpus.of_text(text)
    assert corpus.ids.dtype == dtype
    assert corpus.ids.tolist() == list(range(symbols))


@pytest.mark.parametrize("text", ["ab\n" * 500, "яb😀" * 500, "".join(map(chr, range(32, 700)))])
def test_mapped_ids_equal_those_in_memory(text, monkeypatch):
    kept = Corpus.of_text(text)
    monkeypatch.setattr(corpus_module, "IN_MEMORY", 64)
    mapped = Corpus.of_text(text)
    assert kept.ids.base is None
    assert mapped.ids.base is not None
    assert mapped.ids.dtype == kept.ids.dtype
    np.testing.assert_array_equal(mapped.ids, kept.ids)


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_memory_is_bounded(tmp_path, unit, monkeypatch):
    monkeypatch.setattr(corpus_module, "IN_MEMORY", 1 << 20)  # so that the ids are mapped
    monkeypatch.setattr(module, "BLOCK", 1 << 18)
    path = tmp_path / "large.txt"
    path.write_bytes(("The quick brown fox, naïve as ever.\n" * 27).encode() * 20_000)  # 20 MB
    tracemalloc.start()
    try:
        corpus = Corpus([Source.open(path)], DataConfig(unit=unit))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert corpus.size == path.stat().st_size > 19e6
    # Blocks of 256 KB as str and uint32, and two tables of all code points (5.6 MB).
    assert peak < 12e6


@pytest.mark.parametrize(
    ("characters", "fraction"),
    [(1_115_394, 0.1), (100, 0.07), (2, 0.9), (3, 0.9), (11, 0.1), (10, 0.1), (1000, 0.0)],
)
def test_the_end_is_held_out(characters, fraction):
    corpus = Corpus.of_text("ab" * (characters // 2) + "a" * (characters % 2))
    corpus.data = DataConfig(val_fraction=fraction)
    wanted = min(ceil(Fraction(str(fraction)) * characters), characters - 2)
    assert len(corpus.validation) == wanted
    joined = np.concatenate([corpus.train, corpus.validation])
    np.testing.assert_array_equal(joined, corpus.ids)


def test_tiny_shakespeare_holds_out_what_others_report_on():
    corpus = Corpus.of_text(b"ab" * (1_115_394 // 2), BYTE)
    assert len(corpus.validation) == 111_540


def test_known_symbols_keep_their_place_beside_the_texts_own():
    known = Vocab("char", map(ord, "abcd"))
    corpus = read("dbя!".encode(), known=known)
    assert corpus.vocab == Vocab("char", map(ord, "!abcdя"))
    assert corpus.ids.tolist() == [4, 2, 5, 0]
    assert corpus.points.tolist() == sorted(map(ord, "dbя!"))
    assert read(b"db", known=known).vocab == known
    assert read(b"db").points.tolist() == read(b"db").vocab.points.tolist() == [98, 100]


def test_known_symbols_count_when_ids_choose_their_type():
    known = Vocab("char", range(0x4E00, 0x4E00 + 300))
    assert read(b"ab").ids.dtype == np.uint8
    corpus = read(b"ab\xe4\xb8\x83", known=known)  # U+4E03
    assert corpus.ids.dtype == np.uint16
    assert corpus.ids.tolist() == [0, 1, 5]


def test_known_symbols_of_another_unit_are_refused():
    with pytest.raises(VocabError, match="vocabulary of chars cannot take up one of bytes"):
        read(b"ab", known=Vocab("byte"))
    assert read(b"ab", data=BYTE, known=Vocab("byte")).points.tolist() == [97, 98]


def test_text_in_memory_needs_no_encoding():
    text = "я\r\né"
    assert text_of(Corpus.of_text(text, DataConfig(encoding="utf-16"))) == text
    assert text_of(Corpus.of_text(text.encode("utf-16"), DataConfig(encoding="utf-16"))) == text
    assert text_of(Corpus.of_text(text, BYTE)) == text.encode()
    with pytest.raises(CorpusError, match=r"'\\ud800' at character 3"):
        Corpus.of_text("ab\ud800")


# Streams against a loop that a reader can check.


def naive_windows(text, N, T, offset):
    """Inputs and targets of every window of an epoch, as nested lists [window][t][n]."""
    windows = (len(text) - 1 - offset) // (N * T)
    return [
        [
            [(text[at := offset + n * windows * T + k * T + t], text[at + 1]) for n in range(N)]
            for t in range(T)
        ]
        for k in range(windows)
    ]


SIZES = st.tuples(st.integers(2, 120), st.integers(1, 9), st.integers(1, 12), st.data())


@given(SIZES)
def test_windows_are_those_of_the_loop(sizes):
    n, N, T, data = sizes
    streams = TextBatches(np.arange(n), N, T)
    offset = data.draw(st.integers(0, streams.offsets - 1))
    N, T = streams.batch_size, streams.seq_length
    ids, targets = np.empty((T, N), np.intp), np.empty((T, N), np.intp)
    expected = naive_windows(range(n), N, T, offset)
    assert streams.windows(offset) == len(expected) >= 1
    seen, last = [], []
    for k, window in enumerate(expected):
        streams.window(offset, k, ids, targets)
        assert [
            list(zip(*rows, strict=True))
            for rows in zip(ids.tolist(), targets.tolist(), strict=True)
        ] == window
        if k:  # each stream goes on where it ended
            assert ids[0].tolist() == last
        last = targets[-1].tolist()
        seen += targets.ravel().tolist()
    assert len(seen) == len(set(seen))  # nothing is predicted twice in an epoch
    left = n - 1 - len(seen)
    assert left < offset + N * T


@given(SIZES)
def test_every_offset_leaves_an_epoch_its_windows(sizes):
    n, N, T, _ = sizes
    streams = TextBatches(np.arange(n), N, T)
    N, T = streams.batch_size, streams.seq_length
    counts = [streams.windows(offset) for offset in range(streams.offsets)]
    assert min(counts) >= max(1, counts[0] - 1)
    # Windows can be cut at any step, but where there is but one window's text.
    assert streams.offsets >= min(T, n - N * T)
    reached = {
        target
        for offset in range(streams.offsets)
        for window in naive_windows(range(n), N, T, offset)
        for row in window
        for _, target in row
    }
    assert reached == set(range(1, n))  # each symbol is predicted in some epoch


@pytest.mark.parametrize(
    ("n", "wanted", "got"),
    [
        (2, (32, 64), (1, 1)),
        (50, (32, 64), (1, 49)),
        (65, (32, 64), (1, 64)),
        (129, (32, 64), (2, 64)),
        (10_000, (32, 64), (32, 64)),
        (32 * 64 + 1, (32, 64), (32, 64)),
        (32 * 64, (32, 64), (31, 64)),
    ],
)
def test_a_short_text_shrinks_the_batch_and_then_the_window(n, wanted, got):
    streams = TextBatches(np.zeros(n, np.uint8), *wanted)
    assert (streams.batch_size, streams.seq_length) == got
