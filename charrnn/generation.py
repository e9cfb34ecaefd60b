"""Text from a network: a prime to continue, strings to stop at, one sample or many at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.config.schema import SampleConfig
from charrnn.data.vocab import Text, Vocab
from charrnn.errors import ConfigError, VocabError
from charrnn.nn.network import Network
from charrnn.sampling import Choice, Sampler, StopMatcher


@dataclass(frozen=True)
class Sample:
    """One generated text.

    Attributes:
        text: str, or bytes from a byte model; without the prime and the stop string.
        nats: surprisal of all that was drawn, under the distribution it was drawn from.
        ended: ``length`` or ``stop``.
        index: its number among the samples of its seed, from 0.
    """

    text: Text
    nats: float
    ended: str
    index: int


class Generator:
    """Draws texts from a network under one set of settings.

    Args:
        network: to draw from. vocab: its symbols.
        settings: ``count`` and ``prime`` are ignored; without a seed, a new one is drawn.
        prime: the text to continue.
        of_records: whether each sample is a record: it begins after what ends a record, and ends
            with the next one.

    Raises:
        VocabError: if the prime or a stop string has characters that are not in the vocabulary.
    """

    def __init__(
        self,
        network: Network,
        vocab: Vocab,
        settings: SampleConfig,
        prime: Text = "",
        of_records: bool = False,
    ) -> None:
        self._network, self._vocab, self._length = network, vocab, settings.length
        self._seed = secrets.randbits(63) if settings.seed is None else settings.seed
        self._choice = Choice(settings.temperature, settings.top_k, settings.top_p, settings.min_p)
        try:
            ids = vocab.encode(prime, settings.unknown)
        except VocabError as error:
            raise error.at("prime") from None
        self._prime = np.append(vocab.start, ids) if of_records or not len(ids) else ids
        stops = (*settings.stop, vocab.end) if of_records else settings.stop
        try:
            self._stops = [vocab.encode(stop).tolist() for stop in stops]
        except VocabError as error:  # skipping characters would change the stop string
            raise VocabError(f"stop: {error.message}", "leave it out") from None

    def stream(self) -> Iterator[Text]:
        """Sample 0, piece by piece as it is drawn; endless if the length is None."""
        sampler, stops = self._sampler(1, 0), StopMatcher(self._stops)
        drawn = 0
        while (self._length is None or drawn < self._length) and not stops.stopped:
            if released := stops.feed(int(sampler.step()[0])):
                yield self._vocab.decode(np.array(released))
            drawn += 1
        if not stops.stopped and (held := stops.rest()):
            yield self._vocab.decode(np.array(held))

    def batch(self, count: int, first: int = 0) -> list[Sample]:
        """``count`` samples at once, from number ``first`` on.

        Raises:
            ConfigError: if the length is None.
        """
        if self._length is None:
            raise ConfigError(
                "sample.length: samples drawn as a batch need a length", setting="sample.length=500"
            )
        sampler = self._sampler(count, first)
        stops = [StopMatcher(self._stops) for _ in range(count)]
        ids: list[list[int]] = [[] for _ in stops]
        nats = np.zeros(count)
        for _ in range(self._length):
            running = np.array([not matcher.stopped for matcher in stops])
            if not running.any():
                break
            symbols = sampler.step().tolist()
            nats[running] += sampler.surprisal[running]
            for i in np.flatnonzero(running).tolist():
                ids[i].extend(stops[i].feed(symbols[i]))
        samples = []
        for i, (matcher, drawn) in enumerate(zip(stops, ids, strict=True)):
            if not matcher.stopped:
                drawn += matcher.rest()
            text = self._vocab.decode(np.array(drawn, np.intp))
            ended = "stop" if matcher.stopped else "length"
            samples.append(Sample(text, float(nats[i]), ended, first + i))
        return samples

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

    def _sampler(self, count: int, first: int) -> Sampler:
        sampler = Sampler(self._network, count, self._seed, self._choice, first)
        sampler.feed(self._prime)
        return sampler
