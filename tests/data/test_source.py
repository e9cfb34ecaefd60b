"""Files and pipes to symbols: strict, in blocks of any size, with errors that say where."""

import codecs
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from corpus_tools import corpus_of, text_of
from hypothesis import assume, example, given
from hypothesis import strategies as st

from charrnn.config.schema import DataConfig
from charrnn.data import source as source_module
from charrnn.data.compression import compression
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import decode_blocks
from charrnn.data.filetypes import file_type
from charrnn.data.source import Source
from charrnn.errors import CharRNNError, CorpusError

BOM = codecs.BOM_UTF8
block_sizes = pytest.mark.parametrize("block_size", [1, 2, 3, 5, 7, 4096])


def joined(blocks):
    """The text of blocks of code points."""
    return "".join(chr(point) for block in blocks for point in block.tolist())


# --- decoding ----------------------------------------------------------------------------------

MIXED = "aé\u0301\r\nb\rc\n\0я漢😀\U0010ffff z\ufeff"


@block_sizes
def test_text_is_unchanged_by_blocks_of_any_size(block_size):
    assert text_of(corpus_of(MIXED.encode(), block_size=block_size)) == MIXED


@block_sizes
def test_a_byte_order_mark_is_dropped_from_each_file(block_size):
    parts = [BOM + "añ".encode(), BOM + b"b", b"c", BOM, BOM + BOM + b"d"]
    assert text_of(corpus_of(*parts, block_size=block_size)) == "añbc\ufeffd"


@block_sizes
def test_a_character_does_not_span_two_files(block_size):
    first, second = "é".encode()[:1], "é".encode()[1:]
    with pytest.raises(
        CorpusError,
        match=r"part0: invalid UTF-8 at byte 1 \(line 1\): the file ends inside a character;",
    ):
        corpus_of(b"a" + first, second, block_size=block_size)


CUT = "the file ends inside a character; remove its last "
HALF = "half of a surrogate pair, as in CESU-8; convert the text to UTF-8, or "
WESTERN = "this looks like Western European text; try data.encoding=latin-1 or "
ONE = "the only invalid byte in otherwise valid UTF-8; remove it, for instance with iconv -c "
NO_TEXT = "this does not look like text; give a text file, or "


@block_sizes
@pytest.mark.parametrize(
    ("bad", "offset", "line", "why"),
    [
        (b"ab\xffcd", 2, 1, WESTERN),
        (b"a\nb\n\xfc\n", 4, 3, WESTERN),
        (b"\x80", 0, 1, "this looks like Western European text from Windows; try "),
        ("éé".encode() + b"\xc3(", 4, 1, ONE),
        (b"abc\xf0\x9f\x98", 3, 1, CUT + "3 bytes, or "),
        (b"a" + "é".encode()[:1], 1, 1, CUT + "byte, or "),
        (b"ab\xed\xa0\x80", 2, 1, HALF),
        (b"ab\xc0\x80\0", 2, 1, NO_TEXT),  # NUL, overlong
        (b"abcd\xf4\x90\x80\x80\0", 4, 1, NO_TEXT),  # beyond U+10FFFF
        (BOM + b"a\xff", 4, 1, WESTERN),
        ("я".encode() * 30 + b"\n\xfe" + b"a" * 30, 61, 2, ONE),
    ],
)
def test_a_bad_byte_is_reported_with_its_place_and_what_to_do(bad, offset, line, why, block_size):
    with pytest.raises(CorpusError) as caught:
        corpus_of(bad, block_size=block_size)
    message = str(caught.value)
    start = f"part0: invalid UTF-8 at byte {offset:,} (line {line}): {why}"
    assert message.startswith(start), message
    assert message.endswith("data.unit=byte")


def without_marks(raw):
    return raw.decode().replace("\n\ufeff", "\n").removeprefix("\ufeff")


@given(st.binary(min_size=1, max_size=30), st.integers(1, 9))
@example("\ufeffa\n\ufeffя\ufeff".encode(), 4)
def test_strictness_and_offset_are_those_of_python(raw, block_size):
    assume(not file_type(raw) and not compression(raw))  # these are reported or unpacked
    source = Source("x", io.BytesIO(raw), block_size=block_size)
    try:
        expected = without_marks(raw)
    except UnicodeDecodeError as error:
        # A byte-order mark of UTF-16 is the one fault that is reported differently.
        words = f"at byte {error.start}|UTF-(16|32)"
        decoded = []
        with pytest.raises(CorpusError, match=words) as caught:
            decoded.extend(decode_blocks(source, "utf-8"))
        if " at byte " in str(caught.value):  # everything before it has been decoded
            assert joined(decoded) == without_marks(raw[: error.start])
    else:
        assert joined(decode_blocks(source, "utf-8")) == expected


@block_sizes
@pytest.mark.parametrize("encoding", ["shift_jis", "utf-16", "gb18030"])
def test_everything_before_a_fault_is_decoded(encoding, block_size):
    raw = "日本語 abc".encode(encoding)
    source, decoded = Source("x", io.BytesIO(raw + b"\xff"), block_size=block_size), []
    with pytest.raises(CorpusError, match=rf"at byte {len(raw)}( \(line 1\))?;"):
        decoded.extend(decode_blocks(source, encoding))
    assert joined(decoded) == "日本語 abc"


def test_ascii_blocks_are_bytes_and_others_code_points():
    source = Source("x", io.BytesIO("abcdяя".encode()), block_size=4)
    assert [block.dtype for block in decode_blocks(source, "utf-8") if len(block)] == [
        np.uint8,
        np.uint32,
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_unicode_encodings_are_named(encoding):
    for mark in ("-le", "-be"):
        with pytest.raises(CorpusError, match=f"looks like {encoding.upper()}; try data.encoding="):
            corpus_of("\ufeffabc".encode(encoding + mark))


@block_sizes
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
def test_other_encodings(encoding, text, block_size):
    corpus = corpus_of(
        text.encode(encoding), data=DataConfig(encoding=encoding), block_size=block_size
    )
    assert text_of(corpus) == text


@block_sizes
@pytest.mark.parametrize(
    ("encoding", "raw", "words"),
    [
        (
            "shift_jis",
            "日本".encode("shift_jis") + b"\xfd",
            r"invalid SHIFT_JIS at byte 4 \(line 1\);",
        ),
        ("shift_jis", "日本".encode("shift_jis")[:3], r"invalid SHIFT_JIS at byte 2 \(line 1\);"),
        ("utf-16-le", b"a\0b", "invalid UTF-16-LE at byte 2;"),
        # Before Python 3.13, the codec does not say where.
        ("utf-16", b"a\0b\0", "invalid UTF-16 at byte 0;"),
        ("utf-8-sig", BOM + b"ab\xff", r"invalid UTF-8-SIG at byte 5 \(line 1\);"),
        ("ascii", b"abcdefghij\x80", r"invalid ASCII at byte 10 \(line 1\);.*utf-8"),
        ("utf8", b"\xff", "latin-1"),
    ],
)
def test_faults_in_other_encodings(encoding, raw, words, block_size):
    with pytest.raises(CorpusError, match=words):
        corpus_of(raw, data=DataConfig(encoding=encoding), block_size=block_size)


def test_the_locale_makes_no_difference(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes("я\r\n漢".encode())
    script = (
        "import sys; from charrnn.data.corpus import Corpus;"
        "from charrnn.data.source import Source; from charrnn.config.schema import DataConfig;"
        "c = Corpus([Source.open(sys.argv[1])], DataConfig()); print(c.vocab.points.tolist())"
    )
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment["PYTHONPATH"] = str(Path(source_module.__file__).parents[2])
    command = [sys.executable, "-c", script, path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str(sorted(map(ord, "я\r\n漢"))), done.stderr


@block_sizes
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (BOM + b"a\n" + BOM + b"b\n", "a\nb\n"),  # two files, joined by cat
        (b"a\n" + BOM + "я\n".encode() + BOM + BOM + b"b", "a\nя\n\ufeffb"),
        (BOM + b"a" + BOM + b"b", "a\ufeffb"),  # within a line it is a character
        (b"a\r\n" + BOM + b"b", "a\r\nb"),
        (b"\n" + BOM, "\n"),
    ],
)
def test_the_mark_of_each_of_several_joined_files_is_dropped(raw, text, block_size):
    assert text_of(corpus_of(raw + b"xy", block_size=block_size)) == text + "xy"


def test_the_mark_of_each_of_several_files_is_dropped(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(BOM + f"{name}é".encode())
    corpus = Corpus([Source.open(tmp_path / name) for name in "ab"], DataConfig())
    assert "\ufeff" not in text_of(corpus)


# --- files and pipes ---------------------------------------------------------------------------


def test_a_file_is_read(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\nb\rc\n")
    corpus = Corpus([Source.open(path)], DataConfig())
    assert text_of(corpus) == "a\r\nb\rc\n"
    assert corpus.name == str(path)


@pytest.mark.parametrize("max_in_memory", [4, 1 << 20])
def test_a_pipe_can_be_read_again_like_a_file(max_in_memory):
    read_end, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as end:
        end.write("яab\n".encode() * 100)
    with os.fdopen(read_end, "rb") as stream:
        source = Source.spool("stdin", stream, max_in_memory)
    assert text_of(Corpus([source], DataConfig())) == "яab\n" * 100


@pytest.mark.posix
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


def test_blocks_are_as_large_as_asked_for():
    assert list(Source("x", io.BytesIO(b"abcdefg"), block_size=3).blocks()) == [
        b"abc",
        b"def",
        b"g",
    ]


# --- what cannot be read -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.txt", "no such file"), (".", "is a folder"), ("a\0b", "null")],
)
def test_a_file_that_cannot_be_opened_is_named(tmp_path, name, words):
    with pytest.raises(CorpusError) as caught:
        Source.open(f"{tmp_path}/{name}")
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_an_unreadable_file_is_named(monkeypatch):
    def refuse(*_):  # root may read everything, so a mode of 000 would test nothing
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(source_module, "open_to_read", refuse)
    with pytest.raises(CorpusError, match=r"x\.txt: permission denied; ask its owner"):
        Source.open("x.txt")


def test_a_full_temporary_folder_is_named_and_not_the_text(monkeypatch, tmp_path):
    def full(max_size):
        return open("/dev/full", "wb")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tempfile.SpooledTemporaryFile", full)
    for size in (10, 100_000):  # in the buffer of the copy, and beyond it
        with pytest.raises(CharRNNError) as caught:
            Source.spool("stdin", io.BytesIO(b"a" * size))
        assert str(caught.value) == (
            f"temporary files in {tmp_path}: no space left on device; "
            "set TMPDIR to a folder that has room for them"
        )


class Failing(io.BytesIO):
    def read(self, *_):
        raise OSError(5, "Input/output error")


def test_a_failing_disk_is_named():
    with pytest.raises(CorpusError, match="disk: input/output error"):
        Source.spool("disk", Failing())
    with pytest.raises(CorpusError, match="disk: input/output error"):
        list(Source("disk", Failing()).blocks())
