"""CharRNN: a vocabulary and a network; text in, text out."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from charrnn.checkpoint import Checkpoint, CorpusInfo, Origin
from charrnn.config.autosize import architecture
from charrnn.config.schema import Config, SampleConfig
from charrnn.data.records import RecordSet
from charrnn.data.vocab import Text, Vocab
from charrnn.errors import ConfigError, CorpusError
from charrnn.evaluation.dynamic import dynamic_evaluate
from charrnn.evaluation.records import RecordScorer, evaluate_records
from charrnn.evaluation.score import Evaluation
from charrnn.evaluation.text import CharScores, char_scores, evaluate
from charrnn.nn.network import Network
from charrnn.nn.params import Array, Params
from charrnn.sampling import Choice, Sampler, StopMatcher


@dataclass(frozen=True)
class Sample:
    """One generated text.

    Attributes:
        text: str, or bytes from a byte model; without prime and stop string.
        nats: surprisal of all that was drawn, under the distribution it was drawn from.
        ended: ``length`` or ``stop``.
    """

    text: Text
    nats: float
    ended: str


class CharRNN:
    """A trained model: what :func:`charrnn.train` returns and :func:`charrnn.load` reads.

    Attributes:
        config: it was trained with. vocab: its symbols. network: its parameters.
        known_records: the records of its corpus, for a model of records; else None.
        name: of its file, for reports.
        corpus, origin: what it was trained on and started from; None where that is not known.
    """

    def __init__(
        self,
        config: Config,
        vocab: Vocab,
        params: Params,
        known_records: RecordSet | None = None,
        name: str = "a model",
        corpus: CorpusInfo | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.config, self.vocab, self.name = config, vocab, name
        self.known_records = known_records
        self.corpus, self.origin = corpus, origin
        self.network = Network(architecture(config, len(vocab)), params)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, name: str = "a model") -> CharRNN:
        """The model in a checkpoint: the best parameters of the run so far."""
        return cls(
            checkpoint.config,
            checkpoint.vocab,
            checkpoint.params,
            checkpoint.known_records,
            name,
            checkpoint.corpus,
            checkpoint.origin,
        )

    @property
    def of_records(self) -> bool:
        """Whether it was trained on an item a line: a sample of it ends with its line."""
        return self.config.data.records == "line"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file, without what only resuming a run needs.

        Raises:
            CheckpointError: if it cannot be written; what stood there is intact.
        """
        checkpoint = Checkpoint(
            self.config,
            self.vocab,
            self.network.params,
            self.corpus,
            known_records=self.known_records,
            origin=self.origin,
        )
        checkpoint.save(Path(path))

    def sample(
        self,
        length: int = 500,
        *,
        prime: Text = "",
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        stop: tuple[str, ...] = (),
        seed: int | None = None,
    ) -> Text:
        """Generate up to ``length`` characters after ``prime``, which is not repeated.

        Args:
            seed: the same seed gives the same text; None draws a new one.
            stop: texts at which the sample ends; they are not part of it.

        Returns:
            str, or bytes from a byte model.

        Raises:
            VocabError: if the prime has characters that the model does not know.
            ConfigError: if a setting is out of range.
        """
        settings = SampleConfig(
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            stop=stop,
            seed=seed,
        )
        return self.samples(settings, prime)[0].text

    def stream(self, settings: SampleConfig, prime: Text = "") -> Iterator[Text]:
        """One sample, piece by piece as it is drawn; without end if ``length`` is None.

        A piece is usually one character; what may become a stop string is held back
        until it is known not to. Errors as :meth:`sample`.
        """
        one = replace(settings, count=1)
        sampler, stops = self.sampler(one, prime), self.matcher(one)
        drawn = 0
        while (settings.length is None or drawn < settings.length) and not stops.stopped:
            if released := stops.feed(int(sampler.step()[0])):
                yield self.vocab.decode(np.array(released))
            drawn += 1
        if not stops.stopped and (held := stops.rest()):
            yield self.vocab.decode(np.array(held))

    def samples(self, settings: SampleConfig, prime: Text = "", first: int = 0) -> list[Sample]:
        """``settings.count`` samples, drawn as one batch; sample i is the same whatever the count.

        ``first`` is the number of the first one, for drawing many in several batches.
        Errors as :meth:`sample`.
        """
        if settings.length is None:
            raise ConfigError("sample.length: samples drawn as a batch need a length")
        sampler = self.sampler(settings, prime, first)
        matchers = [self.matcher(settings) for _ in range(settings.count)]
        ids: list[list[int]] = [[] for _ in matchers]
        nats = np.zeros(settings.count)
        for _ in range(settings.length):
            running = np.array([not matcher.stopped for matcher in matchers])
            if not running.any():
                break
            symbols = sampler.step().tolist()
            nats[running] += sampler.surprisal[running]
            for i in np.flatnonzero(running).tolist():
                ids[i].extend(matchers[i].feed(symbols[i]))
        results = []
        for matcher, drawn, total in zip(matchers, ids, nats.tolist(), strict=True):
            if not matcher.stopped:
                drawn += matcher.rest()
            ended = "stop" if matcher.stopped else "length"
            results.append(Sample(self.vocab.decode(np.array(drawn, np.intp)), total, ended))
        return results

    def matcher(self, settings: SampleConfig) -> StopMatcher:
        """A matcher of the settings' stop strings in this model's ids; a newline ends an item."""
        stops = (*settings.stop, "\n") if self.of_records else settings.stop
        return StopMatcher(self.vocab.encode(stop).tolist() for stop in stops)

    def sampler(self, settings: SampleConfig, prime: Text = "", first: int = 0) -> Sampler:
        """A sampler of ``settings.count`` streams that has read the prime."""
        seed = secrets.randbits(63) if settings.seed is None else settings.seed
        choice = Choice(settings.temperature, settings.top_k, settings.top_p, settings.min_p)
        sampler = Sampler(self.network, settings.count, seed, choice, first)
        ids = self.vocab.encode(prime, settings.unknown)
        if self.of_records or not len(ids):  # an item begins after a newline, prime or not
            ids = np.append(self.vocab.start, ids)
        sampler.feed(ids)
        return sampler

    def evaluate(self, text: Text, unknown: str = "error") -> Evaluation:
        """Score a text, its first character as if it followed a newline.

        A model of records scores each line by itself, with the newline that ends it.

        Raises:
            VocabError: if it has unknown characters, unless ``unknown`` is ``skip``.
            CorpusError: if nothing is left to score.
        """
        ids = self._to_score(text, unknown)
        if self.of_records:
            return evaluate_records(self.network, ids, self.vocab.start)
        return evaluate(self.network, ids, self.vocab.start)

    def dynamic_evaluate(
        self, text: Text, squares: Array, unknown: str = "error"
    ) -> tuple[Evaluation, Evaluation]:
        """Score a text as it stands, and while adapting to it; the model is not changed.

        Args:
            squares: :meth:`Checkpoint.squares` of the run that made this model, or
                :func:`charrnn.dynamic.mean_squared_gradients` over its corpus.

        Returns:
            The static score and the dynamic one. Errors as :meth:`evaluate`.

        Raises:
            ConfigError: for a model of records, whose items are no continuous text.
        """
        if self.of_records:
            raise ConfigError("dynamic evaluation needs a model of one text, not of records")
        ids = self._to_score(text, unknown)
        return dynamic_evaluate(self.network, ids, self.vocab.start, squares)

    def _to_score(self, text: Text, unknown: str) -> Array:
        if isinstance(text, str) and self.vocab.unit == "char":
            text = text.removeprefix("\ufeff")  # a byte-order mark; training drops it too
        ids = self.vocab.encode(text, unknown)
        if not len(ids):
            raise CorpusError("there is no text to score")
        return ids

    def score_lines(
        self, lines: Iterable[Text], unknown: str = "error", *, end: bool = False
    ) -> Iterator[Evaluation]:
        """Score each line by itself, in their order: see :class:`charrnn.scoring.RecordScorer`.

        Args:
            lines: without their newlines.
            unknown: as :meth:`evaluate`; skipped characters are not counted.
            end: also score the newline that ends each line.

        Raises:
            VocabError: while iterating, if a line has unknown characters; or at once, if
                ``end`` asks for a newline that the model does not know.
        """
        encoded = (self.vocab.encode(line, unknown) for line in lines)
        newline = int(self.vocab.encode("\n")[0]) if end else None
        return RecordScorer(self.network, self.vocab.start, newline).score(encoded)

    def char_scores(
        self, blocks: Iterable[Text], unknown: str = "error", k: int = 3
    ) -> Iterator[CharScores]:
        """Score each character of a text that comes in pieces, with the ``k`` likeliest there.

        Ids in the scores are this model's: ``vocab.decode`` makes them text. Errors as
        :meth:`evaluate`, while iterating; an empty text gives nothing.
        """
        encoded = (self.vocab.encode(block, unknown) for block in blocks)
        return char_scores(self.network, encoded, self.vocab.start, k)


def load(path: str | os.PathLike[str]) -> CharRNN:
    """Read a model that ``charrnn train`` or :meth:`CharRNN.save` wrote.

    Raises:
        CheckpointError: if it is missing, damaged or no checkpoint.
    """
    return CharRNN.from_checkpoint(Checkpoint.load(path), os.fsdecode(path))
