"""Checkpoints: one ``.npz`` file, written atomically, read distrustfully.

checkpoint.py  what charrnn keeps in the file, and how it is saved and loaded
format.py      the file format, byte by byte; manifest.py: its table of contents
writer.py      write a file so that nothing is lost
reader.py      read a file and trust nothing in it
lock.py        one output, one writer
"""

from charrnn.checkpoint.checkpoint import Checkpoint, CorpusInfo, Origin, Training
from charrnn.checkpoint.writer import check_size, check_writable, write_file

__all__ = [
    "Checkpoint",
    "CorpusInfo",
    "Origin",
    "Training",
    "check_size",
    "check_writable",
    "write_file",
]
