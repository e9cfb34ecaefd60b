"""How large a model, how much dropout, what learning rate, where the settings leave it open.

It depends on nothing but the settings and the length of the text, so that a run is the same
on any machine. What is known of rates is of two cores.
"""

from __future__ import annotations

import dataclasses
import math

from charrnn.config.schema import Config, ModelConfig
from charrnn.errors import ConfigError
from charrnn.nn.cells import CELLS
from charrnn.nn.network import Architecture

#: Units of an LSTM for up to so many minutes. A wider layer learns more from each character
#: and reads fewer of them. Validation on the last tenth of the first 90% of tiny-shakespeare,
#: nats a character, and the minutes that it takes two cores: 256 units, 1,040 steps (0.4)
#: 1.518, 5,200 steps (2.0) 1.490; 384 units, 2,600 steps (1.6) 1.467; 512 units, 5,000 steps
#: of 64 streams (10) 1.441.
FOR_MINUTES = ((0.25, 128), (0.75, 256), (8.0, 384), (math.inf, 512))
#: A short text is read many times in any budget: then the widest of these that still reads it
#: so many times, for width and dropout serve better there than readings. The last tenth of
#: corpora/fables.txt (77,000 characters to learn from): 256 units, dropout 0.5, 26 readings
#: 1.685, 79 readings 1.699, dropout 0.7 1.685; 384 units, 0.6, 40 readings 1.678; 512, 0.65,
#: 40 readings 1.675. Its first 50,000 characters: 256, 0.6, 68 readings 1.784; 384, 0.7 1.779;
#: 512, 0.7 1.775; a 5-gram model 1.781. WEIGHTS a character at most, so that a text of a few
#: pages does not get a model of megabytes.
WIDTHS, READINGS, WEIGHTS = (128, 256, 384, 512, 640, 768), 40, 25
#: Units where the budget is one of steps or epochs.
USUAL = 256
#: Characters times recurrent weights that two cores train on in a second: LSTMs of 128 to
#: 512 units, at 290,000 to 35,000 characters a second, come to 19 to 37 thousand million.
WORK = 3e10
#: Dropout: so much for each doubling of the readings from the first number on, and of the
#: weights to a character; the most. It follows the figures above, and tiny-shakespeare's of 256
#: units: 12 readings without 1.492, with 0.2 1.490, with 0.35 1.494.
FIRST, PER_READINGS, PER_WEIGHTS, MOST = 2.5, 0.09, 0.05, 0.7
#: Learning rates, which belong to ``max_grad_norm`` 0.1. Adagrad's is from 1,040 steps of an
#: LSTM of 256 on the first 90% of tiny-shakespeare, validation in nats a character: rate 0.05
#: and norm 5 1.955; norm 0.1 and rate 0.2 1.518, 0.3 1.560. The others are from
#: `benchmarks/compare.py --tune`, 400 steps on the training part of corpora/fables.txt:
#:   adagrad 0.05, 0.1, 0.2, 0.4: 2.025, 1.844, 1.736, 1.705
#:   sgd 32, 64, 128: 2.138, 2.039, 2.084
#:   rmsprop 0.008, 0.016, 0.032, 0.064: 2.068, 1.845, 1.749, 1.719
#:   adam 0.008, 0.016, 0.032, 0.064: 2.023, 1.842, 1.784, 1.761
#: and with norm 1 sgd 16 2.276, adam 0.016 1.922. Short runs like high rates, so RMSprop and
#: Adam have, as Adagrad has, half of what was best there.
RATES = {"sgd": 64.0, "adagrad": 0.2, "rmsprop": 0.032, "adam": 0.032}
#: Times that for an LSTM of 384 units and more, whose figures above are at 0.3.
WIDE, WIDE_RATE = 384, 1.5
#: Times that for a plain RNN (526 units, the same 400 steps: rate 0.005, 0.01, 0.02, 0.2:
#: 2.532, 2.355, 3.149, 3.482). A GRU (299 units; 0.1, 0.2, 0.4: 2.130, 1.785, 2.409) has none.
RNN_RATE = 0.05

#: The settings that may be left open.
AUTO_SETTINGS = ("model.hidden_size", "model.dropout", "train.learning_rate")


def resolve_auto(config: Config, characters: int) -> Config:
    """``config`` with those of :data:`AUTO_SETTINGS` filled in that are None.

    Args:
        characters: of the training part.
    """
    model, train = config.model, config.train
    if model.hidden_size is None:
        model = dataclasses.replace(model, hidden_size=_hidden_size(config, characters))
    if model.dropout is None:
        weights = _weights(model)
        readings = math.log2(_readings(config, weights, characters) / FIRST)
        dropout = PER_READINGS * readings + PER_WEIGHTS * math.log2(weights / characters)
        model = dataclasses.replace(model, dropout=round(min(MOST, max(0.0, dropout)), 2))
    if train.learning_rate is None:
        train = dataclasses.replace(train, learning_rate=_learning_rate(model, train.optimizer))
    return dataclasses.replace(config, model=model, train=train)


def _hidden_size(config: Config, characters: int) -> int:
    minutes = config.train.minutes
    size = USUAL
    if minutes is not None:
        usual = next(width for limit, width in FOR_MINUTES if minutes <= limit)
        size = WIDTHS[0]
        for width in WIDTHS[1:]:
            weights = 4 * width**2
            wanted = width <= usual or _readings(config, weights, characters) >= READINGS
            if wanted and weights <= WEIGHTS * characters:
                size = width
    # As many recurrent weights whatever the cell: an LSTM has four gates.
    return round(size * math.sqrt(4 / CELLS[config.model.cell].GATES))


def _learning_rate(model: ModelConfig, optimizer: str) -> float:
    factor = 1.0
    if model.cell == "rnn":
        factor = RNN_RATE
    elif model.cell == "lstm" and (model.hidden_size or 0) >= WIDE:
        factor = WIDE_RATE
    return round(RATES[optimizer] * factor, 6)


def _weights(model: ModelConfig) -> int:
    """Recurrent weights of one layer, times the layers."""
    return CELLS[model.cell].GATES * (model.hidden_size or 0) ** 2 * model.num_layers


def _readings(config: Config, weights: int, characters: int) -> float:
    """How often the budget allows to read a text of so many characters, roughly."""
    train = config.train
    if train.epochs is not None:
        return train.epochs
    if train.steps is not None:
        seen = float(train.steps * train.batch_size * train.seq_length)
    else:
        seen = 60.0 * (train.minutes or 0.0) * WORK / weights
    return seen / characters


def architecture(config: Config, vocab_size: int) -> Architecture:
    """The architecture that a configuration gives a vocabulary of ``vocab_size`` symbols.

    Raises:
        ConfigError: it leaves sizes open, which :func:`resolve_auto` fills in.
    """
    m = config.model
    if m.hidden_size is None or m.dropout is None:
        raise ConfigError("model.hidden_size and model.dropout must be given")
    return Architecture(
        m.cell, vocab_size, m.hidden_size, m.num_layers, m.dropout, m.locked_dropout
    )
