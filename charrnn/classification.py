"""Classification by models, one for each class: a text belongs to the class that predicts it best.

By Bayes' rule, P(class | text) is proportional to P(class) P(text | class), and a model that was
trained on the texts of a class gives P(text | class).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.data.vocab import Text
from charrnn.errors import ConfigError
from charrnn.evaluation.score import Evaluation
from charrnn.model import CharRNN

#: Texts that are scored at once, by one model after the other.
BATCH = 4096
#: Intervals of confidence in which a report compares it with the accuracy.
BINS = 10


@dataclass(frozen=True)
class Classification:
    """The class of a text.

    Attributes:
        label: of the most probable class. runner_up: of the next.
        log_odds: of the class against the runner-up, in nats.
        probabilities: of each class, given the text; they add up to 1.
        scores: of the text under each class's model.
    """

    label: str
    runner_up: str
    log_odds: float
    probabilities: dict[str, float]
    scores: dict[str, Evaluation]

    @property
    def bits_per_char(self) -> float:
        """The log odds in bits per character; 0 for an empty text."""
        characters = self.scores[self.label].characters
        return self.log_odds / math.log(2.0) / characters if characters else 0.0

    @property
    def confidence(self) -> float:
        """The probability of the class."""
        return self.probabilities[self.label]


class Classifier:
    """Chooses among models, one for each class.

    Args:
        models: by label, at least two, of one unit, all of records or none.
        priors: how probable each class is before its text is seen, up to a common factor; 1
            where none is given.

    Raises:
        ConfigError: the models cannot be compared, or a prior is not a positive number or is of
            an unknown class.
    """

    def __init__(
        self, models: Mapping[str, CharRNN], priors: Mapping[str, float] | None = None
    ) -> None:
        if len(models) < 2:
            raise ConfigError("classes: there must be at least two", "give a model for each")
        kinds = {(model.vocab.unit, model.of_records) for model in models.values()}
        if len(kinds) > 1:
            raise ConfigError(
                "models that differ in data.unit or data.records cannot be compared",
                "train them with the same data settings",
            )
        self.models = dict(models)
        weights = dict.fromkeys(models, 1.0) | dict(priors or {})
        for label, weight in weights.items():
            if label not in models:
                raise ConfigError(f"prior: there is no class {label!r}", f"give {_listed(models)}")
            if not (math.isfinite(weight) and weight > 0.0):
                raise ConfigError(f"prior: must be a number above 0, not {weight}")
        self._log_priors = np.log([weights[label] for label in models])

    @property
    def labels(self) -> list[str]:
        """The classes, in the order given."""
        return list(self.models)

    def classify(self, texts: Iterable[Text]) -> Iterator[Classification]:
        """The class of each text, in order; memory is that of a few thousand texts.

        Characters that a model does not know count as very rare, as with ``unknown="score"``.
        """
        waiting = iter(texts)
        while batch := list(itertools.islice(waiting, BATCH)):
            scores = [list(m.score_lines(batch, "score")) for m in self.models.values()]
            yield from map(self._classified, zip(*scores, strict=True))

    def _classified(self, scores: Sequence[Evaluation]) -> Classification:
        logs = self._log_priors - [score.nats for score in scores]
        best, second = np.argsort(-logs, kind="stable")[:2].tolist()
        shares = np.exp(logs - logs[best])
        labels, shares = self.labels, shares / shares.sum()
        return Classification(
            labels[best],
            labels[second],
            float(logs[best] - logs[second]),
            dict(zip(labels, shares.tolist(), strict=True)),
            dict(zip(labels, scores, strict=True)),
        )

    def report(self, labelled: Iterable[tuple[str, Text]]) -> Report:
        """How well texts of known classes are classified.

        Args:
            labelled: the right label of each text, and the text.
        """
        labels: list[str] = []

        def texts() -> Iterator[Text]:
            for label, text in labelled:
                labels.append(label)
                yield text

        found = [(c.label, c.confidence, c.probabilities) for c in self.classify(texts())]
        known = {label: n for n, label in enumerate(self.labels)}
        confusion = np.zeros((len(known), len(known)), np.int64)
        right, nats = np.zeros(len(found), bool), 0.0
        for n, (true, (label, _, probabilities)) in enumerate(zip(labels, found, strict=True)):
            confusion[known[true], known[label]] += 1
            right[n] = true == label
            nats -= math.log(max(probabilities[true], 1e-300))
        return Report(self.labels, confusion, np.array([c for _, c, _ in found]), right, nats)


@dataclass(frozen=True)
class Calibration:
    """Texts whose classes were about equally certain.

    Attributes:
        low, high: the interval of confidence. count: how many texts.
        confidence: their mean confidence. accuracy: the share whose class was right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Report:
    """How well texts of known classes were classified.

    Attributes:
        labels: the classes, K of them. confusion: (K, K) texts of each class that were put in
            each class.
        confidences: (texts,) of each classification. right: (texts,) whether it was right.
        nats: total surprisal of the right classes.
    """

    labels: list[str]
    confusion: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    confidences: np.ndarray[tuple[int], np.dtype[np.float64]]
    right: np.ndarray[tuple[int], np.dtype[np.bool_]]
    nats: float

    @property
    def count(self) -> int:
        """How many texts there were."""
        return len(self.right)

    @property
    def accuracy(self) -> float:
        """The share of texts that were classified right; 0 for none."""
        return float(self.right.mean()) if self.count else 0.0

    @property
    def calibration(self) -> list[Calibration]:
        """Confidence and accuracy, by intervals of confidence in which there are texts."""
        bins = np.minimum((self.confidences * BINS).astype(int), BINS - 1)
        found = []
        for n in np.unique(bins).tolist():
            chosen = bins == n
            means = float(self.confidences[chosen].mean()), float(self.right[chosen].mean())
            found.append(Calibration(n / BINS, (n + 1) / BINS, int(chosen.sum()), *means))
        return found

    @property
    def calibration_error(self) -> float:
        """How far confidence is from accuracy, on average over the texts."""
        gaps = sum(c.count * abs(c.confidence - c.accuracy) for c in self.calibration)
        return gaps / self.count if self.count else 0.0


def _listed(labels: Iterable[str]) -> str:
    return " or ".join(labels)
