"""Chooses the settings that are left open: the size of a model, dropout and learning rate.

The choice depends only on the settings and the length of the text, so that a run is the same on
any machine. The measurements behind every number are in docs/design/tuning.md; speeds are
those of two cores.
"""

from __future__ import annotations

import dataclasses
import math

from charrnn.config.schema import Config, DataConfig, ModelConfig
from charrnn.errors import ConfigError
from charrnn.nn.cells import CELLS
from charrnn.nn.network import Architecture

#: Units of an LSTM for a budget of up to so many minutes.
WIDTH_FOR_MINUTES = ((0.25, 128), (0.75, 256), (8.0, 384), (math.inf, 512))
#: Units of an LSTM for a short text: the widest that still trains on it PASSES times, with no
#: more than WEIGHTS_PER_CHARACTER.
WIDTHS = (128, 256, 384, 512, 640, 768)
PASSES = 40
WEIGHTS_PER_CHARACTER = 25
#: Units of an LSTM where the budget is one of steps or epochs.
DEFAULT_WIDTH = 256
#: Units of an LSTM for words, of which the output layer is most of the work, and for a budget of
#: more than LONG minutes.
WIDTH_FOR_WORDS, LONG_WIDTH_FOR_WORDS, LONG = 128, 256, 8.0
#: Units of an RNN.
RNN_WIDTH = 256
#: Characters times recurrent weights that training processes in a second.
WEIGHTS_PER_SECOND = 3e10
#: Dropout of an LSTM or GRU: PER_PASSES for each doubling of the passes beyond FREE_PASSES, and
#: PER_WEIGHTS for each doubling of the weights per character, up to MAX_DROPOUT.
FREE_PASSES = 2.5
PER_PASSES = 0.09
PER_WEIGHTS = 0.05
MAX_DROPOUT = 0.7
#: Weight dropout of an LSTM or GRU for a single text: PER_DROPOUT times the excess of the chosen
#: dropout over FREE_DROPOUT, at most MAX_WEIGHT_DROPOUT.
FREE_DROPOUT = 0.3
PER_DROPOUT = 2.0
MAX_WEIGHT_DROPOUT = 0.3
#: Learning rates; they assume ``max_grad_norm`` 0.1.
RATES = {"sgd": 64.0, "adagrad": 0.2, "rmsprop": 0.032, "adam": 0.032}
#: Factor of the rate for an LSTM of WIDE units or more.
WIDE, WIDE_RATE = 384, 1.5
#: Beyond WIDE_RNN units, the rate of an RNN falls with this power of the width.
WIDE_RNN, RATE_POWER = 192, 1.5

#: Streams of a batch; fewer for a single text of less than SHORT characters, read many times.
BATCH, SHORT_BATCH, SHORT = 32, 16, 300_000
#: Length of the longest n-grams: characters or bytes, and words.
NGRAM_ORDER, NGRAM_ORDER_OF_WORDS = 7, 4

#: The settings that may be left open.
AUTO_SETTINGS = (
    "model.hidden_size",
    "model.dropout",
    "model.weight_dropout",
    "model.ngram_order",
    "train.batch_size",
    "train.learning_rate",
)


def resolve_auto(config: Config, characters: int) -> Config:
    """``config`` with a value for each of :data:`AUTO_SETTINGS` that is None.

    Args:
        characters: length of the training part.
    """
    model, train = config.model, config.train
    if train.batch_size is None:
        train = dataclasses.replace(train, batch_size=_batch_size(config.data, characters))
        config = dataclasses.replace(config, train=train)
    if model.hidden_size is None:
        model = dataclasses.replace(model, hidden_size=_hidden_size(config, characters))
    chosen_dropout = 0.0
    if model.dropout is None:
        chosen_dropout = _dropout(config, model, characters)
        model = dataclasses.replace(model, dropout=chosen_dropout)
    if model.weight_dropout is None:
        weight_dropout = _weight_dropout(chosen_dropout, config.data)
        model = dataclasses.replace(model, weight_dropout=weight_dropout)
    if model.ngram_order is None:
        order = NGRAM_ORDER_OF_WORDS if config.data.unit == "word" else NGRAM_ORDER
        model = dataclasses.replace(model, ngram_order=order)
    if train.learning_rate is None:
        train = dataclasses.replace(train, learning_rate=_learning_rate(model, train.optimizer))
    return dataclasses.replace(config, model=model, train=train)


def architecture(config: Config, vocab_size: int) -> Architecture:
    """The architecture that a configuration describes, for ``vocab_size`` symbols.

    Raises:
        ConfigError: it leaves sizes open, which :func:`resolve_auto` fills in.
    """
    m = config.model
    if m.hidden_size is None or m.dropout is None:
        raise ConfigError(
            "model.hidden_size and model.dropout are not set", "set them, or resolve them first"
        )
    return Architecture(
        m.cell,
        vocab_size,
        m.hidden_size,
        m.num_layers,
        m.dropout,
        m.locked_dropout,
        m.weight_dropout or 0.0,
    )


def _hidden_size(config: Config, characters: int) -> int:
    if config.model.cell == "rnn":
        return RNN_WIDTH
    minutes = config.train.minutes
    size = DEFAULT_WIDTH
    if config.data.unit == "word":
        size = LONG_WIDTH_FOR_WORDS if (minutes or 0.0) > LONG else WIDTH_FOR_WORDS
    elif minutes is not None:
        usual = next(width for limit, width in WIDTH_FOR_MINUTES if minutes <= limit)
        size = WIDTHS[0]
        for width in WIDTHS[1:]:
            weights = 4 * width**2
            wanted = width <= usual or _passes(config, weights, characters) >= PASSES
            if wanted and weights <= WEIGHTS_PER_CHARACTER * characters:
                size = width
    # A GRU gets as many recurrent weights as an LSTM, which has four gates.
    return round(size * math.sqrt(4 / CELLS[config.model.cell].GATES))


def _dropout(config: Config, model: ModelConfig, characters: int) -> float:
    if model.cell == "rnn":
        return 0.0
    weights = _weights(model, config.data)
    doublings = math.log2(_passes(config, weights, characters) / FREE_PASSES)
    dropout = PER_PASSES * doublings + PER_WEIGHTS * math.log2(weights / characters)
    return round(min(MAX_DROPOUT, max(0.0, dropout)), 2)


def _weight_dropout(chosen_dropout: float, data: DataConfig) -> float:
    if not _of_one_text(data):
        return 0.0
    excess = max(0.0, chosen_dropout - FREE_DROPOUT)
    return round(min(MAX_WEIGHT_DROPOUT, PER_DROPOUT * excess), 2)


def _batch_size(data: DataConfig, characters: int) -> int:
    return SHORT_BATCH if characters < SHORT and _of_one_text(data) else BATCH


def _of_one_text(data: DataConfig) -> bool:
    """Whether a corpus is one text of characters or bytes, not of records or words."""
    return data.unit != "word" and not data.of_records


def _learning_rate(model: ModelConfig, optimizer: str) -> float:
    factor, width = 1.0, model.hidden_size or 0
    if model.cell == "lstm" and width >= WIDE:
        factor = WIDE_RATE
    elif model.cell == "rnn" and width > WIDE_RNN:
        factor = (WIDE_RNN / width) ** RATE_POWER
    return round(RATES[optimizer] * factor, 6)


def _weights(model: ModelConfig, data: DataConfig) -> int:
    """Recurrent weights of all layers; of words, those of the output layer as well."""
    hidden_size = model.hidden_size or 0
    recurrent = CELLS[model.cell].GATES * hidden_size**2 * model.num_layers
    return recurrent + hidden_size * (data.vocab_size if data.unit == "word" else 0)


def _passes(config: Config, weights: int, characters: int) -> float:
    """Roughly how many passes over a text of this length the budget allows."""
    train = config.train
    if train.epochs is not None:
        return train.epochs
    if train.steps is not None:
        seen = float(train.steps * train.resolved_batch_size * train.seq_length)
    else:
        seen = 60.0 * (train.minutes or 0.0) * WEIGHTS_PER_SECOND / weights
    return seen / characters
