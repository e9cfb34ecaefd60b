"""Models made of named arrays, such as weights that were trained with another program.

The names and shapes are those of :meth:`charrnn.nn.network.Architecture.shapes`. They determine
the cell and the sizes, so only the symbols must be given besides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from charrnn.config.autosize import architecture
from charrnn.config.schema import Config, DataConfig
from charrnn.config.sources import with_settings
from charrnn.data.records import end_point
from charrnn.data.tokens import token_array
from charrnn.data.vocab import RARE, Symbols, Vocab, codepoints
from charrnn.data.word_vocab import UNKNOWN, WordVocab
from charrnn.errors import CharRNNError, VocabError
from charrnn.messages import did_you_mean, printable, quoted
from charrnn.nn.cells import CELLS
from charrnn.nn.params import Array, Params, Shapes

_LAYER = re.compile(r"layers\.(\d{1,9})\.")


def assemble(
    parameters: Mapping[str, Array], symbols: Symbols, settings: Mapping[str, Any]
) -> tuple[Config, Vocab, Params]:
    """The parts of a model; arguments and errors as :meth:`charrnn.CharRNN.from_parameters`."""
    points = _points(symbols)
    unit = {bytes: "byte", str: "char"}.get(type(symbols), "word")
    implied = _sizes(parameters) | {"unit": unit}
    for name, found in implied.items():
        if settings.get(name, found) != found:
            raise CharRNNError(
                f"{name} is {found} in these parameters and symbols, not {quoted(settings[name])}"
            )
    config = with_settings(Config(), {"dropout": 0.0, **settings, **implied})
    vocab = _vocab(points, config.data)
    arch = architecture(config, len(vocab))
    _check(parameters, arch.shapes(), f"{len(vocab):,} symbols and {arch.hidden_size:,} units")
    params = Params(arch.shapes())
    for name, view in params.items():
        with np.errstate(over="ignore"):
            view[...] = parameters[name]
        if not (finite := np.isfinite(view)).all():
            wrong = parameters[name][~finite][0]
            raise CharRNNError(f"{name} holds {wrong}; parameters must be finite in float32")
    # A vocabulary is in the order of code points; the symbols were in that of the caller's ids.
    ids = vocab.ids_of(points)
    for view in (params["layers.0.W_x"], params["output.W"].T, params["output.b"]):
        view[ids] = view.copy()
    return config, vocab, params


def _sizes(parameters: Mapping[str, Array]) -> dict[str, str | int]:
    """The cell, the units and the layers, by the names of their settings."""
    if not isinstance(parameters, Mapping):
        raise TypeError(f"parameters must be arrays by name, not {quoted(parameters)}")
    for name, array in parameters.items():
        if not isinstance(array, np.ndarray):
            kind = type(array).__name__
            raise TypeError(f"{printable(str(name))} must be a NumPy array, not a {kind}")
        if array.dtype.kind != "f":
            raise CharRNNError(
                f"{printable(str(name))} is an array of {array.dtype}",
                "convert it to float32",
            )
    if "layers.0.W_h" not in parameters:
        raise CharRNNError(
            "parameter layers.0.W_h is missing", "use the names that model.parameters() returns"
        )
    shape = parameters["layers.0.W_h"].shape
    for cell, kind in CELLS.items():
        if len(shape) == 2 and shape[0] and shape[1] == kind.GATES * shape[0]:
            layers = [int(found[1]) for name in parameters if (found := _LAYER.match(str(name)))]
            return {"cell": cell, "hidden_size": shape[0], "num_layers": 1 + max(layers)}
    raise CharRNNError(
        f"layers.0.W_h has the shape {shape}, which no cell has",
        "for H units, it is (H, H) in an rnn, (H, 4*H) in an lstm and (H, 3*H) in a gru",
    )


def _points(symbols: Symbols) -> Array:
    """The code points, byte values or words of ``symbols``, each once."""
    if isinstance(symbols, bytes):
        if sorted(symbols) != list(range(256)):
            raise VocabError("the symbols of a byte model must be the 256 bytes, each once")
        return np.frombuffer(symbols, np.uint8)
    words = isinstance(symbols, list) and all(isinstance(word, str) for word in symbols)
    if not (words or isinstance(symbols, str)):
        raise TypeError(f"symbols must be str, bytes or a list of words, not {quoted(symbols)}")
    seen: set[str] = set()
    for symbol in symbols:
        if symbol in seen:
            raise VocabError(f"the symbols have {symbol!a} twice", "give each once")
        seen.add(symbol)
    if halves := sorted(symbol for symbol in seen if re.search("[\ud800-\udfff]", symbol)):
        raise VocabError(f"{halves[0]!a} is half of a surrogate pair", "leave it out")
    return codepoints(symbols) if isinstance(symbols, str) else token_array(symbols)


def _vocab(points: Array, data: DataConfig) -> Vocab:
    """A vocabulary of these symbols, which records of ``data`` can be made of."""
    end, found = end_point(data.records), points.tolist()
    if data.of_records and (chr(end) if data.unit == "word" else end) not in found:
        raise VocabError(f"the symbols lack {chr(end)!a}, which ends a record")
    if data.unit == "word":
        return WordVocab(found, UNKNOWN in found, end)
    return Vocab(data.unit, found, data.min_count > 1 and RARE in found, end)


def _check(parameters: Mapping[str, Array], shapes: Shapes, sizes: str) -> None:
    for name in shapes:
        if name not in parameters:
            raise CharRNNError(f"parameter {name} is missing")
    for name, array in parameters.items():
        if name not in shapes:
            unknown = printable(str(name))
            raise CharRNNError(f"unknown parameter {unknown}", did_you_mean(unknown, shapes))
        if array.shape != shapes[name]:
            raise CharRNNError(
                f"{name} has the shape {array.shape}, not {shapes[name]}, which {sizes} need"
            )
