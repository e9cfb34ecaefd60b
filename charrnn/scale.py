"""How large a model to train, and with how much dropout, where the settings leave it open.

It depends on nothing but the settings and the length of the text, so that a run is the same
on any machine. What is known of rates is of two cores.
"""

from __future__ import annotations

import dataclasses
import math

from charrnn.config import Config, ModelConfig
from charrnn.nn.cells import CELLS

#: Units of an LSTM for up to so many minutes. A wider layer learns more from each character
#: and reads fewer of them. FIGURES
FOR_MINUTES = ((1.0, 128), (3.0, 256), (8.0, 384), (math.inf, 512))
#: A short text is read many times in any budget: then the widest of these that still reads it
#: so many times. At any rate not more weights than so many a character. FIGURES
WIDTHS, READINGS, WEIGHTS = (128, 256, 384, 512, 640, 768), 40, 25
#: Units where the budget is one of steps or epochs.
USUAL = 256
#: Characters times recurrent weights that two cores train on in a second: LSTMs of 128 to
#: 512 units, at 290,000 to 35,000 characters a second, come to 19 to 37 thousand million.
WORK = 3e10
#: Dropout: so much for each doubling of the passes over the text from the first number on,
#: and of the weights to a character; the most. FIGURES
FIRST, PER_READINGS, PER_WEIGHTS, MOST = 2.5, 0.09, 0.05, 0.7


def suited(config: Config, characters: int) -> Config:
    """``config`` with ``model.hidden_size`` and ``model.dropout`` filled in where they are None.

    Args:
        characters: of the training part.
    """
    model = config.model
    if model.hidden_size is None:
        model = dataclasses.replace(model, hidden_size=_hidden_size(config, characters))
    if model.dropout is None:
        weights = _weights(model)
        readings = math.log2(_readings(config, weights, characters) / FIRST)
        dropout = PER_READINGS * readings + PER_WEIGHTS * math.log2(weights / characters)
        model = dataclasses.replace(model, dropout=round(min(MOST, max(0.0, dropout)), 2))
    return dataclasses.replace(config, model=model)


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
