"""CharRNN: a trained model; text in, scores and text out.

The command line does nothing that these methods do not offer. Wherever text is scored, its ids are
accepted as well: an array of integers such as ``model.vocab.encode(text)``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint, CorpusInfo, Origin
from charrnn.config.autosize import architecture
from charrnn.config.schema import Config, SampleConfig, ScoredUnknown, Unknown
from charrnn.data.corpus import Corpus
from charrnn.data.records import RecordSet, with_marked_ends, without_empty_records
from charrnn.data.vocab import NOUNS, Symbols, Text, Vocab, bytes_of
from charrnn.data.words import words_of
from charrnn.errors import CheckpointError, ConfigError, CorpusError
from charrnn.evaluation.dynamic import DynamicScorer
from charrnn.evaluation.records import RecordScorer, RecordTextScorer
from charrnn.evaluation.reference import Reference
from charrnn.evaluation.score import Evaluation, PartScorer, Scorer, score
from charrnn.evaluation.spans import surprising_span
from charrnn.evaluation.text import CharScores, TextScorer, char_scores
from charrnn.generation import Generator, Sample, to_end_of_line
from charrnn.interchange import assemble
from charrnn.messages import pluralize, printable
from charrnn.mixing import Mixture, Tally
from charrnn.nn.activations import Activations, activations, next_probabilities
from charrnn.nn.network import Network, without_symbol
from charrnn.nn.params import Array, Params
from charrnn.norms import Norms
from charrnn.novelty import DRAWS, Selection
from charrnn.spelling import WordList
from charrnn.threads import blas_settings
from charrnn.training.state import RunState

TextOrIds = Text | Array
#: Words, a text that contains them, or ``"known"`` for those of the training corpus.
Words = str | Iterable[str]

#: Samples drawn as one batch: enough for efficient matrix products; fewer where they are endless,
#: so that the first ones come soon.
BATCH, ENDLESS_BATCH = 1024, 32
#: At least so many where some of them may be left out.
LEAST_BATCH = 8


@dataclass(frozen=True)
class Treatment:
    """What scoring does with unknown symbols.

    Attributes:
        unknown: ``error``, ``skip`` or ``score``.
        nats: what each costs; None to leave it out.
        read_as: the symbol that is read in its place, if any; what that takes is added.
    """

    unknown: ScoredUnknown
    nats: float | None = None
    read_as: int | None = None


class CharRNN:
    """A trained model: what :func:`charrnn.train` returns and :func:`charrnn.load` reads.

    Attributes:
        config: the settings it was trained with. vocab: its symbols. network: its parameters.
        known_records: the records of its corpus, or its lines; None where they are not known.
        known_words: the words of its corpus; None where they are not known.
        name: of its file, for messages.
        corpus, origin: what it was trained on and started from; None where that is not known.
        squares: (P,) mean squared gradients of its training, for dynamic evaluation; None where
            they are not known.
        run: where its training was when it was saved, and its validations; None where that is
            not known.
        mixture: the n-gram model that the network is mixed with, and its weight; None for the
            network alone.
    """

    def __init__(
        self,
        config: Config,
        vocab: Vocab,
        params: Params,
        known_records: RecordSet | None = None,
        known_words: tuple[str, ...] | None = None,
        name: str = "a model",
        corpus: CorpusInfo | None = None,
        origin: Origin | None = None,
        squares: Array | None = None,
        norms: Norms | Callable[[Network], Norms] | None = None,
        run: RunState | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self.config, self.vocab, self.name = config, vocab, name
        self._norms, self.run, self.mixture = norms, run, mixture
        self.known_records, self.known_words = known_records, known_words
        self.corpus, self.origin, self.squares = corpus, origin, squares
        self.network = Network(architecture(config, len(vocab)), params)
        self._words: tuple[str | tuple[str, ...], WordList] | None = None

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, name: str = "a model") -> CharRNN:
        """The model in a checkpoint: the best parameters of the run so far."""
        return cls(
            checkpoint.config,
            checkpoint.vocab,
            checkpoint.params,
            checkpoint.known_records,
            checkpoint.known_words,
            name,
            checkpoint.corpus,
            checkpoint.origin,
            checkpoint.squares(),
            checkpoint.norms,
            checkpoint.training.state if checkpoint.training else None,
            checkpoint.mixture,
        )

    @classmethod
    def from_parameters(
        cls, parameters: Mapping[str, Array], symbols: Symbols, **settings: Any
    ) -> CharRNN:
        """A model of given weights, such as those of another program: see docs/pytorch.md.

        The cell and the sizes are those of the arrays.

        Args:
            parameters: arrays by name, as :meth:`parameters` returns them, of any floating-point
                type; they are copied and rounded to float32.
            symbols: the characters that the model reads and writes, in the order of the rows of
                ``layers.0.W_x`` and of the columns of ``output.W``; bytes for a byte model, a list
                of words for a model of words, in which U+FFFD stands for all others.
            settings: further settings by name, as for :func:`charrnn.train`: ``records="line"``
                for a model of lines; ``min_count=2`` if the symbol U+FFFD stands for rare
                characters; ``dropout``, 0 by default, for further training.

        Raises:
            CharRNNError: an array is missing, unknown, of the wrong shape, not of floating-point
                numbers or not finite.
            VocabError: a symbol occurs twice, or one that the settings need is missing.
            ConfigError: for a setting that is unknown or out of range.
            TypeError: ``parameters`` are not NumPy arrays by name, or ``symbols`` are none of
                these.
        """
        return cls(*assemble(parameters, symbols, settings))

    def __repr__(self) -> str:
        arch = self.network.arch
        trained_on = f", trained on {printable(self.corpus.name)}" if self.corpus else ""
        return (
            f"<CharRNN {arch.cell} {arch.hidden_size}x{arch.num_layers}, "
            f"{pluralize(self.network.params.flat.size, 'parameter')}, "
            f"{pluralize(len(self.vocab), NOUNS[self.vocab.unit])}{trained_on}>"
        )

    def _repr_html_(self) -> str:
        """A table, for a notebook."""
        arch, noun = self.network.arch, NOUNS[self.vocab.unit]
        rows = {
            "model": self.name,
            "cell": f"{arch.cell}, {pluralize(arch.num_layers, 'layer')} of {arch.hidden_size}",
            "parameters": f"{self.network.params.flat.size:,}",
            "vocabulary": pluralize(len(self.vocab), noun),
        }
        if self.corpus:
            length = pluralize(self.corpus.characters, noun)
            rows["trained on"] = f"{self.corpus.name}, {length}"
        if self.run and self.run.best is not None:
            rows["best validation"] = f"{self.run.best / math.log(2.0):.4f} bits per {noun}"
        cells = (f"<tr><th>{k}</th><td>{escape(printable(v))}</td></tr>" for k, v in rows.items())
        return f"<table>{''.join(cells)}</table>"

    @property
    def norms(self) -> Norms | None:
        """Statistics of its corpus; None where they were not measured.

        Of a model that comes from training, it is measured when it is first asked for, which
        takes up to a few seconds.
        """
        if callable(self._norms):
            self._norms = self._norms(self.network)
        return self._norms

    def parameters(self) -> dict[str, Array]:
        """A copy of its weights: arrays of float32 by name, as docs/python.md lists them."""
        return {name: view.copy() for name, view in self.network.params.items()}

    @property
    def of_records(self) -> bool:
        """Whether it is a model of records, whose samples end where a record ends."""
        return self.config.data.of_records

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file, without what only resuming its training needs.

        Raises:
            CheckpointError: if it cannot be written; an existing file is left intact.
        """
        checkpoint = Checkpoint(
            self.config,
            self.vocab,
            self.network.params,
            self.corpus,
            known_records=self.known_records,
            known_words=self.known_words,
            origin=self.origin,
            norms=self.norms,
            mixture=self.mixture,
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
        stop: str | tuple[str, ...] = (),
        seed: int | None = None,
        unknown: Unknown = "error",
        novel: bool = False,
        words: Words | None = None,
    ) -> Text:
        """Generate up to ``length`` characters after ``prime``, which is not repeated.

        Args:
            prime: the text to continue; without one, the sample starts like a line.
            temperature: below 1 safer, above 1 wilder; 0 always takes the likeliest character.
            top_k: draw from the k likeliest characters only; 0 is off.
            top_p: draw from the fewest likeliest that make up this probability; 1 is off.
            min_p: leave out what is less likely than this share of the likeliest; 0 is off.
            stop: strings at which the sample ends; they are not part of it.
            seed: the same seed gives the same text; None draws a new one.
            unknown: ``error``, or ``skip`` to leave out characters of the prime that the model
                does not know.
            novel: draw until a record is found that is not in the training corpus.
            words: write only these words, as :meth:`iter_samples`.

        Returns:
            str, or bytes from a byte model.

        Raises:
            VocabError: if the prime or a stop string has characters that the model does not know.
            ConfigError: if a setting is out of range, or ``novel`` or ``words`` need what the model
                does not know.
            CharRNNError: if no new record is found.
        """
        settings = SampleConfig(
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            stop=(stop,) if isinstance(stop, str) else stop,
            seed=seed,
            unknown=unknown,
        )
        return next(self.iter_samples(settings, prime, novel=novel, words=words)).text

    def stream(
        self,
        settings: SampleConfig | None = None,
        prime: Text | None = None,
        first: int = 0,
        *,
        words: Words | None = None,
        **changes: Any,
    ) -> Iterator[Text]:
        """One sample, piece by piece as it is drawn; endless if ``length`` is None.

        A piece is usually one character. What may become a stop string is held back until it is
        known not to.

        Args:
            settings: None for those of the model's config. changes: single settings by name,
                such as ``temperature=1.0``.
            prime: the text to continue; None for that of the settings.
            first: number of the sample among those of its seed.
            words: as :meth:`iter_samples`.

        Raises:
            VocabError, ConfigError: at once, as :meth:`sample`.
        """
        settings, prime = self._sampling(settings, prime, changes)
        return self._generator(settings, prime, words).stream(first)

    def samples(
        self,
        settings: SampleConfig | None = None,
        prime: Text | None = None,
        first: int = 0,
        *,
        words: Words | None = None,
        **changes: Any,
    ) -> list[Sample]:
        """``count`` samples, drawn as one batch; sample i is the same whatever the count.

        Args:
            settings, prime, changes: as :meth:`stream`.
            first: number of the first one, to draw many in several batches.
            words: as :meth:`iter_samples`.

        Raises:
            VocabError: as :meth:`sample`. ConfigError: also if ``length`` is None.
        """
        settings, prime = self._sampling(settings, prime, changes)
        return self._generator(settings, prime, words).batch(settings.count, first)

    def iter_samples(
        self,
        settings: SampleConfig | None = None,
        prime: Text | None = None,
        *,
        lines: int | None = None,
        words: Words | None = None,
        novel: bool = False,
        unique: bool = False,
        endless: bool = False,
        **changes: Any,
    ) -> Selection:
        """The same samples one by one, drawn in batches: ``count`` of them, or endless.

        With ``lines``, ``novel`` or ``unique``, up to 20 samples are drawn for each one wanted. The
        result's attribute ``left_out`` counts those that were left out, by the reason.

        Args:
            settings, prime, changes: as :meth:`stream`.
            lines: number of lines to draw: samples that end before a newline and are not empty.
            words: write no words but these: a list, a text that contains them, or ``"known"`` for
                those of the training corpus. A word may also be capitalised or in capitals; where
                words end is defined in :mod:`charrnn.data.words`. Near ``length`` no word is begun
                that would not be finished.
            novel: leave out records that are in the training corpus, or in that of a model that
                training started from, and near copies that differ only in case, spaces and
                punctuation. A model of continuous text compares lines, so it needs ``lines`` or
                the stop string ``"\\n"``.
            unique: leave out samples that came before.
            endless: ignore ``count``.

        Raises:
            VocabError, ConfigError: as :meth:`sample`, at once; ConfigError also, while iterating,
                if ``length`` is None.
            CharRNNError: while iterating, if too few samples can be kept.
        """
        settings, prime = self._sampling(settings, prime, changes)
        if lines is not None:
            if self.vocab.newline is None:
                raise ConfigError(f"{self.name}: does not know newlines, so it cannot draw lines")
            settings = replace(to_end_of_line(settings), count=lines)
        wanted = None if endless else settings.count
        known = self._known_lines(settings) if novel else None
        generator = self._generator(settings, prime, words)
        prime = bytes_of(prime) if self.vocab.unit == "byte" else prime
        if lines is None and not novel and not unique:
            batch = ENDLESS_BATCH if wanted is None else min(BATCH, wanted)
            return Selection(generator.samples(wanted, batch), None, prime, empty=True)
        batch = ENDLESS_BATCH if wanted is None else min(BATCH, max(wanted, LEAST_BATCH))
        samples = generator.samples(None if wanted is None else DRAWS * wanted, batch)
        return Selection(samples, wanted, prime, settings.temperature, known=known, unique=unique)

    def continuations(
        self,
        primes: Iterable[Text],
        settings: SampleConfig | None = None,
        *,
        words: Words | None = None,
        **changes: Any,
    ) -> Iterator[Sample]:
        """One sample for each of ``primes``, drawn when it is asked for.

        The sample for the third prime, say, is sample 2 of the seed.

        Args:
            settings, changes: as :meth:`stream`. words: as :meth:`iter_samples`.

        Raises:
            VocabError, ConfigError: at once, as :meth:`sample`; VocabError also, while iterating,
                for a prime.
        """
        settings, _ = self._sampling(settings, "", changes)
        generator = self._generator(settings, "", words)
        return (
            generator.after(prime, f"prime {number:,}").batch(1, number - 1)[0]
            for number, prime in enumerate(primes, 1)
        )

    def _known_lines(self, settings: SampleConfig) -> RecordSet:
        """The lines or records that new samples must differ from."""
        if not self.of_records and "\n" not in settings.stop:
            raise ConfigError(
                f"{self.name}: novelty is checked line by line",
                "draw lines, or use a newline as a stop string",
            )
        if self.known_records is None:
            raise ConfigError(
                f"{self.name}: does not know the lines of its corpus",
                "train it again, on a corpus of at most 1,048,576 lines",
            )
        return self.known_records

    def _word_list(self, words: Words) -> WordList:
        """The words that samples may contain; the last list is kept, because it takes a while."""
        if self.vocab.unit == "word":
            raise ConfigError(
                f"{self.name}: is a model of words, which writes no others than it knows",
                "for a list of words, use a model of characters",
            )
        if not isinstance(words, str):
            words = tuple(words)
        if self._words is None or self._words[0] != words:
            self._words = words, WordList(self._allowed(words), self.vocab)
        return self._words[1]

    def _allowed(self, words: str | tuple[str, ...]) -> Iterable[str]:
        if words != "known":
            texts = (words,) if isinstance(words, str) else words
            return (word for text in texts for word in words_of(text))
        if self.known_words is None:
            raise ConfigError(
                f"{self.name}: does not know the words of its corpus",
                "train it again, or give the words",
            )
        return self.known_words

    def _sampling(
        self, settings: SampleConfig | None, prime: Text | None, changes: dict[str, Any]
    ) -> tuple[SampleConfig, Text]:
        settings = replace(settings or self.config.sample, **changes)
        return settings, settings.prime if prime is None else prime

    def _generator(
        self, settings: SampleConfig, prime: Text, words: Words | None = None
    ) -> Generator:
        network, vocab, mixture = self.network, self.vocab, self._active
        if (rare := vocab.rare_id) is not None:  # what it stands for is unknown: never print it
            network = without_symbol(network, rare)
            mixture = mixture and mixture.without(rare)
        allowed = None if words is None else self._word_list(words)
        return Generator(network, vocab, settings, prime, self.of_records, allowed, mixture)

    @property
    def _active(self) -> Mixture | None:
        """What is mixed in; None also where its weight is 0."""
        return self.mixture if self.mixture and self.mixture.weight else None

    def next(self, text: TextOrIds, unknown: Unknown = "error") -> dict[Text, float]:
        """The probability of each character to be the next one after a text, likeliest first.

        Args:
            text: scored by :meth:`evaluate`, each of its characters has the probability that this
                gives for it after those before it. May be empty.
            unknown: as :meth:`evaluate`.

        Returns:
            Character -> probability, for the whole vocabulary; keys are str, or single bytes from
            a byte model.

        Raises:
            VocabError: as :meth:`evaluate`.
        """
        ids = self._texts(text, unknown)[-1]
        with blas_settings(1):
            probs = next_probabilities(self.network, ids)
        if mixture := self._active:
            probs = mixture.reader().next_distribution(ids[1:], probs)
        order = np.argsort(-probs, kind="stable")
        symbols = (self.vocab.decode(order[i : i + 1]) for i in range(len(order)))
        return dict(zip(symbols, probs[order].tolist(), strict=True))

    def hidden(self, text: TextOrIds, unknown: Unknown = "error") -> Activations:
        """The states and gates of the network after each character of a text.

        Args:
            text: the first character is read after a newline, as in :meth:`evaluate`. In a model
                of records, ``vocab.end`` ends a record, and the next one starts from zero.
            unknown: as :meth:`evaluate`.

        Returns:
            ``h``, the hidden states; ``c``, the cell states of an LSTM, else None; ``gates``, by
            name. Each is (characters, layers, units) of float32, ``h[t]`` the state right after
            character t was read.

        Raises:
            VocabError: as :meth:`evaluate`.
        """
        with blas_settings(1):
            return activations(self.network, self._texts(text, unknown)).after(1)

    def _texts(self, text: TextOrIds, unknown: Unknown) -> list[Array]:
        """The ids of a text, after the symbol that it follows; of each record separately."""
        start = self.vocab.start
        ids = np.append(start, self._ids(text, unknown))
        if not self.of_records:
            return [ids]
        return np.split(ids, np.flatnonzero(ids[1:] == start) + 1)

    def evaluate(self, text: TextOrIds, unknown: ScoredUnknown = "error") -> Evaluation:
        """Score a text, its first character as if it followed a newline.

        A model of records scores each record by itself, with the symbol that ends it.

        Args:
            unknown: what to do with characters that the model does not know: ``error``; ``skip``
                to leave them out and not to count them; ``score`` to charge
                :attr:`unknown_nats` for each. What follows one is scored as if it were not there.

        Raises:
            VocabError: if the text has unknown characters that are not to be skipped.
            CorpusError: if nothing is left to score.
        """
        (evaluation,) = self._score(text, [self.text_scorer()], unknown)
        return evaluation

    def dynamic_evaluate(
        self, text: TextOrIds, squares: Array | None = None, unknown: ScoredUnknown = "error"
    ) -> tuple[Evaluation, Evaluation]:
        """Score a text twice: as it is, and while a copy of the model adapts to it.

        Args:
            squares: as :meth:`dynamic_scorer`. unknown: as :meth:`evaluate`.

        Returns:
            The static score and the dynamic one.

        Raises:
            ConfigError, CheckpointError: as :meth:`dynamic_scorer`.
            VocabError, CorpusError: as :meth:`evaluate`.
        """
        scorers = [self.text_scorer(), self.dynamic_scorer(squares)]
        static, dynamic = self._score(text, scorers, unknown)
        return static, dynamic

    def _score(
        self, text: TextOrIds, scorers: Sequence[Scorer], unknown: ScoredUnknown
    ) -> list[Evaluation]:
        treatment = self.treatment(unknown)
        text = self._whole(text)
        ids = self._ids(text, treatment.unknown)
        if self.of_records:
            reads = treatment.read_as is not None
            ids = without_empty_records(ids, self.vocab.start, reads)
        if not len(ids):
            raise CorpusError("there is no text to score")
        return score(
            [ids],
            scorers,
            unknown_nats=treatment.nats,
            unknown_id=treatment.read_as,
            lengths=self.vocab.lengths,
        )

    def score_lines(
        self,
        lines: Iterable[TextOrIds],
        unknown: ScoredUnknown = "error",
        *,
        end: bool | None = None,
    ) -> Iterator[Evaluation]:
        """Score each line by itself, many at once, in order and in bounded memory.

        Args:
            lines: without their newlines.
            unknown: as :meth:`evaluate`. end: as :meth:`record_scorer`.

        Raises:
            VocabError: while iterating, as :meth:`evaluate`; or at once, if ``end`` asks for a
                newline that the model does not know.
            TypeError: if ``lines`` is a single text.
        """
        return self.record_scorer(end, unknown).score(self._encoded(lines, unknown))

    def line_surprisals(
        self,
        lines: Iterable[TextOrIds],
        unknown: ScoredUnknown = "error",
        *,
        end: bool | None = None,
    ) -> Iterator[Array]:
        """The nats of each character of each line, (characters,); NaN for one that is skipped.

        Args, errors: as for :meth:`score_lines`; with ``end``, the newline's nats are the last.
        """
        scorer = self.record_scorer(end, unknown)
        return scorer.surprisals(self._encoded(lines, unknown))

    def _encoded(self, lines: Iterable[TextOrIds], unknown: ScoredUnknown) -> Iterator[Array]:
        if isinstance(lines, (str, bytes)):
            raise TypeError("lines must be several texts, such as text.splitlines(), not one")
        # The scorer leaves out what is skipped, so that it can say where that was.
        unknown = self.treatment(unknown).unknown
        how: ScoredUnknown = "error" if unknown == "error" else "score"
        return (self._ids(line, how) for line in lines)

    def surprising_span(self, nats: Array) -> tuple[int, int] | None:
        """The most surprising part of a line: where it begins and ends, or None.

        A character is surprising if it takes more than 99 of 100 characters of held-out lines, or
        more than a uniform guess for a model that has not measured that. See
        :func:`~charrnn.evaluation.spans.surprising_span`.

        Args:
            nats: of each character of the line, from :meth:`line_surprisals`.
        """
        level = math.log(len(self.vocab))
        if self.norms and self.norms.lines:
            level = self.norms.surprising * math.log(2.0)
        return surprising_span(nats, level)

    @property
    def unknown_nats(self) -> float:
        """What an unknown character costs: see :mod:`charrnn.norms`.

        An unknown word costs what spelling it takes on average, beside the nats of the symbol
        that is read in its place.

        A model that has not measured how rare they are, such as one of version 0.1, takes it that
        one character of its corpus occurred once.
        """
        if self.vocab.reads_unknown:
            return self.vocab.spelling
        norms = self.norms
        if norms is None:
            norms = Norms(1.0 / (self.corpus.characters + 1)) if self.corpus else Norms()
        if self.vocab.unit == "word":
            return self.vocab.spelling - math.log(norms.unknown)
        return norms.unknown_nats(len(self.vocab))

    def percentile(self, percent: float) -> float:
        """The bits per character that ``percent`` of the held-out lines do not exceed.

        Raises:
            CheckpointError: if they were not measured.
        """
        if self.norms and self.norms.lines:
            return self.norms.percentile(percent)
        raise CheckpointError(
            f"{self.name}: has no percentiles, because no held-out lines were scored at the end of "
            "its training",
            "give a threshold in bits, or train with text held out",
        )

    def char_scores(
        self, text: Text | Iterable[TextOrIds], unknown: ScoredUnknown = "error", k: int = 3
    ) -> Iterator[CharScores]:
        """Score each character of a text, with the ``k`` likeliest ones in its place.

        Args:
            text: a text, or its pieces in order, of any length; memory is that of one piece.
            unknown: as :meth:`evaluate`. With ``score``, unknown characters have an id below 0.

        Yields:
            Up to 131,072 characters at once, besides unknown ones. ``vocab.decode`` turns their
            ids into text. Nothing for an empty text.

        Raises:
            VocabError: while iterating, as :meth:`evaluate`.
        """
        pieces = [text] if isinstance(text, (str, bytes)) else text
        how = self.treatment(unknown)
        encoded = (self._ids(piece, how.unknown) for piece in pieces)
        found = char_scores(
            self.network,
            encoded,
            self.vocab.start,
            k,
            unknown_nats=how.nats,
            unknown_id=how.read_as,
            mixture=self._active,
        )
        return (replace(scores, vocab=self.vocab) for scores in found)

    def text_scorer(self) -> Scorer:
        """A scorer of one text, given as ids block by block; its score is :meth:`evaluate`'s.

        :func:`charrnn.evaluation.score.score` runs one or more of them over a text.
        """
        return self._text_scorer(self._active)

    def part_scorers(self) -> dict[str, Scorer]:
        """Scorers of one text: ``mixed``, and ``network`` and ``n-gram`` for each alone.

        They must read the text together. A model that mixes nothing has only ``network``.
        """
        if self.mixture is None:
            return {"network": self.text_scorer()}
        tally = Tally(self.mixture)
        mixed = self._text_scorer(tally)
        return {
            "mixed": mixed,
            "network": PartScorer(mixed, lambda: tally.network_nats),
            "n-gram": PartScorer(mixed, lambda: tally.ngram_nats),
        }

    def _text_scorer(self, mixture: Mixture | None) -> Scorer:
        unknown_id = self.vocab.rare_id if self.vocab.reads_unknown else None
        scorer = RecordTextScorer if self.of_records else TextScorer
        return scorer(self.network, self.vocab.start, unknown_id=unknown_id, mixture=mixture)

    def dynamic_scorer(self, squares: Array | None = None) -> Scorer:
        """A scorer of one text, during which a copy of the model adapts to it.

        Args:
            squares: (P,) mean squared gradients of training; None for those of the model, which
                are known after training, and of a loaded one with ``load(path, training=True)``.
                :func:`~charrnn.evaluation.dynamic.mean_squared_gradients` computes them from
                any text.

        Raises:
            ConfigError: for a model of records, which are not continuous text.
            CheckpointError: if ``squares`` is None and the model does not know them.
        """
        if self.of_records:
            raise ConfigError(
                f"{self.name}: is a model of records, and only models of continuous text can adapt",
                "evaluate it without adapting",
            )
        squares = self.squares if squares is None else squares
        if squares is None:
            raise CheckpointError(
                f"{self.name}: adapting needs the mean squared gradients of training",
                "load them with training=True from the file that training wrote",
            )
        unknown_id = self.vocab.rare_id if self.vocab.reads_unknown else None
        return DynamicScorer(
            self.network,
            self.vocab.start,
            squares,
            unknown_id=unknown_id,
            mixture=self._active,
        )

    def record_scorer(
        self, end: bool | None = None, unknown: ScoredUnknown = "error"
    ) -> RecordScorer:
        """A scorer of many records or lines, given as ids, each by itself.

        Args:
            end: whether what ends each of them, such as a newline, is scored and counted, too,
                unless there is nothing before it; None for whether the model is one of records.
            unknown: whether unknown symbols, of ids below 0, are scored or left out.

        Raises:
            VocabError: if ``end`` asks for a newline that the model does not know.
        """
        end = self.of_records if end is None else end
        newline = None
        if end:
            newline = self.vocab.start if self.of_records else int(self.vocab.encode("\n")[0])
        how = self.treatment(unknown)
        return RecordScorer(
            self.network,
            self.vocab.start,
            newline,
            unknown_nats=how.nats,
            unknown_id=how.read_as,
            lengths=self.vocab.lengths,
            mixture=self._active,
        )

    def reference(self, corpus: Text | Corpus) -> Reference:
        """A corpus to compare with: its held-out part, baselines that learn from it, and copies.

        Args:
            corpus: the model's own or another one: a text, or a corpus read with the model's
                ``config.data``.

        Raises:
            CorpusError: if a text is empty or has only one distinct character.
            ConfigError: if a corpus was read with other settings.
        """
        return Reference(corpus, self.config.data, self.vocab, self.corpus, self.name)

    def treatment(self, unknown: ScoredUnknown) -> Treatment:
        """What scoring does with unknown symbols.

        Where the network reads a symbol in their place, as in a model of words, none is an error.
        """
        if unknown == "error" and self.vocab.reads_unknown:
            unknown = "score"
        if unknown != "score":
            return Treatment(unknown)
        read_as = self.vocab.rare_id if self.vocab.reads_unknown else None
        return Treatment(unknown, self.unknown_nats, read_as)

    def _whole(self, text: TextOrIds) -> TextOrIds:
        """A text as a whole is scored: without a byte-order mark, the ends of records marked."""
        if isinstance(text, str) and self.vocab.unit != "byte":
            text = text.removeprefix("\ufeff")  # training drops it, too
        if self.of_records and isinstance(text, (str, bytes)):
            text = with_marked_ends(text, self.config.data.records)
        return text

    def _ids(self, text: TextOrIds, unknown: ScoredUnknown) -> Array:
        return text if isinstance(text, np.ndarray) else self.vocab.encode(text, unknown)


def load(path: str | os.PathLike[str], training: bool = False) -> CharRNN:
    """Read a model that ``charrnn train`` or :meth:`CharRNN.save` wrote.

    Args:
        training: read also what dynamic evaluation needs, and the history of the run, if the
            file has them.

    Raises:
        CheckpointError: if it is missing, damaged or not a checkpoint.
    """
    return CharRNN.from_checkpoint(Checkpoint.load(path, training), os.fsdecode(path))
