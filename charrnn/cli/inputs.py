"""Files and stdin as texts. stdin is read only if ``-`` is given."""

from __future__ import annotations

import io
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import numpy as np

from charrnn.cli.streams import say
from charrnn.config.schema import DataConfig, Errors
from charrnn.data.source import ESCAPE, Source, decode_blocks, is_escaped, symbol_blocks
from charrnn.data.vocab import Text, Vocab, text_of
from charrnn.errors import ConfigError, CorpusError
from charrnn.nn.params import Array


def stdin(expected: str) -> BinaryIO:
    """Standard input as bytes; on a terminal, tell the user to type what is ``expected``."""
    if sys.stdin is None:
        raise CorpusError("stdin is closed", "pipe a text into it, or name a file")
    if sys.stdin.isatty():
        say(f"type {expected}, then press Ctrl-D at the start of a line")
        # All at once, because a read after the end would wait for another Ctrl-D.
        return io.BytesIO(sys.stdin.buffer.read())
    return sys.stdin.buffer


def open_sources(paths: Sequence[str], expected: str, once: bool = False) -> list[Source]:
    """Open the texts called ``paths``.

    Args:
        expected: what the user is to type if stdin is a terminal, such as "the text to score".
        once: whether each is read only once, from start to end.

    Raises:
        ConfigError: ``-`` is given twice. CorpusError: one cannot be opened.
    """
    check_stdin(paths)
    sources = [Source.open(path, once) if path != "-" else None for path in paths]
    # stdin last, so that a missing file is found before anybody types.
    return [source or _from_stdin(expected, once) for source in sources]


def check_stdin(paths: Sequence[str]) -> None:
    """Raise ConfigError if ``-`` is given twice."""
    if paths.count("-") > 1:
        raise ConfigError("- means stdin, which can be read only once", "use it for one input only")


def _from_stdin(expected: str, once: bool) -> Source:
    stream = stdin(expected)
    return Source("stdin", stream, once=True) if once else Source.spool("stdin", stream)


def read_text(path: str, data: DataConfig, expected: str) -> Text:
    """All of a file or of stdin: bytes for a byte model, else decoded text."""
    (source,) = open_sources([path], expected, once=True)
    if data.unit == "byte":
        return b"".join(source.blocks())
    return text_of("char", np.concatenate(list(decode_blocks(source, data.encoding))))


class TextReader:
    """A text as blocks of ids, -1 for characters that the model does not know. It can be read once.

    Args:
        vocab: whose ids to return. name: of the text, for messages.
        blocks: of code points, or of bytes.
        strict: whether an unknown character is an error.

    Attributes:
        dropped: how many undecodable bytes were left out so far.
    """

    def __init__(
        self, vocab: Vocab, name: str, blocks: Iterator[Array], strict: bool = True
    ) -> None:
        self._vocab, self._blocks, self._strict = vocab, blocks, strict
        self.name = name
        self.dropped = 0

    @classmethod
    def of(
        cls, vocab: Vocab, source: Source, data: DataConfig, strict: bool, errors: Errors
    ) -> TextReader:
        """A reader of a file or of stdin."""
        handler = "strict" if errors == "strict" else ESCAPE
        reader = cls(vocab, source.name, symbol_blocks(source, data, handler), strict)
        if errors == "skip":
            reader._blocks = reader._decodable(reader._blocks)
        return reader

    def _decodable(self, blocks: Iterator[Array]) -> Iterator[Array]:
        for block in blocks:
            bad = is_escaped(block)
            self.dropped += int(np.count_nonzero(bad))
            yield block[~bad]

    def points(self) -> Iterator[Array]:
        """Blocks of code points, or of bytes."""
        return self._blocks

    def watch(self, progress: Callable[[Iterator[Array]], Iterator[Array]]) -> None:
        """Let ``progress`` see each block as it is read."""
        self._blocks = progress(self._blocks)

    def keep(self, count: int) -> list[Array]:
        """A list to which the first ``count`` code points, or bytes, are added as they are read."""
        kept: list[Array] = []
        self._blocks = _keeping(self._blocks, kept, count)
        return kept

    def ids(self, unknown: deque[int] | None = None) -> Iterator[Array]:
        """Blocks of ids.

        Args:
            unknown: to which the code points of unknown characters are added.

        Raises:
            VocabError: at the first unknown character, if that is an error.
        """
        position = 0
        for points in self.points():
            ids = self.encode(points, position=position)
            if unknown is not None:
                unknown.extend(points[ids < 0].tolist())
            yield ids
            position += len(points)

    def encode(self, points: Array, where: str = "", position: int = 0) -> Array:
        """The ids of ``points``; errors say where they are: ``where`` and ``position``."""
        ids = self._vocab.ids_of(points)
        if self._strict and ids.min(initial=0) < 0:
            at = int(np.argmin(ids >= 0))
            error = self._vocab.unknown_error(chr(points[at]), position + at)
            raise error.at(f"{self.name}{where}")
        return ids

    def encode_lines(self, lines: Sequence[Array], first: int) -> Iterator[Array]:
        """The ids of each of ``lines``, the first of which is line number ``first``.

        Raises:
            VocabError: at the first unknown character, if that is an error, after the lines
                before it.
        """
        if not lines:
            return
        # Usually all are known, and encoding the lines together is far faster.
        ids = self._vocab.ids_of(np.concatenate(lines))
        if self._strict and ids.min(initial=0) < 0:
            for number, line in enumerate(lines, first):
                yield self.encode(line, f" on line {number:,}")
            return
        at = 0
        for line in lines:
            yield ids[at : at + len(line)]
            at += len(line)


def _keeping(blocks: Iterator[Array], kept: list[Array], count: int) -> Iterator[Array]:
    for block in blocks:
        kept.append(block[:count])
        count -= len(kept[-1])
        yield block
