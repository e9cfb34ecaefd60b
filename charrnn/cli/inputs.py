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
from charrnn.data.decoding import ESCAPE, decode_blocks, is_escaped, symbol_blocks
from charrnn.data.filetypes import MODEL, type_of_file
from charrnn.data.folders import open_texts
from charrnn.data.source import Source
from charrnn.data.tokens import symbol_arrays
from charrnn.data.vocab import Text, Vocab, text_of
from charrnn.errors import ConfigError, CorpusError
from charrnn.messages import path_name
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


def open_sources(
    paths: Sequence[str],
    expected: str,
    once: bool = False,
    unit: str = "char",
    note: Callable[[str], None] = say,
    model_hint: str = "give a model with -m",
) -> list[Source]:
    """Open the texts called ``paths``: files, folders and archives of texts, stdin.

    Args:
        expected: what the user is to type if stdin is a terminal, such as "the text to score".
        once: whether each is read only once, from start to end.
        unit: of the model; for bytes, any file is a text.
        note: called with what is left out.
        model_hint: what to do with a model that is given as a text.

    Raises:
        ConfigError: ``-`` is given twice. CorpusError: one cannot be opened.
    """
    check_stdin(paths)
    if unit != "byte" and (models := [path for path in paths if type_of_file(path) is MODEL]):
        raise CorpusError(f"{path_name(models[0])}: is a charrnn model, not a text", model_hint)
    opened = [open_texts(path, once, unit, note) if path != "-" else None for path in paths]
    # stdin last, so that a missing file is found before anybody types.
    texts = [found or [_from_stdin(expected, once)] for found in opened]
    return [source for found in texts for source in found]


def check_stdin(paths: Sequence[str]) -> None:
    """Raise ConfigError if ``-`` is given twice."""
    if paths.count("-") > 1:
        raise ConfigError("- means stdin, which can be read only once", "use it for one input only")


def _from_stdin(expected: str, once: bool) -> Source:
    stream = stdin(expected)
    return Source("stdin", stream, once=True) if once else Source.spool("stdin", stream)


def read_text(path: str, data: DataConfig, expected: str) -> Text:
    """All of a file or of stdin: bytes for a byte model, else decoded text."""
    sources = open_sources([path], expected, once=True, unit=data.unit)
    if data.unit == "byte":
        return b"".join(block for source in sources for block in source.blocks())
    blocks = [b for source in sources for b in decode_blocks(source, data.encoding)]
    return text_of("char", np.concatenate(blocks))


class TextReader:
    """A text as blocks of ids, below 0 where the model does not know a symbol.

    It can be read once.

    Args:
        vocab: whose ids to return. name: of the text, for messages.
        blocks: of code points, or of bytes.
        strict: whether an unknown character is an error.
        hidden: how many characters of unknown words are not in the blocks.

    Attributes:
        dropped: how many undecodable bytes were left out so far. hidden: as given.
    """

    def __init__(
        self,
        vocab: Vocab,
        name: str,
        blocks: Iterator[Array],
        strict: bool = True,
        hidden: int = 0,
    ) -> None:
        self._vocab, self._blocks, self._strict = vocab, blocks, strict
        self.name, self.hidden = name, hidden
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

    def ids(self, unknown: deque[int | str] | None = None) -> Iterator[Array]:
        """Blocks of ids.

        Args:
            unknown: to which the code points of unknown characters are added, or unknown words.

        Raises:
            VocabError: at the first unknown character, if that is an error.
        """
        position = 0
        for symbols in symbol_arrays(self.points(), self._vocab.unit):
            ids = self.encode(symbols, position=position)
            if unknown is not None:
                unknown.extend(symbols[ids < 0].tolist())
            yield ids
            position += len(symbols)

    def encode(self, symbols: Array, where: str = "", position: int = 0) -> Array:
        """The ids of ``symbols``; errors say where they are: ``where`` and ``position``."""
        ids = self._vocab.ids_of(symbols, exact=not self._strict)
        unknown = ids < 0
        if self._strict and unknown.any():
            first = position + int(np.argmax(unknown))
            error = self._vocab.unknown_error(symbols[unknown], first)
            raise error.at(f"{self.name}{where}")
        return ids

    def encode_lines(
        self, lines: Sequence[Array], first: int, noun: str = "line"
    ) -> Iterator[Array]:
        """The ids of each of ``lines``, the first of which is line number ``first``.

        Args:
            lines: the code points or bytes of each.
            noun: what errors call them.

        Raises:
            VocabError: at the first unknown character, if that is an error, after the lines
                before it.
        """
        if not lines:
            return
        symbols = [self._vocab.symbols_of(line) for line in lines]
        # Usually all are known, and encoding the lines together is far faster.
        ids = self._vocab.ids_of(np.concatenate(symbols), exact=not self._strict)
        known = not self._strict or ids.min(initial=0) >= 0
        at = 0
        for number, each in enumerate(symbols, first):
            if not known:
                self.encode(each, f" on {noun} {number:,}")
            yield ids[at : at + len(each)]
            at += len(each)


def _keeping(blocks: Iterator[Array], kept: list[Array], count: int) -> Iterator[Array]:
    for block in blocks:
        kept.append(block[:count])
        count -= len(kept[-1])
        yield block
