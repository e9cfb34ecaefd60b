"""The model itself as the page's script reads it: weights and tables of n-grams, in base64."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from charrnn.messages import pluralize
from charrnn.model import CharRNN
from charrnn.ngram.stored import to_arrays
from charrnn.report.content import Tables

#: The largest number of float16.
LARGEST = 65_504.0
#: N-grams on a page, at most: 0.7 MB of English. More would not fit beside the default network
#: into the 3 MB that a page may have.
MOST = 2**19


def weights_of(model: CharRNN) -> str:
    """The parameters as float16."""
    flat = np.clip(model.network.params.flat, -LARGEST, LARGEST)
    return base64_of(flat.astype("<f2").tobytes())


def tables_of(model: CharRNN, most: int = MOST) -> tuple[Tables | None, str]:
    """The n-gram model that takes part in the predictions, if any, and its compressed arrays.

    Args:
        most: n-grams of two symbols and more that are kept, as in a model file.
    """
    if model.mixture is None or not model.mixture.weight:
        return None, ""
    ngram = model.mixture.ngram
    counts = ngram.counts.pruned(most)
    kept, whole = counts.size, ngram.counts.size
    note = ""
    if kept < whole:
        note = f"This page has {kept:,} of the model's {pluralize(whole, 'n-gram')}: those after "
        note += "the rarest histories are left out, the longest first."
    arrays = {name.removeprefix("ngram."): array for name, array in to_arrays(counts).items()}
    tables = Tables(
        order=counts.order,
        end=ngram.end,
        discounts=counts.discounts.tolist(),
        arrays=[(name, array.dtype.name, len(array)) for name, array in arrays.items()],
        note=note,
    )
    little = (array.astype(array.dtype.newbyteorder("<")) for array in arrays.values())
    packed = zlib.compress(b"".join(array.tobytes() for array in little), level=9)
    return tables, base64_of(packed)


def base64_of(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(data).decode("ascii")
