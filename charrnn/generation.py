"""Text from a network: a prime to continue, strings to stop at, one sample or many at once."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from charrnn.config.schema import SampleConfig
from charrnn.data.vocab import Text, Vocab, codepoints, text_of
from charrnn.errors import ConfigError, VocabError
from charrnn.forks import forked_map, may_fork
from charrnn.limits import available_cores
from charrnn.messages import printable
from charrnn.mixing import Mixture
from charrnn.nn.inference import InferenceWeights
from charrnn.nn.network import Network
from charrnn.nn.params import Array
from charrnn.nn.tiles import TILE
from charrnn.sampling import ALONE, Beginning, Choice, Sampler, StopMatcher
from charrnn.spelling import SEPARATOR, Spelling, WordList
from charrnn.threads import blas_settings

#: Tiles of samples that one worker draws together, and logits of one step of them, at most: see
#: docs/design/performance.md.
PART, LOGITS = 88, 1 << 22
#: Multiplications of a step that make a process worthwhile, or a thread where none can be forked:
#: see docs/design/performance.md.
PROCESS_WORK, THREAD_WORK = 3_000_000, 8_000_000
#: Texts of up to this many symbols that end together are decoded together.
SHORT = 256
#: Symbols of one stream that are drawn at a time, so that BLAS is set up once for all of them;
#: fewer in a large network, of which each should come as soon as it is drawn.
AHEAD, MOST_AHEAD = 1 << 22, 16


@dataclass(frozen=True)
class Sample:
    """One generated text.

    Attributes:
        text: str, or bytes from a byte model; without the prime and the stop string.
        nats: surprisal of all that was drawn, under the distribution it was drawn from.
        ended: ``length``, ``stop``, or ``words`` where no word of a list could continue it.
        index: its number among the samples of its seed, from 0.
    """

    text: Text
    nats: float
    ended: str
    index: int


def to_end_of_line(settings: SampleConfig) -> SampleConfig:
    """The same settings, with the newline among the strings that end a sample."""
    if "\n" in settings.stop:
        return settings
    return replace(settings, stop=(*settings.stop, "\n"))


class Generator:
    """Draws texts from a network under one set of settings.

    Args:
        network: to draw from. vocab: its symbols.
        settings: ``count`` and ``prime`` are ignored; without a seed, a new one is drawn.
        prime: the text to continue.
        of_records: whether each sample is a record: it begins after what ends a record, and ends
            with the next one.
        words: the only words that samples may contain, of ``vocab``; None for any.
        mixture: what the network is mixed with, if anything.

    Raises:
        VocabError: if the prime or a stop string has characters that are not in the vocabulary.
        ConfigError: if a stop string could cut a word of the list.
    """

    def __init__(
        self,
        network: Network,
        vocab: Vocab,
        settings: SampleConfig,
        prime: Text = "",
        of_records: bool = False,
        words: WordList | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self._mixture = mixture
        self._network, self._vocab, self._length = network, vocab, settings.length
        self._unknown, self._of_records = settings.unknown, of_records
        self._seed = secrets.randbits(63) if settings.seed is None else settings.seed
        self._choice = Choice(settings.temperature, settings.top_k, settings.top_p, settings.min_p)
        stops = (*settings.stop, vocab.end) if of_records else settings.stop
        self._spelled = vocab.unit == "word"  # in a word, a stop string may be anywhere
        self._stop_texts = [stop for stop in stops if stop]
        try:
            self._stops = [codepoints(s) if self._spelled else vocab.encode(s) for s in stops]
        except VocabError as error:  # skipping characters would change the stop string
            raise VocabError(f"stop: {error.message}", "leave it out") from None
        self._ahead = max(1, min(MOST_AHEAD, AHEAD // network.params.flat.size))
        self._words = words
        if words:
            self._check_stops(words, stops)
        self._read(prime)

    def after(self, prime: Text, name: str = "prime") -> Generator:
        """A generator like this one, with another prime.

        Args:
            name: of the prime, for messages.

        Raises:
            VocabError: as for :class:`Generator`.
        """
        other = copy.copy(self)
        other._read(prime, self._beginning.weights, name)
        return other

    def _read(
        self, prime: Text, weights: InferenceWeights | None = None, name: str = "prime"
    ) -> None:
        try:
            ids = self._vocab.encode(prime, self._unknown)
        except VocabError as error:
            raise error.at(name) from None
        if self._words:
            self._place = self._words.after(ids)
        self._beginning = Beginning(self._network, weights, self._mixture)
        whole = not len(ids) or self._of_records
        self._beginning.feed(np.append(self._vocab.start, ids) if whole else ids)

    def _check_stops(self, words: WordList, stops: Sequence[str]) -> None:
        """Raise ConfigError if a stop string could cut a word."""
        for text, stop in zip(stops, self._stops, strict=True):
            if len(stop) and words.kinds[stop[0]] != SEPARATOR:
                raise ConfigError(
                    f"sample.stop: {printable(text)!r} could cut a word of the list",
                    "begin it with a character that ends words, such as a space",
                )

    def stream(self, number: int = 0) -> Iterator[Text]:
        """One sample, piece by piece as it is drawn; endless if the length is None."""
        sampler, rule = self._sampler(range(number, number + 1))
        stops = StopMatcher([stop.tolist() for stop in self._stops])
        drawn = 0
        while self._length is None or drawn < self._length:
            ahead = self._ahead if self._length is None else min(self._ahead, self._length - drawn)
            symbols = []
            with blas_settings(1):
                for _ in range(ahead):
                    symbol = int(sampler.step()[0])
                    if rule and rule.stuck[0]:
                        break
                    symbols.append(symbol)
            for symbol in symbols:
                released: list[int] = []
                for part in self._parts(symbol):
                    released += stops.feed(part)
                    if stops.stopped:
                        break
                if released:
                    yield self._joined(released)
                if stops.stopped:
                    return
            if len(symbols) < ahead:
                break
            drawn += ahead
        if held := stops.rest():
            yield self._joined(held)

    def _parts(self, symbol: int) -> list[int]:
        """What a symbol consists of that stop strings are made of: itself, or code points."""
        if not self._spelled:
            return [symbol]
        parts: list[int] = codepoints(str(self._vocab.points[symbol])).tolist()
        return parts

    def _joined(self, parts: list[int]) -> Text:
        points = np.array(parts)
        return text_of("char", points) if self._spelled else self._vocab.decode(points)

    def batch(self, count: int, first: int = 0, workers: int | None = None) -> list[Sample]:
        """``count`` samples at once, from number ``first`` on.

        Args:
            workers: processes or threads to use; None for as many as are worthwhile, at most one
                per core. Samples do not depend on it.

        Raises:
            ConfigError: if the length is None.
        """
        if self._length is None:
            raise ConfigError(
                "sample.length: samples drawn as a batch need a length", setting="sample.length=500"
            )
        stop = first + count
        # The sample that is alone counts as a tile, though it takes a fifth of the time.
        tiles = range((first - ALONE) // TILE, (stop - 1 - ALONE) // TILE + 1)
        if workers is None:
            work = count * self._network.params.flat.size
            least = PROCESS_WORK if may_fork() else THREAD_WORK
            workers = max(1, min(available_cores(), work // least))
        share = -(-len(tiles) // workers)
        most = max(1, min(PART, LOGITS // (TILE * len(self._vocab))))
        starts = [max(first, ALONE + tile * TILE) for tile in tiles[:: min(most, share)]]
        parts = [range(*ends) for ends in zip(starts, [*starts[1:], stop], strict=True)]
        drawn = forked_map(self._draw, parts, workers)
        return [sample for part in drawn for sample in part]

    def samples(self, limit: int | None, batch_size: int) -> Iterator[Sample]:
        """``limit`` samples, or endless ones if it is None, drawn ``batch_size`` at once.

        Raises:
            ConfigError: while iterating, as :meth:`batch`.
        """
        first = 0
        while limit is None or first < limit:
            count = batch_size if limit is None else min(batch_size, limit - first)
            yield from self.batch(count, first)
            first += count

    def _sampler(self, numbers: range) -> tuple[Sampler, Spelling | None]:
        rule = None
        if self._words:
            rule = Spelling(self._words, self._place, len(numbers), self._length)
        return Sampler(self._beginning, numbers, self._seed, self._choice, rule), rule

    def _draw(self, wanted: range) -> list[Sample]:
        """Draw samples until each has ended, by one worker."""
        assert self._length is not None
        sampler, rule = self._sampler(wanted)
        samples: dict[int, Sample] = {}
        running, numbers = np.ones(len(wanted), bool), sampler.numbers
        nats = np.zeros(len(numbers))
        drawn: Array = np.empty((len(numbers), min(self._length, 64)), np.int32)

        def finish(ending: Array, length: int, cut: Array | None, ended: str) -> int:
            """End these rows; return how many they are."""
            places = np.flatnonzero(ending)
            cuts = [0] * len(places) if cut is None else cut[places].tolist()
            found = zip(
                numbers[places].tolist(),
                self._texts(drawn[:, :length], places),
                cuts,
                nats[places].tolist(),
                strict=True,
            )
            for number, text, symbols, total in found:
                samples[number] = Sample(text[: len(text) - symbols], total, ended, number)
            running[places] = False
            return len(places)

        for length in range(1, self._length + 1):
            if length > drawn.shape[1]:
                drawn = np.concatenate([drawn, np.empty_like(drawn)], axis=1)
            drawn[:, length - 1] = sampler.step()
            surprisal, ended = sampler.surprisal(), 0
            if rule and rule.stuck.any():
                ended += finish(running & rule.stuck, length - 1, None, "words")
                surprisal[rule.stuck] = 0.0
            nats += surprisal
            if self._stop_texts:
                cut = self._complete_stops(drawn[:, :length])
                ended += finish(running & (cut > 0), length, cut, "stop")
            if not ended:
                continue
            if not running.any():
                break
            moves = sampler.keep(running)
            if moves:
                running[moves.targets], running[moves.sources] = True, False
                running, numbers = running[: moves.n], sampler.numbers
                nats, drawn = moves.apply(nats), moves.apply(drawn)
        finish(running, self._length, None, "length")
        return [samples[number] for number in wanted]

    def _texts(self, drawn: Array, places: Array) -> list[Text]:
        """The texts of some rows of ids, (rows, symbols)."""
        length = drawn.shape[1]
        if self._spelled or not 0 < length <= SHORT:
            return [self._vocab.decode(drawn[row]) for row in places.tolist()]
        whole = self._vocab.decode(drawn[places].ravel())  # each symbol is one character, or byte
        return [whole[at : at + length] for at in range(0, len(whole), length)]

    def _complete_stops(self, drawn: Array) -> Array:
        """How many characters at the end of each row of ``drawn`` are from a stop string on.

        0 where none is complete; where several are, the longest counts.
        """
        if self._spelled:
            return self._stops_in_words(drawn)
        found = np.zeros(len(drawn), np.intp)
        for stop in self._stops:
            if 0 < len(stop) <= drawn.shape[1]:
                rows = np.flatnonzero(drawn[:, -1] == stop[-1])
                if len(rows):  # most end with another symbol
                    rows = rows[(drawn[rows, -len(stop) :] == stop).all(axis=1)]
                    found[rows] = np.maximum(found[rows], len(stop))
        return found

    def _stops_in_words(self, drawn: Array) -> Array:
        """As :meth:`_complete_stops`; the first to be complete counts, then the longest."""
        longest = max(map(len, self._stop_texts))
        found = np.zeros(len(drawn), np.intp)
        for row, ids in enumerate(drawn[:, -longest:]):
            text = str(self._vocab.decode(ids))
            places = ((text.find(stop), len(stop)) for stop in self._stop_texts)
            ends = [(at + length, -length) for at, length in places if at >= 0]
            if ends:
                end, length = min(ends)
                found[row] = len(text) - end - length
        return found
