"""File types by their first bytes, so that errors can name the type of a file that is not text."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

#: First bytes that are enough to tell.
HEAD = 4096


@dataclass(frozen=True)
class FileType:
    """A kind of file that is not plain text.

    Attributes:
        name: with its article: ``a PDF``.
        remedy: how to get at its text; empty if it has none.
    """

    name: str
    remedy: str = ""


MODEL = FileType("a charrnn model", "give the text that you mean")
ZIP = FileType("a zip archive", "unpack it first: unzip FILE")
_WORD = FileType("a Word document", "save it as plain text, or convert it: pandoc -t plain FILE")
_SHEET = FileType("a spreadsheet", "save it as CSV or plain text")
_SLIDES = FileType("a presentation", "save it as plain text")
_OPEN = FileType(
    "an OpenDocument file", "save it as plain text, or convert it: pandoc -t plain FILE"
)
_EPUB = FileType("an e-book (EPUB)", "convert it: pandoc -t plain FILE")
_SOUND = FileType("a sound file")
_VIDEO = FileType("a video")
_PROGRAM = FileType("a compiled program")

#: What each file in a zip archive begins with.
_MEMBER = b"PK\x03\x04"
#: File types by what the file begins with.
_STARTS = {
    b"%PDF-": FileType("a PDF", "extract its text: pdftotext FILE"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": FileType(
        "an old Word, Excel or PowerPoint file", "save it as plain text"
    ),
    b"{\\rtf": FileType(
        "an RTF document", "save it as plain text, or convert it: pandoc -t plain FILE"
    ),
    b"\x89PNG\r\n\x1a\n": FileType("a PNG image"),
    b"\xff\xd8\xff": FileType("a JPEG image"),
    b"GIF87a": FileType("a GIF image"),
    b"GIF89a": FileType("a GIF image"),
    b"BM": FileType("a BMP image"),
    b"II*\0": FileType("a TIFF image"),
    b"MM\0*": FileType("a TIFF image"),
    b"ID3": _SOUND,
    b"OggS": _SOUND,
    b"fLaC": _SOUND,
    b"\x1aE\xdf\xa3": _VIDEO,
    b"\x7fELF": _PROGRAM,
    b"\xca\xfe\xba\xbe": _PROGRAM,
    b"\xcf\xfa\xed\xfe": _PROGRAM,
    b"\0asm": _PROGRAM,
    b"SQLite format 3\0": FileType("an SQLite database", "export its text: sqlite3 FILE .dump"),
    b"\x93NUMPY": FileType("a file of NumPy arrays"),
    b"\x89HDF\r\n\x1a\n": FileType("an HDF5 file"),
    b"PAR1": FileType("a Parquet file", "export its text column"),
    b"\x28\xb5\x2f\xfd": FileType("compressed by zstd", "unpack it first: zstd -d FILE"),
    b"7z\xbc\xaf\x27\x1c": FileType("a 7z archive", "unpack it first: 7z x FILE"),
    b"Rar!\x1a\x07": FileType("a RAR archive", "unpack it first: unrar x FILE"),
}
#: What a zip archive is by a pattern of the names of its first files.
_IN_ZIP = {
    rb"manifest\.npy": MODEL,
    rb"word/.*": _WORD,
    rb"xl/.*": _SHEET,
    rb"ppt/.*": _SLIDES,
    rb"\[Content_Types\]\.xml": FileType("an Office document", "save it as plain text"),
    rb".*\.npy": FileType("a file of NumPy arrays"),
    rb".*/data\.pkl": FileType("a PyTorch model"),
    rb"META-INF/.*": FileType("a Java archive"),
}
#: What it is by the content of its first file, if that is called ``mimetype``.
_MIME_TYPES = {b"application/epub+zip": _EPUB, b"application/vnd.oasis.opendocument": _OPEN}


def file_type(head: bytes) -> FileType | None:
    """The type of a file that begins with ``head``; None for text, compressed text or unknown."""
    if head.startswith(_MEMBER):
        return _zip_type(head[:HEAD])
    binary = b"\0" in head[:HEAD]
    for start, kind in _STARTS.items():
        # Letters alone are no evidence: a text may begin with them.
        if head.startswith(start) and (binary or not start.isalnum()):
            return kind
    if not binary:
        return None
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI ", b"WEBP"):
        return {b"WAVE": _SOUND, b"AVI ": _VIDEO, b"WEBP": FileType("a WebP image")}[head[8:12]]
    if head[4:8] == b"ftyp":
        return _VIDEO
    if head[257:262] == b"ustar":
        return FileType("a tar archive", "unpack it first: tar -xf FILE")
    return None


def type_of_file(path: str) -> FileType | None:
    """:func:`file_type` of a file; None also for what is no file or cannot be read."""
    if not os.path.isfile(path):  # reading a pipe would take from it
        return None
    try:
        with open(path, "rb") as file:
            return file_type(file.read(HEAD))
    except OSError:
        return None


def _zip_type(head: bytes) -> FileType:
    names = []
    for match in re.finditer(re.escape(_MEMBER), head):
        header = head[match.start() :]
        names.append(header[30 : 30 + int.from_bytes(header[26:28], "little")])
    if names[0] == b"mimetype":
        content = head[38:]
        return next((k for mime, k in _MIME_TYPES.items() if content.startswith(mime)), ZIP)
    for pattern, kind in _IN_ZIP.items():
        if any(re.fullmatch(pattern, name, re.DOTALL) for name in names):
            return kind
    return ZIP
