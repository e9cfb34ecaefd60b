"""What a file is, by its first bytes: so that a file that is no text is called what it is."""

from __future__ import annotations

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
ZIP = FileType("a zip archive", "unpack it: unzip -p FILE.zip | charrnn ... -")
_WORD = FileType("a Word document", "save it as plain text, or convert it: pandoc -t plain")
_SHEET = FileType("a spreadsheet", "save it as CSV or plain text")
_SLIDES = FileType("a presentation", "save it as plain text")
_OPEN = FileType("an OpenDocument file", "save it as plain text, or convert it: pandoc -t plain")
_EPUB = FileType("an e-book (EPUB)", "convert it: pandoc -t plain")
_NUMPY = FileType("a file of NumPy arrays")
_SOUND = FileType("a sound file")
_VIDEO = FileType("a video")
_PROGRAM = FileType("a compiled program")

#: File types by what the file begins with.
_STARTS = {
    b"%PDF-": FileType("a PDF", "extract its text: pdftotext FILE.pdf"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": FileType(
        "an old Word, Excel or PowerPoint file", "save it as plain text"
    ),
    b"{\\rtf": FileType("an RTF document", "save it as plain text, or convert it: pandoc -t plain"),
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
    b"\x93NUMPY": _NUMPY,
    b"\x89HDF\r\n\x1a\n": FileType("an HDF5 file"),
    b"PAR1": FileType("a Parquet file", "export its text column"),
    b"\x28\xb5\x2f\xfd": FileType("compressed by zstd", "unpack it: zstd -dc FILE | charrnn ... -"),
    b"7z\xbc\xaf\x27\x1c": FileType("a 7z archive", "unpack it: 7z x -so FILE | charrnn ... -"),
    b"Rar!\x1a\x07": FileType("a RAR archive", "unpack it: unrar p -inul FILE | charrnn ... -"),
}
#: What the first bytes of a zip archive name, among the files in it.
_IN_ZIP = {
    b"manifest.npy": MODEL,
    b"word/": _WORD,
    b"xl/": _SHEET,
    b"ppt/": _SLIDES,
    b"[Content_Types].xml": FileType("an Office document", "save it as plain text"),
    b"application/epub+zip": _EPUB,
    b"application/vnd.oasis.opendocument": _OPEN,
    b".npy": _NUMPY,
    b"data.pkl": FileType("a PyTorch model"),
    b"META-INF/": FileType("a Java archive"),
}


def file_type(head: bytes) -> FileType | None:
    """What a file is that begins with ``head``; None for text, compressed text or the unknown."""
    if head.startswith(b"PK\x03\x04"):
        return next((kind for name, kind in _IN_ZIP.items() if name in head), ZIP)
    for start, kind in _STARTS.items():
        # Two letters are no evidence by themselves.
        if head.startswith(start) and (len(start) > 2 or b"\0" in head[:HEAD]):
            return kind
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"AVI ", b"WEBP"):
        return {b"WAVE": _SOUND, b"AVI ": _VIDEO, b"WEBP": FileType("a WebP image")}[head[8:12]]
    if head[4:8] == b"ftyp":
        return _VIDEO
    if head[257:262] == b"ustar":
        return FileType("a tar archive", "unpack it: tar -xOf FILE | charrnn ... -")
    return None
