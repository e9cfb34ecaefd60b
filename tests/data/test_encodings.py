"""Files that are not UTF-8 text: what they are called, and what is advised."""

# ruff: noqa: RUF001  (letters that look like others)

import bz2
import gzip
import io
import lzma
import zipfile

import pytest
from corpus_tools import corpus_of, text_of

from charrnn.config.schema import DataConfig
from charrnn.data import compression
from charrnn.data.corpus import Corpus
from charrnn.data.decoding import decode_blocks
from charrnn.data.encodings import guess
from charrnn.data.filetypes import file_type
from charrnn.data.folders import open_texts
from charrnn.data.source import Source
from charrnn.errors import CorpusError

RUSSIAN = (
    "Однажды лисица увидела ворону с куском сыра на ветке. Как хорошо ты поёшь, сказала она, и "
    "ворона каркнула. Сыр упал, и лисица убежала с ним в лес."
)
FRENCH = (
    "Le corbeau, perché sur un arbre, tenait un fromage. « Vous êtes le phénix », dit le renard, "
    "alléché par l'odeur. L'œil rusé, il n'eut qu'à attendre… « Cher ami »"
)
GERMAN = "Der Fuchs hörte die Krähe. Süßer Käse fiel herunter, und er trug ihn über die Brücke."
POLISH = "Lis usłyszał wronę. Żółty ser spadł na łąkę, więc wziął go i uciekł pod dąb, śmiejąc się."
CHINESE = "狐狸看见乌鸦嘴里有一块肉，就说你唱得真好听。乌鸦一张嘴，肉就掉下来了，狐狸拿着肉跑了。"
TRADITIONAL = "狐狸看見烏鴉嘴裡有一塊肉，就說你唱得真好聽。烏鴉一張嘴，肉就掉下來了，狐狸跑了。"
JAPANESE = (
    "きつねはからすが肉をくわえているのを見ました。あなたの声はとても美しいですねと言いました。"
)
KOREAN = "여우는 까마귀가 고기를 물고 있는 것을 보았습니다. 당신의 목소리는 참 아름답군요."
GREEK = "Η αλεπού είδε το κοράκι με ένα κομμάτι τυρί στο στόμα του και του είπε να τραγουδήσει."


@pytest.mark.parametrize(
    ("text", "encoding", "advised"),
    [
        (RUSSIAN, "koi8-r", "koi8-r"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "cp866", "cp866"),
        (FRENCH, "cp1252", "cp1252"),
        (GERMAN, "cp1252", "latin-1"),
        (GERMAN, "cp850", "cp850"),
        (FRENCH, "mac_roman", "mac_roman"),
        (POLISH, "cp1250", "cp1250"),
        (POLISH, "iso8859-2", "iso8859-2"),
        (CHINESE, "gbk", "gb18030"),
        (CHINESE, "gb18030", "gb18030"),
        (TRADITIONAL, "big5", "big5"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (KOREAN, "euc_kr", "euc_kr"),
        (GREEK, "cp1253", "cp1253"),
    ],
)
def test_the_encoding_is_guessed_from_the_bytes(text, encoding, advised):
    found = guess(text.encode(encoding))
    assert found
    assert found.encoding == advised
    # English around it changes nothing, nor does an end inside a character.
    raw = ("The fox and the crow.\n" * 20 + text).encode(encoding)
    assert guess(raw).encoding == advised
    assert guess(raw[:-1]).encoding == advised


@pytest.mark.parametrize("data", [b"", b"abc", bytes(range(256)), bytes(range(1, 256)) * 9])
def test_nothing_is_guessed_without_evidence(data):
    assert guess(data) is None


def test_the_advice_is_what_the_bytes_speak_for():
    with pytest.raises(CorpusError) as caught:
        corpus_of(f"The fox\n{RUSSIAN}".encode("koi8-r"))
    assert str(caught.value) == (
        "part0: invalid UTF-8 at byte 8 (line 2): this looks like Russian text; "
        "try data.encoding=koi8-r or data.unit=byte"
    )


def test_a_bad_line_in_good_utf_8_is_named_and_counted():
    text = "Krähe\n" * 40
    raw = (text + "Kr").encode() + b"\xe4he\nS\xfc\xdf\n" + text.encode()
    with pytest.raises(CorpusError) as caught:
        corpus_of(raw, block_size=64)
    assert str(caught.value) == (
        "part0: invalid UTF-8 at byte 282 (line 41): the first of 3 invalid bytes in otherwise "
        "valid UTF-8; remove them, for instance with iconv -c -f utf-8 -t utf-8, or use "
        "data.unit=byte"
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["The fox saw the crow on a branch.\n" * 3, RUSSIAN])
def test_wide_encodings_without_a_mark_are_recognised(encoding, text):
    name = encoding.upper()
    for wrong in ("utf-8", "latin-1"):  # by which it would be half of zeros
        with pytest.raises(CorpusError) as caught:
            corpus_of(text.encode(encoding), data=DataConfig(encoding=wrong))
        assert str(caught.value) == (
            f"part0: this looks like {name} without a byte-order mark; try data.encoding={encoding}"
        )
    data = DataConfig(encoding=encoding)
    assert text_of(corpus_of(text.encode(encoding), data=data)) == text


def zipped(*names, content="x" * 100):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("head", "name", "remedy"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF", "pdftotext"),
        (zipped("[Content_Types].xml", "word/document.xml"), "a Word document", "plain text"),
        (zipped("xl/workbook.xml"), "a spreadsheet", "CSV"),
        (zipped("mimetype", content="application/epub+zip"), "an e-book (EPUB)", "pandoc"),
        (zipped("a.txt"), "a zip archive", "unzip FILE"),
        (zipped("mimetype", "sword/word.txt", content="xl/"), "a zip archive", "unzip FILE"),
        (zipped("archive/data.pkl"), "a PyTorch model", ""),
        (zipped("params.w.npy"), "a file of NumPy arrays", ""),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image", ""),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image", ""),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a sound file", ""),
        (b"\0\0\0\x20ftypisom", "a video", ""),
        (b"\x7fELF\x02\x01\x01", "a compiled program", ""),
        (b"SQLite format 3\0\x10\0", "an SQLite database", "sqlite3"),
        (b"\x28\xb5\x2f\xfd\x04", "compressed by zstd", "zstd -d FILE"),
        (b"{\\rtf1\\ansi", "an RTF document", "plain text"),
        (b"a" * 257 + b"ustar\0", "a tar archive", "tar -xf FILE"),
    ],
)
def test_files_that_are_no_text_are_called_what_they_are(head, name, remedy):
    found = file_type(head)
    assert (found.name, remedy in found.remedy) == (name, True)
    for encoding in ("utf-8", "latin-1"):  # whatever the encoding that was advised
        with pytest.raises(CorpusError) as caught:
            corpus_of(head, data=DataConfig(encoding=encoding))
        assert str(caught.value).startswith(f"part0: is {name}, not plain text; ")
        assert str(caught.value).endswith("or use data.unit=byte")
    assert corpus_of(head + b"ab", data=DataConfig(unit="byte")).characters == len(head) + 2


@pytest.mark.parametrize(
    "text", [b"", b"BM", b"II*", b"PK", b"GIF89a", b"RIFF1234WAVE", b"ID3 tags", b"The ftyp", b"B"]
)
def test_text_that_begins_like_a_file_type_is_text(text):
    assert file_type(text) is None


# --- compressed text ---------------------------------------------------------------------------

TEXT = "Der Fuchs hörte die Krähe.\n" * 50


@pytest.mark.parametrize("block_size", [1, 7, 4096])
@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_text_is_read(compress, block_size):
    half = len(TEXT) // 2
    joined = compress(TEXT[:half].encode()) + compress(TEXT[half:].encode())  # as by cat
    for raw in (compress(TEXT.encode()), joined):
        corpus = corpus_of(raw, block_size=block_size)
        assert text_of(corpus) == TEXT
        assert corpus.size == len(raw)


@pytest.mark.parametrize(
    ("compress", "name"), [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")]
)
def test_damaged_compressed_text_is_an_error(compress, name):
    raw = compress(TEXT.encode())
    with pytest.raises(CorpusError, match=f"part0: the {name} data are cut short; get a complete"):
        corpus_of(raw[:-10])
    with pytest.raises(CorpusError, match=f"part0: the {name} data are damaged"):
        corpus_of(raw[:20] + bytes(10) + raw[30:])


def test_many_small_parts_are_not_copied_again_and_again(monkeypatch):
    copied = 0

    class Counting(compression._Other):
        @property
        def unused_data(self):
            nonlocal copied
            copied += len(super().unused_data)
            return super().unused_data

    monkeypatch.setattr(compression, "_Other", Counting)
    part = bz2.compress(b"ab\n")
    parts = 200_000 // len(part)
    assert text_of(corpus_of(part * parts)) == "ab\n" * parts
    # Once for each part, half a step on average; twice, because a corpus is read twice.
    assert copied < parts * 1.1 * compression.STEP


def test_compressed_bytes_stay_as_they_are_for_bytes():
    raw = gzip.compress(TEXT.encode())
    assert text_of(corpus_of(raw, data=DataConfig(unit="byte"))) == raw


def test_compressed_text_that_grows_a_lot_is_read_in_pieces():
    source = Source("bomb", io.BytesIO(gzip.compress(b"a" * (9 << 20))))
    assert [len(block) for block in decode_blocks(source, "utf-8") if len(block)] == [
        *(1 << 22, 1 << 22),
        1 << 20,
    ]


# --- folders and archives ----------------------------------------------------------------------


def read(path, unit="char"):
    notes = []
    sources = open_texts(str(path), False, unit, notes.append)
    corpus = Corpus(sources, DataConfig(unit=unit))
    return text_of(corpus), notes


@pytest.fixture
def folder(tmp_path):
    """Three texts, one of them compressed and one below, and what is no text."""
    top = tmp_path / "texts"
    (top / "sub").mkdir(parents=True)
    (top / ".git").mkdir()
    (top / "b.txt").write_text("second\n")
    (top / "a.txt").write_text("first\n")
    (top / "sub" / "c.txt.gz").write_bytes(gzip.compress(b"third\n"))
    (top / ".hidden").write_text("hidden\n")
    (top / ".git" / "x").write_text("hidden\n")
    (top / "z.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (top / "z.bin").write_bytes(b"a\0b")
    return top


def test_a_folder_is_its_texts_sorted(folder):
    text, notes = read(folder)
    assert text == "first\nsecond\nthird\n"
    assert notes == [
        f"{folder}: reading 3 text files, leaving out 2 other files "
        f"({folder}/z.bin, {folder}/z.png)"
    ]


def test_a_zip_archive_is_its_texts_sorted(folder, tmp_path):
    path = tmp_path / "texts.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("b.txt", "a.txt", "sub/c.txt.gz", ".hidden", "z.png", "__MACOSX/a.txt"):
            data = b"hidden\n" if "MAC" in name else (folder / name).read_bytes()
            archive.writestr(name, data)
    text, notes = read(path)
    assert text == "first\nsecond\nthird\n"
    assert notes == [f"{path}: reading 3 text files, leaving out 1 other file ({path}/z.png)"]
    assert read(path, unit="byte") == (path.read_bytes(), [])


def test_many_files_need_not_be_open_at_once(tmp_path):
    for i in range(300):
        (tmp_path / f"{i:03}").write_text(f"{i}\n")
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(128, before[1]), before[1]))
    try:
        text, notes = read(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert text == "".join(f"{i}\n" for i in range(300))
    assert notes == []


def test_a_folder_without_text_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="there is no text in this folder; give a text file"):
        open_texts(str(tmp_path), False, "char", print)
    (tmp_path / "a").write_bytes(b"\0")
    with pytest.raises(CorpusError, match="no text in this folder, only 1 other file;"):
        open_texts(str(tmp_path), False, "char", print)


def test_a_damaged_archive_is_an_error(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped("a.txt", "b.txt")[:-8])
    with pytest.raises(CorpusError, match=r"a\.zip: the archive is damaged"):
        open_texts(str(path), False, "char", print)


def test_a_damaged_file_in_an_archive_is_an_error(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "first\n")
        archive.writestr("b.txt", "second\n")
    data = path.read_bytes()
    at = data.index(b"a.txt") + len(b"a.txt")
    path.write_bytes(data[:at] + b"\xff\xff" + data[at + 2 :])
    with pytest.raises(CorpusError, match=r"a\.zip/a\.txt: cannot be unpacked \(Error -3"):
        read(path)


def test_an_encrypted_archive_is_an_error(tmp_path):
    path = tmp_path / "a.zip"
    data = bytearray(zipped("a.txt"))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # of its entry in the directory
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=r"a\.zip/a\.txt: is encrypted; unpack the archive"):
        read(path)


def test_an_archive_is_opened_once_for_all_its_files(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped("a.txt", "b.txt", "c.txt"))
    opened, original = [], zipfile.ZipFile.__init__
    monkeypatch.setattr(
        zipfile.ZipFile, "__init__", lambda *args: opened.append(args) or original(*args)
    )
    for source in open_texts(str(path), False, "char", print):
        assert b"".join(source.blocks())
    assert len(opened) == 1


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("fable.txt", "did you mean '{0}/fables.txt'?"),
        ("fables.tx", "did you mean '{0}/fables.txt'?"),
        ("quite-another", "give a text file, or - for stdin"),
        ("no/folder", "give a text file, or - for stdin"),
    ],
)
def test_a_missing_file_is_perhaps_misspelt(tmp_path, name, remedy):
    (tmp_path / "fables.txt").write_text("x")
    with pytest.raises(CorpusError) as caught:
        Source.open(tmp_path / name)
    assert str(caught.value) == f"{tmp_path}/{name}: no such file; " + remedy.format(tmp_path)


def test_an_address_is_no_file():
    with pytest.raises(CorpusError) as caught:
        Source.open("https://example.org/fables.txt")
    assert str(caught.value) == (
        "https://example.org/fables.txt: no such file; this is an address: download the text "
        "first, or pipe it in with curl"
    )
