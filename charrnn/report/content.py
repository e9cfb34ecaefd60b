"""The content of a page. Its script reads these fields as JSON, under the same names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A place in the training: losses in bits per character, None where not known.

    There is one for each validation; where nothing was held out, for some of the steps, and the
    training loss is then the smooth one. If the network is mixed with n-grams, ``network`` is the
    validation of the network alone; the training loss is always of the network.
    """

    step: int
    characters: int
    training: float | None
    validation: float | None
    network: float | None


@dataclass(frozen=True)
class Milestone:
    """What the model wrote during training, at this share of the run, 0 to 1."""

    progress: float
    step: int
    text: str


@dataclass(frozen=True)
class SampleText:
    """A sample, and the mean surprisal of its characters in bits."""

    temperature: float
    text: str
    bits: float


@dataclass(frozen=True)
class ScoredText:
    """A text with the surprisal of each of its T characters.

    Attributes:
        source: where it comes from, such as ``poem.txt``.
        note: what was left out, if anything.
        ids: (T,) symbols. bits: (T,) their surprisal.
        likeliest: (T, k) the likeliest symbols at each place. probs: (T, k) their probabilities.
        bits_per_char: mean surprisal of all that was scored, of which this may be the beginning.
        characters: how many that were.
    """

    source: str
    note: str
    ids: list[int]
    bits: list[float]
    likeliest: list[list[int]]
    probs: list[list[float]]
    bits_per_char: float
    characters: int


@dataclass(frozen=True)
class Finding:
    """The unit that responds most to a feature of the text.

    Attributes:
        feature: such as ``inside quotation marks``.
        layer, unit: which one. quantity: ``h``, or ``c`` of an LSTM.
        r: its correlation with the feature, in text that it was not chosen by.
        chance: what 99 % of unrelated places of the same text stay below.
        found: whether r is more than chance, and enough to speak of.
    """

    feature: str
    layer: int
    unit: int
    quantity: str
    r: float
    chance: float
    found: bool


@dataclass(frozen=True)
class Trace:
    """A unit's activations over the scored text.

    Attributes:
        layer, unit: which one.
        values: quantity -> base64 of (T,) int8, in units of ``scales[quantity]``.
    """

    layer: int
    unit: int
    values: dict[str, str]
    scales: dict[str, float]


@dataclass(frozen=True)
class Units:
    """The hidden units over the scored text.

    Attributes:
        quantities: ``h``, ``c`` of an LSTM, and the gates.
        searched: characters that the findings are from; 0 if the text is too short for a search.
        findings: the strongest first. absent: features that the text does not have.
        traces: of the units in ``findings``.
    """

    quantities: list[str]
    searched: int
    findings: list[Finding]
    absent: list[str]
    traces: list[Trace]


@dataclass(frozen=True)
class Mixed:
    """A network that is mixed with an n-gram model.

    Attributes:
        weight: of the n-gram model.
        network, ngram: what each needs alone at the best validation, in bits per character, if
            known.
    """

    weight: float
    network: float | None
    ngram: float | None


@dataclass(frozen=True)
class Tables:
    """An n-gram model to play with; its arrays are those of :mod:`charrnn.ngram.stored`.

    Attributes:
        order: length of the longest n-grams. end: the symbol that ends a record, if any.
        discounts: (order, 4) for counts of 0, 1, 2, and 3 or more.
        arrays: name, type and length of each, in the order of their bytes.
        note: what was left out, if anything.
    """

    order: int
    end: int | None
    discounts: list[list[float]]
    arrays: list[tuple[str, str, int]]
    note: str


@dataclass(frozen=True)
class ModelContent:
    """A model on the page.

    Attributes:
        name: of its file. summary: a paragraph.
        cell, hidden_size, num_layers, records, start, unit: as in the model.
        rare: the symbol that stands for rare characters, which is never drawn; None if there is
            none.
        points: the code point, byte value or word of each symbol. labels: how each is shown.
        shapes: name and shape of each parameter, in the order of the weights.
        uniform: bits per character of a uniform guess. ngram: of the 6-gram model, if known.
        mixture: None for a network alone. tables: None if there is no n-gram model to play with.
        validation: the best validation, in bits per character, if there was one.
        history: of the training. seed: of ``samples``. milestones: samples during training.
        text, units: None while training.
    """

    name: str
    summary: str
    cell: str
    hidden_size: int
    num_layers: int
    records: bool
    start: int
    rare: int | None
    unit: str
    points: list[int | str]
    labels: list[str]
    shapes: list[tuple[str, tuple[int, ...]]]
    uniform: float
    ngram: float | None
    mixture: Mixed | None
    tables: Tables | None
    validation: float | None
    history: list[Point]
    seed: int
    samples: list[SampleText]
    milestones: list[Milestone]
    text: ScoredText | None
    units: Units | None


@dataclass(frozen=True)
class Content:
    """A page.

    Attributes:
        weights: base64 of the float16 parameters of each model, in an element of its own
            beside the JSON; none if they are left out.
        ngrams: likewise, base64 of the compressed arrays of each model's ``tables``; empty for a
            model that has none.
        version: of charrnn.
        progress: share of a run that is still training; None for a page that will not change.
    """

    models: list[ModelContent]
    weights: list[str]
    ngrams: list[str]
    version: str
    progress: float | None = None

    @property
    def title(self) -> str:
        """What the page is called."""
        return f"Inside {', '.join(model.name for model in self.models)}"
